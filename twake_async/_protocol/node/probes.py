"""The requests of a check: a login, and what its answer proves. No I/O.

No server stores anything for it. A check cannot tell whether a group, a workspace or a channel
exists: the server itself does not look when it takes a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async._arguments import check_group, check_workspace
from twake_async.check import Check
from twake_async.errors import AuthenticationError, Outcome, TwakeError

from .login import LOGIN, Login

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async._protocol.exchange import Answer, Context, Failure
    from twake_async.check import Problem

    from .api import Api

__all__ = ["Probe", "examine"]


@attrs.frozen(eq=False)
class Probe:
    """A login that gives no token away: only what it proves is kept."""

    login: Login = attrs.field(repr=False)

    method = "POST"
    path = LOGIN
    answer_limit = 65_536
    operation = "check"
    front_id = None
    target = None
    repeatable = True
    steps = None

    @property
    def body(self) -> bytes:
        """The body of the login."""
        return self.login.body

    def headers(self) -> tuple[()]:
        """Return none: the credentials stand in the body."""
        return ()

    def judge(self, answer: Answer | Failure, context: Context) -> Check | TwakeError:
        """Return what an answer says is wrong, or the error that there is no answer."""
        result = self.login.judge(answer, context)
        if isinstance(result, TwakeError):
            return result
        return Check("", "the server knows the application, and gives it access")

    def named_by(self, result: Check) -> None:
        """Return None: it names no message, and its connection is not used again."""


def examine(
    group_id: str | None, workspace_id: str | None, api: Api
) -> Generator[Probe, Check | TwakeError, Check]:
    """Yield the request to make, be sent what it proved, and return what that says.

    Args:
        group_id: The caller's group (company).
        workspace_id: The workspace of the session; None where drafts say theirs.
        api: The API to ask, and who asks.

    Raises:
        ConfigurationError: There is no group, or a workspace that is no id.

    """
    check_group(group_id)
    if workspace_id is not None:
        check_workspace(workspace_id)
    credentials = api.credentials
    assert credentials is not None  # noqa: S101 - a session has some
    result = yield Probe(Login(credentials, api.server))
    if isinstance(result, Check):
        return result
    return Check(_problem(result), str(result))


def _problem(error: TwakeError) -> Problem:
    if isinstance(error, AuthenticationError):
        return "authentication"
    if error.reason == "api":
        return "api"
    if error.outcome is Outcome.NOT_SENT and error.reason != "login":
        return "unreachable"
    return "unclear"
