"""The requests: a save and a remove, each with what its answer proves. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from twake_async._protocol.answer_limit import answer_limit
from twake_async._protocol.documents import add_words, mismatch
from twake_async.errors import OutcomeUnknownError, RefusedError, TwakeError
from twake_async.messages import Message

from .answers import read_answer
from .api import FRONT_ID, MARKER, Api, Token
from .decode import decode_message
from .same import is_same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async._protocol.exchange import Answer, Context, Failure, Steps
    from twake_async.messages import MessageDraft


__all__ = ["Place", "Remove", "Save", "Session", "finds", "is_proof"]

# The likely causes of a failure of the server, as recorded. Each may have another cause.
_GONE = (
    "the server answers so if the message is gone, or is in another thread: a reply is found only "
    "with parent_message_id"
)
_NO_THREAD = (
    "the server answers so if the thread does not exist: parent_message_id must be the id of the "
    "root message of a thread"
)
_NOT_OURS = "the server also answers so if the message belongs to another sender"


class Session(Protocol):
    """Logs in, looks for messages and joins threads, for all sends of a session."""

    def steps_of_save(self, save: Save, /) -> Steps[Message]:
        """Return the steps around the attempts of a save."""
        ...

    def steps_of_remove(self, remove: Remove, /) -> Steps[None]:
        """Return the steps around the attempts of a remove."""
        ...

    def steps_of_call(self, call: Bearer, /) -> Steps[Any]:
        """Return the steps around the attempts of a call that stores no message."""
        ...


class Bearer(Protocol):
    """A request with an access token that says who sends it."""

    @property
    def used(self) -> Token | None:
        """The access token that the last attempt was sent with."""
        ...


def _show_size(body: bytes) -> str:
    return f"<{len(body)} bytes>"


@attrs.define(unsafe_hash=True)
class Place:
    """Where a message stands."""

    company: str
    channel: str
    workspace: str
    thread: str
    """The thread that it is a reply in; `""` for the first message of a thread."""


@attrs.define(eq=False)
class Save:
    """A request that saves a message: a new one, an edit, or one that is only shown."""

    path: str
    body: bytes = attrs.field(repr=_show_size)
    operation: Literal["create", "edit", "ephemeral"]
    draft: MessageDraft = attrs.field(repr=False)
    fields: Mapping[str, Any] = attrs.field(repr=False)
    """The message as it is sent."""
    place: Place
    api: Api = attrs.field(repr=False)
    session: Session | None = attrs.field(default=None, repr=False)
    used: Token | None = attrs.field(default=None, init=False, repr=False)
    """The access token that the last attempt was sent with."""

    method = "POST"

    @property
    def front_id(self) -> str | None:
        """The `front_id` of a message that is not an edit."""
        if self.operation == "edit":
            return None
        front_id: str = self.fields["context"][FRONT_ID]
        return front_id

    @property
    def channel_id(self) -> str | None:
        """The channel of the message."""
        return self.place.channel

    @property
    def target(self) -> str | None:
        """The message that it is about: the edited one, or the ephemeral one that it replaces."""
        return self.draft.id or self.draft.ephemeral_id

    @property
    def repeatable(self) -> bool:
        """Whether it is idempotent. A create is not, even with a `front_id`."""
        return self.operation == "edit"

    @property
    def answer_limit(self) -> int:
        """The most bytes that the body of an answer may have."""
        return answer_limit(self.body)

    @property
    def steps(self) -> Steps[Message] | None:
        """What a session does for it around its attempts."""
        return None if self.session is None else self.session.steps_of_save(self)

    @property
    def is_reply(self) -> bool:
        """Whether it adds a message to a thread."""
        return self.operation != "edit" and bool(self.place.thread)

    @property
    def evidence(self) -> Mapping[str, str]:
        """The id in the context that was minted for this message: no other message has it."""
        context = self.fields["context"]
        name = MARKER if MARKER in context else FRONT_ID
        return {name: context[name]}

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it: the current token."""
        self.used = token = self.api.token
        return () if token is None else (token.header,)

    def judge(self, answer: Answer | Failure, context: Context) -> Message | TwakeError:
        """Return the message that an answer proves delivered, or the error that it means."""
        document = read_answer(
            answer, self.path, self.answer_limit, self.api, context, is_reply=self.is_reply
        )
        if isinstance(document, TwakeError):
            return self._with_cause(document)
        found = document.get("resource")
        if not isinstance(found, dict):
            return mismatch("holds no message")
        if self.operation == "edit":
            return self._judge_edit(found)
        if self.operation == "ephemeral":
            return self._judge_ephemeral(found)
        return self._judge_create(found, context)

    def _with_cause(self, error: TwakeError) -> TwakeError:
        """Return the error with the likely cause of a server's failure in its message."""
        if error.reason != "server_error" or not (self.operation == "edit" or self.is_reply):
            return error
        return add_words(error, _GONE if self.operation == "edit" else _NO_THREAD)

    def _judge_create(self, found: Mapping[str, Any], context: Context) -> Message | TwakeError:
        name, message = found.get("id"), found
        if not self.place.thread:
            message = found.get("message") or {}
        if not (isinstance(name, str) and name and isinstance(message, dict)):
            return mismatch("names no message")
        if message.get("id") != name or not self._is_ours(message):
            return mismatch("is not about this message")
        if self.place.thread and message.get("thread_id") != self.place.thread:
            return mismatch("is about another thread")
        if name == context.seen:
            # The connection's last answer named it: the same front_id was given twice.
            return mismatch("names a message that existed before")
        result = decode_message(message)
        return attrs.evolve(result, maybe_duplicated=True) if context.in_doubt else result

    def _is_ours(self, message: Mapping[str, Any]) -> bool:
        """Say whether a message has the ids that this one was sent with."""
        sent, shown = self.fields["context"], message.get("context")
        if not isinstance(shown, dict) or shown.get(FRONT_ID) != sent[FRONT_ID]:
            return False
        return MARKER not in sent or shown.get(MARKER) == sent[MARKER]

    def _judge_edit(self, found: Mapping[str, Any]) -> Message | TwakeError:
        if found.get("id") != self.draft.id:
            return mismatch("is not about this message")
        if all(is_same(value, found.get(name)) for name, value in self._shown()):
            return decode_message(found)
        # An edit of another sender's message changes only its `updated_at`. The
        # `application_id` of a user's message is null.
        if "application_id" in found and not self.api.is_ours(found):
            return RefusedError(
                "the message is not this application's, so the server did not change it",
                reason="owner",
                status=200,
            )
        return mismatch("shows other content than was sent")

    def _shown(self) -> list[tuple[str, Any]]:
        """Return the fields of an edit that its answer shows."""
        names = ("text", "blocks", "context", "override")
        return [(name, self.fields[name]) for name in names if name in self.fields]

    def _judge_ephemeral(self, found: Mapping[str, Any]) -> Message | TwakeError:
        """Return the ephemeral message that an answer proves shown: the server gives it no id."""
        sent, place = self.fields["ephemeral"], self.place
        if not (self._echoes(found) if place.thread else found == {"message": None}):
            return mismatch("is not about this message")
        return Message(
            id=sent["id"],
            front_id=self.front_id or "",
            channel_id=place.channel,
            parent_message_id=place.thread,
            content=self.draft.content,
            hidden_data=self.draft.hidden_data or {},
            ephemeral_id=sent["id"],
            workspace_id=place.workspace,
        )

    def _echoes(self, found: Mapping[str, Any]) -> bool:
        """Say whether an answer shows the ephemeral message: its version was minted for it."""
        sent, shown = self.fields["ephemeral"], found.get("ephemeral")
        return isinstance(shown, dict) and all(
            shown.get(name) == sent[name] for name in ("id", "version")
        )

    def named_by(self, result: Message) -> str | None:
        """Return the id of the message that an answer named and proved delivered, or None.

        The answer to an ephemeral message at the root names none.
        """
        if self.operation == "ephemeral" and not self.place.thread:
            return None
        return result.id

    def text_was_cut(self, message: Message) -> bool:  # noqa: ARG002
        """Return False: this API keeps texts whole."""
        return False

    def landed_at_root(self, message: Message) -> bool:  # noqa: ARG002
        """Return False: this API refuses a reply whose thread it does not know."""
        return False


