"""Where a sandbox answers: in this process always, and on a port while it is served."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

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

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._serving.asgi import ASGIApp
    from twake_async.sandbox._twake import Twake

__all__ = ["Server"]

_NOT_SERVED = "this sandbox is not being served: use `with` or `async with`"


@define(slots=True, eq=False)
class Server:
    """The application of a sandbox, and the listener while there is one."""

    twake: Twake
    poster: Poster
    port: int
    max_body: int
    names: frozenset[str] = field(converter=checked_names)
    listener: Listener | None = None

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
        app = with_control(app, self.twake.add_fault, self.twake.script.clear, limits)
        listener = Listener(app, self.port, PATIENCE, IDLE)
        listener.start()
        self.listener = listener

    def stop(self) -> None:
        """End the thread, the connections, and the events that are on their way."""
        if self.listener is not None:
            try:
                self.listener.stop()  # requests use it until then
            finally:
                self.listener = None
        self.poster.close()

    @property
    def url(self) -> str:
        """The address; a RuntimeError while it is not served."""
        return f"http://127.0.0.1:{self._served().port}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop listening for the length of a `with` block."""
        with self._served().paused():
            yield

    def _served(self) -> Listener:
        if self.listener is None:
            raise RuntimeError(_NOT_SERVED)
        return self.listener

    def _too_large(self) -> Any:
        return NODE_TOO_LARGE if self.twake.is_node else TOO_LARGE

    def _asgi_app(self, limits: Limits, *, here: bool) -> ASGIApp:
        announce = self.poster.announce_here if here else self.poster.announce
        return asgi_app(
            self.twake.handle, announce, lambda: self.twake.delay, self._connection, limits
        )

    def _connection(self, client: Any) -> asyncio.Transport | None:
        """Return the transport of that client address, if it is served from here."""
        return self.listener.connections.get(client) if self.listener else None
