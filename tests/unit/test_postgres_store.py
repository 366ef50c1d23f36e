"""One partition of a journal in PostgreSQL: the lock, the claims, the fence and the takeover."""

from __future__ import annotations

import concurrent.futures
import os
import re
import socket
import threading

import attrs
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import DOCS
from shared_journals import TARGET, ask, claim, cut, ended, opened, rows, source, taken_from

from twake_async import JournalEntry, JournalError, Outcome
from twake_async._journal import intents
from twake_async._journal.postgres import connection, store, views
from twake_async._journal.postgres.claims import Held, may_claim, may_write, refusal
from twake_async._journal.postgres.errors import LostError, StatementError
from twake_async._journal.postgres.schema import SCHEMA, VERSION
from twake_async._journal.postgres.store import PostgresStore
from twake_async.postgres import PostgresJournal


def reason_of(call, *args, **options) -> str:
    with pytest.raises(JournalError) as caught:
        call(*args, **options)
    return caught.value.reason


# --- the lock -------------------------------------------------------------------------------------


def test_one_process_holds_a_partition_and_others_hold_others(conninfo):
    """The lock is the partition's, and it ends with its holder."""
    with opened(conninfo, 1), opened(conninfo, 2):
        assert reason_of(source(conninfo, 1).open, target=TARGET, keys="caller") == "locked"
    with opened(conninfo, 1):
        pass


def test_two_batches_of_one_database_do_not_lock_each_other(conninfo):
    """Nor do two schemas."""
    with opened(conninfo), opened(conninfo, batch="december"), opened(conninfo, schema="other"):
        pass


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"parts": 5}, "target"), ({"fingerprint": "other"}, "changed")],
)
def test_another_number_of_parts_or_another_input_is_refused(conninfo, options, reason):
    """The batch keeps both, and nothing is sent."""
    with opened(conninfo, fingerprint="input"):
        pass
    options = {"fingerprint": "input"} | options
    other = source(conninfo, **options)
    assert reason_of(other.open, target=TARGET, keys="caller") == reason


def test_another_target_is_refused_and_so_are_positions(conninfo):
    """A batch belongs to one server and group, and a position means nothing on another machine."""
    with opened(conninfo):
        pass
    assert reason_of(source(conninfo).open, target="elsewhere", keys="caller") == "target"
    assert reason_of(source(conninfo).open, target=TARGET, keys="position") == "key"


# --- claims ---------------------------------------------------------------------------------------


def test_a_claim_is_there_when_it_was_written_and_so_is_its_outcome(conninfo):
    """Each takes one statement; a lookup finds the same entry."""
    with opened(conninfo) as held:
        intent = claim(held)
        assert held.write([intent]) == {}
        assert rows(conninfo) == {"k1": None}
        assert held.write([ended(intent)]) == {}
        assert held.find("k1") == ended(intent, ended=held.find("k1").ended)
        assert held.find("k2") is None


def test_a_claim_may_be_written_again_until_it_is_delivered(conninfo):
    """For another attempt, or because its COMMIT had no answer."""
    with opened(conninfo) as held:
        intent = claim(held)
        for entry in (intent, intent, ended(intent, Outcome.NOT_SENT), intent, ended(intent)):
            assert held.write([entry]) == {}
        assert held.write([intent])["k1"].reason == "key"
        assert rows(conninfo) == {"k1": "delivered"}


def test_a_key_that_was_given_twice_is_refused_alone(conninfo):
    """The others of its group are written."""
    with opened(conninfo) as held:
        first = claim(held)
        held.write([first])
        held.write([ended(first)])
        refused = held.write([claim(held, front_id="other"), claim(held, "k2")])
        assert {key: error.reason for key, error in refused.items()} == {"k1": "key"}
        assert rows(conninfo) == {"k1": "delivered", "k2": None}


