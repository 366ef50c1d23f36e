"""Files over Node: the path that keeps their content, and what its answers prove."""

from __future__ import annotations

import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from drive_server import answer_with, file_answer, json_answer, play, raw_answer, read_body

from twake_async import (
    ConfigurationError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)

FILES = "/internal/services/files/v1/companies/c-1/files"
NODE_FILE = {
    "company_id": "c-1",
    "id": "f-1",
    "metadata": {"name": "a.txt", "mime": "text/plain"},
    "upload_data": {"size": 14, "chunks": 1},
}
STORED = json_answer({"resource": NODE_FILE})
EXPIRED = json_answer(
    {"statusCode": 401, "error": "Unauthorized", "message": "Authorization token expired"},
    status="401 Unauthorized",
)


def node(*answers: bytes):
    """Return a server that answers each login, and the other requests in turn."""
    left = list(answers)

    async def answer(drive, reader, writer, head):
        body = await read_body(reader, head)
        if b"/login" in head:
            token = {"value": f"t-{len(drive.heads)}", "expiration": 9e9, "refresh": "r"}
            token |= {"time": 0, "refresh_expiration": 9e9, "type": "Bearer"}
            writer.write(json_answer({"resource": {"access_token": token}}))
            return
        drive.bodies.append(body)
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


def session(drive, **given) -> TwakeSession:
    given = {"retry": RetryPolicy(initial_wait=0.01)} | given
    return TwakeSession("an-id", "a-key", group_id="c-1", base_url=drive.url, api="node", **given)


async def parts():
    yield b"uploaded "
    yield b"bytes"


def asked(head: bytes) -> tuple[str, dict[str, list[str]]]:
    url = urlsplit(head.split()[1].decode())
    return url.path, parse_qs(url.query)


async def test_an_upload():
    """It goes in one part, to the service itself: the proxy of `/api` makes empty files."""
    async with play(node(STORED)) as drive, session(drive) as twake:
        found = await twake.files.upload(b"uploaded bytes", name="a b.txt")
    assert (found.id, found.name, found.size, found.group_id) == ("f-1", "a.txt", 14, "c-1")
    path, query = asked(drive.heads[-1])
    assert path == FILES
    assert query == {
        "filename": ["a b.txt"],
        "type": ["text/plain"],
        "total_chunks": ["1"],
        "chunk_number": ["1"],
        "total_size": ["14"],
    }
    assert drive.part("file") == b"uploaded bytes"
    assert re.search(rb"\r\nAuthorization: Bearer t-", drive.heads[-1])


async def test_a_new_version():
    """It goes to the path of the file."""
    async with play(node(STORED)) as drive, session(drive) as twake:
        await twake.files.new_version("f-1", b"uploaded bytes", name="a.txt")
        assert asked(drive.heads[-1])[0] == f"{FILES}/f-1"
        with pytest.raises(OutcomeUnknownError, match="another file"):
            await twake.files.new_version("f-2", b"uploaded bytes", name="a.txt")


async def test_an_empty_file_is_not_what_was_sent():
    """The proxy of `/api` makes such a file (recorded)."""
    empty = json_answer({"resource": NODE_FILE | {"upload_data": {"size": 0}}})
    async with play(node(empty)) as drive, session(drive) as twake:
        with pytest.raises(OutcomeUnknownError, match="keeps 0 bytes"):
            await twake.files.upload(b"x", name="a.txt")


async def test_a_token_that_ended_is_renewed():
    """A 401 stored nothing, so the same file is sent once more."""
    async with play(node(EXPIRED, STORED)) as drive, session(drive) as twake:
        await twake.files.upload(b"uploaded bytes", name="a.txt")
    assert [head.count(b"/login") for head in drive.heads] == [1, 0, 1, 0]
    assert drive.part("file") == b"uploaded bytes"


async def test_what_can_be_read_once_is_not_sent_again():
    """The error tells the caller, who has the source."""
    async with play(node(EXPIRED, STORED)) as drive, session(drive) as twake:
        with pytest.raises(RefusedError, match="upload again") as caught:
            await twake.files.upload(parts(), name="a.txt")
        assert (caught.value.status, caught.value.reason) == (401, "status")
        assert len(drive.bodies) == 1


async def test_a_download():
    """The request goes to a path below that of the file."""
    async with play(node(file_answer(b"content"))) as drive, session(drive) as twake:
        target = io.BytesIO()
        await twake.files.download("f-1", target)
    assert target.getvalue() == b"content"
    assert drive.heads[-1].startswith(f"GET {FILES}/f-1/download HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            json_answer(
                {"statusCode": 404, "error": "Not Found", "message": "File not found"},
                status="404 Not Found",
            ),
            NotFoundError,
        ),
        (
            json_answer(
                {"statusCode": 403, "error": "Forbidden", "message": "no"}, status="403 Forbidden"
            ),
            RefusedError,
        ),
        (json_answer({"resource": NODE_FILE}), OutcomeUnknownError),
        (raw_answer(b""), OutcomeUnknownError),
    ],
)
async def test_what_is_no_file(answer, kind):
    """The server's words say what it is."""
    async with play(node(answer)) as drive, session(drive) as twake:
        with pytest.raises(kind):
            await twake.files.download("f-1", io.BytesIO())


async def test_an_empty_file_comes_empty(tmp_path):
    """Here an unknown file is a 404, so an empty answer is an empty file."""
    async with play(node(file_answer(b""))) as drive, session(drive) as twake:
        path = await twake.files.download("f-1", tmp_path / "a")
        assert path is not None
        assert path.read_bytes() == b""


async def test_an_address_is_fetched_by_v1_alone():
    """Node has no such field."""
    async with play(answer_with(b"")) as drive, session(drive) as twake:
        with pytest.raises(ConfigurationError) as caught:
            await twake.files.upload(file_url="http://a.b", name="a", workspace_id="w")
        assert caught.value.field == "api"


async def test_a_login_that_is_not_answered_ends():
    """A transfer has no deadline, but an idle time; nothing was sent."""

    async def silent(drive, reader, writer, head):
        await reader.read()

    async with play(silent) as drive, session(drive, retry=RetryPolicy.never()) as twake:
        with pytest.raises(NotSentError) as caught:
            await twake.files.upload(b"x", name="a", idle_timeout=0.2)
    assert caught.value.reason == "login"
