"""Downloads over v1, over real sockets: what is written to the disk, and what is an error."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pathlib
import stat
import threading
import zipfile

import httpx
import pytest
import respx
from drive_server import answer_with, file_answer, json_answer, play, raw_answer
from rest_cases import CASES, recorded, sent_when_recorded

from twake_async import (
    Attempt,
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeSession,
)
from twake_async.resources import FileElement
from twake_async.resources import _files_targets as targets

GROUP = "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
WORKSPACE = "31425355-0f15-11eb-9a15-0242ac1b0006"
FILE = FileElement("f-1", "note.txt", workspace_id=WORKSPACE, size=5)
CONTENT = bytes(range(256)) * 20_000  # 5 MB


def session(url: str, **given) -> TwakeSession:
    given = {"retry": RetryPolicy(initial_wait=0.01)} | given
    return TwakeSession("an-id", "a-key", group_id=GROUP, base_url=url, **given)


def names(folder: pathlib.Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def download(drive, to, file=FILE, transport=None, **given):
    async with session(drive.url, transport=transport) as twake:
        return await twake.files.download(file, to, **given)


# What is written


@pytest.mark.parametrize("transport", [None, "fast", "httpx2"])
async def test_a_file_lands_whole(tmp_path, transport):
    """It is at its place, only its owner may read it, and no other file is left."""
    seen: list[tuple[int, int | None]] = []
    async with play(answer_with(file_answer(CONTENT))) as drive:
        path = await download(
            drive,
            tmp_path / "my.txt",
            transport=transport,
            on_progress=lambda *now: seen.append(now),
        )
    assert path == tmp_path / "my.txt"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["my.txt"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert json.loads(drive.body) == {
        "group_id": GROUP,
        "workspace_id": WORKSPACE,
        "file_id": "f-1",
    }


class AsyncWriter:
    """An object to write to, like those of libraries for asyncio."""

    def __init__(self) -> None:
        self.got = b""

    async def write(self, chunk: bytes) -> None:
        self.got += chunk


class ReturnsAwaitable:
    """An object like those of some libraries: `write` returns an awaitable."""

    def __init__(self) -> None:
        self.got = b""

    def write(self, chunk: bytes):
        self.got += chunk
        return asyncio.sleep(0)


@pytest.mark.parametrize("make", [io.BytesIO, AsyncWriter, ReturnsAwaitable])
async def test_what_can_be_written_to(make):
    """It gets the parts in turn."""
    target = make()
    async with play(answer_with(file_answer(CONTENT))) as drive:
        assert await download(drive, target) is None
    assert (target.getvalue() if isinstance(target, io.BytesIO) else target.got) == CONTENT


async def test_the_parts_of_a_file():
    """They come one after another."""
    async with play(answer_with(file_answer(CONTENT))) as drive, session(drive.url) as twake:
        parts = [part async for part in twake.files.stream(FILE)]
    assert b"".join(parts) == CONTENT
    assert len(parts) > 10


async def test_who_stops_taking_parts_ends_the_download():
    """The connection is closed; the session can still be used."""
    async with play(answer_with(file_answer(CONTENT))) as drive, session(drive.url) as twake:
        for _ in range(12):  # more than may run at once
            parts = twake.files.stream(FILE)
            assert await anext(parts)
            await parts.aclose()
        assert drive.connections == 12


async def test_the_parts_of_a_file_that_is_cut():
    """The parts that came are given, then the error; no part comes twice."""
    cut = file_answer(CONTENT)[:-1000]
    got = b""

    async def take(twake):
        nonlocal got
        async for part in twake.files.stream(FILE):
            got += part

    async with play(answer_with(cut)) as drive, session(drive.url) as twake:
        with pytest.raises(OutcomeUnknownError) as caught:
            await take(twake)
    assert caught.value.reason == "lost"
    assert got == CONTENT[: len(got)]
    assert drive.connections == 1


async def test_a_folder_comes_as_a_zip(tmp_path):
    """It has no length: it comes in chunks, to its end."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    body = file.getvalue()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-zip\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Disposition: attachment; filename*=UTF-8''Folder.zip\r\n\r\n"
    )
    whole = b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)
    seen = []
    async with play(answer_with(whole)) as drive:
        path = await download(
            drive, tmp_path, use_server_name=True, on_progress=lambda *now: seen.append(now)
        )
    assert path == tmp_path / "Folder.zip"
    assert zipfile.ZipFile(path).read("a.txt") == b"hello"
    assert seen == [(len(body), None)]
    async with play(answer_with(whole[:-5])) as drive:
        with pytest.raises(OutcomeUnknownError):
            await download(drive, tmp_path / "cut.zip")
    assert not (tmp_path / "cut.zip").exists()


