"""The paths of the drive, in both releases of PHP: the permissions and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twake_async.sandbox._releases import php
from twake_async.sandbox._releases.drive_2020 import (
    content_of,
    find,
    found_with_path,
    rows_of,
    save,
    shown,
    special,
    zipped,
)
from twake_async.sandbox._releases.routes import MALFORMED, TRACE, Answer
from twake_async.sandbox._world.rows import App, same_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._releases.routes import Call
    from twake_async.sandbox._world.drive import Element

__all__ = ["DRIVE_ROUTES"]

_CRASHED = Answer("", status=500)


def _save(call: Call) -> Answer:
    app = call.permitted("drive_save")
    if not isinstance(app, App):
        return Answer(app)
    given = php.field(call.fields, "object")
    sender = php.field(given, "sender") if php.has(given, "sender") else None
    creator = None
    if php.truthy(sender):
        user = call.world.user(sender)
        if user is None:
            return _CRASHED
        if not _is_colleague(call, user.id):
            return Answer(MALFORMED)
        creator = user.id
    row = save(call.world, given, _content(call), creator)
    return Answer(MALFORMED if row is None else {"object": row})


def _is_colleague(call: Call, user_id: str) -> bool:
    """Return whether a user is in a channel of the company of the call."""
    group_id = php.field(call.fields, "group_id")
    return any(
        same_id(channel.get("group_id") or "", group_id)
        and call.world.is_member(channel["id"], user_id)
        for channel in call.world.channels.values()
    )


def _content(call: Call) -> tuple[bytes | None] | None:
    """Return the content that a call brings; None if it brings none."""
    if call.posted is not None:
        return (call.posted,)
    address = php.field(call.fields, "file_url")
    if not isinstance(address, str) or not address:
        return None
    return (call.world.drive.published.get(address),)


def _remove(call: Call) -> Answer:
    app = call.permitted("drive_remove")
    if not isinstance(app, App):
        return Answer(app)
    given = php.field(call.fields, "object")
    if not php.has(given, "id"):
        return _CRASHED
    element = call.world.drive.element(php.field(given, "id"))
    if element is None or call.world.drive.is_special(element):
        return Answer(MALFORMED)
    row = shown(call.world, element, fresh=False)
    call.world.drive.remove(element)
    return Answer({"object": row})


def _list(call: Call) -> Answer:
    app = call.permitted(privileges=("drive_list",))
    if not isinstance(app, App):
        return Answer(app)
    workspace_id, directory_id = (
        php.field(call.fields, name) for name in ("workspace_id", "directory_id")
    )
    if not php.truthy(workspace_id) or not php.truthy(directory_id):
        return Answer(MALFORMED)
    special(call.world, workspace_id, "root")
    folder, _ = find(call.world, workspace_id, directory_id)
    return Answer({"data": [] if folder is None else rows_of(call.world, folder)})


def _find(call: Call) -> Answer:
    app = call.permitted(privileges=("workspace_drive",))
    if not isinstance(app, App):
        return Answer(app)
    workspace_id, element_id = (
        php.field(call.fields, name) for name in ("workspace_id", "element_id")
    )
    element, fresh = find(call.world, workspace_id, element_id)
    row = None if element is None else found_with_path(call.world, element, fresh=fresh)
    return Answer({"object": row})


def _download(call: Call) -> Answer:
    app = call.permitted(privileges=("workspace_drive",))
    if not isinstance(app, App):
        return Answer(app)
    asked = php.field(call.fields, "file_id")
    if not php.truthy(asked):
        return Answer(TRACE)
    ids = asked if isinstance(asked, list) else [asked]
    elements = [found for one in ids if (found := call.world.drive.element(one)) is not None]
    if not elements:
        return _CRASHED
    workspace_id = php.field(call.fields, "workspace_id")
    if not all(same_id(one.workspace_id, workspace_id) for one in elements):
        return Answer("")  # nothing, and no word about it
    return _file(call, elements)


def _file(call: Call, elements: list[Element]) -> Answer:
    first = elements[0]
    if len(elements) == 1 and not php.truthy(first.is_directory):
        named = f'attachment; filename="{first.name}"'
        return _raw(content_of(call.world, first), "application/force-download", named)
    name = f"{first.name if len(elements) == 1 else 'Document'}.zip"
    named = f"attachment; filename*=UTF-8''{quote(name)}"
    return _raw(zipped(call.world, elements), "application/x-zip", named)


def _raw(content: bytes, content_type: str, disposition: str) -> Answer:
    headers: dict[str, Any] = {"content-type": content_type, "content-disposition": disposition}
    return Answer("", headers=headers, raw=content)


DRIVE_ROUTES: Mapping[str, Callable[[Call], Answer]] = {
    "/api/v1/drive/save": _save,
    "/api/v1/drive/remove": _remove,
    "/api/v1/drive/list": _list,
    "/api/v1/drive/find": _find,
    "/api/v1/drive/download": _download,
}
