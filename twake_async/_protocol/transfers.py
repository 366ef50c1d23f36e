"""Requests with a streamed body or a streamed answer, and what their answers prove. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from twake_async.errors import NotFoundError, OutcomeUnknownError, RefusedError, TwakeError

from .exchange import LOST, Answer, Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from .exchange import Context, Request, Steps
    from .multipart import Multipart

__all__ = ["Download", "Streamed", "Transfer", "Upload"]

T = TypeVar("T")


class Streamed(Protocol):
    """What a transport needs of a transfer, beside what it needs of any request."""

    idle_timeout: float
    """Seconds that may pass while no byte moves."""
    broken: Exception | None
    """What the caller's source or target raised."""

    @property
    def content_type(self) -> str:
        """The type of the body."""
        ...

    @property
    def length(self) -> int | None:
        """The bytes of the body; None where the length is not known."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body, for one attempt."""
        ...

    async def takes(self, head: Answer) -> bool:
        """Say whether the body of an answer is content for `receive`: it begins now."""
        ...

    async def receive(self, chunk: bytes) -> bool:
        """Take a part of the content that `takes` began; say whether the rest is wanted."""
        ...


@attrs.define(eq=False)
class Transfer(Generic[T]):
    """A request that is sent and judged as another one is, with its body or answer streamed."""

    inner: Request[Any]
    """The request without its stream."""
    idle_timeout: float
    broken: Exception | None = attrs.field(default=None, init=False)

    body = b""
    front_id = None
    can_repeat = True

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.inner.method

    @property
    def path(self) -> str:
        """The path on the server."""
        return self.inner.path

    @property
    def answer_limit(self) -> int:
        """The most bytes of an answer that is not streamed."""
        return self.inner.answer_limit

    @property
    def target(self) -> str | None:
        """The element that it is about."""
        return self.inner.target

    @property
    def operation(self) -> str:
        """What it does, for the log."""
        return self.inner.operation

    @property
    def steps(self) -> Steps[T] | None:
        """What the session does around its attempts."""
        return self.inner.steps

    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the headers that say who sends it."""
        return self.inner.headers()

    def _judge_inner(self, answer: Answer | Failure, context: Context) -> Any:
        """Return what an answer proves of the request; errors speak of a file."""
        result = self.inner.judge(answer, context)
        if isinstance(result, TwakeError) and result.args:
            result.args = (str(result.args[0]).replace("the message", "the file"),)
        return result

    def named_by(self, result: T) -> None:
        """Return None: its connection is not used again."""


@attrs.define(eq=False)
class Upload(Transfer[T]):
    """A request that sends a form with a file in it."""

    form: Multipart
    size: int | None
    """The bytes of the file; None where that is not known."""
    read: Callable[[], AsyncIterator[bytes]] = attrs.field(repr=False)
    """Yields the file from its beginning."""
    sent: int = attrs.field(default=0, init=False)
    """The bytes of the file that were handed to the network."""
    can_repeat: bool = True
    """Whether the file can be read again."""

    # A second upload is a second file.
    repeatable = False

    @property
    def content_type(self) -> str:
        """The type of the form."""
        return self.form.content_type

    @property
    def length(self) -> int | None:
        """The bytes of the whole form."""
        return None if self.size is None else self.form.length + self.size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the form with the file in it."""
        self.sent = 0
        yield self.form.head
        async for chunk in self.read():
            self.sent += len(chunk)
            yield chunk
        yield self.form.tail

    async def takes(self, head: Answer) -> bool:  # noqa: ARG002
        """Return False: its answer is a document."""
        return False

    def judge(self, answer: Answer | Failure, context: Context) -> T | TwakeError:
        """Return the element that the server made, or the error that the answer is."""
        result: T | TwakeError = self._judge_inner(answer, context)
        if not isinstance(result, TwakeError):
            size = getattr(result, "size", self.sent)
            return result if size == self.sent else _cut(size, self.sent)
        if self.broken is not None and isinstance(answer, Failure) and answer.sent:
            broken = OutcomeUnknownError(
                "the source of the file failed after the upload had begun: it is not known "
                "whether the server kept a part of it",
                reason="source",
            )
            broken.__cause__ = self.broken
            return broken
        if result.reason == "token" and not self.can_repeat:
            # The session would log in and send again what cannot be read again.
            return RefusedError(
                "the server does not take the access token any more: upload again",
                reason="status",
                status=401,
            )
        return result


