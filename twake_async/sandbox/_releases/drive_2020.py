"""The drive, as v2020.Q3.107 changes it and shows it to an application."""

from __future__ import annotations

import io
import zipfile
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases import php
from twake_async.sandbox._world.drive import Element, Version

if TYPE_CHECKING:
    from twake_async.sandbox._world.world import World

__all__ = ["content_of", "find", "rows_of", "save", "shown", "special", "zipped"]

#: Fields of an element that are stored as they are given, and their default values.
_GIVEN: dict[str, Any] = {
    "url": None,
    "application_id": None,
    "external_storage": False,
    "hidden_data": [],
    "tags": None,
    "attachments": [],
}


def special(world: World, workspace_id: Any, kind: str) -> tuple[Element, bool]:
    """Return the root or the trash of a workspace, and whether it was created now."""
    drive, key = world.drive, (str(workspace_id), kind)
    found = drive.element(drive.roots.get(key))
    if found is not None:
        return found, False
    now, element_id = world.now(), world.new_id()
    made = Element(
        element_id, world.new_front_id(), str(workspace_id), "", is_directory=True, added=now,
        modified=now,
    )  # fmt: skip
    drive.roots[key] = made.id
    drive.add(made)
    return made, True


def find(world: World, workspace_id: Any, element_id: Any) -> tuple[Element | None, bool]:
    """Return an element by its id or as "root" or "trash", and whether it was created now."""
    if element_id in ("root", "trash"):
        return special(world, workspace_id, element_id)
    return world.drive.element(element_id), False


def save(
    world: World, given: Any, content: tuple[bytes | None] | None, creator: str | None
) -> dict[str, Any] | None:
    """Create or change an element, and return it as it is shown; None if that is impossible.

    Args:
        world: The world.
        given: The fields of the element.
        content: The content in a tuple, or None in a tuple if it could not be fetched; None if the
            call has no content.
        creator: The user in whose name the element is created.

    """
    fresh = not php.has(given, "id")
    fields = dict(php.items(given))
    element = _new(world, fields) if fresh else world.drive.element(fields["id"])
    if element is None or not _placed(world, element, fields, fresh=fresh):
        return None
    if "name" in fields or fresh:
        name = str(fields.get("name") or "")
        element.name = world.drive.free_name(name, element.parent_id, element)
    element.given |= {name: fields[name] for name in (*_GIVEN, "preview_link") if name in fields}
    element.creator = creator or element.creator
    element.modified = world.now()
    element.token = f"{world.now()}-{token_hex(16)}"
    if fresh:
        world.drive.add(element)
    version = None
    if content is not None:
        version = _add_version(
            world, element, content[0], keep=bool(fields.get("_once_new_version"))
        )
    return _saved(world, element, version, fresh=fresh)


def _saved(
    world: World, element: Element, version: Version | None, *, fresh: bool
) -> dict[str, Any]:
    """Return an element as a save shows it: with its versions if the save made one."""
    row = shown(world, element, fresh=fresh)
    if version is not None:
        row["versions"] = [_version(one, element, fresh=one is version) for one in element.versions]
    return row


def _new(world: World, fields: dict[str, Any]) -> Element | None:
    if not php.truthy(fields.get("workspace_id")):
        return None
    now, front_id = world.now(), fields.get("front_id") or world.new_front_id()
    workspace_id, is_directory = str(fields["workspace_id"]), fields.get("is_directory", False)
    return Element(world.new_id(), front_id, workspace_id, "", is_directory, now, now)


def _placed(world: World, element: Element, fields: dict[str, Any], *, fresh: bool) -> bool:
    """Put an element into its folder; return whether that folder exists."""
    parent = fields.get("parent_id")
    if fresh and fields.get("detached") is True:
        element.detached, element.parent_id = True, "detached"
    elif php.truthy(parent):
        folder, _ = find(world, element.workspace_id, parent)
        if folder is None:
            return False
        element.parent_id = folder.id
    elif fresh:
        element.parent_id = special(world, element.workspace_id, "root")[0].id
    if "trash" in fields:
        element.trash = php.truthy(fields["trash"])
        kind = "trash" if element.trash else "root"
        element.parent_id = special(world, element.workspace_id, kind)[0].id
    return True


