"""What the storms of many machines need: the verdict is right, and so is the proxy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import psycopg
import pytest
from machines.proxy import DatabaseProxy
from machines.verdict import Found, judge

if TYPE_CHECKING:
    from postgres.server import PostgresServer


def _said(key: str, *outcomes: str) -> list[dict]:
    return [{"key": key, "outcome": outcome} for outcome in outcomes]


def _found(*, stored=("a1", "a2"), journal=None, reports=None, told=(), continued=()) -> Found:
    """Return a batch of two messages to one channel; by default all is well."""
    return Found(
        expected={"a1": "c", "a2": "c"},
        stored=[("c", key) for key in stored],
        journal={"a1": "DELIVERED", "a2": "DELIVERED"} | (journal or {}),
        reports=_said("a1", "DELIVERED") + (reports or _said("a2", "DELIVERED")),
        told=frozenset(told),
        continued=continued,
    )


def _late(*, outcome="UNKNOWN", continued=(1,), stored=("a2", "a1")) -> Found:
    """Return a batch whose first message arrives last; by default a frozen worker sent it."""
    reports = _said("a1", outcome) + _said("a2", "DELIVERED")
    found = _found(stored=stored, journal={"a1": outcome}, continued=continued)
    return attrs.evolve(found, reports=reports)


def test_a_good_batch_has_nothing_wrong():
    """Journal, server and reports say the same, and nothing is found."""
    verdict = judge(_found())
    assert verdict.wrong == []
    assert "0 doubled, 0 out of order, 0 lost" in str(verdict)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (_found(stored=["a1", "a2", "a2"]), "a2: 2 copies"),
        (_found(stored=["a2", "a1"]), "c: a2 came before a1"),
        (_found(stored=["a1"]), "a2: lost, the journal says DELIVERED"),
        (_found(stored=["a1"], journal={"a2": None}), "a2: in flight, though the batch is over"),
        (_found(journal={"a2": "REFUSED"}), "a2: the journal says REFUSED, and it was stored"),
        (_found(journal={"a3": "UNKNOWN"}), "a3: nobody's"),
        (_found(reports=_said("a2", "NOT_SENT", "DELIVERED")), "it was stored"),
        (_found(reports=_said("a2", "REFUSED")), "the last report is another"),
        (_found(reports=_said("a1", "DELIVERED")), "nobody reported it"),
        # A frozen worker may not claim it, send it before it goes on, or send it twice.
        (_late(outcome="DELIVERED"), "c: a2 came before a1"),
        (_late(continued=[2]), "c: a2 came before a1"),
        (_late(stored=["a2", "a1", "a1"]), "c: a2 came before a1"),
    ],
)
def test_each_wrong_thing_is_found(found: Found, wrong: str):
    """A verdict that finds nothing would prove nothing."""
    assert any(wrong in one for one in judge(found).wrong)


@pytest.mark.parametrize(
    "found",
    [
        # An UNKNOWN message may be there or not; a report may know more than the journal.
        _found(journal={"a2": "UNKNOWN"}, reports=_said("a2", "UNKNOWN")),
        _found(stored=["a1"], journal={"a2": "UNKNOWN"}, reports=_said("a2", "UNKNOWN")),
        _found(journal={"a2": "UNKNOWN"}),
        # It was refused by one worker, and delivered by the one that took over.
        _found(reports=_said("a2", "REFUSED", "DELIVERED")),
        # A frozen worker had checked it just before it was stopped.
        _late(),
        # The journal names this copy.
        _found(stored=["a1", "a2", "a2"], told=["a2"]),
    ],
)
def test_what_is_allowed_is_not_found(found: Found):
    """A verdict that reports right things would hide the wrong ones."""
    assert judge(found).wrong == []


def test_each_frozen_worker_may_send_one_message_when_it_goes_on():
    """The second one is wrong."""
    found = _late()
    found = attrs.evolve(
        found,
        expected={**found.expected, "a0": "c"},
        stored=[("c", key) for key in ("a2", "a1", "a0")],
        journal={**found.journal, "a0": "UNKNOWN"},
        reports=[*found.reports, *_said("a0", "UNKNOWN")],
    )
    verdict = judge(found)
    assert (verdict.inherent, verdict.out_of_order, len(verdict.wrong)) == (1, 1, 1)
    assert "1 sent late by a frozen worker" in str(verdict)
    assert judge(attrs.evolve(found, continued=[1, 1])).wrong == []


async def test_a_cut_connection_ends_at_once(postgres: PostgresServer):
    """Both sides see the reset."""
    async with DatabaseProxy(postgres.port) as proxy:
        db = await psycopg.AsyncConnection.connect(postgres.conninfo(port=proxy.port))
        await db.execute("SELECT 1")
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            await db.execute("SELECT 1")
        await db.close()


async def test_what_is_swallowed_arrives_when_it_flows_again(postgres: PostgresServer):
    """No connection ends, and no byte is lost."""
    async with DatabaseProxy(postgres.port) as proxy:
        db = await psycopg.AsyncConnection.connect(postgres.conninfo(port=proxy.port))
        proxy.swallow()
        asked = asyncio.create_task(db.execute("SELECT 1"))
        done, _ = await asyncio.wait([asked], timeout=0.1)
        assert not done
        proxy.flow()
        assert await (await asked).fetchone() == (1,)
        await db.close()


async def test_a_swallowed_answer_was_a_commit(postgres: PostgresServer, conninfo: str):
    """The rows that PostgreSQL committed are there, although no client was told."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    async with DatabaseProxy(postgres.port) as proxy:
        db = await psycopg.AsyncConnection.connect(
            postgres.conninfo(str(name), port=proxy.port), autocommit=True
        )
        proxy.swallow(answers_only=True)
        asked = asyncio.create_task(db.execute("CREATE TABLE made (n int)"))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(_has_table, conninfo):
                await asyncio.sleep(0.01)
        assert not asked.done()
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            await asked
        await db.close()


def _has_table(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as db:
        return db.execute("SELECT to_regclass('made')").fetchone() != (None,)
