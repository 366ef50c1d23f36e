# ruff: noqa: ASYNC240, PTH101, PTH104, PTH105, PTH108, PTH116, PTH208, PTH211 - as a shell does it
"""The journal's file: one batch uses it, only its owner reads it, and damage is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile

import attrs
import pytest
from batches import Sender, at_once, collect, drafts, until
from journals import copied, ended_as, plan, rows, unknown_at

from twake_async import (
    ConfigurationError,
    Journal,
    JournalEntry,
    JournalError,
    MessageDraft,
    NotSentError,
    Outcome,
)
from twake_async._batch.engine import stream
from twake_async._journal import lock as journal_lock
from twake_async._journal import wal as journal_wal
from twake_async._journal.checks import check_messages
from twake_async._journal.file import JournalFile
from twake_async._journal.rows import row_of

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes and forks of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the lock on the file of Linux")


@pytest.fixture
def path(tmp_path):
    """Give the name of a journal that is not there yet."""
    return str(tmp_path / "run.sqlite")


async def refused(path, reason: str) -> JournalError:
    """Try to run a batch, which sends nothing, for this reason."""
    send = ended_as(Outcome.DELIVERED)
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(3), send, plan(path)))
    assert send.sent == []
    assert (caught.value.reason, caught.value.outcome) == (reason, Outcome.NOT_SENT)
    return caught.value


# --- names that keep nothing ---------------------------------------------------------------------


class Bytes(os.PathLike):
    """A path that is made of bytes."""

    def __fspath__(self) -> bytes:
        return b"run.sqlite"


@pytest.mark.parametrize(
    "name",
    ["", ":memory:", "file:run.sqlite", "file::memory:?cache=shared", "a\0b", b"a", None, Bytes()],
)
def test_a_name_of_no_file_is_refused_at_once(name):
    """A journal that SQLite would keep in memory, or nowhere, is refused."""
    with pytest.raises(ConfigurationError) as caught:
        Journal(name)
    assert caught.value.field == "journal"


def test_a_path_is_taken(tmp_path):
    """A pathlib.Path is as good as its string."""
    assert Journal(tmp_path / "run.sqlite").path == str(tmp_path / "run.sqlite")


@posix_only
async def test_what_is_no_regular_file_keeps_nothing_and_is_refused(tmp_path):
    """A device or a pipe would take the rows and lose them."""
    await refused(os.devnull, "foreign")
    os.mkfifo(tmp_path / "pipe")
    await refused(str(tmp_path / "pipe"), "foreign")
    (tmp_path / "folder").mkdir()
    await refused(str(tmp_path / "folder"), "foreign")
    pathlib.Path(f"{os.devnull}-lock").unlink()


# --- one batch at a time -------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(path, **options):
    """Run a batch of one message that waits, for the time of the block."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(1), send, plan(path, **options))))
    await until(lambda: send.waiting)
    yield
    await send.let_go()
    assert [delivery.outcome for delivery in await batch] == [Outcome.DELIVERED]


def other_process(*arguments: str, code: str) -> subprocess.Popen:
    """Start a process that says a line once it is ready, and waits for its end."""
    code = f"import sys, os, sqlite3\nfrom twake_async._journal.file import JournalFile\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
file = JournalFile.open(sys.argv[1], target="", keys="position")
print("open", flush=True)
sys.stdin.read()
"""


@posix_only
@pytest.mark.parametrize("link", [os.symlink, os.link])
async def test_another_name_for_the_same_file_is_the_same_journal(path, tmp_path, link):
    """Through a symbolic or a hard link, in this process or another, a second batch is refused."""
    other = str(tmp_path / "other.sqlite")
    async with running(path):
        link(path, other)
        await refused(other, "locked")
    pathlib.Path(other).unlink()
    with other_process(path, code=HOLD) as process:
        assert process.stdout.readline() == "open\n"
        link(path, other)
        await refused(other, "locked")
        process.kill()


@posix_only
async def test_a_journal_with_two_hard_links_is_refused(path, tmp_path):
    """After a kill, the last rows are beside one of the names, and nobody knows which."""
    await collect(stream(drafts(1), at_once, plan(path)))
    os.link(path, tmp_path / "other.sqlite")
    for name in (path, str(tmp_path / "other.sqlite")):
        assert "2 names" in str(await refused(name, "linked"))
    pathlib.Path(path).unlink()
    [delivery] = await collect(stream(drafts(1), at_once, plan(str(tmp_path / "other.sqlite"))))
    assert delivery.from_journal


@posix_only
async def test_a_symbolic_link_leads_to_the_journal_and_the_files_beside_it(path, tmp_path):
    """The files of SQLite and the lock stand beside the journal, not beside the link."""
    (tmp_path / "links").mkdir()
    link = str(tmp_path / "links" / "run.sqlite")
    os.symlink(path, link)
    async with running(link):
        assert sorted(os.listdir(tmp_path / "links")) == ["run.sqlite"]
        assert pathlib.Path(f"{path}-lock").exists()
    [delivery] = await collect(stream(drafts(1), at_once, plan(path)))
    assert delivery.from_journal


CLOSE_LAST = """
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM message").fetchone()
connection.close()
print(os.path.exists(sys.argv[1] + "-wal"), flush=True)
"""


@posix_only
async def test_a_refused_batch_leaves_the_locks_of_the_running_one(path, tmp_path):
    """Closing a file drops SQLite's locks on it: other processes would delete its -wal file."""
    other = str(tmp_path / "other.sqlite")
    async with running(path):
        os.link(path, other)
        await refused(path, "locked")
        await refused(other, "locked")
        os.unlink(other)
        with other_process(path, code=CLOSE_LAST) as looking:
            assert looking.stdout.readline() == "True\n"


