"""Encodes drafts and references to messages as requests. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._arguments import check_group
from twake_async._protocol.fingerprint import fingerprint
from twake_async._protocol.json_codec import check_json, dump
from twake_async._protocol.random_uuid import random_uuid
from twake_async.errors import InvalidDraftError

from .api import DEFAULT_API, Api
from .requests import Remove, Save

if TYPE_CHECKING:
    from twake_async.messages import MessageDraft, MessageRef

__all__ = ["EncodedDraft", "check_draft", "encode_draft", "encode_remove"]

Operation = Literal["create", "edit", "ephemeral"]


def _content(draft: MessageDraft, text_form: str) -> Any:
    content = draft.content
    if content is None or (isinstance(content, str) and text_form == "plain"):
        return content
    if isinstance(content, str):
        return {"original_str": content, "fallback_string": content, "prepared": [content]}
    from twake_async.twacode import portable  # noqa: PLC0415 - plain text need not wait for its import

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
    # A server of 2020 keeps what an edit omits, so a field that was not given must not be named.
    fields = {key: value for key, value in given.items() if value is not None}
    for key, value in draft.extra.items():
        if key in given:
            raise InvalidDraftError(
                f"extra[{key!r}] is a field of MessageDraft: give it there", field="extra"
            )
        fields[key] = value
    return fields


#: The caller's names of fields that have another name on the server, for errors.
_DRAFT_NAMES = {"_once_user_specific_update": "user_specific"}


def _updates(draft: MessageDraft) -> Any:
    if not draft.user_specific:
        return None
    from twake_async.twacode import user_specific_update  # noqa: PLC0415 - as above

    return user_specific_update(draft.user_specific)


#: v1 of 2020 rewrites values with regular expressions over its CQL: a message with "FROM " or
#: "COUNT(" in its front_id is answered 200 and never stored, others are stored with another one
#: (wire cases 15o to 15zf).
_REWRITTEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f(]")


def _front_id(draft: MessageDraft, operation: Operation) -> str | None:
    if draft.front_id is None:
        return None if operation == "edit" else random_uuid()
    _check_front_id(draft.front_id)
    return draft.front_id


def _check_front_id(front_id: str) -> None:
    if _REWRITTEN.search(front_id):
        raise InvalidDraftError(
            "front_id holds white space, a control character or an opening parenthesis, with "
            "which the server may lose the message: use letters, digits and hyphens",
            field="front_id",
        )


def _check_content(draft: MessageDraft, operation: Operation) -> None:
    if draft.override is not None:
        raise InvalidDraftError(
            'override can be sent over api="node" only, not over api="v1"', field="override"
        )
    if operation != "edit" and not draft.content:
        raise InvalidDraftError(
            "content is empty, but a new message needs content", field="content"
        )
    if draft.content is None:
        # A server of mid-2021 or later replaces the whole message (2023's wire cases 09).
        raise InvalidDraftError(
            "an edit without content would delete the text on servers of mid-2021 and later: "
            "give the content, or edit the Message that a send returned, which has its content",
            field="content",
        )


def _operation(draft: MessageDraft) -> Operation:
    if draft.is_ephemeral:
        return "ephemeral"
    return "create" if draft.id is None else "edit"


@attrs.define  # made for each send, and so not frozen
class EncodedDraft:
    """A draft as the fields of its request: encoded once, for the request and the fingerprint."""

    draft: MessageDraft
    group_id: str
    operation: Operation
    fields: dict[str, Any] = attrs.field(repr=False)
    text_form: str
    api: Api = attrs.field(repr=False)

    marker = None

    @property
    def front_id(self) -> str | None:
        """The draft's `front_id`, or the one that was minted for it; None for an edit."""
        return self.fields.get("front_id")

    def fingerprint(self) -> str:
        """Return a hash of what the draft asks for, without its `front_id`.

        Equal drafts have equal hashes, in either form of their text.

        Raises:
            InvalidDraftError: A field cannot be sent as it is; the error names it.

        """
        fields = {name: value for name, value in self.fields.items() if name != "front_id"}
        if isinstance(self.draft.content, str):
            fields["content"] = self.draft.content
        return fingerprint(fields, _DRAFT_NAMES)

    def request(self, front_id: str | None = None, marker: str | None = None) -> Save:  # noqa: ARG002
        """Return the request that saves the draft.

        Args:
            front_id: The `front_id` of an earlier run; None for the draft's own.
            marker: Not used: no read of this API could find it.

        Raises:
            InvalidDraftError: A field cannot be sent as it is; the error names it.

        """
        fields = self.fields if front_id is None else self.fields | {"front_id": front_id}
        draft, is_edit = self.draft, self.operation == "edit"
        is_bare = self.text_form == "plain" and isinstance(draft.content, str)
        return Save(
            dump({"group_id": self.group_id, "message": fields}, _DRAFT_NAMES, self.api.codec),
            self.operation,
            fields.get("front_id"),
            draft.id if is_edit else draft.ephemeral_id,
            draft.content if is_bare else None,
            fields["content"] if is_edit else None,
            self.api,
            channel_id=draft.channel_id,
            thread=draft.parent_message_id,
        )


