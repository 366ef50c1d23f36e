"""The drives of workspaces: elements in folders, and the versions of their contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._world.contents import Contents
from twake_async.sandbox._world.rows import row_key

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Drive", "Element", "Version"]


@define(slots=True)
class Version:
    """One content of a file."""

    id: str
    name: str
    added: int
    size: int | None
    """The size in bytes; None if the server fetched nothing."""
    identifier: str


@define(slots=True)
class Element:
    """A file, a folder, the root of a workspace or its trash."""

    id: str
    front_id: Any
    workspace_id: str
    parent_id: str
    is_directory: Any
    """The given value, until the element is read again."""
    added: int
    modified: int
    name: str = ""
    token: str | None = None
    detached: bool = False
    trash: bool = False
    creator: str | None = None
    given: dict[str, Any] = field(factory=dict)
    """Other fields, as they were given."""
    versions: list[Version] = field(factory=list)

    @property
    def size(self) -> int:
        """The size of the last version in bytes."""
        return (self.versions[-1].size or 0) if self.versions else 0


@define(slots=True)
class Drive:
    """All elements; past `max_elements`, the oldest file is removed."""

    elements: dict[str, Element] = field(factory=dict)
    roots: dict[tuple[str, str], str] = field(factory=dict)
    """The ids of the root and the trash of each workspace."""
    contents: Contents = field(factory=Contents)
    max_elements: int = 1_000
    published: dict[str, bytes] = field(factory=dict)
    """The contents of the addresses that a `file_url` may name; a sandbox fetches nothing."""

    def element(self, element_id: Any) -> Element | None:
        """Return the element with that id."""
        return self.elements.get(row_key(element_id)) if isinstance(element_id, str) else None

    def add(self, element: Element) -> None:
        """Keep an element."""
        self.elements[row_key(element.id)] = element
        while len(self.elements) > self.max_elements:
            files = (one for one in self.elements.values() if not one.is_directory)
            oldest = next(files, None)
            if oldest is None or oldest is element:
                break
            self.remove(oldest)

    def remove(self, element: Element) -> None:
        """Remove an element, with all that is in it."""
        for one in list(self.children(element)):
            self.remove(one)
        for version in element.versions:
            self.contents.drop(version.id)
        self.elements.pop(row_key(element.id), None)

    def children(self, element: Element) -> Iterator[Element]:
        """Return the elements in a folder, oldest first."""
        return (one for one in self.elements.values() if one.parent_id == element.id)

    def size_of(self, element: Element) -> int:
        """Return the size in bytes of a file, or of all elements in a folder."""
        return element.size + sum(self.size_of(one) for one in self.children(element))

    def path_of(self, element: Element) -> list[Element]:
        """Return the folders that lead to an element, and the element."""
        path = [element]
        while (above := self.element(path[0].parent_id)) is not None and above not in path:
            path.insert(0, above)
        return path

    def is_special(self, element: Element) -> bool:
        """Return whether an element is the root or the trash of its workspace."""
        return element.id in self.roots.values()

    def free_name(self, name: str, parent_id: str, but: Element) -> str:
        """Return a name that no other element in a folder has; add a number to a name in use."""
        taken = {
            one.name for one in self.elements.values() if one.parent_id == parent_id and one != but
        }
        stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
        number, found = 0, name
        while found and found in taken:
            number += 1
            found = f"{stem}-{number}{dot}{ending}"
        return found
