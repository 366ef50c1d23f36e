"""Makes the request that fetches a file, and hands on its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.documents import mismatch
from twake_async._protocol.downloads import Download, length_of
from twake_async._protocol.node.api import check_path_ids
from twake_async._protocol.subjects import DOWNLOAD
from twake_async.errors import TwakeError

from ._files_element import FileElement
from ._files_node import files_path
from ._files_room import id_of, report, workspace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twake_async._protocol.exchange import Answer

    from ._caller import Caller, Limits
    from ._files_targets import Target

__all__ = ["Parts", "fetch", "file_request"]

_CRASHED = (
    "the server answered an empty 500: it knows no file with this id, or it failed; check the id"
)


def file_request(
    caller: Caller, file: FileElement | str, workspace_id: str | None, limits: Limits
) -> Any:
    """Return the request whose answer is a file; `fetch` streams it.

    Args:
        caller: Makes the calls.
        file: The file or its id.
        workspace_id: Its workspace over v1, if `file` does not say it.
        limits: Those of the call.

    """
    found, group = id_of("file", file), caller.group(limits.group_id)
    if caller.is_node:
        check_path_ids(file=found)
        path = files_path(group, found, "download")
        return caller.node("files.download").ask(path, "files.download", _no_file, subject=DOWNLOAD)
    document = {
        "group_id": group,
        "workspace_id": workspace_of(workspace_id, file),
        "file_id": found,
    }
    v1 = caller.v1("files.download")
    return v1.call(
        "drive/download", document, _no_file, target=found, crash=_CRASHED, subject=DOWNLOAD
    )


def _no_file(document: Mapping[str, Any]) -> TwakeError:  # noqa: ARG001 - a reader's
    return mismatch("is no file")


async def fetch(
    caller: Caller,
    inner: Any,
    target: Target,
    limits: Limits,
    *,
    file: FileElement | str,
    limit: int,
    idle_timeout: float,
    on_progress: Callable[[int, int | None], object] | None,
) -> int:
    """Fetch a file into a target, and return its size.

    Args:
        caller: Makes the calls.
        inner: What `file_request` returned.
        target: Where it goes.
        limits: Those of the call.
        file: The file or its id.
        limit: The most bytes to take.
        idle_timeout: Seconds that may pass while no byte moves.
        on_progress: Called with what was received.

    Raises:
        TwakeError: As for `send_message`.

    """
    total: int | None = None

    async def begin(head: Answer) -> None:
        nonlocal total
        total = length_of(head)
        await target.begin(head)

    async def write(chunk: bytes) -> None:
        await target.write(chunk)
        report(on_progress, request.received, total)

    # A server of v1 gives nothing if the file is in another workspace than the named one.
    is_node = caller.is_node
    request = Download(
        inner,
        idle_timeout,
        limit,
        begin,
        write,
        target.can_repeat,
        may_be_empty=is_node or (isinstance(file, FileElement) and file.size == 0),
        nothing_is_missing=not is_node,
    )
    try:
        return await caller.transfer(request, limits)
    except TwakeError:
        if request.broken is None:
            raise
        raise request.broken from None


@attrs.define(eq=False)
class Parts:
    """A target whose parts are iterated over: at most one part waits to be taken."""

    _parts: asyncio.Queue[bytes | None] = attrs.field(
        factory=lambda: asyncio.Queue(maxsize=1), init=False
    )

    can_repeat = False

    async def begin(self, head: Answer) -> None:
        """Do nothing: the parts that were taken stay taken."""

    async def write(self, chunk: bytes) -> None:
        """Add a part; wait until the previous part is taken."""
        await self._parts.put(chunk)

    async def run(self, fetching: Coroutine[Any, Any, int]) -> AsyncIterator[bytes]:
        """Yield the parts of a file while it is fetched; end the download if the caller stops."""
        task = asyncio.ensure_future(self._to_end(fetching))
        try:
            while (part := await self._parts.get()) is not None:
                yield part
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _to_end(self, fetching: Coroutine[Any, Any, int]) -> None:
        try:
            await fetching
        finally:
            # This wakes the caller at the end. If this task was cancelled, no caller waits.
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                await self._parts.put(None)
