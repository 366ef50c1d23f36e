"""`parse`, which reads one event, and `Parser`, which reads all events of an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from twake_async._arguments import Hidden
from twake_async.errors import ConfigurationError

from ._actions import made
from ._checks import check_kind, check_signature, read_document
from ._errors import EventError
from ._events import Event, MessageChanged, NewMessage
from ._node import read_node
from ._rules import Rules, make_rules
from ._v1 import read_v1
from ._values import text

__all__ = ["Parser", "parse"]


def parse(
    body: bytes,
    headers: Mapping[str, str],
    *,
    api: Literal["v1", "node"] = "v1",
    private_api_key: str | None = None,
    require_signature: bool | None = None,
) -> Event:
    """Return the event that a server posted, without I/O and without memory.

    A `Parser` does the same, and remembers which messages were new.

    Args:
        body: The body of the request, byte for byte as it came.
        headers: The headers of the request, in any case.
        api: The generation of the server: `"v1"`, or `"node"` for servers of 2022 on.
        private_api_key: The application's private key, which Node servers sign with. It shows in
            no repr, error or traceback.
        require_signature: Whether a request without a signature is refused. None means: over
            `"node"` only, as v1 servers do not sign.

    Raises:
        EventError: It is not an event of this API; its `status` is the HTTP status to answer.
        ConfigurationError: An argument is wrong, or the key is missing.

    """
    key: Hidden[object] = Hidden(private_api_key)
    del private_api_key  # tracebacks may show locals
    return _read(body, headers, make_rules(api, key, require_signature=require_signature))


def _read(body: bytes, headers: Mapping[str, str], rules: Rules) -> Event:
    check_kind(body, headers)
    signed = check_signature(body, headers, rules)
    document = read_document(body)
    _check_form(document, rules.api)
    if rules.api == "v1":
        return read_v1(document, signed=signed)
    return read_node(document, signed=signed)


def _check_form(document: dict[str, Any], api: str) -> None:
    """Raise `EventError` for what is no event, and for an event of the other generation."""
    mine, other, named = (
        ("data", "content", '"node"') if api == "v1" else ("content", "data", '"v1"')
    )
    if text(document.get("type")) is None:
        raise EventError("the body is not an event: it has no type")
    if mine in document:
        return
    if other in document:
        raise EventError(f"the body is an event of the other API: api={named}")
    raise EventError(f"the body is not an event: it has no {mine}")


class Parser:
    """Reads the events of one application: holds its key, and remembers which messages were new.

    A hook of a Node server is a `NewMessage` only once for each message: the same id again is a
    `MessageChanged`. So a replay, or two changes within 0.5 seconds, make no second one. It
    remembers the last `remember` ids, of this process only.

    Args:
        api: The generation of the server: `"v1"`, or `"node"` for servers of 2022 on.
        private_api_key: As for `parse`.
        require_signature: As for `parse`.
        remember: How many ids of new messages to remember.

    Raises:
        ConfigurationError: An argument is wrong, or the key is missing.

    """

    __slots__ = ("_new", "_remember", "_rules")

    def __init__(
        self,
        *,
        api: Literal["v1", "node"] = "v1",
        private_api_key: str | None = None,
        require_signature: bool | None = None,
        remember: int = 10_000,
    ) -> None:
        key: Hidden[object] = Hidden(private_api_key)
        del private_api_key  # tracebacks may show locals
        if type(remember) is not int or remember < 1:
            raise ConfigurationError("remember must be an int of 1 or more", field="remember")
        self._rules = make_rules(api, key, require_signature=require_signature)
        self._remember = remember
        self._new: dict[str, None] = {}

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Return the event that a server posted.

        Args:
            body: The body of the request, byte for byte as it came.
            headers: The headers of the request, in any case.

        Raises:
            EventError: It is not an event of this API; its `status` is the HTTP status to answer.

        """
        event = _read(body, headers, self._rules)
        if isinstance(event, NewMessage) and event.api == "node":
            if event.message.id in self._new:
                return _changed(event)
            self._add(event.message.id)
        return event

    def _add(self, message_id: str) -> None:
        if len(self._new) >= self._remember:
            del self._new[next(iter(self._new))]  # the oldest
        self._new[message_id] = None


def _changed(event: NewMessage) -> MessageChanged:
    """Return a new message that was reported as new before as one that has changed."""
    names = [field.name for field in attrs.fields(NewMessage) if field.init]
    return made(MessageChanged, {name: getattr(event, name) for name in names}, user_id=None)
