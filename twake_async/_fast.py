"""One attempt over aiohttp, for `transport="fast"`: the same facts as lanes for less CPU.

aiohttp is an extra; it is imported when a session asks for it. Its exceptions prove nothing here:
what counts is whether its connector was asked for a connection and never gave one.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import math
import select
from typing import TYPE_CHECKING, Any

import attrs

from ._facts import Answer, Failure
from ._lanes import IDLE_LIMIT, Closed, Gate, Lanes
from ._transport import ASIDE_BYTES, ASIDE_SECONDS, lazy_context, resolve_proxy
from ._witness import detail_of
from .errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import httpx

    from ._settings import Credentials
    from ._wire import Prepared

__all__ = ["FastCarrier", "fast_carrier"]

#: Words for what went wrong while a connection came about, by the name of aiohttp's class.
_WORDS = {
    "ClientConnectorDNSError": "dns",
    "ClientConnectorCertificateError": "certificate",
    "ClientConnectorSSLError": "tls",
    "ClientHttpProxyError": "proxy",
    "ClientProxyConnectionError": "connect",
}


@attrs.define(eq=False)
class FastWitness:
    """What was seen of one attempt: only a connection that never came about proves anything."""

    entered: bool = False
    patience: float = math.inf
    """Seconds that a connection may take to come about."""
    connecting: bool = False
    """Whether the connector was asked for a connection."""
    fresh: bool = False
    """Whether it opened one, in place of one that was idle."""
    connected: bool = False
    """Whether it gave one, so that the request may have begun to leave."""
    head: Any = None
    """The response, from the moment its status is known."""

    def proof(self, wrong: BaseException | None = None) -> str | None:
        """Return the word for a request that provably never left, or None."""
        if not self.entered:
            return "no_lane"
        if self.connected or not self.connecting:
            return None
        reason = next((_WORDS[k.__name__] for k in type(wrong).__mro__ if k.__name__ in _WORDS), "")
        if reason == "proxy" and str(getattr(wrong, "status", "")).startswith("4"):
            return "proxy_refused"
        return reason or "connect"

    def failure(self, wrong: BaseException | None) -> Failure:
        """Return what an attempt without a whole answer proves; no `wrong` means out of time."""
        reason = self.proof(wrong)
        if reason is not None:
            return Failure(sent=False, reason=reason, detail=detail_of(reason, wrong))
        if wrong is None:
            return Failure(sent=True, reason="timeout", detail="no whole answer in time")
        return Failure(sent=True, reason="lost", detail="the connection ended without an answer")


_seen_by: contextvars.ContextVar[FastWitness] = contextvars.ContextVar("twake_async.witness")


@attrs.frozen
class Place:
    """A place among the sends under way; its connection is the connector's business."""

    async def aclose(self) -> None:
        """Close nothing."""

    handle_async_request: Any = None
    """Never called."""


@attrs.define(eq=False)
class FastCarrier:
    """Carries one attempt after another to one server, over one aiohttp session."""

    base_url: str
    credentials: Credentials = attrs.field(repr=False)
    lanes: Lanes
    """Places, not connections: how many sends are under way, and the line before them."""
    open: Callable[[dict[str, str]], Any] = attrs.field(repr=False)
    """Make the aiohttp session that sends these headers; called in its event loop."""
    proxy: httpx.Proxy | None = attrs.field(repr=False)
    user_agent: str = "twake-async"
    _session: Any = attrs.field(default=None, init=False, repr=False)
    _urls: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False)
    _proxied: dict[str, Any] = attrs.field(init=False, repr=False)
    _headers: dict[str, str] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": self.user_agent,
            "Content-Type": "application/json",
        }
        self._proxied = _proxy_options(self.proxy)
        if self._proxied and not self.base_url.startswith("https:"):
            # A plain request goes to the proxy itself, which then reads its own headers there.
            self._headers |= self._proxied.pop("proxy_headers")

    def witness(self) -> FastWitness:
        """Return an observer for one attempt."""
        return FastWitness()

    async def attempt(self, prepared: Prepared, witness: Any, seconds: float) -> Answer | Failure:
        """Make one attempt within a number of seconds and return the facts.

        Raises:
            asyncio.CancelledError: As ever; `witness` then knows how far it came.

        """
        # The deadline is over all phases; connecting may take a third of what is left of it.
        witness.patience = seconds / 3
        try:
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                return await self._attempt(prepared, witness)
        except TimeoutError:
            return _by_status(witness) or witness.failure(None)
        except Closed:
            return Failure(sent=False, reason="closed", detail="the session was closed")
        except asyncio.CancelledError as stop:
            # The frames below hold the request's headers, and so the key: not for tracebacks.
            raise stop.with_traceback(None)  # noqa: B904 - itself

    async def _attempt(self, prepared: Prepared, witness: FastWitness) -> Answer | Failure:
        place = await self.lanes.take()
        try:
            self._session = self._session or self.open(self._headers)
        except OSError as wrong:  # the CA bundle of the environment cannot be read
            self.lanes.give_back(place, reusable=True)
            return Failure(sent=False, reason="tls", detail=detail_of("tls", wrong))
        witness.entered = True
        try:
            _seen_by.set(witness)
            return await self._exchange(prepared, witness)
        except Exception as wrong:  # noqa: BLE001 - whatever it is, it becomes a typed fact
            return _by_status(witness) or witness.failure(wrong)
        finally:
            self.lanes.give_back(place, reusable=True)

    async def _exchange(self, prepared: Prepared, witness: FastWitness) -> Answer | Failure:
        response = await self._session.post(
            self._url(prepared.path),
            data=prepared.body,
            headers={"Authorization": self.credentials.header().decode()},
            allow_redirects=False,
            **self._proxied,
        )
        witness.head = response
        try:
            return await _read(response, prepared.answer_limit)
        finally:
            # After a whole answer the connection is back with the others.
            if not response.content.at_eof():
                response.close()

    def _url(self, path: str) -> Any:
        url = self._urls.get(path)
        if url is None:
            import yarl  # noqa: PLC0415 - comes with aiohttp

            url = self._urls[path] = yarl.URL(self.base_url + path)
        return url

    async def aclose(self) -> None:
        """Turn away whoever waits, and close every connection, those in use included."""
        await self.lanes.aclose()
        if self._session is not None:
            await self._session.close()


