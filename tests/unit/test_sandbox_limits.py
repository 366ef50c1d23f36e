"""What the sandbox refuses at once, its limits, and its log."""

from __future__ import annotations

import base64
import errno
import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from twake_async import TwakeSession
from twake_async.sandbox import Sandbox, _server
from twake_async.sandbox._received import Received, ReceivedRequest
from twake_async.sandbox._serving import listener
from twake_async.sandbox._serving.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SAVE = "/api/v1/messages/save"


def head(host: str = "localhost", **more: str) -> bytes:
    """Return the head of a save that carries no key."""
    lines = [f"POST {SAVE} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def good(box: Sandbox, host: str = "localhost", content: str = "hello") -> bytes:
    """Return a save that would be stored."""
    message = {"channel_id": box.channel_id, "content": content}
    body = json.dumps({"group_id": box.group_id, "message": message}).encode()
    pair = base64.b64encode(f"{box.public_id}:{box.private_api_key}".encode()).decode()
    return head(host, Authorization=f"Basic {pair}", Content_Length=str(len(body))) + body


def connect(box: Sandbox) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(httpx.URL(box.url).port or 0)), timeout=5)


def ask(box: Sandbox, request: bytes) -> bytes:
    """Send it, and read one answer, or nothing if the server closes."""
    with closing(connect(box)) as client:
        client.sendall(request)
        return answer(client)


