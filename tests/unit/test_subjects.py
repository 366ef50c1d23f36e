"""What the words of an error are about: a message, another call, or a file."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
import respx

from twake_async import (
    MessageRef,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    SessionClosedError,
    TwakeError,
    TwakeSession,
)
from twake_async.events import ButtonClick

URL = "https://twake.example.org"
LOGGED_IN = {"resource": {"access_token": {"time": 1, "expiration": 3601, "value": "a-token"}}}
CLICK = ButtonClick(user_id="u", connection_id="c", message=None)
REF = MessageRef("c", "m")


async def messages(twake: TwakeSession) -> list[object]:
    return [one async for one in twake.messages.channel("c")]


CALLS = {
    "v1": {
        "users.get": lambda twake: twake.users.get("u"),
        "channels.direct": lambda twake: twake.channels.direct("u"),
        "channels.of_workspace": lambda twake: twake.channels.of_workspace("w", "u"),
        "dialogs.open": lambda twake: twake.dialogs.open(CLICK, "form"),
        "dialogs.close": lambda twake: twake.dialogs.close(CLICK),
        "dialogs.user_of_token": lambda twake: twake.dialogs.user_of_token("tok"),
        "call": lambda twake: twake.call("tasks/task/save", {}),
        "files.list": lambda twake: twake.files.list("w"),
        "files.find": lambda twake: twake.files.find("f", workspace_id="w"),
        "files.rename": lambda twake: twake.files.rename("f", "n", workspace_id="w"),
        "files.remove": lambda twake: twake.files.remove("f"),
    },
    "node": {
        "users.get": lambda twake: twake.users.get("u"),
        "channels.list": lambda twake: twake.channels.list(),
        "channels.get": lambda twake: twake.channels.get("c"),
        "channels.members": lambda twake: twake.channels.members("c"),
        "dialogs.open": lambda twake: twake.dialogs.open(CLICK, "form"),
        "messages.get": lambda twake: twake.messages.get(REF),
        "messages.react": lambda twake: twake.messages.react(REF, []),
        "messages.pin": lambda twake: twake.messages.pin(REF),
        "messages.channel": messages,
        "files.find": lambda twake: twake.files.find("f"),
    },
}
UPLOAD = {
    "v1": lambda twake: twake.files.upload(b"x", name="n", workspace_id="w"),
    "node": lambda twake: twake.files.upload(b"x", name="n"),
}
DOWNLOAD = {
    "v1": lambda twake: twake.files.download("f", Path("none"), workspace_id="w"),
    "node": lambda twake: twake.files.download("f", Path("none")),
}
EACH = [
    pytest.param(api, call, id=f"{api}-{name}")
    for api in CALLS
    for name, call in CALLS[api].items()
]


def session(api: str, base_url: str = URL, **given) -> TwakeSession:
    given = {"retry": RetryPolicy.never(), "deadline": 5.0} | given
    return TwakeSession(
        "id", "key", group_id="g", workspace_id="w" if api == "node" else None, base_url=base_url,
        api=api, **given,
    )  # fmt: skip


async def error_of(api, call, answer) -> TwakeError:
    """Return the error of a call that a server answers so."""
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.post("/api/console/v1/login").respond(json=LOGGED_IN)
        router.route().mock(side_effect=answer)
        async with session(api, transport=httpx.AsyncHTTPTransport()) as twake:
            with pytest.raises(TwakeError) as caught:
                await call(twake)
    return caught.value


def answer(status: int, **headers: str):
    return lambda request: httpx.Response(status, headers=headers)


def lose(request: httpx.Request):
    raise httpx.ReadError("lost", request=request)


FAULTS = {
    "lost": (lose, "whether the call arrived: "),
    "502": (answer(502), "; it may come after the call was carried out"),
    "403": (answer(403), "answered 403, which may come after the call was carried out; if every"),
    "302": (answer(302, location="https://x.org/"), "say so after the call was carried out"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("api", "call"), EACH)
async def test_the_errors_of_a_call_speak_of_the_call(api, call, fault):
    """The words name no message and no file."""
    said, words = FAULTS[fault]
    error = await error_of(api, call, said)
    assert isinstance(error, OutcomeUnknownError)
    assert words in str(error)


async def test_an_error_inside_a_200_speaks_of_the_call():
    """Node's services answer so."""
    sick = {"statusCode": 500, "error": "Internal Server Error", "message": "no"}
    error = await error_of(
        "node", CALLS["node"]["channels.list"], lambda _: httpx.Response(200, json=sick)
    )
    assert "may come after the call was carried out" in str(error)


@pytest.mark.parametrize("api", ["v1", "node"])
async def test_the_errors_of_a_transfer_speak_of_the_file(api):
    """An upload stores one; a download asks for one."""
    for fault, sent, asked in (
        (lose, "whether the file arrived: ", "the file did not come whole: "),
        (answer(502), "; it may come after the file was stored", "answered 502, as it does"),
    ):
        assert sent in str(await error_of(api, UPLOAD[api], fault))
        error = str(await error_of(api, DOWNLOAD[api], fault))
        assert asked in error
        assert "message" not in error
        assert "stored" not in error


async def test_what_was_not_sent_is_named():
    """Nobody listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    named = {
        "the call was not sent: ": CALLS["v1"]["users.get"],
        "the file was not sent: ": UPLOAD["v1"],
        "the request for the file was not sent: ": DOWNLOAD["v1"],
        "the message was not sent: ": lambda twake: twake.send_message("c", "x"),
    }
    async with session("v1", url) as twake:
        for words, call in named.items():
            with pytest.raises(NotSentError) as caught:
                await call(twake)
            assert str(caught.value).startswith(words)
    # A login fails for all that wait for it.
    async with session("node", url) as twake:
        for call in (CALLS["node"]["users.get"], UPLOAD["node"], DOWNLOAD["node"]):
            with pytest.raises(NotSentError) as caught:
                await call(twake)
            assert str(caught.value).startswith("the request was not sent: ")


async def test_a_closed_session_says_what_it_did_not_send():
    """Before anything is opened."""
    twake = session("v1")
    await twake.aclose()
    for call in (CALLS["v1"]["users.get"], UPLOAD["v1"], DOWNLOAD["v1"]):
        with pytest.raises(SessionClosedError) as caught:
            await call(twake)
        assert "message" not in str(caught.value)
