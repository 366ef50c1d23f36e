"""Uploads over v1, over real sockets: what arrives, and what each failure proves."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import ssl
import time
import warnings

import httpx
import httpx2
import pytest
import respx
from drive_server import (
    Drive,
    answer_with,
    file_answer,
    json_answer,
    play,
    raw_answer,
    read_body,
)
from faults.tls import _authority
from rest_cases import CASES, object_of, recorded, sent_when_recorded

from twake_async import (
    ConfigurationError,
    EmptyFileWarning,
    InvalidDraftError,
    InvalidGroupError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    RetryPolicy,
    SessionClosedError,
    TwakeSession,
)
from twake_async._attempts.send import Clock
from twake_async._protocol.multipart import encode_multipart
from twake_async.resources import FileElement
from twake_async.resources import _files_sources as sources
from twake_async.resources._files_threads import InThread

GROUP = "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
WORKSPACE = "31425355-0f15-11eb-9a15-0242ac1b0006"
UPLOADED = object_of("r99-drive-multipart-brackets")


def element(size: int, **fields) -> bytes:
    return json_answer({"object": UPLOADED | {"size": size} | fields, "_cookies": []})


def session(drive: Drive | str, **given) -> TwakeSession:
    url = drive if isinstance(drive, str) else drive.url
    given = {"retry": RetryPolicy(initial_wait=0.01)} | given
    return TwakeSession("an-id", "a-key-secret", group_id=GROUP, base_url=url, **given)


async def upload(drive: Drive | str, source=b"uploaded bytes", given=None, **fields) -> FileElement:
    fields = {"name": "up.txt", "workspace_id": WORKSPACE} | fields
    async with session(drive, **(given or {})) as twake:
        return await twake.files.upload(source, **fields)


# What arrives


@pytest.mark.parametrize("transport", [None, "fast", "httpx2"])
async def test_the_recorded_form(transport):
    """The fields are those of the recorded form, and the file comes whole."""
    async with play(answer_with(element(14))) as drive:
        found = await upload(drive, given={"transport": transport})
    assert (found.id, found.name, found.size) == (UPLOADED["id"], "up.txt", 14)
    assert drive.part("group_id") == GROUP.encode()
    assert drive.part("object[workspace_id]") == WORKSPACE.encode()
    assert drive.part("object[name]") == b"up.txt"
    assert drive.part("object[is_directory]") == b""
    assert drive.part("file") == b"uploaded bytes"
    sent = CASES["r99-drive-multipart-brackets"]["request"]["body"]
    assert 'name="file"; filename="up.txt"\r\nContent-Type: text/plain' in sent
    assert b'name="file"; filename="up.txt"\r\nContent-Type: text/plain' in drive.body
    assert drive.heads[0].startswith(b"POST /api/v1/drive/save HTTP/1.1\r\n")
    assert b"\r\nContent-Length: " in drive.heads[0]
    assert b"\r\nAuthorization: Basic " in drive.heads[0]


CONTENT = bytes(range(256)) * 5000  # several reads


async def async_parts():
    for start in range(0, len(CONTENT), 100_000):
        yield memoryview(CONTENT)[start : start + 100_000]
    yield b""


class NoSeek(io.RawIOBase):
    """A stream that cannot seek, such as a pipe."""

    def __init__(self) -> None:
        self.inner = io.BytesIO(CONTENT)

    def read(self, size=-1):
        return self.inner.read(size)


class AsyncFile:
    """A file like those of libraries for asyncio."""

    def __init__(self) -> None:
        self.inner = io.BytesIO(CONTENT)

    async def read(self, size: int) -> bytes:
        return self.inner.read(size)


@pytest.mark.parametrize(
    ("make", "has_length"),
    [
        (lambda _: CONTENT, True),
        (lambda _: bytearray(CONTENT), True),
        (lambda path: path, True),
        (str, True),
        (lambda path: path.open("rb"), True),
        (lambda _: io.BytesIO(CONTENT), True),
        (lambda _: NoSeek(), False),
        (lambda _: AsyncFile(), False),
        (lambda _: async_parts(), False),
    ],
)
async def test_every_kind_of_source(tmp_path, make, has_length):
    """Sources of unknown length are sent in chunks."""
    path = tmp_path / "note.txt"
    path.write_bytes(CONTENT)
    seen: list[tuple[int, int | None]] = []
    source = make(path)
    async with play(answer_with(element(len(CONTENT)))) as drive:
        await upload(drive, source, on_progress=lambda *now: seen.append(now))
    assert drive.part("file") == CONTENT
    assert (b"\r\nContent-Length: " in drive.heads[0]) == has_length
    assert (b"\r\nTransfer-Encoding: chunked" in drive.heads[0]) != has_length
    assert seen[-1] == (len(CONTENT), len(CONTENT) if has_length else None)
    assert seen == sorted(seen)
    if hasattr(source, "close"):
        source.close()


async def test_an_iterable_of_known_size_has_a_length():
    """The caller gives the size."""
    async with play(answer_with(element(len(CONTENT)))) as drive:
        await upload(drive, async_parts(), size=len(CONTENT))
    assert drive.part("file") == CONTENT
    assert b"\r\nContent-Length: " in drive.heads[0]


async def test_the_name_is_that_of_the_path(tmp_path):
    """It holds where the caller gives no name; an open file has a name, too."""
    path = tmp_path / 'my "note".txt'
    path.write_bytes(b"x")
    async with play(answer_with(element(1))) as drive:
        await upload(drive, path, name=None)
        assert drive.part("object[name]") == b'my "note".txt'
        assert b'filename="my %22note%22.txt"' in drive.body
        with path.open("rb") as file:
            await upload(drive, file, name=None)
        assert drive.part("object[name]") == b'my "note".txt'


def test_no_name_breaks_out_of_a_form():
    """As in browsers, no name can end the line or the quotes around it."""
    form = encode_multipart({}, 'a"b\r\nc', "text/plain")
    assert b'filename="a%22b%0D%0Ac"\r\nContent-Type: text/plain\r\n\r\n' in form.head


async def test_a_part_of_an_open_file():
    """The upload begins at the current position of the file."""
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    async with play(answer_with(element(6))) as drive:
        await upload(drive, file)
        assert drive.part("file") == b"456789"


async def test_into_a_folder():
    """The request names the workspace, too."""
    folder = FileElement("f-1", workspace_id=WORKSPACE, is_directory=True)
    async with play(answer_with(element(14))) as drive:
        await upload(drive, workspace_id=None, parent_id=folder)
    assert drive.part("object[parent_id]") == b"f-1"


async def test_a_new_version():
    """The request names the element, and says that earlier versions stay."""
    known = FileElement(UPLOADED["id"], "up.txt", workspace_id=WORKSPACE)
    async with play(answer_with(element(3))) as drive, session(drive) as twake:
        await twake.files.new_version(known, b"new")
        assert drive.part("object[id]") == UPLOADED["id"].encode()
        assert drive.part("object[_once_new_version]") == b"1"
        assert drive.part("object[name]") == b"up.txt"
        with pytest.raises(OutcomeUnknownError, match="another element"):
            await twake.files.new_version("another", b"new", name="n", workspace_id=WORKSPACE)


# Each failure


async def test_nobody_listens(closed_port):
    """It was not sent, after the attempts of the policy; the source was not read."""
    read = False

    async def source():
        nonlocal read
        read = True
        yield b"x"

    with pytest.raises(NotSentError) as caught:
        await upload(f"http://127.0.0.1:{closed_port}", source())
    assert (caught.value.reason, caught.value.attempts) == ("connect", 4)
    assert not read


async def test_no_name():
    """It was not sent."""
    with pytest.raises(NotSentError) as caught:
        await upload("https://nowhere.invalid", given={"retry": RetryPolicy.never()})
    assert caught.value.reason == "dns"


async def test_no_tls():
    """It was not sent: the handshake failed."""
    async with play(answer_with(b"")) as drive:
        url = drive.url.replace("http:", "https:")
        with pytest.raises(NotSentError) as caught:
            await upload(url, given={"retry": RetryPolicy.never()}, idle_timeout=1.0)
    assert caught.value.reason in ("tls", "connect")


async def closing(drive, reader, writer, head):
    """End the connection after the head of a request."""
    writer.transport.abort()


async def silent(drive, reader, writer, head):
    """Read a request, and answer nothing."""
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(10**9)


@pytest.mark.parametrize(("answer", "reason"), [(answer_with(b""), "lost"), (closing, "lost")])
async def test_a_lost_answer_is_unknown(answer, reason):
    """There is no second upload, even where the policy would send a message again."""
    retry = RetryPolicy(initial_wait=0.01, on_unknown="resend")
    async with play(answer) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, CONTENT * 4, given={"retry": retry})
    assert (caught.value.reason, caught.value.attempts) == (reason, 1)
    assert drive.connections == 1


@pytest.mark.parametrize("content", [b"small", CONTENT * 20])
async def test_a_silent_server_is_unknown(content):
    """No byte moves for the idle time, while the answer or the request is awaited."""

    async def deaf(drive, reader, writer, head):
        await asyncio.sleep(5)

    async with play(deaf) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, content, idle_timeout=0.2)
    assert caught.value.reason == "timeout"


async def test_a_file_is_closed_where_the_connection_is_lost(tmp_path, monkeypatch):
    """It is closed at once, not when the garbage collector runs."""
    path, opened = tmp_path / "a", []
    path.write_bytes(b"x" * 8_000_000)

    def opening(*given):
        opened.append(open(*given))  # noqa: PTH123, SIM115 - what it stands for
        return opened[-1]

    monkeypatch.setattr(sources, "open", opening, raising=False)
    gc.disable()
    try:
        async with play(closing) as drive:
            with pytest.raises(OutcomeUnknownError) as caught:
                await upload(drive, path)
    finally:
        gc.enable()
    assert caught.value.reason == "lost"
    assert opened
    assert all(file.closed for file in opened)


async def test_a_large_part_of_a_source_is_not_idle_while_it_moves():
    """The network needs longer than the idle time for it, but bytes move all the time."""
    size = 32_000_000

    async def whole():
        yield b"x" * size

    async def sluggish(drive, reader, writer, head):
        while not (await reader.read(65_536)).endswith(b"--\r\n"):
            await asyncio.sleep(0.008)
        await answer_with(element(size))(drive, reader, writer, b"content-length: 0")

    async with play(sluggish) as drive:
        assert (await upload(drive, whole(), size=size, idle_timeout=2.5)).size == size


async def test_a_deadline_is_over_all_of_it():
    """It ends the upload even while bytes move."""

    async def slow():
        while True:
            await asyncio.sleep(0.01)
            yield b"x" * 70_000

    async with play(silent) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, slow(), deadline=0.3)
    assert caught.value.reason == "timeout"
    assert caught.value.elapsed < 30


async def test_a_slow_source_is_not_timed():
    """The idle time measures only the network."""

    async def slow():
        for _ in range(3):
            await asyncio.sleep(0.2)
            yield b"x"

    async with play(answer_with(element(3))) as drive:
        assert (await upload(drive, slow(), idle_timeout=0.1)).size == 3


@pytest.mark.parametrize(
    ("source", "size", "said"),
    [
        ([b"a", "text"], None, "gave str"),
        ([b"abc"], 2, "more than the 2"),
        ([b"abc"], 5, "gave 3 of the 5"),
        ([b"a" * 70_000, RuntimeError("no more")], None, "no more"),
    ],
)
async def test_a_source_that_fails_on_the_way(source, size, said):
    """The head has left, so the outcome is unknown. The cause says what failed."""

    async def give():
        for one in source:
            if isinstance(one, Exception):
                raise one
            yield one

    async with play(silent) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, give(), size=size)
    assert (caught.value.reason, caught.value.attempts) == ("source", 1)
    assert said in str(caught.value.__cause__)


async def test_a_file_that_shrinks(tmp_path):
    """It ends before its size."""
    path = tmp_path / "log"
    path.write_bytes(CONTENT)

    def shrink(done: int, total: int | None) -> None:
        path.write_bytes(b"")

    async with play(silent) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, path, on_progress=shrink)
    assert "before its size" in str(caught.value.__cause__)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
async def test_a_pipe_is_no_source(tmp_path):
    """Opening it would wait for a process that writes into it."""
    os.mkfifo(tmp_path / "pipe")
    async with play(answer_with(b"")) as drive, asyncio.timeout(10):
        with pytest.raises(InvalidDraftError, match="not a regular file") as caught:
            await upload(drive, tmp_path / "pipe")
    assert caught.value.field == "source"


async def test_a_text_file_is_no_source():
    """It gives text, not bytes."""
    async with play(silent) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive, io.StringIO("text"))
    assert "binary mode" in str(caught.value.__cause__)


async def test_an_answer_before_the_end():
    """A gateway refuses a large file, and closes: the status proves that nothing was stored."""

    async def refuse(drive, reader, writer, head):
        writer.write(raw_answer(b"too large", status="413 Payload Too Large"))
        await writer.drain()
        await asyncio.sleep(0.5)

    async with play(refuse) as drive:
        with pytest.raises(RefusedError) as caught:
            await upload(drive, CONTENT * 40)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (recorded("r04-drive-save-unknown-group").content, InvalidGroupError),
        (recorded("r95-drive-save-sender-foreign").content, OutcomeUnknownError),
        (b'{"object": null}', OutcomeUnknownError),
        (b"<html>", OutcomeUnknownError),
    ],
)
async def test_answers_that_are_errors(answer, kind):
    """They are the errors of a call without a file."""
    async with play(answer_with(raw_answer(answer))) as drive:
        with pytest.raises(kind):
            await upload(drive)
    assert drive.connections == 1


async def test_a_file_that_was_cut_is_not_delivered():
    """The size that the server names differs from what was sent."""
    async with play(answer_with(element(0))) as drive:
        with pytest.raises(OutcomeUnknownError, match="keeps 0 bytes of the 14") as caught:
            await upload(drive)
    assert (caught.value.reason, caught.value.status) == ("mismatch", 200)


async def test_later_is_tried_again_from_the_beginning():
    """A 429 comes before anything is stored."""
    later = raw_answer(b"", "Retry-After: 0", status="429 Too Many")
    async with play(answer_with(later, element(len(CONTENT)))) as drive:
        await upload(drive, CONTENT)
    assert drive.connections == 2
    assert drive.part("file") == CONTENT


async def test_without_a_deadline_a_long_pause_is_not_waited_for():
    """The server may ask for an hour, in which no byte moves: longer than the idle time."""
    later = raw_answer(b"", "Retry-After: 3600", status="429 Too Many")
    async with play(answer_with(later)) as drive, session(drive) as twake, asyncio.timeout(10):
        for transfer in (
            lambda: twake.files.upload(b"x", name="n", workspace_id=WORKSPACE),
            lambda: twake.files.download("f", io.BytesIO(), workspace_id=WORKSPACE),
        ):
            with pytest.raises(RateLimitedError) as caught:
                await transfer()
            assert caught.value.retry_after == 3600
            # The pause holds for the next transfer, too.
            with pytest.raises(NotSentError, match="longer than the idle time") as held:
                await transfer()
            assert held.value.reason == "cooldown"
    assert drive.connections == 2


async def test_a_pause_within_the_idle_time_is_waited_for():
    """A pause within a deadline is waited for, too, however short the idle time is."""
    pauses: list[float] = []

    async def pause(seconds: float, _: object) -> None:
        pauses.append(seconds)

    clock = Clock(now=lambda: time.monotonic() + sum(pauses), pause=pause, draw=lambda: 0.5)
    for given in ({}, {"idle_timeout": 0.5, "deadline": 60.0}):
        later = raw_answer(b"", "Retry-After: 20", status="429 Too Many")
        async with play(answer_with(later, element(14))) as drive, session(drive) as twake:
            twake._sender.transfers._open(is_upload=True).clock = clock
            await twake.files.upload(CONTENT[:14], name="n", workspace_id=WORKSPACE, **given)
    assert [round(one) for one in pauses] == [20, 20]


async def test_what_can_be_read_once_is_sent_once():
    """It holds even where the server says "later"."""
    later = raw_answer(b"", "Retry-After: 0", status="429 Too Many")
    async with play(answer_with(later)) as drive:
        with pytest.raises(RateLimitedError):
            await upload(drive, async_parts())
    assert drive.connections == 1


async def test_progress_that_raises_changes_nothing(caplog):
    """The error is logged."""
    async with play(answer_with(element(14))) as drive:
        found = await upload(drive, on_progress=lambda *_: 1 / 0)
    assert found.size == 14
    assert "on_progress raised" in caplog.text


async def test_a_cancelled_upload_leaves_nothing():
    """Its connection is closed at once."""
    ended = asyncio.Event()

    async def watch(drive, reader, writer, head):
        try:
            await reader.readexactly(10**9)
        finally:
            ended.set()

    async with play(watch) as drive, session(drive) as twake:
        task = asyncio.create_task(
            twake.files.upload(b"x", name="n", workspace_id=WORKSPACE, deadline=20)
        )
        while not drive.heads:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await ended.wait()


@pytest.mark.parametrize("turns", range(1, 5))
async def test_an_upload_that_is_cancelled_as_it_begins_was_not_sent(turns):
    """Until the library has reported a step, nothing has left."""
    async with play(silent) as drive, session(drive) as twake:
        task = asyncio.create_task(twake.files.upload(b"x", name="n", workspace_id=WORKSPACE))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        stats = twake.stats()
    assert (stats.not_sent, stats.unknown, drive.heads) == (1, 0, [])


async def test_a_session_that_closes_ends_its_uploads():
    """An upload that had begun to leave is unknown."""
    async with play(silent) as drive:
        twake = session(drive)
        task = asyncio.create_task(twake.files.upload(b"x", name="n", workspace_id=WORKSPACE))
        while not drive.heads:
            await asyncio.sleep(0.01)
        await twake.aclose(drain=0)
        with pytest.raises(OutcomeUnknownError, match="session was closed"):
            await task
        with pytest.raises(SessionClosedError):
            await twake.files.upload(b"x", name="n", workspace_id=WORKSPACE)


async def test_a_few_run_at_once():
    """The others wait for a slot; those that wait when the session closes were not sent."""
    async with play(silent) as drive:
        twake = session(drive)
        tasks = [
            asyncio.create_task(twake.files.upload(b"x", name="n", workspace_id=WORKSPACE))
            for _ in range(10)
        ]
        while len(drive.heads) < 8:
            await asyncio.sleep(0.01)
        with pytest.raises(NotSentError) as caught:
            await twake.files.upload(b"x", name="n", workspace_id=WORKSPACE, deadline=0.1)
        assert caught.value.reason == "connections_busy"
        assert drive.connections == 8
        await twake.aclose(drain=0)
        kinds = [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)]
    assert kinds.count(OutcomeUnknownError) == 8
    assert kinds.count(SessionClosedError) == 2


async def test_downloads_may_be_the_sources_of_uploads():
    """It holds for any number: an upload does not hold the slot that its own source needs."""

    async def answer(drive, reader, writer, head):
        await read_body(reader, head)
        writer.write(file_answer(CONTENT) if b"download" in head else element(len(CONTENT)))

    async with play(answer) as drive, session(drive) as twake, asyncio.timeout(30):

        async def copy() -> FileElement:
            parts = twake.files.stream("f-1", workspace_id=WORKSPACE)
            return await twake.files.upload(
                parts, name="copy", size=len(CONTENT), workspace_id=WORKSPACE
            )

        copies = await asyncio.gather(*(copy() for _ in range(20)))
    assert {one.size for one in copies} == {len(CONTENT)}


async def test_messages_do_not_wait_for_transfers():
    """They have connections of their own."""
    message = {"object": {"id": "m1", "channel_id": "c1", "content": "hello"}}

    async def answer(drive, reader, writer, head):
        if b"messages/save" in head:
            sent = json.loads(await reader.read(65536))["message"]
            writer.write(json_answer({"object": message["object"] | sent}))
        else:
            await asyncio.sleep(5)

    async with play(answer) as drive:
        twake = session(drive, max_connections=1)
        task = asyncio.create_task(twake.files.upload(b"x", name="n", workspace_id=WORKSPACE))
        while not drive.heads:
            await asyncio.sleep(0.01)
        assert (await twake.send_message("c1", "hello")).id == "m1"
        task.cancel()
        await twake.aclose(drain=0)


async def test_no_secret_in_an_error():
    """Its words and the locals of its traceback hold no secret."""
    async with play(closing) as drive:
        with pytest.raises(OutcomeUnknownError) as caught:
            await upload(drive)
    import traceback

    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "a-key-secret" not in shown
    assert "Basic" not in shown


# A client or transport of the caller


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("source", [CONTENT, None])
async def test_over_the_callers_client(library, source):
    """The upload is streamed through the client, and the caller closes it."""
    async with play(answer_with(element(len(CONTENT)))) as drive, library.AsyncClient() as client:
        await upload(drive, source or async_parts(), given={"http_client": client})
        assert drive.part("file") == CONTENT
        assert not client.is_closed


async def test_failures_of_the_callers_transport_prove_nothing(closed_port):
    """It holds whatever their names say."""
    with pytest.raises(OutcomeUnknownError) as caught:
        await upload(
            f"http://127.0.0.1:{closed_port}", given={"transport": httpx.AsyncHTTPTransport()}
        )
    assert caught.value.reason == "unproven"


# What the server fetches itself


async def from_address(router, name: str, **given) -> FileElement:
    router.post("/api/v1/drive/save").mock(recorded(name))
    async with session("https://twake.example.org", transport=httpx.AsyncHTTPTransport()) as twake:
        return await twake.files.upload(
            file_url="http://127.0.0.1:8797/404", name="a.txt", workspace_id=WORKSPACE, **given
        )


@respx.mock
async def test_a_file_that_the_server_could_not_fetch_is_empty():
    """The file is there, as recorded: the upload is delivered, with a warning."""
    with pytest.warns(EmptyFileWarning, match="fetched nothing") as caught:
        found = await from_address(respx, "r68-drive-file-url-404")
    assert (found.name, found.size, found.versions[0].size) == ("a.txt", 0, None)
    sent = json.loads(respx.calls.last.request.content)
    assert sent == sent_when_recorded("r68-drive-file-url-404")
    assert caught[0].filename == __file__


@respx.mock
async def test_a_warning_is_never_raised(caplog):
    """It is logged where a filter would raise it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = await from_address(respx, "r68-drive-file-url-404", parent_id="p")
    assert found.size == 0
    assert "fetched nothing" in caplog.text
    assert json.loads(respx.calls.last.request.content)["object"]["parent_id"] == "p"


