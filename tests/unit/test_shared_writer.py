"""The writer of a shared journal: lookups, turns and pings in its thread. No database."""

from __future__ import annotations

import asyncio
import contextlib

import attrs
import pytest
from batches import until

from twake_async import JournalEntry, JournalError, Outcome
from twake_async._journal import shared_writer
from twake_async._journal.shared_writer import SharedWriter


@attrs.define(eq=False)
class Memory:
    """A partition in memory; each call may fail."""

    name: str = "it"
    run: int = 1
    last_key: str = ""
    is_done: bool = False
    is_empty: bool = False
    pause: float = 0.0
    rows: dict = attrs.field(factory=dict)
    asked: list = attrs.field(factory=list)
    error: Exception | None = None
    refused: dict = attrs.field(factory=dict)
    late: list = attrs.field(factory=list)

    def open(self, *, target, keys):
        return self

    def as_error(self, exc):
        return exc if isinstance(exc, JournalError) else JournalError(str(exc), reason="broken")

    def _do(self, what):
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    def check(self):
        """Nothing to check."""

    def write(self, entries):
        entries = list(entries)
        self._do(("write", len(entries)))
        self.rows |= {entry.key: entry for entry in entries if entry.key not in self.refused}
        return self.refused

    def write_late(self, entries):
        self.late.extend(entries)

    def find_all(self, keys):
        self._do(("find", sorted(keys)))
        return {key: self.rows[key] for key in keys if key in self.rows}

    def reserve(self, count, rate):
        self._do(("reserve", count, rate))
        return 0.5

    def slow(self, seconds):
        self._do(("slow", seconds))

    def ping(self):
        self._do("ping")

    def end_run(self, *, is_whole):
        self.asked.append(("end", is_whole))

    def close(self):
        self.asked.append("closed")


@contextlib.asynccontextmanager
async def opened(**fields):
    store = Memory(**fields)
    writer = SharedWriter(store)
    await writer.open(target="", keys="caller")
    try:
        yield writer, store
    finally:
        await writer.aclose()


ENTRY = JournalEntry("k1", "f", "c1", "a", 1, 1.0)


async def test_keys_are_looked_up_together_and_not_where_no_run_was_before():
    """One question for all that came in meanwhile."""
    async with opened(rows={"k1": ENTRY}) as (writer, store):
        found = await asyncio.gather(*(writer.look_up(f"k{n}") for n in range(3)))
        assert found == [None, ENTRY, None]
        assert sum(len(keys) for what, keys in store.asked if what == "find") == 3
    async with opened(is_empty=True) as (writer, store):
        assert await writer.look_up("k1") is None
        assert store.asked == []


async def test_turns_and_pauses_go_through_the_thread():
    """In the order in which they were asked for."""
    async with opened() as (writer, store):
        writer.slow(2.0)
        assert await writer.reserve(5, 10.0) == 0.5
        assert await writer.write(ENTRY) is None
        assert store.asked == [("slow", 2.0), ("reserve", 5, 10.0), ("write", 1)]


async def test_after_a_failure_nothing_is_done_and_each_question_has_the_error():
    """But the outcomes are given once more, at the end."""
    async with opened() as (writer, store):
        store.error = JournalError("no", reason="taken_over")
        outcome = attrs.evolve(ENTRY, outcome=Outcome.DELIVERED)
        assert (await writer.write(ENTRY)).reason == "taken_over"
        asked = len(store.asked)
        for question in (writer.look_up("k1"), writer.reserve(1, 1.0)):
            with pytest.raises(JournalError) as caught:
                await question
            assert caught.value.reason == "taken_over"
        assert (await writer.write(outcome)).reason == "taken_over"
        assert len(store.asked) == asked
    assert store.late == [outcome]
    assert store.asked[-2:] == [("end", False), "closed"]


async def test_an_intent_that_is_refused_fails_alone():
    """The rest of its group is written, and the writer goes on."""
    async with opened(refused={"k1": JournalError("twice", reason="key")}) as (writer, store):
        other = attrs.evolve(ENTRY, key="k2")
        errors = await asyncio.gather(writer.write(ENTRY), writer.write(other))
        assert [error and error.reason for error in errors] == ["key", None]
        assert await writer.write(other) is None
        assert set(store.rows) == {"k2"}


async def test_an_idle_partition_is_pinged_and_what_the_ping_hears_is_told(monkeypatch):
    """A pause of another machine, and a takeover."""
    monkeypatch.setattr(shared_writer, "PING", 0.005)
    pauses = []
    async with opened(pause=3.0) as (writer, store):
        writer.on_pause = pauses.append
        await until(lambda: pauses)
        assert set(pauses) == {3.0}
        store.error = JournalError("gone", reason="taken_over")
        await until(lambda: writer._failure is not None)
        assert (await writer.write(ENTRY)).reason == "taken_over"


async def test_a_store_that_fails_in_an_unknown_way_is_a_broken_journal():
    """Whatever it raised."""
    async with opened() as (writer, store):
        store.error = RuntimeError("no")
        with pytest.raises(JournalError) as caught:
            await writer.look_up("k1")
    assert caught.value.reason == "broken"
