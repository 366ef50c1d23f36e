"""What pooled connections are made of, and how one is opened before a request needs it."""

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

from .network import Backend

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from twake_async._protocol.exchange import Failure
    from twake_async._transport.http_library import HttpLibrary
    from twake_async._transport.pool import PooledConnection
    from twake_async._transport.proxies import Via
    from twake_async._transport.tls import Verify

    from .transport import LibraryTransport

__all__ = ["ConnectionFactory", "connection_factory"]


class _Connected(Exception):  # noqa: N818 - a signal to this room, not an error
    """The connection stands, and the request that it was opened for would leave now."""


@attrs.define(eq=False)
class ConnectionFactory:
    """Makes transports of one connection each; they share one TLS context, made lazily."""

    url: httpx.URL
    via: Via | None
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    library: HttpLibrary
    _connector: TcpConnector = attrs.field(factory=TcpConnector, init=False, repr=False)
    _backends: weakref.WeakKeyDictionary[Any, Any] = attrs.field(
        factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    def make(self) -> LibraryTransport:
        """Return a transport that connects when its first request comes."""
        proxy = None if self.via is None else self.via.proxy
        transport: LibraryTransport = self.library.make_transport(self.context(), proxy, IDLE_LIMIT)
        backend = Backend(self._connector, self.library.core())
        if self.library.put_network(transport, backend):
            self._backends[transport] = backend
        return transport

    async def connect(self, connection: PooledConnection[LibraryTransport]) -> Failure | None:
        """Open a connection before its first request; return what went wrong.

        A request goes all the way through the library, proxies and TLS included, up to the moment
        before its first byte: there it ends, and its connection is kept.
        """
        backend = self._backends.get(connection.raw)
        trace = Trace(ours=True)
        rehearsal = contextlib.nullcontext() if backend is None else backend.rehearsal()
        try:
            with rehearsal:
                await self._ask(connection.raw, trace)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            failure = trace.failure(exc)
            return attrs.evolve(failure, sent=False, reason=trace.proof(exc) or "connect")
        finally:
            connection.stray = None if backend is None else backend.ready
        return None

    async def _ask(self, transport: LibraryTransport, trace: Trace) -> None:
        async def stop_before_it_leaves(name: str, info: dict[str, Any]) -> None:
            await trace(name, info)
            if trace.wrote and name.endswith(HEADERS_STARTED):
                raise _Connected

        # Were httpcore's events renamed, this request would leave. It asks for nothing.
        request = self.library.http.Request(
            "HEAD", self.url, extensions={"trace": stop_before_it_leaves}
        )
        with contextlib.suppress(_Connected):
            response = await transport.handle_async_request(request)
            await response.aclose()


def connection_factory(
    base_url: str, library: HttpLibrary, *, verify: Verify, via: Via | None
) -> ConnectionFactory:
    """Return what makes a session's pooled connections.

    Args:
        base_url: The server's address.
        library: What they run over.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        via: The proxy to go through, or None.

    """
    context = lazy_context(verify, library, needed=base_url.startswith("https:"))
    return ConnectionFactory(library.http.URL(base_url), via, context, library)
