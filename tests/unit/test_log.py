"""The log for operators: a record for each attempt, and a warning for each uncertain outcome."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from faults import FaultServer

from twake_async import (
    MessageRef,
    NotSentError,
    OutcomeUnknownError,
    ReplyAtRootWarning,
    RetryPolicy,
    TwakeSession,
)
from twake_async.sandbox import Sandbox

KEY = "s3cretKeyThatMustNeverBeSeen0123456789"
REF = MessageRef("c1", "m1")
FIELDS = {
    "twake_operation",
    "twake_channel_id",
    "twake_message_id",
    "twake_front_id",
    "twake_outcome",
    "twake_reason",
    "twake_status",
    "twake_attempt",
    "twake_wait",
    "twake_elapsed",
}


def session(server, **options):
    options = {"group_id": "g1", "base_url": server.url} | options
    return TwakeSession("app", KEY, **options)


def session_on(box, **options):
    """Return a session on a sandbox."""
    options = {"group_id": box.group_id, "base_url": box.url} | options
    return TwakeSession(box.public_id, box.private_api_key, **options)


def fields_of(record) -> dict:
    """Return the fields of a record that a formatter for JSON would write."""
    return {name: value for name, value in vars(record).items() if name.startswith("twake_")}


def levels(caplog) -> list[str]:
    return [record.levelname for record in caplog.records if record.name == "twake_async"]


# --- attempts ------------------------------------------------------------------------------------


async def test_the_record_of_an_attempt_names_the_message_and_the_answer(server, caplog):
    """Operation, channel, message, front_id and status are in the text and in fields."""
    with caplog.at_level(logging.DEBUG, "twake_async"):
        async with session(server) as twake:
            message = await twake.send_message("c1", "Hello", front_id="mine")
    [record] = caplog.records
    text = record.getMessage()
    assert text.startswith(f"create in c1: delivered, message {message.id}, front_id mine, ")
    assert "attempt 1, status 200, " in text
    fields = fields_of(record)
    assert fields.keys() == FIELDS
    assert fields.pop("twake_elapsed") >= 0
    assert fields == {
        "twake_operation": "create",
        "twake_channel_id": "c1",
        "twake_message_id": message.id,
        "twake_front_id": "mine",
        "twake_outcome": "delivered",
        "twake_reason": "",
        "twake_status": 200,
        "twake_attempt": 1,
        "twake_wait": None,
    }
    json.dumps(fields)


@pytest.mark.parametrize(
    ("fault", "facts"),
    [
        ("refuses_authentication", ("edit", "m1", "refused", "authentication", 200)),
        ("refuses_429_absent", ("remove", "m1", "refused", "later", 429)),
        ("stores_500", ("create", None, "unknown", "status", 500)),
        ("loses_silent", ("create", None, "unknown", "timeout", None)),
    ],
)
async def test_an_attempt_tells_the_same_to_its_observer_and_to_the_log(
    server, caplog, fault, facts
):
    """It holds for each operation and each outcome."""
    server.do_next(fault)
    seen = []
    once = {"deadline": 0.5, "retry": RetryPolicy.never()}
    with caplog.at_level(logging.DEBUG, "twake_async"):
        async with session(server, on_attempt=seen.append) as twake:
            calls = {
                "create": lambda: twake.send_message("c1", "Hello", **once),
                "edit": lambda: twake.edit_message(REF, "Hello", **once),
                "remove": lambda: twake.remove_message(REF, **once),
            }
            with pytest.raises(Exception, match=r"attempt"):
                await calls[facts[0]]()
    [attempt] = seen
    fields = fields_of(caplog.records[0])
    assert (attempt.channel_id, fields["twake_channel_id"]) == ("c1", "c1")
    assert facts == (
        attempt.operation,
        attempt.message_id,
        attempt.outcome.value,
        attempt.reason,
        attempt.status,
    )
    names = ("operation", "message_id", "outcome", "reason", "status")
    assert facts == tuple(fields[f"twake_{name}"] for name in names)


async def test_a_retry_tells_when_it_follows(server, caplog):
    """The wait is in the text and in the fields of the attempt before the retry."""
    server.do_next("refuses_429_absent")
    with caplog.at_level(logging.DEBUG, "twake_async"):
        async with session(server, retry=RetryPolicy(initial_wait=0.001)) as twake:
            await twake.send_message("c1", "Hello")
    first, second = caplog.records
    assert first.getMessage().endswith(" s, again in 0.00 s")
    assert fields_of(first)["twake_wait"] > 0
    assert (fields_of(second)["twake_attempt"], fields_of(second)["twake_wait"]) == (2, None)


async def test_nothing_is_computed_where_nobody_listens(server, monkeypatch):
    """Without an observer and the level, the facts of an attempt are not collected."""
    logging.getLogger("twake_async").setLevel(logging.WARNING)
    monkeypatch.setattr("twake_async._attempts.send.Send.attempt", None)
    monkeypatch.setattr("twake_async._log._sentence", None)
    try:
        async with session(server) as twake:
            assert (await twake.send_message("c1", "Hello")).id
    finally:
        logging.getLogger("twake_async").setLevel(logging.NOTSET)


async def test_a_call_that_is_about_no_message_names_none(caplog):
    """A call about people has a route, a status and no channel."""
    with Sandbox() as box, caplog.at_level(logging.DEBUG, "twake_async"):
        async with session_on(box) as twake:
            await twake.users.get(box.say("Hi")["sender"])
    [fields] = [fields_of(record) for record in caplog.records if record.name == "twake_async"]
    assert (fields["twake_channel_id"], fields["twake_message_id"]) == (None, None)
    assert (fields["twake_outcome"], fields["twake_status"]) == ("delivered", 200)


# --- what is in doubt ----------------------------------------------------------------------------


async def test_each_send_that_ends_unknown_is_a_warning(server, caplog):
    """There is one for each, with the fields, at a level that is on by default."""
    server.do_next("stores_500")
    server.do_next("loses_reset")
    async with session(server) as twake:
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                await twake.send_message("c1", "Hello", front_id="mine")
    assert levels(caplog) == ["WARNING", "WARNING"]
    first = caplog.records[0]
    assert first.getMessage().startswith("create in c1: the server answered 500")
    fields = fields_of(first)
    assert fields.keys() == FIELDS
    assert (fields["twake_outcome"], fields["twake_reason"]) == ("unknown", "status")
    assert (fields["twake_status"], fields["twake_front_id"]) == (500, "mine")


async def test_the_warning_of_a_lost_edit_names_its_message(server, caplog):
    """The server never named it, but the caller did. A call about a channel names no message."""
    server.do_next("stores_500")
    async with session(server, retry=RetryPolicy.never()) as twake:
        with pytest.raises(OutcomeUnknownError):
            await twake.edit_message(REF, "Hello")
    with Sandbox(release="2023") as box:
        box.fail_next(after_storing="close", on="read")
        where = {"api": box.api, "workspace_id": box.workspace_id, "retry": RetryPolicy.never()}
        async with session_on(box, **where) as twake:
            with pytest.raises(OutcomeUnknownError):
                await twake.channels.get(box.channel_id)
    edit, call = [fields_of(record) for record in caplog.records if record.name == "twake_async"]
    assert (edit["twake_channel_id"], edit["twake_message_id"]) == ("c1", "m1")
    assert (call["twake_channel_id"], call["twake_message_id"]) == (None, None)


async def test_a_level_that_is_off_is_not_written(server, caplog):
    """Without warnings, the send ends in the same way."""
    server.do_next("stores_500")
    with caplog.at_level(logging.ERROR, "twake_async"):
        async with session(server) as twake:
            with pytest.raises(OutcomeUnknownError):
                await twake.send_message("c1", "Hello")
    assert levels(caplog) == []


async def test_an_edit_that_was_lost_and_repeated_is_no_warning(server, caplog):
    """Its caller gets the message, so nothing is uncertain."""
    server.do_next("stores_reset")
    async with session(server, retry=RetryPolicy(initial_wait=0.001)) as twake:
        await twake.edit_message(REF, "Hello")
    assert levels(caplog) == []


async def test_a_send_that_is_cancelled_on_its_way_is_a_warning(server, caplog):
    """Its caller gets no outcome, so only the log has it."""
    server.do_next("loses_silent")
    async with session(server) as twake:
        task = asyncio.create_task(twake.send_message("c1", "Hello", front_id="mine"))
        async with asyncio.timeout(10):
            while not server.received:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "create in c1: it was cancelled, and may or may not have arrived" in record.getMessage()
    assert fields_of(record)["twake_front_id"] == "mine"
    assert fields_of(record)["twake_reason"] == "cancelled"


async def test_a_message_that_may_be_there_twice_is_a_warning(server, caplog):
    """The caller accepted a copy, and the log says where to look for it."""
    server.do_next("stores_reset")
    policy = RetryPolicy(on_unknown="resend", initial_wait=0.001)
    async with session(server, retry=policy) as twake:
        message = await twake.send_message("c1", "Hello")
    assert message.maybe_duplicated
    [record] = caplog.records
    assert record.getMessage().startswith(f"message {message.id} in c1 may be there twice")


# --- a server that is down -----------------------------------------------------------------------


@pytest.mark.parametrize("transport", [None, "fast", "httpx2"])
async def test_a_server_that_goes_down_and_comes_back_is_told_once_each(caplog, transport):
    """It holds for any number of sends and attempts to connect meanwhile."""
    async with FaultServer() as server:
        async with session(server, transport=transport) as twake:
            await twake.send_message("c1", "Hello")
            await server.close_port()
            await asyncio.gather(
                *(twake.send_message("c1", "Hello", deadline=0.3) for _ in range(5)),
                return_exceptions=True,
            )
            down = [one.getMessage() for one in caplog.records]
            assert twake.stats().unreachable
            await server.open_port()
            await twake.send_message("c1", "Hello")
            assert not twake.stats().unreachable
    assert len(down) == 1
    assert down[0].startswith(f"{server.url} cannot be reached: no connection was opened")
    assert levels(caplog) == ["WARNING", "WARNING"]
    assert caplog.records[-1].getMessage() == f"{server.url} can be reached again"


async def test_a_send_with_too_little_time_does_not_make_a_server_down(caplog):
    """A caller that did not wait for a connection proves nothing about the server."""
    async with FaultServer() as server, session(server) as twake:
        with pytest.raises(NotSentError):
            await twake.send_message("c1", "Hello", deadline=0.0)
        await twake.send_message("c1", "Hello")
    assert levels(caplog) == []


# --- replies, secrets ----------------------------------------------------------------------------


async def test_a_reply_that_landed_at_the_root_is_warned_of_where_it_was_sent():
    """The command line warns, too; a reply in its thread causes no warning."""
    with Sandbox() as box:
        async with session_on(box) as twake:
            root = await twake.send_message(box.channel_id, "Root")
            reply = await twake.reply(root, "Reply")
            assert reply.parent_message_id == root.id
            with pytest.warns(ReplyAtRootWarning, match="parent_message_id names no message") as w:
                at_root = await twake.send_message(
                    box.channel_id, "Lost", parent_message_id=reply.id
                )
            assert at_root.parent_message_id == ""
    assert w[0].filename == __file__


async def test_no_record_holds_a_secret(caplog):
    """The key and the text of a message are in no text and no field."""
    text = "a text that is nobody else's business"
    faults = ("good", "refuses_authentication", "stores_500", "loses_reset", "stores_garbage")
    with caplog.at_level(logging.DEBUG):
        async with FaultServer() as server, session(server) as twake:
            for fault in faults:
                server.do_next(fault)
                await asyncio.gather(
                    twake.send_message("c1", text, deadline=5), return_exceptions=True
                )
    assert len(caplog.records) > len(faults)
    written = "".join(f"{record.getMessage()}{vars(record)}" for record in caplog.records)
    assert KEY not in written
    assert text not in written
