"""Answers of gateways before they forward anything: which are proof, and which need the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from twake_async import Delivery, MessageDraft, Outcome, TwakeError

from . import apache, caddy, haproxy, nginx, squid
from .gateway import Gateway
from .sends import OPERATIONS, TRANSPORTS, Send, close, each, session
from .setups import Setup
from .upstream import Upstream

REFUSING = [
    *(*nginx.REFUSING, *haproxy.REFUSING, *apache.REFUSING),
    *(*squid.REFUSING, *caddy.REFUSING),
]
#: More than any of the set-ups accepts, and little enough to be read before it is refused.
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
    """A redirect to https, 413, 401 and 429 end REFUSED, and the upstream received nothing."""
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


async def test_a_proxy_that_asks_for_a_login_refuses_and_once_known_forwards():
    """407 of a forward proxy is a refusal; with a login the claims are those of its upstream."""
    with squid.FORWARDING.running() as gateway:
        strangers = [Send(operation) for operation in OPERATIONS]
        known = [Send(operation) for operation in OPERATIONS]
        async with Upstream(gateway.upstream_port) as upstream:
            direct = f"http://127.0.0.1:{upstream.port}"
            for send in strangers:
                send.open(gateway, base_url=direct, proxy=gateway.url)
            for send in known:
                proxy = gateway.url.replace("://", "://somebody:secret@")
                send.open(gateway, base_url=direct, proxy=proxy)
            try:
                await each((*strangers, *known), Send.run)
                upstream.act = "store_then_close"
                lost = Send("create")
                lost.open(gateway, base_url=direct, proxy=proxy)
                known.append(lost)
                await lost.run()
            finally:
                await close((*strangers, *known))
    for send in strangers:
        assert (send.outcome, send.error and send.error.status) == (Outcome.REFUSED, 407), (
            send.told()
        )
        assert not upstream.received[send.key]
    assert [send.outcome for send in known] == [Outcome.DELIVERED] * 3 + [Outcome.UNKNOWN]
    assert [upstream.stored[send.key] for send in known] == [1] * 4


#: None of these is forwarded, but the same statuses come after storing, too.
WRONG_ADDRESSES = [
    nginx.refusing("location_404", 404, nginx.config("rewrite ^ /nothing/here last;")),
    nginx.refusing("deny_403", 403, nginx.config("deny all;")),
    nginx.refusing("static_405", 405, nginx.config("rewrite ^ /index.html last;"), {
        "html/index.html": "<html><body>Welcome</body></html>"
    }),
    nginx.refusing("login_302", 302, nginx.config("return 302 /login;")),
    nginx.refusing("https_302", 302, nginx.config("return 302 https://$host$request_uri;")),
    nginx.refusing("other_host_301", 301, nginx.config("return 301 https://other.example/;")),
    haproxy.refusing("https_302", 302, "http-request redirect scheme https"),
    haproxy.refusing("deny_403", 403, "http-request deny"),
    apache.refusing("deny_403", 403, apache.config("<Location />\nRequire all denied\n</Location>")),
    apache.refusing("folder_404", 404, apache.config().replace("ProxyPass /api/", "ProxyPass /v2/")),
]  # fmt: skip
at_each_wrong_address = pytest.mark.parametrize(
    ("gateway", "setup"),
    [pytest.param(setup, setup, id=setup.id) for setup in WRONG_ADDRESSES],
    indirect=["gateway"],
    scope="module",
)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=["default", "fast"])
@at_each_wrong_address
async def test_what_may_come_after_storing_is_a_refusal_only_by_the_callers_word(
    gateway: Gateway, setup: Setup, transport: Any
):
    """UNKNOWN with the reason gateway_answer; REFUSED where the status is trusted."""
    assert setup.refuses is not None
    plain = [Send(operation) for operation in OPERATIONS]
    trusting = [Send(operation) for operation in OPERATIONS]
    for send in plain:
        send.open(gateway, transport=transport)
    for send in trusting:
        send.open(gateway, transport=transport, trusted_statuses={setup.refuses})
    async with Upstream(gateway.upstream_port) as upstream:
        try:
            await each((*plain, *trusting), Send.run)
        finally:
            await close((*plain, *trusting))
    assert not upstream.received
    for send in plain:
        assert send.outcome is Outcome.UNKNOWN, send.told()
        assert send.reasons == ["gateway_answer"], send.told()
    for send in trusting:
        assert send.outcome is Outcome.REFUSED, send.told()


@at_each_wrong_address
async def test_check_tells_for_sure_that_the_address_is_wrong(gateway: Gateway, setup: Setup):
    """A send cannot judge this answer of a gateway, but check can: it stores nothing anyway."""
    async with Upstream(gateway.upstream_port), session(gateway) as twake:
        found = await twake.check()
    assert found.problem == "address", found


async def test_check_finds_no_fault_with_a_gateway_that_forwards():
    """Through a plain nginx, check recognises the upstream's own answers."""
    with nginx.SETUPS[0].running() as gateway:
        async with Upstream(gateway.upstream_port) as upstream, session(gateway) as twake:
            found = await twake.check()
    assert found.ok, found
    assert not upstream.received


async def _until_a_doubt(deliveries: AsyncIterator[Delivery]) -> Delivery | None:
    """Return the first delivery of a batch that ended UNKNOWN."""
    async for delivery in deliveries:
        if delivery.outcome is Outcome.UNKNOWN:
            return delivery
    return None


@at_each_wrong_address
async def test_a_wrong_address_costs_a_batch_no_doubt(gateway: Gateway, setup: Setup):
    """A batch checks before its first message: it ends with the result, and sends nothing."""
    drafts = (MessageDraft("c1", f"message {number}") for number in range(2_000))
    async with Upstream(gateway.upstream_port) as upstream, session(gateway) as twake:
        with pytest.raises(TwakeError):
            assert await _until_a_doubt(twake.send_many(drafts)) is None
    assert not upstream.received
