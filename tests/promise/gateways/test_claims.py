"""Each claim behind each gateway, against what its upstream stored."""

from __future__ import annotations

from typing import Any

import pytest

from twake_async import Outcome, RetryPolicy

from . import apache, caddy, haproxy, nginx, squid
from .gateway import Gateway
from .sends import OPERATIONS, QUICK, TRANSPORTS, Send, close, each
from .setups import CASES, Case, Setup
from .upstream import Upstream

SETUPS = [
    *(*nginx.SETUPS, *haproxy.SETUPS, *apache.SETUPS),
    *(*squid.SETUPS, *caddy.SETUPS),
]


async def sent(gateway: Gateway, upstream: Upstream, case: Case, transport: Any) -> list[Send]:
    """Send each operation over a new and over a kept connection, and a message after each."""
    sends = [Send(operation, kept) for operation in OPERATIONS for kept in (False, True)]
    for send in sends:
        # A repeat of a slow act would only wait for the gateway once more.
        send.open(gateway, transport=transport, retry=RetryPolicy.never() if case.slow else QUICK)
    try:
        await each([send for send in sends if send.kept], Send.deliver_another)
        await case.begin(upstream)
        await each(sends, Send.run)
        await case.end(upstream)
        await each(sends, Send.deliver_another)
    finally:
        await close(sends)
    return sends


@pytest.mark.parametrize("transport", TRANSPORTS, ids=["default", "fast"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("gateway", "setup"),
    [pytest.param(setup, setup, id=setup.id) for setup in SETUPS],
    indirect=["gateway"],
    scope="module",
)
async def test_no_claim_is_contradicted_by_what_the_upstream_stored(
    gateway: Gateway, setup: Setup, case: Case, transport: Any
):
    """DELIVERED is stored, REFUSED and NOT_SENT are not, and each provable claim is made."""
    async with Upstream(gateway.upstream_port) as upstream:
        sends = await sent(gateway, upstream, case, transport)
    for send in sends:
        copies = upstream.stored[send.key]
        told = f"{send.told()}; stored {copies} times\n{gateway.text()}\n{gateway.log()}"
        assert bool(copies) == case.stores, told
        if send.outcome is Outcome.DELIVERED:
            assert copies, told
        if send.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
            assert not copies, told
        assert send.outcome is setup.claim(case), told
        if send.operation == "create":
            assert upstream.received[send.key] == (case.name != "dead"), told
        # A gateway that gave this answer once may give it again, each time after one more copy.
        assert send.reasons.count("gateway_answer") <= 1, told
    check_statuses(setup.statuses(case), sends)


def check_statuses(shown: frozenset[int], sends: list[Send]) -> None:
    """Check the purpose of the set-up: the client gets the status that it shows."""
    if not shown:
        return
    errors = [send.error for send in sends if send.error and send.error.reason != "lost"]
    told = "\n".join(send.told() for send in sends)
    # Some gateways send nothing if a connection that was used before ends without an answer.
    assert errors or shown == {502}, told
    assert {error.status for error in errors} <= shown, told
    for error in errors:
        if error.status is not None and 300 <= error.status < 500:
            assert error.reason == "gateway_answer", told