def test_a_key_belongs_to_one_partition(conninfo):
    """A message that two partitions would send is sent by the first one alone."""
    with opened(conninfo, 1) as one, opened(conninfo, 2) as other:
        one.write([claim(one)])
        error = other.write([claim(other)])["k1"]
        assert error.reason == "key"
        assert "partition 1" in str(error)
        assert other.find("k1") is None


def test_of_two_entries_of_one_key_in_a_group_the_last_counts(conninfo):
    """A pause and the intent of the next attempt may come together."""
    with opened(conninfo) as held:
        intent = claim(held)
        held.write([intent])
        held.write([ended(intent, Outcome.REFUSED), attrs.evolve(intent, attempts=1)])
        assert rows(conninfo) == {"k1": None}


def test_ids_that_postgresql_cannot_keep_do_not_end_the_batch(conninfo):
    """A server may answer an id with a lone surrogate, or with a null character."""
    with opened(conninfo) as held:
        intent = claim(held)
        held.write([intent])
        held.write([ended(intent, message_id="a\ud800b\0c")])
        assert held.find("k1").message_id == "a?b?c"


#: Half of what is written is a claim, and most rows are this partition's.
INTENTS = st.none() | st.sampled_from(list(Outcome))
FRONT_IDS = st.sampled_from([None, "a", "a", "a", "b"])


@st.composite
def entries(draw):
    return JournalEntry(
        key="k1",
        fingerprint="f" * 32,
        channel_id="c1",
        front_id=draw(FRONT_IDS),
        run=draw(st.integers(1, 3)),
        began=draw(st.sampled_from([1.0, 2.0])),
        outcome=draw(INTENTS),
        unknown_requests=draw(st.integers(0, 2)),
    )


_PUT = """
INSERT INTO twake_async.message VALUES
    ('november', %s, %s, %s, %s, %s, %s, %s, %s, '', NULL, false, 0, NULL, %s, false, NULL)
"""


class Table:
    """An open partition, and a way to put any row into its table."""

    def __init__(self, held, database):
        self.held, self.database = held, database

    def set(self, epoch, row):
        """Leave one row, or none, and the epoch of the partition."""
        self.held.run = epoch
        self.database.execute("TRUNCATE twake_async.message")
        self.database.execute("UPDATE twake_async.part SET epoch = %s WHERE number = 1", [epoch])
        if row is not None:
            entry, word = row.entry, row.entry.outcome and row.entry.outcome.value
            ids = entry.fingerprint, entry.channel_id, entry.front_id
            values = (entry.key, row.part, entry.run, *ids, entry.began, word)
            self.database.execute(_PUT, [*values, entry.unknown_requests])


@pytest.fixture
def table(conninfo):
    with opened(conninfo) as held, psycopg.connect(conninfo, autocommit=True) as database:
        yield Table(held, database)


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(row=st.none() | st.builds(Held, st.sampled_from([1, 1, 1, 2]), entries()), new=entries())
def test_the_statement_takes_what_the_rules_allow(table, row, new):
    """The rules of `claims` and those of the statement are the same."""
    table.set(new.run, row)
    allowed = may_claim(new, 1, row) if new.outcome is None else may_write(new, 1, row)
    ((fence, written, _),) = table.held._write(store.to_json([new]))
    assert (fence, written) == ("1", "1" if allowed else "0")


def entry(run, outcome=None, **fields):
    given = {"key": "k", "fingerprint": "f", "channel_id": "c", "front_id": "i", "began": 1.0}
    return JournalEntry(**given | {"run": run, "outcome": outcome} | fields)


@pytest.mark.parametrize(
    ("row", "may"),
    [
        (None, True),
        ((2, entry(1, Outcome.REFUSED)), False),  # another partition's
        ((1, entry(1, Outcome.REFUSED, front_id="another")), False),
        ((1, entry(2)), True),  # its own
        ((1, entry(2, began=0.5)), False),
        ((1, entry(2, Outcome.DELIVERED)), False),
        ((1, entry(3)), False),  # a later run's
        ((1, entry(1)), False),  # open: another process may be sending it
        ((1, entry(1, Outcome.REFUSED)), True),
        ((1, entry(1, Outcome.NOT_SENT)), True),
        ((1, entry(1, Outcome.DELIVERED)), False),
        ((1, entry(1, Outcome.UNKNOWN, unknown_requests=1)), True),
        ((1, entry(1, Outcome.UNKNOWN, unknown_requests=2)), False),
    ],
)
def test_what_a_claim_may_take(row, may):
    """A row that is absent, its own, or ended in a way that allows another send."""
    found = None if row is None else Held(*row)
    assert may_claim(entry(2, unknown_requests=1), 1, found) is may


