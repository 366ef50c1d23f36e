"""What all requests to one server have in common: its address, and most headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from .http_library import HttpLibrary

__all__ = ["fixed_headers", "parse_url"]


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
    """Parse an address into the parts that are sent.

    Raises:
        ConfigurationError: The host is a name that has no form in ASCII.

    """
    try:
        parsed: httpx.URL = library.http.URL(url)
    except library.http.InvalidURL:
        raise ConfigurationError(
            "base_url is not a URL: check its host and port", field="base_url"
        ) from None
    return parsed
