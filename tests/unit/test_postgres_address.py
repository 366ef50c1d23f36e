"""Where the database is: what a connection string may hold, and what shows it."""

from __future__ import annotations

import pickle
import traceback

import pytest

from twake_async import ConfigurationError, JournalError
from twake_async._journal.postgres.address import Address
from twake_async.postgres import PostgresJournal

SECRET = "correct-horse-battery"
LOCAL = ["dbname=t", "host=localhost", "host=127.0.0.1 port=1", "host=/var/run", "hostaddr=::1"]
ELSEWHERE = ["host=db.example.org", "host=localhost,db", "host=localhost hostaddr=10.0.0.1"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGPASSWORD", "TWAKE_JOURNAL"):
        monkeypatch.delenv(name, raising=False)


def parameters(text, *, unverified=False):
    return Address(text, unverified).parameters()


@pytest.mark.parametrize("text", LOCAL)
def test_this_machine_needs_no_certificate(text):
    """Nobody else reaches a socket or the loopback."""
    assert "sslmode" not in parameters(text)


@pytest.mark.parametrize("text", [*ELSEWHERE, "service=twake"])
def test_another_host_has_to_prove_who_it_is(text, monkeypatch):
    """By default; only an explicit argument allows less."""
    assert parameters(text)["sslmode"] == "verify-full"
    assert isinstance(parameters(f"{text} sslmode=require"), ConfigurationError)
    assert parameters(f"{text} sslmode=require", unverified=True)["sslmode"] == "require"
    assert "sslmode" not in parameters(text, unverified=True)
    monkeypatch.setenv("PGSSLMODE", "prefer")
    assert isinstance(parameters(text), ConfigurationError)


@pytest.mark.parametrize(("name", "value"), [("PGHOST", "db"), ("PGSERVICE", "twake")])
def test_the_environment_may_name_another_host(name, value, monkeypatch):
    """Libpq reads it, and so does the check."""
    monkeypatch.setenv(name, value)
    assert parameters("dbname=t")["sslmode"] == "verify-full"


def test_a_connection_does_not_hang():
    """Its time-outs are shorter than an intent is valid, whatever the string says."""
    found = parameters("dbname=t keepalives=0 connect_timeout=60")
    assert (found["keepalives"], found["connect_timeout"]) == ("1", "4")
    assert found["tcp_user_timeout"] == "4000"


def shown_by(call) -> str:
    """Return what a traceback shows, locals of the package included."""
    with pytest.raises((ConfigurationError, JournalError)) as caught:
        call()
    frames = caught.tb
    while frames is not None and "twake_async" not in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    exc = caught.value
    shown = traceback.TracebackException(type(exc), exc, frames, capture_locals=True)
    assert exc.__cause__ is None or SECRET not in str(exc.__cause__)
    return "".join(shown.format())


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{SECRET}@localhost/t",
        f"host=localhost password={SECRET}",
        f"host=localhost sslpassword={SECRET}",
        f"postgresql://me:{SECRET}@localhost:port:port/",
        f"password={SECRET} nonsense",
    ],
)
def test_a_password_in_the_arguments_is_refused_and_shown_nowhere(text):
    """The error says where it belongs."""
    assert SECRET not in shown_by(lambda: PostgresJournal(text, batch="november"))


@pytest.mark.parametrize("text", ["host=127.0.0.1 port=1", "host=db.example.org sslmode=require"])
def test_the_password_of_the_environment_is_shown_nowhere(text, monkeypatch):
    """The object, its pickled form and the errors do not show it."""
    monkeypatch.setenv("TWAKE_JOURNAL", "host=localhost")
    journal = PostgresJournal(batch="november")
    monkeypatch.setenv("TWAKE_JOURNAL", f"{text} password={SECRET} user={SECRET}x")
    assert SECRET not in f"{journal!r} {journal.part(1)!r} {journal._batch!r}"
    assert SECRET.encode() not in pickle.dumps(journal.part(1))
    assert pickle.loads(pickle.dumps(journal)).batch == "november"
    assert SECRET not in shown_by(journal.counts)


def test_without_a_connection_string_there_is_no_journal():
    """The error names the variable."""
    with pytest.raises(ConfigurationError) as caught:
        PostgresJournal(batch="november")
    assert "TWAKE_JOURNAL" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("conninfo", {"conninfo": 5}),
        ("batch", {"batch": ""}),
        ("batch", {"batch": "a\nb"}),
        ("parts", {"parts": 0}),
        ("parts", {"parts": 100_001}),
        ("fingerprint", {"fingerprint": None}),
        ("schema", {"schema": "Robert'); DROP"}),
    ],
)
def test_an_argument_that_cannot_work_is_named(field, options):
    """Before anything is opened."""
    with pytest.raises(ConfigurationError) as caught:
        PostgresJournal(**{"conninfo": "dbname=t", "batch": "november"} | options)
    assert caught.value.field == field


def test_without_psycopg_the_error_names_the_extra(monkeypatch):
    """The package itself does not need it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError) as caught:
        PostgresJournal("dbname=t", batch="november")
    assert "twake-async[postgres]" in str(caught.value)


def test_a_channel_has_the_same_partition_on_every_machine():
    """It is not Python's own hash, which differs from process to process."""
    journal = PostgresJournal("dbname=t", batch="november", parts=64)
    assert [journal.part_of(channel) for channel in ("c1", "c2", "général")] == [33, 27, 47]