def finds(markers: Mapping[str, str], found: Mapping[str, Any]) -> bool:
    """Say whether a message that a server answered has the markers of one that was sent."""
    context = found.get("context")
    return isinstance(context, dict) and all(
        context.get(name) == value for name, value in markers.items()
    )


def is_proof(evidence: Mapping[str, str], found: Mapping[str, Any]) -> bool:
    """Say whether a message has the id that was minted for the one that was sent.

    The caller knows a minted `front_id`, and may send another message with it. Such a message also
    has a marker.
    """
    if not finds(evidence, found):
        return False
    return MARKER in evidence or MARKER not in found["context"]


@attrs.define(eq=False)
class Remove:
    """A request that removes a message."""

    path: str
    target: str
    """The message that it is about."""
    api: Api = attrs.field(repr=False)
    session: Session | None = attrs.field(default=None, repr=False)
    channel_id: str | None = None
    used: Token | None = attrs.field(default=None, init=False, repr=False)
    """The access token that the last attempt was sent with."""

    method = "POST"
    body = b"{}"
    answer_limit = 4_194_304
    operation = "remove"
    front_id = None
    repeatable = True

    @property
    def steps(self) -> Steps[None] | None:
        """What a session does for it around its attempts."""
        return None if self.session is None else self.session.steps_of_remove(self)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it: the current token."""
        self.used = token = self.api.token
        return () if token is None else (token.header,)

    def judge(self, answer: Answer | Failure, context: Context) -> TwakeError | None:
        """Return None if an answer proves that the server accepted it, otherwise the error.

        The server gives the same answer for a message that never existed.
        """
        document = read_answer(answer, self.path, self.answer_limit, self.api, context)
        if isinstance(document, OutcomeUnknownError) and document.reason == "server_error":
            return add_words(document, _NOT_OURS)
        if isinstance(document, TwakeError):
            return document
        return None if document == {"status": "success"} else mismatch("is about something else")

    def named_by(self, result: None) -> None:
        """Return None: the answer to a remove names no message."""
