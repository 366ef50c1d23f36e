"""Errors name the likely cause, where the recorded answers allow; outcomes and reasons stay."""

from __future__ import annotations

import copy
import uuid

import pytest
from faults import FaultServer

from twake_async import (
    AuthenticationError,
    InvalidGroupError,
    MessageRef,
    NotSentError,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeSession,
)
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

NOBODY = "11111111-1111-11e1-8111-111111111111"
V1, NODE = ("2020", "2021"), ("2022", "2023")


def session(box, **options):
    given = {
        "group_id": box.group_id,
        "base_url": box.url,
        "api": box.api,
        "workspace_id": box.workspace_id if box.api == "node" else None,
        "retry": RetryPolicy.never(),
    }
    return TwakeSession(box.public_id, box.private_api_key, **{**given, **options})


def world_with_a_stranger():
    """Return a seed in which one person is not in the first channel, and the person's id."""
    stranger = str(uuid.uuid1())
    seed = copy.deepcopy(dict(DEFAULT_SEED))
    seed["users"]["stranger"] = {**next(iter(seed["users"].values())), "id": stranger}
    seed["users"]["stranger"]["username"] = "stranger"
    return seed, stranger


async def unknown(call) -> OutcomeUnknownError:
    with pytest.raises(OutcomeUnknownError) as caught:
        await call
    return caught.value


# --- a new message over v1 -----------------------------------------------------------------------


@pytest.mark.parametrize("release", V1)
async def test_a_channel_by_its_name_is_told_to_be_no_channel(release):
    """Every recorded channel has a UUID: the name is the cause."""
    with Sandbox(release=release) as box:
        async with session(box) as twake:
            error = await unknown(twake.send_message("general", "Hello"))
    assert error.reason == {"2020": "status", "2021": "unreadable"}[release]
    assert "channel_id is not the id of a channel: 'general' is not a UUID, and every" in str(error)
    assert "group_id" not in str(error)


@pytest.mark.parametrize("release", V1)
async def test_a_channel_that_does_not_exist_is_named_as_the_likely_cause(release):
    """A message without a sender does not name the sender as a cause."""
    with Sandbox(release=release) as box:
        async with session(box) as twake:
            error = await unknown(twake.send_message(NOBODY, "Hello"))
    assert "recorded servers answer so if channel_id is not the id of a channel" in str(error)
    assert "is not a UUID" not in str(error)
    assert "sender" not in str(error)


async def test_a_sender_who_is_not_in_the_channel_is_a_likely_cause():
    """The message is then stored, and the error says that another send stores another one."""
    seed, stranger = world_with_a_stranger()
    with Sandbox(seed) as box:
        async with session(box) as twake:
            error = await unknown(twake.send_message(box.channel_id, "Hello", sender=stranger))
        assert len(box.messages(box.channel_id)) == 1
    assert (error.reason, error.status) == ("status", 500)
    assert "or if sender is not a member of the channel; then the message is st" in str(error)


@pytest.mark.parametrize("call", ["send", "edit", "remove"])
async def test_a_group_that_a_server_of_2021_does_not_know_is_a_likely_cause(call):
    """The server then answers each request with an empty 500."""
    with Sandbox(release="2021") as box:
        async with session(box) as twake:
            message = await twake.send_message(box.channel_id, "Hello")
            calls = {
                "send": lambda: twake.send_message(box.channel_id, "Hello", group_id=NOBODY),
                "edit": lambda: twake.edit_message(message, "Hello", group_id=NOBODY),
                "remove": lambda: twake.remove_message(message, group_id=NOBODY),
            }
            error = await unknown(calls[call]())
    assert (error.reason, error.status) == ("status", 500)
    assert "if group_id is not the id of a group, or the application is not" in str(error)
    assert call == "send" or "channel" not in str(error)


@pytest.mark.parametrize("status", [200, 500])
async def test_php_that_dies_in_words_has_the_causes_of_an_empty_500(server, status):
    """PHP does so where `display_errors` is on, with either status."""
    server.do_next({200: "loses_php_trace", 500: "loses_500_fatal_html"}[status])
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        error = await unknown(twake.send_message("c1", "Hello"))
    assert error.status == status
    assert "recorded servers answer so if channel_id is not the id of a channel" in str(error)


async def test_words_of_a_failure_for_a_channel_by_its_name_say_so(server):
    """No message is gone: there was none before."""
    server.do_next("loses_error_words")
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        error = await unknown(twake.send_message("c1", "Hello"))
    assert error.reason == "server_error"
    assert "if channel_id is not the id of a channel: 'c1' is not a UUID" in str(error)
    assert "gone" not in str(error)


async def test_a_parent_that_a_server_of_2021_does_not_know_is_a_likely_cause():
    """The server answers without an id."""
    with Sandbox(release="2021") as box:
        async with session(box) as twake:
            lost = twake.send_message(box.channel_id, "Hello", parent_message_id=NOBODY)
            error = await unknown(lost)
    assert error.reason == "mismatch"
    assert "if parent_message_id is not the id of a message, or if its message service" in str(
        error
    )


# --- an edit, a remove ---------------------------------------------------------------------------


@pytest.mark.parametrize("release", [*V1, *NODE])
@pytest.mark.parametrize("lost", ["gone", "reply"])
async def test_an_edit_that_finds_no_message_says_what_may_be_the_cause(release, lost):
    """It was removed, is in another channel or thread, or is a reply whose parent was not given."""
    with Sandbox(release=release) as box:
        async with session(box) as twake:
            root = await twake.send_message(box.channel_id, "Root")
            reply = await twake.reply(root, "Reply")
            name = NOBODY if lost == "gone" else reply.id
            error = await unknown(twake.edit_message(MessageRef(box.channel_id, name), "Hello"))
    text = str(error)
    assert "if the message is gone" in text
    assert "a reply" in text
    assert "found only with parent_message_id" in text