FORK = """
file = JournalFile.open(sys.argv[1], target="", keys="position")
child = os.fork()
os.write(1, b"%d\\n" % child)  # in the child, too: by then it has closed what it inherited
sys.stdin.read()
"""


@posix_only
async def test_a_forked_child_does_not_keep_the_lock_of_its_parent(path):
    """Once the batch's own process is killed, the journal is free, even if a child still runs."""
    with other_process(path, code=FORK) as parent:
        child = sum(int(parent.stdout.readline()) for _ in range(2))  # the child's own is 0
        try:
            parent.kill()
            parent.wait()
            assert len(await collect(stream(drafts(1), at_once, plan(path)))) == 1
        finally:
            os.kill(child, signal.SIGKILL)


async def test_a_system_without_locks_on_the_file_has_the_lock_by_name(path, monkeypatch):
    """Where the system has no lock of an open file, the file beside the journal stays."""
    monkeypatch.setattr(journal_lock, "_lock_byte", lambda _: True)
    async with running(path):
        await refused(path, "locked")
        with other_process(path, code=HOLD) as process:
            assert process.stdout.readline() == ""
            process.kill()


@posix_only
def test_a_forked_child_has_nothing_left_to_close(path):
    """The steps of a child after its fork do no harm in a process that goes on with the journal."""
    file = JournalFile.open(path, target="", keys="position")
    [fd] = journal_lock._open.values()
    journal_lock._close_in_child()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
    file.close()
    JournalFile.open(path, target="", keys="position").close()


def test_a_file_system_without_shared_memory_has_no_wal_file_to_watch(path):
    """SQLite writes in its other mode there, without a -wal file."""
    lock = journal_lock.JournalLock.take(path)
    lock.watch_wal()
    lock.check()
    lock.release()


@posix_only
async def test_a_python_that_knows_no_such_lock_has_the_lock_by_name(path, monkeypatch):
    """Python on macOS is an example."""
    monkeypatch.delattr(journal_lock.fcntl, "F_OFD_SETLK", raising=False)
    async with running(path):
        await refused(path, "locked")


@linux_only
async def test_a_system_call_that_is_not_there_leaves_the_lock_by_name(path, monkeypatch):
    """Some kernels, and some file systems, have no such lock."""

    def missing(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(journal_lock.fcntl, "fcntl", missing)
    async with running(path):
        await refused(path, "locked")


# --- deleted, moved, replaced --------------------------------------------------------------------


def delete(path):
    os.unlink(path)


def rename(path):
    os.rename(path, f"{path}.old")


def replace(path):
    os.rename(path, f"{path}.old")
    file = JournalFile.open(path, target="", keys="position")
    file.close()


def overwrite_by_copy(path):
    copy = f"{path}.copy"
    pathlib.Path(copy).write_bytes(pathlib.Path(path).read_bytes())
    os.replace(copy, path)


def delete_wal(path):
    os.unlink(f"{path}-wal")


@posix_only
@pytest.mark.parametrize("take", [delete, rename, replace, overwrite_by_copy, delete_wal])
async def test_a_journal_that_is_taken_away_ends_the_batch(path, take):
    """Nothing leaves that the named file does not know, and the error says what is certain."""
    sent = []

    async def send(request, listener):
        sent.append(request)
        if len(sent) == 5:
            pathlib.Path(f"{path}-lock").unlink()
            take(path)
        return await at_once(request, listener)

    seen: list = []
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(50), send, plan(path, in_flight=1)), seen)
    assert caught.value.reason == "moved"
    assert "are certain" in str(caught.value)
    assert path in str(caught.value)
    assert len(sent) == 5
    ends = [delivery.outcome for delivery in seen]
    assert ends[:5] == [Outcome.DELIVERED] * 5
    assert set(ends[5:]) <= {Outcome.NOT_SENT}


