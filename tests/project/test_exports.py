"""The public face: exactly these names, each documented."""

import importlib
import inspect

import pytest

import twake_async

# A name is added here on purpose, and taken away with a line in the changelog.
EXPECTED = [
    "Attempt",
    "AuthenticationError",
    "Check",
    "ConfigurationError",
    "Connections",
    "Delivery",
    "EmptyFileWarning",
    "InvalidDraftError",
    "InvalidGroupError",
    "Journal",
    "JournalEntry",
    "JournalError",
    "Message",
    "MessageDraft",
    "MessageRef",
    "MissingCapabilityError",
    "NotFoundError",
    "NotSentError",
    "Outcome",
    "OutcomeUnknownError",
    "Pause",
    "Progress",
    "RateLimitedError",
    "Reaction",
    "RefusedError",
    "ReplyAtRootWarning",
    "ReplyTarget",
    "RetryBudget",
    "RetryPolicy",
    "SessionClosedError",
    "Stats",
    "TextCutWarning",
    "TwakeError",
    "TwakeSession",
    "WrongEventLoopError",
]
PUBLIC_ROOMS = ("check", "deliveries", "errors", "journal", "messages", "retry", "session", "stats")

# Classes that modules pass to each other, and that users do not use.
BETWEEN_ROOMS = {"Counters", "Tokens"}


def test_the_face_is_what_was_agreed():
    """A name that appears or disappears does so on purpose, and in order."""
    assert list(twake_async.__all__) == EXPECTED == sorted(EXPECTED)


def test_nothing_else_is_public():
    """Whatever else the package holds is a room, or starts with an underscore."""
    public = {name for name in vars(twake_async) if not name.startswith("_")}
    rooms = {name for name in public if inspect.ismodule(getattr(twake_async, name))}
    assert public - rooms == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_name_is_documented_and_at_home_in_a_room(name: str):
    """A name resolves to a class with a docstring of its own, defined in a public room."""
    found = getattr(twake_async, name)
    assert inspect.isclass(found)
    assert found.__module__.removeprefix("twake_async.") in PUBLIC_ROOMS
    own = found.__dict__.get("__doc__")
    assert own
    assert not own.startswith(f"{name}("), "attrs or enum wrote this one, not a person"


@pytest.mark.parametrize("name", EXPECTED)
def test_every_public_member_is_documented(name: str):
    """Each method and property that a class of the face defines says what the caller gets."""
    found = getattr(twake_async, name)
    members = {
        key: value
        for key, value in vars(found).items()
        if not key.startswith("_")
        and isinstance(value, property | classmethod | staticmethod | type(lambda: None))
    }
    undocumented = [key for key, value in members.items() if not inspect.getdoc(value)]
    assert undocumented == []


@pytest.mark.parametrize("room", PUBLIC_ROOMS)
def test_every_public_class_of_a_public_room_is_on_the_face(room: str):
    """Nothing that a user meets has to be imported from deeper than the package."""
    module = importlib.import_module(f"twake_async.{room}")
    public = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert public - BETWEEN_ROOMS <= set(EXPECTED)