async def _read(response: Any, limit: int) -> Answer | Failure:
    if response.status != 200:
        async with asyncio.timeout(ASIDE_SECONDS):
            aside = await _body(response.content, ASIDE_BYTES)
        return Answer(response.status, response.raw_headers, aside or b"")
    body = await _body(response.content, limit)
    if body is None:
        return Failure(sent=True, reason="unreadable", detail="the answer is too large")
    return Answer(200, response.raw_headers, body)


async def _body(content: Any, limit: int) -> bytes | None:
    body = b""
    while not content.at_eof():
        body += await content.readany()
        if len(body) > limit:
            return None
    return body


def _by_status(witness: FastWitness) -> Answer | None:
    # A status other than 200 tells all that there is to tell: its body may be cut or hang.
    head = witness.head
    if head is None or head.status == 200:
        return None
    return Answer(head.status, head.raw_headers, b"")


def fast_carrier(
    base_url: str,
    credentials: Credentials,
    *,
    max_connections: int,
    verify: ssl.SSLContext | str | bool,
    proxy: httpx.Proxy | str | None,
) -> FastCarrier:
    """Return a carrier over aiohttp.

    Raises:
        ConfigurationError: aiohttp or orjson is not installed, or cannot do what an argument
            asks for.

    """
    try:
        import aiohttp  # noqa: F401, PLC0415 - an extra, imported when it is used
        import orjson  # noqa: F401, PLC0415 - what the session then reads and writes JSON with
    except ImportError:
        raise ConfigurationError(
            'transport="fast" needs another package: pip install "twake-async[fast]"',
            field="transport",
        ) from None
    via = resolve_proxy(base_url, proxy)
    if via is not None and via.url.scheme.startswith("socks"):
        raise ConfigurationError(
            'transport="fast" cannot speak to a SOCKS proxy: leave it out, or give an HTTP proxy',
            field="proxy",
        )
    context = lazy_context(verify, needed=base_url.startswith("https:"))
    lanes = Lanes(Place, max_connections)
    return FastCarrier(base_url, credentials, lanes, lambda headers: _open(context(), headers), via)


def _open(context: ssl.SSLContext, headers: dict[str, str]) -> Any:
    """Return an aiohttp session that keeps no cookies and follows nothing by itself."""
    import aiohttp  # noqa: PLC0415 - as above

    gate = Gate()

    class Connector(aiohttp.TCPConnector):
        """aiohttp's own, watched: whoever is given no connection has sent nothing."""

        async def connect(self, *request: Any, **options: Any) -> Any:
            witness = _seen_by.get()
            witness.connecting = True
            connection = await super().connect(*request, **options)
            while not witness.fresh and _has_ended(connection.transport):
                connection.close()
                connection = await super().connect(*request, **options)
            witness.connected = True
            return connection

        async def _create_connection(self, *request: Any, **options: Any) -> Any:
            await gate.enter()
            connected: bool | None = False
            witness = _seen_by.get()
            witness.fresh, patience = True, witness.patience
            try:
                async with asyncio.timeout(patience if patience < math.inf else None):
                    made = await super()._create_connection(*request, **options)
                connected = True
            except asyncio.CancelledError:
                connected = None
                raise
            finally:
                gate.leave(connected=connected)
            return made

    # No limit of its own: the line is in front of it, where waiting proves something.
    connector = Connector(limit=0, ssl=context, keepalive_timeout=IDLE_LIMIT)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers=headers,
        timeout=aiohttp.ClientTimeout(),
        trust_env=False,
    )


def _has_ended(transport: Any) -> bool:
    # The end of an idle connection may wait in the kernel, not yet seen by the loop.
    if transport is None:
        return True
    sock = transport.get_extra_info("socket")
    if not hasattr(select, "poll"):
        return bool(select.select([sock.fileno()], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _proxy_options(proxy: httpx.Proxy | None) -> dict[str, Any]:
    """Return aiohttp's arguments for a proxy; its address without the password in it."""
    if proxy is None:
        return {}
    headers = dict(proxy.headers)
    if proxy.raw_auth is not None:
        pair = b":".join(proxy.raw_auth)
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair).decode()
    return {"proxy": str(proxy.url), "proxy_headers": headers}
