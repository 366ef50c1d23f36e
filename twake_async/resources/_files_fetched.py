"""A file that the server itself fetches from an address."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol

from twake_async.errors import EmptyFileWarning, InvalidDraftError

from ._files_room import log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._caller import Limits
    from ._files_element import FileElement

__all__ = ["fetched_by_server"]

_EMPTY = (
    "the server fetched nothing from file_url, and made an empty file: check that the server "
    "reaches that address"
)


class Save(Protocol):
    """Makes an element of the drive."""

    async def __call__(
        self, what: str, fields: Mapping[str, Any], limits: Limits, **beside: Any
    ) -> FileElement:
        """Make it, and return it as the server stored it."""
        ...


async def fetched_by_server(
    save: Save, file_url: str, fields: Mapping[str, str], limits: Limits
) -> FileElement:
    """Let the server fetch a file, and return it as the server stored it.

    If the server fetches nothing, it still stores a file, which is empty (recorded).

    Args:
        save: Makes the element.
        file_url: The address.
        fields: The fields of the element.
        limits: Those of the call.

    Raises:
        InvalidDraftError: It is no address.
        TwakeError: As for `send_message`.

    """
    if not isinstance(file_url, str) or not file_url.startswith(("https://", "http://")):
        raise InvalidDraftError("file_url must begin with https:// or http://", field="file_url")
    element = await save(
        "files.upload with file_url", {**fields, "is_directory": False}, limits, file_url=file_url
    )
    if not element.size:
        _warn()
    return element


def _warn() -> None:
    try:
        warnings.warn(_EMPTY, EmptyFileWarning, stacklevel=4)  # the caller of `upload`
    except Exception:  # noqa: BLE001
        # A filter turned the warning into an error, or showing it failed. The file is stored.
        log.warning(_EMPTY)
