"""The sandbox: served, in-process, bounded, and failing on request."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import re
import socket
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from twake_async import TwakeSession
from twake_async.sandbox import ReceivedRequest, Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

if TYPE_CHECKING:
    from pathlib import Path

KEY = DEFAULT_SEED["apps"]["bot"]["key"]


def raw(sandbox: Sandbox, path: str = "/api/v1/messages/save", **message: Any) -> bytes:
    """Return a request as bytes; by default a save of "hello" to the first channel."""
    given = {"channel_id": sandbox.channel_id, "content": "hello"} | message
    return raw_message(sandbox, path, given)


def raw_message(sandbox: Sandbox, path: str, message: dict[str, Any]) -> bytes:
    body = json.dumps({"group_id": sandbox.group_id, "message": message}).encode()
    pair = base64.b64encode(f"{sandbox.public_id}:{sandbox.private_api_key}".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def connect(sandbox: Sandbox) -> socket.socket:
    port = httpx.URL(sandbox.url).port
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def exchange(sandbox: Sandbox, request: bytes | None = None) -> bytes:
    """Send bytes, and read until the server closes."""
    with closing(connect(sandbox)) as client:
        client.sendall(raw(sandbox) if request is None else request)
        parts = []
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    return int(first.split()[1]), headers, body


def sandbox_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "twake-async-sandbox"]


def stored(sandbox: Sandbox) -> list[Any]:
    return [message["content"] for message in sandbox.messages(sandbox.channel_id)]


# Being served


def test_a_save_over_a_socket_is_answered_and_stored() -> None:
    """The default seed is ready to use: a save with its ids and key is stored in the channel."""
    with Sandbox() as sandbox:
        status, headers, body = split(exchange(sandbox))
        [message] = sandbox.messages(sandbox.channel_id)
    assert status == 200
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(body)["object"]["id"] == message["id"]
    assert message["content"] == "hello"


def test_leaving_ends_the_thread_and_closes_the_port() -> None:
    """After `with` there is no thread, and nothing listens."""
    with Sandbox() as sandbox:
        assert len(sandbox_threads()) == 1
        idle = connect(sandbox)
        port = httpx.URL(sandbox.url).port
    assert sandbox_threads() == []
    with closing(idle), pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    gc.collect()  # a socket or loop left open would be a ResourceWarning, which is an error


async def test_async_with_serves_as_with_does() -> None:
    """The running loop can use it at once; afterwards there is no thread."""
    async with Sandbox() as sandbox:
        async with httpx.AsyncClient(auth=(sandbox.public_id, KEY), trust_env=False) as client:
            message = {"channel_id": sandbox.channel_id, "content": "hello"}
            answer = await client.post(
                f"{sandbox.url}/api/v1/messages/save",
                json={"group_id": sandbox.group_id, "message": message},
            )
        assert answer.json()["object"]["content"] == "hello"
        assert stored(sandbox) == ["hello"]
    assert sandbox_threads() == []


def test_a_sandbox_starts_within_100_ms() -> None:
    """Starting to serve takes less than 100 ms, once uvicorn is imported."""

    def start() -> float:
        begun = time.perf_counter()
        with Sandbox():
            return time.perf_counter() - begun

    # On a busy machine a start may take longer; one of many does not.
    assert any(start() < 0.1 for _ in range(50))


def test_two_sandboxes_know_nothing_of_each_other() -> None:
    """Each has its own port and its own messages."""
    with Sandbox() as one, Sandbox() as other:
        assert one.url != other.url
        exchange(one)
        assert (stored(one), stored(other)) == (["hello"], [])


def test_a_taken_port_is_an_error_and_leaves_nothing_behind() -> None:
    """If another server listens on `port=`, `with` raises OSError."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        sandbox = Sandbox(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"), sandbox:
            pass
    assert sandbox_threads() == []
    with sandbox:
        assert sandbox.url == f"http://127.0.0.1:{httpx.URL(sandbox.url).port}"


def test_a_sandbox_can_be_served_again_but_not_twice_at_once() -> None:
    """Messages stay when it is no longer served; a second `with` inside the first is refused."""
    sandbox = Sandbox()
    with sandbox:
        exchange(sandbox)
        with pytest.raises(RuntimeError, match="already"):
            sandbox.__enter__()
    with sandbox:
        exchange(sandbox)
    assert stored(sandbox) == ["hello", "hello"]
    with pytest.raises(RuntimeError, match="not being served"):
        _ = sandbox.url


