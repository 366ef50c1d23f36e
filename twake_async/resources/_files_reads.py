"""Reads of the drive: the elements of a folder, and one element by its id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._arguments import check_count
from twake_async._protocol.documents import mismatch
from twake_async.errors import NotFoundError, TwakeError

from ._caller import Limits
from ._files_element import FileElement, read_element
from ._files_node import ask_element
from ._files_room import FileCalls, element_reader, id_of, workspace_of

if TYPE_CHECKING:
    import builtins

    from twake_async.retry import RetryPolicy

__all__ = ["FileReads"]


@attrs.frozen(eq=False)
class FileReads(FileCalls):
    """The reads of the drive."""

    async def list(
        self,
        workspace_id: str | None = None,
        directory_id: FileElement | str = "root",
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> tuple[FileElement, ...]:
        """Return what is in a folder, over `api="v1"`.

        The server gives nothing for a folder that it does not know, as for an empty one. It makes
        the root folder of a workspace that has none. The application needs the privilege
        `drive_list`.

        Args:
            workspace_id: The workspace; it may be omitted if the folder is a `FileElement`.
            directory_id: The folder or its id; `"root"` for the root folder of the workspace.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.list")
        fields = {
            "workspace_id": workspace_of(workspace_id, directory_id),
            "directory_id": id_of("directory_id", directory_id),
        }
        limits = Limits(group_id, deadline, retry)
        return await self._caller.ask_v1("files.list", "drive/list", fields, _read_rows, limits)

    async def find(
        self,
        element_id: FileElement | str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Return an element with its versions and its path.

        The server does not compare the workspace with that of the element. Over `api="v1"` the
        application needs the privilege `workspace_drive`.

        Args:
            element_id: The element or its id; over `api="v1"` also `"root"` and `"trash"`.
            workspace_id: The workspace over `api="v1"`, if the element does not say it.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The element does not exist.
            ConfigurationError: There is no workspace.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        found = id_of("element_id", element_id)
        if self._caller.is_node:
            return await ask_element(self._caller, found, limits)
        fields = {"workspace_id": workspace_of(workspace_id, element_id), "element_id": found}
        return await self._caller.ask_v1("files.find", "drive/find", fields, _finder(found), limits)

    async def walk(
        self,
        workspace_id: str | None = None,
        directory_id: FileElement | str = "root",
        *,
        max_depth: int = 32,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[FileElement]:
        """Yield what is in a folder and in all folders below it, over `api="v1"`.

        A folder comes before what is in it. Each one is read when its turn comes, and once.

        Args:
            workspace_id: The workspace; it may be omitted if the folder is a `FileElement`.
            directory_id: The folder to begin with, or its id.
            max_depth: How many folders may lie within each other. Deeper ones are not entered.
            group_id: The group, if not the session's.
            deadline: Seconds for the read of each folder, if not the session's.
            retry: The policy for each read, if not the session's.

        Raises:
            ConfigurationError: The session has another API, or there is no workspace.
            TwakeError: As for `send_message`.

        """
        check_count("max_depth", max_depth)
        self._caller.v1("files.walk")
        workspace = workspace_of(workspace_id, directory_id)
        limits = {"group_id": group_id, "deadline": deadline, "retry": retry}
        seen = {id_of("directory_id", directory_id)}
        waiting: builtins.list[builtins.list[FileElement]] = []
        waiting.append([*reversed(await self.list(workspace, directory_id, **limits))])  # type: ignore[arg-type]
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                continue
            element = waiting[-1].pop()
            if element.id in seen:
                continue
            seen.add(element.id)
            yield element
            if element.is_directory and len(waiting) < max_depth:
                rows = await self.list(workspace, element, **limits)  # type: ignore[arg-type]
                waiting.append([*reversed(rows)])


def _read_rows(document: Mapping[str, Any]) -> tuple[FileElement, ...] | TwakeError:
    rows = document.get("data")
    if not isinstance(rows, list):
        return mismatch("holds no list")
    return tuple(found for row in rows if (found := read_element(row)) is not None)


def _finder(element_id: str) -> Any:
    # The root and the trash have ids of their own.
    read_one = element_reader(None if element_id in ("root", "trash") else element_id)

    def read(document: Mapping[str, Any]) -> FileElement | TwakeError:
        if document.get("object", False) is None:
            return NotFoundError(f"the server knows no element {element_id!r}", status=200)
        return read_one(document)

    return read
