"""Events that a browser made, and those about resources: the same in both generations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    MenuAction,
    Opened,
    ResourceAdded,
    ResourceRemoved,
)
from ._values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from twake_async.messages import Message

    Decode = Callable[[Mapping[str, Any]], Message]
    E = TypeVar("E", bound=Event)

__all__ = ["as_message", "made", "make_event", "make_resource"]

#: The types and names of configurations, which the web client of v1 posts in the user's language
#: (wire/events/README.md: en, fr, de, ru).
_CONFIGURATION = frozenset({"configuration", "aufbau", "настройка"})
_PLACES = {"arbeitsplatz": "workspace", "рабочее пространство": "workspace"}


def made(kind: type[E], fields: dict[str, Any], **more: Any) -> E:
    """Return an event of a class.

    Args:
        kind: The class.
        fields: What all events have; their message is None.
        **more: Further fields; they replace fields of the same name.

    """
    return kind(**(fields | more))


def as_message(found: Any, decode: Decode) -> Message | None:
    """Return the message of an event; None if it has no id."""
    if not isinstance(found, dict) or text(found.get("id")) is None:
        return None
    return decode(found)


def _thread_of(content: Mapping[str, Any], decode: Decode) -> Message | None:
    """Return the message that began the thread in which something was typed or clicked.

    `parent_message` is that message. `thread` is an id or has one; its message has only the id.
    """
    thread = content.get("thread")
    found = text(thread) or text(mapping(thread).get("id"))
    if found is not None:
        return decode({"id": found})
    return as_message(content.get("parent_message"), decode)


def make_event(fields: dict[str, Any], content: Mapping[str, Any], decode: Decode) -> Event:
    """Return the event of a browser as an event of its class.

    Args:
        fields: What all events have; their message is None.
        content: What the browser sent.
        decode: What decodes a message of its generation.

    """
    kind, name = fields["type"], fields["name"]
    if kind == "action":
        return _action(fields, content, decode)
    if kind == "interactive_message_action":
        return made(
            ButtonClick,
            fields,
            action_id=name,
            form=mapping(content.get("form")),
            context=mapping(content.get("interactive_context")),
            message=as_message(content.get("message"), decode),
        )
    if kind == "interactive_configuration_action":
        return _configuration_click(fields, content)
    if kind.lower() in _CONFIGURATION:
        return made(Configure, fields, place=_PLACES.get(name.lower(), name))
    return made(Event, fields)


def _action(fields: dict[str, Any], content: Mapping[str, Any], decode: Decode) -> Event:
    if fields["name"] == "command":
        thread = _thread_of(content, decode)
        return made(Command, fields, command=text(content.get("command")) or "", message=thread)
    if fields["name"] == "open":
        from_icon = content.get("from_icon") is True
        return made(Opened, fields, from_icon=from_icon, message=_thread_of(content, decode))
    if fields["name"] == "action":
        message = as_message(content.get("message"), decode)
        return made(MenuAction, fields, message=message)
    return made(Event, fields)


def _configuration_click(fields: dict[str, Any], content: Mapping[str, Any]) -> Event:
    return made(
        ConfigurationClick,
        fields,
        action_id=fields["name"],
        form=mapping(content.get("form")),
        context=mapping(content.get("interactive_context")),
        hidden_data=mapping(content.get("hidden_data")),
        configurator_id=text(content.get("configurator_id")),
    )


def make_resource(fields: dict[str, Any], content: Mapping[str, Any]) -> Event:
    """Return an event of a v1 server about a resource as an event of its class."""
    kinds: dict[str, type[ResourceAdded | ResourceRemoved]] = {
        "add": ResourceAdded,
        "remove": ResourceRemoved,
    }
    kind = kinds.get(fields["name"])
    if kind is None:
        return made(Event, fields)
    resource = mapping(content.get("resource"))
    found = text(resource.get("id")) or "", text(resource.get("type")) or ""
    return made(kind, fields, resource_id=found[0], resource_type=found[1])
