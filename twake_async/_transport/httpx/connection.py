"""Pooled connections over httpx or httpx2: how they are made, and opened before a request."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._transport.connect import TcpConnector
from twake_async._transport.http_library import HEADERS_STARTED
from twake_async._transport.pool import IDLE_LIMIT
from twake_async._transport.tls import lazy_context
from twake_async._transport.trace import Trace

from .backend import Backend
from .events import RequestEvents

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from twake_async._protocol.exchange import Failure
    from twake_async._transport.http_library import HttpLibrary
    from twake_async._transport.pooled_connection import PooledConnection
    from twake_async._transport.proxies import RedactedProxy
    from twake_async._transport.tls import Verify

    from .exchange import LibraryTransport

__all__ = ["ConnectionFactory", "connection_factory"]


class _Connected(Exception):  # noqa: N818 - an internal signal
    """The connection is open, and the request would leave now."""


@attrs.define(eq=False)
class ConnectionFactory:
    """Makes transports of one connection each.

    Args:
        url: The server's address.
        proxy: The proxy to go through, or None.
        context: Returns the TLS context, which all of them share.
        library: The library whose transports are made.

    """

    url: httpx.URL
    proxy: RedactedProxy | None
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    library: HttpLibrary
    _connector: TcpConnector = attrs.field(factory=TcpConnector, init=False, repr=False)
    _backends: weakref.WeakKeyDictionary[Any, Any] = attrs.field(
        factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    def make(self) -> LibraryTransport:
        """Return a transport that connects with its first request."""
        proxy = None if self.proxy is None else self.proxy.proxy
        transport: LibraryTransport = self.library.make_transport(self.context(), proxy, IDLE_LIMIT)
        backend = Backend(self._connector, self.library.core())
        if self.library.set_network(transport, backend):
            self._backends[transport] = backend
        return transport

    async def connect(self, connection: PooledConnection[LibraryTransport]) -> Failure | None:
        """Open a connection before its first request; return the failure, or None.

        A request goes through the library, also through proxies and TLS, until its first byte
        would leave. Then it ends, and its connection is kept.
        """
        backend = self._backends.get(connection.raw)
        trace = Trace()
        preconnecting = contextlib.nullcontext() if backend is None else backend.preconnecting()
        try:
            with preconnecting:
                await self._request_nothing(connection.raw, trace)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            failure = trace.failure(exc)
            return attrs.evolve(failure, sent=False, reason=trace.proof(exc) or "connect")
        finally:
            connection.orphan = None if backend is None else backend.preconnected
        return None

    async def _request_nothing(self, transport: LibraryTransport, trace: Trace) -> None:
        events = RequestEvents(trace)

        async def stop_before_it_leaves(name: str, info: dict[str, Any]) -> None:
            await events(name, info)
            if trace.wrote and name.endswith(HEADERS_STARTED):
                raise _Connected

        # If the library renames its events, this request leaves. It changes nothing on the server.
        request = self.library.http.Request(
            "HEAD", self.url, extensions={"trace": stop_before_it_leaves}
        )
        with contextlib.suppress(_Connected):
            response = await transport.handle_async_request(request)
            await response.aclose()


def connection_factory(
    base_url: str, library: HttpLibrary, *, verify: Verify, proxy: RedactedProxy | None
) -> ConnectionFactory:
    """Return the factory of the connections of a session.

    Args:
        base_url: The server's address.
        library: The library that they use.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        proxy: The proxy to go through, or None.

    """
    context = lazy_context(verify, library, needed=base_url.startswith("https:"))
    return ConnectionFactory(library.http.URL(base_url), proxy, context, library)
