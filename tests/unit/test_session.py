"""The session: its calls on the wire, its life cycle, and what it refuses to be used for."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import warnings

import attrs
import pytest
from faults import FaultServer

from twake_async import (
    ConfigurationError,
    InvalidDraftError,
    Message,
    MessageDraft,
    MessageRef,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    SessionClosedError,
    TextCutWarning,
    TwakeSession,
    WrongEventLoopError,
)

KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"


HELLO, BYE = (
    {"original_str": text, "fallback_string": text, "prepared": [text]} for text in ("Hello", "Bye")
)


def session(server, **options):
    options = {"group_id": "g1", "base_url": server.url} | options
    return TwakeSession("app", KEY, **options)


# --- the calls -----------------------------------------------------------------------------------


async def test_a_message_is_the_documented_request_and_no_more(server):
    """A field that was not given is not sent."""
    async with session(server) as twake:
        message = await twake.send_message("c1", "Hello")
    assert server.requests[0] == {
        "group_id": "g1",
        "message": {"channel_id": "c1", "content": HELLO, "front_id": message.front_id},
    }
    assert message.content == "Hello"
    head = server.heads[0].decode()
    assert head.startswith("POST /api/v1/messages/save HTTP/1.1\r\n")
    assert "Authorization: Basic YXBwOmtra2" in head


async def test_every_argument_of_a_message_reaches_the_server(server):
    """What is given goes out under the server's names."""
    async with session(server) as twake:
        await twake.send_message(
            "c1",
            "Hello",
            parent_message_id="p1",
            ephemeral=True,
            ephemeral_to=["u1"],
            hidden_data={"a": 1},
            sender="u2",
            front_id="mine",
            group_id="g2",
        )
    assert server.requests[0] == {
        "group_id": "g2",
        "message": {
            "channel_id": "c1",
            "content": HELLO,
            "front_id": "mine",
            "parent_message_id": "p1",
            "sender": "u2",
            "hidden_data": {"a": 1},
            "_once_ephemeral_message": True,
            "ephemeral_message_recipients": ["u1"],
        },
    }


async def test_an_edit_of_a_ref_names_what_was_given(server):
    """A ref knows nothing of the message: nothing is added to what the caller gives."""
    async with session(server) as twake:
        ref = (await twake.send_message("c1", "Hello", hidden_data={"a": 1})).ref
        await twake.edit_message(ref, "Bye")
        with pytest.raises(InvalidDraftError, match="an edit without content") as caught:
            await twake.edit_message(ref, pinned=True)
    assert caught.value.field == "content"
    assert server.requests[1]["message"] == {"channel_id": "c1", "content": BYE, "id": ref.id}
    assert server.received == 2


async def test_an_edit_of_a_message_sends_what_the_message_holds(server):
    """Servers of mid-2021 and later replace all: what is not given would be lost there."""
    message = Message(
        id="m1", channel_id="c1", content="Hello", hidden_data={"a": 1}, pinned=True, front_id="f"
    )
    bold = {"original_str": "x", "fallback_string": "x", "prepared": [{"type": "bold"}]}
    async with session(server) as twake:
        await twake.edit_message(message)
        await twake.edit_message(message, "Bye", hidden_data={}, pinned=False)
        await twake.edit_message(attrs.evolve(message, pinned=False, hidden_data={}, content=bold))
        with pytest.raises(InvalidDraftError, match="an edit without content"):
            await twake.edit_message(attrs.evolve(message, content=None), pinned=True)
    place = {"channel_id": "c1", "id": "m1"}
    assert [request["message"] for request in server.requests] == [
        place | {"content": HELLO, "hidden_data": {"a": 1}, "pinned": True},
        place | {"content": BYE, "hidden_data": {}, "pinned": False},
        place | {"content": bold},
    ]


async def test_a_reply_is_edited_and_removed_with_its_parent(server):
    """Without its parent the server would not find it."""
    ref = MessageRef("c1", "m1", "p1")
    async with session(server) as twake:
        await twake.edit_message(ref, "Bye")
        result = await twake.remove_message(ref)
    assert result is None
    assert [request["message"]["parent_message_id"] for request in server.requests] == ["p1", "p1"]
    assert server.heads[1].startswith(b"POST /api/v1/messages/remove ")
    assert server.removed["m1"] == 1