def encode_draft(
    draft: MessageDraft,
    *,
    group_id: str | None,
    text_form: str = "portable",
    api: Api = DEFAULT_API,
) -> EncodedDraft:
    """Return the encoded draft; a create gets its `front_id` here, once for each send.

    Args:
        draft: The draft.
        group_id: The group of its channel.
        text_form: `"plain"` sends a text as the bare string, `"portable"` in the portable form.
        api: The API to ask, and who asks.

    Raises:
        ConfigurationError: There is no group.
        InvalidDraftError: A field cannot be sent as it is; the error names it.

    """
    group = check_group(group_id)
    operation = _operation(draft)
    _check_content(draft, operation)
    front_id = _front_id(draft, operation)
    fields = _message_fields(draft, front_id, _content(draft, text_form))
    _check_fields(fields, is_text=isinstance(draft.content, str))
    return EncodedDraft(draft, group, operation, fields, text_form, api)


def check_draft(draft: MessageDraft) -> None:
    """Check whether a draft can be encoded; this takes less time than encoding it.

    Raises:
        InvalidDraftError: A field cannot be sent as it is; the error names it.

    """
    _check_content(draft, _operation(draft))
    if draft.front_id is not None:
        _check_front_id(draft.front_id)
    is_text = isinstance(draft.content, str)
    if not is_text:
        _check_tree(draft)
    # What was checked above needs no second check.
    fields = _message_fields(draft, None, draft.content if is_text else None)
    _check_fields(fields, is_text=True)
    dump({"message": fields}, _DRAFT_NAMES)


def _check_tree(draft: MessageDraft) -> None:
    from twake_async.twacode._portable import why_unsendable  # noqa: PLC0415 - as above

    # A list of JSON is sent as it is; anything else is judged by its portable form.
    if not isinstance(draft.content, list) or why_unsendable(draft.content):
        _content(draft, "portable")


def _check_fields(fields: dict[str, Any], *, is_text: bool) -> None:
    for name, value in fields.items():
        if isinstance(value, str) or (is_text and name == "content"):
            continue
        # Content that is no text is in the portable form by now; its wrapping does not count.
        inner = value["prepared"] if name == "content" else value
        check_json(_DRAFT_NAMES.get(name, name), inner)


def encode_remove(ref: MessageRef, *, group_id: str | None, api: Api = DEFAULT_API) -> Remove:
    """Return the request that removes a message.

    Args:
        ref: The message.
        group_id: The group of its channel.
        api: The API to ask, and who asks.

    Raises:
        ConfigurationError: There is no group.
        InvalidDraftError: An id cannot be sent as it is; the error names it.

    """
    fields = {"channel_id": ref.channel_id, "id": ref.id}
    if ref.parent_message_id:
        fields["parent_message_id"] = ref.parent_message_id
    group = check_group(group_id)
    body = dump({"group_id": group, "message": fields})
    return Remove(body, ref.id, api, ref.channel_id)
