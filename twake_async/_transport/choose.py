"""How a session's requests leave: pooled, direct, or through what the caller gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._arguments import check_choice

if TYPE_CHECKING:
    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Transport

__all__ = ["open_transport"]


def open_transport(
    base_url: str,
    credentials: Credentials,
    max_connections: int,
    http_client: Any,
    transport: Any,
    **network: Any,
) -> Transport:
    """Return what carries a session's attempts.

    Args:
        base_url: The server's address, checked.
        credentials: The id and key, checked.
        max_connections: How many attempts may be under way at once.
        http_client: The caller's client, or None.
        transport: The caller's transport, `"fast"`, `"httpx2"`, or None for pooled connections
            over httpx, which `"fast"` uses, too, where there is a proxy.
        **network: `verify`, and `proxy` hidden. They mean nothing beside what the caller gave.

    Raises:
        ConfigurationError: One thing is configured in two ways, the extra is not installed, or the
            host has no name in ASCII.

    """
    # Imported here: httpx takes longer to import than all the rest, and a program may import this
    # package for its models and errors alone.
    from .http_library import httpx2_library, httpx_library  # noqa: PLC0415
    from .httpx.connection import connection_factory  # noqa: PLC0415
    from .httpx.transport import HttpxTransport, NoPool, inject, parse_url  # noqa: PLC0415
    from .pool import ConnectionPool  # noqa: PLC0415
    from .proxies import resolve_proxy  # noqa: PLC0415

    given = {"verify": network["verify"] is not True, "proxy": network["proxy"].value != "env"}
    named = transport if isinstance(transport, str) else None
    if named is not None:
        check_choice("transport", named, ("fast", "httpx2"))
        given, transport = {"transport": True}, None
    injected = inject(http_client, transport, given=given)
    if injected:
        parse_url(base_url, injected.library)
        return HttpxTransport(base_url, credentials, injected.library, NoPool(), injected)
    library = httpx2_library() if named == "httpx2" else httpx_library()
    parse_url(base_url, library)
    fast = None
    if named == "fast":
        from .direct.transport import direct_transport  # noqa: PLC0415 - few ask for it

        fast = direct_transport(base_url, credentials, max_connections, network["verify"])
    via = resolve_proxy(base_url, network["proxy"].value, library)
    if fast is not None and via is None:  # through a proxy, pooled connections know the way
        return fast
    maker = connection_factory(base_url, library, verify=network["verify"], via=via)
    pool = ConnectionPool(maker.make, max_connections, maker.connect)
    proxy = "" if via is None else via.name
    return HttpxTransport(base_url, credentials, library, pool, proxy=proxy)
