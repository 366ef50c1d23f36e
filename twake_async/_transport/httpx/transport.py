"""One attempt over httpx or httpx2: a connection, a deadline, evidence and a size limit.

It hands back facts.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from twake_async._protocol.exchange import (
    ASIDE_BYTES,
    ASIDE_SECONDS,
    CLOSED,
    TOO_LARGE,
    Answer,
    Failure,
)
from twake_async._transport.http_library import check_injected
from twake_async._transport.proxies import resolve_proxy
from twake_async._transport.trace import Trace
from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Judge
    from twake_async._protocol.v1.requests import Prepared
    from twake_async._transport.http_library import HttpLibrary
    from twake_async._transport.pool import ConnectionPool, PooledConnection

__all__ = ["HttpxTransport", "fixed_headers", "inject", "parse_url", "resolve_proxy"]


class LibraryTransport(Protocol):
    """What a connection holds: httpx's face of a transport, by its shape."""

    async def handle_async_request(self, request: Any, /) -> Any:
        """Send one request and return the response, its body not yet read."""

    async def aclose(self) -> None:
        """Close its connection."""


class Send(Protocol):
    """How a request leaves: over a connection, or through what the caller injected."""

    async def __call__(self, request: Any, /) -> Any:
        """Send it and return the response, its body not yet read."""


@attrs.frozen
class Injected:
    """A caller's client or transport, used by its shape."""

    send: Send
    library: HttpLibrary
    """Whose requests it takes."""
    build: Callable[..., Any] | None = None
    """How the caller's client builds a request; a transport takes the library's own."""


class NoPool:
    """Stands in for a pool where the caller's client or transport has a pool of its own."""

    def acquire_nowait(self, about: str | None = None) -> Any:  # noqa: ARG002 - the pool's
        """Return nothing that matters: a request may leave at once."""
        return self

    async def aclose(self) -> None:
        """Close nothing: what the caller injected is the caller's to close."""