@pytest.mark.parametrize("hold", ["silent", "slow", "drip"])
def test_leaving_does_not_wait_for_requests_under_way(
    hold: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is never answered neither delays the end nor is logged."""
    with Sandbox() as sandbox:
        if hold == "slow":
            sandbox.slow(60)
        else:
            sandbox.fail_next(after_storing=hold)
        client = connect(sandbox)
        client.sendall(raw(sandbox))
        while not stored(sandbox):
            time.sleep(0.001)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 30
    client.close()
    assert [one for one in caplog.records if one.name.startswith("uvicorn")] == []
    gc.collect()


def test_leaving_at_any_moment_of_an_answer_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that drips is between two bytes, or about to send one."""
    for moment in range(40):
        with Sandbox() as sandbox:
            sandbox.fail_next(after_storing="drip")
            client = connect(sandbox)
            client.sendall(raw(sandbox))
            while not stored(sandbox):
                time.sleep(0.0005)
            time.sleep(moment * 0.0005)
        client.close()
    assert [one for one in caplog.records if one.name.startswith("uvicorn")] == []


def test_without_uvicorn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In-process use needs no extra; to serve it does, and the error names it."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    sandbox = Sandbox()
    with pytest.raises(ImportError, match=re.escape("twake-async[sandbox]")), sandbox:
        pass
    assert sandbox_threads() == []


async def test_the_transport_is_for_httpx_and_needs_no_serving() -> None:
    """`.transport` can be given to a client of httpx."""
    sandbox = Sandbox()
    async with httpx.AsyncClient(transport=sandbox.transport) as client:
        answer = await client.post("http://sandbox/api/v1/messages/save")
    assert answer.json()["error"] == "unknown_application_or_bad_private_key"


# In-process


async def test_the_app_answers_in_process_without_being_served() -> None:
    """`.app` works with httpx's own ASGI transport, and no thread or port is used."""
    sandbox = Sandbox()
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, auth=(sandbox.public_id, KEY)) as client:
        message = {"channel_id": sandbox.channel_id, "content": "hello"}
        answer = await client.post(
            "http://sandbox/api/v1/messages/save",
            json={"group_id": sandbox.group_id, "message": message},
        )
    assert answer.json()["object"]["content"] == "hello"
    assert stored(sandbox) == ["hello"]


@pytest.mark.parametrize("action", ["close", "reset", "cut", "cut_chunked"])
async def test_in_process_a_broken_connection_is_raised(action: str) -> None:
    """In-process there is no connection, so the application raises ConnectionResetError."""
    sandbox = Sandbox()
    sandbox.fail_next(after_storing=action)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app)) as client:
        with pytest.raises(ConnectionResetError):
            await client.post("http://sandbox/api/v1/messages/save")


async def test_in_process_silence_lasts_until_cancelled() -> None:
    """Only a deadline of the caller ends it."""
    sandbox = Sandbox()
    sandbox.fail_next(before_storing="silent")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.post("http://sandbox/api/v1/messages/save")


# What is in it


def test_what_is_kept_is_bounded() -> None:
    """Past `max_messages` and `max_requests` the oldest are dropped."""
    with Sandbox(max_messages=2, max_requests=3) as sandbox:
        for number in range(5):
            exchange(sandbox, raw(sandbox, content=f"{number}"))
        assert stored(sandbox) == ["3", "4"]
        sent = [one.body["message"]["content"] for one in sandbox.requests]
        assert sent == ["2", "3", "4"]
        for number in range(3):
            exchange(sandbox, raw(sandbox, content=f"{number}", _once_ephemeral_message=True))
        assert [one["content"] for one in sandbox.ephemerals(sandbox.channel_id)] == ["1", "2"]


