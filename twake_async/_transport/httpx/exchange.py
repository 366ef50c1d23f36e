"""One exchange over httpx or httpx2: a request is sent, and its answer is read within limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from twake_async._protocol.exchange import (
    ERROR_BODY_BYTES,
    ERROR_BODY_SECONDS,
    TOO_LARGE,
    Answer,
    Failure,
)

if TYPE_CHECKING:
    import httpx

    from twake_async._transport.trace import Trace

__all__ = ["LibraryTransport", "Send", "answer_by_status", "exchange", "read_answer"]


class LibraryTransport(Protocol):
    """A transport of the library, or of the same shape."""

    async def handle_async_request(self, request: Any, /) -> Any:
        """Send one request and return the response, its body not yet read."""

    async def aclose(self) -> None:
        """Close its connection."""


class Send(Protocol):
    """A method that sends a request, of the library's transport or of the caller's client."""

    async def __call__(self, request: Any, /) -> Any:
        """Send it and return the response, its body not yet read."""


async def exchange(send: Send, request: Any, trace: Trace, limit: int) -> Answer | Failure:
    """Send a request and return its answer.

    Args:
        send: Sends it.
        request: A request of the library.
        trace: Notes the response, and whether it was read to its end.
        limit: The most bytes that the body of the answer may have.

    """
    response = await send(request)
    trace.response = response
    try:
        answer, complete = await read_answer(response, limit)
    finally:
        await response.aclose()
    # Set only now: httpcore loses a connection for good if it is cancelled while it closes.
    trace.complete = complete
    return answer


def answer_by_status(trace: Trace) -> Answer | None:
    """Return the answer of an attempt that failed in its body, or None.

    A status other than 200 needs no body: the body may be cut, or never end.
    """
    response = trace.response
    if response is None or response.status_code == 200:
        return None
    return Answer(response.status_code, response.headers.raw, b"")


async def read_answer(response: httpx.Response, limit: int) -> tuple[Answer | Failure, bool]:
    """Return the answer, and whether it was read to its end."""
    if response.status_code != 200:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            body = await _read_body(response, ERROR_BODY_BYTES)
        return Answer(response.status_code, response.headers.raw, body or b""), body is not None
    body = await _read_body(response, limit)
    if body is None:
        return TOO_LARGE, False
    return Answer(200, response.headers.raw, body), True


async def _read_body(response: httpx.Response, limit: int) -> bytes | None:
    """Return the body, not decoded; None if it is longer than the limit."""
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
