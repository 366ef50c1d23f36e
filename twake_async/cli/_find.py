"""`twake-async channels` and `users get`: find the ids that messages need."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from twake_async.errors import TwakeError

from ._credentials import Settings
from ._options import FiniteNumber, session_options
from ._statuses import STATUSES, complain, printable, say
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from twake_async.resources import Channel
    from twake_async.session import TwakeSession

    from ._credentials import Options

__all__ = ["ask", "channels", "users"]

T = TypeVar("T")

_DEADLINE = click.option(
    "--deadline",
    metavar="SECONDS",
    type=FiniteNumber(),
    default=30.0,
    show_default=True,
    help="The time limit for all attempts and the waits between them.",
)


@click.command(
    short_help="List the channels of a workspace, with their ids.",
    epilog="""\b
Examples:
  twake-async channels --api node --workspace "$WORKSPACE"
  twake-async channels --workspace "$WORKSPACE" --user "$USER_ID"
  twake-async channels --json | jq -r '.channels[] | select(.name == "General") | .id'
""",
)
@click.option(
    "--user",
    metavar="ID",
    help="With --api v1: list the channels of this member of the workspace.",
)
@_DEADLINE
@session_options
def channels(user: str | None, deadline: float, *, as_json: bool, options: Options) -> int:
    """List the id and the name of each channel of the workspace.

    With --api v1 the application needs the privilege "channels", and direct channels are
    not listed.
    """

    async def find(twake: TwakeSession, workspace: str | None) -> Iterable[Channel]:
        if twake.api == "node":
            return await twake.channels.list()
        if user is None or workspace is None:
            raise click.UsageError("With --api v1, give --workspace and --user.")
        return await twake.channels.of_workspace(workspace, user)

    found = ask(options, deadline, find, as_json=as_json)
    if isinstance(found, int):
        return found
    if as_json:
        say(json.dumps({"channels": [_channel(channel) for channel in found]}))
    else:
        for channel in found:
            say(f"{printable(channel.id)}  {printable(channel.name)}")
    return 0


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "name": channel.name,
        "workspace_id": channel.workspace_id,
        "group_id": channel.group_id,
        "is_private": channel.is_private,
        "members": list(channel.members),
    }


@click.group(
    short_help="Print the name of a user.",
    epilog="""\b
Examples:
  twake-async users get "$USER_ID"
""",
)
def users() -> None:
    """Find people."""


@users.command("get", short_help="Print the name of a user.")
@click.argument("user", metavar="USER_ID")
@_DEADLINE
@session_options
def get(user: str, deadline: float, *, as_json: bool, options: Options) -> int:
    """Print the user's name, full name and e-mail address.

    With --api v1, a server gives the same answer to an unknown id and after a failure of its own.
    """
    found = ask(options, deadline, lambda twake, _: twake.users.get(user), as_json=as_json)
    if isinstance(found, int):
        return found
    facts = {
        "id": found.id,
        "username": found.username,
        "first_name": found.first_name,
        "last_name": found.last_name,
        "email": found.email,
        "language": found.language,
    }
    if as_json:
        say(json.dumps(facts))
    else:
        name = f"{found.first_name} {found.last_name}".strip()
        say("  ".join(printable(one) for one in (found.username, name, found.email) if one))
    return 0


def ask(
    options: Options,
    deadline: float,
    call: Callable[[TwakeSession, str | None], Awaitable[T]],
    *,
    as_json: bool,
) -> T | int:
    """Return what a call returns, or the exit status of its error, which is told.

    The call is given the session and the workspace.
    """

    async def run() -> T:
        settings = Settings.read(options, os.environ)
        async with settings.open_session(deadline=deadline) as twake:
            return await call(twake, settings.get("workspace_id"))

    try:
        return asyncio.run(run())
    except TwakeError as exc:
        words = of_error(exc)
        complain(f"{exc.outcome.value}: {words}")
        if as_json:
            facts = {"error": type(exc).__name__, "reason": exc.reason, "message": words}
            say(json.dumps({"outcome": exc.outcome.value, **facts}))
        return STATUSES[exc.outcome]
