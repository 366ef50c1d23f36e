"""Sets up a session: checks its arguments, and opens its transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from twake_async._arguments import (
    Credentials,
    Hidden,
    check_base_url,
    check_callback,
    check_count,
    check_deadline,
    check_kind,
    check_statuses,
)
from twake_async._attempts.attempt_loop import Attempts
from twake_async._attempts.lifetime import Life
from twake_async._protocol.server import Server
from twake_async._transport.choose import open_transport
from twake_async.retry import Attempt, RetryBudget, RetryPolicy, Tokens

from .generations import Wanted, choose_generation
from .sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Way", "set_up"]


@attrs.frozen
class Way:
    """The settings of the transport, as the caller of a session gave them, unchecked."""

    base_url: Hidden[str]
    allow_plain_http: bool
    max_connections: int
    trusted_statuses: Collection[int]
    http_client: Any
    transport: Any
    verify: Any
    proxy: Hidden[Any]


def set_up(
    credentials: Credentials,
    way: Way,
    wanted: Wanted,
    *,
    group_id: str | None,
    deadline: float,
    retry: RetryPolicy,
    retry_budget: RetryBudget | None,
    on_attempt: Callable[[Attempt], object] | None,
) -> tuple[str, Sender]:
    """Return the address of the server, and the `Sender` of a session.

    Args:
        credentials: The application.
        way: The settings of the transport.
        wanted: What the caller says of the API.
        group_id: The group of the messages.
        deadline: Seconds for one send.
        retry: When a send is tried again.
        retry_budget: How many retries all sends together may spend; None for no limit.
        on_attempt: Called with the facts of each attempt.

    Raises:
        ConfigurationError: An argument cannot work; the error names it.

    """
    base_url = check_base_url(way.base_url.value, allow_plain_http=way.allow_plain_http)
    seconds = check_deadline(deadline, positive=True)
    check_kind("retry", retry, RetryPolicy)
    wanted.check()
    check_count("max_connections", way.max_connections)
    trusted = check_statuses("trusted_statuses", way.trusted_statuses)
    if retry_budget is not None:
        check_kind("retry_budget", retry_budget, RetryBudget)
    check_callback("on_attempt", on_attempt)
    opened = open_transport(
        base_url,
        way.max_connections,
        way.http_client,
        way.transport,
        verify=way.verify,
        proxy=way.proxy,
    )
    server = Server(base_url, trusted, opened.proxy)
    attempts = Attempts(opened, Tokens(retry_budget), on_attempt)
    generation = choose_generation(wanted, attempts, server, credentials, way.transport)
    return base_url, Sender(generation, attempts, Life(), group_id, seconds, retry)
