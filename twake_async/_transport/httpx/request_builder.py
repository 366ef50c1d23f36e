"""Requests of httpx or httpx2, built from those of the protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._transport.request_parts import fixed_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from twake_async._protocol.exchange import Request
    from twake_async._transport.http_library import HttpLibrary

__all__ = ["RequestBuilder"]

#: How many parsed addresses are kept.
_MOST_URLS = 64


@attrs.define(eq=False)
class RequestBuilder:
    """Builds the requests to one server.

    Args:
        base_url: The server's address, checked.
        library: The library whose requests are built.

    """

    base_url: str
    library: HttpLibrary
    _urls: dict[str, httpx.URL] = attrs.field(factory=dict, init=False, repr=False)
    _headers: list[tuple[bytes, bytes]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._headers = fixed_headers(self.base_url, self.library)

    def build(self, request: Request[Any], seconds: float, trace: Any = None) -> Any:
        """Return a request of the library.

        Its URL is parsed already, and its headers are complete. So it costs a tenth of a
        request that the library completes.

        Args:
            request: What to send.
            seconds: How long the attempt may take.
            trace: Called with each event of the request, or None.

        """
        http = self.library.http
        return http.Request(
            request.method,
            self._url(request.path),
            headers=[
                *self._headers,
                (b"Content-Length", b"%d" % len(request.body)),
                *request.headers(),
            ],
            stream=http.ByteStream(request.body),
            extensions=_extensions(seconds, trace),
        )

    def build_with(
        self, build: Callable[..., Any], request: Request[Any], seconds: float, trace: Any = None
    ) -> Any:
        """Return a request that the caller's client builds, with headers of its own.

        Args:
            build: The client's method.
            request: What to send.
            seconds: How long the attempt may take.
            trace: Called with each event of the request, or None.

        """
        return build(
            request.method,
            self.base_url + request.path,
            headers=[*self._headers, *request.headers()],
            content=request.body,
            extensions=_extensions(seconds, trace),
        )

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            if len(self._urls) >= _MOST_URLS:  # an API may have ids in its paths
                self._urls.clear()
            url = self._urls[path] = self.library.http.URL(self.base_url + path)
        return url


def _extensions(seconds: float, trace: Any) -> dict[str, Any]:
    # The deadline covers all phases. Connecting may take a third of the time that is left, so that
    # there is time for another attempt.
    timeout = {"connect": seconds / 3} if seconds < math.inf else {}
    return {"timeout": timeout} if trace is None else {"timeout": timeout, "trace": trace}
