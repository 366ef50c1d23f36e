"""The requests of a check: a login, a read with its token, and what their answers prove. No I/O.

No server stores anything for them. The read is of a thread that does not exist: the server answers
no messages (recorded: `list-thread-unknown`). It passes the same proxy as a send, which refuses an
application whose address is not allowed (recorded: `right-ip`); a login does not.

A check cannot tell whether a group, a workspace or a channel exists: the server itself does not
look when it accepts a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async._arguments import check_group, check_workspace
from twake_async._protocol.exchange import Answer
from twake_async._protocol.findings import (
    LATER,
    finding,
    unlike_twake,
    without_answer,
    wrong_address,
)
from twake_async._protocol.server import Server
from twake_async.check import Check
from twake_async.errors import AuthenticationError, RateLimitedError, RefusedError, TwakeError

from .answers import read_answer
from .api import Api, Token, check_path_ids, company_path
from .login import LOGIN, Grant, Login

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async._protocol.exchange import Context, Failure

__all__ = ["LoginProbe", "ReadProbe", "examine"]

#: The first of all time-based UUIDs, which is the id of no thread.
NO_THREAD = "00000000-0000-1000-8000-000000000000"


@attrs.frozen(eq=False)
class LoginProbe:
    """A login for one check: its token is only for the next request of the check."""

    login: Login = attrs.field(repr=False)
    api: Api = attrs.field(repr=False)
    """The API that the check uses; it stores the token."""

    method = "POST"
    path = LOGIN
    answer_limit = 65_536
    operation = "check"
    front_id = channel_id = None
    target = None
    repeatable = True
    steps = None

    @property
    def body(self) -> bytes:
        """The body of the login."""
        return self.login.body

    def headers(self) -> tuple[()]:
        """Return no headers: the credentials stand in the body."""
        return ()

    def judge(self, answer: Answer | Failure, context: Context) -> Check | TwakeError:
        """Return the problem that an answer shows, or the error if there is no answer."""
        if not isinstance(answer, Answer):
            return without_answer(answer)
        result = self.login.judge(answer, context)
        if isinstance(result, Grant):
            self.api.token = Token(result.header())
            return Check("", "the server knows the application")
        if isinstance(result, AuthenticationError):
            return Check("authentication", f"{result} (TWAKE_PUBLIC_ID, TWAKE_PRIVATE_API_KEY)")
        if result.reason == "api":
            return Check("api", str(result))
        return LATER if answer.status == 429 else _not_twake(answer)

    def named_by(self, result: Check) -> None:
        """Return None: it names no message, and its connection is not used again."""


@attrs.frozen(eq=False)
class ReadProbe:
    """A read of a thread that does not exist, with the token of the check."""

    path: str
    api: Api = attrs.field(repr=False)

    method = "GET"
    body = b""
    answer_limit = 65_536
    operation = "check"
    front_id = channel_id = None
    target = None
    repeatable = True
    steps = None

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it."""
        token = self.api.token
        return () if token is None else (token.header,)

    def judge(self, answer: Answer | Failure, context: Context) -> Check | TwakeError:
        """Return the problem that an answer shows, or the error if there is no answer."""
        if not isinstance(answer, Answer):
            return without_answer(answer)
        result = read_answer(answer, self.path, self.answer_limit, self.api, context)
        if isinstance(result, RefusedError):
            return _refused(result) or _not_twake(answer)
        if isinstance(result, TwakeError):
            return _failed(result) or _not_twake(answer)
        if isinstance(result.get("resources"), list):
            return Check("", "the server knows the application, and accepts its requests")
        return unlike_twake(answer)

    def named_by(self, result: Check) -> None:
        """Return None: it names no message, and its connection is not used again."""


def examine(
    group_id: str | None, workspace_id: str | None, api: Api
) -> Generator[LoginProbe | ReadProbe, Check | TwakeError, Check]:
    """Yield the requests to make, receive what each proved, and return the final result.

    Args:
        group_id: The caller's group (company).
        workspace_id: The workspace of the session; None if the drafts name theirs.
        api: The API to ask, and who asks.

    Raises:
        ConfigurationError: There is no group, or the workspace is not an id.

    """
    group = check_group(group_id)
    check_path_ids(group_id=group)
    if workspace_id is not None:
        check_workspace(workspace_id)
    credentials, proxy = api.credentials, api.server.proxy
    assert credentials is not None  # noqa: S101 - a session has some
    # The session's token is not touched. Its trusted statuses do not count here: a check shows
    # what the server says.
    api = attrs.evolve(api, server=Server(), token=None)
    found = finding((yield LoginProbe(Login(credentials, api.server), api)), proxy)
    if found.problem:
        return found
    path = company_path(group, "threads", NO_THREAD, "messages") + "?limit=1"
    found = finding((yield ReadProbe(path, api)), proxy)
    if found.problem or workspace_id is not None:
        return found
    return attrs.evolve(found, advice=f"{found.advice}; {_NO_WORKSPACE}")


_NO_WORKSPACE = (
    "no workspace is set, so each message to a channel must name its own: give workspace_id "
    "(TWAKE_WORKSPACE_ID)"
)


def _refused(error: RefusedError) -> Check | None:
    """Return the problem that a refusal in words shows; None if it is not Twake's."""
    if isinstance(error, RateLimitedError):
        return LATER
    if error.reason == "token":
        return Check(
            "unclear",
            "the server gave an access token and refuses it: check the server itself, "
            "such as the clocks of its machines",
        )
    if error.status == 403:
        return Check(
            "authentication",
            f"the server knows the application, but {error}: see its settings in Twake",
        )
    if error.status in (200, 404):
        return Check(
            "api",
            'the server gives access tokens, but does not serve api="node", like servers of '
            '2021: set api="v1" (TWAKE_API=v1)',
        )
    return None


def _failed(error: TwakeError) -> Check | None:
    """Return the problem that an error inside a 200 shows; None for any other answer."""
    if error.reason != "server_error":
        return None
    return Check(
        "unclear",
        "the server knows the application, but fails to read messages: check the server itself",
    )


def _not_twake(answer: Answer) -> Check:
    return wrong_address(answer) if 300 <= answer.status < 500 else unlike_twake(answer)
