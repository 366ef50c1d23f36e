"""The fault server does what the names of its faults say, and `stored` is right."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import attrs
import pytest
from faults import FAULTS, RETRY_AFTER, FaultServer, RandomScript
from faults.answers import BIG_SIZE, BOMB_SIZE, brotli

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faults.fault import Fault

PAUSE = 0.02  # seconds after which a server that has not moved is called silent
ROUNDS = 400  # of the event loop: a request that is to be cut in its body is read byte by byte


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as running:
        yield running
    assert running.open_connections == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


def request_bytes(path: str = "/api/v1/messages/save", **message: object) -> bytes:
    fields = {"channel_id": "c", "content": "a/b é", "front_id": "front-1"} | message
    body = json.dumps({"group_id": "g", "message": fields}).encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (
            path.encode(),
            len(body),
            body,
        )
    )


REQUEST = request_bytes()


@attrs.frozen
class Seen:
    """The bytes that a raw client got, and how they ended: open, eof or reset."""

    data: bytes
    end: str

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def raw_body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str | None:
        found = re.search(
            rf"^{name}:[ \t]*(.*?)\r?$", self.head.decode("latin-1"), re.IGNORECASE | re.MULTILINE
        )
        return found[1] if found else None

    @property
    def whole(self) -> bool:
        length = self.header("content-length")
        return length is not None and len(self.raw_body) == int(length)


class RawClient:
    """A socket that writes given bytes, and reads until the server sends no more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: FaultServer) -> RawClient:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def see(self, *, most: int = 300_000, pause: float = PAUSE) -> Seen:
        """Read until the server sends nothing more, or ends; for 10 pauses at most, as it may drip."""
        data, until = b"", asyncio.get_running_loop().time() + 10 * pause
        try:
            while len(data) < most and asyncio.get_running_loop().time() < until:
                piece = await self._piece(pause)
                if piece is None:
                    break
                if not piece:
                    return Seen(data, "eof")
                data += piece
        except ConnectionError:
            return Seen(data, "reset")
        return Seen(data, "open")

    async def _piece(self, pause: float) -> bytes | None:
        """Return what comes next, b"" at the end, or None if nothing comes within a pause.

        On a busy machine the pause may pass while this process does not run. The steps of the
        server that were due in the pause are then still to be done: so the loop runs some more
        rounds, which take no time, before it counts as silence.
        """
        reading = asyncio.ensure_future(self.reader.read(1 << 16))
        await asyncio.wait({reading}, timeout=pause)
        for _ in range(ROUNDS):
            if reading.done():
                return reading.result()
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
        return None

    async def leave(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


async def meet(server: FaultServer, fault: Fault | str, data: bytes = REQUEST) -> Seen:
    """Send one request on a new connection to a server that does this fault next."""
    server.do_next(fault)
    client = await RawClient.connect(server)
    client.write(data)
    try:
        return await client.see()
    finally:
        await client.leave()


def of_stage(*stages: str) -> list[str]:
    return [name for name, fault in FAULTS.items() if fault.stage in stages]


def plain(name: str) -> str:
    return re.sub("^(stores|loses)_", "", name)


# ------------------------------------------------------------------ the truth of the catalogue


@pytest.mark.parametrize("name", FAULTS)
async def test_stored_is_what_the_fault_says(server: FaultServer, name: str) -> None:
    """After one request, the message is stored once if the fault stores, else not at all."""
    await meet(server, name)
    assert dict(server.stored) == ({"front-1": 1} if FAULTS[name].stores else {})
    assert server.acted == {name: 1}
    assert server.accepted == 1
    await server.quiet()


@pytest.mark.parametrize("name", FAULTS)
def test_a_name_says_what_is_stored_and_what_may_be_claimed(name: str) -> None:
    """The prefix of each name agrees with what is stored and with the claims that are allowed."""
    fault = FAULTS[name]
    prefix = name.partition("_")[0]
    assert fault.name == name
    assert fault.stores == (prefix in ("good", "stores"))
    assert "refused" not in fault.allowed or not fault.stores
    assert "not_sent" not in fault.allowed
    assert ("delivered" in fault.allowed) == (prefix == "good")
    if prefix == "refuses":
        assert "refused" in fault.allowed
    elif prefix != "good":
        assert fault.allowed == {"unknown"}


def test_every_ambiguous_fault_comes_in_both_truths() -> None:
    """Faults that a client cannot tell apart exist as stored and lost, with no other difference."""
    stores = {n.removeprefix("stores_") for n in FAULTS if n.startswith("stores_")}
    loses = {n.removeprefix("loses_") for n in FAULTS if n.startswith("loses_")}
    assert stores == loses
    for name in stores:
        one, two = FAULTS[f"stores_{name}"], FAULTS[f"loses_{name}"]
        assert attrs.evolve(one, name=two.name, stores=False) == two


# ------------------------------------------------------------------ before the request was read

ENDS_EARLY = {
    "close_at_accept": {"eof", "reset"},  # the RST for late bytes may overtake the FIN
    "reset_at_accept": {"reset", "eof"},
    "silent_at_accept": {"open"},
    "close_before_reading": {"eof", "reset"},
    "close_at_first_byte": {"eof", "reset"},
    "close_mid_head": {"eof", "reset"},
    "reset_mid_head": {"reset"},
    "close_mid_body": {"eof", "reset"},
    "reset_mid_body": {"reset"},
    "silent_mid_body": {"open"},
    "refuses_413_early": {"eof"},
    "refuses_413_early_reset": {"eof", "reset"},
}


@pytest.mark.parametrize("name", of_stage("accept", "request"))
async def test_an_early_end_looks_as_named(server: FaultServer, name: str) -> None:
    """Such a fault ends the connection as its name says, and no request is counted."""
    seen = await meet(server, name)
    assert seen.end in ENDS_EARLY[name]
    assert server.received == 0
    if not name.startswith("refuses"):
        assert seen.data == b""
    assert server.begun == (FAULTS[name].stage == "request")


async def test_a_close_at_accept_needs_no_byte(server: FaultServer) -> None:
    """A connection closed or reset at accept ends while the client is still silent."""
    for name, end in {"close_at_accept": "eof", "reset_at_accept": "reset"}.items():
        server.do_next(name)
        client = await RawClient.connect(server)
        assert await client.see() == Seen(b"", end)
        await client.leave()


async def test_close_before_reading_waits_for_bytes(server: FaultServer) -> None:
    """Nothing ends before the client has written; then the server closes with all of it unread."""
    server.do_next("close_before_reading")
    client = await RawClient.connect(server)
    assert await client.see() == Seen(b"", "open")
    client.write(REQUEST)
    assert (await client.see()).end in ("eof", "reset")
    assert server.begun == 0
    await client.leave()


@pytest.mark.parametrize("name", of_stage("request"))
async def test_it_acts_at_the_exact_byte(server: FaultServer, name: str) -> None:
    """One byte before its mark a fault has not acted; with that byte it acts."""
    fault = FAULTS[name]
    mark = fault.at + (REQUEST.index(b"\r\n\r\n") + 4 if fault.where == "body" else 0)
    server.do_next(fault)
    client = await RawClient.connect(server)
    client.write(REQUEST[: mark - 1])
    assert await client.see() == Seen(b"", "open")
    assert not server.acted
    client.write(REQUEST[mark - 1 : mark])
    seen = await client.see()
    assert server.acted == {name: 1}
    expected = {"close": "eof", "reset": "reset", "silent": "open", "refuses": "eof"}
    assert seen.end == expected[name.partition("_")[0]]
    await client.leave()


@pytest.mark.parametrize("name", ["refuses_413_early", "refuses_413_early_reset"])
async def test_an_early_413_is_a_whole_answer(server: FaultServer, name: str) -> None:
    """A client that stops writing at the mark reads a complete 413."""
    server.do_next(name)
    client = await RawClient.connect(server)
    client.write(REQUEST[: REQUEST.index(b"\r\n\r\n") + 4 + FAULTS[name].at])
    seen = await client.see()
    assert (seen.status, seen.whole, seen.end) == (413, True, "eof")
    await client.leave()


async def test_a_mark_can_be_moved(server: FaultServer) -> None:
    """`attrs.evolve` moves the byte; past the end it acts at the end, and the request counts as read."""
    seen = await meet(server, attrs.evolve(FAULTS["close_mid_head"], at=10_000))
    assert (seen.data, server.received, server.stored) == (b"", 1, {})


# ------------------------------------------------------------------ read, and no answer


@pytest.mark.parametrize("name", of_stage("read"))
async def test_no_answer_means_no_byte(server: FaultServer, name: str) -> None:
    """A fault without an answer reads the whole request, sends nothing and ends as named."""
    seen = await meet(server, name)
    assert seen == Seen(b"", {"close": "eof", "reset": "reset", "silent": "open"}[plain(name)])
    assert (server.begun, server.received) == (1, 1)


# ------------------------------------------------------------------ answers

HUGE = ("big_declared", "big_chunked", "endless_headers", "gzip_bomb")
OTHERS = ("drip", "drip_head", "garbage")

# status, ending, a pattern of the raw body; None for a body that a test below looks into
ANSWERS: dict[str, tuple[int, str, bytes | None]] = {
    "500": (500, "open", rb""),
    "502": (502, "open", rb"<html>.*502 Bad Gateway.*"),
    "503": (503, "open", rb"<html>.*503.*"),
    "503_retry_after": (503, "open", rb"<html>.*"),
    "504": (504, "open", rb"<html>.*504.*"),
    "500_fatal_html": (500, "open", rb"<br />\n<b>Fatal error</b>.*"),
    "500_good_json": (500, "open", rb'\{"object":\{"id":"[0-9a-f-]{36}","front_id":"front-1".*'),
    "201": (201, "open", rb'\{"object":\{"id":"[0-9a-f-]{36}","front_id":"front-1".*'),
    "202": (202, "open", rb""),
    **{
        str(n): (n, "open", rb"<html>.*")
        for n in (400, 402, 403, 404, 405, 406, 408, 409, 410, 412, 415, 418, 421, 422, 451, 499)
    },
    **{str(n): (n, "open", rb"") for n in (300, 301, 302, 303, 304, 307, 308)},
    **{f"{n}_to_tls": (n, "open", rb"") for n in (302, 307)},
    "403_json": (403, "open", rb'\{"error":"forbidden"\}'),
    "404_no_v1_html": (404, "open", rb'\{"error":"Not found"\}'),
    "node_500_in_200": (200, "open", rb'\{"statusCode":500,.*\}'),
    "refusal_behind_others_words": (200, "open", rb'<html>.*\n\{"error":"unknown_app.*\}'),
    "empty": (200, "open", rb""),
    "html": (200, "open", rb"<html>.*"),
    "php_trace": (200, "open", rb"<br />\n<b>Fatal error</b>.*"),
    "php_dump": (200, "open", rb'string\(1776\) "#0 [^{]*\{main\}"\n'),
    "error_words": (
        200,
        "open",
        rb'\{"error":"unknown error or malformed query\.","_cookies":\[\]\}',
    ),
    "payload_error": (200, "open", rb'\{"error":"payload_error","_cookies":\[\]\}'),
    "error_with_persist": (200, "open", rb"ERROR with persist"),
    "json_null": (200, "open", rb"null"),
    "json_list": (200, "open", rb"\[\]"),
    "json_empty": (200, "open", rb'\{"_cookies":\[\]\}'),
    "null_object": (200, "open", rb'\{"object":null,"_cookies":\[\]\}'),
    "list_object": (200, "open", rb'\{"object":\[\],"_cookies":\[\]\}'),
    "null_id": (
        200,
        "open",
        rb'\{"object":\{"id":null,"front_id":"front-1".*"creation_date":0,.*\}',
    ),
    "zero_id": (200, "open", rb'\{"object":\{"id":0,"front_id":"front-1".*\}'),
    "empty_id": (200, "open", rb'\{"object":\{"id":"","front_id":"front-1".*\}'),
    "other_message": (
        200,
        "open",
        rb'\{"object":\{"id":"[0-9a-f-]{36}","front_id":"[0-9a-f]{32}".*\}',
    ),
    "cut_json": (200, "open", rb'\{"object":\{"id":"[^}]*'),
    "cut": (200, "eof", rb'\{"object":\{"id":"[^}]*'),
    "cut_reset": (200, "reset", rb'\{"object":\{"id":"[^}]*'),
    "cut_silent": (200, "open", rb'\{"object":\{"id":"[^}]*'),
    "head_then_silent": (200, "open", rb""),
    "head_then_close": (200, "eof", rb""),
    "cut_chunked": (200, "eof", rb'40\r\n\{"object".*(?<!\r\n0\r\n)\r\n'),
    "bad_chunk_size": (200, "eof", rb'40\r\n\{"object".*\r\nzz\r\n'),
    "gzip_cut": (200, "open", None),
    "gzip_corrupt": (200, "open", None),
    "bad_gzip": (200, "open", rb"this is not gzip"),
    "br": (200, "open", None),
    "good": (
        200,
        "open",
        rb'\{"object":\{"id":"[0-9a-f-]{36}","front_id":"front-1".*"_cookies":\[\]\}',
    ),
    "good_late": (200, "open", rb'\{"object".*\}'),
    "good_chunked": (200, "open", rb'40\r\n\{"object".*\r\n0\r\n\r\n'),
    "good_gzip": (200, "open", None),
    "good_after_100": (100, "open", rb'HTTP/1.1 200 OK\r\n.*"front_id":"front-1".*\}'),
    "good_after_103": (103, "open", rb'HTTP/1.1 200 OK\r\n.*"front_id":"front-1".*\}'),
    "good_warnings": (
        200,
        "open",
        rb'(<br />\n<b>Warning</b>[^{]*<br />\n){2}\{"object".*\}',
    ),
    "good_after_php_dump": (200, "open", rb'string\(1776\) .*\n\{"object".*\}'),
    "good_connection_close": (200, "eof", rb'\{"object".*\}'),
    "good_http10": (200, "eof", rb'\{"object".*\}'),
    "good_until_close": (200, "eof", rb'\{"object".*\}'),
    "good_hang_up": (200, "eof", rb'\{"object".*\}'),
    "good_then_close_on_reuse": (200, "open", rb'\{"object".*\}'),
    "good_then_close_on_read": (200, "open", rb'\{"object".*\}'),
    **{
        f"refuses_{word}{after}": (
            200,
            "open",
            rb'%b\{"error":"%b","?.*"_cookies":\[\]\}' % (lead, text),
        )
        for word, text in {
            "authentication": rb"unknown_application_or_bad_private_key",
            "group": rb"you_need_to_provide_a_valid_group_id_field_in_any_api_request",
            "capability": rb"you_do_not_have_this_set_of_required_capabilities",
            "privileges": rb"you_do_not_have_this_set_of_required_privileges",
        }.items()
        for after, lead in {"": rb"", "_warnings": rb"<br />\n<b>Warning</b>[^{]*"}.items()
    },
    **{f"refuses_{n}": (n, "open", rb"<html>.*") for n in (401, 407, 411, 413, 414, 431)},
    **{f"refuses_{n}_to_tls": (n, "open", rb"") for n in (301, 308)},
    "refuses_404_no_v1": (404, "open", rb'\{"error":"Not found"\}'),
    **{
        f"refuses_node_{n}{where}": (status, "open", rb'\{"statusCode":%d,.*\}' % n)
        for n in (400, 403, 404, 415)
        for where, status in {"": n, "_in_200": 200}.items()
    },
    **{f"refuses_429_{form}": (429, "open", rb"<html>.*") for form in RETRY_AFTER},
}
WITHOUT_LENGTH = {"cut_chunked", "bad_chunk_size", "good_chunked", "good_until_close"}
CUT = {"cut", "cut_reset", "cut_silent", "head_then_silent", "head_then_close"}


def plainly_answered() -> list[str]:
    return [n for n in of_stage("answer") if plain(n) not in HUGE + OTHERS]


@pytest.mark.parametrize("name", plainly_answered())
async def test_an_answer_is_what_its_name_says(server: FaultServer, name: str) -> None:
    """Status, ending, length and body on the wire are those of the table."""
    status, end, pattern = ANSWERS[plain(name)]
    seen = await meet(server, name)
    assert (seen.status, seen.end) == (status, end)
    if pattern is not None:
        assert re.fullmatch(pattern, seen.raw_body, re.DOTALL), seen.raw_body
    if status not in (100, 103):
        assert seen.whole == (plain(name) not in WITHOUT_LENGTH | CUT)
    assert (server.begun, server.received) == (1, 1)


async def test_good_looks_like_the_real_server(server: FaultServer) -> None:
    """The default answer to a create has the real server's headers and fields, in its order."""
    seen = await meet(server, "good")
    assert seen.head.split(b"\r\n")[:3] == [
        b"HTTP/1.1 200 OK",
        b"All-Cookies: []",
        b"Content-Type: application/json; charset=utf-8",
    ]
    answer = json.loads(seen.raw_body)
    assert list(answer) == ["object", "_cookies"]
    assert list(answer["object"]) == [
        "id",
        "front_id",
        "channel_id",
        "parent_message_id",
        "responses_count",
        "message_type",
        "sender",
        "application_id",
        "edited",
        "pinned",
        "hidden_data",
        "reactions",
        "modification_date",
        "creation_date",
        "content",
        "user_specific_content",
        "increment_at_time",
    ]
    assert answer["object"]["content"] == "a/b é"
    assert rb"a\/b \u00e9" in seen.raw_body


async def test_edits_removes_and_ephemerals(server: FaultServer) -> None:
    """An edit answers with its id and front_id, a remove echoes, an ephemeral is shown, not stored."""
    created = json.loads((await meet(server, "good")).raw_body)["object"]
    edit = request_bytes(id=created["id"], front_id="ignored")
    edited = json.loads((await meet(server, "good", edit)).raw_body)["object"]
    assert (edited["id"], edited["front_id"]) == (created["id"], "front-1")
    assert (edited["edited"], edited["responses_count"], edited["increment_at_time"]) == (
        True,
        None,
        "1",
    )
    whisper = request_bytes(_once_ephemeral_message=True)
    shown = json.loads((await meet(server, "good", whisper)).raw_body)["object"]
    assert shown["_user_ephemeral"] is True
    assert shown["ephemeral_id"] == shown["id"]
    again = request_bytes(ephemeral_id=shown["id"])
    shown_again = json.loads((await meet(server, "good", again)).raw_body)["object"]
    assert shown_again["id"] == shown_again["front_id"] == shown["id"]
    remove = request_bytes("/api/v1/messages/remove", id=created["id"])
    removed = json.loads((await meet(server, "good", remove)).raw_body)
    assert removed["result"]["id"] == created["id"]
    assert server.stored == {"front-1": 1}
    assert (server.edits, server.removed) == ({created["id"]: 1}, {created["id"]: 1})
    assert server.shown == {"front-1": 1, shown["id"]: 1}


@pytest.mark.parametrize("data", [request_bytes(id="e-1"), request_bytes(ephemeral_id="e-1")])
async def test_other_message_is_about_nothing_of_ours(server: FaultServer, data: bytes) -> None:
    """Another message's answer to an edit or an ephemeral carries none of the ids that were sent."""
    answer = json.loads((await meet(server, "stores_other_message", data)).raw_body)["object"]
    assert not {answer["id"], answer["front_id"], answer.get("ephemeral_id")} & {"e-1", "front-1"}


async def test_compressed_answers(server: FaultServer) -> None:
    """Gzip decodes when it is good; cut it ends early, corrupt it fails its checksum; br is br."""
    good = await meet(server, "good_gzip")
    assert good.header("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(good.raw_body))["object"]["front_id"] == "front-1"
    with pytest.raises(EOFError):
        gzip.decompress((await meet(server, "stores_gzip_cut")).raw_body)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress((await meet(server, "stores_gzip_corrupt")).raw_body)
    other = await meet(server, "stores_br")
    assert other.header("content-encoding") == "br"
    assert other.raw_body == brotli(other.raw_body[3:-1])
    assert other.raw_body[3:-1].startswith(b'{"object"')


@pytest.mark.parametrize("form", RETRY_AFTER)
async def test_retry_after(server: FaultServer, form: str) -> None:
    """429 carries Retry-After in the named form, or not at all."""
    text = (await meet(server, f"refuses_429_{form}")).header("retry-after")
    value = RETRY_AFTER[form]
    if callable(value):
        assert text is not None
        assert (
            abs((parsedate_to_datetime(text) - parsedate_to_datetime(value())).total_seconds()) <= 1
        )
    else:
        assert text == (None if value is None else value.encode().decode("latin-1"))


async def test_redirects_and_closings_say_so(server: FaultServer) -> None:
    """A redirect names the web application; `Connection: close` and HTTP/1.0 are on the wire."""
    assert (await meet(server, "loses_302")).header("location") == f"{server.url}/client"
    assert (await meet(server, "good_connection_close")).header("connection") == "close"
    old = await meet(server, "good_http10")
    assert old.data.startswith(b"HTTP/1.0 200 OK\r\n")
    assert old.header("connection") is None


@pytest.mark.parametrize(
    ("name", "read"), [("good_then_close_on_reuse", 0), ("good_then_close_on_read", 1)]
)
async def test_a_kept_connection_closes_at_reuse(server: FaultServer, name: str, read: int) -> None:
    """The first request is answered well; the next one on the same connection is lost."""
    server.do_next(name)
    client = await RawClient.connect(server)
    client.write(REQUEST)
    assert (await client.see()).status == 200
    client.write(request_bytes(front_id="front-2"))
    seen = await client.see()
    assert seen.data == b""
    assert seen.end in ("eof", "reset")
    await client.leave()
    assert (server.begun, server.received) == (2, 1 + read)
    assert server.stored == {"front-1": 1}
    assert (await meet(server, "good")).status == 200


# ------------------------------------------------------------------ slow, huge, garbage


@pytest.mark.parametrize("name", ["stores_drip", "loses_drip", "stores_drip_head"])
async def test_drips_come_one_by_one(server: FaultServer, name: str) -> None:
    """Bytes come singly, an interval apart, and stop when the client leaves."""
    server.do_next(attrs.evolve(FAULTS[name], interval=0.005))
    client = await RawClient.connect(server)
    client.write(REQUEST)
    if "head" not in name:
        await client.reader.readuntil(b"\r\n\r\n")
    sizes = [len(await client.reader.read(100)) for _ in range(5)]
    assert sizes == [1] * 5
    assert server.open_connections == 1
    await client.leave()
    await server.quiet()


@pytest.mark.parametrize(
    "name", ["stores_big_declared", "loses_big_chunked", "stores_endless_headers"]
)
async def test_a_huge_answer_stops_when_the_client_leaves(server: FaultServer, name: str) -> None:
    """A client that leaves after 300 kB ends an answer of 200 MB."""
    seen = await meet(server, name)
    assert seen.status == 200
    assert len(seen.data) >= 300_000
    await server.quiet()
    if "header" in name:
        assert b"\r\n\r\n" not in seen.data
    else:
        assert seen.raw_body.strip()[:1] in (b"", b"3")  # white space, or the size of its chunk


@pytest.mark.parametrize("name", ["stores_big_declared", "stores_big_chunked"])
async def test_a_huge_answer_is_huge(server: FaultServer, name: str) -> None:
    """Read to its end, it is 200 MB of white space and then the good JSON."""
    server.do_next(name)
    client = await RawClient.connect(server)
    client.write(REQUEST)
    head = await client.reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    total, last = 0, b""
    async with asyncio.timeout(10):
        while b'"_cookies":[]}' not in last and (piece := await client.reader.read(1 << 20)):
            total += len(piece)
            last = (last + piece)[-4096:]
    assert total >= BIG_SIZE
    assert (length is not None) == ("declared" in name)
    assert length is None or int(length[1]) == total
    await client.leave()


async def test_a_bomb_is_small_on_the_wire_and_valid(server: FaultServer) -> None:
    """About 1 MB of gzip, checksum right, decodes to more than 1 GiB that ends in the good JSON."""
    server.do_next("stores_gzip_bomb")
    client = await RawClient.connect(server)
    client.write(REQUEST)
    seen = await client.see(most=4_000_000, pause=0.3)
    await client.leave()
    assert seen.whole
    assert len(seen.data) < 2_000_000
    decoder, waiting, total, last = zlib.decompressobj(31), seen.raw_body, 0, b""
    while not decoder.eof:
        piece = decoder.decompress(waiting, 1 << 22)
        waiting, total, last = decoder.unconsumed_tail, total + len(piece), piece or last
    assert total > BOMB_SIZE
    assert last.endswith(b'"_cookies":[]}')


async def test_garbage_is_not_http(server: FaultServer) -> None:
    """Garbage is the greeting of another protocol, then the end."""
    assert await meet(server, "loses_garbage") == Seen(b"SSH-2.0-OpenSSH_9.6\r\n", "eof")


# ------------------------------------------------------------------ the server itself


async def test_a_silent_connection_ends_with_the_server() -> None:
    """The end of the server closes silent, dripping and streaming connections; no task remains."""
    before = asyncio.all_tasks()
    async with FaultServer() as server:
        clients = []
        for name in ("loses_silent", "loses_drip", "stores_big_declared", "silent_at_accept"):
            server.do_next(name)
            clients.append(client := await RawClient.connect(server))
            client.write(REQUEST)
            await asyncio.sleep(PAUSE)
        assert server.open_connections == 4
    assert server.open_connections == 0
    for client in clients:
        # Nothing more can come: the end follows the last byte, however long the reading takes.
        assert (await client.see(most=1 << 24, pause=30.0)).end in ("eof", "reset")
        await client.leave()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    "name", [n for n in of_stage("request", "read", "answer") if "bomb" not in n]
)
async def test_a_client_that_left_is_no_failure(server: FaultServer, name: str) -> None:
    """A client that has left before the fault acts causes no failure in the server."""
    server.do_next(name)
    client = await RawClient.connect(server)
    client.write(REQUEST)
    client.writer.close()
    await server.quiet()
    assert server.acted == {name: 1}


async def test_a_fault_waits_for_a_request_that_comes(server: FaultServer) -> None:
    """A connection that closes without a request does not use up the fault that was queued."""
    server.do_next("loses_500")
    idle = await RawClient.connect(server)
    await idle.leave()
    await server.quiet()
    client = await RawClient.connect(server)
    client.write(REQUEST)
    assert (await client.see()).status == 500
    await client.leave()


async def test_byte_by_byte_and_pipelined_requests(server: FaultServer) -> None:
    """Requests may come in single bytes or several at once; each is read and answered in order."""
    client = await RawClient.connect(server)
    for at in range(len(REQUEST)):
        client.write(REQUEST[at : at + 1])
        await asyncio.sleep(0)
    assert (await client.see()).status == 200
    client.write(b"".join(request_bytes(front_id=f"p{n}") for n in range(20)))
    seen = await client.see()
    await client.leave()
    assert re.findall(rb'"front_id":"(p\d+)"', seen.data) == [b"p%d" % n for n in range(20)]
    assert (server.begun, server.received) == (21, 21)
    assert server.stored == {"front-1": 1} | {f"p{n}": 1 for n in range(20)}


def test_a_random_script_is_the_same_for_the_same_seed() -> None:
    """The same seed picks the same faults; its rate is what was asked; other seeds differ."""
    names = ["stores_500", "loses_close", "close_at_accept", "close_before_reading"]

    def picks(seed: int) -> list[Fault | None]:
        script = RandomScript(seed, names, rate=0.3)
        return [script.for_request() for _ in range(2_000)] + [script.for_connection()]

    assert picks(1) == picks(1) != picks(2)
    hit = [fault for fault in picks(1)[:2_000] if fault]
    assert 500 < len(hit) < 700
    assert {fault.name for fault in hit} == {"stores_500", "loses_close"}


async def test_a_random_script_over_the_wire() -> None:
    """The history of each front_id names its faults, and agrees with `stored`."""
    names = ["stores_500", "loses_500", "refuses_401", "loses_close", "close_at_accept"]
    async with FaultServer(RandomScript(7, names, rate=0.5)) as server:
        for number in range(60):
            client = await RawClient.connect(server)
            client.write(request_bytes(front_id=f"f{number}"))
            await client.see(most=1)
            await client.leave()
        for front_id, met in server.history.items():
            assert server.stored[front_id] == sum(FAULTS[name].stores for name in met)
    assert set(server.acted) == {*names, "good"}
