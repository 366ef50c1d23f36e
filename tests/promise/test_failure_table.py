"""The failure table: each row is executed, and the page and the docstrings say what the rows say."""

from __future__ import annotations

import re
from typing import Any

import attrs
import httpx
import httpx2
import pytest
from executions import EXECUTIONS, executions
from failures import AGAIN, ALL, BEGIN, END, PAGE, ROWS, TABLES, Row, page, tables
from faults import FAULTS
from scenes import QUICK, Cause

from twake_async import MessageRef, Outcome, RetryPolicy, TwakeError, TwakeSession, errors
from twake_async._attempts.send import Clock

#: Its RST may destroy the refusal on its way: either claim is right, so no row can promise one.
EITHER = {"refuses_413_early_reset"}
#: Reasons of `send_many` alone; its own tests cause them.
OF_BATCHES = {"address", "held", "outage", "stopped", "cancelled", "interrupted", "unexpected"}


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def given(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the argument for a library; the injected objects of the scenes are of it, too."""
    monkeypatch.setattr("scenes.httpx", request.param)
    return {} if request.param is httpx else {"transport": "httpx2"}


@pytest.mark.parametrize(("row", "cause"), EXECUTIONS)
async def test_the_row_is_true(row: Row, cause: Cause, given: dict[str, Any]):
    """The failure ends in the row's outcome, class and reason, and is repeated as the row says."""
    for operation, seen in (await executions(row, cause, **given)).items():
        ended = seen.ended
        facts = (type(ended), getattr(ended, "reason", ""), getattr(ended, "outcome", None))
        assert (operation, *facts) == (
            operation,
            row.ends or type(None),
            "" if row.told else row.reason,
            row.outcome if row.ends else None,
        )
        assert (operation, seen.tries > 1) == (operation, operation in row.again)
        if row.outcome in (Outcome.NOT_SENT, Outcome.REFUSED):
            assert (operation, seen.stored) == (operation, 0)
        if row.outcome is Outcome.DELIVERED:
            assert (operation, seen.stored) == (operation, 1)
        if operation == "create":
            assert seen.stored <= 1
        if isinstance(ended, TwakeError):
            assert ended.attempts == len(seen.attempts)
        if row.told:
            last = seen.attempts[-1]
            assert (last.outcome, last.reason) == (row.told, row.reason)


def test_every_fault_of_the_catalogue_has_a_row():
    """Each fault of the fault server is in the table, in one of the ways to name it."""
    named = {cause.name.partition("-")[2] for row in ROWS for cause in row.causes}
    assert set(FAULTS) - named == EITHER


def test_no_failure_has_two_rows():
    """A row is found once: its words are its own, and so is each way to cause it."""
    words = [row.what for row in ROWS]
    assert len(set(words)) == len(words)
    assert all(
        AGAIN[row.again] and set(row.again) <= set(row.operations) | set(ALL) for row in ROWS
    )


def test_rows_stand_under_the_outcome_that_they_have():
    """The heading of a table is the outcome of each of its rows."""
    for heading, groups in TABLES.items():
        for row in (row for rows in groups.values() for row in rows):
            name = row.outcome.name if row.outcome else "Cancelled"
            assert name in heading


def test_only_what_saves_time_differs_from_the_default_policy():
    """The rows that name the default use the default."""
    saves = ("unsent_attempts", "initial_wait", "max_wait")
    default = RetryPolicy()
    assert attrs.evolve(QUICK, **{name: getattr(default, name) for name in saves}) == default


def test_the_page_shows_the_rows():
    """The tables of the page are those of tests/support/failures.py; running that file writes them."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert tables() in text
    assert page(text) == text


def documented(kind: type[TwakeError]) -> set[str]:
    """Return the reasons that the docstring of an exception names."""
    text = kind.__doc__ or ""
    _, _, several = text.partition("`reason` is one of")
    return set(re.findall(r"\(reason `(\w+)`\)", text)) | set(re.findall(r"`([a-z_]+)`", several))


@pytest.mark.parametrize(
    "kind",
    [
        getattr(errors, name)
        for name in errors.__all__
        # The root is never raised itself, and the journal's error does not end an attempt.
        if name.endswith("Error") and name not in ("TwakeError", "JournalError")
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_reasons_of_an_exception_are_documented_and_each_has_a_row(kind: type[TwakeError]):
    """A docstring names the reasons that its rows show, no more and no less."""
    shown = {row.reason for row in ROWS if row.ends and issubclass(row.ends, kind)}
    assert shown
    assert documented(kind) - OF_BATCHES == shown


async def test_a_refusal_after_an_unknown_attempt_stays_unknown(server):
    """A later refusal proves nothing about an unknown attempt, and is in the cause."""
    server.do_next("stores_close", "refuses_401")
    ref = MessageRef("c1", "2ad636ce-e67f-11f1-bdbe-aa7dee5775f4")
    async with TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=server.url, proxy=None, retry=QUICK
    ) as twake:
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            await twake.edit_message(ref, "new")
    assert caught.value.reason == "lost"
    assert caught.value.attempts == 2
    assert isinstance(caught.value.__cause__, errors.RefusedError)
    assert server.edits[ref.id] == 1


async def test_a_deadline_that_passes_between_attempts_leaves_the_reason_of_the_last_one(server):
    """A wait that takes longer than it should hides nothing of what went wrong."""
    now = 0.0

    async def pause(seconds: float, line: object) -> None:
        nonlocal now
        now += 60

    server.do_next("refuses_429_absent")
    async with TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=server.url, proxy=None, retry=QUICK
    ) as twake:
        twake._attempts.clock = Clock(now=lambda: now, pause=pause)
        with pytest.raises(errors.RateLimitedError) as caught:
            await twake.send_message("c1", "Hello")
    assert (caught.value.reason, caught.value.attempts) == ("later", 1)
    assert server.received == 1