@attrs.define(eq=False)
class HttpxTransport:
    """Carries one attempt after another to one server.

    Args:
        base_url: The server's address, checked.
        credentials: The id and key, whose header is built here.
        library: What builds requests.
        pool: The connections to use.
        injected: What the caller gave in place of a pool.
        proxy: The proxy to go through, without its user and password; empty for none.

    """

    base_url: str
    credentials: Credentials = attrs.field(repr=False)
    library: HttpLibrary
    pool: ConnectionPool[LibraryTransport] | NoPool
    injected: Injected | None = None
    proxy: str = ""
    _closed: bool = attrs.field(default=False, init=False)
    _limits: dict[Trace, asyncio.Timeout] = attrs.field(factory=dict, init=False, repr=False)
    """The time of each attempt under way, which ends early where the session closes."""
    _urls: dict[str, httpx.URL] = attrs.field(factory=dict, init=False, repr=False)
    _headers: list[tuple[bytes, bytes]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._headers = fixed_headers(self.base_url, self.library)

    def start_trace(self) -> Trace:
        """Return an observer for one attempt, which proves something only with a pool."""
        return Trace(None if isinstance(self.pool, NoPool) else self.pool)

    async def attempt(
        self,
        connection: PooledConnection[LibraryTransport],
        prepared: Prepared,
        trace: Trace,
        seconds: float,
        judge: Judge,
    ) -> Any:
        """Make one attempt within a number of seconds and return the result of its verdict.

        Raises:
            asyncio.CancelledError: As ever; `trace` then knows how far it came.

        """
        try:
            async with asyncio.timeout(seconds if seconds < math.inf else None) as limit:
                self._limits[trace] = limit
                return await self._attempt(connection, prepared, trace, seconds, judge)
        except TimeoutError:
            fact = _by_status(trace) or trace.failure(None, timed_out=True)
            return judge(CLOSED if self._closed and trace.proof() else fact, None).result
        except asyncio.CancelledError as stop:
            # The frames below hold the request's headers, and so the key: not for tracebacks.
            raise stop.with_traceback(None)  # noqa: B904 - itself
        finally:
            self._limits.pop(trace, None)

    async def _attempt(
        self,
        connection: PooledConnection[LibraryTransport],
        prepared: Prepared,
        trace: Trace,
        seconds: float,
        judge: Judge,
    ) -> Any:
        if self.injected is not None:
            fact = await self._exchange(self.injected.send, prepared, trace, seconds)
            return judge(fact, None).result
        pool: Any = self.pool
        seen, connection.named = connection.named, None
        try:
            send = connection.raw.handle_async_request
            fact = await self._exchange(send, prepared, trace, seconds)
            verdict = judge(fact, None if trace.connected else seen)
            if trace.whole and not self.library.may_have_rest(connection.raw):
                connection.named = verdict.names
            return verdict.result
        finally:
            trace.end()
            if trace.connected:
                connection.stray = trace.socket
            pool.release(connection, reusable=connection.named is not None)

    async def _exchange(
        self, send: Send, prepared: Prepared, trace: Trace, seconds: float
    ) -> Answer | Failure:
        try:
            response = await send(self._request(prepared, trace, seconds))
            trace.head = response
            try:
                fact, whole = await _read(response, prepared.answer_limit)
            finally:
                await response.aclose()
        except Exception as wrong:  # noqa: BLE001 - whatever it is, it becomes a typed fact
            return _by_status(trace) or trace.failure(wrong)
        # Not before: cancelled while it closes, a connection of httpcore's is lost for good.
        trace.whole = whole
        return fact

    def _request(self, prepared: Prepared, trace: Trace, seconds: float) -> Any:
        # The deadline is over all phases; connecting may take a third of what is left of it, so
        # that a connect that hangs leaves time for another.
        timeout = {"connect": seconds / 3} if seconds < math.inf else {}
        extensions = {"timeout": timeout, "trace": trace}
        if self.injected is not None and self.injected.build is not None:
            return self.injected.build(
                "POST",
                self.base_url + prepared.path,
                headers=[*self._headers, (b"Authorization", self.credentials.header())],
                content=prepared.body,
                extensions=extensions,
            )
        # A URL that is parsed, and headers that are complete: a tenth of what httpx takes to
        # build a request.
        http = self.library.http
        url = self._urls.get(prepared.path)
        if url is None:
            url = self._urls[prepared.path] = http.URL(self.base_url + prepared.path)
        return http.Request(
            "POST",
            url,
            headers=[
                *self._headers,
                (b"Content-Length", b"%d" % len(prepared.body)),
                (b"Authorization", self.credentials.header()),
            ],
            stream=http.ByteStream(prepared.body),
            extensions=extensions,
        )

    async def aclose(self) -> None:
        """Close the pooled connections; what the caller injected is the caller's to close."""
        if self.injected is None:
            self._closed = True
            # httpcore goes on with a connection that comes about while its pool is closed, sends
            # the request over it and never closes it.
            for trace, limit in self._limits.items():
                if not (trace.wrote or limit.expired()):
                    limit.reschedule(-math.inf)
        await self.pool.aclose()


def _by_status(trace: Trace) -> Answer | None:
    # A status other than 200 tells all that there is to tell: its body may be cut or hang.
    head = trace.head
    if head is None or head.status_code == 200:
        return None
    return Answer(head.status_code, head.headers.raw, b"")


async def _read(response: httpx.Response, limit: int) -> tuple[Answer | Failure, bool]:
    """Return what came, and whether it was read to its end."""
    if response.status_code != 200:
        async with asyncio.timeout(ASIDE_SECONDS):
            aside = await _body(response, ASIDE_BYTES)
        return Answer(response.status_code, response.headers.raw, aside or b""), aside is not None
    body = await _body(response, limit)
    if body is None:
        return TOO_LARGE, False
    return Answer(200, response.headers.raw, body), True


async def _body(response: httpx.Response, limit: int) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    stream: Any = aiter(response.stream)  # type: ignore[arg-type]
    try:
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
    finally:
        if hasattr(stream, "aclose"):
            await stream.aclose()
    return b"".join(chunks)


def fixed_headers(base_url: str, library: HttpLibrary) -> list[tuple[bytes, bytes]]:
    """Return the headers that are the same in every request to a server."""
    return [
        (b"Host", library.http.URL(base_url).netloc),
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", b"twake-async"),
        (b"Content-Type", b"application/json"),
    ]


def parse_url(url: str, library: HttpLibrary) -> httpx.URL:
    """Return an address in its parts, written as they go on the wire.

    Raises:
        ConfigurationError: The host is a name beyond ASCII that has no form in it.

    """
    try:
        parsed: httpx.URL = library.http.URL(url)
    except library.http.InvalidURL:
        raise ConfigurationError(
            "base_url is not a URL: check its host and port", field="base_url"
        ) from None
    return parsed


def inject(http_client: Any, transport: Any, *, given: Mapping[str, bool]) -> Injected | None:
    """Return the way through what the caller gave in place of a pool, or None for a pool.

    Args:
        http_client: A client, which keeps its own headers, pool and hooks.
        transport: A transport.
        given: Which of the arguments that only the pool understands were given.

    Raises:
        ConfigurationError: One thing is configured in two ways, or has the wrong shape.

    """
    if http_client is None and transport is None:
        return None
    field = "transport" if http_client is None else "http_client"
    others = [name for name, was_given in given.items() if was_given]
    if http_client is not None and transport is not None:
        others.insert(0, "transport")
    if others:
        raise ConfigurationError(
            f"{field} and {others[0]} exclude each other: set {others[0]} where you make the "
            f"{field}, or leave one out",
            field=others[0],
        )
    chosen: Any = transport if http_client is None else http_client
    library = check_injected(field, chosen)
    if http_client is None:
        return Injected(chosen.handle_async_request, library)

    async def send(request: Any, /) -> Any:
        return await chosen.send(request, stream=True, auth=None, follow_redirects=False)

    return Injected(send, library, chosen.build_request)
