"""`twake-async edit` and `remove`: change one message; the exit status is the outcome."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import click

from twake_async.errors import Outcome, TwakeError
from twake_async.messages import MessageDraft, MessageRef

from ._credentials import open_session
from ._options import FiniteNumber, attempts_option, policy_for, process_signals, session_options
from ._send import Report, as_content, read_text, send_draft
from ._statuses import STATUSES, complain, say
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.retry import RetryPolicy
    from twake_async.session import TwakeSession

    from ._credentials import Options

__all__ = ["edit", "remove"]

_STATUS_TEXT = """\b
Exit status: the outcome, as for `twake-async send`.
"""

_PLACE = (
    click.argument("message", metavar="MESSAGE_ID"),
    click.option(
        "--channel",
        metavar="ID",
        required=True,
        envvar="TWAKE_CHANNEL_ID",
        help="The channel of the message; by default TWAKE_CHANNEL_ID.",
    ),
    click.option(
        "--parent",
        metavar="ID",
        help="If the message is a reply: the id of the message that it replies to.",
    ),
    click.option(
        "--deadline",
        metavar="SECONDS",
        type=FiniteNumber(),
        default=30.0,
        show_default=True,
        help="The time limit for all attempts and the waits between them.",
    ),
    attempts_option,
    session_options,
)


def _of_message(command: Callable[..., int]) -> Callable[..., int]:
    """Add what finds a message, and the options of a session."""
    for option in reversed(_PLACE):
        command = option(command)
    return command


@click.command(short_help="Change the text of one message.", epilog=_STATUS_TEXT)
@_of_message
@click.argument("text", required=False)
@click.option("--markdown", is_flag=True, help="TEXT is Markdown.")
def edit(
    message: str,
    text: str | None,
    channel: str,
    parent: str | None,
    deadline: float,
    *,
    markdown: bool,
    attempts: int | None,
    as_json: bool,
    options: Options,
) -> int:
    """Change the text of a message of the application to TEXT, read as `twake-async send` reads it.

    With --api v1, servers of mid-2021 and later replace the whole message: its hidden data is
    lost, and a pinned message is unpinned.
    """
    report = Report(as_json)
    signals = process_signals()
    signals.guard(STATUSES[Outcome.NOT_SENT])

    def prepare() -> tuple[TwakeSession, MessageDraft]:
        session = open_session(options, os.environ, deadline=deadline, on_attempt=report.note)
        content = as_content(read_text(text), markdown=markdown)
        return session, MessageDraft(channel, content, id=message, parent_message_id=parent)

    return send_draft(prepare, policy_for(attempts), report, signals)


@click.command(short_help="Remove one message.", epilog=_STATUS_TEXT)
@_of_message
def remove(
    message: str,
    channel: str,
    parent: str | None,
    deadline: float,
    *,
    attempts: int | None,
    as_json: bool,
    options: Options,
) -> int:
    """Ask the server to remove a message of the application.

    The server gives the same answer whether the message existed or not.
    """
    try:
        session = open_session(options, os.environ, deadline=deadline)
        ref = MessageRef(channel, message, parent or "")
        asyncio.run(_remove(session, ref, policy_for(attempts)))
    except TwakeError as exc:
        words = of_error(exc)
        complain(f"{exc.outcome.value}: {words}")
        outcome, facts = exc.outcome, {"reason": exc.reason, "message": words}
    else:
        outcome, facts = Outcome.DELIVERED, {}
    if as_json:
        say(json.dumps({"outcome": outcome.value, **facts}))
    return STATUSES[outcome]


async def _remove(session: TwakeSession, ref: MessageRef, policy: RetryPolicy) -> None:
    async with session as twake:
        await twake.remove_message(ref, retry=policy)
