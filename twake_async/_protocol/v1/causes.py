"""The likely causes of an answer that proves nothing, in words for a person. No I/O.

Each one was recorded. It changes no outcome: another cause may lead to the same answer.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import attrs

from twake_async._protocol.documents import add_words
from twake_async._protocol.exchange import Answer

if TYPE_CHECKING:
    from twake_async._protocol.exchange import Failure
    from twake_async.errors import TwakeError

__all__ = ["Sent", "name_cause", "name_cause_of_remove"]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: What PHP writes if it crashes and `display_errors` is on.
_FATAL = b"<b>Fatal error</b>"
#: What a server of mid-2021 or later answers where its Node service stored nothing.
_NOT_PERSISTED = b"ERROR with persist"
#: The longest channel that is quoted.
_MOST = 60

_NO_GROUP = (
    "group_id is not the id of a group, or the application is not installed there (servers of "
    "mid-2021 and later)"
)
_SLOW = "its message service was slow or failed"


@attrs.frozen
class Sent:
    """What a save asked for, as far as it may be the cause."""

    operation: str
    channel_id: str
    thread: str | None
    body: bytes

    @property
    def has_sender(self) -> bool:
        """Whether it names a user in whose name it is shown."""
        return bool(json.loads(self.body).get("message", {}).get("sender"))


def name_cause(error: TwakeError, answer: Answer | Failure, sent: Sent) -> TwakeError:
    """Return the error of a save, with the likely causes in its words.

    Args:
        error: What the answer proves.
        answer: The answer.
        sent: What was sent.

    """
    if not isinstance(answer, Answer):
        return error
    is_edit = sent.operation == "edit"
    if _crashed(answer):
        causes = [_NO_GROUP] if is_edit else _of_crash(sent)
    elif error.reason == "server_error":  # the words for whatever 2020 did not expect
        causes = [_gone(sent)] if is_edit else _not_a_channel(sent)
    elif error.reason == "unreadable" and _NOT_PERSISTED in answer.body:
        causes = [_no_channel(sent)]
    elif error.reason == "mismatch":  # it names no message
        causes = [_gone(sent) if is_edit else _unanswered(sent)]
    else:
        causes = []
    return _with(error, causes)


def name_cause_of_remove(error: TwakeError, answer: Answer | Failure) -> TwakeError:
    """Return the error of a remove, with the likely cause in its words."""
    is_crash = isinstance(answer, Answer) and _crashed(answer)
    return _with(error, [_NO_GROUP] if is_crash else [])


def _with(error: TwakeError, causes: list[str]) -> TwakeError:
    if not causes:
        return error
    return add_words(error, f"recorded servers answer so if {', or if '.join(causes)}")


def _crashed(answer: Answer) -> bool:
    """Say whether PHP crashed: an empty 500, or its message if `display_errors` is on."""
    return (answer.status == 500 and not answer.body.strip()) or (
        answer.status in (200, 500) and _FATAL in answer.body
    )


def _of_crash(sent: Sent) -> list[str]:
    """Return why PHP crashes at a new message (wire cases 16b, 19y; 21b of 2023)."""
    if named := _not_a_channel(sent):
        return named
    causes = [_no_channel(sent)]
    if sent.has_sender:
        causes.append("sender is not a member of the channel; then the message is stored")
    return [*causes, _NO_GROUP]


def _not_a_channel(sent: Sent) -> list[str]:
    return [] if _UUID.fullmatch(sent.channel_id) else [_no_channel(sent)]


def _no_channel(sent: Sent) -> str:
    if _UUID.fullmatch(sent.channel_id):
        return "channel_id is not the id of a channel"
    return (
        f"channel_id is not the id of a channel: {sent.channel_id[:_MOST]!r} is not a UUID, and "
        "every recorded server's channel ids are"
    )


def _gone(sent: Sent) -> str:
    """Return why an edit finds no message (wire cases 06d, 07b, 11c)."""
    where = (
        "is in another thread than that of parent_message_id"
        if sent.thread
        else "is a reply, found only with parent_message_id"
    )
    return f"the message is gone, is in another channel, or {where}"


def _unanswered(sent: Sent) -> str:
    return f"parent_message_id is not the id of a message, or if {_SLOW}" if sent.thread else _SLOW