@posix_only
async def test_a_renamed_journal_has_everything_and_goes_on_under_its_old_name(path):
    """Under its old name, it sends what was not sent, and nothing twice."""
    send = ended_as(Outcome.DELIVERED)
    seen: list = []
    with pytest.raises(JournalError):  # noqa: PT012
        async for delivery in stream(drafts(50), send, plan(path, in_flight=1)):
            seen.append(delivery)
            if len(seen) == 5:
                rename(path)
    os.rename(f"{path}.old", path)
    deliveries = await collect(stream(drafts(50), send, plan(path)))
    assert {delivery.outcome for delivery in deliveries} == {Outcome.DELIVERED}
    assert sorted(draft.front_id for draft in send.sent) == sorted(d.front_id for d in drafts(50))


@posix_only
async def test_a_link_that_is_changed_is_noticed(path, tmp_path):
    """The next run would follow the link to another file."""
    link = str(tmp_path / "link.sqlite")
    os.symlink(path, link)
    send = ended_as(Outcome.DELIVERED)
    seen: list = []
    with pytest.raises(JournalError) as caught:  # noqa: PT012
        async for delivery in stream(drafts(50), send, plan(link, in_flight=1)):
            seen.append(delivery)
            if len(seen) == 5:
                os.unlink(link)
                os.symlink(tmp_path / "new.sqlite", link)
    assert caught.value.reason == "moved"
    assert len(send.sent) < 10


@posix_only
async def test_a_journal_that_is_taken_away_at_the_very_end_is_told(path):
    """All messages were delivered, but the next run would send them again."""

    async def send(request, listener):
        message = await at_once(request, listener)
        rename(path)
        return message

    seen: list = []
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(1), send, plan(path)), seen)
    assert caught.value.reason == "moved"
    assert [delivery.outcome for delivery in seen] == [Outcome.DELIVERED]
    assert rows(f"{path}.old") == [("000000000", "delivered")]


@linux_only
async def test_an_ended_batch_leaves_the_files_of_the_journal_that_took_its_place(path):
    """SQLite deletes the -wal file by its name: it must not be that of another run."""
    send = Sender()
    batch = asyncio.create_task(collect(stream(drafts(1), send, plan(path))))
    await until(lambda: send.waiting)
    for end in ("", "-wal", "-shm", "-lock"):
        os.rename(path + end, f"{path}.old{end}")
    with other_process(path, code=HOLD) as process:
        assert process.stdout.readline() == "open\n"
        await send.let_go()
        with pytest.raises(JournalError) as caught:
            await batch
        assert caught.value.reason == "moved"
        assert pathlib.Path(f"{path}-wal").exists()
        process.kill()
    assert Journal(path).counts() == {}
    assert rows(f"{path}.old") == [("000000000", "delivered")]


# --- damage --------------------------------------------------------------------------------------


async def finished(path) -> list[JournalEntry]:
    """Make a journal that has each kind of row, and return its entries."""
    items = [MessageDraft("c0", f"message {number}") for number in range(120)]
    await collect(stream(items[:100], at_once, plan(path, in_flight=30)))
    await collect(stream(items[:110], ended_as(Outcome.REFUSED), plan(path)))
    with contextlib.suppress(NotSentError):  # so many in a row end a batch
        await collect(stream(items, ended_as(Outcome.UNKNOWN), plan(path)))
    return list(Journal(path).entries())


def seen_in(path) -> list[JournalEntry] | None:
    """Return the rows that a run finds in a journal, or None if it names the damage."""
    try:
        file = JournalFile.open(path, target="", keys="position")
    except JournalError:
        return None
    try:
        found = [file.find(f"{number:09d}") for number in range(120)]
        return [entry for entry in found if entry is not None]
    except JournalError:
        return None
    finally:
        file.close()


