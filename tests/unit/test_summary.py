"""The reprs of what people print: one short line, what matters first."""

from __future__ import annotations

import pytest

from twake_async import (
    Delivery,
    Message,
    MessageDraft,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
)
from twake_async.events import ButtonClick, Command, Event, NewMessage, ResourceAdded
from twake_async.twacode import Bold, Content

LONG = "word " * 1000
TREE = Content(*[Bold("word")] * 1000)
MESSAGE = Message(id="m1", channel_id="c1", content="Hello")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (MESSAGE, "<Message 'Hello' id=m1 channel=c1>"),
        (
            Message(
                id="m1",
                parent_message_id="m0",
                sender="u1",
                edited=True,
                pinned=True,
                ephemeral_id="e",
                maybe_duplicated=True,
            ),
            "<Message id=m1 parent=m0 sender=u1 edited pinned ephemeral maybe_duplicated>",
        ),
        (Message(id="m1", content={"prepared": ["a\n", {"type": "bold", "content": "b"}]}), r"<Message 'a\nb' id=m1>"),
        (MessageDraft("c1", "Hello"), "<MessageDraft 'Hello' channel=c1>"),
        (MessageDraft("c1"), "<MessageDraft channel=c1>"),
        (
            MessageDraft("c1", Bold("a"), hidden_data={"n": 1}, ephemeral=True, pinned=False, front_id="f"),
            "<MessageDraft Bold('a') channel=c1 front_id=f ephemeral hidden_data={'n': 1}>",
        ),
        (Delivery(MessageDraft("c1", "Hello"), Outcome.DELIVERED, MESSAGE), "<Delivery DELIVERED 'Hello' message=m1 channel=c1>"),
        (
            Delivery(MessageDraft("c1", "Hello"), Outcome.UNKNOWN, error=OutcomeUnknownError("why", reason="timeout"), attempts=3, key="7"),
            "<Delivery UNKNOWN 'Hello' reason=timeout channel=c1 key=7 attempts=3>",
        ),
        (
            Delivery({"channel_id": 7}, Outcome.REFUSED, error=RefusedError("why", reason="draft"), from_journal=True),
            "<Delivery REFUSED {'channel_id': 7} reason=draft from_journal>",
        ),
        (Delivery(MessageDraft("c1"), Outcome.DELIVERED, MESSAGE, key="a b"), "<Delivery DELIVERED message=m1 channel=c1 key='a b'>"),
        (
            ButtonClick(message=MESSAGE, action_id="vote:1", user_id="u1", channel_id="c1", form={"a": "b"}),
            "<ButtonClick 'vote:1' user=u1 channel=c1 message=m1 form={'a': 'b'}>",
        ),
        (Command(message=None, command="poll lunch", user_id="u1", signed=True), "<Command 'poll lunch' user=u1 signed>"),
        (NewMessage(message=MESSAGE), "<NewMessage 'Hello' message=m1>"),
        (ResourceAdded(message=None, resource_type="channel", resource_id="r1"), "<ResourceAdded 'channel' resource_id=r1>"),
        (Event(message=None, type="hook", name="own"), "<Event type=hook name=own>"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)  # fmt: skip
def test_a_repr_is_one_line_with_what_matters_first(value, line):
    """The outcome or the text, then the ids; what is not set is left out."""
    assert repr(value) == line


@pytest.mark.parametrize(
    "value",
    [
        Message(id="m" * 36, channel_id="c" * 36, content=LONG, hidden_data={"n": LONG}),
        MessageDraft("c" * 36, LONG, hidden_data={str(n): [LONG] * 9 for n in range(100)}),
        MessageDraft("c" * 36, TREE),
        MessageDraft("c" * 36, [{"type": "bold", "content": LONG}] * 100),
        Delivery(MessageDraft("c" * 36, LONG), Outcome.DELIVERED, MESSAGE, key=LONG),
        Delivery(LONG, Outcome.DELIVERED, MESSAGE),
        ButtonClick(message=MESSAGE, action_id=LONG, form={str(n): LONG for n in range(100)}),
        Command(message=None, command=LONG),
        TREE,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_long_content_makes_no_long_line(value):
    """Each text and each mapping is cut."""
    assert len(repr(value)) < 320
    assert "\n" not in repr(value)