@respx.mock
async def test_a_file_that_the_server_fetched():
    """There is no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (await from_address(respx, "r97-drive-save-detached")).size == 400


# What cannot work


@pytest.mark.parametrize(
    ("source", "given", "field"),
    [
        (None, {}, "source"),
        (b"x", {"file_url": "http://a.b"}, "source"),
        ("missing.txt", {}, "source"),
        (".", {}, "source"),
        ("/dev/null", {}, "source"),
        ("a\0b", {}, "source"),
        (5, {}, "source"),
        ([b"x"], {}, "source"),
        (b"x", {"name": None}, "name"),
        (b"x", {"size": -1}, "size"),
        (b"x", {"size": True}, "size"),
        (b"x", {"workspace_id": None}, "workspace_id"),
        (b"x", {"parent_id": 5}, "parent_id"),
        (b"x", {"idle_timeout": 0}, "idle_timeout"),
        (b"x", {"idle_timeout": "1"}, "idle_timeout"),
        (b"x", {"on_progress": 5}, "on_progress"),
        (None, {"file_url": "ftp://x"}, "file_url"),
        (None, {"file_url": 5}, "file_url"),
        (None, {"file_url": "http://a.b", "name": None}, "name"),
    ],
)
async def test_what_cannot_work_is_said_before_a_byte_leaves(source, given, field):
    """The error names the field."""
    async with play(silent) as drive:
        with pytest.raises((InvalidDraftError, ConfigurationError)) as caught:
            await upload(drive, source, **given)
        assert caught.value.field == field
        assert not drive.connections


class Unsteady(io.BytesIO):
    """A file that says that it can seek, but cannot."""

    def tell(self) -> int:
        raise OSError("no")


async def test_a_file_that_cannot_tell_where_it_is(caplog):
    """It is read to its end, once; the log has the attempt."""
    caplog.set_level("DEBUG", logger="twake_async")
    async with play(answer_with(element(3))) as drive:
        await upload(drive, Unsteady(b"abc"))
    assert drive.part("file") == b"abc"
    assert "drive/save: delivered, attempt 1, status 200" in caplog.text


async def test_a_session_that_closes_between_attempts(closed_port):
    """The next attempt does not begin, so the file was not sent."""
    retry = RetryPolicy(initial_wait=5, max_wait=5)
    twake = session(
        f"http://127.0.0.1:{closed_port}", retry=retry, on_attempt=lambda _: ended.set()
    )
    ended = asyncio.Event()
    task = asyncio.create_task(
        twake.files.upload(b"x", name="n", workspace_id=WORKSPACE, deadline=60)
    )
    await ended.wait()
    await twake.aclose(drain=0)
    with pytest.raises(SessionClosedError):
        await task


# On the way


async def test_over_tls_with_authorities_of_the_callers(tmp_path):
    """Certificates are checked as for messages: with a wrong one, nothing is sent."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority("known").issue_cert("localhost").configure_cert(server)
    _authority("known").cert_pem.write_to_path(tmp_path / "ca.pem")
    async with play(answer_with(element(len(CONTENT))), tls=server) as drive:
        found = await upload(drive, CONTENT, given={"verify": str(tmp_path / "ca.pem")})
        assert found.size == len(CONTENT)
        assert drive.part("file") == CONTENT
        with pytest.raises(NotSentError) as caught:
            await upload(drive, given={"retry": RetryPolicy.never()})
    assert caught.value.reason == "certificate"


