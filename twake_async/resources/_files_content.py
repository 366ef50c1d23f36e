"""Calls that upload, download and stream the content of files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs

from twake_async._arguments import check_callback, check_count, check_deadline
from twake_async.errors import ConfigurationError, InvalidDraftError

from ._caller import Limits
from ._files_download import Parts, fetch, file_request
from ._files_element import FileElement
from ._files_fetched import fetched_by_server
from ._files_room import FileCalls, check_name, id_of, workspace_of
from ._files_sources import open_source
from ._files_targets import FileTarget, WriterTarget
from ._files_upload import node_upload, v1_upload

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

__all__ = ["FileContents"]

OnProgress = Callable[[int, int | None], object]
FileSource = str | os.PathLike[str] | bytes | AsyncIterable[bytes] | IO[bytes]

#: The most bytes of a download, unless the caller says more.
LIMIT = 2_147_483_648


@attrs.frozen(eq=False)
class FileContents(FileCalls):
    """The transfers of files.

    `on_progress` is called with the bytes that have moved, and with all of them (None: unknown).
    """

    async def upload(
        self,
        source: FileSource | None = None,
        *,
        name: str | None = None,
        workspace_id: str | None = None,
        parent_id: FileElement | str = "",
        file_url: str | None = None,
        size: int | None = None,
        on_progress: OnProgress | None = None,
        idle_timeout: float = 60.0,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Upload a file, streamed, and return it as the server stored it.

        A lost answer is never followed by another upload: the server would number the second file.

        Args:
            source: A path, bytes, a file that is open in binary mode, or an async iterable of
                bytes.
            name: Its name; None for that of the path.
            workspace_id: The workspace over `api="v1"`, if `parent_id` does not say it.
            parent_id: The folder to put it in over `api="v1"`, or its id; `""` for the root folder.
            file_url: Over `api="v1"` and in place of `source`, an address that the server itself
                fetches at once.
            size: The bytes of an async iterable. Without it the upload is sent in chunks, which
                some gateways do not take.
            on_progress: Called with the bytes that were sent; it must not block.
            idle_timeout: Seconds that may pass while no byte moves, the server's work included.
            group_id: The group, if not the session's.
            deadline: Seconds for the whole upload; None for no limit besides `idle_timeout`.
            retry: The policy for the call, if not the session's.

        Raises:
            InvalidDraftError: There is no such source (outcome `NOT_SENT`).
            OutcomeUnknownError: The file may be there: look before you upload it again. Its reason
                is `source` if the source failed during the upload.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        if (source is None) == (file_url is None):
            raise InvalidDraftError("give either source or file_url", field="source")
        if file_url is not None:
            self._caller.v1("files.upload with file_url")
            fields = _place(workspace_id, parent_id) | {"name": check_name(name)}
            return await fetched_by_server(self._save, file_url, fields, limits)
        return await self._upload(
            source,
            name,
            None,
            limits,
            place=(workspace_id, parent_id),
            size=size,
            idle_timeout=idle_timeout,
            on_progress=on_progress,
        )

    async def new_version(
        self,
        element: FileElement | str,
        source: FileSource,
        *,
        name: str | None = None,
        workspace_id: str | None = None,
        size: int | None = None,
        on_progress: OnProgress | None = None,
        idle_timeout: float = 60.0,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Upload new content of a file, which keeps its earlier versions.

        Args:
            element: The file or its id.
            source: As for `upload`.
            name: The name; None for that of the `FileElement`, else for that of the path.
            workspace_id: The workspace over `api="v1"`, if `element` does not say it.
            size: As for `upload`.
            on_progress: Called with the bytes that were sent; it must not block.
            idle_timeout: Seconds that may pass while no byte moves.
            group_id: The group, if not the session's.
            deadline: Seconds for the whole upload; None for no limit besides `idle_timeout`.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: The version may be there.
            TwakeError: As for `upload`.

        """
        known = element.name if isinstance(element, FileElement) else None
        return await self._upload(
            source,
            name or known or None,
            id_of("element", element),
            Limits(group_id, deadline, retry),
            place=(workspace_id, element),
            size=size,
            idle_timeout=idle_timeout,
            on_progress=on_progress,
        )

    async def download(
        self,
        file: FileElement | str,
        to: str | os.PathLike[str] | Any,
        *,
        workspace_id: str | None = None,
        overwrite: bool = False,
        use_server_name: bool = False,
        limit: int = LIMIT,
        on_progress: OnProgress | None = None,
        idle_timeout: float = 60.0,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Path | None:
        """Download a file, streamed, and return its path; None if `to` is not a path.

        A file on the disk appears complete or not at all: it is written under another name in the
        same folder, and renamed at the end. Only its owner may read it (mode 0600). A folder
        comes as a zip.

        Args:
            file: The file or its id.
            to: The path of the new file, or an object with a method `write`, async or not.
            workspace_id: Its workspace over `api="v1"`, if `file` does not say it.
            overwrite: Whether to replace a file that is there.
            use_server_name: Whether `to` is a folder in which the server names the file. The name
                cannot lead into another folder.
            limit: The limit in bytes; 2 GiB by default.
            on_progress: Called with the bytes that were received; it must not block.
            idle_timeout: Seconds that may pass while no byte moves.
            group_id: The group, if not the session's.
            deadline: Seconds for the whole download; None for no limit besides `idle_timeout`.
            retry: The policy for the call, if not the session's. A download to a path begins again
                if its connection is lost; a download to an object does not.

        Raises:
            NotFoundError: The server gave nothing: it has no such file in this workspace.
            FileExistsError: There is a file, and `overwrite` was not given.
            OSError: The file cannot be written.
            OutcomeUnknownError: The file is not complete, or is larger than `limit`.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        options = _checked(idle_timeout, on_progress) | {"limit": limit, "file": file}
        check_count("limit", limit)
        inner = file_request(self._caller, file, workspace_id, limits)
        target = _target(to, overwrite=overwrite, use_server_name=use_server_name)
        if isinstance(target, WriterTarget):
            await fetch(self._caller, inner, target, limits, **options)
            return None
        target.check()
        try:
            await fetch(self._caller, inner, target, limits, **options)
            return await target.finish()
        finally:
            await target.discard()

    async def stream(
        self,
        file: FileElement | str,
        *,
        workspace_id: str | None = None,
        limit: int = LIMIT,
        on_progress: OnProgress | None = None,
        idle_timeout: float = 60.0,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the parts of a file as they arrive.

        The file is certain to be complete only at the end. Until then, keep the parts separate.

        Args:
            file: The file or its id.
            workspace_id: Its workspace over `api="v1"`, if `file` does not say it.
            limit: The limit in bytes; 2 GiB by default.
            on_progress: Called with the bytes that were received; it must not block.
            idle_timeout: Seconds that may pass while no byte moves.
            group_id: The group, if not the session's.
            deadline: Seconds for all of it; None for no limit besides `idle_timeout`.
            retry: The policy for the call, if not the session's; no part is repeated.

        Raises:
            NotFoundError: The server gave nothing: it has no such file in this workspace.
            OutcomeUnknownError: The file is not complete, or is larger than `limit`.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        options = _checked(idle_timeout, on_progress) | {"limit": limit, "file": file}
        check_count("limit", limit)
        inner = file_request(self._caller, file, workspace_id, limits)
        parts = Parts()
        running = parts.run(fetch(self._caller, inner, parts, limits, **options))
        try:
            async for part in running:
                yield part
        finally:
            await running.aclose()  # type: ignore[attr-defined]

    async def _upload(
        self,
        source: Any,
        name: str | None,
        element_id: str | None,
        limits: Limits,
        *,
        place: tuple[str | None, FileElement | str],
        size: int | None,
        **given: Any,
    ) -> FileElement:
        options = _checked(**given)
        options["group_id"] = limits.group_id
        opened = await open_source(source, size)
        named = check_name(name or opened.name)
        if self._caller.is_node:
            node = node_upload(self._caller, opened, named, element_id=element_id, **options)
            return await self._caller.transfer(node, limits)
        fields = {"name": named, "is_directory": ""}
        if element_id is None:
            fields |= _place(*place)
        else:
            fields |= {"id": element_id, "workspace_id": workspace_of(*place)}
            fields["_once_new_version"] = "1"
        request = v1_upload(self._caller, opened, fields, **options)
        return await self._caller.transfer(request, limits)


def _checked(idle_timeout: float, on_progress: OnProgress | None) -> dict[str, Any]:
    check_callback("on_progress", on_progress)
    try:
        seconds = check_deadline(idle_timeout, positive=True)
    except ConfigurationError:
        raise ConfigurationError(
            "idle_timeout must be a number of seconds, more than 0", field="idle_timeout"
        ) from None
    return {"idle_timeout": seconds, "on_progress": on_progress}


def _target(to: Any, *, overwrite: bool, use_server_name: bool) -> FileTarget | WriterTarget:
    if isinstance(to, str | os.PathLike):
        return FileTarget(Path(to), overwrite, use_server_name)
    write = getattr(to, "write", None)
    if not callable(write):
        raise InvalidDraftError("to must be a path, or have a method `write`", field="to")
    return WriterTarget(write)


def _place(workspace_id: str | None, parent_id: FileElement | str) -> dict[str, str]:
    place = {"workspace_id": workspace_of(workspace_id, parent_id)}
    return place if parent_id == "" else place | {"parent_id": id_of("parent_id", parent_id)}