async def test_a_draft_is_sent_as_it_stands(server):
    """`send` takes what send_message would build."""
    async with session(server) as twake:
        message = await twake.send(MessageDraft("c1", "Hello", front_id="mine", pinned=True))
    assert message.front_id == "mine"
    assert server.requests[0]["message"]["pinned"] is True


async def test_a_path_in_the_address_is_kept(server):
    """A company may serve Twake below a path; slashes at the end do not double."""
    async with session(server, base_url=server.url + "/chat//") as twake:
        await twake.send_message("c1", "Hello")
    assert server.heads[0].startswith(b"POST /chat/api/v1/messages/save ")


async def test_the_portable_form_says_a_text_three_times(server):
    """Every release takes it whole."""
    async with session(server, text_form="portable") as twake:
        await twake.send_message("c1", "Hello")
    assert server.requests[0]["message"]["content"] == {
        "original_str": "Hello",
        "fallback_string": "Hello",
        "prepared": ["Hello"],
    }


async def test_a_cut_text_is_warned_of_where_it_was_sent(server, monkeypatch):
    """The warning names the setting and points at the caller's line."""
    cut = {"object": {"id": "m1", "front_id": "mine", "content": {"prepared": ["H"]}}}
    monkeypatch.setattr("twake_async._protocol.body.load", lambda *_: cut)
    async with session(server, text_form="plain") as twake:
        with pytest.warns(TextCutWarning, match="portable") as caught:
            await twake.send_message("c1", "Hello", front_id="mine")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("fault", ["filter", "hook"])
async def test_a_cut_text_is_a_delivery_even_where_warnings_are_errors(
    server, monkeypatch, caplog, fault
):
    """Alone and in a batch the sender gets the message, and the log has the warning."""
    ids = iter(("m1", "m2"))

    def cut(*_):
        return {"object": {"id": next(ids), "front_id": "mine", "content": {"prepared": ["H"]}}}

    def fails(*_, **__):
        raise OSError("nobody can be told")

    async with session(server, text_form="plain") as twake:
        assert (await twake.check()).ok
        monkeypatch.setattr("twake_async._protocol.body.load", cut)
        with warnings.catch_warnings():
            warnings.simplefilter("error" if fault == "filter" else "always")
            if fault == "hook":
                warnings.showwarning = fails
            draft = MessageDraft("c1", "Hello", front_id="mine")
            [delivery] = [each async for each in twake.send_many([draft])]
            message = await twake.send(draft)
    assert (delivery.outcome, delivery.message.id) == (Outcome.DELIVERED, "m1")
    assert message.id == "m2"
    assert caplog.text.count("portable") == 2


@pytest.mark.parametrize("thing", ["m1", None, {"id": "m1"}])
async def test_what_is_no_message_is_neither_edited_nor_removed(server, thing):
    """A bare id does not tell the channel."""
    async with session(server) as twake:
        for call in (twake.edit_message(thing, "x"), twake.remove_message(thing)):
            with pytest.raises(InvalidDraftError) as caught:
                await call
            assert caught.value.field == "message"
        with pytest.raises(InvalidDraftError):
            await twake.send(thing)
    assert server.accepted == 0


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"content": float("nan")}, "content"),
        ({"content": [float("inf")]}, "content"),
        ({"content": ["\ud83d"]}, "content"),
        ({"content": None}, "content"),
        ({"content": 42}, "content"),
        ({"channel_id": ""}, "channel_id"),
        ({"front_id": "0"}, "front_id"),
        ({"front_id": 7}, "front_id"),
        ({"hidden_data": {"a": object()}}, "hidden_data"),
        ({"ephemeral_to": ["u1"]}, "ephemeral_to"),
    ],
)
async def test_bad_input_sends_no_byte_and_names_the_field(server, arguments, field):
    """The SDK refuses it; the answer of the server does not matter."""
    async with session(server) as twake:
        with pytest.raises(InvalidDraftError) as caught:
            await twake.send_message(**({"channel_id": "c1", "content": "x"} | arguments))
    assert caught.value.field == field
    assert field in str(caught.value)
    assert server.accepted == 0


async def test_a_missing_group_is_said_before_anything_is_sent(server):
    """The error tells the three places where it may be given."""
    async with session(server, group_id=None) as twake:
        with pytest.raises(ConfigurationError, match="TWAKE_GROUP_ID"):
            await twake.send_message("c1", "Hello")
        await twake.send_message("c1", "Hello", group_id="g1")
    assert server.received == 1


