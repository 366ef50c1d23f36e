"""`send-many --batch` and `journal --batch`: commands for a batch with a journal on PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, environment, message, texts, wait_for
from postgres.server import GUARDED, PASSWORD
from psycopg.conninfo import conninfo_to_dict

from twake_async.cli._lines import Line, Reading, read_jsonl
from twake_async.cli._partitions import Partitions
from twake_async.cli._sources import InputError

if TYPE_CHECKING:
    from postgres.server import PostgresServer

COUNT = 12
READING = Reading(key="order")


@pytest.fixture
def journal(conninfo: str) -> str:
    """Give the value of `--journal` for a new database."""
    return f"postgresql:{conninfo}"


@pytest.fixture
def file(sandbox, write) -> str:
    """Give a file of messages that have keys."""
    return write(*(message(sandbox, number, order=f"m{number:02}") for number in range(COUNT)))


def batch(journal: str, *more: str) -> list[str]:
    return ["--journal", journal, "--batch", "november", "--parts", "4", "--key", "order", *more]


def test_the_same_command_again_sends_nothing_and_prints_the_same(sandbox, cli, file, journal):
    """The summary is that of the batch, whichever machine sent it."""
    first = cli("send-many", file, *batch(journal))
    again = cli("send-many", file, *batch(journal))
    assert first[:2] == again[:2] == (0, f"{COUNT} delivered\n")
    assert len(texts(sandbox)) == COUNT


def test_the_order_of_a_channel_is_that_of_the_file(sandbox, cli, file, journal):
    """A channel is in one partition, whose lines keep their order."""
    cli("send-many", file, *batch(journal))
    assert texts(sandbox) == [f"message {number}" for number in range(COUNT)]


def test_two_machines_share_a_batch_and_print_the_same(sandbox, file, journal):
    """Each runs the same command: both end when the batch is done, with its counts."""
    command = [*COMMAND, "send-many", file, *batch(journal), "--concurrency", "1"]
    both = [
        subprocess.Popen(
            command, env=environment(**sandbox.environment), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert said == [f"{COUNT} delivered\n"] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(texts(sandbox)) == sorted(f"message {number}" for number in range(COUNT))


def test_a_csv_file_is_divided_too(sandbox, cli, tmp_path, journal):
    """In any form of the input, each line is read once, checked, and kept by partition."""
    path = tmp_path / "in.csv"
    rows = "".join(f'{sandbox.channel_id};"Zeile {n};\n2";k{n}\n' for n in range(3))
    path.write_text(f"Kanal;Text;order\n{rows}", encoding="utf-16")
    named = ["--map", "Kanal=channel_id", "--map", "Text=content"]
    status, out, _ = cli("send-many", str(path), *named, *batch(journal))
    assert (status, out) == (0, "3 delivered\n")
    assert texts(sandbox) == [f"Zeile {n};\n2" for n in range(3)]


def test_a_pipe_is_copied_first(sandbox, file, journal):
    """A batch has an end, and a fingerprint of all its lines."""
    with Path(file).open("rb") as lines:
        ran = subprocess.run(
            [*COMMAND, "send-many", "-", *batch(journal)],
            env=environment(**sandbox.environment),
            stdin=lines,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stdout) == (0, f"{COUNT} delivered\n")


def test_another_file_is_refused(sandbox, cli, file, write, journal):
    """A batch has one input: no line of another one is sent."""
    cli("send-many", file, *batch(journal))
    other = write(message(sandbox, 99, order="m99"), name="other.jsonl")
    status, _, err = cli("send-many", other, *batch(journal))
    assert status == 3
    assert "was begun with input" in err
    assert len(texts(sandbox)) == COUNT


def test_another_file_begins_no_round(sandbox, cli, file, write, journal):
    """The refused messages stay refused: the round would have the wrong input."""
    sandbox.refuse_next("capability")
    cli("send-many", file, *batch(journal))
    other = write(message(sandbox, 99, order="m99"), name="other.jsonl")
    assert cli("send-many", other, *batch(journal, "--again"))[0] == 3
    status, out, _ = cli("send-many", file, *batch(journal))
    assert (status, out) == (2, f"{COUNT - 1} delivered, 1 refused\n")


def test_another_number_of_partitions_is_refused(sandbox, cli, file, journal):
    """Another number would put channels into other partitions."""
    cli("send-many", file, *batch(journal))
    status, _, err = cli("send-many", file, *batch(journal)[:-3], "8", "--key", "order")
    assert status == 3
    assert "was begun with parts '4'" in err


def test_a_bad_line_sends_nothing(sandbox, cli, write, journal):
    """Every line is checked before anything is sent."""
    path = write(message(sandbox, 1, order="m1"), {"content": "no channel", "order": "m2"})
    status, out, err = cli("send-many", path, *batch(journal))
    assert (status, out) == (3, "1 messages, 1 bad lines; nothing was sent\n")
    assert "line 2: it has no channel_id" in err


def test_what_was_refused_is_sent_in_another_round(sandbox, cli, file, journal):
    """The same command does not send it, or it would try for ever; a person asks for the round."""
    sandbox.refuse_next("capability")
    status, out, err = cli("send-many", file, *batch(journal))
    assert (status, out) == (2, f"{COUNT - 1} delivered, 1 refused\n")
    assert "line 1: refused" in err
    assert cli("send-many", file, *batch(journal))[:2] == (status, out)
    status, out, _ = cli("send-many", file, *batch(journal, "--again"))
    assert (status, out) == (0, f"{COUNT} delivered\n")
    assert len(texts(sandbox)) == COUNT


@pytest.mark.measured
def test_what_may_pass_says_how_to_send_it(sandbox, cli, file, journal):
    """A message that the server wanted later is sent in another round."""
    sandbox.refuse_next(429)
    _, _, err = cli("send-many", file, *batch(journal, "--attempts", "1"))
    assert "run the same command with --again" in err


def test_the_journal_command_counts_and_lists_a_batch(sandbox, cli, file, journal):
    """It does the same as for a file."""
    sandbox.refuse_next("capability")
    cli("send-many", file, *batch(journal))
    _, out, _ = cli("journal", journal, "--batch", "november", "--json")
    assert json.loads(out) == {
        "delivered": COUNT - 1,
        "refused": 1,
        "not sent": 0,
        "unknown": 0,
        "in flight": 0,
    }
    _, out, _ = cli("journal", journal, "--batch", "november", "--list", "refused")
    assert json.loads(out)["key"] == "m00"


def test_a_batch_that_is_not_there_is_said(cli, sandbox, journal):
    """A wrong name is no empty batch."""
    status, _, err = cli("journal", journal, "--batch", "decembre")
    assert status == 1
    assert "there is no" in err


@pytest.fixture
def guarded(postgres: PostgresServer, conninfo: str):
    """Give the connection string of a role that needs its password."""
    database = str(conninfo_to_dict(conninfo)["dbname"])
    postgres.run(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
    postgres.run(f"GRANT CREATE ON DATABASE {database} TO {GUARDED}")
    yield postgres.conninfo(database, user=GUARDED, password=PASSWORD)
    postgres.run(f"DROP OWNED BY {GUARDED} CASCADE", database)
    postgres.run(f"DROP ROLE {GUARDED}")


def test_the_environment_may_hold_a_password(cli, file, guarded, monkeypatch):
    """`TWAKE_JOURNAL` is the whole connection string, and is shown nowhere."""
    monkeypatch.setenv("TWAKE_JOURNAL", guarded)
    status, out, err = cli("send-many", file, *batch("")[2:])
    assert (status, out) == (0, f"{COUNT} delivered\n"), err
    _, out, _ = cli("journal", "--batch", "november", "--json")
    assert json.loads(out)["delivered"] == COUNT
    monkeypatch.setenv("TWAKE_JOURNAL", guarded.replace(PASSWORD, "wrong-horse"))
    status, out, err = cli("journal", "--batch", "november")
    assert status == 1
    assert "wrong-horse" not in out + err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--journal", "postgresql://me:hidden@127.0.0.1/db"], "password"),
        (["--journal", "postgresql:host=127.0.0.1 password=hidden"], "password"),
        (["--journal", "postgresql:host=127.0.0.1 sslpassword=hidden"], "password"),
        (["--journal", "postgresql:host=db.example.org sslmode=require"], "verify-full"),
        (["--journal", "postgresql://hidden:hidden:hidden@[/db"], "connection string"),
        (["--journal", "run.sqlite"], "on PostgreSQL"),
        ([], "set TWAKE_JOURNAL"),
    ],
)
def test_a_journal_that_cannot_work_is_a_usage_error(cli, file, arguments, why):
    """The status is 64, before anything is read; a password in the arguments is never repeated."""
    commands = (["send-many", file, *arguments, "--key", "order"], ["journal", *arguments[1:]])
    for command in commands:
        status, out, err = cli(*command, "--batch", "november")
        assert status == 64
        assert why in err
        assert "hidden" not in out + err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--batch", "november"], "--batch needs --key"),
        (["--batch", "november", "--key", "order", "--results", "r.jsonl"], "--list"),
        (["--key", "order"], "give --batch, too"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(cli, file, journal, arguments, why):
    """Each error says what to give instead."""
    status, _, err = cli("send-many", file, "--journal", journal, *arguments)
    assert status == 64
    assert why in err


@pytest.mark.parametrize("option", ["--parts=3", "--again", "--unverified-host"])
def test_options_of_a_batch_need_one(sandbox, cli, file, option):
    """They have no meaning without one."""
    status, _, err = cli("send-many", file, option)
    assert status == 64
    assert "without --batch" in err


def test_a_journal_on_postgresql_has_many_batches(cli, journal):
    """The command needs the name of one."""
    assert cli("journal", journal)[0] == 64
    assert cli("journal")[0] == 64


def test_an_interrupted_machine_leaves_the_rest_to_the_others(sandbox, write, journal):
    """After Ctrl-C the sends in flight end, and the same command continues."""
    file = write(*(message(sandbox, number, order=f"m{number:03}") for number in range(300)))
    command = [*COMMAND, "send-many", file, *batch(journal)]
    process = subprocess.Popen(
        [*command, "--rate", "50"],
        env=environment(**sandbox.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(texts(sandbox)) > 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "not reached" in out
    assert "to continue: run the same command again" in err
    ran = subprocess.run(
        command,
        env=environment(**sandbox.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "300 delivered\n"), ran.stderr
    assert texts(sandbox) == [f"message {number}" for number in range(300)]


def test_a_dry_run_needs_no_database(cli, file):
    """The dry run checks every line, and sends nothing."""
    nowhere = "postgresql:host=127.0.0.1 port=1 dbname=none"
    status, out, _ = cli("send-many", file, *batch(nowhere, "--dry-run"))
    assert (status, out) == (0, f"{COUNT} messages, 0 bad lines; nothing was sent\n")


def test_a_database_that_is_away_sends_nothing(sandbox, cli, file):
    """The error says so, and that the same command continues."""
    nowhere = "postgresql:host=127.0.0.1 port=1 dbname=none"
    status, out, err = cli("send-many", file, *batch(nowhere))
    assert status == 3
    assert "not reached" in out
    assert "cannot be opened" in err
    assert texts(sandbox) == []


class TestPartitions:
    """Tests for the lines of an input by partition, each read and checked once."""

    @staticmethod
    def partitions() -> Partitions:
        return Partitions(lambda channel: int(channel[1:]) % 2, "order")

    @staticmethod
    def lines(count: int = 6) -> list[Line]:
        fields = (
            {"channel_id": f"c{n}", "content": "é\u2028", "order": f"m{n}"} for n in range(count)
        )
        return list(read_jsonl([json.dumps(one).encode() + b"\n" for one in fields], READING))

    def test_each_partition_has_its_lines_in_their_order(self):
        """They have their numbers in the input and their keys, however often they are read."""
        with self.partitions() as parts:
            for line in self.lines():
                parts.add(line)
            for _ in range(2):
                assert [(line.number, line.key) for line in parts.lines(1)] == [
                    (2, "m1"),
                    (4, "m3"),
                    (6, "m5"),
                ]
            assert [line.draft for line in parts.lines(0)] == [
                line.draft for line in self.lines() if line.number % 2
            ]

    def test_a_partition_may_be_empty(self):
        """The input may not have the partition's channels."""
        with self.partitions() as parts:
            assert list(parts.lines(1)) == []

    def test_the_fingerprint_is_that_of_the_lines(self):
        """It is the same on each machine; another line makes another one."""
        found = []
        for count in (6, 6, 5):
            with self.partitions() as parts:
                for line in self.lines(count):
                    parts.add(line)
                found.append(parts.fingerprint)
        assert found[0] == found[1] != found[2]

    def test_no_room_for_the_copy_is_said(self, monkeypatch, tmp_path):
        """The error has the place, and says how to name another one."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        with self.partitions() as parts, pytest.raises(InputError, match="TMPDIR"):
            parts.add(self.lines()[0])