@pytest.mark.parametrize(
    ("row", "outcome", "may"),
    [
        (None, Outcome.REFUSED, True),
        ((2, entry(2)), Outcome.DELIVERED, False),
        ((1, entry(2, front_id="another")), Outcome.DELIVERED, False),
        ((1, entry(2)), Outcome.REFUSED, True),
        ((1, entry(3, Outcome.UNKNOWN)), Outcome.DELIVERED, True),
        ((1, entry(3, Outcome.UNKNOWN)), Outcome.REFUSED, False),
        ((1, entry(3)), Outcome.DELIVERED, False),
    ],
)
def test_what_an_outcome_may_replace(row, outcome, may):
    """A row of its own run; a delivery may also replace an unknown outcome."""
    assert may_write(entry(2, outcome), 1, None if row is None else Held(*row)) is may


def test_what_a_refused_claim_means():
    """The row is gone, another partition's, another epoch's, the claim itself, or given twice."""
    intent = JournalEntry("k1", "f" * 32, "c1", "a", 2, 1.0)
    delivered = attrs.evolve(intent, outcome=Outcome.DELIVERED)
    assert refusal("it", intent, 1, None).reason == "taken_over"
    assert refusal("it", intent, 1, Held(2, intent)).reason == "key"
    assert refusal("it", intent, 1, Held(1, attrs.evolve(intent, run=3))).reason == "taken_over"
    assert refusal("it", intent, 1, Held(1, attrs.evolve(intent, run=1))).reason == "taken_over"
    assert refusal("it", intent, 1, Held(1, intent)) is None
    assert refusal("it", intent, 1, Held(1, delivered)).reason == "key"


# --- the fence and the takeover -------------------------------------------------------------------


def test_a_takeover_marks_what_was_on_its_way_and_nothing_else(conninfo):
    """The request that was under way counts as one in doubt; its channel has to wait."""
    with opened(conninfo) as held:
        open_, done, refused = (claim(held, f"k{n}", channel_id=f"c{n}") for n in (1, 2, 3))
        held.write([open_, done, refused])
        held.write([ended(done), ended(refused, Outcome.REFUSED)])
        with opened(conninfo, 2) as other:
            other.write([claim(other, "k9")])
        with taken_from(conninfo, held) as after:
            assert after.run == held.run + 1
            assert after.doubtful_channels == {"c1"}
            assert 0 <= intents.now() - after.taken_at < intents.VALID
            found = after.find("k1")
    assert (found.outcome, found.reason, found.unknown_requests) == (
        Outcome.UNKNOWN,
        "interrupted",
        1,
    )
    assert rows(conninfo) == {"k1": "unknown", "k2": "delivered", "k3": "refused", "k9": None}


def test_a_takeover_just_after_another_waits_for_the_same_channels(conninfo):
    """The process before may have been killed while it waited for the intents of the first one."""
    with opened(conninfo) as held:
        held.write([claim(held)])
        with taken_from(conninfo, held) as second, taken_from(conninfo, second) as third:
            assert third.doubtful_channels == {"c1"}
            ask(conninfo, "UPDATE twake_async.message SET ended = ended - 60")
            with taken_from(conninfo, third) as fourth:
                assert fourth.doubtful_channels == frozenset()
                assert fourth.find("k1").unknown_requests == 1