async def test_no_flipped_bit_is_believed(path, tmp_path):
    """For each bit that flips, the damage is named, or every row is as written."""
    entries = await finished(path)
    whole = pathlib.Path(path).read_bytes()
    chance = random.Random(4)
    copy = tmp_path / "damaged.sqlite"
    named = 0
    rest = 100 * int(os.environ.get("TWAKE_ASYNC_REPEAT", "1"))
    places = [*range(0, 112, 3), *(chance.randrange(112, len(whole)) for _ in range(rest))]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        copy.write_bytes(data)
        found = seen_in(str(copy))
        named += found is None
        assert found is None or found == entries, place
        with contextlib.suppress(JournalError):
            assert list(Journal(copy).entries()) == entries, place
            assert sum(Journal(copy).counts().values()) == len(entries), place
    assert named > len(places) / 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE message SET outcome = 'delivered' WHERE key = '000000000'",
        "UPDATE message SET outcome = CAST(x'ff' AS TEXT) WHERE key = '000000000'",
        "UPDATE message SET run = 7 WHERE key = '000000000'",
        "UPDATE journal SET target = 'other'",
        "DELETE FROM journal",
        "UPDATE run SET began = 1.0 WHERE number = 1",
        "DELETE FROM run WHERE number = 1",
    ],
)
async def test_a_row_that_is_not_what_was_written_is_named(path, change):
    """Each table is checked before anything is sent."""
    await unknown_at(path, next(drafts(1)))
    await unknown_at(path, next(drafts(1)))
    rows(path, "SELECT 1")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    error = await refused(path, "damaged")
    assert "copy" in str(error)


def test_rows_out_of_order_are_named(path):
    """A search would miss such a row, and its message would be sent again."""
    row = JournalEntry("000000001", "f" * 32, "c", "mine", 1, 1.0)
    found = [row_of(row), row_of(attrs.evolve(row, key="000000000"))]

    class Disordered:
        def execute(self, _):
            return found

    with pytest.raises(JournalError, match="out of order") as caught:
        check_messages(Disordered(), path)
    assert caught.value.reason == "damaged"
    found.reverse()
    assert [entry.key for entry in check_messages(Disordered(), path)[1]] == [
        row[0] for row in found
    ]


async def test_a_schema_that_is_no_text_is_named(path):
    """SQLite's own text about them is no valid text either."""
    await collect(stream(drafts(3), at_once, plan(path)))
    data = pathlib.Path(path).read_bytes()
    assert data.count(b"CREATE TABLE message") == 1
    data = data.replace(b"CREATE TABLE message", b"CREATE TABLE m\xc2ssage")
    pathlib.Path(path).write_bytes(data)
    await refused(path, "damaged")
    with pytest.raises(JournalError) as caught:
        Journal(path).counts()
    assert caught.value.reason == "damaged"


async def test_a_row_that_is_damaged_during_a_run_ends_it(path, monkeypatch):
    """A row is checked again when it is read."""
    await collect(stream(drafts(5), at_once, plan(path)))
    monkeypatch.setattr("twake_async._journal.file.check_messages", lambda *_: ("000000004", []))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE message SET outcome = 'refused' WHERE key = '000000003'")
    send = ended_as(Outcome.DELIVERED)
    seen: list = []
    with pytest.raises(JournalError) as caught:
        await collect(stream(drafts(9), send, plan(path, in_flight=1)), seen)
    assert caught.value.reason == "damaged"
    assert send.sent == []
    assert [delivery.from_journal for delivery in seen] == [True, True, True, False]


def group(number: int) -> JournalEntry:
    return JournalEntry(f"{number:09d}", "f" * 32, "c", "mine", 1, 1.0, Outcome.DELIVERED)


@pytest.fixture
def killed(path):
    """Leave what a kill leaves: a journal, and a -wal file with twenty groups of rows."""
    file = JournalFile.open(path, target="", keys="position")
    for number in range(20):
        file.write([group(number)])
    copied(path, f"{path}.killed")
    file.close()
    return f"{path}.killed"


def opened(path) -> list[JournalEntry]:
    file = JournalFile.open(path, target="", keys="position")
    found = [file.find(f"{number:09d}") for number in range(20)]
    file.close()
    return [entry for entry in found if entry is not None]


def test_no_flipped_bit_of_the_last_rows_is_believed(killed, tmp_path, monkeypatch):
    """SQLite would drop all rows after the damage, and the batch would send them again."""
    wal = pathlib.Path(f"{killed}-wal").read_bytes()
    chance = random.Random(5)
    monkeypatch.setattr(journal_wal, "_PAUSE", 0)
    places = [*range(0, 56, 3), *(chance.randrange(56, len(wal) - 4120) for _ in range(30))]
    for number, place in enumerate(places):
        copy = copied(killed, str(tmp_path / f"copy {number}"))
        data = bytearray(wal)
        data[place] ^= 1 << chance.randrange(8)
        pathlib.Path(f"{copy}-wal").write_bytes(data)
        for _ in range(2):
            with pytest.raises(JournalError) as caught:
                Journal(copy).counts()
            assert caught.value.reason == "damaged"
        with pytest.raises(JournalError) as caught:
            JournalFile.open(copy, target="", keys="position")
        assert caught.value.reason == "damaged"
        assert pathlib.Path(f"{copy}-wal").read_bytes() == data


