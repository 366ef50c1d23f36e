"""Builds the page of a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.sandbox._page.acting import Acting
from twake_async.sandbox._page.as_test import Tests
from twake_async.sandbox._page.exchanges import Exchanges
from twake_async.sandbox._page.feed import Feed
from twake_async.sandbox._page.redaction import Redaction
from twake_async.sandbox._page.settled import Settled
from twake_async.sandbox._page.site import Site
from twake_async.sandbox._page.stream import Stream
from twake_async.sandbox._world.rows import row_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._traffic import Traffic
    from twake_async.sandbox._twake import Twake
    from twake_async.sandbox._user.acts import Acts

__all__ = ["made_page"]


def made_page(
    twake: Twake,
    poster: Poster,
    traffic: Traffic,
    acts: Acts,
    be_unreachable: Callable[[float], None],
) -> Site:
    """Return the page of a sandbox, and tell it of each change from now on.

    Args:
        twake: Answers the requests of the sandbox.
        poster: Posts its events.
        traffic: Keeps its requests and events.
        acts: The acts of its people.
        be_unreachable: Makes it unreachable for some seconds.

    """
    feed = Feed(twake)
    twake.changed = feed.wake
    traffic.changed = lambda number: feed.note("traffic", number)
    settled = Settled(traffic, _exchanges(twake))
    acting = Acting(twake, acts, be_unreachable)
    return Site(acting, Stream(twake, poster, feed, settled))


def _exchanges(twake: Twake) -> Exchanges:
    seed: Mapping[str, Mapping[str, Mapping[str, str]]] = twake.seed
    people = {
        row_key(one["id"]): one.get("username", name) for name, one in seed.get("users", {}).items()
    }
    apps = {
        row_key(one["id"]): (one.get("name", name), one.get("simple", name))
        for name, one in seed.get("apps", {}).items()
    }
    channel_ids = [one["id"] for one in seed.get("channels", {}).values()]
    tests = Tests(twake.release, channel_ids[0] if channel_ids else "", people)
    return Exchanges(Redaction.of(twake.seed), twake.release, apps, tests)
