"""The protocol without the network: draft to request bytes, answer to message or error."""

from __future__ import annotations

import uuid
import zlib
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ._decode import decode_message
from ._json import PLAIN, Codec, check_json, dump, load
from .errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    SessionClosedError,
    TwakeError,
)
from .retry import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ._facts import Answer, Failure
    from .messages import Message, MessageDraft, MessageRef

__all__ = ["Prepared", "encode_remove", "encode_save", "judge", "judge_failure", "text_was_cut"]

SAVE = "/api/v1/messages/save"
REMOVE = "/api/v1/messages/remove"

Operation = Literal["create", "edit", "ephemeral", "remove"]


@attrs.frozen
class Prepared:
    """A request ready to be sent, and what its answer must speak of."""

    path: str
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    operation: Operation
    front_id: str | None
    target: str | None
    text: str | None = attrs.field(default=None, repr=False)
    codec: Codec = attrs.field(default=PLAIN, repr=False, eq=False)

    @property
    def repeatable(self) -> bool:
        """Whether it does no harm twice. A create is not, whatever its `front_id`."""
        return self.operation in ("edit", "remove")

    @property
    def answer_limit(self) -> int:
        """The most bytes that an answer to it can need: PHP may write a character as twelve."""
        return 4_194_304 + 12 * len(self.body)


# --- the way out -------------------------------------------------------------------------------


def check_group(group_id: object) -> str:
    if not isinstance(group_id, str) or not group_id or not group_id.isprintable():
        raise ConfigurationError(
            "group_id is missing or no id: give it to the session, to the call, or set "
            "TWAKE_GROUP_ID",
            field="group_id",
        )
    return group_id


def _content(draft: MessageDraft, text_form: str) -> Any:
    content = draft.content
    if content is None or (isinstance(content, str) and text_form == "plain"):
        return content
    if isinstance(content, str):
        return {"original_str": content, "fallback_string": content, "prepared": [content]}
    from .twacode import portable  # noqa: PLC0415 - plain text need not wait for its import

    return portable(content)


def _message_fields(draft: MessageDraft, front_id: str | None, content: Any) -> dict[str, Any]:
    given = {
        "channel_id": draft.channel_id,
        "content": content,
        "front_id": front_id,
        "parent_message_id": draft.parent_message_id or None,
        "id": draft.id,
        "sender": draft.sender,
        "hidden_data": draft.hidden_data,
        "pinned": draft.pinned,
        "_once_ephemeral_message": draft.ephemeral or None,
        "ephemeral_message_recipients": list(draft.ephemeral_to) or None,
        "ephemeral_id": draft.ephemeral_id,
        "_once_user_specific_update": _updates(draft),
    }
    # The server keeps what an edit omits, so what was not given must not be named.
    fields = {key: value for key, value in given.items() if value is not None}
    for key, value in draft.extra.items():
        if key in given:
            raise InvalidDraftError(
                f"extra[{key!r}] is a field of MessageDraft: give it there", field="extra"
            )
        fields[key] = value
    return fields


#: What the caller knows under another name than the server, for errors.
_DRAFT_NAMES = {"_once_user_specific_update": "user_specific"}


def _updates(draft: MessageDraft) -> Any:
    if not draft.user_specific:
        return None
    from .twacode import user_specific_update  # noqa: PLC0415 - as above

    return user_specific_update(draft.user_specific)


def encode_save(
    draft: MessageDraft, *, group_id: str | None, text_form: str = "plain", codec: Codec = PLAIN
) -> Prepared:
    """Return the request that saves the draft; a create gets its `front_id` here, once a send.

    Raises:
        ConfigurationError: There is no group.
        InvalidDraftError: A field cannot be sent as it is; the error names it.

    """
    group = check_group(group_id)
    operation: Operation = "edit" if draft.id is not None else "create"
    if draft.is_ephemeral:
        operation = "ephemeral"
    content = _content(draft, text_form)
    if operation != "edit" and not draft.content:
        raise InvalidDraftError("content is empty: a new message needs some", field="content")
    front_id = draft.front_id
    if front_id is None and operation != "edit":
        front_id = str(uuid.uuid4())
    fields = _message_fields(draft, front_id, content)
    for name, value in fields.items():
        if not isinstance(value, str):
            # Content that is no string is in the portable form by now; its wrapping does not count.
            inner = value["prepared"] if name == "content" else value
            check_json(_DRAFT_NAMES.get(name, name), inner)
    body = dump(
        {"group_id": group, "message": fields}, {"group_id": group, **fields}, _DRAFT_NAMES, codec
    )
    text = draft.content if text_form == "plain" and isinstance(draft.content, str) else None
    target = draft.id if operation == "edit" else draft.ephemeral_id
    return Prepared(SAVE, body, operation, front_id, target, text, codec)


def encode_remove(ref: MessageRef, *, group_id: str | None) -> Prepared:
    """Return the request that removes a message."""
    fields = {"channel_id": ref.channel_id, "id": ref.id}
    if ref.parent_message_id:
        fields["parent_message_id"] = ref.parent_message_id
    group = check_group(group_id)
    body = dump({"group_id": group, "message": fields}, {"group_id": group, **fields})
    return Prepared(REMOVE, body, "remove", None, ref.id)


# --- the way back ------------------------------------------------------------------------------


