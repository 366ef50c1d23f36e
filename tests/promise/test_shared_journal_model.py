"""Two processes on one partition of a journal in PostgreSQL, in any order of their steps.

Freezing is interleaving: a process may take no step for as long as it likes, and go on. The rules
were model-checked before; here the real statements are compared with them, on a real server.
"""

from __future__ import annotations

import contextlib
import itertools

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shared_journals import TARGET, ask, claim, ended, source

from twake_async import JournalEntry, JournalError, Outcome
from twake_async._journal import intents
from twake_async._journal.postgres import store

NUMBERS = itertools.count()
#: The messages of one channel, in their order.
MESSAGES = ("m0", "m1", "m2")
ENDS = st.sampled_from([Outcome.DELIVERED, Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNKNOWN])


@attrs.define(eq=False)
class Process:
    """What one process knows: its partition, its place in the channel, its intent."""

    store: store.PostgresStore
    ready: float
    """When the channel may go on."""
    at: int = 0
    """The message whose turn it is."""
    intent: JournalEntry | None = None
    committed: float = 0.0
    outcome: Outcome | None = None
    """The outcome of its request; None before the request left."""


class Machines(RuleBasedStateMachine):
    """Takes a step of one of two processes, or of a disturbance."""

    def __init__(self, conninfo: str, clock: list[float]) -> None:
        super().__init__()
        self.conninfo, self.clock = conninfo, clock
        self.source = source(conninfo, batch=f"batch {next(NUMBERS)}")
        self.processes: list[Process | None] = [None, None]
        self.stored: list[str] = []

    # --- a process ---------------------------------------------------------------------------

    def those(self, *, intent=False, sent=None):
        """Return the numbers of the processes that can take a step."""
        return [
            number
            for number, one in enumerate(self.processes)
            if one is not None
            and (one.intent is not None) is intent
            and (sent is None or (one.outcome is not None) is sent)
            and (intent or one.at < len(MESSAGES))
        ]

    @precondition(lambda self: None in self.processes)
    @rule()
    def open(self):
        number = self.processes.index(None)
        try:
            opened = self.source.open(target=TARGET, keys="caller")
        except JournalError as exc:
            assert exc.reason == "locked"  # noqa: PT017 - a rule, not a test
            return
        wait = intents.wait_after_takeover(opened.taken_at, self.clock[0])
        ready = self.clock[0] + (wait if opened.doubtful_channels else 0.0)
        self.processes[number] = Process(opened, ready)

    @precondition(lambda self: self.those())
    @rule(data=st.data())
    def claim(self, data):
        number = data.draw(st.sampled_from(self.those()))
        process = self.processes[number]
        with self.ends_if_taken_over(number):
            found = process.store.find(MESSAGES[process.at])
            if found is not None and found.outcome in (Outcome.DELIVERED, Outcome.UNKNOWN):
                process.at += 1  # reported from the journal
            elif self.clock[0] >= process.ready:
                intent = claim(process.store, MESSAGES[process.at])
                if found is not None:
                    intent = attrs.evolve(intent, front_id=found.front_id)
                self.commit(process, intent)

    def commit(self, process, intent):
        process.committed = self.clock[0]
        assert process.store.write([intent]) == {}
        process.intent = intent

    @precondition(lambda self: self.those(intent=True, sent=False))
    @rule(data=st.data(), outcome=ENDS)
    def send(self, data, outcome):
        number = data.draw(st.sampled_from(self.those(intent=True, sent=False)))
        process = self.processes[number]
        if not intents.is_valid(process.committed, self.clock[0]):
            with self.ends_if_taken_over(number):
                self.commit(process, process.intent)
            return
        process.outcome = outcome
        if outcome in (Outcome.DELIVERED, Outcome.UNKNOWN):
            self.stored.append(process.intent.key)

    @precondition(lambda self: self.those(intent=True, sent=True))
    @rule(data=st.data())
    def end(self, data):
        number = data.draw(st.sampled_from(self.those(intent=True, sent=True)))
        process = self.processes[number]
        entry = ended(process.intent, process.outcome)
        with self.ends_if_taken_over(number, entry):
            assert process.store.write([entry]) == {}
            process.intent, process.outcome, process.at = None, None, process.at + 1

    # --- what disturbs them ------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.9, 5.0, 30.0]))
    def pass_time(self, seconds):
        self.clock[0] += seconds

    @precondition(lambda self: any(self.processes))
    @rule(data=st.data(), killed=st.booleans())
    def disturb(self, data, killed):
        """Cut the session of a process, which does not notice it yet, or kill the process."""
        numbers = [number for number, one in enumerate(self.processes) if one is not None]
        number = data.draw(st.sampled_from(numbers))
        if killed:
            self.kill(number)
        else:
            pid = self.processes[number].store._connection.pid
            ask(self.conninfo, "SELECT pg_terminate_backend(%s, 5000)", pid)

    def kill(self, number):
        process, self.processes[number] = self.processes[number], None
        if process is not None:
            process.store.close()

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def holds(self):
        assert len(set(self.stored)) == len(self.stored), "a message arrived twice"
        assert self.stored == sorted(self.stored), "the channel is out of order"
        if self.stored:
            for key, outcome in self.rows().items():
                assert not (outcome == "delivered" and key not in self.stored)
                assert not (outcome in ("refused", "not sent") and key in self.stored)

    def teardown(self):
        for number in (0, 1):
            self.kill(number)

    def rows(self):
        sql = "SELECT key, outcome FROM twake_async.message WHERE batch = %s"
        return dict(ask(self.conninfo, sql, self.source.batch.name))

    @contextlib.contextmanager
    def ends_if_taken_over(self, number, *late):
        """End a process that learns that its partition was taken over."""
        try:
            yield
        except JournalError as exc:
            assert exc.reason == "taken_over"  # noqa: PT017 - as above
            with pytest.raises(JournalError):
                self.processes[number].store.write_late(late)
            self.kill(number)


def test_the_rules_hold_whatever_the_order_of_the_steps(conninfo, monkeypatch):
    """Nothing arrives twice, the order is kept, and the journal is right."""
    clock = [1000.0]
    monkeypatch.setattr(intents, "now", lambda: clock[0])
    run_state_machine_as_test(
        lambda: Machines(conninfo, clock),
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
