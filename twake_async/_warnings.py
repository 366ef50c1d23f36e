"""Warns of a message that was delivered, but not as it was asked for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ._log import log
from ._printable import printable
from .errors import ReplyAtRootWarning, TextCutWarning

if TYPE_CHECKING:
    from ._protocol.generation import SaveRequest
    from .messages import Message

__all__ = ["warn_of_delivery"]

_CUT = (
    "the server kept only the start of the text: give the session "
    'text_form="portable", which every release shows whole'
)
_AT_ROOT = (
    "the server shows the reply at the root of the channel, as its parent_message_id names no "
    "message at the root there: give the id of the thread's first message, or use reply()"
)
_TWICE = "message %s in %s may be there twice: an earlier attempt to send it ended unknown"


def warn_of_delivery(request: SaveRequest, message: Message) -> None:
    """Warn the caller of the session if a message is not as it was asked for.

    Args:
        request: The request that saved it.
        message: The message as the server has it.

    """
    if message.maybe_duplicated:
        log.warning(_TWICE, printable(message.id), printable(message.channel_id))
    if request.text_was_cut(message):
        _warn(_CUT, TextCutWarning)
    if request.landed_at_root(message):
        _warn(_AT_ROOT, ReplyAtRootWarning)


def _warn(words: str, category: type[UserWarning]) -> None:
    try:
        warnings.warn(words, category, stacklevel=5)  # the caller of the session
    except Exception:  # noqa: BLE001
        # A filter made an error of the warning, or showing it failed. The message is delivered
        # all the same.
        log.warning(words)
