"""What the lanes over httpx are made of, and how one is connected before a request needs it."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from ._lanes import IDLE_LIMIT
from ._tls import lazy_context
from ._witness import Witness

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ._facts import Failure
    from ._lanes import Lane
    from ._proxies import Via
    from ._tls import Verify
    from ._transport import Transport

__all__ = ["LaneMaker", "lane_maker"]

_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_LIMIT)


class _Connected(Exception):  # noqa: N818 - a signal to this room, not an error
    """The connection stands, and the request that it was opened for would leave now."""


@attrs.define(eq=False)
class LaneMaker:
    """Makes transports of one connection each; they share one TLS context, made lazily."""

    url: httpx.URL
    via: Via | None
    context: Callable[[], ssl.SSLContext] = attrs.field(repr=False)
    _dial: Any = attrs.field(default=None, init=False, repr=False)
    _backends: weakref.WeakKeyDictionary[Any, Any] = attrs.field(
        factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    def make(self) -> Transport:
        """Return a transport that connects when its first request comes."""
        # httpcore takes longer to import than everything else here: only once a lane is made.
        from ._network import Backend, Dial  # noqa: PLC0415

        if self._dial is None:
            self._dial = Dial()
        transport = httpx.AsyncHTTPTransport(
            verify=self.context(),
            proxy=None if self.via is None else self.via.proxy,
            limits=_LIMITS,
            trust_env=False,
            http2=False,
        )
        # httpx has no argument for what httpcore calls its network backend. Where this attribute
        # goes away, lanes go on over httpcore's own, slower; a test would tell.
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            backend = self._backends[transport] = Backend(self._dial)
            pool._network_backend = backend  # noqa: SLF001
        return transport

    async def connect(self, lane: Lane[Transport]) -> Failure | None:
        """Open the connection that the lane's first request will find; return what went wrong.

        A request goes all the way through httpx, proxies and TLS included, up to the moment
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
        request = httpx.Request("HEAD", self.url, extensions={"trace": trace})
        with contextlib.suppress(_Connected):
            response = await transport.handle_async_request(request)
            await response.aclose()


def lane_maker(base_url: str, *, verify: Verify, via: Via | None) -> LaneMaker:
    """Return what makes a session's lanes.

    Args:
        base_url: The server's address.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        via: The proxy to go through, or None.

    """
    context = lazy_context(verify, needed=base_url.startswith("https:"))
    return LaneMaker(httpx.URL(base_url), via, context)
