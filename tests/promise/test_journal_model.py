"""Killed anywhere, resumed, and compared with a model of the server: each row is true.

First every state of one channel is explored, with the functions that decide what a row says. Then
whole batches, with files, are killed at one of their writes. A kill is a copy of the files.
"""

from __future__ import annotations

import asyncio
import itertools
import pathlib
import tempfile
from collections import Counter, deque
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import copied, fingerprint, plan

from twake_async import (
    Journal,
    JournalEntry,
    Message,
    MessageDraft,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    TwakeError,
)
from twake_async._attempts.send import Listener
from twake_async._batch import entries, outcomes
from twake_async._batch.engine import stream
from twake_async._batch.item import AttemptLog, Item
from twake_async._journal.file import JournalFile
from twake_async._journal.resume import resume
from twake_async._journal.rows import interrupted
from twake_async._protocol.v1.requests import Save

D, R, N, U = Outcome.DELIVERED, Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNKNOWN
ERRORS = {R: RefusedError, N: NotSentError, U: OutcomeUnknownError}


def error_of(seen) -> TwakeError:
    """Return the error of a send whose attempts ended so: any UNKNOWN outweighs later outcomes."""
    outcome, reason = next((end for end in seen if end[0] is U), seen[-1])
    error = ERRORS[outcome]("so it ended", reason=reason)
    error.attempts = len(seen)
    return error


# --- every state of one channel ------------------------------------------------------------------


class Rules(NamedTuple):
    """The explored case: how many messages, runs and kills, and the options of the caller."""

    messages: int = 1
    runs: int = 3
    kills: int = 2
    attempts: int = 2
    late: int = 1
    resume: str = "report"
    resend: bool = False
    look: bool = False
    hold_after: str | None = None
    edit: bool = False


class Work(NamedTuple):
    """A message in the hands of the worker."""

    number: int = 0
    phase: str = "recall"
    found: JournalEntry | None = None
    seen: tuple[tuple[Outcome, str], ...] = ()
    begun: int = 0
    held: bool = False
    report: tuple[Outcome, bool] | None = None


class State(NamedTuple):
    """Disk, writes under way, worker, server and reports."""

    disk: tuple[JournalEntry | None, ...]
    work: Work | None = None
    queue: tuple[tuple[JournalEntry, int], ...] = ()
    """Rows to be written, with the number of their requests that may have been acted on."""
    run: int = 0
    kills: int = 0
    late_left: int = 0
    stored: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    possible: tuple[int, ...] = ()
    """The requests of each message that may have been acted on, as far as the disk shows."""
    reports: tuple[tuple[Outcome, bool] | None, ...] = ()


def put(values: tuple, index: int, value: Any) -> tuple:
    return (*values[:index], value, *values[index + 1 :])