async def test_an_empty_file(tmp_path):
    """It is accepted where the server named its size 0 before."""
    empty = FileElement("f-1", workspace_id=WORKSPACE, size=0)
    async with play(answer_with(file_answer(b""))) as drive:
        assert (await download(drive, tmp_path / "e", empty)).read_bytes() == b""
        with pytest.raises(NotFoundError, match="another workspace") as caught:
            await download(drive, tmp_path / "f", "f-1", workspace_id=WORKSPACE)
    assert caught.value.status == 200
    assert names(tmp_path) == ["e"]


async def test_an_empty_file_of_another_workspace(tmp_path):
    """An answer that names no file is no file, whatever was known of it before."""
    empty = FileElement("f-1", workspace_id=WORKSPACE, size=0)
    async with play(answer_with(raw_answer(b""))) as drive:
        with pytest.raises(NotFoundError, match="another workspace"):
            await download(drive, tmp_path / "a", empty)
    assert names(tmp_path) == []


@respx.mock
@pytest.mark.parametrize(
    "name", ["r87-drive-download", "r99c-drive-multipart-download", "r89-drive-download-folder"]
)
async def test_the_recorded_downloads(name):
    """The requests are as recorded, and the content comes byte for byte."""
    route = respx.post("https://twake.example.org/api/v1/drive/download").mock(recorded(name))
    target = io.BytesIO()
    async with session("https://twake.example.org", transport=httpx.AsyncHTTPTransport()) as twake:
        await twake.files.download(FILE, target)
    assert target.getvalue() == CASES[name]["response"]["body"].encode()
    assert json.loads(route.calls.last.request.content) == sent_when_recorded(name, _0="f-1")


# The disk


async def test_nothing_is_overwritten_unless_told(tmp_path):
    """A file that was there before, or that appears meanwhile, is kept."""
    path = tmp_path / "note.txt"
    path.write_bytes(b"mine")
    async with play(answer_with(file_answer(b"yours"))) as drive:
        with pytest.raises(FileExistsError, match="overwrite=True"):
            await download(drive, path)
        assert not drive.connections
        assert await download(drive, path, overwrite=True) == path
        assert path.read_bytes() == b"yours"
        path.unlink()
        with pytest.raises(FileExistsError):
            await download(drive, path, on_progress=lambda *_: path.write_bytes(b"mine"))
    assert path.read_bytes() == b"mine"
    assert names(tmp_path) == ["note.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows renames without links")
