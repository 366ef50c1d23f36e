"""`twake-async channels` and `users get`: find the ids that messages need."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from twake_async.errors import Outcome, TwakeError
from twake_async.retry import combine

from ._credentials import Settings
from ._options import FiniteNumber, process_signals, session_options
from ._statuses import INTERRUPTED, STATUSES, complain, printable, say
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from twake_async.resources import Channel
    from twake_async.retry import Attempt
    from twake_async.session import TwakeSession

    from ._credentials import Options
    from ._signals import Signals

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
    changes: bool = False,
) -> T | int:
    """Return the result of a call, or print its error and return the exit status.

    The call is given the session and the workspace.

    Args:
        options: The options of the command line.
        deadline: Seconds for the call.
        call: Makes it.
        as_json: Whether to print an error as JSON, too.
        changes: Whether it changes something. If so, its outcome is printed after a signal, too.

    """
    attempts: list[Attempt] = []
    signals = process_signals()
    signals.guard(STATUSES[Outcome.NOT_SENT] if changes else INTERRUPTED)
    with asyncio.Runner() as runner:
        try:
            return runner.run(_in_task(options, deadline, call, signals, attempts.append))
        except TwakeError as exc:
            words = of_error(exc)
            facts = {"error": type(exc).__name__, "reason": exc.reason, "message": words}
            status = _end(exc.outcome, words, facts, as_json=as_json)
        except (KeyboardInterrupt, asyncio.CancelledError):
            if changes:
                outcome = combine(one.outcome for one in attempts)
                facts = {"reason": "interrupted"}
                status = _end(outcome, "interrupted", facts, as_json=as_json)
            else:
                complain("interrupted")
                status = INTERRUPTED
        # The process may end before idle work of the loop ends, such as a look-up of a name.
        signals.finish_with(status)
    return status


def _end(outcome: Outcome, words: str, facts: dict[str, str], *, as_json: bool) -> int:
    """Print how a call ended, and return its exit status."""
    complain(f"{outcome.value}: {words}")
    if as_json:
        say(json.dumps({"outcome": outcome.value, **facts}))
    return STATUSES[outcome]


async def _in_task(
    options: Options,
    deadline: float,
    call: Callable[[TwakeSession, str | None], Awaitable[T]],
    signals: Signals,
    on_attempt: Callable[[Attempt], object],
) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    signals.call(lambda: loop.call_soon_threadsafe(task.cancel))
    settings = Settings.read(options, os.environ)
    async with settings.open_session(deadline=deadline, on_attempt=on_attempt) as twake:
        return await call(twake, settings.get("workspace_id"))