def _add_version(world: World, element: Element, content: bytes | None, *, keep: bool) -> Version:
    now = world.now()
    if keep or not element.versions:
        identifier = f"{element.workspace_id}{now}{token_hex(20)}"
        element.versions.append(Version(world.new_id(), element.name, now, None, identifier))
    version = element.versions[-1]
    version.size = None if content is None else len(content)
    world.drive.contents.put(version.id, content or b"")
    return version


def shown(world: World, element: Element, *, fresh: bool) -> dict[str, Any]:
    """Return an element as PHP shows it; types differ after it was read from the database."""
    size = world.drive.size_of(element)
    is_directory = element.is_directory if fresh else php.truthy(element.is_directory)
    version = element.versions[-1].id if element.versions else ""
    preview = (
        f"/ajax/drive/preview?f={version}&w={element.workspace_id}&d={element.parent_id}"
        f"&t={'1' if element.trash else ''}"
    )
    given = _GIVEN | element.given
    return {
        "id": element.id,
        "front_id": element.front_id,
        "workspace_id": element.workspace_id,
        "parent_id": element.parent_id,
        "detached": element.detached,
        "trash": element.trash,
        "is_directory": is_directory,
        "creator": element.creator,
        "name": element.name,
        "description": "",
        "last_user": element.creator,
        "size": size if fresh or not size else str(size),
        "added": element.added,
        "modified": element.modified,
        "last_modification_token": element.token,
        "extension": _extension(element, given["url"]),
        "cache": [],
        "preview_link": given.get("preview_link", preview),
        "copy_of": None,
        "shared": False,
        "url": given["url"],
        "opening_rate": 0 if fresh else None,
        "has_preview": "preview_link" in given,
        "preview_has_been_generated": "preview_link" in given,
        "default_web_app_id": None,
        "acces_info": None,
        "application_id": given["application_id"],
        "external_storage": given["external_storage"],
        "hidden_data": given["hidden_data"],
        "tags": given["tags"],
        "attachments": given["attachments"],
    }


def _extension(element: Element, url: Any) -> str:
    if url is not None:
        return "url"
    is_file = not php.truthy(element.is_directory) and "." in element.name
    return element.name.rpartition(".")[2] if is_file else ""


def _version(version: Version, element: Element, *, fresh: bool) -> dict[str, Any]:
    known = fresh or version.size is None
    return {
        "id": version.id,
        "name": version.name,
        "file_id": element.id,
        "added": version.added,
        "size": version.size if known else str(version.size),
        "creator": element.creator,
        "data": {"upload_mode": "chunk", "identifier": version.identifier, "nb_chunk": 1},
    }


def found_with_path(world: World, element: Element, *, fresh: bool) -> dict[str, Any]:
    """Return an element as a read shows it: with its path and its versions."""
    row = shown(world, element, fresh=fresh)
    row["path"] = [shown(world, one, fresh=fresh) for one in world.drive.path_of(element)]
    row["versions"] = [_version(one, element, fresh=False) for one in element.versions]
    return row


def rows_of(world: World, folder: Element) -> list[dict[str, Any]]:
    """Return the elements in a folder, each with the path of the folder."""
    path = [shown(world, one, fresh=False) for one in world.drive.path_of(folder)]
    return [
        found_with_path(world, one, fresh=False) | {"path": path}
        for one in world.drive.children(folder)
    ]


def content_of(world: World, element: Element) -> bytes:
    """Return the content of a file."""
    return world.drive.contents.get(element.versions[-1].id) if element.versions else b""


def zipped(world: World, elements: list[Element]) -> bytes:
    """Return a zip of files and folders."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        waiting = [("", one) for one in elements]
        while waiting:
            folder, element = waiting.pop()
            if php.truthy(element.is_directory):
                inner = f"{folder}{element.name}/"
                waiting += [(inner, one) for one in world.drive.children(element)]
            else:
                archive.writestr(folder + element.name, content_of(world, element))
    return file.getvalue()