def answer(client: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found and (part := client.recv(65536)):
        found += part
    length = int(found.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
    while found and len(found.partition(b"\r\n\r\n")[2]) < length and (part := client.recv(65536)):
        found += part
    return found


def status(found: bytes) -> int:
    return int(found.split()[1])


def closes_within(client: socket.socket, seconds: float) -> bool:
    """Return whether the server ends the connection without any answer."""
    client.settimeout(seconds)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


# Bodies


@pytest.mark.parametrize("length", ["1048577", "400000000", "9" * 18])
def test_a_body_that_is_too_large_is_answered_413_before_it_is_sent(length: str) -> None:
    """The key is not checked, the body is not read, and the connection ends."""
    with Sandbox() as box, closing(connect(box)) as client:
        client.sendall(head(Content_Length=length))
        found = answer(client)
        assert status(found) == 413
        assert b"connection: close" in found
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        [kept] = box.requests
    assert (kept.status, kept.body) == (413, "")


def test_a_body_in_chunks_is_read_as_far_as_the_limit() -> None:
    """A client that never ends its body gets an answer, and soon after the connection ends."""
    sent = 0
    with Sandbox() as box, closing(connect(box)) as client:
        client.sendall(head(Transfer_Encoding="chunked"))
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 10:
                client.sendall(chunk)
                sent += len(chunk)
                time.sleep(0.001)
        took = time.monotonic() - began
        [kept] = box.requests
        assert (kept.status, kept.body) == (413, "")
    assert took < 8
    assert sent > 1_048_576


def test_who_sends_all_of_a_large_body_before_reading_is_told_too() -> None:
    """The sandbox reads and drops the rest, so that no reset destroys the answer."""
    with Sandbox(max_body=1000) as box:
        found = ask(box, head(Content_Length="5000000") + b" " * 5_000_000)
        assert status(found) == 413
        assert status(ask(box, good(box))) == 200
        assert status(ask(box, good(box, content="x" * 1000))) == 413
        assert [message["content"] for message in box.messages()] == ["hello"]


async def test_in_process_the_limit_holds_too() -> None:
    """An ASGI client that streams its body is answered 413."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    box = Sandbox(max_body=1000)
    async with httpx.AsyncClient(transport=box.transport, base_url="http://any.name") as client:
        assert (await client.post(SAVE, content=body())).status_code == 413
        assert (await client.post(SAVE, content=b" " * 1000)).status_code == 200


def test_a_client_that_leaves_in_the_middle_of_a_body_has_asked_for_nothing() -> None:
    """Half a form could be a message. It is neither stored nor kept."""
    with Sandbox() as box:
        form = f"group_id={box.group_id}&message[channel_id]={box.channel_id}&message[content]=x"
        whole = good(box).partition(b"\r\n\r\n")[0].replace(b"json", b"x-www-form-urlencoded")
        lines = [one for one in whole.split(b"\r\n") if not one.startswith(b"Content-Length")]
        with closing(connect(box)) as client:
            client.sendall(b"\r\n".join([*lines, b"Content-Length: 1000", b"", form.encode()]))
            time.sleep(0.05)
        assert status(ask(box, good(box))) == 200
        assert [message["content"] for message in box.messages()] == ["hello"]
        assert len(box.requests) == 1


def test_the_bodies_that_are_kept_are_bounded_together() -> None:
    """Their number has a limit, and so has the sum of their sizes; the last one always stays."""
    held = Received(3)
    one = ReceivedRequest("POST", SAVE, 200, "")
    for size in (60_000_000, 1, 2, 3):
        held.add(one, size)
    assert len(held.all()) == 3
    held.add(one, 60_000_000)
    held.add(one, 60_000_000)
    assert len(held.all()) == 1
    held.add(one, 90_000_000)
    assert len(held.all()) == 1
    held.clear()
    assert held.all() == []


# Hosts


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("localhost.", True),
        ("127.0.0.1:1", True),
        ("127.1.2.3", True),
        ("[::1]:80", True),
        ("box.test:80", True),
        ("Box.Test.", True),
        ("", False),
        ("evil.test", False),
        ("localhost.evil.test", False),
        ("127.0.0.1.evil.test", False),
        ("evil.test#localhost", False),
        ("localhost@evil.test", False),
        ("evil.test, localhost", False),
        ("localhost:80:evil", False),
        ("[::1]evil.test", False),
        ("2130706433", False),
        ("127.1", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("[::2]", False),
    ],
)
def test_the_names_of_this_machine_are_accepted(host: str, accepted: bool) -> None:
    """So are the allowed names; a name that only begins or ends like one is not."""
    refusal = Limits(1000, frozenset({"box.test"})).refusal({"host": host})
    assert (refusal is None) == accepted


def test_a_program_that_uses_the_sdk_may_have_its_own_name_for_the_sandbox() -> None:
    """A browser always sends an Origin with a POST, so a request without one is no web page's."""
    limits = Limits(1000, frozenset())
    sdk = {"host": "chat.test", "user-agent": "twake-async"}
    assert limits.refusal(sdk) is None
    for more in ({"origin": "http://chat.test"}, {"origin": "null"}, {"user-agent": "Mozilla"}):
        assert limits.refusal(sdk | more) is not None
    assert limits.refusal(sdk | {"host": "evil.test, localhost"}) is not None


def test_a_foreign_host_is_refused_and_told_what_to_set() -> None:
    """Its key is right, but the answer is 421: nothing is stored, and no fault is used up."""
    lines: list[str] = []
    with Sandbox(log=lines.append) as box:
        box.fail_next(after_storing=503)
        found = ask(box, good(box, host="evil.test"))
        assert status(found) == 421
        assert b"--allow-host" in found
        assert box.messages() == []
        assert status(ask(box, good(box))) == 503
    assert lines[0] == f'POST {SAVE} -> 421 refused: the Host "evil.test" is not allowed'


def test_an_allowed_host_is_accepted_and_the_others_still_are_not() -> None:
    """A container needs this: its name for this machine is not a name of this machine."""
    with Sandbox(allow_hosts=["host.docker.internal"]) as box:
        for host, expected in (
            ("host.docker.internal:8080", 200),
            ("localhost", 200),
            ("docker.internal", 421),
        ):
            assert status(ask(box, good(box, host=host))) == expected


def test_a_request_without_a_host_is_refused() -> None:
    """HTTP/1.0 permits it, but no browser sends it."""
    with Sandbox() as box:
        assert status(ask(box, f"POST {SAVE} HTTP/1.0\r\n\r\n".encode())) == 421


@pytest.mark.parametrize("name", ["", "http://box", "box:80", "box/x", "*.box", "a b", "[::1"])
def test_an_allowed_host_must_be_a_name(name: str) -> None:
    """Anything else would match nothing, or too much."""
    with pytest.raises(ValueError, match="no name of a host"):
        Sandbox(allow_hosts=[name])


def test_a_string_of_allowed_hosts_is_refused() -> None:
    """Each of its letters would be a name."""
    with pytest.raises(TypeError, match="a list of names"):
        Sandbox(allow_hosts="box")


def test_the_command_line_accepts_a_name() -> None:
    """`--allow-host` can be repeated; what is not a name of a host is a usage error."""
    command = [sys.executable, "-m", "twake_async", "sandbox", "--allow-host"]
    refused = subprocess.run(
        [*command, "http://box"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (refused.returncode, "no name of a host" in refused.stderr) == (64, True)
    running = subprocess.Popen(
        [*command, "other", "--allow-host", "box.test"], stdout=subprocess.PIPE, text=True
    )
    with running:
        assert running.stdout is not None
        try:
            found = dict(
                running.stdout.readline().removeprefix("export ").strip().split("=", 1)
                for _ in range(5)
            )
            url = httpx.URL(found["TWAKE_BASE_URL"])
            for host, expected in (("box.test", 200), ("other", 200), ("evil.test", 421)):
                answered = httpx.post(
                    url.join(SAVE), headers={"host": host}, json={}, trust_env=False
                )
                assert answered.status_code == expected
        finally:
            running.terminate()


# Half-open requests


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "PATIENCE", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begun", [b"", b"POST /api HTTP/1.1\r\nHost: loc"])
def test_half_a_head_is_waited_for_no_longer_than_so(begun: bytes) -> None:
    """A client that sends nothing has the same limit."""
    with Sandbox() as box, closing(connect(box)) as client:
        client.sendall(begun)
        assert closes_within(client, 3)
        assert box.requests == []


@pytest.mark.usefixtures("impatient")
def test_a_head_that_drips_is_waited_for_no_longer_either() -> None:
    """Single bytes do not extend the limit."""
    with Sandbox() as box, closing(connect(box)) as client:
        began = time.monotonic()
        with suppress(ConnectionError):
            for byte in head(X="y" * 500):
                client.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("impatient")
def test_half_a_body_is_answered_408() -> None:
    """The connection ends, and nothing of the request is kept."""
    with Sandbox() as box, closing(connect(box)) as client:
        client.sendall(good(box)[:-1])
        found = answer(client)
        assert (status(found), box.messages()) == (408, [])
        assert [(one.status, one.body) for one in box.requests] == [(408, "")]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("together", [True, False])
def test_half_of_a_second_request_is_waited_for_no_longer(together: bool) -> None:
    """The first request is answered, and so is a second one that comes in time."""
    with Sandbox() as box, closing(connect(box)) as client:
        client.sendall(good(box))
        assert status(answer(client)) == 200
        if together:
            client.sendall(good(box) + head()[:20])
            assert status(answer(client)) == 200
        else:
            client.sendall(head()[:20])
        assert closes_within(client, 3)


@pytest.mark.usefixtures("impatient")
def test_a_slow_answer_is_no_half_open_request() -> None:
    """The limit does not concern the time that the sandbox takes for the answer."""
    with Sandbox() as box:
        box.slow(0.5)
        assert status(ask(box, good(box))) == 200


def test_connections_are_bounded_and_who_waits_is_served_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections past the limit wait in the backlog until one ends."""
    monkeypatch.setattr(listener, "_MOST", 3)
    with Sandbox() as box, ExitStack() as stack:
        idle = [stack.enter_context(closing(connect(box))) for _ in range(5)]
        late = stack.enter_context(closing(connect(box)))
        late.sendall(good(box))
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        assert box._server.listener is not None
        assert len(box._server.listener.connections) == 3
        late.settimeout(5)
        for one in idle:
            one.close()
        assert status(answer(late)) == 200


def test_without_files_to_open_it_waits_and_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again every 0.1 seconds, and then serves."""
    real: Callable[[socket.socket], Any] = socket.socket.accept
    tries: list[float] = []

    def accept(self: socket.socket) -> Any:
        tries.append(time.monotonic())
        if len(tries) <= 3:
            raise OSError(errno.EMFILE, "too many open files")
        return real(self)

    with Sandbox() as box:
        monkeypatch.setattr(socket.socket, "accept", accept)
        assert status(ask(box, good(box))) == 200
    assert len(tries) == 4
    assert tries[3] - tries[0] > 0.25


# The log


async def lines_of(lines: list[str], **message: Any) -> str:
    box = Sandbox(log=lines.append)
    auth = (box.public_id, box.private_api_key)
    async with httpx.AsyncClient(transport=box.transport, auth=auth) as client:
        given = {"channel_id": box.channel_id, "content": "x"} | message
        document = {"group_id": box.group_id, "message": given}
        await client.post(f"http://box{SAVE}", json=document)
    [line] = lines
    return line


WORDS = "a\x1b[2Jb\r\nc\u202ed\u2066e\x00\x9bf\u2028g"


@pytest.mark.parametrize(
    "message",
    [
        {"content": WORDS},
        {"content": {"fallback_string": WORDS}},
        {"ephemeral_id": WORDS},
        {"id": WORDS},
        {"channel_id": WORDS},
        {"content": None, "id": WORDS},
    ],
)
async def test_the_log_holds_the_words_of_the_client_cleaned(message: dict[str, Any]) -> None:
    """No escape, line end, control character or change of direction is written."""
    line = await lines_of([], **message)
    assert line.isprintable()


async def test_the_log_cuts_what_is_long() -> None:
    """Paths and ids are shortened."""
    assert len(await lines_of([], ephemeral_id="x" * 100_000)) < 400
    lines: list[str] = []
    box = Sandbox(log=lines.append)
    async with httpx.AsyncClient(transport=box.transport) as client:
        await client.get("http://box/" + "y" * 10_000)
    assert len(lines[0]) < 400


def test_a_foreign_host_is_cleaned_too() -> None:
    """The Host header can contain the characters of latin-1 beyond ASCII."""
    lines: list[str] = []
    with Sandbox(log=lines.append) as box:
        ask(box, head("evil\x9b31m\xad.test", Content_Length="0"))
    assert lines == [f'POST {SAVE} -> 421 refused: the Host "evil?31m?.test" is not allowed']


@pytest.mark.parametrize("release", ["2020", "2021"])
async def test_a_check_is_no_refused_message_in_the_log(release: str) -> None:
    """If all is well, its requests are marked as a check; a problem that it finds is shown."""
    lines: list[str] = []

    async def check(**more: Any) -> None:
        options = {"group_id": box.group_id, "transport": box.transport} | more
        key = options.pop("key", box.private_api_key)
        async with TwakeSession(box.public_id, key, **options) as twake:
            await twake.check()

    box = Sandbox(release=release, log=lines.append)
    await check()
    assert ["(check) -> " in line for line in lines] == [True] * 5
    assert [line.startswith(f"POST {SAVE}") for line in lines] == [True, True, False, True, False]
    assert [line for line in lines if "refused" in line] == []
    lines.clear()
    await check(key="wrong")
    [first, *others] = lines
    assert first == f"POST {SAVE} (check) -> 200 refused: unknown_application_or_bad_private_key"
    assert [line for line in others if "refused" in line] == []
    lines.clear()
    await check(group_id="7a1c0e10-5b1d-11eb-9c01-0242ac139999")
    assert lines[1].startswith(f"POST {SAVE} (check) -> ")
    assert ("refused" if release == "2020" else "500") in lines[1]
