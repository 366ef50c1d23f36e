"""Shared parts of the calls about files: make a call to the drive of v1, and read its answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._draft_checks import check_id
from twake_async._protocol.documents import mismatch
from twake_async.errors import ConfigurationError, InvalidDraftError, TwakeError

from ._files_element import FileElement, read_element
from ._values import same_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._caller import Caller, Limits

__all__ = [
    "SAVE",
    "FileCalls",
    "check_name",
    "element_reader",
    "id_of",
    "log",
    "report",
    "workspace_of",
]

SAVE = "drive/save"

log: logging.Logger = logging.getLogger("twake_async")


@attrs.frozen(eq=False)
class FileCalls:
    """The base class of the calls about files."""

    _caller: Caller

    async def _save(
        self, what: str, fields: Mapping[str, Any], limits: Limits, **beside: Any
    ) -> FileElement:
        """Make or change an element; never send it again after a lost answer.

        The server numbers a name that is taken, so a repeat would make a second element.
        """
        element_id = fields.get("id")
        document = {"group_id": self._caller.group(limits.group_id), "object": fields, **beside}
        call = self._caller.v1(what).call(
            SAVE, document, element_reader(element_id), repeatable=False, target=element_id
        )
        return await self._caller.make(call, limits)


def id_of(field: str, element: FileElement | str) -> str:
    """Return the id of an element; the argument is the element or its id.

    Raises:
        InvalidDraftError: It is neither.

    """
    found = element.id if isinstance(element, FileElement) else element
    check_id(field, found)
    return found


def workspace_of(workspace_id: str | None, *elements: object) -> str:
    """Return the workspace of a call to the drive of v1: that of an argument, or of an element.

    Raises:
        ConfigurationError: There is none.

    """
    known = (one.workspace_id for one in elements if isinstance(one, FileElement))
    found = workspace_id or next(filter(None, known), None)
    if found is None:
        raise ConfigurationError(
            "no workspace: give workspace_id, or the FileElement in place of its id",
            field="workspace_id",
        )
    check_id("workspace_id", found)
    return found


def check_name(name: object) -> str:
    """Return the name of an element; raise `InvalidDraftError` for any other value."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InvalidDraftError(
            "name must be a string that is not blank, without control characters",
            field="name",
        )
    return name


def element_reader(
    element_id: str | None = None,
) -> Callable[[Mapping[str, Any]], FileElement | TwakeError]:
    """Return a function that reads an answer that holds one element.

    Args:
        element_id: The element that it must be about; None for a new one.

    """

    def read(document: Mapping[str, Any]) -> FileElement | TwakeError:
        element = read_element(document.get("object"))
        if element is None:
            return mismatch("holds no element of the drive")
        if element_id is not None and not same_id(element.id, element_id):
            return mismatch("is about another element")
        return element

    return read


def report(
    on_progress: Callable[[int, int | None], object] | None, done: int, total: int | None
) -> None:
    """Tell the caller how much of a file has moved."""
    if on_progress is None:
        return
    try:
        on_progress(done, total)
    except Exception:
        # An error of the callback must not end the transfer.
        log.exception("on_progress raised")
