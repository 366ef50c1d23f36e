"""What the lanes over httpx are made of, and how one is connected before a request needs it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import attrs
import httpx

from ._facts import Failure
from ._lanes import IDLE_LIMIT
from ._tls import lazy_context
from ._transport import resolve_proxy
from ._witness import detail_of, refine

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ._lanes import Lane
    from ._tls import Verify
    from ._transport import Transport

__all__ = ["LaneMaker", "lane_maker"]

_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_LIMIT)


@attrs.define(eq=False)
class LaneMaker:
    """Makes transports of one connection each; they share one TLS context, made lazily."""

    url: httpx.URL
    proxy: httpx.Proxy | None = attrs.field(repr=False)
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
            verify=self.context(), proxy=self.proxy, limits=_LIMITS, trust_env=False, http2=False
        )
        # httpx has no argument for what httpcore calls its network backend. Where this attribute
        # goes away, lanes go on over httpcore's own, slower; a test would tell.
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            backend = self._backends[transport] = Backend(self._dial)
            pool._network_backend = backend  # noqa: SLF001
        return transport

    async def connect(self, lane: Lane[Transport]) -> bool | Failure:
        """Open the connection that the lane's first request will find; say whether all is proven.

        Through a proxy only the way to the proxy is: its tunnel is opened with the request.
        """
        backend = self._backends.get(lane.transport)
        if backend is None:
            return False  # httpcore's own network: the request itself will tell
        first = self.url if self.proxy is None else self.proxy.url
        direct_tls = self.proxy is None and self.url.scheme == "https"
        reason = "connect"
        try:
            port = first.port or (443 if first.scheme == "https" else 80)
            lane.stray = stream = await backend.prepare(first.raw_host.decode(), port)
            if direct_tls:
                reason = "tls"
                await stream.start_tls(self.context(), first.raw_host.decode())
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing has left
            reason = refine(reason, exc)
            return Failure(sent=False, reason=reason, detail=detail_of(reason, exc))
        return self.proxy is None


def lane_maker(base_url: str, *, verify: Verify, proxy: httpx.Proxy | str | None) -> LaneMaker:
    """Return what makes a session's lanes.

    Args:
        base_url: The server's address.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        proxy: The address of a proxy, `"env"` to look into the environment, or None.

    """
    via = resolve_proxy(base_url, proxy)
    context = lazy_context(verify, needed=base_url.startswith("https:"))
    return LaneMaker(httpx.URL(base_url), via, context)