def test_threads_and_ephemerals_are_told_apart() -> None:
    """A reply has its parent's id; an ephemeral message is not among the stored ones."""
    with Sandbox() as sandbox:
        parent = json.loads(split(exchange(sandbox))[2])["object"]["id"]
        exchange(sandbox, raw(sandbox, content="reply", parent_message_id=parent))
        shown = split(exchange(sandbox, raw(sandbox, content="psst", _once_ephemeral_message=True)))
        first, reply = sandbox.messages(sandbox.channel_id)
        [ephemeral] = sandbox.ephemerals(sandbox.channel_id)
    assert (first["parent_message_id"], reply["parent_message_id"]) == ("", parent)
    assert first["responses_count"] == 1
    assert ephemeral == json.loads(shown[2])["object"]


def test_an_ephemeral_message_sent_again_replaces_itself() -> None:
    """Sent with the `ephemeral_id` of the answer, it is still one message, with the new content."""
    with Sandbox() as sandbox:
        answer = exchange(sandbox, raw(sandbox, _once_ephemeral_message=True))
        ephemeral_id = json.loads(split(answer)[2])["object"]["ephemeral_id"]
        exchange(sandbox, raw(sandbox, content="again", ephemeral_id=ephemeral_id))
        [ephemeral] = sandbox.ephemerals(sandbox.channel_id)
    assert (ephemeral["id"], ephemeral["content"]) == (ephemeral_id, "again")


def test_requests_are_kept_without_their_headers() -> None:
    """Method, path, status and decoded body are kept, and no key."""
    with Sandbox() as sandbox:
        exchange(sandbox)
        sandbox.fail_next(before_storing="close")
        exchange(sandbox)
        first, second = sandbox.requests
    assert first == ReceivedRequest(
        "POST",
        "/api/v1/messages/save",
        200,
        {
            "group_id": sandbox.group_id,
            "message": {"channel_id": sandbox.channel_id, "content": "hello"},
        },
    )
    assert second.status is None
    assert KEY not in repr(first)


def test_reset_begins_anew() -> None:
    """There are no messages, no requests, no faults to come and no delay."""
    with Sandbox() as sandbox:
        exchange(sandbox)
        sandbox.fail_next(before_storing=500, times=3)
        sandbox.slow(60)
        sandbox.reset()
        assert (stored(sandbox), sandbox.requests) == ([], [])
        assert split(exchange(sandbox))[0] == 200


def test_the_environment_is_what_from_env_reads() -> None:
    """It has the credentials, the address, the API of the release, and the workspace if any."""
    apis = {"2020": "v1", "2021": "v1", "2022": "node", "2023": "node"}
    for release, api in apis.items():
        with Sandbox(release=release) as sandbox:
            assert sandbox.environment == {
                "TWAKE_PUBLIC_ID": sandbox.public_id,
                "TWAKE_PRIVATE_API_KEY": KEY,
                "TWAKE_GROUP_ID": sandbox.group_id,
                "TWAKE_BASE_URL": sandbox.url,
                "TWAKE_API": api,
                "TWAKE_WORKSPACE_ID": DEFAULT_SEED["workspaces"]["main"]["id"],
            }
    with Sandbox(DEFAULT_SEED | {"workspaces": {}}) as sandbox:
        assert "TWAKE_WORKSPACE_ID" not in sandbox.environment


def test_a_seed_may_be_a_mapping_or_a_file(tmp_path: Path) -> None:
    """It has the format of the default seed; ids, key and channel come from it."""
    seed = json.loads(json.dumps(DEFAULT_SEED))
    seed["channels"] = {"only": {**seed["channels"]["random"], "id": "0" * 32}}
    seed["channel_members"] = [["only", "alice"]]
    seed["messages_seed"] = [{"channel": "only", "sender": "alice", "content": "first"}]
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(seed))
    for given in (seed, path, str(path)):
        sandbox = Sandbox(given)
        assert sandbox.channel_id == "0" * 32
        assert stored(sandbox) == ["first"]


def test_bad_arguments_are_refused_with_the_choices() -> None:
    """An unknown release, a bound of zero and a seed that is a list are refused."""
    with pytest.raises(ValueError, match="2020, 2021, 2022, 2023"):
        Sandbox(release="2019")
    with pytest.raises(ValueError, match="at least 1"):
        Sandbox(max_messages=0)
    with pytest.raises(TypeError, match="mapping"):
        Sandbox([])  # type: ignore[arg-type]