class Channel:
    """The steps that one channel of a batch can take from a state."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.drafts = [
            MessageDraft("c", f"m{n}", front_id=f"f{n}", id=f"id{n}" if rules.edit else None)
            for n in range(rules.messages)
        ]
        self.fingerprints = [fingerprint(draft) for draft in self.drafts]

    def start(self) -> State:
        count, rules = self.rules.messages, self.rules
        return State(
            disk=(None,) * count,
            kills=rules.kills,
            late_left=rules.late,
            possible=(0,) * count,
            reports=(None,) * count,
        )

    def item(self, state: State) -> Item:
        work = state.work
        draft, mark = self.drafts[work.number], self.fingerprints[work.number]
        intent = JournalEntry(f"{work.number:09d}", mark, "c", draft.front_id, state.run, 1.0)
        entry = resume(draft, intent, work.found, self.rules.resume)
        if not isinstance(entry, JournalEntry):
            return Item(draft, "c", known=entry)
        lost = sum(outcome is U for outcome, _ in work.seen)
        log = AttemptLog(list(work.seen), work.begun, lost)
        return Item(draft, "c", entry=entry, attempts=log)

    def steps(self, state: State):
        for number in set(state.late):
            late = list(state.late)
            late.remove(number)
            yield state._replace(late=tuple(late), stored=(*state.stored, number))
        if state.work is None:
            if state.run < self.rules.runs:
                yield self.opened(state)
            return
        if state.queue:
            yield self.written(state)
        if state.kills and state.run < self.rules.runs:
            yield self.killed(state)
        yield from getattr(self, state.work.phase)(state)

    def opened(self, state: State) -> State:
        # An open row: its request may have been acted on, whatever the killed run knew of it.
        is_open = [row is not None and row.outcome is None for row in state.disk]
        rows = zip(state.disk, is_open, strict=True)
        counts = zip(state.possible, is_open, strict=True)
        return state._replace(
            disk=tuple(interrupted(row) if was_open else row for row, was_open in rows),
            run=state.run + 1,
            work=Work(),
            reports=(None,) * self.rules.messages,
            possible=tuple(count + was_open for count, was_open in counts),
        )

    def written(self, state: State) -> State:
        (row, possible), *rest = state.queue
        number = int(row.key)
        return state._replace(
            disk=put(state.disk, number, row),
            queue=tuple(rest),
            possible=put(state.possible, number, state.possible[number] + possible),
        )

    def killed(self, state: State) -> State:
        return state._replace(work=None, queue=(), kills=state.kills - 1)

    # --- the phases of the worker ---

    def recall(self, state: State):
        work = state.work._replace(found=state.disk[state.work.number])
        state = state._replace(work=work)
        item = self.item(state)
        if item.known is not None:
            yield self.reported(state, item.known)
        elif work.held:
            yield self.reported(state, outcomes.failed(item, NotSentError("held", reason="held")))
        else:
            queue = (*state.queue, (item.entry, 0))
            yield state._replace(queue=queue, work=work._replace(phase="intent"))

    def intent(self, state: State):
        if not state.queue:
            work = state.work
            yield state._replace(work=work._replace(phase="go", begun=len(work.seen) + 1))

    def go(self, state: State):
        number = state.work.number
        stored = (*state.stored, number)
        yield from self.ended(state, N, "connect")
        yield from self.ended(state._replace(stored=stored), D, "")
        yield from self.ended(state, R, "group")
        yield from self.ended(state, R, "later")
        yield from self.ended(state, U, "lost")
        yield from self.ended(state._replace(stored=stored), U, "lost")
        if state.late_left:
            late = tuple(sorted((*state.late, number)))
            yield from self.ended(
                state._replace(late=late, late_left=state.late_left - 1), U, "lost"
            )
        if state.kills and state.run < self.rules.runs:
            yield self.killed(state._replace(stored=stored))

    def ended(self, state: State, outcome: Outcome, reason: str):
        work = state.work._replace(seen=(*state.work.seen, (outcome, reason)))
        state = state._replace(work=work)
        may_be_there = int(outcome in (D, U))
        if self.rules.look and outcome is U and work.number in state.stored:
            yield self.delivered(state, may_be_there, looked=True)
            return
        if outcome is D:
            yield self.delivered(state, may_be_there)
            return
        repeat = outcome is N or reason == "later" or (outcome is U and self.rules.resend)
        if repeat and len(work.seen) < self.rules.attempts:
            item = self.item(state)
            rows = (
                (entries.paused_entry(item, item.entry), may_be_there),
                (entries.retry_entry(item, item.entry), 0),
            )
            yield state._replace(queue=(*state.queue, *rows), work=work._replace(phase="intent"))
            # Cancelled while it waits for the next attempt.
            item = self.item(state)
            yield self.settled(state, outcomes.unfinished(item), may_be_there)
            return
        yield self.settled(
            state, outcomes.failed(self.item(state), error_of(work.seen)), may_be_there
        )

    def delivered(self, state: State, may_be_there: int, *, looked: bool = False) -> State:
        lost = [end for end in state.work.seen if end[0] is U]
        twice = len(lost) - looked > 0 and not self.rules.edit  # as far as this send knows
        message = Message(id="id", maybe_duplicated=twice)
        return self.settled(state, outcomes.delivered(self.item(state), message), may_be_there)

    def settled(self, state: State, delivery, may_be_there: int) -> State:
        item = self.item(state)
        row = entries.final_entry(item, item.entry, delivery)
        return state._replace(
            queue=(*state.queue, (row, may_be_there)),
            work=state.work._replace(phase="flush", report=self.report_of(state, delivery)),
        )

    def flush(self, state: State):
        if not state.queue:
            yield self.next(state, state.work.report)

    def done(self, state: State):
        if not state.queue:
            yield state._replace(work=None)

    def report_of(self, state: State, delivery):
        assert (delivery.message is None) is (delivery.outcome is not D)
        return delivery.outcome, bool(delivery.message and delivery.message.maybe_duplicated)

    def reported(self, state: State, delivery) -> State:
        return self.next(state, self.report_of(state, delivery))

    def next(self, state: State, report) -> State:
        work = state.work
        held = work.held or outcomes.holds_channel(self.rules.hold_after, "continue", report[0])
        number = work.number + 1
        phase = "recall" if number < self.rules.messages else "done"
        return state._replace(
            reports=put(state.reports, work.number, report),
            work=Work(min(number, self.rules.messages - 1), phase, held=held),
        )

    # --- what must hold in each state ---

    def broken_rules(self, state: State):
        for number in range(self.rules.messages):
            copies = state.stored.count(number)
            yield from self.broken_by_report(state.reports[number], copies, state.possible[number])
            yield from self.broken_by_row(state.disk[number], copies, state.possible[number])
            if not (self.rules.resend or self.rules.resume == "resend") and copies > 1:
                yield "the default makes one copy"
        if self.rules.hold_after == "failure" and list(state.stored) != sorted(state.stored):
            yield "a held channel keeps its order over all runs"

    def broken_by_report(self, report, copies: int, possible: int):
        if report is None:
            return
        outcome, twice = report
        if outcome is D and not copies:
            yield "what is reported delivered is there"
        if outcome in (R, N) and copies:
            yield "what is reported refused or not sent is not there"
        if outcome is D and twice != (possible > 1 and not self.rules.edit):
            yield "a second copy is told exactly where it is possible"

    def broken_by_row(self, row: JournalEntry | None, copies: int, possible: int):
        if row is None:
            return
        if row.outcome is D and not copies:
            yield "what the journal says is delivered is there"
        if row.outcome in (R, N) and copies:
            yield "what the journal says is refused or not sent is not there"
        certain = row.outcome is D
        if row.unknown_requests + certain != possible:
            yield "a row counts the requests in doubt"
        open_request = row.outcome is None
        if row.maybe_duplicated != (possible + open_request > 1 and not self.rules.edit):
            yield "a row tells a second copy exactly where it is possible"
        if row.outcome is U and not row.unknown_requests:
            yield "what is unknown has a request in doubt"


def explore(channel: Channel) -> tuple[int, dict[str, State]]:
    """Return how many states there are, and one state for each rule that is broken."""
    first = channel.start()
    known = {first}
    waiting = deque([first])
    broken: dict[str, State] = {}
    while waiting:
        state = waiting.popleft()
        for rule in channel.broken_rules(state):
            broken.setdefault(rule, state)
        for after in channel.steps(state):
            if after not in known:
                known.add(after)
                waiting.append(after)
    return len(known), broken


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(resume="resend"),
        Rules(resend=True),
        Rules(resume="resend", resend=True),
        Rules(look=True),
        Rules(look=True, resume="resend"),
        Rules(look=True, resend=True),
        Rules(look=True, resume="resend", resend=True),
        Rules(edit=True, resume="resend", resend=True),
        Rules(messages=2, kills=1, attempts=1, hold_after="failure"),
        Rules(messages=2, runs=2, hold_after="failure", late=0),
        Rules(messages=2, runs=2, kills=1, hold_after="unknown", resume="resend"),
    ],
    ids=str,
)
def test_every_row_is_true_in_every_state(monkeypatch, rules):
    """Each order of events in one channel leaves no wrong row and no wrong report."""
    monkeypatch.setattr(entries.time, "time", lambda: 1.0)
    states, broken = explore(Channel(rules))
    assert broken == {}
    assert states > 1_000


# --- whole batches, with files -------------------------------------------------------------------

#: The fate of one request: whether it is stored, how the attempt ends, and why.
CASES = {
    "delivered": (True, D, ""),
    "refused": (False, R, "group"),
    "later": (False, R, "later"),
    "no connection": (False, N, "connect"),
    "lost": (False, U, "lost"),
    "stored and lost": (True, U, "lost"),
}
DRAFTS = [MessageDraft(f"c{n % 2}", f"m{n}", front_id=f"f{n}") for n in range(4)]


class World:
    """A server, and the runs of one batch against it; a kill freezes the data of all of them."""

    def __init__(self, folder: pathlib.Path, cases: list[str], options: dict[str, Any]) -> None:
        self.folder = folder
        self.path = str(folder / "run.sqlite")
        self.copies = itertools.count(1)
        self.cases = itertools.chain(cases, itertools.repeat("delivered"))
        self.options = options
        self.attempts = 1 + options.pop("again")
        self.resend = options.pop("on_unknown") == "resend"
        self.stored: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.reports: dict[str, Any] = {}
        self.steps_left: int | None = None
        self.killed = False

    def step(self) -> None:
        """Do the kill here, if it is its turn: copy the files, and forget all later changes."""
        if self.killed or self.steps_left is None:
            return
        self.steps_left -= 1
        if self.steps_left < 0:
            self.killed = True
            self.path = copied(self.path, str(self.folder / f"run-{next(self.copies)}.sqlite"))

    async def send(self, request: Save, listener: Listener) -> Message:
        """Make the attempts of one message, as the session does it."""
        seen = []
        while True:
            if seen and (error := await listener.before_retry()) is not None:
                raise error
            stored, outcome, reason = CASES[next(self.cases)] if not self.killed else CASES["lost"]
            if not self.killed:
                self.requests[request.front_id] += 1
                self.stored[request.front_id] += stored
            self.step()
            twice = any(each is U for each, _ in seen)
            seen.append((outcome, reason))
            repeat = outcome is N or reason == "later" or (outcome is U and self.resend)
            last = not repeat or len(seen) == self.attempts
            listener.attempt_ended(outcome, reason, last=last)
            if outcome is D:
                return Message(id="id", front_id=request.front_id, maybe_duplicated=twice)
            if last:
                raise error_of(seen)

    async def run(self, resume: str, kill_after: int | None) -> None:
        """Send all drafts, or as many as there is time for before the kill."""
        self.steps_left, self.killed, self.reports = kill_after, False, {}
        write = JournalFile.write

        def stepping(file, entries):
            self.step()
            write(file, list(entries))
            self.step()

        before = self.path
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JournalFile, "write", stepping)
            options = self.options | {"resume": resume, "in_flight": 1}
            async for delivery in stream(DRAFTS, self.send, plan(before, **options)):
                if not self.killed:
                    self.reports[delivery.key] = delivery

    def check(self, *, finished: bool) -> None:
        """Compare the journal with the server, and the last run's reports with both."""
        entries = {entry.key: entry for entry in Journal(self.path).entries()}
        for key, entry in entries.items():
            copies = self.stored[entry.front_id]
            if entry.outcome in (R, N) or (entry.outcome is None and not entry.unknown_requests):
                assert copies <= (entry.outcome is None)
            if entry.outcome is D:
                assert 1 <= copies <= 1 + entry.unknown_requests
                assert entry.maybe_duplicated is (entry.unknown_requests > 0)
            assert copies <= entry.unknown_requests + (entry.outcome in (None, D))
            report = self.reports.get(key)
            if report is not None and report.error is not None and report.error.reason == "held":
                continue
            if report is not None:
                assert report.outcome is entry.outcome
            if report is not None and report.message is not None:
                assert report.message.maybe_duplicated is entry.maybe_duplicated
        if finished:
            assert len(self.reports) == len(DRAFTS)


