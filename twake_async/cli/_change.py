"""`twake-async edit` and `remove`: change one message; the exit status is the outcome."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from twake_async.errors import Outcome
from twake_async.messages import MessageDraft, MessageRef

from ._credentials import open_session
from ._find import ask
from ._options import FiniteNumber, attempts_option, policy_for, process_signals, session_options
from ._send import Report, as_content, read_text, send_draft
from ._statuses import STATUSES, say

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Add the argument and the options that name a message, and the options of a session."""
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
    report = Report(as_json, of_edit=True)
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

    async def call(twake: TwakeSession, _: str | None) -> None:
        ref = MessageRef(channel, message, parent or "")
        await twake.remove_message(ref, retry=policy_for(attempts))

    status = ask(options, deadline, call, as_json=as_json, changes=True)
    if status is not None:
        return status
    if as_json:
        say(json.dumps({"outcome": Outcome.DELIVERED.value}))
    return STATUSES[Outcome.DELIVERED]