async def test_through_a_proxy_that_is_down(closed_port):
    """Nothing was sent."""
    proxy = f"http://me:secret-of-mine@127.0.0.1:{closed_port}"
    given = {"proxy": proxy, "retry": RetryPolicy.never()}
    with pytest.raises(NotSentError, match="through the proxy") as caught:
        await upload("https://twake.example.org", given=given)
    assert "secret-of-mine" not in str(caught.value)


async def test_a_read_that_is_cancelled_ends_before_its_file_is_closed(tmp_path):
    """Otherwise a thread would read from another file that has the same number by then."""
    thread, ended = InThread(), []

    def step() -> None:
        time.sleep(0.2)
        ended.append(True)

    task = asyncio.create_task(thread.run(step))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended
    await thread.settle()
    assert ended


async def test_cancelled_at_any_moment_it_leaves_no_connection():
    """It holds while it connects, shakes hands, sends or waits; the session can still be used."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority("known").issue_cert("localhost").configure_cert(server)
    trusted = ssl.create_default_context()
    _authority("known").configure_trust(trusted)
    async with (
        play(answer_with(element(len(CONTENT))), tls=server) as drive,
        session(drive, verify=trusted) as twake,
    ):
        moments = [number * 0.001 for number in range(40)]
        for moment in moments:
            call = twake.files.upload(CONTENT, name="n", workspace_id=WORKSPACE)
            task = asyncio.create_task(call)
            await asyncio.sleep(moment)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            while drive.running:  # the other side sees each connection end
                await asyncio.sleep(0.01)
        found = await twake.files.upload(CONTENT, name="n", workspace_id=WORKSPACE)
    assert found.size == len(CONTENT)
