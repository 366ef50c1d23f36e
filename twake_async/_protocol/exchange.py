"""A request, and the result of one attempt: an answer, or a failure to get one. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from twake_async.errors import TwakeError

__all__ = [
    "CLOSED",
    "CONNECTIONS_BUSY",
    "DOWN",
    "ERROR_BODY_BYTES",
    "ERROR_BODY_SECONDS",
    "LATE",
    "LOST",
    "NOT_YET",
    "NO_TLS_THERE",
    "TLS_ALERT",
    "TLS_SPOKEN",
    "TLS_THERE",
    "TOO_LARGE",
    "Answer",
    "Context",
    "Failure",
    "Judge",
    "Request",
    "Steps",
    "Verdict",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: The most bytes and seconds for the body of an answer whose status is not 200.
ERROR_BODY_BYTES, ERROR_BODY_SECONDS = 65_536, 1.0


@attrs.define  # made for each send, and so not frozen
class Answer:
    """A whole answer: status, headers as they came, and the raw body."""

    status: int
    headers: Iterable[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Return the first header of that name (in lower case), or an empty string."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.decode("latin-1").strip()
        return ""


@attrs.frozen
class Failure:
    """An attempt that brought no whole answer."""

    sent: bool
    """False only where it is proven that no server can have acted on the request."""

    reason: str
    """A reason of `NotSentError` if the request was not sent, else of `OutcomeUnknownError`."""

    detail: str
    """One clause for a person."""


CONNECTIONS_BUSY = Failure(
    sent=False,
    reason="connections_busy",
    detail="the deadline passed while all connections were busy",
)
NOT_YET = Failure(sent=False, reason="connect", detail="no connection was opened in time")
CLOSED = Failure(sent=False, reason="closed", detail="the session was closed")
LATE = Failure(sent=True, reason="timeout", detail="no whole answer in time")
EXPIRED = Failure(sent=False, reason="expired", detail="its intent was no longer valid")
LOST = Failure(sent=True, reason="lost", detail="the connection ended without an answer")
NO_TLS_THERE = (
    "the server does not speak TLS on this port; if it speaks plain http, base_url should begin "
    "with http://"
)
TLS_THERE = "the server speaks TLS on this port: base_url should begin with https://"
TLS_SPOKEN = Failure(sent=True, reason="lost", detail=TLS_THERE)
#: What may be the cause if no connection can be opened.
DOWN = "the server is down, or base_url names another host or port"
#: How an alert of TLS begins: the answer of a server that expects TLS.
TLS_ALERT = b"\x15\x03"
TOO_LARGE = Failure(sent=True, reason="unreadable", detail="the answer is too large")


@attrs.define  # made for each send, and so not frozen
class Context:
    """What else is known when an answer is judged."""

    now: float
    """The time of day in Unix seconds, for a `Retry-After` that is a date."""

    retry_later: Collection[int] = (429,)
    """The statuses by which the caller's server says "later"."""

    seen: str | None = None
    """The id of the message that the connection's last answer named."""

    in_doubt: bool = False
    """Whether an earlier attempt of the same send ended `UNKNOWN`."""


class Request(Protocol[T]):
    """A request that is ready to be sent, and that judges its own answer.

    `T` is what a delivered request returns.
    """

    # What a transport needs.

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The path on the server, quoted as it goes on the wire."""
        ...

    @property
    def body(self) -> bytes:
        """The body; empty for none."""
        ...

    @property
    def answer_limit(self) -> int:
        """The most bytes that the body of an answer may have."""
        ...

    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the headers that say who sends it.

        They may hold a secret, so a transport asks for them where it sends, and keeps none.
        """
        ...

    # What the pool, the attempt loop and observers need.

    @property
    def target(self) -> str | None:
        """The id of the message that it is about; None for a new one."""
        ...

    @property
    def front_id(self) -> str | None:
        """The id that the caller or the send minted for the message, if there is one."""
        ...

    @property
    def operation(self) -> str:
        """What it does, in one word for the log."""
        ...

    @property
    def channel_id(self) -> str | None:
        """The channel of the message that it is about; None if it is not about a message."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether it is idempotent: sending it twice has the same effect as sending it once."""
        ...

    @property
    def steps(self) -> Steps[T] | None:
        """What a session does for it around its attempts, such as a login; None for nothing."""
        ...

    # What its answer means.

    def judge(self, answer: Answer | Failure, context: Context) -> T | TwakeError:
        """Return what an answer, or the lack of one, proves.

        Args:
            answer: The whole answer, or why there is none.
            context: What else is known.

        """
        ...

    def named_by(self, result: T) -> str | None:
        """Return the id of the message that an answer named and proved delivered, or None.

        The connection is used again only after such an answer.
        """
        ...


class Steps(Protocol[T]):
    """What a session does for one request around its attempts, with requests of its own.

    Each step has its time limit in seconds. A task that several sends wait for belongs to the
    session: a send that is cancelled ends only its own wait.
    """

    @property
    def is_ready(self) -> bool:
        """Whether an attempt may begin without `prepare`."""
        ...

    @property
    def can_look(self) -> bool:
        """Whether `look` may find that it was delivered."""
        ...

    @property
    def can_read(self) -> bool:
        """Whether `look` and `confirm` read from the server, which takes extra time."""
        ...

    async def prepare(self, seconds: float, /) -> TwakeError | None:
        """Do what must happen before an attempt, or return the error that the attempt ends with."""
        ...

    def can_recover(self, error: TwakeError, /) -> bool:
        """Say whether the server may accept the request after `recover`."""
        ...

    async def recover(self, error: TwakeError, seconds: float, /) -> bool:
        """Do what the server needs to accept it; say whether it may be sent once more."""
        ...

    async def look(self, seconds: float, doubts: int, /) -> T | None:
        """Return what is delivered, if it is found; None proves nothing.

        Args:
            seconds: How long it may take.
            doubts: How many requests may have made it: more than one may have made copies.

        """
        ...

    def observed(self, requests: int, /) -> T | None:
        """Return what is delivered, if an event showed it already; None proves nothing.

        Args:
            requests: How many requests may have made it: more than one may have made copies.

        """
        ...

    async def confirm(self, result: T, seconds: float, /) -> bool | None:
        """Say whether a read shows what was delivered; None where no read was answered."""
        ...


@attrs.define  # made for each send, and so not frozen
class Verdict(Generic[T_co]):
    """What an attempt proves."""

    result: T_co | TwakeError
    """What the caller of the attempt is given."""

    names: str | None = None
    """The id of the message that the answer named and proved delivered. Another request may
    use the connection only after such an answer."""


class Judge(Protocol[T_co]):
    """A function that judges an attempt while its connection is still held."""

    def __call__(self, answer: Answer | Failure, seen: str | None, /) -> Verdict[T_co]:
        """Return what the answer proves; `seen` is what the connection's last answer named."""
        ...
