"""A request whose answer is a file, and what that answer proves. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from twake_async.errors import NotFoundError, OutcomeUnknownError, TwakeError

from .exchange import LOST, Answer, Failure
from .transfers import Transfer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .exchange import Context

__all__ = ["Download", "length_of"]


@attrs.define(eq=False)
class Download(Transfer[int]):
    """A request whose answer is a file."""

    limit: int
    """The most bytes to take."""
    begin: Callable[[Answer], Awaitable[None]] = attrs.field(repr=False)
    """Called when the file begins, at each attempt."""
    write: Callable[[bytes], Awaitable[None]] = attrs.field(repr=False)
    repeatable: bool = True
    """Whether the bytes that were written can be discarded."""
    may_be_empty: bool = False
    """Whether the file may be empty."""
    nothing_is_missing: bool = False
    """Whether an empty answer means that the server has no such file."""
    received: int = attrs.field(default=0, init=False)
    _began: bool = attrs.field(default=False, init=False)
    _wanted: bool = attrs.field(default=False, init=False)

    @property
    def content_type(self) -> str:
        """The content type of the request."""
        return "application/json"

    @property
    def length(self) -> int | None:
        """The number of bytes of the request's body."""
        return len(self.inner.body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body of the request."""
        self.received, self._began, self._wanted = 0, False, False
        yield self.inner.body

    async def takes(self, head: Answer) -> bool:
        """Say whether an answer is a file: an error is a 200, too, but names no attachment."""
        if not head.header(b"content-disposition").lower().startswith("attachment"):
            return False
        self._began = True
        if _problem(head) is None and (length_of(head) or 0) <= self.limit:
            await self.begin(head)
            self._wanted = True
        return True

    async def receive(self, chunk: bytes) -> bool:
        """Take a part of the file; say whether the rest is wanted."""
        self.received += len(chunk)
        if not self._wanted or self.received > self.limit:
            return False
        await self.write(chunk)
        return True

    def judge(self, answer: Answer | Failure, context: Context) -> int | TwakeError:
        """Return the size of the whole file, or the error that the answer means."""
        if self.broken is not None:
            return OutcomeUnknownError("the target of the file failed", reason="unexpected")
        if isinstance(answer, Failure) or not self._began or answer.status != 200:
            return self._judge_document(answer, context)
        if (problem := _problem(answer)) is not None:
            return _unreadable(problem)
        length = length_of(answer)
        if max(self.received, length or 0) > self.limit:
            return _unreadable(f"the file is larger than the limit of {self.limit} bytes")
        if length is not None and self.received != length:
            return self._judge_document(LOST, context)
        return self.received if self.received or self.may_be_empty else _missing()

    def _judge_document(self, answer: Answer | Failure, context: Context) -> int | TwakeError:
        if isinstance(answer, Answer) and answer.status == 200 and not answer.body:
            if (problem := _problem(answer)) is not None:
                return _unreadable(problem)
            if self.nothing_is_missing:
                return _missing()
        error: TwakeError = self.inner.judge(answer, context)  # no document is a file
        return error


def _missing() -> NotFoundError:
    return NotFoundError(
        "the server gave no byte: the file is in another workspace, or it is empty", status=200
    )


def _unreadable(why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(why, reason="unreadable", status=200)


def length_of(head: Answer) -> int | None:
    """Return the number of bytes that an answer states; None if it states none."""
    value = head.header(b"content-length")
    return int(value) if re.fullmatch("[0-9]{1,18}", value) else None


def _problem(head: Answer) -> str | None:
    """Return why it cannot be known whether an answer is whole, or None."""
    if head.header(b"content-encoding").lower() not in ("", "identity"):
        return "the server's answer has a content coding that was not asked for"
    if length_of(head) is None and "chunked" not in head.header(b"transfer-encoding").lower():
        return "the server's answer does not say how long the file is"
    return None
