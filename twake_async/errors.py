"""The outcomes of a send, and the exceptions.

Every exception of this package that ends a send is a `TwakeError`. Its `outcome` says what is
certain about the message::

    TwakeError                        .outcome .reason .front_id .attempts .elapsed
    ├── ConfigurationError            NOT_SENT   the session or the call is set up wrong
    ├── InvalidDraftError             NOT_SENT   the message cannot be sent as it is
    ├── SessionClosedError            NOT_SENT   the session was closed
    ├── WrongEventLoopError           NOT_SENT   the session belongs to another loop or process
    ├── JournalError                  NOT_SENT   a batch cannot go on with its journal
    ├── RefusedError                  REFUSED    the server answered, and stored nothing
    │   ├── AuthenticationError                  the id or the key is wrong
    │   ├── InvalidGroupError                    the group does not exist
    │   ├── MissingCapabilityError               the application may not do this in this group
    │   ├── NotFoundError                        what was asked for is not there
    │   └── RateLimitedError                     the server said "later"
    ├── NotSentError                  NOT_SENT   no server can have acted on it
    └── OutcomeUnknownError           UNKNOWN    it may or may not be in the channel
"""

from __future__ import annotations

import copy
import enum
import pickle
from typing import Any, Self

from ._printable import printable

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "EmptyFileWarning",
    "InvalidDraftError",
    "InvalidGroupError",
    "JournalError",
    "MissingCapabilityError",
    "NotFoundError",
    "NotSentError",
    "Outcome",
    "OutcomeUnknownError",
    "RateLimitedError",
    "RefusedError",
    "ReplyAtRootWarning",
    "SessionClosedError",
    "TextCutWarning",
    "TwakeError",
    "WrongEventLoopError",
]


class Outcome(enum.Enum):
    """What is certain about a message once its send has ended."""

    DELIVERED = "delivered"
    """The server has it: stored, or shown (an ephemeral message), or unchanged by the edit."""

    REFUSED = "refused"
    """The server answered, and stored nothing."""

    NOT_SENT = "not sent"
    """No server can have acted on it; it may be sent again."""

    UNKNOWN = "unknown"
    """It may or may not be in the channel. If you send it again, it may appear twice."""


class TwakeError(Exception):
    """A send that did not end `DELIVERED`, or that never began.

    Args:
        message: One sentence for a person.
        reason: One word from the list of the exception's class.
        status: The HTTP status of the answer that decided, if there was one.

    Attributes:
        outcome: What is certain about the message.
        reason: One word for what happened; each class lists its reasons.
        status: The HTTP status of the answer that decided; None if there was no answer.
        front_id: The id that the send gave to the message, the same in all its attempts.
        attempts: The number of attempts; 0 if none began.
        elapsed: Seconds from the call to its end, with all waits.

    """

    outcome: Outcome = Outcome.NOT_SENT
    """What is certain about the message."""

    reason: str
    """One word for what happened; each class lists its reasons."""

    status: int | None
    """The HTTP status of the answer that decided; None if there was no answer."""

    front_id: str | None
    """The id that the send gave to the message, the same in all its attempts."""

    attempts: int
    """The number of attempts; 0 if none began."""

    elapsed: float
    """Seconds from the call to its end, with all waits."""

    def __init__(self, message: str, *, reason: str = "", status: int | None = None) -> None:
        # It may quote a server or a proxy, whose words must not control a terminal or a log.
        super().__init__(printable(message))
        self.reason = reason
        self.status = status
        self.front_id = None
        self.attempts = 0
        self.elapsed = 0.0

    def __str__(self) -> str:
        text = str(self.args[0])
        if not self.attempts:
            return text
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        name = f", front_id {printable(self.front_id)}" if self.front_id else ""
        return f"{text} (after {tries} in {self.elapsed:.2f} s{name})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Facts live in __dict__, the refusal behind an unknown outcome in __cause__: both must
        # survive a process pool or a task queue.
        cause = _picklable(self.__cause__)
        return type(self), self.args, {**self.__dict__, "__cause__": cause}

    def __copy__(self) -> Self:
        return self._twin(self.__dict__, self.__cause__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self)] = twin = self._twin({}, None)
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        try:
            twin.__cause__ = copy.deepcopy(self.__cause__, memo)
        except Exception:  # noqa: BLE001 - a cause may be any exception, and hold anything
            twin.__cause__ = self.__cause__
        return twin

    def _twin(self, facts: dict[str, Any], cause: BaseException | None) -> Self:
        twin = type(self)(*self.args)
        twin.__dict__.update(facts)
        twin.__cause__ = cause
        return twin


