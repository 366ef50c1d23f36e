"""Chooses the API of a session: that of one generation of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ._node.steps import NodeSession
from ._protocol.node.api import Api as NodeApi
from ._protocol.node.generation import Node
from ._protocol.v1.api import Api as V1Api
from ._protocol.v1.generation import V1

if TYPE_CHECKING:
    from ._arguments import Credentials
    from ._attempt_loop import Attempts
    from ._protocol.generation import Generation
    from ._protocol.json_codec import Codec
    from ._protocol.server import Server

__all__ = ["APIS", "choose_generation"]

#: The names of the APIs: v1 of 2020 to 2022, and Node's of 2022 on.
APIS = ("v1", "node")


def choose_generation(
    api: str,
    attempts: Attempts[Any],
    server: Server,
    credentials: Credentials,
    codec: Codec,
    *,
    text_form: Literal["plain", "portable"],
    workspace_id: str | None,
    join_threads: bool,
) -> Generation:
    """Return the API of a session.

    Args:
        api: Its name.
        attempts: Makes the requests that stand beside sends.
        server: What is known of the server.
        credentials: The application.
        codec: What writes and reads JSON.
        text_form: How v1 sends a text.
        workspace_id: The workspace of channels over Node, unless a draft says it.
        join_threads: Whether to take part in a thread that refuses a reply, over Node.

    """
    if api == "v1":
        return V1(V1Api(server, credentials, codec), text_form)
    node = NodeApi(server, credentials, codec)
    return Node(node, NodeSession(attempts, node, join_threads), workspace_id)