def test_release_2021_keeps_the_first_character_of_plain_text() -> None:
    """The real servers do the same."""
    with Sandbox(release="2021") as sandbox:
        body = split(exchange(sandbox))[2]
    assert json.loads(body)["object"]["content"]["prepared"] == "h"


# What is written about it


def test_the_log_has_a_line_for_each_request_and_never_the_key() -> None:
    """A line has method, path, an excerpt of the content, the id or the refusal, and the fault."""
    lines: list[str] = []
    with Sandbox(log=lines.append) as sandbox:
        exchange(sandbox, raw(sandbox, content="a\nb" + "c" * 100))
        sandbox.refuse_next("capability")
        exchange(sandbox)
        sandbox.fail_next(after_storing="reset")
        with pytest.raises(ConnectionResetError):
            exchange(sandbox)
        [first, second] = sandbox.messages(sandbox.channel_id)
        removal = {"channel_id": sandbox.channel_id, "id": second["id"]}
        exchange(sandbox, raw_message(sandbox, "/api/v1/messages/remove", removal))
    assert lines[0] == (f'POST /api/v1/messages/save "a?b{"c" * 36}…" -> 200 message {first["id"]}')
    assert lines[1].endswith("required_capabilities (fault: capability)")
    assert lines[2].endswith("no answer (fault: reset; carried out)")
    assert lines[3] == f"POST /api/v1/messages/remove {second['id']} -> 200"
    pair = base64.b64encode(f"{sandbox.public_id}:{KEY}".encode()).decode()
    assert not [line for line in lines if KEY in line or pair in line]


def test_without_a_callback_the_line_goes_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    """The logger is `twake_async.sandbox`, the level INFO."""
    with caplog.at_level(logging.INFO, logger="twake_async.sandbox"), Sandbox() as sandbox:
        exchange(sandbox)
    [record] = [one for one in caplog.records if one.name == "twake_async.sandbox"]
    assert record.getMessage().startswith('POST /api/v1/messages/save "hello" -> 200 message ')


def test_the_key_is_in_no_repr() -> None:
    """Neither the sandbox nor the world behind it shows it."""
    with Sandbox() as sandbox:
        exchange(sandbox)
        assert KEY not in repr(sandbox)
        assert KEY not in repr(sandbox._twake)
        assert sandbox.url in repr(sandbox)


# Faults


@pytest.mark.parametrize("when", ["before_storing", "after_storing"])
@pytest.mark.parametrize(
    "action",
    [
        "close",
        "cut",
        "cut_chunked",
        "empty",
        "html",
        "bad_gzip",
        "cut_json",
        "php_trace",
        "error_words",
        "null_object",
        "null_id",
        "other_message",
        500,
        502,
        201,
        302,
        204,
    ],
)
def test_a_failure_before_storing_stores_nothing_and_one_after_it_does(
    action: str | int, when: str
) -> None:
    """For every action, only the moment decides whether the message is stored."""
    with Sandbox() as sandbox:
        sandbox.fail_next(**{when: action})
        exchange(sandbox)
        assert len(stored(sandbox)) == (when == "after_storing")
        assert split(exchange(sandbox))[0] == 200


def faulty(action: str | int) -> tuple[int, dict[str, str], bytes]:
    with Sandbox() as sandbox:
        sandbox.fail_next(after_storing=action)
        return split(exchange(sandbox))


def test_close_answers_no_byte() -> None:
    """The connection ends with a FIN, without any byte."""
    with Sandbox() as sandbox:
        sandbox.fail_next(after_storing="close")
        assert exchange(sandbox) == b""


@pytest.mark.parametrize("stores", [True, False])
def test_reset_is_an_rst(stores: bool) -> None:
    """The client's next read fails with ECONNRESET."""
    with Sandbox() as sandbox:
        sandbox.fail_next(**{"after_storing" if stores else "before_storing": "reset"})
        with pytest.raises(ConnectionResetError):
            exchange(sandbox)
        assert len(stored(sandbox)) == stores


def test_silence_leaves_the_connection_open() -> None:
    """No byte comes, and the connection does not end."""
    with Sandbox() as sandbox:
        sandbox.fail_next(after_storing="silent")
        with closing(connect(sandbox)) as client:
            client.sendall(raw(sandbox))
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1)
        assert stored(sandbox) == ["hello"]


