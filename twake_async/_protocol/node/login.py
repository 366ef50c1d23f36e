"""The login, which gives the access token, and the question why there is none. No I/O."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, NoReturn

import attrs

from twake_async._protocol.body import read_document
from twake_async._protocol.exchange import TLS_THERE, Answer
from twake_async._protocol.failures import judge_failure
from twake_async._protocol.json_codec import PLAIN
from twake_async._protocol.node_errors import NOT_FOUND, json_of, refused_in_words
from twake_async._protocol.php_errors import has_no_route
from twake_async._protocol.question import Question
from twake_async._protocol.statuses import judge_status, name_proxy, speaks_tls
from twake_async._protocol.subjects import REQUEST
from twake_async.errors import (
    AuthenticationError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TwakeError,
)

from .answers import no_api

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Context, Failure, Request
    from twake_async._protocol.server import Server

__all__ = ["LOGIN", "SERVER", "Grant", "Login", "log_in"]

LOGIN = "/api/console/v1/login"
#: Tells the release of a Node server; needs no login.
SERVER = "/internal/services/general/v1/server"


@attrs.frozen
class Grant:
    """What a login gives. The refresh token beside it is not read: it is a key for 30 days."""

    value: str = attrs.field(repr=False)
    seconds: float
    """How many seconds the access token is valid."""

    def header(self) -> tuple[bytes, bytes]:
        """Return the header that says who sends a request."""
        return (b"Authorization", b"Bearer " + self.value.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("an access token cannot be pickled: log in where it is used")


@attrs.frozen(eq=False)
class Login:
    """A request for an access token. The credentials stand in its body."""

    credentials: Credentials = attrs.field(repr=False)
    server: Server = attrs.field(repr=False)

    method = "POST"
    path = LOGIN
    answer_limit = 65_536
    operation = "login"
    front_id = channel_id = None
    target = None
    repeatable = True
    steps = None

    @property
    def body(self) -> bytes:
        """The body, built for each attempt and not kept."""
        fields = {"id": self.credentials.public_id, "secret": self.credentials.reveal()}
        return json.dumps(fields).encode()

    def headers(self) -> tuple[()]:
        """Return no headers: the credentials stand in the body."""
        return ()

    def judge(self, answer: Answer | Failure, context: Context) -> Grant | TwakeError:
        """Return the token, or the error for a message that was not sent because there is none."""
        if not isinstance(answer, Answer):
            return self._without_answer(answer)
        if answer.status == 200:
            return _grant(answer) or self._failed("the answer to the login holds no access token")
        document = json_of(answer)
        if answer.status in context.retry_later:
            return judge_status(answer, LOGIN, self.server, context)
        if answer.status == 403 and refused_in_words(answer) is not None:
            return self._refused(document["message"])
        if has_no_route(answer) or (answer.status == 404 and document == NOT_FOUND):
            return no_api(answer.status)
        why = f"the server answered {answer.status} to the login"
        return self._failed(why + _hint(answer), answer.status)

    def _refused(self, words: str) -> AuthenticationError:
        # If a server repeats the key, the error must not show it.
        said = "" if self.credentials.reveal() in words else f" ({words!r})"
        return AuthenticationError(
            f"the server refused the login{said}: copy public_id and private_api_key anew from "
            "the application's page in Twake",
            reason="authentication",
            status=403,
        )

    def _without_answer(self, failure: Failure) -> TwakeError:
        error = judge_failure(failure, self.server, REQUEST)
        if not isinstance(error, OutcomeUnknownError):
            return error
        return self._failed(f"the login was not answered: {failure.detail}")

    def _failed(self, why: str, status: int | None = None) -> TwakeError:
        error = NotSentError(f"{REQUEST.noun} was not sent: {why}", reason="login", status=status)
        return name_proxy(error, self.server)

    def named_by(self, result: Grant) -> None:
        """Return None: it names no message, and its connection is not used again."""


def _front_page(answer: Answer | Failure, _: Context) -> TwakeError:
    """Return the error of a server without Node, or an error that leaves this open."""
    if isinstance(answer, Answer) and answer.status == 200 and _is_html(answer):
        return no_api(200)
    return NotSentError("it is not known which APIs the server has", reason="login")


def log_in(
    credentials: Credentials, server: Server
) -> Generator[Request[Grant], Grant | TwakeError, Grant | TwakeError]:
    """Yield the requests of a login, receive what each proved, and return the final result.

    Args:
        credentials: The application that logs in.
        server: What is known of the server.

    """
    result = yield Login(credentials, server)
    if isinstance(result, NotSentError) and result.status == 500:
        # A server with PHP only may fail like this. Most say in words that they have no such route.
        why = yield Question("login", "GET", SERVER, b"", _front_page)
        if isinstance(why, RefusedError):
            return why
    return result


def _hint(answer: Answer) -> str:
    """Return what may be wrong with the server's address."""
    target = answer.header(b"location")
    if 300 <= answer.status < 400 and target:
        return f", and redirects to {target!r}, which is never followed: check base_url"
    return f": {TLS_THERE}" if speaks_tls(answer) else ""


def _is_html(answer: Answer) -> bool:
    return answer.header(b"content-type").lower().startswith("text/html")


def _grant(answer: Answer) -> Grant | None:
    try:
        token = read_document(answer, Login.answer_limit, PLAIN)["resource"]["access_token"]
        value, seconds = token["value"], float(token["expiration"] - token["time"])
    except (ValueError, LookupError, TypeError, OverflowError):
        return None
    # A value with other characters could be a header of its own.
    is_value = isinstance(value, str) and re.fullmatch("[!-~]+", value)
    # The servers count in whole seconds. One that ends at once would be requested repeatedly.
    return Grant(value, seconds) if is_value and 1 <= seconds < math.inf else None
