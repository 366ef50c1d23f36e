"""`hidden_data` of a message: settings for the client, and data of the application."""

from __future__ import annotations

from typing import Literal

from ._nodes.checks import is_clean, json_copy, refuse
from ._nodes.node import Json  # noqa: TC001


def hidden_data(
    *,
    allow_delete: Literal["everyone", "administrators"] | None = None,
    custom_title: str | None = None,
    custom_icon: str | None = None,
    **own: Json,
) -> dict[str, Json]:
    """Return the hidden data of a message: settings that the client reads, and data of your own.

    Args:
        allow_delete: Who may delete the message besides its sender: `everyone`, or the
            `administrators` of the workspace. Default: nobody else.
        custom_title: A name to show in place of the application's.
        custom_icon: The `http://` or `https://` address of an image to show in place of its icon.
        **own: Anything else that is JSON. Each interaction returns it to the application.

    Returns:
        The `hidden_data` of a `MessageDraft`.

    Raises:
        InvalidDraftError: A value is not one that the client knows, or JSON cannot hold it.

    """
    if allow_delete not in {None, "everyone", "administrators"}:
        refuse(None, "hidden_data.allow_delete", f"{allow_delete!r} is unknown to the client")
    if custom_title is not None and not (is_clean(custom_title) and custom_title.strip()):
        refuse(None, "hidden_data.custom_title", "it is empty, or holds a lone surrogate")
    if custom_icon is not None and not custom_icon.startswith(("http://", "https://")):
        refuse(None, "hidden_data.custom_icon", "an http(s) address is needed")
    said = {"allow_delete": allow_delete, "custom_title": custom_title, "custom_icon": custom_icon}
    try:
        kept: dict[str, Json] = json_copy(own)
    except ValueError as exc:
        refuse(None, "hidden_data.own", f"JSON cannot hold it: {exc}")
    return kept | {name: value for name, value in said.items() if value is not None}