def test_a_process_whose_partition_was_taken_over_commits_nothing(conninfo):
    """It writes no claim, no outcome and no end; its first statement tells it so."""
    with opened(conninfo) as held:
        intent = claim(held)
        held.write([intent])
        with taken_from(conninfo, held):
            assert reason_of(held.write, [claim(held, "k2")]) == "taken_over"
            assert reason_of(held.write, [ended(intent, Outcome.REFUSED)]) == "taken_over"
            assert reason_of(held.ping) == "taken_over"
            held.end_run(is_whole=True)
        assert rows(conninfo) == {"k1": "unknown"}
        assert ask(conninfo, "SELECT round FROM twake_async.part WHERE number = 1") == [(0,)]


def test_a_delivery_is_a_fact_also_after_a_takeover(conninfo):
    """It replaces an UNKNOWN of the same front_id, and no other row."""
    with opened(conninfo) as held:
        known, resent, refused = (claim(held, f"k{n}") for n in (1, 2, 3))
        held.write([known, resent, refused])
        with taken_from(conninfo, held) as after:
            again = claim(after, "k2", front_id=resent.front_id, unknown_requests=1)
            assert after.write([again]) == {}
            late = [ended(known), ended(resent), ended(refused, Outcome.REFUSED)]
            assert reason_of(held.write_late, late) == "taken_over"
            found = after.find("k1")
    assert (found.message_id, found.unknown_requests, found.maybe_duplicated) == ("m1", 0, False)
    assert rows(conninfo) == {"k1": "delivered", "k2": None, "k3": "unknown"}


def test_outcomes_that_could_not_be_written_before_are_written_late(conninfo):
    """Where nobody took the partition over, they are written as they are."""
    with opened(conninfo) as held:
        intent = claim(held)
        held.write([intent])
        held.write_late([ended(intent, Outcome.REFUSED)])
    assert rows(conninfo) == {"k1": "refused"}


def test_a_late_delivery_is_left_where_the_journal_itself_is_refused(conninfo, monkeypatch):
    """For example, somebody has just put a pooler in between."""

    def refuse(store, entries):
        raise JournalError("pooled", reason="pooled")

    with opened(conninfo) as held:
        intent = claim(held)
        held.write([intent])
        monkeypatch.setattr(PostgresStore, "write", refuse)
        assert reason_of(held.write_late, [ended(intent)]) == "pooled"
    assert rows(conninfo) == {"k1": None}


def test_a_session_that_the_server_ends_is_a_lost_connection(conninfo):
    """It is no refusal of the statement."""
    with opened(conninfo) as held:
        says = b"DO $$ BEGIN RAISE 'shutting down' USING ERRCODE = '57P01'; END $$"
        with pytest.raises(LostError, match="shutting down"):
            held._connection.run(says)
        with pytest.raises(LostError):
            held._connection.run(b"SELECT pg_terminate_backend(pg_backend_pid())")


def test_the_next_run_may_send_what_was_refused_and_needs_the_callers_word_for_unknowns(conninfo):
    """A claim on an UNKNOWN knows of each request in doubt, and keeps the front_id."""
    with opened(conninfo) as held:
        intents_ = [claim(held, f"k{n}") for n in (1, 2)]
        held.write(intents_)
        held.write([ended(intents_[0], Outcome.REFUSED), ended(intents_[1], Outcome.UNKNOWN)])
    with opened(conninfo) as after:
        assert not after.is_empty
        assert after.write([claim(after, "k1")]) == {}
        assert reason_of(after.write, [claim(after, "k2")]) == "taken_over"
        assert after.write([claim(after, "k2", unknown_requests=1)]) == {}


# --- a connection that is lost --------------------------------------------------------------------


def test_a_session_that_was_ended_is_replaced_with_the_same_lock_and_epoch(conninfo):
    """Each statement goes on, and nobody else had the partition."""
    with opened(conninfo) as held:
        run = held.run
        intent = claim(held)
        cut(conninfo, held)
        assert held.write([intent]) == {}
        cut(conninfo, held)
        held.ping()
        cut(conninfo, held)
        assert held.find("k1") == intent
        cut(conninfo, held)
        held.slow(1.0)
        assert held.run == run
        assert reason_of(source(conninfo).open, target=TARGET, keys="caller") == "locked"


