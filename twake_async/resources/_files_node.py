"""Files over Node: how their paths are built, and how the server describes a file.

Source of what was not recorded: the controller and the entity of the service `files`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twake_async._protocol.documents import mismatch
from twake_async._protocol.node.api import check_path_ids, internal_path
from twake_async.errors import NotFoundError, TwakeError

from ._files_element import FileElement
from ._values import number, same_id, text

if TYPE_CHECKING:
    from ._caller import Caller, Limits

__all__ = ["ask_element", "files_path", "node_reader", "read_node_element"]


def files_path(company: str, *parts: str) -> str:
    """Return the path of the files of a company. Under `/api`, the server stores empty files."""
    return internal_path("files", company, "files", *parts)


async def ask_element(caller: Caller, element_id: str, limits: Limits) -> FileElement:
    """Return the file with that id, over Node."""
    check_path_ids(element_id=element_id)
    path = files_path(caller.group(limits.group_id), element_id)
    request = caller.node("files.find").ask(path, "files.find", node_reader(element_id))
    return await caller.ask_node(request, limits)


def node_reader(element_id: str | None = None, *, is_upload: bool = False) -> Any:
    """Return a function that reads an answer that holds one file.

    Args:
        element_id: The file that it must be about; None for a new one.
        is_upload: Whether it answers an upload, which gave the file a name.

    """

    def read(document: Mapping[str, Any]) -> FileElement | TwakeError:
        found = document.get("resource", False)
        if found is None and element_id is not None:
            return NotFoundError(f"the server knows no file {element_id!r}", status=200)
        element = read_node_element(found)
        if element is None or (is_upload and not element.name):
            return mismatch("holds no file")
        if element_id is not None and not same_id(element.id, element_id):
            return mismatch("is about another file")
        return element

    return read


def read_node_element(found: object) -> FileElement | None:
    """Return the file that a server of Node describes; None for no file."""
    if not isinstance(found, dict) or not text(found.get("id")):
        return None
    metadata, data = found.get("metadata"), found.get("upload_data")
    name = text(metadata.get("name")) if isinstance(metadata, dict) else ""
    size = number(data.get("size")) if isinstance(data, dict) else None
    return FileElement(
        id=text(found["id"]),
        name=name,
        size=size or 0,
        group_id=text(found.get("company_id")),
        raw=found,
    )