async def test_a_call_may_have_a_policy_and_a_deadline_of_its_own(server):
    """The arguments of the call take precedence over those of the session."""
    server.do_next("stores_close")
    async with session(server) as twake:
        policy = RetryPolicy(on_unknown="resend", initial_wait=0)
        message = await twake.send_message("c1", "Hello", retry=policy)
        assert message.maybe_duplicated
        with pytest.raises(ConfigurationError, match="retry"):
            await twake.send_message("c1", "Hello", retry="always")
        with pytest.raises(ConfigurationError, match="deadline"):
            await twake.send_message("c1", "Hello", deadline="soon")


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"deadline": 0}, "deadline"),
        ({"deadline": True}, "deadline"),
        ({"deadline": float("nan")}, "deadline"),
        ({"retry": 3}, "retry"),
        ({"retry_budget": 3}, "retry_budget"),
        ({"text_form": "markdown"}, "text_form"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_connections": True}, "max_connections"),
        ({"base_url": "http://twake.example"}, "base_url"),
        ({"public_id": "a:b"}, "public_id"),
        ({"private_api_key": "a:b"}, "private_api_key"),
        ({"private_api_key": "abc\n"}, "private_api_key"),
        ({"private_api_key": ""}, "private_api_key"),
    ],
)
def test_a_session_that_cannot_work_is_not_built(options, field):
    """The error names the argument."""
    arguments = {"public_id": "app", "private_api_key": KEY} | options
    with pytest.raises(ConfigurationError) as caught:
        TwakeSession(**arguments)
    assert caught.value.field == field
    assert field in str(caught.value)


def test_plain_http_to_elsewhere_needs_a_word():
    """With allow_plain_http it is the caller's decision."""
    twake = TwakeSession("app", KEY, base_url="http://twake.example", allow_plain_http=True)
    assert "twake.example" in repr(twake)


async def test_a_session_can_be_set_up_by_the_environment(server, monkeypatch):
    """Four variables, and arguments that take precedence over them."""
    monkeypatch.setenv("TWAKE_PUBLIC_ID", "app")
    monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", KEY)
    monkeypatch.setenv("TWAKE_GROUP_ID", "g-env")
    monkeypatch.setenv("TWAKE_BASE_URL", server.url)
    async with TwakeSession.from_env() as twake:
        await twake.send_message("c1", "Hello")
    async with TwakeSession.from_env(group_id="g-mine", public_id="other") as twake:
        await twake.send_message("c1", "Hello")
        assert "other" in repr(twake)
    assert [request["group_id"] for request in server.requests] == ["g-env", "g-mine"]


@pytest.mark.parametrize("variable", ["TWAKE_PUBLIC_ID", "TWAKE_PRIVATE_API_KEY"])
def test_a_missing_variable_is_named(monkeypatch, variable):
    """The newcomer reads what to set."""
    monkeypatch.setenv("TWAKE_PUBLIC_ID", "app")
    monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", KEY)
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=variable):
        TwakeSession.from_env()


# --- the life cycle ------------------------------------------------------------------------------


async def test_a_closed_session_sends_nothing(server):
    """Neither a send nor `async with` brings it back."""
    twake = session(server)
    await twake.aclose()
    await twake.aclose()
    with pytest.raises(SessionClosedError):
        await twake.send_message("c1", "Hello")
    with pytest.raises(SessionClosedError):
        async with twake:
            pass
    assert "closed" in repr(twake)
    assert server.accepted == 0


async def test_closing_lets_sends_under_way_finish(server):
    """Sends that have begun are drained; later ones are refused."""
    server.do_next("good_late")
    twake = session(server)
    sending = asyncio.create_task(twake.send_message("c1", "Hello"))
    while not server.received:
        await asyncio.sleep(0)
    closing = asyncio.create_task(twake.aclose())
    await asyncio.sleep(0)
    with pytest.raises(SessionClosedError):
        await twake.send_message("c1", "Hello")
    await twake.aclose()
    await closing
    assert (await sending).id
    await server.quiet()


async def test_closing_does_not_wait_for_ever(server):
    """After the drain a send that hangs is cut off, and its outcome is unknown."""
    server.do_next("loses_silent")
    twake = session(server, max_connections=1)
    hanging = asyncio.create_task(twake.send_message("c1", "Hello"))
    while not server.received:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(twake.send_message("c1", "Hello"))
    await asyncio.sleep(0)
    await twake.aclose(drain=0.05)
    with pytest.raises(OutcomeUnknownError):
        await hanging
    with pytest.raises(SessionClosedError):
        await waiting
    await server.quiet()


