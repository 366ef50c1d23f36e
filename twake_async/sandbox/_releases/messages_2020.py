"""Save and remove a message as release v2020.Q3.107 does, in the same order of steps.

A save works on a copy of the row and stores it at the end, as a PHP request does. For `False` the
server answers "unknown error or malformed query.".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve

from twake_async.sandbox._releases import php, php_json
from twake_async.sandbox._releases.cql import stored_front_id
from twake_async.sandbox._releases.reactions import react
from twake_async.sandbox._world.happened import Happened
from twake_async.sandbox._world.rows import App, Message, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._world.world import World

__all__ = ["remove", "save"]

_FROM_AN_APPLICATION = 1
_KEPT = ("front_id", "hidden_data", "content", "pinned")


def remove(world: World, given: Any) -> None:
    """Remove a message that exists and has no replies, or hide an ephemeral one."""
    if php.has(given, "ephemeral_id"):
        world.hide(str(given["ephemeral_id"]))
    channel_id = php.field(given, "channel_id")
    if not php.truthy(channel_id):
        return
    parent_id = php.field(given, "parent_message_id")
    parent_id = parent_id if php.truthy(parent_id) else ""
    message = world.find(channel_id, parent_id, php.field(given, "id"))
    if message is None or (message.responses_count or 0) > 0:
        return
    if php.truthy(message.parent_message_id):
        parent = world.find(channel_id, "", message.parent_message_id)
        if parent is None:
            raise php.PhpError("Call to a member function setResponsesCount() on null")
        parent.responses_count = max((parent.responses_count or 0) - 1, 0)
    world.remove(message)


def save(
    world: World, given: Any, user: User | None, app: App | None
) -> dict[str, Any] | Literal[False]:
    """Create or edit a message, or show an ephemeral one; return the message of the answer.

    Args:
        world: The world.
        given: The message of the request.
        user: The user that the message names; the author if no application sent the request.
        app: The application that sent the request; None for a user's browser.

    """
    if not php.truthy(php.field(given, "channel_id")):
        return False
    asked = dict(given)
    if not php.truthy(asked.get("parent_message_id")):
        asked["parent_message_id"] = ""
    ephemeral = php.truthy(asked.get("_once_ephemeral_message")) or php.truthy(
        asked.get("ephemeral_id")
    )
    if ephemeral:
        asked.pop("id", None)
    channel = world.channel(asked["channel_id"])
    if not php.has(asked, "id"):
        return _create(world, asked, channel, user, app, ephemeral=ephemeral)
    return _edit(world, asked, channel, user)


def _edit(
    world: World, asked: dict[str, Any], channel: Mapping[str, Any] | None, user: User | None
) -> dict[str, Any] | Literal[False]:
    moved = php.has(asked, "_once_replace_message_parent_message")
    under = asked["_once_replace_message_parent_message" if moved else "parent_message_id"]
    row = world.find(asked["channel_id"], under, asked["id"])
    if row is None:
        return False
    message = _loaded(row)
    for key in _KEPT:
        if not php.has(asked, key):
            asked[key] = getattr(message, key)
    if not php.loosely_equal(message.content, asked["content"]):
        message.edited = True
        message.modification_date = world.now()
    if moved:
        _move(world, message, world.find(asked["channel_id"], "", asked["parent_message_id"]))
    if message.sender is None and not message.message_type and user is not None:
        message.sender = user.id
    _fill(message, asked, user)
    world.add(_row(message))
    _tell(world, message, channel, is_new=False)
    return message.as_array()


def _row(message: Message) -> Message:
    """Return a copy with the types that the database stores."""
    return evolve(
        message,
        channel_id=message.channel_id.lower(),
        responses_count=message.responses_count or 0,
        message_type=message.message_type or 0,
        pinned=php.truthy(message.pinned),
        increment_at_time="1",
        reacted=dict(message.reacted),
    )


def _loaded(row: Message) -> Message:
    """Return a copy with the types that the database returns: null instead of 0."""
    return evolve(
        row,
        responses_count=row.responses_count or None,
        message_type=row.message_type or None,
        reacted=dict(row.reacted),
    )


def _move(world: World, message: Message, parent: Message | None) -> None:
    """Move a message and its replies under another message, or to the root."""
    if parent is None and not message.parent_message_id:
        return
    if parent is not None and message.parent_message_id == parent.id:
        return
    message.parent_message_id = parent.id if parent else ""
    if (message.responses_count or 0) > 0:
        for reply in world.replies(message):
            _move(world, reply, parent)
    if parent is not None:
        parent.responses_count = (parent.responses_count or 0) + 1
    message.responses_count = 0


def _create(
    world: World,
    asked: dict[str, Any],
    channel: Mapping[str, Any] | None,
    user: User | None,
    app: App | None,
    *,
    ephemeral: bool,
) -> dict[str, Any]:
    parent: Message | None = None
    if not ephemeral and asked["parent_message_id"]:
        parent = world.find(asked["channel_id"], "", asked["parent_message_id"])
        asked["parent_message_id"] = asked["parent_message_id"] if parent else ""
    message = _new(world, asked, user, app)
    message.increment_at_time = None if channel is None else {}
    _fill(message, asked, user)
    message.id = message.id or world.new_id()
    if ephemeral:
        return _shown(world, message, asked)
    if channel is None:
        raise php.PhpError("Call to a member function getOriginalWorkspaceId() on null")
    _store(world, message, parent)
    if (
        app is not None  # a person's browser shows only channels that the person is in
        and user is not None
        and not _opens_channel(asked)
        and not world.is_member(channel["id"], user.id)
    ):
        raise php.PhpError("Call to a member function setLastMessagesIncrement() on null")
    _tell(world, message, channel, is_new=True)
    return message.as_array()


def _tell(
    world: World, message: Message, channel: Mapping[str, Any] | None, *, is_new: bool
) -> None:
    """Record a message for the applications; an edit only in an application channel."""
    if channel is not None and (is_new or channel.get("app")):
        shown = message.as_array()
        happened = Happened(channel["id"], message.application_id, shown, is_new=is_new)
        world.happened.append(happened)


def _store(world: World, message: Message, parent: Message | None) -> None:
    stored_as = stored_front_id(message.front_id)
    if stored_as is not None:  # otherwise it is answered, and not stored
        world.add(_row(evolve(message, front_id=stored_as)))
    if parent is not None:
        parent.responses_count = (parent.responses_count or 0) + 1


def _opens_channel(asked: dict[str, Any]) -> bool:
    """Return whether a message is the first of its channel, which needs no membership."""
    hidden_data: Any = asked.get("hidden_data")
    return php.has(hidden_data, "type") and php.loosely_equal(hidden_data["type"], "init_channel")


def _new(world: World, asked: dict[str, Any], user: User | None, app: App | None) -> Message:
    ephemeral_id = asked.get("ephemeral_id")
    front_id = asked.get("front_id")
    front_id = front_id if php.truthy(front_id) else world.new_front_id()
    return Message(
        id=ephemeral_id if php.truthy(ephemeral_id) else "",
        front_id=ephemeral_id if php.truthy(ephemeral_id) else front_id,
        channel_id=asked["channel_id"],
        parent_message_id=asked["parent_message_id"],
        message_type=_FROM_AN_APPLICATION if app else 0,
        sender=user.id if user else None,
        application_id=app.id if app else None,
        content=None,
        creation_date=world.now(),
        modification_date=world.now(),
    )


def _fill(message: Message, asked: dict[str, Any], user: User | None) -> None:
    """Set the fields that a create and an edit have in common; a value that is not JSON is null."""
    if php.has(asked, "_once_user_specific_update"):
        updates = asked["_once_user_specific_update"]
        specific = _specific(message.user_specific_content, updates)
        message.user_specific_content = php_json.stored(specific)
    hidden_data = asked.get("hidden_data")
    empty = php_json.encode(hidden_data) in (None, b"0")
    message.hidden_data = [] if empty else php_json.stored(hidden_data)
    message.content = php_json.stored(asked.get("content"))
    message.pinned = asked.get("pinned")
    if php.has(asked, "_user_reaction") and user is not None and message.id:
        react(message, user, asked["_user_reaction"])


def _specific(held: Any, updates: Any) -> Any:
    """Return the content for single users after a list of updates or one update."""
    specific = dict(php.items(held))
    if php.truthy(php.field(updates, "user_id")):
        updates = [updates]
    for _, update in php.items(updates):
        name, modifiers = php.key(php.field(update, "user_id")), php.field(update, "modifiers")
        if php.truthy(php.field(update, "replace_all")):
            specific[name] = modifiers
        elif pairs := php.items(modifiers):
            if isinstance(specific.get(name), str | int | float) and specific[name] is not False:
                raise php.PhpError("Cannot use a scalar value as an array")
            specific[name] = php.array({**dict(php.items(specific.get(name))), **dict(pairs)})
    return php.array(specific)


def _shown(world: World, message: Message, asked: dict[str, Any]) -> dict[str, Any]:
    """Show an ephemeral message without storing it; return the message of the answer."""
    shown = message.as_array()
    shown["ephemeral_id"] = message.id
    shown["_user_ephemeral"] = True
    if php.has(asked, "ephemeral_message_recipients"):
        shown["ephemeral_message_recipients"] = asked["ephemeral_message_recipients"]
    world.show(shown)
    return shown