def _picklable(cause: BaseException | None) -> BaseException | None:
    """Return the cause, or its words where it cannot be pickled or would not come back."""
    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - a cause may be any exception, and hold anything
        kind = type(cause)
        try:
            words = str(cause)
        except Exception:  # noqa: BLE001 - as above
            words = "no words"
        return Exception(f"{kind.__module__}.{kind.__qualname__}: {words}")
    return cause


class ConfigurationError(TwakeError, ValueError):
    """A setting of the session or an argument of the call is invalid (outcome `NOT_SENT`).

    It is never tried again (reason `configuration`).

    Args:
        message: What is wrong and how to fix it.
        field: The name of the argument or environment variable.

    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message, reason="configuration")
        self.field = field


class InvalidDraftError(TwakeError, ValueError):
    """The message is not valid, and nothing was sent (outcome `NOT_SENT`).

    It is never tried again (reason `draft`).

    Args:
        message: What is wrong and how to fix it.
        field: The name of the field of the draft, or of the node and its attribute.

    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message, reason="draft")
        self.field = field


class SessionClosedError(TwakeError):
    """The session was closed before this send could begin (outcome `NOT_SENT`).

    It was closed before the call, or while the send waited for a connection (reason `closed`).
    """

    def __init__(self, message: str, *, reason: str = "closed") -> None:
        super().__init__(message, reason=reason)


class WrongEventLoopError(TwakeError):
    """The session was used from another event loop or another process (outcome `NOT_SENT`).

    A process that was forked is another process (reason `event_loop`).
    """

    def __init__(self, message: str, *, reason: str = "event_loop") -> None:
        super().__init__(message, reason=reason)


class JournalError(TwakeError):
    """A batch cannot use its journal. It sends no message that is not in the journal (`NOT_SENT`).

    `reason` is one of

    - `locked`: another batch, of this process or another, uses the journal or the partition;
    - `linked`: the file has several names (hard links);
    - `foreign`: the file is not a journal, or the database has no such batch;
    - `damaged`: the file does not have what was written to it;
    - `moved`: the file was deleted, moved or replaced during the run;
    - `version`: the journal has a schema that this release does not know, or its database is too
      old;
    - `target`: it belongs to another server, group or API, its keys were made in another way, or it
      has another number of partitions;
    - `broken`: the file or the database cannot be opened, read or written;
    - `full`: the disk is full;
    - `taken_over`: another process took the partition over, and continues with its messages;
    - `pooled`: the connection to the database is that of a pooler;
    - `unfinished`: a partition is not done, so no other round begins;
    - `changed`: a draft differs from the draft that has this key in the journal, or the batch was
      begun with another input;
    - `key`: the function for keys failed, its result is not a key, or two drafts have one key.
    """


class RefusedError(TwakeError):
    """The server answered, and stored nothing (outcome `REFUSED`).

    `reason` is one of

    - `authentication`: the id or the key is wrong;
    - `group`: the group does not exist;
    - `capability`: the application lacks a capability or a privilege;
    - `later`: the server asked for a pause;
    - `api`: the server does not serve this API at all;
    - `token`: the server refused the access token, and also the token of a new login;
    - `thread`: the application has not joined the thread, and may not reply in it;
    - `owner`: the message to edit belongs to another sender;
    - `arguments`: a call about users, channels or files has arguments that the server refuses;
    - `not_found`: the user, channel, message or file of a call does not exist;
    - `redirect`: a redirect from http to https, which is never followed;
    - `status`: another status or text that is only sent before a message is stored;
    - `address`: a batch found that its address is not Twake's, before it sent or after a pause.
    """

    outcome = Outcome.REFUSED


