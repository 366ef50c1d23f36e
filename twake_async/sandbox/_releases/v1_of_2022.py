"""v1 on a server of 2022, where PHP and the Node server keep the same messages.

The v1 of 2022 was not recorded. It answers as "2021" does, whose PHP is that of a later release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.php_server import answer_php
from twake_async.sandbox._world.happened import Happened
from twake_async.sandbox._world.rows import row_key
from twake_async.sandbox._world.translate import as_v1, store_on_node

if TYPE_CHECKING:
    from twake_async.sandbox._http import Request, Response
    from twake_async.sandbox._world.rows import Message
    from twake_async.sandbox._world.world import World

__all__ = ["answer_v1_of_2022", "named_messages"]


def answer_v1_of_2022(world: World, request: Request) -> Response:
    """Carry out a request to v1: read its messages from the Node server, and write them back.

    Args:
        world: The world, which the request may change.
        request: The request.

    """
    named = named_messages(request.body)
    world.messages = {key: row for key in named if (row := _row(world, key))}
    before = dict(world.messages)
    response = answer_php(world, request, release="2021")
    for key, message in world.messages.items():
        if message is not before.get(key):
            store_on_node(world, message)
            _tell(world, key, is_new=key not in before)
    for key in before.keys() - world.messages.keys():
        world.node.remove(world.node.messages[key])
    world.messages = {}
    return response


def _tell(world: World, message_id: str, *, is_new: bool) -> None:
    """Record a message for the applications, as Node does; the real events were not recorded."""
    row = world.node.messages[message_id]
    thread = world.node.thread(row.thread_id)
    place, shown = row.cache or {}, row.as_row(with_status=False)
    opened = thread.as_row() if thread else {}
    world.happened.append(
        Happened(place["channel_id"], row.application_id, shown, opened, is_new=is_new)
    )


def _row(world: World, message_id: str) -> Message | None:
    """Return a message of the Node server as PHP has it; a missing `front_id` becomes the id."""
    found = world.node.messages.get(message_id)
    if found is None:
        return None
    thread = world.node.thread(found.thread_id)
    message = as_v1(found, thread.answers - 1 if thread else 0)
    message.front_id = message.front_id or message.id
    return message


def named_messages(body: bytes) -> list[str]:
    """Return the ids of the messages that the body of a request to v1 names."""
    fields = php_json.decode(body)
    message = fields.get("message") if isinstance(fields, dict) else None
    if not isinstance(message, dict):
        return []
    ids = (message.get("id"), message.get("parent_message_id"))
    return [row_key(one) for one in ids if isinstance(one, str)]
