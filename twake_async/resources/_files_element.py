"""An element of the drive: a file, a folder or a link, as the server describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ._values import flag, number, text

__all__ = ["FileElement", "FileVersion", "read_element"]


@attrs.frozen
class FileVersion:
    """One version of a file's content."""

    id: str
    """The id of the version."""

    name: str = ""
    """The name that the file had then."""

    size: int | None = None
    """The number of bytes; None if the server does not name it."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """All that the server answered about it, as JSON."""


@attrs.frozen
class FileElement:
    """A file, a folder or a link, as the server describes it."""

    id: str
    """The id: what the calls of `files` take."""

    name: str = ""
    """The name that people see. The server numbers a name that is taken: `note-1.txt`."""

    workspace_id: str = ""
    """The workspace that it belongs to; `""` if the server names none, as over Node."""

    parent_id: str = ""
    """The folder that it is in; `""` for the root folder itself, and over Node."""

    is_directory: bool = False
    """Whether it is a folder."""

    size: int = 0
    """The number of bytes."""

    url: str = ""
    """The address of a link; `""` for anything else."""

    in_trash: bool = False
    """Whether it is in the trash."""

    group_id: str = ""
    """The group (company) that it belongs to; `""` if the server does not name it."""

    versions: tuple[FileVersion, ...] = ()
    """The versions of its content, if the server names them."""

    path: tuple[str, ...] = ()
    """The names of the folders that it is in, from below the root; empty if unknown."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """All that the server answered about it, as JSON."""


def read_element(found: object) -> FileElement | None:
    """Return the element that a server of v1 describes; None without an id or a name."""
    if not isinstance(found, dict) or not text(found.get("id")):
        return None
    if not isinstance(found.get("name"), str):
        return None
    return FileElement(
        id=text(found["id"]),
        name=text(found.get("name")),
        workspace_id=text(found.get("workspace_id")),
        parent_id=text(found.get("parent_id")),
        is_directory=flag(found.get("is_directory")),
        size=number(found.get("size")) or 0,
        url=text(found.get("url")),
        in_trash=flag(found.get("trash")),
        versions=_versions(found.get("versions")),
        path=_path(found.get("path"), found["id"]),
        raw=found,
    )


def _versions(rows: object) -> tuple[FileVersion, ...]:
    return tuple(
        FileVersion(row["id"], text(row.get("name")), number(row.get("size")), row)
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and text(row.get("id"))
    )


def _path(rows: object, own_id: str) -> tuple[str, ...]:
    names = (
        text(row.get("name"))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("id") != own_id
    )
    return tuple(name for name in names if name)  # the root folder has no name
