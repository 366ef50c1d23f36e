"""httpx and httpx2, and everything that is used of them beyond their public names.

httpx is the dependency. httpx2 is its maintained successor with the same public names. No other
module imports either, uses a private name of either, or knows the names of their trace events,
which neither library guarantees. `tests/project/test_http_library.py` has a test for each of these
names.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    import httpx

__all__ = [
    "CONNECT_COMPLETE",
    "CONNECT_FAILED",
    "CONNECT_STARTED",
    "HEADERS_STARTED",
    "IS_READABLE",
    "REQUEST",
    "RETURN_VALUE",
    "TLS_STARTED",
    "TUNNEL",
    "HttpLibrary",
    "check_injected",
    "httpx2_library",
    "httpx_library",
    "reports_events",
    "unsent_reason",
]


@attrs.frozen
class HttpLibrary:
    """One of the two libraries."""

    name: str
    http: Any = attrs.field(repr=False)
    """The module."""
    core: Callable[[], Any] = attrs.field(repr=False)
    """Imports httpcore or httpcore2. That takes long, so it is done with the first connection."""
    authorities: str
    """The owner of the certificate authorities that it trusts, such as `certifi's`."""

    def make_transport(
        self, context: ssl.SSLContext, proxy: httpx.Proxy | None, idle_limit: float
    ) -> Any:
        """Return the library's transport, limited to one connection.

        Args:
            context: The TLS context.
            proxy: The proxy to go through, or None.
            idle_limit: The seconds after which an idle connection is not used again.

        """
        limits = self.http.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=idle_limit
        )
        return self.http.AsyncHTTPTransport(
            verify=context, proxy=proxy, limits=limits, trust_env=False, http2=False
        )

    def set_network(self, transport: Any, backend: Any) -> bool:
        """Let a transport connect through a network backend; say whether that was possible.

        The library has no argument for it. Without these private names, pooled connections use
        the library's own backend, which is slower.
        """
        pool: Any = getattr(transport, "_pool", None)
        if not hasattr(pool, "_network_backend"):
            return False
        pool._network_backend = backend  # noqa: SLF001
        return True

    def may_have_unread(self, transport: Any) -> bool:
        """Say whether bytes may have come after the answer.

        They would be read as part of the next one. The library does not show them. Without these
        private names, each message gets its own connection, which is slow.
        """
        pool = getattr(transport, "_pool", None)
        return pool is None or any(_has_unread(connection) for connection in pool.connections)


def reports_events(transport: Any) -> bool:
    """Say whether a transport reports each step of a request, as the library's own code does.

    A mock does not, and a wrapper of the library does not. Without these private names, the answer
    is False.
    """
    pool = getattr(transport, "_pool", None)
    return _is_own(transport, "httpx") and _is_own(pool, "httpcore")


def _is_own(found: Any, package: str) -> bool:
    """Say whether the method that takes the requests is a function of the package itself."""
    method = getattr(getattr(found, "handle_async_request", None), "__func__", None)
    if type(method) is not types.FunctionType or hasattr(method, "__wrapped__"):
        return False
    home = method.__module__
    own = home.startswith((f"{package}.", f"{package}2."))
    # A wrapper may copy its name, but not the globals in which it looks names up.
    return own and method.__globals__ is vars(sys.modules[home])


def _has_unread(connection: Any) -> bool:
    while hasattr(connection, "_connection"):
        connection = connection._connection  # noqa: SLF001
    state: Any = getattr(connection, "_h11_state", None)
    return state is None or bool(state.trailing_data[0])


@functools.cache
def httpx_library() -> HttpLibrary:
    """Return httpx."""
    import httpx  # noqa: PLC0415 - with the first session, because it takes long

    return HttpLibrary("httpx", httpx, _httpcore, "certifi's")


def _httpcore() -> Any:
    import httpcore  # noqa: PLC0415

    return httpcore


def httpx2_library() -> HttpLibrary:
    """Return httpx2.

    Raises:
        ConfigurationError: httpx2 is not installed.

    """
    if importlib.util.find_spec("httpx2") is None:
        raise ConfigurationError(
            'transport="httpx2" needs another package: pip install "twake-async[httpx2]"',
            field="transport",
        )
    return _httpx2()


@functools.cache
def _httpx2() -> HttpLibrary:
    import httpx2  # noqa: PLC0415 - an extra

    return HttpLibrary("httpx2", httpx2, _httpcore2, "the system's")


def _httpcore2() -> Any:
    import httpcore2  # noqa: PLC0415

    return httpcore2


#: The library asks a network stream for this before it uses the connection again.
IS_READABLE = "is_readable"

# --- the events of the trace --------------------------------------------------------------------

# The ends of the names of these events. The names begin with `connection.`, `proxy.`, `socks.` or
# `http11.`, by the kind of the connection.
CONNECT_STARTED = ".connect_tcp.started"
CONNECT_COMPLETE = ".connect_tcp.complete"
TLS_STARTED = "start_tls.started"
HEADERS_STARTED = "send_request_headers.started"
# The keys of their details: the request, and the value that the step returned.
REQUEST, RETURN_VALUE = "request", "return_value"
#: The event of a connection that the limiter rejected.
CONNECT_FAILED = "connection.connect_tcp.failed"

#: The prefix of the events of the CONNECT request to a proxy, which carries no message.
TUNNEL = "CONNECT "

#: The stages of the trace in which a connection is opened, and the reason for a failure in each.
_STAGES = {
    "connection.connect_tcp": "connect",
    "connection.connect_unix_socket": "connect",
    "connection.start_tls": "tls",
    "proxy.start_tls": "tls",
    "socks.connect_tcp": "connect",
    "socks.setup_socks5_connection": "proxy",
    "socks.start_tls": "tls",
}


def unsent_reason(events: Iterable[str]) -> str | None:
    """Return why the connection failed before the request began, as a reason, or None.

    Without a failure there is no proof. With an event of an unknown name there is no proof, either:
    the library guarantees no names, so a new name must lead to `UNKNOWN`, never to `NOT_SENT`.

    Args:
        events: The names of the events of one attempt, in order. Those of the CONNECT request to a
            proxy have `TUNNEL` before their name.

    """
    reason = None
    for event in events:
        if event.startswith(TUNNEL):
            reason = "proxy" if event.endswith(".failed") else reason
            continue
        stage, _, state = event.rpartition(".")
        if stage not in _STAGES or state not in ("started", "complete", "failed"):
            return None
        if state == "failed":
            reason = _STAGES[stage]
    return reason


# --- what the caller injects -------------------------------------------------------------------


def check_injected(field: str, injected: Any) -> HttpLibrary:
    """Return the library whose requests the caller's client or transport takes.

    Args:
        field: The argument: `"http_client"` or `"transport"`.
        injected: Its value. An object of neither library is used by its shape, and gets requests of
            httpx.

    Raises:
        ConfigurationError: It has another shape, or its parts come from both libraries.

    """
    kind, needed = _SHAPES[field]
    origin = _origin(injected)
    # In both libraries only the asynchronous classes have `aclose`.
    needed += ("aclose",) if origin is not None else ()
    if not all(hasattr(injected, name) for name in needed):
        raise ConfigurationError(
            f"{field} must be an {kind} of httpx or httpx2, or an object with the same methods, "
            f"not "
            f"{type(injected).__module__}.{type(injected).__qualname__}",
            field=field,
        )
    if field == "http_client" and origin is not None:
        _check_parts(injected, origin)
    return _httpx2() if origin == "httpx2" else httpx_library()


_SHAPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "http_client": ("AsyncClient", ("build_request", "send")),
    "transport": ("AsyncBaseTransport", ("handle_async_request",)),
}


def _origin(injected: Any) -> str | None:
    """Return the library from which an object's class derives, or None."""
    packages = (kind.__module__.partition(".")[0] for kind in type(injected).__mro__)
    return next((name for name in packages if name in ("httpx", "httpx2")), None)


def _check_parts(client: Any, origin: str) -> None:
    """Raise `ConfigurationError` if a client of one library has a transport of the other."""
    # A client's transports have no public name. Without these private names, the first send fails.
    parts = (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values())
    for other in map(_origin, parts):
        if other not in (origin, None):
            raise ConfigurationError(
                f"http_client is a client of {origin} with a transport of {other}, which takes "
                "other requests: make both with one library",
                field="http_client",
            )
