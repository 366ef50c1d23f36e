"""Writes a pytest test that repeats what happened, with the fixtures of the SDK."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._faults.names import FORMS, REFUSALS
from twake_async.sandbox._releases.server import NODE_RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._faults.fault import Fault

__all__ = ["Tests"]

_NOT_JOINED = "You can't post in this thread"
"""The answer of a Node server of 2023 until the session takes part in the thread."""
_ERRORS = {"REFUSED": "RefusedError", "UNKNOWN": "OutcomeUnknownError"}
_THREAD = re.compile(r"/threads/([^/]+)/messages(?:/([^/]+)(/delete)?)?$")


@define(frozen=True, slots=True)
class Tests:
    """Writes the tests for a sandbox."""

    release: str
    channel_id: str
    """The first channel, which a test names by `twake_sandbox.channel_id`."""
    people: Mapping[str, str]
    """The names of the people by id."""

    # A request of the SDK

    def of_request(
        self, path: str, asked: Any, answered: Any, fault: Fault | None, outcome: str
    ) -> str:
        """Return the test that sends the same; "" if the request is not about a message.

        Args:
            path: The path of the request.
            asked: The body of the request, as the page shows it.
            answered: The body of the answer, as the page shows it.
            fault: The fault that the request met.
            outcome: The outcome that the sender knows from the answer.

        """
        found = self._send(path, asked) if outcome else None
        if found is None:
            return ""
        before, call = found
        lines = [*before, *([] if fault is None else [_asking_for(fault)])]
        is_found = self.release in NODE_RELEASES and fault is not None and fault.stores
        goes_on = is_found or _NOT_JOINED in str(answered)  # a second look, or a second try
        error = None if goes_on else _ERRORS.get(outcome)
        if error is None:
            return self._test(
                ["async def test_a_message(twake_sandbox, twake_session):"], lines, call
            )
        imports = [
            "import pytest",
            "",
            f"from twake_async import {error}, RetryPolicy",
            "",
            "",
        ]
        head = [*imports, "async def test_a_message(twake_sandbox, twake_session):"]
        call = f"    {call[:-1]}, retry=RetryPolicy.never())"
        return self._test(head, [*lines, f"with pytest.raises({error}):"], call)

    def _test(self, head: list[str], lines: list[str], last: str) -> str:
        if self.release != "2020":
            marker = f'@pytest.mark.twake(release="{self.release}")'
            head = [*head[:-1], marker, head[-1]]
            if "import pytest" not in head:
                head = ["import pytest", "", "", *head]
        return "\n".join([*head, *(f"    {line}" for line in [*lines, last])]) + "\n"

    def _send(self, path: str, asked: Any) -> tuple[list[str], str] | None:
        """Return the lines that must come before a call, and the call."""
        if not isinstance(asked, dict):
            return None
        if path.startswith("/api/v1/messages/"):
            return self._send_v1(path, asked.get("message"))
        found = _THREAD.search(path)
        if found is None:
            return self._send_node(asked)
        if found[3]:
            return [_A_MESSAGE], "await twake_session.remove_message(message)"
        content = _content_of_node(asked.get("resource"))
        if found[2]:
            return [_A_MESSAGE], f"await twake_session.edit_message(message, {content})"
        return [_A_QUESTION], _REPLY.format(content=content)

    def _send_v1(self, path: str, message: Any) -> tuple[list[str], str] | None:
        if not isinstance(message, dict):
            return None
        if path.startswith("/api/v1/messages/remove"):
            return [_A_MESSAGE], "await twake_session.remove_message(message)"
        content = _written(message.get("content"))
        if message.get("id"):
            return [_A_MESSAGE], f"await twake_session.edit_message(message, {content})"
        if message.get("parent_message_id"):
            return [_A_QUESTION], _REPLY.format(content=content)
        channel = self._channel(message.get("channel_id"))
        return [], f"await twake_session.send_message({channel}, {content})"

    def _send_node(self, asked: Mapping[str, Any]) -> tuple[list[str], str] | None:
        options = asked.get("options")
        message = options.get("message") if isinstance(options, dict) else None
        if not isinstance(message, dict):
            return None
        resource = asked.get("resource")
        places = resource.get("participants") if isinstance(resource, dict) else None
        ids = [one.get("id") for one in places or [] if isinstance(one, dict)]
        channel = self._channel(ids[0] if ids else None)
        return [], f"await twake_session.send_message({channel}, {_content_of_node(message)})"

    def _channel(self, channel_id: Any) -> str:
        is_first = str(channel_id).lower() == self.channel_id.lower()
        return "twake_sandbox.channel_id" if is_first or not channel_id else repr(str(channel_id))

    # An event that a person made

    def of_event(self, event: Mapping[str, Any], command: str) -> str:
        """Return the test in which a person does the same; "" if no person caused the event.

        Args:
            event: The event, as the page shows it.
            command: The name of the command of the application.

        """
        content = event.get("data", event.get("content"))
        call = self._act(event, content, command) if isinstance(content, dict) else None
        if call is None:
            return ""
        lines = [
            *self._before(event, call, content),
            f"await twake_sandbox.{call}",
            "await bot.wait_idle()",
        ]
        head = [
            "# The fixture `bot` connects your bot to the sandbox: see the page on testing.",
            "async def test_the_bot(twake_sandbox, twake_session, bot):",
        ]
        return self._test(head, lines, "assert twake_sandbox.posted[-1].status == 200")

    def _before(self, event: Mapping[str, Any], call: str, content: Mapping[str, Any]) -> list[str]:
        """Return the lines that must come before an act: a message, or a window of the bot."""
        if event.get("type") == "interactive_configuration_action":
            return ['await twake_sandbox.configure("channel")', "await bot.wait_idle()"]
        if "(message" not in call:
            return []
        message = content.get("message")
        given = message if isinstance(message, dict) else {}
        shown = _content_of_node(given) if "blocks" in given else _written(given.get("content"))
        return [f"message = await {_SEND.format(content=shown)}"]

    def _act(
        self, event: Mapping[str, Any], content: Mapping[str, Any], command: str
    ) -> str | None:
        kind, name = event.get("type"), event.get("event", event.get("name"))
        who = self._person(content)
        by = "" if who in (None, "alice") else f", user={who!r}"
        form = content.get("form")
        filled = f", form={form!r}" if isinstance(form, dict) and form else ""
        if kind == "hook":
            return self._typed(content)
        typed = f"/{command} {content.get('command', '')}".rstrip()
        calls: dict[tuple[Any, Any], str] = {
            ("action", "command"): f"type({typed!r}{by})",
            ("action", "open"): f"open_icon({by[2:]})",
            ("action", "action"): f"open_menu(message{by})",
            ("configuration", name): f"configure({str(name)!r}{by})",
            ("interactive_message_action", name): f"click(message, {str(name)!r}{by}{filled})",
            ("interactive_configuration_action", name): (
                f"configuration_click({str(name)!r}{by}{filled})"
            ),
        }
        return calls.get((kind, name))

    def _typed(self, content: Mapping[str, Any]) -> str | None:
        """Return the call that types the message of a hook; None if an application wrote it."""
        found = content.get("message")
        message = found.get("message", found) if isinstance(found, dict) else None
        if not isinstance(message, dict) or message.get("application_id"):
            return None
        who = self.people.get(str(message.get("sender") or message.get("user_id")).lower())
        text = message.get("text")
        if text is None and isinstance(message.get("content"), dict):
            text = message["content"].get("original_str")
        if who is None or not isinstance(text, str):
            return None
        return f"type({text!r}, user={who!r})"

    def _person(self, content: Mapping[str, Any]) -> str | None:
        user = content.get("user")
        found = user.get("id") if isinstance(user, dict) else None
        return self.people.get(str(found).lower())


_SEND = "twake_session.send_message(twake_sandbox.channel_id, {content})"
_A_MESSAGE = 'message = await twake_session.send_message(twake_sandbox.channel_id, "before")'
_A_QUESTION = 'question = twake_sandbox.say("a question")'
_REPLY = (
    "await twake_session.send_message(twake_sandbox.channel_id, {content}, "
    'parent_message_id=question["id"])'
)


def _written(content: Any) -> str:
    """Return a content as Python: a plain text as a string, any other content as it was sent."""
    if isinstance(content, dict):
        text = content.get("original_str")
        if content.get("prepared") == [text] and content.get("fallback_string") == text:
            return repr(text)
    return repr(content)


def _content_of_node(message: Any) -> str:
    """Return the content of a message of the Node API as Python."""
    if not isinstance(message, dict):
        return "''"
    text, blocks = message.get("text"), message.get("blocks")
    block = blocks[0] if isinstance(blocks, list) and blocks else None
    elements = block.get("elements") if isinstance(block, dict) else None
    return repr(text) if elements in (None, [], [text]) else repr(elements)


def _asking_for(fault: Fault) -> str:
    """Return the call that asks a sandbox for a fault."""
    later = "" if fault.retry_after is None else f", retry_after={fault.retry_after!r}"
    if fault.action == "late":
        return f"twake_sandbox.slow_next({fault.delay:g})"
    if fault.action in FORMS:
        return f"twake_sandbox.answer_next({fault.action!r})"
    if fault.action in REFUSALS or fault.action == 429:
        return f"twake_sandbox.refuse_next({fault.action!r}{later})"
    moment = "after_storing" if fault.stores else "before_storing"
    return f"twake_sandbox.fail_next({moment}={fault.action!r}{later})"
