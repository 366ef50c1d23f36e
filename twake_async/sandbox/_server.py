"""Lets a sandbox answer: always in this process, and on a port while it is served.

The page exists only while the sandbox is served.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._page.made import made_page
from twake_async.sandbox._page.site import PATHS, Site
from twake_async.sandbox._serving.app import asgi_app
from twake_async.sandbox._serving.control import with_control
from twake_async.sandbox._serving.limits import (
    IDLE,
    NODE_TOO_LARGE,
    PATIENCE,
    TOO_LARGE,
    Limits,
    checked_names,
)
from twake_async.sandbox._serving.listener import Listener
from twake_async.sandbox._traffic import Traffic

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._serving.asgi import ASGIApp, Receive, Scope, Send
    from twake_async.sandbox._twake import Twake
    from twake_async.sandbox._user.acts import Acts

__all__ = ["Server"]

_NOTICE = 0.2
"""Seconds until an outage begins, so that the request for it gets its answer."""
_NOT_SERVED = "this sandbox is not being served: use `with` or `async with`"


@define(slots=True, eq=False)
class Server:
    """The application of a sandbox, and the listener while it is served."""

    twake: Twake
    poster: Poster
    acts: Acts
    port: int
    max_body: int
    names: frozenset[str] = field(converter=checked_names)
    traffic: Traffic = field(factory=Traffic)
    listener: Listener | None = None
    site: Site | None = None
    """The page, while it is served."""
    _outage: threading.Thread | None = None
    _end_outage: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self.poster.watch = self.traffic.post

    def app(self) -> ASGIApp:
        """Return the application for requests in this process."""
        limits = Limits(self.max_body, too_large=self._too_large())
        return self._asgi_app(limits, here=True)

    def start(self) -> None:
        """Listen, and serve from a thread.

        Raises:
            RuntimeError: It is being served already.

        """
        if self.listener is not None:
            raise RuntimeError("this sandbox is being served already")
        limits = Limits(self.max_body, self.names, PATIENCE, self._too_large())
        app = self._asgi_app(limits, here=False)
        app = with_control(app, self.twake.add_fault, self.twake.forget_faults, limits)
        app = self._with_page(app, limits)
        listener = Listener(app, self.port, PATIENCE, IDLE)
        listener.start()
        self.listener = listener

    def stop(self) -> None:
        """End the thread, the connections, and the events that are on their way."""
        if self._outage is not None:
            self._end_outage.set()
            self._outage.join()
        if self.listener is not None:
            try:
                self.listener.stop()  # requests use it until then
            finally:
                self.listener = None
        self.poster.close()

    @property
    def url(self) -> str:
        """The address; raises RuntimeError while it is not served."""
        return f"http://127.0.0.1:{self._served().port}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop listening for the length of a `with` block."""
        with self._served().paused():
            yield

    def be_unreachable(self, seconds: float) -> None:
        """Stop listening for some seconds, from another thread; never two outages at once."""
        if self._outage is not None and self._outage.is_alive():
            return
        self._end_outage.clear()

        def outage() -> None:
            if self._end_outage.wait(_NOTICE):
                return
            with self.paused():
                self._end_outage.wait(seconds)

        self._outage = threading.Thread(target=outage, name="twake-async-outage", daemon=True)
        self._outage.start()

    def _with_page(self, app: ASGIApp, limits: Limits) -> ASGIApp:
        """Return an application that also serves the page."""
        acts, outage = self.acts, self.be_unreachable
        self.site = site = made_page(self.twake, self.poster, self.traffic, acts, outage)

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] in PATHS and _knows(limits, scope):
                await site(scope, receive, send)
            else:
                await app(scope, receive, send)

        return served

    def _served(self) -> Listener:
        if self.listener is None:
            raise RuntimeError(_NOT_SERVED)
        return self.listener

    def _too_large(self) -> Any:
        return NODE_TOO_LARGE if self.twake.is_node else TOO_LARGE

    def _asgi_app(self, limits: Limits, *, here: bool) -> ASGIApp:
        announce = self.poster.announce_here if here else self.poster.announce
        return asgi_app(
            self.twake.handle,
            announce,
            lambda: self.twake.delay,
            self._connection,
            limits,
            traffic=self.traffic,
        )

    def _connection(self, client: Any) -> asyncio.Transport | None:
        """Return the transport of that client address, if it is served from here."""
        return self.listener.connections.get(client) if self.listener else None


def _knows(limits: Limits, scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
    return len(hosts) == 1 and limits.knows_host({"host": hosts[0]})
