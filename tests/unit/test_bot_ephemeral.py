"""Answers to an event about an ephemeral message, such as a form that one person was shown."""

from __future__ import annotations

import pytest

from twake_async import InvalidDraftError, Message
from twake_async.bot._answers import answer_to, replacement_of
from twake_async.events import ButtonClick, Command

FORM = Message(id="m1", channel_id="c1", ephemeral_id="e1")


def click(message=FORM, **fields):
    given = {"user_id": "alice", "channel_id": "c1", "connection_id": "conn"}
    return ButtonClick(**{"message": message, "action_id": "save", **given, **fields})


@pytest.mark.parametrize(
    ("message", "thread"),
    [
        (Message(id="m1", channel_id="c1"), "m1"),
        (Message(id="m1", channel_id="c1", parent_message_id="m0"), "m0"),
        (FORM, None),
        (Message(id="m1", channel_id="c1", ephemeral_id="e1", parent_message_id="m0"), "m0"),
    ],
)
def test_an_ephemeral_message_begins_no_thread(message, thread):
    """It is stored nowhere, so a reply to it would have a parent that does not exist."""
    for ephemeral in (False, True):
        draft = answer_to(click(message), "x", ephemeral=ephemeral, hidden_data=None, front_id=None)
        assert draft.parent_message_id == thread


def test_an_ephemeral_message_is_replaced_for_the_user_of_the_event():
    """It keeps its own ephemeral id, and goes to that user alone."""
    draft = replacement_of(click(), "Thank you", {"a": 1})
    assert (draft.ephemeral_id, draft.id, draft.channel_id) == ("e1", None, "c1")
    assert (draft.ephemeral_to, draft.connection_id) == (("alice",), "conn")
    assert (draft.content, draft.hidden_data) == ("Thank you", {"a": 1})


def test_what_is_stored_is_not_replaced():
    """A stored message is edited."""
    assert replacement_of(click(Message(id="m1", channel_id="c1")), "x", None) is None
    assert replacement_of(Command(message=None, channel_id="c1"), "x", None) is None


def test_an_ephemeral_message_is_replaced_for_nobody_where_no_user_is_known():
    """Nothing is sent."""
    with pytest.raises(InvalidDraftError, match="no user"):
        replacement_of(click(user_id=None), "x", None)