def test_the_session_that_holds_the_lock_without_its_process_is_ended(conninfo):
    """If the server does not know that the connection is gone, the process ends the session."""
    with opened(conninfo) as held:
        lost = held._connection
        held._connection = held.source.connect()
        assert not held._holds_again(lost.pid)
        held._connection.close()
        held._connection = lost
        held.ping()
        assert held._connection is not lost
        lost.close()


def test_a_database_that_does_not_come_back_ends_the_run(conninfo, monkeypatch):
    """After half a minute; here at once."""
    monkeypatch.setattr(store, "RECONNECT", 0.0)
    with opened(conninfo) as held:
        cut(conninfo, held)
        error = None
        try:
            held.ping()
        except Exception as exc:  # noqa: BLE001
            error = held.source.as_error(exc)
    assert error.reason == "broken"
    assert "partition 1 of the journal of batch 'november'" in str(error)


def test_an_answer_that_does_not_come_is_waited_for_a_few_seconds(conninfo, monkeypatch):
    """Longer than the server's own limit, and shorter than an intent is valid."""
    monkeypatch.setattr(connection, "ANSWER", 0.2)
    with opened(conninfo) as held:
        with pytest.raises(LostError):
            held._connection.run(b"SELECT pg_sleep(3)", seconds=0.2)
        held.ping()
    assert connection.ANSWER < intents.VALID


class Failing:
    """Fails the next statements of a connection, and then lets them through."""

    def __init__(self, monkeypatch, *errors):
        self.errors = list(errors)
        self.run = connection.Connection.run_prepared

        def run(*args):
            return self(*args)

        monkeypatch.setattr(connection.Connection, "run_prepared", run)

    def __call__(self, *args):
        if self.errors:
            raise self.errors.pop(0)
        return self.run(*args)


def test_a_statement_that_may_pass_is_made_again(conninfo, monkeypatch):
    """A time limit, a lock, a conflict; any other error goes to the caller."""
    with opened(conninfo) as held:
        states = ["57014", "55P03", "40P01"]
        failing = Failing(monkeypatch, *(StatementError(state, "later") for state in states))
        held.ping()
        assert failing.errors == []
        failing.errors = [StatementError("22003", "never")]
        with pytest.raises(StatementError):
            held.ping()
        monkeypatch.setattr(store, "RECONNECT", 0.0)
        failing.errors = [StatementError("57014", "later")]
        with pytest.raises(StatementError):
            held.ping()


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_is_tried_again_until_the_database_is_there(conninfo, monkeypatch, times):
    """It may be starting: at the beginning of a run, and during it."""
    monkeypatch.setattr(store, "PAUSE", 0.0)
    connect, left = store.Connection.open, []

    def starting(address, purpose):
        if left:
            raise left.pop()
        return connect(address, purpose)

    monkeypatch.setattr(store.Connection, "open", starting)
    left[:] = [LostError("the database system is starting up")] * times
    with opened(conninfo) as held:
        cut(conninfo, held)
        left[:] = [LostError("starting"), StatementError("57014", "late")][:times]
        held.ping()
        cut(conninfo, held)
        left[:] = [StatementError("42501", "permission denied")]
        with pytest.raises(StatementError):
            held.ping()
    monkeypatch.setattr(store, "OPEN", 0.0)
    left[:] = [LostError("starting")]
    with pytest.raises(LostError):
        source(conninfo).open(target=TARGET, keys="caller")


def test_a_connection_that_cannot_be_set_up_is_closed(conninfo, monkeypatch):
    """Its lock would stay."""
    closed = []
    close = store.Connection.close
    monkeypatch.setattr(store.Connection, "close", lambda self: (closed.append(1), close(self)))
    run = store.Connection.run

    def failing(self, sql, *values, **options):
        if b"enable_seqscan" in sql:
            raise StatementError("42501", "permission denied")
        return run(self, sql, *values, **options)

    monkeypatch.setattr(store.Connection, "run", failing)
    with pytest.raises(StatementError):
        source(conninfo).open(target=TARGET, keys="caller")
    assert closed


