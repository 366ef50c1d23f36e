"""Which transport a session uses: pooled, direct, or what the caller gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._arguments import check_choice

if TYPE_CHECKING:
    from .httpx.streaming import StreamTransport
    from .interface import Transport

__all__ = ["open_streams", "open_transport"]


def open_transport(
    base_url: str,
    max_connections: int,
    http_client: Any,
    transport: Any,
    **network: Any,
) -> Transport[Any]:
    """Return the transport of a session. It connects with the first send.

    Args:
        base_url: The server's address, checked.
        max_connections: How many attempts may run at once.
        http_client: The caller's client, or None.
        transport: The caller's transport, `"fast"`, `"httpx2"`, or None for pooled connections
            over httpx. Through a proxy, `"fast"` uses these, too.
        **network: `verify`, and `proxy` in a wrapper that hides it. A client or transport of the
            caller excludes both.

    Raises:
        ConfigurationError: One thing is configured in two ways, the extra is not installed, or the
            host has no name in ASCII.

    """
    # Imported here: httpx takes long to import, and a program may import this package for its
    # models and errors alone.
    from .httpx.injected import InjectedTransport, inject  # noqa: PLC0415
    from .request_parts import parse_url  # noqa: PLC0415

    given = {"verify": network["verify"] is not True, "proxy": network["proxy"].value != "env"}
    name = transport if isinstance(transport, str) else None
    if name is not None:
        check_choice("transport", name, ("fast", "httpx2"))
        given, transport = {"transport": True}, None
    injected = inject(http_client, transport, given=given)
    if injected is None:
        return _open_own(base_url, max_connections, name, **network)
    parse_url(base_url, injected.library)
    return InjectedTransport(base_url, injected)


def _open_own(
    base_url: str, max_connections: int, name: str | None, *, verify: Any, proxy: Any
) -> Transport[Any]:
    """Return a transport whose connections are the session's own."""
    from .http_library import httpx2_library, httpx_library  # noqa: PLC0415
    from .httpx.connection import connection_factory  # noqa: PLC0415
    from .httpx.transport import HttpxTransport  # noqa: PLC0415
    from .pool import ConnectionPool  # noqa: PLC0415
    from .proxies import resolve_proxy  # noqa: PLC0415
    from .request_parts import parse_url  # noqa: PLC0415

    library = httpx2_library() if name == "httpx2" else httpx_library()
    parse_url(base_url, library)
    direct = None
    if name == "fast":
        from .direct.transport import direct_transport  # noqa: PLC0415 - few ask for it

        direct = direct_transport(base_url, max_connections, verify)
    through = resolve_proxy(base_url, proxy.value, library)
    if direct is not None and through is None:
        return direct
    factory = connection_factory(base_url, library, verify=verify, proxy=through)
    pool = ConnectionPool(factory.make, max_connections, factory.connect, base_url)
    return HttpxTransport(base_url, library, pool, "" if through is None else through.name)


def open_streams(transport: Any) -> StreamTransport:
    """Return the transport of a session's transfers, separate from that of its sends.

    It has the same TLS context and proxy. If the caller gave a client or transport, it uses that.
    Transfers of `transport="fast"` go over httpx.

    Args:
        transport: What `open_transport` returned.

    """
    from .http_library import httpx_library  # noqa: PLC0415
    from .httpx.connection import ConnectionFactory  # noqa: PLC0415
    from .httpx.injected import InjectedTransport  # noqa: PLC0415
    from .httpx.streaming import StreamTransport  # noqa: PLC0415
    from .httpx.transport import HttpxTransport  # noqa: PLC0415
    from .request_parts import parse_url  # noqa: PLC0415

    if isinstance(transport, InjectedTransport):
        given = transport.injected
        return StreamTransport(
            transport.base_url, given.library, send=given.send, build=given.build
        )
    if isinstance(transport, HttpxTransport):
        library, make = transport.library, transport.pool.make
        return StreamTransport(transport.base_url, library, make, proxy=transport.proxy)
    library = httpx_library()
    url = parse_url(transport.base_url, library)
    factory = ConnectionFactory(url, None, transport.context, library)
    return StreamTransport(transport.base_url, library, factory.make)
