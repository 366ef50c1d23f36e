"""Open a configuration window in the browser of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.errors import NodeError
from twake_async.sandbox._world.rows import Window

if TYPE_CHECKING:
    from twake_async.sandbox._world.tokens import Bearer
    from twake_async.sandbox._world.world import World

__all__ = ["configure"]


def configure(world: World, bearer: Bearer, body: Any) -> dict[str, Any]:
    """Show a window to a user; succeed also if the user does not have that connection.

    Raises:
        NodeError: A field is missing.

    """
    given = body if isinstance(body, dict) else {}
    for name in ("user_id", "connection_id", "form"):
        if name not in given:
            raise NodeError(400, f"body should have required property '{name}'")
    window = Window(
        bearer.id, given["form"], given.get("hidden_data", {}), given.get("configurator_id")
    )
    world.open_window(given["user_id"], given["connection_id"], window)
    return {"status": "ok"}
