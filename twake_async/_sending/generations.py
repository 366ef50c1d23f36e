"""Chooses the API of a session: that of one generation of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._arguments import check_choice, check_kind, check_workspace
from twake_async._node.steps import NodeSession
from twake_async._protocol.json_codec import PLAIN, fast_codec
from twake_async._protocol.node.api import Api as NodeApi
from twake_async._protocol.node.generation import Node
from twake_async._protocol.v1.api import Api as V1Api
from twake_async._protocol.v1.generation import V1, EchoedV1

if TYPE_CHECKING:
    from twake_async._arguments import Credentials
    from twake_async._attempts.attempt_loop import Attempts
    from twake_async._attempts.echoes import Echoes
    from twake_async._protocol.generation import Generation
    from twake_async._protocol.server import Server

__all__ = ["APIS", "Wanted", "choose_generation", "expect_echoes"]

#: The names of the APIs: v1 of 2020 to 2022, and Node's of 2022 on.
APIS = ("v1", "node")


@attrs.frozen
class Wanted:
    """What the caller of a session says of its API."""

    api: str
    text_form: Literal["plain", "portable"]
    """How v1 sends a text."""
    workspace_id: str | None
    """The workspace of channels over Node, unless a draft names one."""
    join_threads: bool
    """Whether to join a thread that refuses a reply, over Node."""

    def check(self) -> None:
        """Check what the caller said.

        Raises:
            ConfigurationError: It cannot work; the error names the argument.

        """
        check_choice("api", self.api, APIS)
        check_choice("text_form", self.text_form, ("plain", "portable"))
        check_kind("join_threads", self.join_threads, bool)
        if self.workspace_id is not None:
            check_workspace(self.workspace_id)


def choose_generation(
    wanted: Wanted,
    attempts: Attempts[Any],
    server: Server,
    credentials: Credentials,
    transport: object,
) -> Generation:
    """Return the API of a session.

    Args:
        wanted: What the caller says of it.
        attempts: Makes the requests that are not sends.
        server: What is known of the server.
        credentials: The application.
        transport: The caller's `transport`: `"fast"` also means faster JSON.

    """
    codec = fast_codec() if transport == "fast" else PLAIN
    if wanted.api == "v1":
        return V1(V1Api(server, credentials, codec), wanted.text_form)
    node = NodeApi(server, credentials, codec)
    return Node(node, NodeSession(attempts, node, wanted.join_threads), wanted.workspace_id)


def expect_echoes(
    generation: Generation, attempts: Attempts[Any]
) -> tuple[Generation, Echoes | None]:
    """Return the API of a session with observed events, and the object that takes the events.

    Only servers over v1 post events about an application's own messages. For any other API,
    the second value is None.

    Args:
        generation: The API of the session so far.
        attempts: Waits for the session.

    """
    if not isinstance(generation, V1) or generation.api.credentials is None:
        return generation, None
    from twake_async._attempts.echoes import Echoes  # noqa: PLC0415 - a session that observes nothing needs no events

    echoes = Echoes(attempts, generation.api.credentials.public_id)
    return EchoedV1(generation.api, generation.text_form, echoes=echoes), echoes
