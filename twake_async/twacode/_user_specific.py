"""What one reader sees in keyed nodes: `UserSpecific`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ._nodes.checks import is_flag, is_key, is_said, refuse
from ._nodes.node import Child, Json, Node
from ._portable import encode, why_unsendable


def _copy(modifiers: Mapping[str, Child]) -> Mapping[str, Child]:
    return dict(modifiers) if isinstance(modifiers, Mapping) else modifiers


def _are_modifiers(owner: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Mapping):
        refuse(owner, field.name, f"a mapping is needed here, not {type(value).__name__}")
    for key, tree in value.items():
        is_key(owner, field, key)
        _is_modifier(owner, field, key, tree)


def _is_modifier(owner: object, field: attrs.Attribute[Any], key: str, tree: Child) -> None:
    if not (isinstance(tree, str | Node)):
        kind = type(tree).__name__
        refuse(owner, field.name, f"{key!r} is {kind}, and only text and nodes can be shown")
    if tree == "":
        refuse(owner, field.name, f"the client ignores {key!r}, which is empty; give Content()")
    content = encode(tree)
    if trouble := why_unsendable(content) or _nested_key(content):
        refuse(owner, field.name, f"{key!r}: {trouble}")


def _nested_key(content: Json) -> str | None:
    """Return what is wrong if a replacement contains a key: the client does not look there."""
    work = [content]
    while work:
        item = work.pop()
        if isinstance(item, dict):
            if item.get("key") and item.get("content"):
                return f"the client looks for no key inside a replacement, such as {item['key']!r}"
            work.append(item.get("content"))
        elif isinstance(item, list):
            work.extend(item)
    return None


@attrs.frozen
class UserSpecific:
    """What one reader sees in keyed nodes. All others see the children of the nodes.

    The server stores it with the message, until an update for the same user replaces it. A draft
    sends it as `_once_user_specific_update`.

    Raises:
        InvalidDraftError: The user id is empty, there is nothing to update, a key could not be
            matched, or a replacement is empty text, contains a key or cannot be shown.

    """

    # Source: `Messages.js` lines 406-459; wire cases 17d, 17e, 17f.

    user_id: str = attrs.field(validator=is_said)
    """The reader's id."""

    modifiers: Mapping[str, Child] = attrs.field(
        converter=_copy, validator=_are_modifiers, hash=False
    )
    """For each key of a node in the message: what the reader sees in place of its children."""

    replace_all: bool = attrs.field(default=False, validator=is_flag)
    """Whether to remove what earlier updates set for other keys, or, without modifiers, for all."""

    def __attrs_post_init__(self) -> None:
        if not self.modifiers and not self.replace_all:
            refuse(self, "modifiers", "without modifiers nothing is updated, unless replace_all")


def user_specific_update(updates: Sequence[UserSpecific | Mapping[str, Json]]) -> Json:
    """Return the value of a message's `_once_user_specific_update`.

    Args:
        updates: One update for each reader, in the order in which the server applies them; each a
            `UserSpecific`, or the same as JSON.

    Returns:
        An object for one update, a list for several: the server accepts both.

    Raises:
        InvalidDraftError: An update is neither.

    """
    encoded = [_encoded(update) for update in updates]
    return encoded[0] if len(encoded) == 1 else encoded


def _encoded(update: object) -> Mapping[str, Json]:
    if isinstance(update, UserSpecific):
        modifiers = {key: encode(tree) for key, tree in update.modifiers.items()}
        encoded: dict[str, Json] = {"user_id": update.user_id, "modifiers": modifiers}
        return {**encoded, "replace_all": True} if update.replace_all else encoded
    if isinstance(update, Mapping):
        return dict(update)
    return refuse(None, "user_specific", f"a UserSpecific is needed, not {type(update).__name__}")