def test_a_transaction_that_fails_is_rolled_back(conninfo):
    """The connection stays usable."""
    with opened(conninfo) as held:

        def broken():
            with held._connection.transaction():
                held._connection.run(b"DELETE FROM twake_async.part")
                held._connection.run(b"SELECT 1 / 0")

        with pytest.raises(StatementError):
            broken()
        held.ping()
        with pytest.raises(LostError), held._connection.transaction():
            raise LostError("gone")


def test_a_large_group_is_written_as_a_whole(conninfo):
    """Also where the connection does not take it at once."""
    with opened(conninfo) as held:
        group = [claim(held, f"k{n:04d}", channel_id="c" * 500) for n in range(1000)]
        assert held.write(group) == {}
        assert ask(conninfo, "SELECT count(*) FROM twake_async.message") == [(1000,)]
        asked = held._connection.run(b"SELECT length($1::text)", b"x" * 60_000_000)
        assert asked == [("60000000",)]


class Slow:
    """A connection of libpq that says more than once that not all has been written."""

    def __init__(self, pg, times):
        self.pg = pg
        self.times = times

    def flush(self):
        self.times -= 1
        return self.pg.flush() or self.times > 0

    def __getattr__(self, name):
        return getattr(self.pg, name)


def test_a_statement_is_written_until_nothing_is_left(conninfo):
    """However often the connection takes only a part."""
    with opened(conninfo) as held:
        connection = held._connection
        connection._pg = slow = Slow(connection._pg, 3)
        assert connection.run(b"SELECT 1") == [("1",)]
        assert slow.times == 0
        connection._pg = slow.pg


def test_a_session_that_ends_during_a_statement_has_no_answer(conninfo):
    """Nobody knows whether the statement was carried out."""
    with opened(conninfo) as held:
        with pytest.raises(LostError):
            held._connection.run(b"SELECT pg_terminate_backend(pg_backend_pid())")
        held.ping()


# --- the session ----------------------------------------------------------------------------------


def test_the_session_has_its_settings_whatever_the_database_has(postgres):
    """REPEATABLE READ would miss an open intent; synchronous_commit makes an intent durable."""
    with postgres.database() as name:
        conninfo = postgres.conninfo(name)
        for setting in (
            "default_transaction_isolation = 'repeatable read'",
            "synchronous_commit = off",
        ):
            postgres.run(f"ALTER DATABASE {name} SET {setting}")
        with opened(conninfo) as held:

            def shown(setting):
                return held._connection.run(f"SHOW {setting}".encode())[0][0]

            assert shown("transaction_isolation") == "read committed"
            assert shown("synchronous_commit") == "on"
            assert shown("idle_session_timeout") == "30s"
            assert shown("idle_in_transaction_session_timeout") == "10s"
            assert shown("lock_timeout") == "3s"
            assert shown("statement_timeout") == "3500ms"
            assert shown("tcp_user_timeout") == "4000"
            assert shown("tcp_keepalives_count") == "3"


def test_an_old_server_is_refused(conninfo, monkeypatch):
    """The error names the version that is needed."""
    monkeypatch.setattr(connection, "OLDEST", 990000)
    error = reason_of(source(conninfo).open, target=TARGET, keys="caller")
    assert error == "version"


def test_a_database_in_another_encoding_is_refused(postgres):
    """Not every key could be kept in it."""
    with postgres.database("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'") as name:
        held = source(postgres.conninfo(name))
        assert reason_of(held.open, target=TARGET, keys="caller") == "version"


def test_a_pooler_between_is_refused(postgres, conninfo):
    """It answers with a process of its own, not with that of the session."""
    with pooled(postgres.port) as port:
        held = source(psycopg.conninfo.make_conninfo(conninfo, port=port))
        with pytest.raises(JournalError) as caught:
            held.open(target=TARGET, keys="caller")
    assert caught.value.reason == "pooled"
    assert "pgbouncer" in str(caught.value)


