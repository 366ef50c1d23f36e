"""The requests: a save and a remove, each with what its answer proves. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._protocol.answer_limit import answer_limit
from twake_async._protocol.documents import mismatch
from twake_async.errors import TwakeError

from .answers import read_answer
from .api import DEFAULT_API, REMOVE, SAVE, Api
from .causes import Sent, name_cause, name_cause_of_remove
from .decode import decode_message, shown_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._protocol.exchange import Answer, Context, Failure, Steps
    from twake_async.messages import Message

__all__ = ["Remove", "Save"]


def _show_size(body: bytes) -> str:
    return f"<{len(body)} bytes>"


@attrs.define  # made for each send, and so not frozen
class Save:
    """A request that saves a message: a new one, an edit, or one that is only shown."""

    body: bytes = attrs.field(repr=_show_size)
    operation: Literal["create", "edit", "ephemeral"]
    front_id: str | None
    target: str | None
    """The message that it is about: the edited one, or the ephemeral one that it replaces."""
    text: str | None = attrs.field(default=None, repr=False)
    """A text that was sent as the bare string; None otherwise."""
    content: Any = attrs.field(default=None, repr=False, eq=False)
    """The content of an edit, as it was sent; None otherwise."""
    api: Api = attrs.field(default=DEFAULT_API, repr=False, eq=False)
    steps: Steps[Message] | None = attrs.field(default=None, repr=False, eq=False)
    """The steps that find the event about a new message; None if events are not observed."""
    channel_id: str = ""
    thread: str | None = None
    """The message that it replies to, or whose reply it edits; None at the root."""

    method = "POST"
    path = SAVE

    @property
    def repeatable(self) -> bool:
        """Whether it is idempotent. A create is not, even with a `front_id`."""
        return self.operation == "edit"

    @property
    def answer_limit(self) -> int:
        """The most bytes that the body of an answer may have."""
        return answer_limit(self.body)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it."""
        return self.api.headers()

    def judge(self, answer: Answer | Failure, context: Context) -> Message | TwakeError:
        """Return the message that an answer proves delivered, or the error that it means."""
        document = read_answer(answer, SAVE, self.answer_limit, self.api, context)
        if isinstance(document, TwakeError):
            return self._with_cause(document, answer)
        found = document.get("object")
        if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
            return self._with_cause(mismatch("names no message"), answer)
        if not self._is_ours(found):
            return mismatch("is not about this message")
        if self.operation == "create" and found["id"] == context.seen:
            # The connection's last answer named it: the same front_id was given twice.
            return mismatch("names a message that existed before")
        message = decode_message(found)
        if context.in_doubt and not self.repeatable:
            return attrs.evolve(message, maybe_duplicated=True)
        return message

    def _with_cause(self, error: TwakeError, answer: Answer | Failure) -> TwakeError:
        sent = Sent(self.operation, self.channel_id, self.thread, self.body)
        return name_cause(error, answer, sent)

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        if self.operation == "edit":
            return bool(found["id"] == self.target)
        if found.get("front_id") == self.front_id:
            return True
        return self.operation == "ephemeral" and self._is_shown(found)

    def _is_shown(self, found: Mapping[str, Any]) -> bool:
        """Say whether an answer that has another `front_id` is about this ephemeral message."""
        # The answer to a replacement has the id of the replaced message (wire case 11).
        names = (found["id"], found.get("front_id"), found.get("ephemeral_id"))
        if self.target is not None and self.target in names:
            return True
        # Since mid-2021 the answer's `front_id` is the id. Ours is only in the hidden data (10b of
        # 2023).
        hidden = found.get("hidden_data")
        return isinstance(hidden, dict) and hidden.get("_front_id") == self.front_id

    def named_by(self, result: Message) -> str | None:
        """Return the id of the message that an answer named and proved delivered, or None.

        An answer with other content than was sent may be the answer to another edit. The server
        also changes some content itself, so this proves nothing about the outcome.
        """
        if self.operation == "edit" and shown_content(self.content) != result.content:
            return None
        return result.ephemeral_id or result.id

    def text_was_cut(self, message: Message) -> bool:
        """Say whether the answer shows that the server kept only the start of a plain text.

        Source: v2023.Q1.1223 on PHP 7.1 takes the first character of a string for the whole.
        """
        text, content = self.text, message.content
        if text is None or content == text or not isinstance(content, dict):
            return False
        parts = (content.get("original_str"), content.get("fallback_string"))
        prepared = content.get("prepared")
        return len(text) > 1 and text not in (*parts, prepared) and prepared != [text]

    def landed_at_root(self, message: Message) -> bool:
        """Say whether the server dropped the parent of a new reply and shows it at the root.

        Source: an unknown or foreign parent, and a reply as the parent (wire cases 05).
        """
        return bool(self.thread) and self.operation != "edit" and not message.parent_message_id


@attrs.frozen
class Remove:
    """A request that removes a message."""

    body: bytes = attrs.field(repr=_show_size)
    target: str
    """The message that it is about."""
    api: Api = attrs.field(default=DEFAULT_API, repr=False, eq=False)
    channel_id: str | None = None

    method = "POST"
    path = REMOVE
    operation = "remove"
    front_id = None
    repeatable = True
    steps = None

    @property
    def answer_limit(self) -> int:
        """The most bytes that the body of an answer may have."""
        return answer_limit(self.body)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it."""
        return self.api.headers()

    def judge(self, answer: Answer | Failure, context: Context) -> TwakeError | None:
        """Return None if an answer proves that the server accepted it, otherwise the error."""
        document = read_answer(answer, REMOVE, self.answer_limit, self.api, context)
        if isinstance(document, TwakeError):
            return name_cause_of_remove(document, answer)
        result = document.get("result")
        if isinstance(result, dict) and result.get("id") == self.target:
            return None
        return mismatch("is not about this message")

    def named_by(self, result: None) -> None:
        """Return None: the answer to a remove echoes the request, and names nothing of its own."""
