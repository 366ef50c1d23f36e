"""Files: the drive of a workspace, and how messages show its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ._files_content import FileContents
from ._files_edits import FileEdits
from ._files_element import FileElement
from ._files_reads import FileReads
from ._files_room import id_of

if TYPE_CHECKING:
    from twake_async.twacode import File

__all__ = ["Files"]


@attrs.frozen(eq=False)
class Files(FileReads, FileContents, FileEdits):
    """Calls about files; a session has it as `files`."""

    @staticmethod
    def show(file: FileElement | str) -> File:
        """Return the node that shows a file in a message over `api="v1"`, for its content.

        Args:
            file: The file or its id.

        """
        from twake_async.twacode import File  # noqa: PLC0415 - other calls need not wait for it

        return File(id_of("file", file))

    def attached(
        self, file: FileElement | str, *, name: str | None = None, group_id: str | None = None
    ) -> dict[str, Any]:
        """Return the `extra` of a draft, so that the message shows a file over `api="node"`.

        Args:
            file: The file or its id.
            name: The name to show; None for that of the `FileElement`.
            group_id: The group (company) of the file, if not the session's.

        Raises:
            ConfigurationError: The session has another API, or there is no group.

        """
        self._caller.node("files.attached")
        known = file if isinstance(file, FileElement) else FileElement(id_of("file", file))
        external = {"company_id": known.group_id or self._caller.group(group_id), "id": known.id}
        metadata = {"source": "internal", "external_id": external, "name": name or known.name}
        return {"files": [{"metadata": metadata}]}