def _cut(size: int, sent: int) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"the server says that it keeps {size} bytes of the {sent} that were sent: a limit for "
        "uploads may stand before it",
        reason="mismatch",
        status=200,
    )


@attrs.define(eq=False)
class Download(Transfer[int]):
    """A request whose answer is a file."""

    limit: int
    """The most bytes to take."""
    begin: Callable[[Answer], Awaitable[None]] = attrs.field(repr=False)
    """Called when the file begins, at each attempt."""
    write: Callable[[bytes], Awaitable[None]] = attrs.field(repr=False)
    repeatable: bool = True
    """Whether what was written can be taken back."""
    may_be_empty: bool = False
    """Whether the file is known to be empty."""
    received: int = attrs.field(default=0, init=False)
    _began: bool = attrs.field(default=False, init=False)

    @property
    def content_type(self) -> str:
        """The type of what the request holds."""
        return "application/json"

    @property
    def length(self) -> int | None:
        """The bytes of the request's body."""
        return len(self.inner.body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body of the request."""
        self.received, self._began = 0, False
        yield self.inner.body

    async def takes(self, head: Answer) -> bool:
        """Say whether an answer is a file: an error is a 200, too, but names no attachment."""
        if not head.header(b"content-disposition").lower().startswith("attachment"):
            return False
        self._began = True
        if _problem(head) is None and (_length(head) or 0) <= self.limit:
            await self.begin(head)
        return True

    async def receive(self, chunk: bytes) -> bool:
        """Take a part of the file; say whether the rest is wanted."""
        self.received += len(chunk)
        if self.received > self.limit:
            return False
        await self.write(chunk)
        return True

    def judge(self, answer: Answer | Failure, context: Context) -> int | TwakeError:
        """Return the size of the whole file, or the error that the answer is."""
        if self.broken is not None:
            return OutcomeUnknownError("the target of the file failed", reason="target")
        if isinstance(answer, Failure) or not self._began or answer.status != 200:
            return self._judge_document(answer, context)
        if (problem := _problem(answer)) is not None:
            return OutcomeUnknownError(problem, reason="unreadable", status=200)
        length = _length(answer)
        if max(self.received, length or 0) > self.limit:
            return OutcomeUnknownError(
                f"the file is larger than the limit of {self.limit} bytes",
                reason="unreadable",
                status=200,
            )
        if length is not None and self.received != length:
            return self._judge_document(LOST, context)
        return self.received or self._empty()

    def _judge_document(self, answer: Answer | Failure, context: Context) -> int | TwakeError:
        if isinstance(answer, Answer) and answer.status == 200 and not answer.body:
            return self._empty()
        error: TwakeError = self._judge_inner(answer, context)  # no document is a file
        return error

    def _empty(self) -> int | TwakeError:
        # A server of 2020 gives nothing where the file is in another workspace than the one named.
        if self.may_be_empty:
            return 0
        return NotFoundError(
            "the server gave no byte: the file is in another workspace, or it is empty", status=200
        )


def _length(head: Answer) -> int | None:
    value = head.header(b"content-length")
    return int(value) if value.isascii() and value.isdigit() else None


def _problem(head: Answer) -> str | None:
    """Return why nobody could tell whether an answer is whole, or None."""
    if head.header(b"content-encoding").lower() not in ("", "identity"):
        return "the server's answer has a content coding that was not asked for"
    if _length(head) is None and "chunked" not in head.header(b"transfer-encoding").lower():
        return "the server's answer does not say how long the file is"
    return None