async def test_a_file_system_without_links(tmp_path, monkeypatch):
    """There it is renamed, after another check."""

    def link(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", link)
    async with play(answer_with(file_answer(b"yours"))) as drive:
        path = await download(drive, tmp_path / "a")
        assert path.read_bytes() == b"yours"


async def test_the_servers_name_only_where_asked(tmp_path):
    """The name cannot lead out of the folder, nor replace an existing file."""
    answer = file_answer(b"yours", 'filename="../../up.txt"')
    async with play(answer_with(answer)) as drive:
        with pytest.raises(InvalidDraftError, match="use_server_name"):
            await download(drive, tmp_path)
        assert await download(drive, tmp_path, use_server_name=True) == tmp_path / "up.txt"
        with pytest.raises(FileExistsError):
            await download(drive, tmp_path, use_server_name=True)
        await download(drive, tmp_path, use_server_name=True, overwrite=True)
    assert names(tmp_path) == ["up.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
async def test_only_a_file_is_replaced(tmp_path):
    """A device, a pipe or a socket is not replaced, whoever has the right to do so."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    async with play(answer_with(file_answer(b"yours"))) as drive:
        for name in ("pipe", "link"):
            with pytest.raises(InvalidDraftError, match="regular file") as caught:
                await download(drive, tmp_path / name, overwrite=True)
            assert caught.value.field == "to"
        assert not drive.connections
    assert sorted(names(tmp_path)) == ["link", "pipe"]


async def test_a_download_that_is_cancelled_twice_leaves_nothing(tmp_path, monkeypatch):
    """The second time comes during a write to the disk, which cannot be stopped."""
    begun, go_on = threading.Event(), threading.Event()
    write = targets._write_all

    def slow(file, data):
        begun.set()
        go_on.wait(10)
        write(file, data)

    monkeypatch.setattr(targets, "_write_all", slow)
    async with play(answer_with(file_answer(CONTENT))) as drive, session(drive.url) as twake:
        task = asyncio.create_task(twake.files.download(FILE, tmp_path / "a"))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(2):
            task.cancel()
            await asyncio.wait([task], timeout=0.05)
        assert task.cancelled()
        go_on.set()
        async with asyncio.timeout(10):
            while names(tmp_path):
                await asyncio.sleep(0.01)


async def test_a_target_that_cannot_be_written(tmp_path):
    """The error is that of the system, and is raised once."""
    seen: list[Attempt] = []
    async with play(answer_with(file_answer(CONTENT))) as drive:
        async with session(drive.url, on_attempt=seen.append) as twake:
            with pytest.raises(FileNotFoundError):
                await twake.files.download(FILE, tmp_path / "none" / "a.txt")
        assert drive.connections == 1
        assert [(one.outcome, one.reason) for one in seen] == [(Outcome.UNKNOWN, "unexpected")]

        class Full(io.BytesIO):
            def write(self, chunk):
                raise OSError(28, "No space left")

        with pytest.raises(OSError, match="No space left"):
            await download(drive, Full())

        class Part(io.RawIOBase):
            def write(self, chunk):
                return len(chunk) - 1

        with pytest.raises(OSError, match="bytes were written"):
            await download(drive, Part())


# Downloads that fail


async def test_a_lost_download_begins_anew(tmp_path):
    """It begins again over another connection, and writes over the first part."""
    cut = file_answer(b"x" * len(CONTENT))[: -len(CONTENT) // 2]
    async with play(answer_with(cut, file_answer(CONTENT))) as drive:
        path = await download(drive, tmp_path / "a")
        assert path.read_bytes() == CONTENT
        assert drive.connections == 2


async def test_a_download_that_cannot_begin_anew_is_tried_once():
    """A written part cannot be taken back."""
    async with play(answer_with(file_answer(CONTENT)[:-1])) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await download(drive, io.BytesIO())
    assert (caught.value.reason, drive.connections) == ("lost", 1)


@pytest.mark.parametrize("file", [CONTENT, b"012345"])
async def test_a_file_that_is_too_large(tmp_path, file):
    """It is not downloaded, and no part of it stays."""
    async with play(answer_with(file_answer(file))) as drive:
        with pytest.raises(OutcomeUnknownError, match="limit of 5 bytes") as caught:
            await download(drive, tmp_path / "a", limit=5)
        assert (caught.value.reason, drive.connections) == ("unreadable", 1)
        assert caught.value.status == 200
    assert names(tmp_path) == []


ATTACHED = "Content-Disposition: attachment"
CHUNKED = f"HTTP/1.1 200 OK\r\n{ATTACHED}\r\nTransfer-Encoding: Chunked\r\n\r\n".encode()


@pytest.mark.parametrize(
    "answer",
    [
        file_answer(b"01234"),
        CHUNKED + b"5\r\n01234\r\n0\r\n\r\n",
        raw_answer(b"01234", ATTACHED, "Content-Encoding: Identity"),
    ],
)
async def test_a_file_may_be_as_large_as_the_limit(tmp_path, answer):
    """The limit is exact, with and without a length; content without a coding is taken."""
    async with play(answer_with(answer)) as drive:
        path = await download(drive, tmp_path / "a", limit=5)
    assert path.read_bytes() == b"01234"


@pytest.mark.parametrize(
    ("answer", "limit", "said"),
    [
        (file_answer(CONTENT), len(CONTENT) - 1, "larger"),
        (raw_answer(CONTENT, ATTACHED, "Content-Encoding: gzip"), len(CONTENT), "content coding"),
        (f"HTTP/1.1 200 OK\r\n{ATTACHED}\r\n\r\n".encode() + CONTENT, len(CONTENT), "how long"),
    ],
)
async def test_no_byte_is_taken_of_a_long_file_that_is_refused(tmp_path, answer, limit, said):
    """Neither the disk nor the caller's object gets a byte, however many come."""
    async with play(answer_with(answer)) as drive:
        for to in (tmp_path / "a", taken := io.BytesIO()):
            with pytest.raises(OutcomeUnknownError, match=said):
                await download(drive, to, limit=limit)
    assert (names(tmp_path), taken.getvalue()) == ([], b"")


async def test_the_longest_name_of_a_file(tmp_path):
    """The name of the temporary file is no longer than that."""
    name = "\U0001f600" * 62  # 248 bytes of the 255 that most file systems take
    async with play(answer_with(file_answer(CONTENT))) as drive:
        await download(drive, tmp_path / name)
    assert names(tmp_path) == [name]


async def test_the_limit_holds_without_a_length(tmp_path):
    """The server may not know the length."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    part = b"%x\r\n%b\r\n" % (len(CONTENT), CONTENT)
    async with play(answer_with(head + part * 3)) as drive:
        with pytest.raises(OutcomeUnknownError, match="larger"):
            await download(drive, tmp_path / "a", limit=len(CONTENT))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (raw_answer(b""), NotFoundError, "another workspace"),
        (raw_answer(b"", status="500 Error"), OutcomeUnknownError, "knows no file"),
        (json_answer({"error": "unknown error"}), OutcomeUnknownError, "covers everything"),
        (json_answer({"object": {}}), OutcomeUnknownError, "is no file"),
        (raw_answer(b'string(1) "#0 /x"'), OutcomeUnknownError, "not an answer of Twake"),
        (raw_answer(b"<html>"), OutcomeUnknownError, "not an answer of Twake"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment\r\n\r\nabc",
            OutcomeUnknownError,
            "how long",
        ),
        (
            raw_answer(b"abc", "Content-Disposition: attachment", "Content-Encoding: gzip"),
            OutcomeUnknownError,
            "content coding",
        ),
    ],
)
async def test_what_is_no_file_is_an_error(tmp_path, answer, kind, said):
    """It holds also where its status is 200; nothing is written."""
    async with play(answer_with(answer)) as drive:
        with pytest.raises(kind, match=said):
            await download(drive, tmp_path / "a")
        assert drive.connections == 1
    assert names(tmp_path) == []


async def test_an_empty_answer_without_a_length_proves_nothing(tmp_path):
    """Its connection may have been cut before the file came."""
    empty = FileElement("f-1", workspace_id=WORKSPACE, size=0)
    async with play(answer_with(b"HTTP/1.1 200 OK\r\n\r\n")) as drive:
        for file in (FILE, empty):
            with pytest.raises(OutcomeUnknownError, match="how long"):
                await download(drive, tmp_path / "a", file)
    assert names(tmp_path) == []


ERRORS = {
    "r02-drive-download-wrong-key": AuthenticationError,
    "r04-drive-download-unknown-group": InvalidGroupError,
    "r05-drive-download-nothing-granted": MissingCapabilityError,
    "r06-drive-download-other-company-app": MissingCapabilityError,
    "r08-drive-download-bare": OutcomeUnknownError,
    "r88-drive-download-unknown": OutcomeUnknownError,
}


@respx.mock
@pytest.mark.parametrize(("name", "kind"), ERRORS.items())
async def test_a_recorded_error_is_one(name, kind):
    """All recorded errors but one have the status 200."""
    respx.post("https://twake.example.org/api/v1/drive/download").mock(recorded(name))
    async with session("https://twake.example.org", transport=httpx.AsyncHTTPTransport()) as twake:
        with pytest.raises(kind):
            await twake.files.download(FILE, io.BytesIO())


async def test_a_server_that_stops(tmp_path):
    """No byte moves for the idle time."""

    async def stop(drive, reader, writer, head):
        writer.write(file_answer(CONTENT)[:1000])
        await asyncio.sleep(5)

    async with play(stop) as drive:
        async with session(drive.url, retry=RetryPolicy.never()) as twake:
            with pytest.raises(OutcomeUnknownError) as caught:
                await twake.files.download(FILE, tmp_path / "a", idle_timeout=0.2)
    assert caught.value.reason == "timeout"
    assert names(tmp_path) == []


async def test_a_slow_download_has_time():
    """It has time while bytes move, however slowly the caller takes them."""

    async def slow(drive, reader, writer, head):
        answer = file_answer(b"x" * 100)
        writer.write(answer[:-100])
        for start in range(len(answer) - 100, len(answer), 20):
            writer.write(answer[start : start + 20])
            await writer.drain()
            await asyncio.sleep(0.05)

    async with play(slow) as drive, session(drive.url) as twake:
        got = b""
        async for part in twake.files.stream(FILE, idle_timeout=0.15):
            got += part
            await asyncio.sleep(0.2 if len(got) < 50 else 0)
    assert got == b"x" * 100


async def test_nobody_listens(tmp_path):
    """Nothing was sent."""
    async with session("http://127.0.0.1:9", retry=RetryPolicy.never()) as twake:
        with pytest.raises(NotSentError):
            await twake.files.download(FILE, tmp_path / "a")


async def test_a_cancelled_download_leaves_nothing(tmp_path):
    """The temporary file is removed, too."""

    async def stop(drive, reader, writer, head):
        writer.write(file_answer(CONTENT)[:2_000_000])
        await asyncio.sleep(5)

    async with play(stop) as drive, session(drive.url) as twake:
        task = asyncio.create_task(twake.files.download(FILE, tmp_path / "a"))
        while not names(tmp_path):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"to": 5}, "to"),
        ({"file": ""}, "file"),
        ({"file": "f-1"}, "workspace_id"),
        ({"limit": 0}, "limit"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"on_progress": 5}, "on_progress"),
    ],
)
async def test_what_cannot_work_is_said_before_a_byte_leaves(tmp_path, given, field):
    """The error names the field."""
    async with play(answer_with(b"")) as drive:
        with pytest.raises((InvalidDraftError, ConfigurationError)) as caught:
            await download(drive, **{"to": tmp_path / "a"} | given)
        assert caught.value.field == field
        assert not drive.connections


class Short:
    """A body that ends early, over a transport of the caller's that does not notice."""

    def __init__(self) -> None:
        self.left = [b"abc"]

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


class ShortTransport(httpx.AsyncBaseTransport):
    """The transport."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {"content-disposition": "attachment", "content-length": "10"}
        stream = type("Stream", (httpx.AsyncByteStream,), {"__aiter__": lambda _: Short()})()
        return httpx.Response(200, headers=headers, stream=stream)


async def test_a_transport_that_loses_the_end():
    """The length shows the loss."""
    async with session("https://twake.example.org", transport=ShortTransport()) as twake:
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.files.download(FILE, io.BytesIO())
    assert caught.value.reason == "lost"
