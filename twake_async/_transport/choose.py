"""How a session's requests leave: over lanes, the fast extra, or what the caller gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async._arguments import check_choice

if TYPE_CHECKING:
    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Carries

__all__ = ["carrier_for"]


def carrier_for(
    base_url: str,
    credentials: Credentials,
    max_connections: int,
    http_client: Any,
    transport: Any,
    **network: Any,
) -> Carries:
    """Return what carries a session's attempts.

    Args:
        base_url: The server's address, checked.
        credentials: The id and key, checked.
        max_connections: How many attempts may be under way at once.
        http_client: The caller's client, or None.
        transport: The caller's transport, `"fast"`, `"httpx2"`, or None for lanes over httpx;
            through a proxy fast is lanes.
        **network: `verify`, and `proxy` hidden. They mean nothing beside what the caller gave.

    Raises:
        ConfigurationError: One thing is configured in two ways, the extra is not installed, or the
            host has no name in ASCII.

    """
    # Imported here: httpx takes longer to import than all the rest, and a program may import this
    # package for its models and errors alone.
    from .http_library import httpx2_library, httpx_library  # noqa: PLC0415
    from .httpx.connection import lane_maker  # noqa: PLC0415
    from .httpx.transport import Carrier, Unpooled, inject, parse_url  # noqa: PLC0415
    from .pool import Lanes  # noqa: PLC0415
    from .proxies import resolve_proxy  # noqa: PLC0415

    given = {"verify": network["verify"] is not True, "proxy": network["proxy"].value != "env"}
    named = transport if isinstance(transport, str) else None
    if named is not None:
        check_choice("transport", named, ("fast", "httpx2"))
        given, transport = {"transport": True}, None
    injected = inject(http_client, transport, given=given)
    if injected:
        parse_url(base_url, injected.library)
        return Carrier(base_url, credentials, injected.library, Unpooled(), injected)
    library = httpx2_library() if named == "httpx2" else httpx_library()
    parse_url(base_url, library)
    fast = None
    if named == "fast":
        from .direct.transport import fast_carrier  # noqa: PLC0415 - few ask for it

        fast = fast_carrier(base_url, credentials, max_connections, network["verify"])
    via = resolve_proxy(base_url, network["proxy"].value, library)
    if fast is not None and via is None:  # through a proxy, lanes know the way
        return fast
    maker = lane_maker(base_url, library, verify=network["verify"], via=via)
    lanes = Lanes(maker.make, max_connections, maker.connect)
    proxy = "" if via is None else via.name
    return Carrier(base_url, credentials, library, lanes, proxy=proxy)
