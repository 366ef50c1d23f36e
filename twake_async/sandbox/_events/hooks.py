"""The choice of the applications that get an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.sandbox._events import node, v1
from twake_async.sandbox._releases.server import NODE_RELEASES
from twake_async.sandbox._world.rows import same_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._world.happened import Happened
    from twake_async.sandbox._world.world import World

__all__ = ["hooks"]


def hooks(world: World, listening: Iterable[str], release: str) -> tuple[Outgoing, ...]:
    """Return the events for all that happened since the last call.

    A server of 2020 also tells an application of its own messages; a Node server does not. The
    server of 2021 tells nothing: its Node server has no events yet, and its PHP has no events of
    messages.

    Args:
        world: The world; what happened is removed from it.
        listening: The ids of the applications with an address, in order.
        release: The release of the server.

    """
    happened, world.happened = world.happened, []
    if release == "2021" or not happened:
        return ()
    return tuple(
        event
        for one in happened
        for app_id in listening
        if (event := _hook(world, app_id, one, release)) is not None
    )


def _hook(world: World, app_id: str, happened: Happened, release: str) -> Outgoing | None:
    app, channel = world.app(app_id), world.channel(happened.channel_id)
    if app is None or channel is None or not world.hears(app_id, channel):
        return None
    if release not in NODE_RELEASES:
        return v1.hook(world, app.id, happened)
    if same_id(happened.application_id, app_id):
        return None
    return node.hook(world, app, happened, release=release)