@pytest.mark.parametrize("cut", [1, 4000, 4120])
def test_a_last_group_that_is_half_written_is_none(killed, cut):
    """A power cut leaves such a group: it was not yet confirmed as written."""
    wal = pathlib.Path(f"{killed}-wal")
    data = wal.read_bytes()
    wal.write_bytes(data[:-cut] + b"\0" * (cut - 1))
    assert opened(killed) == [group(number) for number in range(19)]


def test_a_whole_wal_file_is_taken_and_one_of_an_earlier_round_too(killed, path):
    """Rows that were overwritten, or are not yet written, do not count."""
    assert opened(killed) == [group(number) for number in range(20)]
    file = JournalFile.open(path, target="", keys="position")
    for number in range(20):
        file.write([group(number)])
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(RESTART)")
    file.write([group(0)])
    copied(path, f"{path}.again")
    file.close()
    assert len(opened(f"{path}.again")) == 20


def test_a_wal_file_that_a_running_batch_changes_is_read_again(monkeypatch, tmp_path):
    """A mix of one round and the next is not what anybody wrote."""
    name = tmp_path / "run.sqlite-wal"
    name.write_bytes(b"x")
    seen = [True, False]
    monkeypatch.setattr(journal_wal, "loses_rows", lambda _: seen.pop(0))
    assert not journal_wal.has_lost_rows(str(name))
    assert not journal_wal.has_lost_rows(str(tmp_path / "none"))


def test_the_checksum_is_the_same_in_every_release_of_python():
    """A journal that one release of Python began is read by another one."""
    entry = JournalEntry(
        "k\u00e9y",
        "f" * 32,
        "c",
        None,
        3,
        1700000000.25,
        outcome=Outcome.DELIVERED,
        message_id="id",
        maybe_duplicated=True,
        attempts=2,
        ended=2.5,
        unknown_requests=4_000_000_000,
        minted=True,
    )
    assert row_of(entry)[-1] == 2251239166


async def test_a_journal_of_the_first_version_is_told_and_left_alone(path):
    """Its rows do not say how many requests are in doubt."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE journal (target TEXT NOT NULL, keys TEXT NOT NULL)")
        connection.execute(f"PRAGMA application_id = {0x54574B4A}")
        connection.execute("PRAGMA user_version = 1")
    before = pathlib.Path(path).read_bytes()
    assert "finish its run with the release that began it" in str(await refused(path, "version"))
    with pytest.raises(JournalError) as caught:
        Journal(path).counts()
    assert caught.value.reason == "version"
    assert pathlib.Path(path).read_bytes() == before


# --- who may read it -----------------------------------------------------------------------------


def mode(name) -> int:
    return stat.S_IMODE(os.stat(name).st_mode)


@posix_only
async def test_the_journal_and_the_files_beside_it_are_for_their_owner(path):
    """Nobody else may read the ids of channels and messages."""
    before = os.umask(0)
    try:
        async with running(path):
            modes = {end: mode(path + end) for end in ("", "-wal", "-shm", "-lock")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(modes, 0o600)


@posix_only
async def test_a_mode_that_was_chosen_stays(path):
    """A person who opened the journal to others chose to do so."""
    await collect(stream(drafts(1), at_once, plan(path)))
    os.chmod(path, 0o640)
    await collect(stream(drafts(2), at_once, plan(path)))
    assert mode(path) == 0o640


@contextlib.contextmanager
def no_root():
    """Run the block as a user for whom permissions count."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@posix_only
@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
async def test_a_finished_journal_is_shown_to_who_may_only_read(folder_mode):
    """Reading needs neither write access nor a file beside the journal, and leaves none."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = str(folder / "run.sqlite")
        await collect(stream(drafts(3), at_once, plan(path)))
        os.chmod(path, 0o444)
        os.chmod(folder, folder_mode)
        before = sorted(os.listdir(folder))
        with no_root():
            counts = Journal(path).counts()
            keys = [entry.key for entry in Journal(path).entries()]
        assert counts == {Outcome.DELIVERED: 3}
        assert keys == ["000000000", "000000001", "000000002"]
        assert sorted(os.listdir(folder)) == before
        os.chmod(folder, 0o700)