class pooled:  # noqa: N801
    """A forwarder that gives another process id than the server's, as poolers do."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self.listener.getsockname()[1]

    def __exit__(self, *exc):
        self.thread.join()
        self.listener.close()

    def serve(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            back.start()
            self.copy(client, server)
            back.join()

    def copy(self, source, target):
        while data := source.recv(65536):
            at = data.find(b"K\x00\x00\x00\x0c")  # BackendKeyData
            if at >= 0:
                data = data[: at + 5] + b"\x00\x00\x00\x07" + data[at + 9 :]
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_partition_that_was_closed_is_free_at_once(conninfo, monkeypatch):
    """The next run does not wait until the server has ended the session."""
    close, left = connection.Connection.close, []

    def leave(one):
        left.append(one)

    monkeypatch.setattr(connection.Connection, "close", leave)
    try:
        for epoch in (1, 2):
            with opened(conninfo, 1) as held:
                assert held.run == epoch
    finally:
        for one in left:
            close(one)


# --- rounds, rates and pauses ---------------------------------------------------------------------


def test_a_partition_is_done_after_one_whole_pass_and_again_after_a_new_round(conninfo):
    """A new round begins only when all partitions are done."""
    journal = source(conninfo, parts=2).batch
    from twake_async._journal.postgres.views import new_round, read_parts

    for part in (0, 1):
        with opened(conninfo, part, parts=2) as held:
            assert not held.is_done
            held.end_run(is_whole=False)
        with opened(conninfo, part, parts=2) as held:
            assert not held.is_done
            assert reason_of(new_round, journal) == "unfinished"
            held.end_run(is_whole=True)
        with opened(conninfo, part, parts=2) as held:
            assert held.is_done
            held.end_run(is_whole=True)
    epochs = [state.epoch for state in read_parts(journal)]
    assert new_round(journal) == 2
    assert [state.is_done for state in read_parts(journal)] == [False, False]
    assert epochs == [2, 2]  # a partition that is done is not taken


def test_turns_are_reserved_one_after_the_other(conninfo):
    """By the clock of the database, for all partitions of the batch."""
    with opened(conninfo, 1) as one, opened(conninfo, 2) as other:
        waits = [each.reserve(5, 0.005) for each in (one, other, one)]
        assert waits == pytest.approx([0.0, 1000.0, 2000.0], abs=60.0)


def test_a_pause_that_one_notes_is_seen_by_all(conninfo):
    """With the next write or ping; a shorter one does not end it."""
    with opened(conninfo, 1) as one, opened(conninfo, 2) as other:
        other.ping()
        assert other.pause <= 0
        one.slow(60.0)
        one.slow(1.0)
        other.ping()
        assert 50 < other.pause <= 60
        one.write([claim(one)])
        assert 50 < one.pause <= 60


# --- what people read -----------------------------------------------------------------------------


def test_a_batch_that_no_run_has_begun(conninfo):
    """Nobody has taken its partitions, and there is nothing to count."""
    journal = PostgresJournal(conninfo, batch="november", parts=2)
    assert [(one.number, one.epoch, one.is_done) for one in journal.states()] == [
        (0, 0, False),
        (1, 0, False),
    ]
    assert reason_of(journal.counts) == "foreign"
    with opened(conninfo, batch="december"):
        assert reason_of(journal.counts) == "foreign"
        assert len(journal.states()) == 2


def test_people_see_who_holds_a_partition_and_what_is_on_its_way(conninfo):
    """During a run, from any machine."""
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    with opened(conninfo, 1) as held:
        intent = claim(held)
        held.write([intent, claim(held, "k2")])
        held.write([ended(intent)])
        state = journal.states()[1]
        assert (state.is_held, state.epoch) == (True, 1)
        assert state.holder == f"{socket.gethostname()}:{os.getpid()}"
        assert journal.counts() == {None: 1, Outcome.DELIVERED: 1}
        assert [entry.key for entry in journal.entries()] == ["k1", "k2"]
    assert not journal.states()[1].is_held


def test_entries_are_read_page_by_page(conninfo, monkeypatch):
    """However many there are."""
    monkeypatch.setattr(views, "PAGE", 2)
    journal = PostgresJournal(conninfo, batch="november", parts=4)
    with opened(conninfo) as held:
        held.write([claim(held, f"k{n}") for n in range(5)])
    assert [entry.key for entry in journal.entries()] == [f"k{n}" for n in range(5)]


# --- a database that cannot be written ------------------------------------------------------------


def test_a_database_that_is_full_says_so(full_conninfo):
    """What was written before stays."""
    # A new connection may have to write a file, too.
    with psycopg.connect(full_conninfo, autocommit=True) as db, opened(full_conninfo) as held:
        written = []

        def fill():
            for number in range(10_000):
                group = [claim(held, f"{number}-{n}", channel_id="c" * 500) for n in range(50)]
                held.write(group)
                written.extend(group)

        with pytest.raises(StatementError) as caught:
            fill()
        error = held.source.as_error(caught.value)
        assert error.reason == "full"
        assert written
        stored = db.execute("SELECT count(*) FROM twake_async.message").fetchone()
        assert stored == (len(written),)


# --- the documentation ----------------------------------------------------------------------------


def test_the_documented_tables_are_the_tables():
    """docs/journal.md shows the statements that make them."""
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```postgresql\n(CREATE.*?)```", text, re.DOTALL)
    assert shown == SCHEMA
    assert f"This is version {VERSION}." in text.partition("## In PostgreSQL")[2]


def test_the_tables_are_those_of_the_documented_statements(conninfo):
    """What a run makes has the columns that the page shows, in the schema that was asked for."""
    with opened(conninfo, schema="elsewhere"):
        pass
    found = ask(
        conninfo,
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'elsewhere'",
    )
    assert {table for table, _ in found} == {"journal", "batch", "part", "pace", "message"}
    assert all(re.search(rf"^    {column} ", SCHEMA, re.MULTILINE) for _, column in found)


def test_the_documented_question_is_answered(conninfo):
    """docs/journal.md queries the tables as people may."""
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    [question] = re.findall(r"```postgresql\n(SELECT.*?)```", text, re.DOTALL)
    with opened(conninfo) as held:
        held.write([claim(held)])
    assert ask(conninfo, question) == [(None, "", 1)]


def test_tables_of_another_version_are_refused(conninfo):
    """The tables are not changed."""
    with opened(conninfo):
        pass
    ask(conninfo, "UPDATE twake_async.journal SET version = 2")
    assert reason_of(source(conninfo).open, target=TARGET, keys="caller") == "version"


def test_processes_that_begin_at_once_make_the_tables_once(conninfo):
    """Each of them takes its partition."""
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        held = threads.map(
            lambda part: source(conninfo, part, parts=8).open(target=TARGET, keys="caller"),
            range(8),
        )
        for one in held:
            assert one.run == 1
            one.close()


def test_a_database_that_is_read_only_says_so(postgres, conninfo):
    """Such as a standby, or one that was set so."""
    with opened(conninfo):
        pass
    (name,) = (part.split("=")[1] for part in conninfo.split() if part.startswith("dbname="))
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    held = source(conninfo)
    with pytest.raises(StatementError) as caught:
        held.open(target=TARGET, keys="caller")
    error = held.as_error(caught.value)
    assert error.reason == "broken"
    assert "read-only" in str(error)


def test_a_connection_string_that_is_gone_is_an_error_of_the_journal(monkeypatch):
    """The variable may have been unset since."""
    monkeypatch.setenv("TWAKE_JOURNAL", "host=127.0.0.1")
    journal = PostgresJournal(batch="november")
    monkeypatch.delenv("TWAKE_JOURNAL")
    assert reason_of(journal.counts) == "broken"
