"""The assumptions of the promise about gateways, shown by set-ups in which they do not hold.

No client can know the truth there. The tests check that the documentation names what to look for.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from twake_async import MessageRef, Outcome, RetryPolicy

from . import haproxy, nginx
from .gateway import Gateway
from .sends import QUICK, TRANSPORTS, Send, session
from .setups import Setup
from .upstream import Upstream

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "why.md"
ONCE = RetryPolicy.never()

# --- set-ups ------------------------------------------------------------------------------------

_PAGE = "error_page 500 502 503 504 /50x.html;"
_TO_HTTPS = "https://$host$request_uri;"


def _page_of(application: str) -> str:
    """Return a configuration in which an application serves `location /`, and so the error page."""
    return nginx.config(f"{_PAGE} location / {{ {application} }}")


def _json(status: int, document: str) -> str:
    return f"default_type application/json; return {status} '{document}';"


def _shows(name: str, status: int, text: str, users: str = "") -> Setup:
    return nginx.setup(name, text, files={"users": users}, every=status)


_AUTH = 'auth_basic "Staff"; auth_basic_user_file @DIR@/users;'
_USERS = "somebody:{PLAIN}else\n"

#: The error page lies where a login is asked for, or where all is sent to https.
SAID_TOO_LATE = [
    _shows("auth_basic_401", 401, nginx.config(f"{_AUTH} {_PAGE}", "auth_basic off;"), _USERS),
    _shows("application_401", 401, _page_of("return 401;")),
    _shows("application_429", 429, _page_of("return 429;")),
    _shows("https_301", 301, _page_of(f"return 301 {_TO_HTTPS}")),
    _shows("https_308", 308, _page_of(f"return 308 {_TO_HTTPS}")),
]

REPEATING = [
    nginx.setup(
        "non_idempotent",
        nginx.config(
            location="proxy_next_upstream error timeout non_idempotent;",
            http=nginx.TWO_SERVERS,
            peer="twake",
        ),
    ),
    haproxy.setup("retry_on", haproxy.config(backend="retry-on all-retryable-errors")),
    haproxy.setup("retry_on_empty", haproxy.config(backend="retry-on empty-response")),
]

_CACHE = "proxy_cache answers; proxy_cache_methods POST; proxy_cache_valid 200 1m;"
_CACHES = "proxy_cache_path @DIR@/cache keys_zone=answers:1m;"
CACHING = nginx.setup("cache", nginx.config(location=_CACHE, http=_CACHES))


@contextlib.asynccontextmanager
async def scene(setup: Setup) -> AsyncIterator[tuple[Gateway, Upstream]]:
    """Give a running gateway and the upstream behind it."""
    with setup.running() as gateway:
        async with Upstream(gateway.upstream_port) as upstream:
            yield gateway, upstream


async def _sent(gateway: Gateway, **options: Any) -> Send:
    send = Send("create", content=options.pop("content", "Hello"))
    send.open(gateway, **{"retry": ONCE, **options})
    await send.run()
    await send.twake.aclose()
    return send


# --- what the documentation names ---------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS, ids=["default", "fast"])
@pytest.mark.parametrize("setup", SAID_TOO_LATE, ids=lambda setup: setup.name)
async def test_a_status_that_is_assumed_to_come_first_can_come_after_storing(setup, transport):
    """401, 429 and a redirect to https count as refusals, wherever the error page led."""
    async with scene(setup) as (gateway, upstream):
        upstream.act = "store_then_close"
        send = await _sent(gateway, transport=transport)
    assert send.error is not None
    assert (send.error.status, send.outcome) == (setup.shows["closed"], Outcome.REFUSED)
    assert upstream.stored[send.key] == 1


async def test_a_429_that_comes_after_storing_makes_copies():
    """It is repeated by default, as any refused message may be: each attempt stores one more."""
    (setup,) = [setup for setup in SAID_TOO_LATE if 429 in setup.shows.values()]
    async with scene(setup) as (gateway, upstream):
        upstream.act = "store_then_close"
        send = await _sent(gateway, retry=QUICK)
    assert send.outcome is Outcome.REFUSED
    assert upstream.stored[send.key] == len(send.reasons) == QUICK.attempts


@pytest.mark.parametrize("setup", REPEATING, ids=lambda setup: setup.id)
async def test_a_gateway_that_repeats_makes_the_copies_itself(setup):
    """A delivered message is there twice, and a refusal of the second request is taken for ours."""
    async with scene(setup) as (gateway, upstream):
        upstream.first.append("store_then_close")
        doubled = await _sent(gateway)
        upstream.first.extend(["store_then_close", "refuse"])
        refused = await _sent(gateway)
    assert doubled.outcome is Outcome.DELIVERED
    assert upstream.stored[doubled.key] == 2
    assert refused.outcome is Outcome.REFUSED
    assert upstream.stored[refused.key] == 1


async def test_a_gateway_that_answers_a_post_from_its_cache_answers_for_the_server():
    """An edit is claimed as delivered though no server has seen it; a create is not."""
    async with scene(CACHING) as (gateway, upstream):
        ref = MessageRef("c1", "m1")
        async with session(gateway) as twake:
            await twake.edit_message(ref, "first")
            await twake.edit_message(ref, "second")
        send = await _sent(gateway)
    assert upstream.stored["m1"] == 1
    assert (send.outcome, upstream.stored[send.key]) == (Outcome.UNKNOWN, 0)


def test_the_documentation_names_what_these_set_ups_do():
    """Operators of a gateway find the directives that break an assumption."""
    text = DOCS.read_text("utf-8").partition("## What the promise assumes")[2].partition("\n## ")[0]
    for word in ("401", "429", "non_idempotent", "retry-on", "proxy_cache_methods"):
        assert word in text, word


# --- what is open -------------------------------------------------------------------------------

_NOT_FOUND = '{"error":"Not found"}'
_ROUTE = '{"message":"Route GET:/50x.html not found","error":"Not Found","statusCode":404}'

WRONG = [
    _shows("limit_only_for_the_api_413", 413, nginx.config(_PAGE, "client_max_body_size 20m;")),
    _shows("application_404_words", 404, _page_of(_json(404, _NOT_FOUND))),
    _shows("application_404_statusCode", 404, _page_of(_json(404, _ROUTE))),
]


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="REFUSED by what another location of nginx says"
)
@pytest.mark.parametrize("setup", WRONG, ids=lambda setup: setup.name)
async def test_an_error_page_is_not_taken_for_the_word_of_the_server(setup):
    """The page of a 502 may be too large for its location, or be a 404 of another application."""
    async with scene(setup) as (gateway, upstream):
        upstream.act = "store_then_close"
        send = await _sent(gateway, content="x" * 2_000_000)
    assert upstream.stored[send.key] == 1
    assert send.outcome is Outcome.UNKNOWN, send.told()
