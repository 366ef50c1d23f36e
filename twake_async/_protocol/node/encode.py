"""Encodes drafts and references to messages as requests. No I/O."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._arguments import check_group, check_workspace
from twake_async._protocol.fingerprint import fingerprint
from twake_async._protocol.json_codec import check_json, dump
from twake_async._protocol.random_uuid import random_uuid
from twake_async.errors import InvalidDraftError
from twake_async.messages import MessageDraft

from .api import FRONT_ID, MARKER, Api, Ids, check_path_ids, company_path
from .checks import check_draft
from .requests import Place, Remove, Save

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.messages import MessageRef

    from .requests import Session


__all__ = ["EncodedDraft", "encode_draft", "encode_remove"]

Operation = Literal["create", "edit", "ephemeral"]

#: The most bytes that a Node server takes: it answers 413 to more.
LARGEST_BODY = 1_048_576
#: Fields that `extra` may not have. An id in a new message leaves an empty thread.
_OTHER_FIELDS = frozenset(
    {"thread_id", "text", "blocks", "subtype", "context", "user_id"}
    | {one.name for one in attrs.fields(MessageDraft)}
)
#: The key of the place in a fingerprint: no name in `extra` holds a control character.
_PLACE = "\0place"
#: The caller's names of fields that have another name on the server, for errors.
_DRAFT_NAMES = {
    "text": "content",
    "blocks": "content",
    "context": "hidden_data",
    "user_id": "sender",
}


@attrs.define  # made for each send, and so not frozen
class EncodedDraft:
    """A draft as the fields of its request: encoded once, for the request and the fingerprint."""

    draft: MessageDraft
    operation: Operation
    fields: dict[str, Any] = attrs.field(repr=False)
    place: Place
    api: Api = attrs.field(repr=False)
    session: Session | None = attrs.field(repr=False)

    @property
    def front_id(self) -> str | None:
        """The draft's `front_id`, or the one that was minted for it; None for an edit."""
        return None if self.operation == "edit" else self.fields["context"][FRONT_ID]

    @property
    def marker(self) -> str | None:
        """The marker that was minted in addition to the caller's `front_id`; None without one."""
        return None if self.operation == "edit" else self.fields["context"].get(MARKER)

    def fingerprint(self) -> str:
        """Return a hash of what the draft asks for, without its `front_id`.

        Raises:
            InvalidDraftError: A field cannot be sent as it is; the error names it.

        """
        fields = dict(self.fields)
        if self.operation != "edit":
            fields["context"] = self.draft.hidden_data
        if self.operation == "ephemeral":
            fields["ephemeral"] = {
                **fields["ephemeral"],
                "id": self.draft.ephemeral_id,
                "version": "",
            }
        place = self.place
        # A reply and an edit go to their thread; the workspace does not matter.
        workspace = "" if place.thread or self.draft.id is not None else place.workspace
        fields[_PLACE] = [place.channel, workspace, place.thread, self.draft.id]
        return fingerprint(fields, _DRAFT_NAMES)

    def request(self, front_id: str | None = None, marker: str | None = None) -> Save:
        """Return the request that saves the draft.

        Args:
            front_id: The `front_id` of an earlier run; None for the draft's own.
            marker: The marker of that run.

        Raises:
            InvalidDraftError: A field cannot be sent as it is; the error names it.

        """
        fields = self.fields
        if front_id is not None:
            # A marker that was minted now is not sent with the id of an earlier run.
            context = {name: one for name, one in fields["context"].items() if name != MARKER}
            ids = {FRONT_ID: front_id} if marker is None else {FRONT_ID: front_id, MARKER: marker}
            fields = fields | {"context": context | ids}
        try:
            body = dump(self._document(fields), _DRAFT_NAMES, self.api.codec)
        except InvalidDraftError:
            # The same fields without the outer document, for an error that names the field.
            dump({"message": fields}, _DRAFT_NAMES)
            raise
        if len(body) > LARGEST_BODY:
            raise InvalidDraftError(
                f"the message takes {len(body)} bytes, and a server of Node takes at most "
                f"{LARGEST_BODY}: make it shorter",
                field="content",
            )
        return Save(
            self._path(),
            body,
            self.operation,
            self.draft,
            fields,
            self.place,
            self.api,
            self.session,
        )

    def _path(self) -> str:
        place = self.place
        if self.draft.id is not None:
            thread = place.thread or self.draft.id
            return company_path(place.company, "threads", thread, "messages", self.draft.id)
        if place.thread:
            return company_path(place.company, "threads", place.thread, "messages")
        return company_path(place.company, "threads")

    def _document(self, fields: dict[str, Any]) -> dict[str, Any]:
        place = self.place
        if self.draft.id is not None or place.thread:
            return {"resource": fields}
        channel = {
            "type": "channel",
            "id": place.channel,
            "company_id": place.company,
            "workspace_id": place.workspace,
        }
        return {"resource": {"participants": [channel]}, "options": {"message": fields}}