async def all_runs(world: World, kills: list[int], how: str) -> None:
    """Kill one run after the other, then let two of them come to their end."""
    for kill_after in kills:
        await world.run(how, kill_after)
        world.check(finished=not world.killed)
    await world.run(how, None)
    world.check(finished=True)
    if how == "report" and not world.resend:
        assert set(world.stored.values()) <= {0, 1}
    await world.run("resend", None)
    world.check(finished=True)
    if not any(report.error for report in world.reports.values()):
        assert all(world.stored[draft.front_id] for draft in DRAFTS)


@pytest.mark.parametrize(
    "cases",
    [
        ["stored and lost", "delivered"],
        ["stored and lost", "later", "lost"],
        ["later", "no connection", "stored and lost"],
    ],
    ids=", ".join,
)
@pytest.mark.parametrize("on_unknown", ["raise", "resend"])
def test_each_kill_between_the_attempts_of_a_message_leaves_true_rows(tmp_path, cases, on_unknown):
    """The same batch is killed at each of its first steps in turn."""
    for kill_after in range(10):
        folder = tmp_path / str(kill_after)
        folder.mkdir()
        options = {"again": 2, "on_unknown": on_unknown}
        asyncio.run(all_runs(World(folder, cases, options), [kill_after], "report"))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(sorted(CASES)), max_size=12),
    st.lists(st.integers(0, 14), max_size=3),
    st.fixed_dictionaries(
        {
            "again": st.integers(0, 2),
            "on_unknown": st.sampled_from(["raise", "resend"]),
            "hold_after": st.sampled_from([None, "unknown", "failure"]),
        }
    ),
    st.sampled_from(["report", "resend"]),
)
def test_a_batch_that_is_killed_at_any_write_goes_on_with_true_rows(cases, kills, options, how):
    """Copied at any write and resumed: journal, server and reports agree, at each stop."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder), cases, dict(options))
        asyncio.run(all_runs(world, kills, how))