def judge(
    prepared: Prepared, answer: Answer, *, refused_statuses: Collection[int], now: float
) -> Message | TwakeError | None:
    """Return what an answer proves: a message (None for a remove), or the error to raise.

    Args:
        prepared: The request.
        answer: Its answer, as it came.
        refused_statuses: The statuses by which the caller's server says "later".
        now: The time of day in Unix seconds, for a `Retry-After` that is a date.

    """
    if answer.status != 200:
        return _judge_status(answer, refused_statuses, now)
    try:
        document = _document(_plain_body(answer, prepared.answer_limit), prepared.codec)
    except ValueError as wrong:
        return OutcomeUnknownError(
            f"the server answered 200 with what is no answer of Twake's: {wrong}",
            reason="unreadable",
            status=200,
        )
    if "error" in document:
        return _judge_words(document)
    if prepared.operation == "remove":
        return _judge_result(prepared, document.get("result"))
    return _judge_object(prepared, document.get("object"))


def _judge_status(answer: Answer, refused: Collection[int], now: float) -> TwakeError:
    status = answer.status
    if status in refused:
        later = RateLimitedError(
            f"the server answered {status}: come later", reason="later", status=status
        )
        later.retry_after = parse_retry_after(answer.header(b"retry-after"), now)
        return later
    if 300 <= status < 400:
        return RefusedError(
            f"the server redirects to {answer.header(b'location') or 'nowhere'!r}, which is never "
            "followed: check base_url",
            reason="redirect",
            status=status,
        )
    if 400 <= status < 500:
        return RefusedError(
            f"the server answered {status} and stored nothing", reason="status", status=status
        )
    gateway = status in (502, 503, 504)
    return OutcomeUnknownError(
        f"the server answered {status}, which may come after the message was stored",
        reason="gateway" if gateway else "status",
        status=status,
    )


def _plain_body(answer: Answer, limit: int) -> bytes:
    coding = answer.header(b"content-encoding").lower()
    if coding in ("", "identity"):
        return answer.body
    if coding not in ("gzip", "x-gzip"):
        raise ValueError(f"its content coding is {coding!r}")
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(answer.body, limit)
    except zlib.error as wrong:
        raise ValueError("its gzip body is broken") from wrong
    if inflate.unconsumed_tail or not inflate.eof:
        raise ValueError("its gzip body is cut short or too large")
    return body


def _document(body: bytes, codec: Codec) -> Mapping[str, Any]:
    if not body.strip():
        raise ValueError("its body is empty")
    if not body.startswith(b"{"):
        # With display_errors on, PHP writes warnings in front of good JSON (wire case 17f). JSON
        # as PHP writes it holds no line break, so the last line is all of it.
        body = body[body.rfind(b"\n{") + 1 :]
    try:
        document = load(body, codec)
    except ValueError:
        raise ValueError("its body is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("its body is not a JSON object")  # noqa: TRY004
    return document


_REFUSALS: dict[str, tuple[type[RefusedError], str, str]] = {
    "unknown_application_or_bad_private_key": (
        AuthenticationError,
        "authentication",
        "the server does not know this public id with this private key",
    ),
    "you_need_to_provide_a_valid_group_id_field_in_any_api_request": (
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


def _judge_words(document: Mapping[str, Any]) -> TwakeError:
    words = document["error"]
    known = _REFUSALS.get(words) if isinstance(words, str) else None
    if known is None or "object" in document:
        return OutcomeUnknownError(
            "the server answered with an error that covers everything it did not expect",
            reason="server_error",
            status=200,
        )
    kind, reason, sentence = known
    missing = document.get("capabilities") or document.get("privileges") or ()
    names = tuple(str(name) for name in missing) if isinstance(missing, list) else ()
    error = kind(sentence + (f": {', '.join(names)}" if names else ""), reason=reason, status=200)
    if isinstance(error, MissingCapabilityError):
        error.missing = names
    return error


def _mismatch(why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"the server's answer {why}", reason="mismatch", status=200)


def _judge_result(prepared: Prepared, result: Any) -> OutcomeUnknownError | None:
    if isinstance(result, dict) and result.get("id") == prepared.target:
        return None
    return _mismatch("is not about this message")


def _judge_object(prepared: Prepared, found: Any) -> Message | OutcomeUnknownError:
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
        return _mismatch("holds no message with an id")
    if not _is_ours(prepared, found):
        return _mismatch("is not about this message")
    return decode_message(found)


def _is_ours(prepared: Prepared, found: Mapping[str, Any]) -> bool:
    if prepared.operation == "edit":
        return bool(found["id"] == prepared.target)
    if found.get("front_id") == prepared.front_id:
        return True
    # An ephemeral message that replaces another is answered under that one's id (wire case 11).
    return (
        prepared.operation == "ephemeral"
        and prepared.target is not None
        and prepared.target in (found["id"], found.get("front_id"), found.get("ephemeral_id"))
    )


def judge_failure(failure: Failure) -> TwakeError:
    """Return the error for an attempt that brought no whole answer."""
    if failure.sent:
        return OutcomeUnknownError(
            f"it is not known whether the message arrived: {failure.detail}",
            reason=failure.reason,
        )
    if failure.reason == "closed":
        return SessionClosedError("the session was closed before the message was sent")
    return NotSentError(f"the message was not sent: {failure.detail}", reason=failure.reason)


def text_was_cut(prepared: Prepared, message: Message) -> bool:
    """Say whether the answer shows that the server kept only the start of a plain text.

    Source: v2023.Q1.1223 on PHP 7.1 takes the first character of a string for the whole.
    """
    text, content = prepared.text, message.content
    if text is None or content == text or not isinstance(content, dict):
        return False
    kept = (content.get("original_str"), content.get("fallback_string"), content.get("prepared"))
    return len(text) > 1 and text not in kept and kept[2] != [text]