@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
async def test_closing_ends_the_connections_that_are_on_their_way(server, transport):
    """Their sends are told so, nothing leaves after the end, and no socket stays open."""
    twake = session(server, transport=transport)
    sends = [asyncio.create_task(twake.send_message("c1", "Hello")) for _ in range(100)]
    while not server.accepted:
        await asyncio.sleep(0)
    await twake.aclose(drain=0)
    received = server.received
    errors = await asyncio.gather(*sends, return_exceptions=True)
    await server.quiet()
    assert server.received == received
    assert sum(isinstance(error, SessionClosedError) for error in errors) >= 90


def test_a_session_belongs_to_the_loop_that_first_used_it():
    """A second loop gets a clear error, not a hang."""

    async def use(twake, server):
        async with server:
            twake._base_url = twake._attempts.transport._builder.base_url = server.url
            await twake.send_message("c1", "Hello")

    twake = TwakeSession("app", KEY, group_id="g1", base_url="http://127.0.0.1:9")

    async def first():
        await use(twake, FaultServer())

    async def again():
        with pytest.raises(WrongEventLoopError, match="another event loop"):
            await twake.send_message("c1", "Hello")
        with pytest.raises(WrongEventLoopError):
            await twake.aclose()

    with asyncio.Runner() as one:
        one.run(first())
        with asyncio.Runner() as other:
            other.run(again())
        one.run(twake.aclose())


def test_a_session_needs_a_running_event_loop():
    """A call that is driven by hand, outside asyncio, says so."""
    twake = TwakeSession("app", KEY, group_id="g1")
    with pytest.raises(WrongEventLoopError, match="running asyncio"):
        twake.send_message("c1", "Hello").send(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_session_does_not_survive_a_fork(server):
    """Two processes on one connection would mix their bytes."""
    async with session(server) as twake:
        await twake.send_message("c1", "Hello")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:  # pragma: no cover - another process
            try:
                twake.send_message("c1", "Hello").send(None)
            except WrongEventLoopError as error:
                os._exit(0 if "fork" in str(error) else 1)
            except BaseException:  # noqa: BLE001
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def test_a_session_of_another_process_says_so(server, monkeypatch):
    """The same, as the child sees it."""
    async with session(server) as twake:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(WrongEventLoopError, match="fork"):
            await twake.send_message("c1", "Hello")
        monkeypatch.undo()


def test_the_public_server_is_the_default(monkeypatch):
    """Id and key are enough; the group may come with each call, the retries without a budget."""
    monkeypatch.setenv("TWAKE_PUBLIC_ID", "app")
    monkeypatch.setenv("TWAKE_PRIVATE_API_KEY", KEY)
    monkeypatch.delenv("TWAKE_GROUP_ID", raising=False)
    monkeypatch.delenv("TWAKE_BASE_URL", raising=False)
    assert "https://api.twake.app" in repr(TwakeSession.from_env(retry_budget=None))


def test_a_session_is_not_pickled():
    """It would carry a key and sockets that mean nothing elsewhere."""
    with pytest.raises(TypeError, match="TwakeSession.from_env"):
        pickle.dumps(TwakeSession("app", KEY))


async def test_ten_thousand_tasks_share_one_session(server):
    """Concurrency is bounded by pooled connections, not by the caller's restraint."""
    async with session(server, max_connections=20) as twake:
        messages = await asyncio.gather(
            *(twake.send_message("c1", str(number + 1)) for number in range(1_000))
        )
        assert server.accepted <= 20
    contents = [json.loads(message.content) for message in messages]
    assert contents == list(range(1, 1_001))


@pytest.mark.parametrize("transport", [None, "fast"])
@pytest.mark.parametrize("host", ["\u00e9" * 70 + ".example", "\u0660a.example"])
def test_a_host_beyond_ascii_that_has_no_form_in_it_is_refused(host, transport):
    """No lookup could find it; the error comes before anything is opened."""
    with pytest.raises(ConfigurationError, match="check its host and port") as caught:
        TwakeSession("app", KEY, base_url=f"https://{host}", proxy=None, transport=transport)
    assert caught.value.field == "base_url"
