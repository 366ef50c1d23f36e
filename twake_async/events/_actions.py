"""Events that a browser made, and those about resources: the same in both generations."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import attrs

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


#: The fields that all events have. Reading them so takes a tenth of `attrs.asdict`.
_FIELDS = tuple(field.name for field in attrs.fields(Event) if field.init)
_values_of = operator.attrgetter(*_FIELDS)


def made(kind: type[E], event: Event, **more: Any) -> E:
    """Return an event as one of another class, with more fields."""
    return kind(**dict(zip(_FIELDS, _values_of(event), strict=True)) | more)


def as_message(found: Any, decode: Decode) -> Message | None:
    """Return the message of an event; None for what has no id."""
    if not isinstance(found, dict) or text(found.get("id")) is None:
        return None
    return decode(found)


def _thread_of(content: Mapping[str, Any], decode: Decode) -> Message | None:
    """Return the message that began the thread in which something was typed or clicked.

    `parent_message` is that message. `thread` is an id or has one: there, the message has only it.
    """
    thread = content.get("thread")
    found = text(thread) or text(mapping(thread).get("id"))
    if found is not None:
        return decode({"id": found})
    return as_message(content.get("parent_message"), decode)


def make_event(event: Event, decode: Decode) -> Event:
    """Return an event that is no hook as an event of its class.

    Args:
        event: What all events have, without a message.
        decode: What decodes a message of its generation.

    """
    content = event.content
    if event.type == "action":
        return _action(event, content, decode)
    if event.type == "interactive_message_action":
        return made(
            ButtonClick,
            event,
            action_id=event.name,
            form=mapping(content.get("form")),
            context=mapping(content.get("interactive_context")),
            message=as_message(content.get("message"), decode),
        )
    if event.type == "interactive_configuration_action":
        return _configuration_click(event, content)
    if event.type.lower() in _CONFIGURATION:
        return made(Configure, event, place=_PLACES.get(event.name.lower(), event.name))
    return event


def _action(event: Event, content: Mapping[str, Any], decode: Decode) -> Event:
    if event.name == "command":
        thread = _thread_of(content, decode)
        return made(Command, event, command=text(content.get("command")) or "", message=thread)
    if event.name == "open":
        from_icon = content.get("from_icon") is True
        return made(Opened, event, from_icon=from_icon, message=_thread_of(content, decode))
    if event.name == "action":
        message = as_message(content.get("message"), decode)
        return made(MenuAction, event, message=message)
    return event


def _configuration_click(event: Event, content: Mapping[str, Any]) -> Event:
    return made(
        ConfigurationClick,
        event,
        action_id=event.name,
        form=mapping(content.get("form")),
        context=mapping(content.get("interactive_context")),
        hidden_data=mapping(content.get("hidden_data")),
        configurator_id=text(content.get("configurator_id")),
    )


def make_resource(event: Event) -> Event:
    """Return an event of a server over v1 about a resource as an event of its class."""
    kinds: dict[str, type[ResourceAdded | ResourceRemoved]] = {
        "add": ResourceAdded,
        "remove": ResourceRemoved,
    }
    kind = kinds.get(event.name)
    if kind is None:
        return event
    resource = mapping(event.content.get("resource"))
    found = text(resource.get("id")) or "", text(resource.get("type")) or ""
    return made(kind, event, resource_id=found[0], resource_type=found[1])
