"""The public types as tools see them: `get_type_hints`, and cattrs there and back."""

from __future__ import annotations

import datetime
import importlib
import inspect
import json
import typing

import attrs
import cattrs
import pytest
from cattrs.preconf.json import make_converter

from twake_async import (
    Attempt,
    Check,
    Connections,
    Delivery,
    JournalEntry,
    Message,
    MessageDraft,
    MessageRef,
    NotSentError,
    Outcome,
    Pause,
    Progress,
    Reaction,
    RetryBudget,
    RetryPolicy,
    Stats,
    TwakeError,
    events,
    twacode,
)
from twake_async.sandbox import PostedEvent, ReceivedRequest
from twake_async.twacode import Bold, Content, Italic, UserSpecific

# What a user imports from; the other modules without an underscore hand their names on to the first.
MODULES = (
    "twake_async",
    "twake_async.twacode",
    "twake_async.sandbox",
    "twake_async.events",
    "twake_async.bot",
)


def public_things():
    """Give each public class and function once, with its name."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for one in getattr(module, "__all__", ()):
            thing = getattr(module, one)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found[f"{thing.__module__}.{one}"] = thing
    return found


def functions():
    """Give the public functions, and the public methods of the public classes."""
    for name, thing in public_things().items():
        if inspect.isfunction(thing):
            yield name, thing
            continue
        for key, value in vars(thing).items():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if inspect.isfunction(function) and (key == "__init__" or not key.startswith("_")):
                yield f"{name}.{key}", function


# httpx is imported with the first session, and the events with the first parser, so that a program
# that has none does not wait for them.
IMPORTED_LATE = {
    "twake_async.session.TwakeSession.__init__": "httpx",
    "twake_async.session.TwakeSession.observe": "Event",
    "twake_async.session.TwakeSession.event_parser": "Parser",
    "twake_async.sandbox._sandbox.Sandbox.transport": "httpx",
}
CLASSES = {name: thing for name, thing in public_things().items() if inspect.isclass(thing)}


@pytest.mark.parametrize("name", CLASSES)
def test_the_types_of_each_public_class_resolve(name):
    """For `typing.get_type_hints`, and for attrs, on which cattrs stands."""
    hints = typing.get_type_hints(CLASSES[name])
    if attrs.has(CLASSES[name]):
        attrs.resolve_types(CLASSES[name])
        fields = attrs.fields(CLASSES[name])
        assert {field.name for field in fields} <= hints.keys()
        assert not [field.name for field in fields if isinstance(field.type, str)]


@pytest.mark.parametrize(("name", "function"), list(functions()))
def test_the_types_of_each_public_function_resolve(name, function):
    """For tools that read signatures: runtime checkers, dependency containers, form builders."""
    if name in IMPORTED_LATE:
        with pytest.raises(NameError, match=IMPORTED_LATE[name]):
            typing.get_type_hints(function)
    else:
        typing.get_type_hints(function)


# cattrs

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
DRAFT = MessageDraft(
    "c",
    ["x", {"type": "bold", "content": "y"}],
    parent_message_id="p",
    front_id="f",
    hidden_data={"a": [1, None]},
    pinned=True,
    ephemeral=True,
    ephemeral_to=["u", "v"],
    user_specific=[{"user_id": "u", "modifiers": {"k": "z"}}],
    extra={"more": {"b": 1.5}},
)
MESSAGE = Message(
    id="m",
    content={"prepared": ["x"]},
    hidden_data={"a": 1},
    reactions={":+1:": Reaction(("u",), 1)},
    creation_date=NOW,
    modification_date=NOW,
    user_specific_content={"u": {"k": "z"}},
    extra={"more": [1]},
)
DELIVERY = Delivery(DRAFT, Outcome.DELIVERED, MESSAGE, attempts=1, key="1")
VALUES = [
    MessageRef("c", "m", "p"),
    MessageDraft("c", "x"),
    DRAFT,
    Reaction(("u", "v"), 2),
    Message(id="m"),
    MESSAGE,
    RetryPolicy(attempts=2, on_unknown="resend"),
    RetryBudget(10.0, 0.5),
    Attempt(1, Outcome.UNKNOWN, "lost", 0.5, 0.1, "f"),
    Connections(1, 2, 3, "connect"),
    Stats(1, 0, 2, 0, {Outcome.NOT_SENT: {"dns": 2}}, 3, 0, Connections(0, 1, 0), 0.5, 9.0, 1.5),
    Check("", "all is well", "2020"),
    DELIVERY,
    Progress(DELIVERY, {Outcome.DELIVERED: 1, Outcome.UNKNOWN: 0}, 1),
    Pause("gateway", 1.5, is_over=False),
    JournalEntry("1", "hash", "c", "f", 1, 2.0, Outcome.REFUSED, "group", ended=3.0),
    UserSpecific("u", {"k": "z"}),
    twacode.Option("name", "value"),
    twacode.Marker("**", "**"),
    ReceivedRequest("POST", "/api", 200, {"a": [1]}),
    PostedEvent("hook", "new_message", 200, 0.1, event={"data": {"a": [1]}}, body=b"{}"),
    events.Event(type="x", name="y", api="node", message=None, raw={"content": {"a": [1]}}),
    events.NewMessage(message=MESSAGE, origin="server", signed=True),
    events.MessageChanged(message=MESSAGE),
    events.MessageRemoved(message=MESSAGE),
    events.Command(command="a; b", message=MESSAGE, user_id="u", connection_id="c"),
    events.Opened(from_icon=True, message=None),
    events.MenuAction(message=MESSAGE, group_id="g", workspace_id="w", channel_id="c"),
    events.ButtonClick(action_id="a", form={"b": 1}, context={"c": []}, message=MESSAGE),
    events.Configure(place="channel", message=None),
    events.ConfigurationClick(action_id="a", hidden_data={"b": 1}, message=None),
    events.ResourceAdded(resource_id="r", resource_type="channel", message=None),
    events.ResourceRemoved(resource_id="r", resource_type="channel", message=None),
]


def test_each_public_class_of_attrs_has_a_value_here():
    """Nodes of twacode are trees of each other: they have `encode` and `decode`."""
    public = {thing for thing in CLASSES.values() if attrs.has(thing)}
    nodes = {thing for thing in public if issubclass(thing, twacode.Node)} | {twacode.Portable}
    assert public - nodes == {type(value) for value in VALUES}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_cattrs_takes_each_public_class_apart_and_puts_it_together(value):
    """The JSON that the standard converter makes gives the same value again."""
    converter = make_converter()
    text = converter.dumps(value)
    again = converter.loads(text, type(value))
    assert type(again) is type(value)
    assert converter.dumps(again) == text
    assert json.loads(text)


def test_an_error_needs_a_hook_as_every_exception_does():
    """An exception is no data; one line leaves it unchanged."""
    converter = cattrs.Converter()
    converter.register_structure_hook(TwakeError, lambda error, _: error)
    error = NotSentError("no", reason="dns")
    delivery = Delivery(MessageDraft("c", "x"), Outcome.NOT_SENT, error=error)
    again = converter.structure(converter.unstructure(delivery), Delivery)
    assert (again.outcome, again.error) == (Outcome.NOT_SENT, error)
    assert again.draft.content == "x"


def test_a_node_needs_encode_and_decode():
    """Two hooks, and the nodes of a draft's content and updates are the JSON that is sent."""
    converter = make_converter()
    converter.register_unstructure_hook(twacode.Node, twacode.encode)
    converter.register_structure_hook(twacode.Node, lambda value, _: twacode.decode(value))
    draft = MessageDraft("c", Content("a", Bold(Italic("b"))))
    text = converter.dumps(draft)
    assert converter.loads(text, MessageDraft).content == twacode.encode(draft.content)
    update = UserSpecific("u", {"k": Bold("x")})
    assert converter.loads(converter.dumps(update), UserSpecific) == update
