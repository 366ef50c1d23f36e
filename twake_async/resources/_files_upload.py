"""Makes the request that uploads a file, over v1 and over Node."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from twake_async._protocol.multipart import encode_multipart
from twake_async._protocol.node.api import check_path_ids
from twake_async._protocol.subjects import UPLOAD
from twake_async._protocol.transfers import Upload

from ._files_node import files_path, node_reader
from ._files_room import SAVE, element_reader, report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from ._caller import Caller
    from ._files_element import FileElement
    from ._files_sources import Source

__all__ = ["node_upload", "v1_upload"]


def v1_upload(
    caller: Caller,
    source: Source,
    fields: Mapping[str, str],
    *,
    group_id: str | None,
    idle_timeout: float,
    on_progress: Callable[[int, int | None], object] | None,
) -> Upload[FileElement]:
    """Return the request that uploads a file over v1.

    Args:
        caller: Makes the calls.
        source: The file.
        fields: The fields of the element; with an `id`, it is a version of that one.
        group_id: The group, if not the session's.
        idle_timeout: Seconds that may pass while no byte moves.
        on_progress: Called with what was sent.

    """
    element_id = fields.get("id")
    inner = caller.v1("files.upload").call(
        SAVE,
        {},
        element_reader(element_id),
        repeatable=False,
        target=element_id,
        subject=UPLOAD,
    )
    # As it was recorded: a form in the notation of PHP. An empty `is_directory` is false.
    form = {"group_id": caller.group(group_id)}
    form |= {f"object[{name}]": value for name, value in fields.items()}
    name = fields.get("name") or source.name or "file"
    return _upload(inner, form, name, source, idle_timeout=idle_timeout, on_progress=on_progress)


def node_upload(
    caller: Caller,
    source: Source,
    name: str,
    *,
    element_id: str | None,
    group_id: str | None,
    idle_timeout: float,
    on_progress: Callable[[int, int | None], object] | None,
) -> Upload[FileElement]:
    """Return the request that uploads a file over Node, in one part.

    Args:
        caller: Makes the calls.
        source: The file.
        name: Its name.
        element_id: The file whose content it replaces; None for a new one.
        group_id: The group (company), if not the session's.
        idle_timeout: Seconds that may pass while no byte moves.
        on_progress: Called with what was sent.

    """
    query = {"filename": name, "type": _type(name), "total_chunks": 1, "chunk_number": 1}
    if source.size is not None:
        query["total_size"] = source.size
    check_path_ids(element=element_id or "")
    parts = () if element_id is None else (element_id,)
    path = f"{files_path(caller.group(group_id), *parts)}?{urlencode(query)}"
    inner = caller.node("files.upload").ask(
        path,
        "files.upload",
        node_reader(element_id, is_upload=True),
        method="POST",
        subject=UPLOAD,
    )
    return _upload(inner, {}, name, source, idle_timeout=idle_timeout, on_progress=on_progress)


def _upload(
    inner: Any,
    form: Mapping[str, str],
    name: str,
    source: Source,
    *,
    idle_timeout: float,
    on_progress: Callable[[int, int | None], object] | None,
) -> Upload[FileElement]:
    async def read() -> AsyncGenerator[bytes, None]:
        sent = 0
        async with aclosing(source.read()) as chunks:
            async for chunk in chunks:
                yield chunk
                sent += len(chunk)
                report(on_progress, sent, source.size)

    return Upload(
        inner,
        idle_timeout,
        encode_multipart(form, name, _type(name)),
        source.size,
        read,
        can_repeat=source.can_repeat,
    )


def _type(name: str) -> str:
    import mimetypes  # noqa: PLC0415 - it reads files of the system

    return mimetypes.guess_type(name)[0] or "application/octet-stream"
