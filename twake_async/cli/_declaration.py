"""What an application must declare in Twake's console for what it does. No I/O.

The words are the console's own (wire/rest/README.md, "What an application declares"). The server
checks none of them: an unknown word is stored, and means nothing.
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["DOES", "Declaration", "Right", "declare"]


@attrs.frozen
class Right:
    """What the console needs for one thing that an application does."""

    help: str
    """What the application does, for a person."""
    capabilities: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    display: tuple[tuple[tuple[str, ...], Any], ...] = ()
    """Paths into the `display` field, and the values there."""
    then: str = ""
    """What must be done besides."""


_CHANNEL = (
    "add the application to each channel whose messages it must receive, in the channel's settings"
)
_INSTALLED = "set the privilege before you install the application; otherwise install it again"

#: What an application may do: a verb and its object, which are an option and its choice.
DOES: dict[str, Right] = {
    "writes-messages": Right("sends messages", capabilities=("messages_save",)),
    "hears-messages": Right(
        "receives the messages of the channels to which it was added",
        hooks=("message",),
        display=((("channel",), {}),),
        then=_CHANNEL,
    ),
    "hears-workspace": Right(
        "receives the messages of all channels of its workspaces",
        privileges=("workspace",),
        hooks=("message_in_workspace",),
        then=_INSTALLED,
    ),
    "hears-files": Right(
        "receives events about files",
        privileges=("workspace_drive",),
        hooks=("file",),
        then=_INSTALLED,
    ),
    "opens-dialogs": Right("opens dialogs", capabilities=("display_modal",)),
    "opens-files": Right(
        "shows or edits files in a page of its own",
        privileges=("workspace_drive",),
        display=(
            (
                ("drive_module", "can_open_files"),
                {"url": "https://…", "preview_url": "https://…", "main_ext": [], "other_ext": []},
            ),
        ),
    ),
    "reads-channels": Right("lists channels", privileges=("channels",)),
    "reads-files": Right("reads files", privileges=("workspace_drive", "drive_list")),
    "writes-files": Right("writes files", capabilities=("drive_save", "drive_remove")),
    "menu-message": Right(
        "has an entry in the menu of each message",
        display=((("messages_module", "action"), {"description": "…"}),),
    ),
    "menu-plus": Right(
        "has an entry in the menu beside the field where people write",
        display=((("messages_module", "in_plus"), True),),
    ),
    "menu-icon": Right(
        "has an icon beside the field where people write",
        display=((("messages_module", "right_icon"), True),),
    ),
    "configures-channels": Right(
        "can be configured for each channel",
        capabilities=("display_modal",),
        display=(
            (("channel",), {}),
            (("configuration", "can_configure_in_channel"), True),
        ),
    ),
    "configures-workspaces": Right(
        "can be configured for each workspace",
        capabilities=("display_modal",),
        display=((("configuration", "can_configure_in_workspace"), True),),
    ),
    "hears-persons": Right(
        "has a direct channel with each person",
        display=((("member_app",), {}),),
    ),
}


@attrs.frozen
class Declaration:
    """The fields of the console, filled in."""

    capabilities: tuple[str, ...]
    privileges: tuple[str, ...]
    hooks: tuple[str, ...]
    display: dict[str, Any]
    needs_events: bool
    """Whether the application needs an event address."""
    then: tuple[str, ...]
    """What must be done besides."""


#: Choices after which the server posts events.
_WITH_EVENTS = frozenset(
    {"menu-message", "menu-plus", "menu-icon", "configures-channels", "configures-workspaces"}
)


def declare(does: tuple[str, ...], commands: tuple[tuple[str, str], ...] = ()) -> Declaration:
    """Return what to declare for what an application does.

    Args:
        does: Names of `DOES`.
        commands: The words of its commands, each with what it does.

    """
    rights = [DOES[name] for name in dict.fromkeys(does)]
    display: dict[str, Any] = {}
    for path, value in (pair for right in rights for pair in right.display):
        _put(display, path, value)
    if commands:
        listed = [{"command": word, "description": what} for word, what in commands]
        _put(display, ("messages_module", "commands"), listed)
    hooks = _all(right.hooks for right in rights)
    return Declaration(
        capabilities=_all(right.capabilities for right in rights),
        privileges=_all(right.privileges for right in rights),
        hooks=hooks,
        display=display,
        needs_events=bool(hooks or commands or _WITH_EVENTS & set(does)),
        then=_all((right.then,) for right in rights if right.then),
    )


def _all(groups: Any) -> tuple[str, ...]:
    """Return the words of all groups, each once, in their order."""
    return tuple(dict.fromkeys(word for group in groups for word in group))


def _put(display: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for name in above:
        display = display.setdefault(name, {})
    display.setdefault(last, value)
