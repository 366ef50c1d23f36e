"""What an event gives to the handler of a bot, and what a session knows of its application."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import pickle
import traceback

import attrs
import pytest

from twake_async import ConfigurationError, Message, Outcome, TwakeSession
from twake_async.events import ButtonClick, Command, ConfigurationClick, EventError, NewMessage

KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
HEADERS = {"content-type": "application/json"}


class Recorder:
    """Stands for a bot: keeps what it was asked to send."""

    def __init__(self):
        self.calls = []

    async def reply(self, event, content, **options):
        self.calls.append(("reply", event, content, options))
        return Message(id="1")

    async def update(self, event, content, **options):
        self.calls.append(("update", event, content, options))
        return Message(id="2")


def bound(event):
    responder = Recorder()
    object.__setattr__(event, "_responder", responder)
    return responder


@pytest.mark.parametrize(
    ("command", "word", "argument"),
    [
        ("", "", ""),
        ("  ", "", ""),
        ("close", "close", ""),
        (" close  7 8 ", "close", "7 8"),
        ("a;b  c", "a;b", "c"),
    ],
)
def test_a_command_is_a_word_and_its_argument(command, word, argument):
    """White space separates the two, as a person types it."""
    event = Command(message=None, command=command)
    assert (event.word, event.argument) == (word, argument)


@pytest.mark.parametrize("kind", [ButtonClick, ConfigurationClick])
@pytest.mark.parametrize(
    ("action_id", "action", "value"),
    [("vote", "vote", ""), ("vote:1", "vote", "1"), ("a:b:c", "a", "b:c"), ("", "", "")],
)
def test_an_action_id_is_an_action_and_its_value(kind, action_id, action, value):
    """The first colon separates the two."""
    event = kind(message=None, action_id=action_id)
    assert (event.action, event.value) == (action, value)


@pytest.mark.parametrize("call", ["reply", "update", "open"])
async def test_an_event_without_a_bot_says_what_to_use_instead(call):
    """The outcome of the error is `NOT_SENT`."""
    event = Command(message=None)
    with pytest.raises(ConfigurationError, match="did not come through a Bot") as caught:
        await getattr(event, call)("x")
    assert caught.value.outcome is Outcome.NOT_SENT
    wanted = {
        "reply": r"TwakeSession.reply\(event",
        "update": "edit_message",
        "open": "dialogs.open",
    }
    assert caught.match(wanted[call])


async def test_an_event_of_a_bot_hands_its_answers_to_the_bot():
    """The bot gets all arguments."""
    event = Command(message=None)
    responder = bound(event)
    assert (await event.reply("x", ephemeral=True, front_id="f", deadline=1)).id == "1"
    assert (await event.update("y", pinned=True, hidden_data={"a": 1})).id == "2"
    (_, first, content, options), (_, _, second, more) = responder.calls
    assert first is event
    assert (content, options["ephemeral"], options["front_id"], options["deadline"]) == (
        "x",
        True,
        "f",
        1,
    )
    assert (second, more["pinned"], more["hidden_data"]) == ("y", True, {"a": 1})


def test_the_bot_of_an_event_is_in_nothing_that_is_shown_compared_or_kept():
    """A copy belongs to no bot."""
    event, same = (NewMessage(message=Message(id="1"), channel_id="c") for _ in range(2))
    bound(event)
    assert event == same
    assert repr(event) == repr(same)
    for other in (
        pickle.loads(pickle.dumps(event)),
        copy.copy(event),
        copy.deepcopy(event),
        attrs.evolve(event, channel_id="c"),
    ):
        assert other == event
        assert type(other) is NewMessage
        assert other._responder is None


# --- the session ---------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v1", "node"])
def test_a_session_says_whose_it_is(api):
    """The id, the group, the API."""
    twake = TwakeSession("app", KEY, group_id="g1", api=api)
    assert (twake.public_id, twake.group_id, twake.api) == ("app", "g1", api)
    assert TwakeSession("app", KEY).group_id is None
    with pytest.raises(AttributeError):
        twake.public_id = "other"


def test_the_parser_of_a_session_checks_signatures_with_its_key():
    """Over Node a signature is required."""
    body = json.dumps({"type": "hook", "content": {}}).encode()
    right = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    parser = TwakeSession("app", KEY, api="node").event_parser()
    assert parser.parse(body, HEADERS | {"X-Twake-Signature": right}).signed
    with pytest.raises(EventError):
        parser.parse(body, HEADERS)
    lenient = TwakeSession("app", KEY, api="node").event_parser(require_signature=False)
    assert not lenient.parse(body, HEADERS).signed


def test_the_parser_of_a_session_over_v1_takes_what_has_no_signature():
    """v1 servers do not sign."""
    parser = TwakeSession("app", KEY).event_parser(remember=1)
    assert not parser.parse(b'{"type": "hook", "data": {}}', HEADERS).signed


def test_a_parser_that_cannot_be_made_shows_no_key():
    """The traceback with the locals of each frame does not show it either."""
    twake = TwakeSession("app", KEY)
    with pytest.raises(ConfigurationError) as caught:
        twake.event_parser(remember=0)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(shown.format())