class AuthenticationError(RefusedError):
    """The server does not know this public id with this private key (reason `authentication`)."""


class InvalidGroupError(RefusedError):
    """The server does not know this group (reason `group`)."""


class MissingCapabilityError(RefusedError):
    """The application lacks a capability or privilege in this group (reason `capability`).

    Attributes:
        missing: The capabilities or privileges that are missing; empty if the server did not
            name them.

    """

    missing: tuple[str, ...] = ()
    """The capabilities or privileges that are missing; empty if the server did not name them."""


class NotFoundError(RefusedError):
    """The user, channel, message or file of a call does not exist (reason `not_found`)."""

    def __init__(
        self, message: str, *, reason: str = "not_found", status: int | None = None
    ) -> None:
        super().__init__(message, reason=reason, status=status)


class RateLimitedError(RefusedError):
    """The server said "later", and stored nothing (reason `later`).

    Attributes:
        retry_after: Seconds that the server asked for; None if it named no time.

    """

    retry_after: float | None = None
    """Seconds that the server asked for; None if it named no time."""


class NotSentError(TwakeError):
    """No server can have acted on the message; it may be sent again (outcome `NOT_SENT`).

    `reason` is one of

    - `connect`: no TCP connection could be made;
    - `dns`: the host's name does not resolve;
    - `tls`: the TLS handshake failed;
    - `certificate`: the server's certificate is not valid for this host, or not trusted;
    - `proxy`: the proxy failed before the request went through it;
    - `proxy_refused`: the proxy answered CONNECT with a 4xx, which a retry does not change;
    - `connections_busy`: the deadline passed while all connections were busy;
    - `cooldown`: the server asked for a pause that ends after the deadline;
    - `login`: no login gave an access token;
    - `deadline`: the deadline was already over;
    - `channel`: the answer that names the channel of a direct message was lost;
    - `file`: the command line does not know whether the file of the message was uploaded;
    - `held`: a batch did not send it, because of its argument hold_after;
    - `stopped`: its batch ended before the message began;
    - `outage`: its batch ended before the message began, because the server was down.
    """


class OutcomeUnknownError(TwakeError):
    """The message may or may not be in the channel (outcome `UNKNOWN`).

    If a refusal followed an unknown attempt, it is in `__cause__`. `reason` is one of

    - `lost`: the connection ended before the whole answer had come;
    - `timeout`: the deadline passed before the whole answer had come;
    - `gateway`: 502, 503 or 504, which a gateway may send after it forwarded the request;
    - `gateway_answer`: a redirect or a 4xx, which a gateway may send after the server stored;
    - `status`: another status that proves nothing (5xx, or 2xx other than 200);
    - `server_error`: the answer that the server gives after any error of its own;
    - `unreadable`: a 200 whose body is empty, too large or not an answer of Twake;
    - `mismatch`: an answer without an id, about another message, or with other content;
    - `unconfirmed`: the server said that it stored the message, and with `read_back=True` the
      read did not show it;
    - `source`: the source of an upload failed after the upload had begun;
    - `unproven`: a transport of your own failed, and nothing proves how far the request came;
    - `cancelled`: its batch was cancelled while the message was in flight;
    - `interrupted`: an earlier run of the batch ended while the message was in flight;
    - `unexpected`: the send raised an exception that no send should; it is the cause.
    """

    outcome = Outcome.UNKNOWN


class TextCutWarning(UserWarning):
    """The server kept only the first character of a plain text; set `text_form="portable"`.

    The message was delivered, and is returned. So this warning is never raised as an error: if a
    filter turns warnings into errors, the text goes to the logger `twake_async` instead.
    """


class ReplyAtRootWarning(UserWarning):
    """The server shows a reply at the root of the channel: its parent is not a root message there.

    The message was delivered, and is returned. So this warning is never raised as an error: if a
    filter turns warnings into errors, the text goes to the logger `twake_async` instead.
    """


class EmptyFileWarning(UserWarning):
    """The server fetched nothing from the `file_url` of an upload, and made an empty file.

    The file exists, and is returned. So this warning is never raised as an error: if a filter
    turns warnings into errors, the text goes to the logger `twake_async` instead.
    """
