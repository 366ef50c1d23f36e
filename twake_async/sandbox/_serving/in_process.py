"""An httpx transport that calls the application in the same process.

This is the only module of the sandbox that imports httpx. It uses public names only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from twake_async.sandbox._serving.asgi import ASGIApp

__all__ = ["asgi_transport"]


def asgi_transport(app: ASGIApp) -> httpx.AsyncBaseTransport:
    """Return a new transport that calls the application."""
    import httpx  # noqa: PLC0415 - a sandbox that is served does not need it

    return httpx.ASGITransport(app=app)
