"""Files: the drive of a workspace, and what messages show of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._files_content import FileContents
from ._files_edits import FileEdits
from ._files_reads import FileReads
from ._files_room import id_of

if TYPE_CHECKING:
    from twake_async.twacode import File

    from ._files_element import FileElement

__all__ = ["Files"]


@attrs.frozen(eq=False)
class Files(FileReads, FileContents, FileEdits):
    """Calls about files; a session has it as `files`."""

    @staticmethod
    def show(file: FileElement | str) -> File:
        """Return what shows a file in a message over `api="v1"`, as a part of its content.

        Args:
            file: The file or its id.

        """
        from twake_async.twacode import File  # noqa: PLC0415 - other calls need not wait for it

        return File(id_of("file", file))