def test_cut_promises_more_than_it_sends() -> None:
    """The declared length is that of the whole answer."""
    status, headers, body = faulty("cut")
    assert status == 200
    assert 0 < len(body) < int(headers["content-length"])


def test_cut_chunked_never_ends_its_chunks() -> None:
    """There is no last chunk of length zero."""
    _, headers, body = faulty("cut_chunked")
    assert headers["transfer-encoding"] == "chunked"
    assert body
    assert not body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("when", ["before_storing", "after_storing"])
def test_drip_sends_one_byte_after_the_other(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole answer comes in single bytes; if nothing was stored, it is another message's."""
    monkeypatch.setattr("twake_async.sandbox._serving.delivery._DRIP", 0.001)
    with Sandbox() as sandbox:
        sandbox.fail_next(**{when: "drip"})
        with closing(connect(sandbox)) as client:
            client.sendall(raw(sandbox))
            parts = [client.recv(65536)]
            while part := client.recv(65536):
                parts.append(part)
        status, _, body = split(b"".join(parts))
        assert len(stored(sandbox)) == (when == "after_storing")
    assert status == 200
    assert (json.loads(body)["object"]["content"] == "hello") == (when == "after_storing")
    assert len(parts) > len(body) / 10


@pytest.mark.parametrize(
    ("action", "content_type", "body"),
    [
        ("empty", "text/html", b""),
        ("html", "text/html", b"<!doctype html>"),
        ("php_trace", "text/html", b"<br />\n<b>Fatal error</b>:"),
        ("bad_gzip", "application/json", b"\x1f\x8b"),
        ("null_object", "application/json", b'{"object":null'),
        ("null_id", "application/json", b'{"object":{"id":null,'),
        ("error_words", "application/json", b'{"error":"unknown error or malformed query."'),
    ],
)
def test_bad_answers_are_200s(action: str, content_type: str, body: bytes) -> None:
    """By its status alone, each looks like a success."""
    status, headers, found = faulty(action)
    assert status == 200
    assert headers["content-type"].startswith(content_type)
    assert found == body if body == b"" else found.startswith(body)


def test_cut_json_is_whole_to_http_and_half_to_json() -> None:
    """The length is right, and the JSON ends in the middle."""
    status, headers, body = faulty("cut_json")
    assert (status, int(headers["content-length"])) == (200, len(body))
    assert body.startswith(b'{"object":{')
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_cut_reset_and_cut_silent_stop_halfway() -> None:
    """Half of the answer comes, then an RST, or nothing."""
    for action, expected in (("cut_reset", ConnectionResetError), ("cut_silent", TimeoutError)):
        with Sandbox() as sandbox:
            sandbox.fail_next(after_storing=action)  # type: ignore[arg-type]
            with closing(connect(sandbox)) as client:
                client.sendall(raw(sandbox))
                client.settimeout(0.2)
                with pytest.raises(expected):
                    list(iter(lambda: client.recv(65536), b""))
            assert stored(sandbox) == ["hello"]


@pytest.mark.parametrize(
    ("form", "header", "value"),
    [
        ("gzip", "content-encoding", "gzip"),
        ("chunked", "transfer-encoding", "chunked"),
        ("connection_close", "connection", "close"),
        ("hang_up", "connection", "close"),  # as this client asks for it
        ("warnings", "content-type", "text/html; charset=UTF-8"),
    ],
)
def test_a_good_answer_may_have_another_form(form: Any, header: str, value: str) -> None:
    """The message is stored, and httpx reads the same JSON from each."""
    with Sandbox() as sandbox:
        sandbox.answer_next(form)
        answer = exchange(sandbox)
        assert split(answer)[1][header] == value
        sandbox.answer_next(form)
        given = {"channel_id": sandbox.channel_id, "content": "again"}
        with httpx.Client(auth=(sandbox.public_id, KEY), trust_env=False) as client:
            found = client.post(
                f"{sandbox.url}/api/v1/messages/save",
                json={"group_id": sandbox.group_id, "message": given},
            )
        assert json.loads(found.text[found.text.index("{") :])["object"]["content"] == "again"
        assert stored(sandbox) == ["hello", "again"]


def test_hang_up_ends_a_connection_that_was_to_be_kept() -> None:
    """The answer does not say so, and then the connection ends."""
    with Sandbox() as sandbox:
        sandbox.answer_next("hang_up")
        request = raw(sandbox).replace(b"Connection: close\r\n", b"")
        _, headers, body = split(exchange(sandbox, request))
    assert "connection" not in headers
    assert json.loads(body)["object"]["content"] == "hello"


def test_slow_next_holds_back_one_answer() -> None:
    """The next answer is late and its message stored; the one after it is not late."""
    with Sandbox() as sandbox:
        sandbox.slow_next(0.5)
        took = []
        for _ in range(2):
            begun = time.perf_counter()
            exchange(sandbox)
            took.append(time.perf_counter() - begun)
        assert stored(sandbox) == ["hello", "hello"]
    assert took[1] < 0.5 <= took[0]


def test_a_status_may_come_with_retry_after() -> None:
    """A proxy sends such a 503, with the message stored or not."""
    with Sandbox() as sandbox:
        sandbox.fail_next(after_storing=503, retry_after=2)
        status, headers, _ = split(exchange(sandbox))
        assert stored(sandbox) == ["hello"]
    assert (status, headers["retry-after"]) == (503, "2")


def test_unreachable_refuses_connections_and_keeps_the_port() -> None:
    """Inside the block no server listens, and none can; afterwards all is as before."""
    with Sandbox() as sandbox:
        url, port = sandbox.url, httpx.URL(sandbox.url).port
        with sandbox.unreachable():
            assert sandbox_threads() == []
            with pytest.raises(ConnectionRefusedError):
                connect(sandbox)
            with pytest.raises(OSError, match="in use"), closing(socket.socket()) as thief:
                thief.bind(("127.0.0.1", port))
        exchange(sandbox)
        assert (sandbox.url, stored(sandbox)) == (url, ["hello"])
    assert sandbox_threads() == []
    with pytest.raises(RuntimeError, match="not being served"), sandbox.unreachable():
        pass


def test_messages_are_those_of_one_channel_or_of_all() -> None:
    """Without a channel, all messages are returned, oldest first."""
    other = DEFAULT_SEED["channels"]["random"]["id"]
    with Sandbox() as sandbox:
        exchange(sandbox, raw(sandbox, channel_id=other, content="elsewhere"))
        exchange(sandbox)
        assert stored(sandbox) == ["hello"]
        assert [one["content"] for one in sandbox.messages()] == ["elsewhere", "hello"]


def test_other_message_is_about_somebody_else() -> None:
    """The answer is a complete message with other ids."""
    with Sandbox() as sandbox:
        sandbox.fail_next(after_storing="other_message")
        answer = exchange(sandbox, raw(sandbox, front_id="mine"))
        [ours] = sandbox.messages(sandbox.channel_id)
    other = json.loads(split(answer)[2])["object"]
    assert other.keys() == ours.keys()
    assert other["id"] != ours["id"]
    assert other["front_id"] != "mine"


def test_a_status_is_answered_as_asked() -> None:
    """A 5xx has no body, a redirect has a target, and a 2xx after storing has the message."""
    assert faulty(502)[::2] == (502, b"")
    assert faulty(302)[1]["location"]
    status, _, body = faulty(201)
    assert (status, json.loads(body)["object"]["content"]) == (201, "hello")


def test_warnings_stand_in_front_of_a_good_answer() -> None:
    """The answer is text/html, and the message is stored."""
    with Sandbox() as sandbox:
        sandbox.warn_next()
        status, headers, body = split(exchange(sandbox))
        assert stored(sandbox) == ["hello"]
    assert (status, headers["content-type"]) == (200, "text/html; charset=UTF-8")
    assert body.startswith(b"<br />\n<b>Warning</b>:")
    assert json.loads(body[body.index(b"{") :])["object"]["content"] == "hello"


@pytest.mark.parametrize(
    ("retry_after", "header"), [(None, None), (1, "1"), (2.5, "2.5"), ("soon", "soon")]
)
def test_a_refusal_stores_nothing(retry_after: Any, header: str | None) -> None:
    """The default is 429; Retry-After is in seconds, or any string."""
    with Sandbox() as sandbox:
        sandbox.refuse_next(retry_after=retry_after)
        status, headers, _ = split(exchange(sandbox))
        assert stored(sandbox) == []
    assert (status, headers.get("retry-after")) == (429, header)


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("authentication", "unknown_application_or_bad_private_key"),
        ("group", "you_need_to_provide_a_valid_group_id_field_in_any_api_request"),
        ("capability", "you_do_not_have_this_set_of_required_capabilities"),
    ],
)
def test_a_refusal_in_words_is_a_200(word: Any, error: str) -> None:
    """It has the server's own words, and nothing is stored."""
    with Sandbox() as sandbox:
        sandbox.refuse_next(word)
        status, _, body = split(exchange(sandbox))
        assert stored(sandbox) == []
    assert (status, json.loads(body)["error"]) == (200, error)


