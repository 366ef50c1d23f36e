"""Calls that make, name, place and remove elements of the drive, without their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._draft_checks import check_flag
from twake_async.errors import InvalidDraftError

from ._caller import Limits
from ._files_room import FileCalls, check_name, element_reader, id_of, workspace_of

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

    from ._files_element import FileElement

__all__ = ["FileEdits"]


@attrs.frozen(eq=False)
class FileEdits(FileCalls):
    """The calls that change the drive, over `api="v1"`.

    The server numbers a name that is taken. So only `remove` may be sent twice.
    """

    async def make_folder(
        self,
        name: str,
        *,
        workspace_id: str | None = None,
        parent_id: FileElement | str = "",
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Make a folder, and return it as the server stored it, over `api="v1"`.

        The application needs the capability `drive_save`.

        Args:
            name: Its name; the server numbers one that is taken: `Folder-1`.
            workspace_id: The workspace, if `parent_id` does not say it.
            parent_id: The folder to make it in, or its id; `""` for the root folder.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: The folder may have been made: look before you make it again.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.make_folder")
        fields = _new(name, workspace_id, parent_id) | {"is_directory": True}
        return await self._save("files.make_folder", fields, Limits(group_id, deadline, retry))

    async def save_link(
        self,
        name: str,
        url: str,
        *,
        workspace_id: str | None = None,
        parent_id: FileElement | str = "",
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Save a link to a web page as an element of the drive, over `api="v1"`.

        The application needs the capability `drive_save`.

        Args:
            name: Its name.
            url: The address: it begins with `https://` or `http://`.
            workspace_id: The workspace, if `parent_id` does not say it.
            parent_id: The folder to put it in, or its id; `""` for the root folder.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: The link may have been saved: look before you save it again.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.save_link")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise InvalidDraftError("url must begin with https:// or http://", field="url")
        fields = _new(name, workspace_id, parent_id) | {"is_directory": False, "url": url}
        return await self._save("files.save_link", fields, Limits(group_id, deadline, retry))

    async def rename(
        self,
        element: FileElement | str,
        name: str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Give an element another name, and return it as the server stored it, over `api="v1"`.

        Args:
            element: The element or its id.
            name: The new name; the server numbers one that is taken.
            workspace_id: The workspace, if `element` does not say it.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: It may have the new name or the old one; the answer for an unknown
                element is the same.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.rename")
        fields = _known(element, workspace_id) | {"name": check_name(name)}
        return await self._save("files.rename", fields, Limits(group_id, deadline, retry))

    async def move(
        self,
        element: FileElement | str,
        to: FileElement | str,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Move an element into a folder, and return it as the server stored it, over `api="v1"`.

        Args:
            element: The element or its id.
            to: The folder or its id.
            workspace_id: The workspace, if neither of them says it.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: It may have been moved; an unknown element gives the same answer.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.move")
        fields = _known(element, workspace_of(workspace_id, element, to))
        fields["parent_id"] = id_of("to", to)
        return await self._save("files.move", fields, Limits(group_id, deadline, retry))

    async def trash(
        self,
        element: FileElement | str,
        trash: bool = True,
        *,
        workspace_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Put an element into the trash, or take it out, over `api="v1"`.

        Args:
            element: The element or its id.
            trash: True to put it into the trash, False to take it out.
            workspace_id: The workspace, if `element` does not say it.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            OutcomeUnknownError: It may have been moved; an unknown element gives the same answer.
            TwakeError: As for `send_message`.

        """
        self._caller.v1("files.trash")
        check_flag("trash", trash, optional=False)
        fields = _known(element, workspace_id) | {"trash": trash}
        return await self._save("files.trash", fields, Limits(group_id, deadline, retry))

    async def remove(
        self,
        element: FileElement | str,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> FileElement:
        """Remove an element for good, without the trash, over `api="v1"`.

        The server removes elements of every company, and a folder with all that is in it. The
        application needs the capability `drive_remove`.

        Args:
            element: The element or its id.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Returns:
            The element as it was.

        Raises:
            OutcomeUnknownError: It may have been removed; an unknown element gives the same answer.
            TwakeError: As for `send_message`.

        """
        found, limits = id_of("element", element), Limits(group_id, deadline, retry)
        return await self._caller.ask_v1(
            "files.remove",
            "drive/remove",
            {"object": {"id": found}},
            element_reader(found),
            limits,
            target=found,
        )


def _new(name: str, workspace_id: str | None, parent_id: FileElement | str) -> dict[str, Any]:
    return {
        "workspace_id": workspace_of(workspace_id, parent_id),
        "name": check_name(name),
        "parent_id": "" if parent_id == "" else id_of("parent_id", parent_id),
    }


def _known(element: FileElement | str, workspace_id: str | None) -> dict[str, Any]:
    return {
        "id": id_of("element", element),
        "workspace_id": workspace_of(workspace_id, element),
    }
