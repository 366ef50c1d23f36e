"""What gateways say before they forward anything: what is proof, what is not, what never left."""

from __future__ import annotations

from typing import Any

import pytest

from twake_async import Outcome

from . import apache, caddy, haproxy, nginx, squid
from .gateway import Gateway
from .sends import OPERATIONS, TRANSPORTS, Send, close, each
from .setups import Setup
from .upstream import Upstream

REFUSING = [
    *(*nginx.REFUSING, *haproxy.REFUSING, *apache.REFUSING),
    *(*squid.REFUSING, *caddy.REFUSING),
]
#: More than any of the set-ups lets pass, and little enough to be read before it is refused.
LARGE = "x" * 8_000


@pytest.mark.parametrize("transport", TRANSPORTS, ids=["default", "fast"])
@pytest.mark.parametrize(
    ("gateway", "setup"),
    [pytest.param(setup, setup, id=setup.id) for setup in REFUSING],
    indirect=["gateway"],
    scope="module",
)
async def test_what_a_gateway_refuses_before_it_forwards_is_claimed_as_refused(
    gateway: Gateway, setup: Setup, transport: Any
):
    """A redirect to https, 413, 401 and 429 end REFUSED, and nothing came to the upstream."""
    too_large = setup.refuses == 413
    # A remove has no content that could be too large.
    operations = OPERATIONS[:2] if too_large else OPERATIONS
    sends = [Send(operation, content=LARGE) for operation in operations]
    first = Send("create")
    for send in (first, *sends):
        send.open(gateway, transport=transport)
    async with Upstream(gateway.upstream_port) as upstream:
        try:
            await first.run()
            await each(sends, Send.run)
        finally:
            await close((first, *sends))
    for send in sends:
        told = f"{send.told()}\n{gateway.text()}\n{gateway.log()}"
        assert not upstream.received[send.key], told
        assert send.outcome is Outcome.REFUSED, told
        assert send.error is not None, told
        assert send.error.status == setup.refuses, told
