"""What pooled connections are made of, and how one is opened before a request needs it."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._transport.connect import Dial
from twake_async._transport.pool import IDLE_LIMIT
from twake_async._transport.tls import lazy_context
from twake_async._transport.trace import Witness

from .network import Backend

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from twake_async._protocol.exchange import Failure
    from twake_async._transport.http_library import HttpLibrary
    from twake_async._transport.pool import Lane
    from twake_async._transport.proxies import Via
    from twake_async._transport.tls import Verify

    from .transport import Transport

__all__ = ["LaneMaker", "lane_maker"]


class _Connected(Exception):  # noqa: N818 - a signal to this room, not an error
    """The connection stands, and the request that it was opened for would leave now."""


@attrs.define(eq=False)
class LaneMaker:
    """Makes transports of one connection each; they share one TLS context, made lazily."""

    url: httpx.URL
    via: Via | None
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    library: HttpLibrary
    _dial: Dial = attrs.field(factory=Dial, init=False, repr=False)
    _backends: weakref.WeakKeyDictionary[Any, Any] = attrs.field(
        factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    def make(self) -> Transport:
        """Return a transport that connects when its first request comes."""
        proxy = None if self.via is None else self.via.proxy
        transport: Transport = self.library.make_transport(self.context(), proxy, IDLE_LIMIT)
        backend = Backend(self._dial, self.library.core())
        if self.library.put_network(transport, backend):
            self._backends[transport] = backend
        return transport

    async def connect(self, lane: Lane[Transport]) -> Failure | None:
        """Open the connection that the lane's first request will find; return what went wrong.

        A request goes all the way through the library, proxies and TLS included, up to the moment
        before its first byte: there it ends, and its connection is kept.
        """
        backend = self._backends.get(lane.transport)
        witness = Witness(ours=True)
        rehearsal = contextlib.nullcontext() if backend is None else backend.rehearsal()
        try:
            with rehearsal:
                await self._ask(lane.transport, witness)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            failure = witness.failure(exc)
            return attrs.evolve(failure, sent=False, reason=witness.proof(exc) or "connect")
        finally:
            lane.stray = None if backend is None else backend.ready
        return None

    async def _ask(self, transport: Transport, witness: Witness) -> None:
        async def trace(name: str, info: dict[str, Any]) -> None:
            await witness(name, info)
            if witness.wrote and name.endswith("send_request_headers.started"):
                raise _Connected

        # Were httpcore's events renamed, this request would leave. It asks for nothing.
        request = self.library.http.Request("HEAD", self.url, extensions={"trace": trace})
        with contextlib.suppress(_Connected):
            response = await transport.handle_async_request(request)
            await response.aclose()


def lane_maker(
    base_url: str, library: HttpLibrary, *, verify: Verify, via: Via | None
) -> LaneMaker:
    """Return what makes a session's lanes.

    Args:
        base_url: The server's address.
        library: What they run over.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        via: The proxy to go through, or None.

    """
    context = lazy_context(verify, library, needed=base_url.startswith("https:"))
    return LaneMaker(library.http.URL(base_url), via, context, library)
