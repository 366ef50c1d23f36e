"""Files of a company: store one, describe it, and return it.

The records show that a file is stored in one part below `/internal`, and that it is empty below
`/api`, whose proxy drops the body. The form of the answers comes from the source code.
"""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._http import Response
from twake_async.sandbox._releases.node.errors import NodeError
from twake_async.sandbox._world.drive import Element, Version

if TYPE_CHECKING:
    from twake_async.sandbox._releases.node.call import Call

__all__ = ["download_file", "one_file", "save_file"]


def save_file(call: Call) -> dict[str, Any]:
    """Store a file, or a new content of a file."""
    company, *ids = call.path
    content = call.body if isinstance(call.body, bytes) else b""
    now = call.world.now()
    element = _found(call) if ids else None
    if element is None:
        new_id = call.world.new_id()
        element = Element(new_id, "", company, "", is_directory=False, added=now, modified=now)
        call.world.drive.add(element)
    element.name = call.query.get("filename", "") or element.name
    element.creator = call.bearer.id
    version = Version(call.world.new_id(), element.name, now, len(content), "")
    call.world.drive.contents.put(version.id, content)
    element.versions = [version]
    return {"resource": _shown(call, element)}


def one_file(call: Call) -> dict[str, Any]:
    """Return a file; null if it does not exist."""
    element = call.world.drive.element(call.path[1])
    return {"resource": None if element is None else _shown(call, element)}


def download_file(call: Call) -> Response:
    """Return the content of a file."""
    element = _found(call)
    # Source: all that is neither a letter, a digit nor a space is taken out of the name.
    name = "".join(one for one in element.name if one == " " or (one.isascii() and one.isalnum()))
    headers = {
        "content-type": _mime(element),
        "content-disposition": f'attachment; filename="{name}"',
    }
    return Response(200, headers, call.world.drive.contents.get(element.versions[-1].id))


def _found(call: Call) -> Element:
    element = call.world.drive.element(call.path[1])
    if element is None:
        raise NodeError(404, "File not found")
    return element


def _mime(element: Element) -> str:
    return mimetypes.guess_type(element.name)[0] or "application/octet-stream"


def _shown(call: Call, element: Element) -> dict[str, Any]:
    return {
        "company_id": element.workspace_id,
        "id": element.id,
        "user_id": None,
        "application_id": element.creator,
        "created_at": element.added * 1000,
        "updated_at": call.now(),
        "metadata": {"name": element.name, "mime": _mime(element)},
        "upload_data": {"size": element.size, "chunks": 1},
    }
