"""The words with which this API refuses a request; add an entry here for a new word. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._protocol.node_errors import refused_by_node
from twake_async.errors import (
    AuthenticationError,
    InvalidGroupError,
    MissingCapabilityError,
    OutcomeUnknownError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.errors import TwakeError

__all__ = ["judge_words", "refused_arguments"]

_NO_GROUP = "you_need_to_provide_a_valid_group_id_field_in_any_api_request"

_NOT_INSTALLED = (
    "the server does not know this group, or the application is not installed in it: check group_id"
)

#: The value of `error` in the answer: the class, the reason and the message of its refusal.
_REFUSALS: dict[str, tuple[type[RefusedError], str, str]] = {
    "unknown_application_or_bad_private_key": (
        AuthenticationError,
        "authentication",
        (
            "the server does not know this public id with this private key; if both worked before, "
            "its database may fail for the moment: try again later"
        ),
    ),
    _NO_GROUP: (
        InvalidGroupError,
        "group",
        "the server does not know this group: check group_id",
    ),
    "you_do_not_have_this_set_of_required_capabilities": (
        MissingCapabilityError,
        "capability",
        "the application lacks a capability in this group, or is not installed in it",
    ),
    "you_do_not_have_this_set_of_required_privileges": (
        MissingCapabilityError,
        "capability",
        "the application lacks a privilege in this group",
    ),
}


#: What other routes than save and remove say before they write anything. A save never says it.
_ARGUMENTS: dict[str, str] = {
    "payload_error": (
        "the server refuses these arguments: check the ids of the workspace and of the user, who "
        "must be a member of the workspace"
    ),
    "missing_user_id": "the server was given no user_id",
    "missing_connection_id": "the server was given no connection_id",
    "invalid_token": "the server does not know this token, or it is older than an hour",
}


def refused_arguments(document: Mapping[str, Any]) -> RefusedError | None:
    """Return the refusal of a route other than save and remove, or None."""
    words = document.get("error")
    sentence = _ARGUMENTS.get(words) if isinstance(words, str) else None
    if sentence is None or document.keys() - {"error", "_cookies"}:
        return None
    return RefusedError(sentence, reason="arguments", status=200)


def judge_words(document: Mapping[str, Any]) -> TwakeError:
    """Return what a 200 with an `error` in its JSON proves."""
    if "statusCode" in document and (refused := refused_by_node(document)) is not None:
        return refused
    words = document["error"]
    known = _REFUSALS.get(words) if isinstance(words, str) else None
    if known is None or "object" in document:
        return OutcomeUnknownError(
            "the server answered with an error that covers everything it did not expect",
            reason="server_error",
            status=200,
        )
    kind, reason, sentence = known
    names = _missing(document)
    if kind is MissingCapabilityError and document.get("capabilities") == []:
        # A route that needs no capability names none: it found no installation in this group.
        kind, reason, _ = _REFUSALS[_NO_GROUP]
        sentence = _NOT_INSTALLED
    error = kind(sentence + (f": {', '.join(names)}" if names else ""), reason=reason, status=200)
    if isinstance(error, MissingCapabilityError):
        error.missing = names
    return error


def _missing(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the capabilities or privileges that the server names as missing."""
    missing = document.get("capabilities") or document.get("privileges") or ()
    return tuple(str(name) for name in missing) if isinstance(missing, list) else ()