def encode_draft(
    draft: MessageDraft,
    *,
    group_id: str | None,
    workspace_id: str | None,
    api: Api,
    session: Session | None = None,
) -> EncodedDraft:
    """Return the encoded draft; a create gets its `front_id` here, once for each send.

    Args:
        draft: The draft.
        group_id: The group (company) of its channel.
        workspace_id: The workspace of its channel, checked, if the draft names none.
        api: The API to ask, and who asks.
        session: Does the steps around the attempts; None for a draft that is not sent.

    Raises:
        ConfigurationError: There is no group, or a message of the channel has no workspace.
        InvalidDraftError: A field cannot be sent as it is; the error names it.

    """
    company = check_group(group_id)
    check_draft(draft)
    thread = draft.parent_message_id or ""
    workspace = draft.workspace_id or workspace_id
    if not (workspace or thread) and draft.id is None:
        check_workspace(workspace)
    check_path_ids(
        group_id=company,
        channel_id=draft.channel_id,
        workspace_id=workspace or "",
        parent_message_id=thread,
        id=draft.id or "",
    )
    operation = _operation(draft)
    fields = _message_fields(draft, operation)
    _check_fields(fields, draft)
    place = Place(company, draft.channel_id, workspace or "", thread)
    return EncodedDraft(draft, operation, fields, place, api, session)


def _check_fields(fields: dict[str, Any], draft: MessageDraft) -> None:
    # What was made here from a text, or in place of missing hidden data, needs no check.
    is_text = isinstance(draft.content, str)
    if is_text and draft.hidden_data is None and draft.override is None and not draft.extra:
        return
    for name, value in fields.items():
        if not (type(value) is str or (is_text and name == "blocks")):
            check_json(_DRAFT_NAMES.get(name, name), value)


def _operation(draft: MessageDraft) -> Operation:
    if draft.is_ephemeral:
        return "ephemeral"
    return "create" if draft.id is None else "edit"


def _message_fields(draft: MessageDraft, operation: Operation) -> dict[str, Any]:
    # A server keeps what an edit omits, so a field that was not given must not be named.
    fields = _content(draft)
    if operation != "edit":
        fields["subtype"] = "application"
    if (context := _context(draft, operation)) is not None:
        fields["context"] = context
    if draft.sender is not None:
        fields["user_id"] = draft.sender
    if draft.override is not None:
        fields["override"] = draft.override
    if operation == "ephemeral":
        fields["ephemeral"] = _ephemeral(draft)
    if draft.extra:
        _add_extra(fields, draft.extra)
    return fields


def _add_extra(fields: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for name, value in extra.items():
        if name in _OTHER_FIELDS:
            raise InvalidDraftError(
                f"extra[{name!r}] is a field of MessageDraft: give it there", field="extra"
            )
        if name != MARKER:
            fields[name] = value


def _content(draft: MessageDraft) -> dict[str, Any]:
    content = draft.content
    if content is None:
        return {}
    if isinstance(content, str):
        return {"text": content, "blocks": [{"type": "twacode", "elements": [content]}]}
    from twake_async.twacode import portable  # noqa: PLC0415 - plain text need not wait for its import

    tree = portable(content)
    blocks = [{"type": "twacode", "elements": tree["prepared"]}]
    return {"text": tree["fallback_string"], "blocks": blocks}


def _context(draft: MessageDraft, operation: Operation) -> dict[str, Any] | None:
    """Return what is stored with the content: the caller's data and the ids of the message."""
    if operation == "edit":
        if draft.hidden_data is None:
            return None
        # The server replaces the whole context, with the ids in it.
        ids = draft.extra.get(MARKER)
        return {**draft.hidden_data, **(ids.context if isinstance(ids, Ids) else {})}
    minted = random_uuid()
    if draft.front_id is None:
        return {**(draft.hidden_data or {}), FRONT_ID: minted}
    return {**(draft.hidden_data or {}), FRONT_ID: draft.front_id, MARKER: minted}


def _ephemeral(draft: MessageDraft) -> dict[str, str]:
    # The clients show the latest version, by the time in a UUID. Its node is random, not ours.
    version = uuid.uuid1(node=uuid.uuid4().int >> 80 | 1 << 40)
    return {
        "id": draft.ephemeral_id or random_uuid(),
        "version": str(version),
        "recipient": draft.ephemeral_to[0],
        "recipient_context_id": draft.connection_id or "",
    }


def encode_remove(
    ref: MessageRef, *, group_id: str | None, api: Api, session: Session | None = None
) -> Remove:
    """Return the request that removes a message.

    Args:
        ref: The message.
        group_id: The group (company) of its channel.
        api: The API to ask, and who asks.
        session: Does the steps around the attempts; None for a draft that is not sent.

    Raises:
        ConfigurationError: There is no group.
        InvalidDraftError: An id cannot stand in a path.

    """
    company, thread = check_group(group_id), ref.parent_message_id or ref.id
    check_path_ids(group_id=company, parent_message_id=ref.parent_message_id, id=ref.id)
    parts = ("threads", thread, "messages", ref.id, "delete")
    path = company_path(company, *parts)
    return Remove(path, ref.id, api, session, ref.channel_id)
