"""Requests with a streamed body or answer, and what the answer to an upload proves. No I/O."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import attrs

from twake_async.errors import OutcomeUnknownError, RefusedError, TwakeError

from .exchange import Answer, Failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from .exchange import Context, Request, Steps
    from .multipart import Multipart

__all__ = ["Streamed", "Transfer", "Upload"]

T = TypeVar("T")
KeptT = TypeVar("KeptT", bound="Kept")

#: The most bytes of an upload that are handed to the network at once.
_AT_ONCE = 262_144


class Kept(Protocol):
    """What a server made of an upload."""

    @property
    def size(self) -> int:
        """The number of bytes that it keeps."""
        ...


class Streamed(Protocol):
    """What a transport needs of a transfer, in addition to what it needs of any request."""

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


@attrs.frozen(eq=False)
class BoundedSteps:
    """The steps of a repeatable call, used for a transfer that may have no deadline."""

    steps: Steps[Any]
    most: float
    """Seconds."""

    can_look = False
    can_read = True

    @property
    def is_ready(self) -> bool:
        """Whether an attempt may begin without `prepare`."""
        return self.steps.is_ready

    async def prepare(self, seconds: float) -> TwakeError | None:
        """Log in, or return the error that the attempt ends with."""
        return await self.steps.prepare(min(seconds, self.most))

    def can_recover(self, error: TwakeError) -> bool:
        """Say whether the server may accept it after another login."""
        return self.steps.can_recover(error)

    async def recover(self, error: TwakeError, seconds: float) -> bool:
        """Forget the token that was refused."""
        return await self.steps.recover(error, min(seconds, self.most))

    async def look(self, seconds: float, doubts: int) -> None:
        """Return None: no read finds a file."""

    def observed(self, requests: int) -> None:
        """Return None: no event shows it."""

    async def confirm(self, result: object, seconds: float) -> bool | None:
        """Return None: nothing is read back."""


@attrs.define(eq=False)
class Transfer(Generic[T]):
    """A request that is sent and judged like another one, with a streamed body or answer."""

    inner: Request[Any]
    """The request without its stream."""
    idle_timeout: float
    broken: Exception | None = attrs.field(default=None, init=False)

    body = b""
    front_id = channel_id = None
    can_repeat = True
    is_upload = False

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
        """What the session does around its attempts, each step within the idle time."""
        steps = self.inner.steps
        if steps is None:
            return None
        return cast("Steps[T]", BoundedSteps(steps, self.idle_timeout))

    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the headers that say who sends it."""
        return self.inner.headers()

    def named_by(self, result: T) -> None:
        """Return None: its connection is not used again."""


@attrs.define(eq=False)
class Upload(Transfer[KeptT]):
    """A request that sends a form with a file in it."""

    form: Multipart
    size: int | None
    """The bytes of the file; None where that is not known."""
    read: Callable[[], AsyncGenerator[bytes, None]] = attrs.field(repr=False)
    """Yields the file from its beginning."""
    sent: int = attrs.field(default=0, init=False)
    """The bytes of the file that were handed to the network."""
    can_repeat: bool = True
    """Whether the file can be read again."""

    # A second upload is a second file.
    repeatable = False
    is_upload = True

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
        async with aclosing(self.read()) as chunks:
            async for chunk in chunks:
                # In small parts, because the idle time is measured for each part.
                for start in range(0, len(chunk), _AT_ONCE):
                    part = chunk[start : start + _AT_ONCE]
                    self.sent += len(part)
                    yield part
        yield self.form.tail

    async def takes(self, head: Answer) -> bool:  # noqa: ARG002
        """Return False: its answer is a document."""
        return False

    def judge(self, answer: Answer | Failure, context: Context) -> KeptT | TwakeError:
        """Return the element that the server made, or the error that the answer means."""
        result: KeptT | TwakeError = self.inner.judge(answer, context)
        if not isinstance(result, TwakeError):
            return result if result.size == self.sent else _cut(result.size, self.sent)
        if self.broken is not None and isinstance(answer, Failure) and answer.sent:
            broken = OutcomeUnknownError(
                "the source of the file failed after the upload had begun: it is not known "
                "whether the server kept a part of it",
                reason="source",
            )
            broken.__cause__ = self.broken
            return broken
        if result.reason == "token" and not self.can_repeat:
            # The session would log in and send the file again, but it cannot be read again.
            return RefusedError(
                "the server no longer accepts the access token: upload again",
                reason="status",
                status=401,
            )
        return result


def _cut(size: int, sent: int) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"the server says that it keeps {size} bytes of the {sent} that were sent: there may be "
        f"a limit for uploads in front of it",
        reason="mismatch",
        status=200,
    )
