"""v1 on a server of 2022, where PHP and the Node server keep the same messages.

No v1 of 2022 was recorded. It is answered as "2021" is, whose PHP is that of a later release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases import php_json
from twake_async.sandbox._releases.php_server import answer_php
from twake_async.sandbox._world.rows import row_key
from twake_async.sandbox._world.translate import adopt, as_v1

if TYPE_CHECKING:
    from twake_async.sandbox._http import Request, Response
    from twake_async.sandbox._world.world import World

__all__ = ["answer_v1_of_2022"]


def answer_v1_of_2022(world: World, request: Request) -> Response:
    """Carry out a request to v1: the messages that it names come from the Node server, and go back.

    Args:
        world: The world, which the request may change.
        request: The request.

    """
    named = _named(php_json.decode(request.body))
    world.messages = {key: as_v1(row, 0) for key in named if (row := world.node.messages.get(key))}
    before = dict(world.messages)
    response = answer_php(world, request, release="2021")
    for key, message in world.messages.items():
        if message is not before.get(key):
            adopt(world, message)
    for key in before.keys() - world.messages.keys():
        world.node.remove(world.node.messages[key])
    world.messages = {}
    return response


def _named(fields: Any) -> list[str]:
    """Return the ids of the messages that a request names."""
    message = fields.get("message") if isinstance(fields, dict) else None
    if not isinstance(message, dict):
        return []
    ids = (message.get("id"), message.get("parent_message_id"))
    return [row_key(one) for one in ids if isinstance(one, str)]
