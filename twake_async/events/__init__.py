"""What Twake posts to the event address of an application: typed events. No I/O.

    event = parse(body, headers, api="node", private_api_key="private-key")
    if isinstance(event, Command):
        await twake.send_message(event.channel_id, f"You asked for {event.command}.")

`parse` reads one event and remembers nothing. A `Parser` reads all events of one application: it
holds the key, and remembers which messages it has reported as new.
"""

from twake_async._field_texts import show_field_texts as _show_field_texts

from ._errors import EventError
from ._events import (
    ButtonClick,
    Command,
    ConfigurationClick,
    Configure,
    Event,
    MenuAction,
    MessageChanged,
    MessageRemoved,
    NewMessage,
    Opened,
    ResourceAdded,
    ResourceRemoved,
)
from ._parse import Parser, parse

__all__ = [
    "ButtonClick",
    "Command",
    "ConfigurationClick",
    "Configure",
    "Event",
    "EventError",
    "MenuAction",
    "MessageChanged",
    "MessageRemoved",
    "NewMessage",
    "Opened",
    "Parser",
    "ResourceAdded",
    "ResourceRemoved",
    "parse",
]

_show_field_texts(__name__)