@pytest.mark.parametrize("release", V1)
async def test_an_edit_of_a_reply_with_its_parent_is_not_told_to_give_it(release):
    """The given parent may be the wrong one."""
    with Sandbox(release=release) as box:
        async with session(box) as twake:
            root = await twake.send_message(box.channel_id, "Root")
            reply = await twake.reply(root, "Reply")
            ref = MessageRef(box.channel_id, reply.id, NOBODY)
            error = await unknown(twake.edit_message(ref, "Hello"))
    assert "or is in another thread than that of parent_message_id" in str(error)


async def test_a_remove_in_a_group_without_the_application_names_the_group():
    """The server says that a group it does not know has no capabilities."""
    with Sandbox() as box:
        async with session(box) as twake:
            message = await twake.send_message(box.channel_id, "Hello")
            with pytest.raises(InvalidGroupError) as caught:
                await twake.remove_message(message, group_id=NOBODY)
    assert caught.value.reason == "group"
    assert "or the application is not installed in it: check group_id" in str(caught.value)


async def test_a_remove_that_fails_otherwise_names_no_cause():
    """An answer that is not from Twake does not come from a group."""
    with Sandbox() as box:
        async with session(box) as twake:
            message = await twake.send_message(box.channel_id, "Hello")
            box.fail_next(before_storing=502)
            error = await unknown(twake.remove_message(message))
    assert "group" not in str(error)


@pytest.mark.parametrize("is_reply", [True, False])
async def test_an_answer_that_names_no_message_says_what_may_be_the_cause(is_reply):
    """Only for a reply can the cause be a parent that is no message."""
    with Sandbox() as box:
        box.fail_next(after_storing="null_id")
        async with session(box) as twake:
            parent = NOBODY if is_reply else None
            error = await unknown(
                twake.send_message(box.channel_id, "Hello", parent_message_id=parent)
            )
    assert error.reason == "mismatch"
    assert ("parent_message_id" in str(error)) is is_reply


@pytest.mark.parametrize("release", NODE)
async def test_a_reply_in_no_thread_says_what_a_thread_is(release):
    """A server of the Node API answers all failures with the same words."""
    with Sandbox(release=release) as box:
        async with session(box) as twake:
            lost = twake.send_message(box.channel_id, "Hello", parent_message_id=NOBODY)
            error = await unknown(lost)
            assert "parent_message_id must be the id of the root message of a thread" in str(error)
            box.fail_next(before_storing="error_words")
            error = await unknown(twake.send_message(box.channel_id, "Hello"))
    assert error.reason == "server_error"
    assert "parent_message_id" not in str(error)


# --- what is no cause ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["loses_reset", "stores_502", "stores_garbage", "loses_403", "stores_html"]
)
async def test_an_answer_that_tells_no_cause_names_none(server, fault):
    """A guess would mislead the reader."""
    server.do_next(fault)
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        error = await unknown(twake.send_message("c1", "Hello", sender="u1"))
    for words in ("recorded servers", "the server is down, or base_url", "does not serve this"):
        assert words not in str(error)


async def test_a_good_send_computes_no_cause(server, monkeypatch):
    """The words are for failures alone."""
    monkeypatch.setattr("twake_async._protocol.v1.requests.name_cause", None)
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        assert (await twake.send_message("c1", "Hello")).id


# --- the server, its address, its database -------------------------------------------------------


async def test_a_server_that_is_down_is_not_told_to_be_a_wrong_address():
    """Nobody can tell the two apart, so the text names both."""
    async with FaultServer() as server:
        url = server.url
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=url) as twake:
        with pytest.raises(NotSentError) as caught:
            await twake.send_message("c1", "Hello", retry=RetryPolicy.never())
        found = await twake.check()
    both = "the server is down, or base_url names another host or port"
    assert both in str(caught.value)
    assert (found.problem, both in found.advice) == ("unreachable", True)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_before_a_server_that_is_down_is_no_wrong_address(server, status):
    """Neither a send nor a check says so."""
    server.do_next(f"stores_{status}")
    async with TwakeSession("app", "k" * 40, group_id="g1", base_url=server.url) as twake:
        error = await unknown(twake.send_message("c1", "Hello"))
    assert (error.reason, error.status) == ("gateway", status)
    assert f"a gateway answered {status}, as it does while the server behind it is down" in str(
        error
    )


async def test_a_path_that_twake_does_not_serve_is_told_by_a_send_too():
    """A check says the same. The outcome stays UNKNOWN."""
    with Sandbox() as box:
        async with session(box, base_url=f"{box.url}/twake") as twake:
            error = await unknown(twake.send_message(box.channel_id, "Hello"))
    assert (error.reason, error.status) == ("status", 500)
    assert "does not serve this path: check the path of base_url" in str(error)


async def test_a_refused_key_says_that_a_failing_database_answers_alike():
    """It is REFUSED in both cases, but a failing database may recover."""
    with Sandbox() as box:
        async with TwakeSession(
            box.public_id, "wrong", group_id=box.group_id, base_url=box.url
        ) as twake:
            with pytest.raises(AuthenticationError) as caught:
                await twake.send_message(box.channel_id, "Hello")
            found = await twake.check()
    assert "if both worked before, its database may fail for the moment" in str(caught.value)
    assert "if both worked before, its database may fail for the moment" in found.advice