def test_faults_wait_in_line() -> None:
    """They apply in order, each to so many requests; after them requests succeed."""
    with Sandbox() as sandbox:
        sandbox.fail_next(before_storing=503)
        sandbox.refuse_next(429, times=2)
        sandbox.fail_next(after_storing=500)
        statuses = [split(exchange(sandbox))[0] for _ in range(5)]
    assert statuses == [503, 429, 429, 500, 200]


def test_faults_meet_saves_and_removes_only() -> None:
    """Another request neither meets a fault nor uses it up."""
    with Sandbox() as sandbox:
        sandbox.fail_next(before_storing=503)
        assert split(exchange(sandbox, raw(sandbox, "/api/v1/users/get")))[0] == 200
        assert split(exchange(sandbox, raw(sandbox, "/api/v1/messages/remove")))[0] == 503


def test_faults_may_be_asked_for_from_any_thread() -> None:
    """None is lost if several threads ask at the same time."""
    sandbox = Sandbox()
    threads = [
        threading.Thread(target=lambda: [sandbox.fail_next(before_storing=500) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = 0
    while sandbox._twake.script.take() is not None:
        taken += 1
    assert taken == 800


def test_slow_holds_answers_back_until_it_is_taken_back() -> None:
    """The message is stored at once, and the answer comes later by so many seconds."""
    with Sandbox() as sandbox:
        sandbox.slow(0.2)
        begun = time.perf_counter()
        exchange(sandbox)
        assert time.perf_counter() - begun >= 0.2
        sandbox.slow(600)
        sandbox.slow(0)
        begun = time.perf_counter()
        exchange(sandbox)
        assert time.perf_counter() - begun < 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"after_storing": "explode"}, "close, reset, silent, cut"),
        ({"before_storing": 99}, "200 to 599"),
        ({"before_storing": True}, "unknown action"),
        ({}, "either"),
        ({"before_storing": "close", "after_storing": "close"}, "either"),
        ({"before_storing": "close", "times": 0}, "at least 1"),
    ],
)
def test_a_fault_that_is_none_is_refused_with_the_choices(
    arguments: dict[str, Any], words: str
) -> None:
    """A typing error must not pass for a fault."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Sandbox().fail_next(**arguments)


def test_a_refusal_that_is_none_is_refused_with_the_choices() -> None:
    """The error names the choices."""
    with pytest.raises(ValueError, match="authentication, group, capability"):
        Sandbox().refuse_next("whim")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no header"):
        Sandbox().refuse_next(429, retry_after="1\r\nSet-Cookie: a=b")
    with pytest.raises(ValueError, match="warnings, gzip, chunked"):
        Sandbox().answer_next("poem")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        Sandbox().slow_next(-1)
    with pytest.raises(ValueError, match="negative"):
        Sandbox().slow(-1)


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_messages_are_rows_or_message_objects(release):
    """The objects are those that a send returns, of both generations."""
    sandbox = Sandbox(release=release)
    options = {
        "group_id": sandbox.group_id,
        "api": sandbox.api,
        "workspace_id": sandbox.workspace_id,
    }
    keys = (sandbox.public_id, sandbox.private_api_key)
    async with TwakeSession(*keys, transport=sandbox.transport, **options) as twake:
        sent = await twake.send_message(sandbox.channel_id, "Hello", hidden_data={"n": 1})
    [row], [message] = sandbox.messages(), sandbox.messages(sandbox.channel_id, typed=True)
    assert row["content"] == message.content == "Hello"
    assert message.ref == sent.ref
    assert message.hidden_data == {"n": 1}
    assert message.override == {}
    assert not message.extra
