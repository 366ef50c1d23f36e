"""`twake-async send`: sends one message; the exit status is its outcome."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.errors import Outcome, ReplyAtRootWarning, TextCutWarning, TwakeError
from twake_async.messages import MessageDraft
from twake_async.retry import RetryPolicy, combine

from ._attached import deliver_to
from ._credentials import open_session
from ._options import FiniteNumber, attempts_option, policy_for, process_signals, session_options
from ._sources import standard_text
from ._statuses import STATUSES, complain, printable, say
from ._words import of_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from twake_async.messages import Message
    from twake_async.retry import Attempt
    from twake_async.session import TwakeSession

    from ._credentials import Options
    from ._signals import Signals

    Deliver = Callable[[TwakeSession, MessageDraft, RetryPolicy], Awaitable[Message]]

__all__ = ["Report", "as_content", "read_text", "send", "send_draft"]


@click.command(
    short_help="Send one message; the exit status is its outcome.",
    epilog="""\b
Examples:
  twake-async send --channel 3b4c5d5f-0f1f-11eb-9a1f-0242ac1b0006 "Build 51 is out"
  make 2>&1 | twake-async send --channel "$CHANNEL"
  id=$(twake-async send --channel "$CHANNEL" "Deploying ...")
  twake-async send --channel "$CHANNEL" --reply-to "$id" "... done"
  twake-async send --to-user "$USER_ID" --markdown "**Your** build failed"

\b
Exit status: the outcome of the message, and what a script may do:
  0   delivered
  2   refused: nothing was stored; the server would refuse it again
  3   not sent: no server can have acted on it; it may be sent again
  4   unknown: it may be there; look into the channel before you send it again
  64  the command line was wrong; nothing was sent

\b
Credentials are never arguments, because every user of a machine can see these. They come from
TWAKE_PUBLIC_ID and TWAKE_PRIVATE_API_KEY (with TWAKE_GROUP_ID, TWAKE_BASE_URL, TWAKE_API
and TWAKE_WORKSPACE_ID), or from a TOML file that only you can read (chmod 600):
  public_id = "..."
  private_api_key = "..."
  group_id = "..."
  api = "node"
  workspace_id = "..."
""",
)
@click.argument("text", required=False)
@click.option(
    "--channel",
    metavar="ID",
    envvar="TWAKE_CHANNEL_ID",
    help="The channel; by default TWAKE_CHANNEL_ID.",
)
@click.option(
    "--to-user",
    metavar="ID",
    help="With --api v1: send to this one person, in place of a channel.",
)
@click.option("--markdown", is_flag=True, help="TEXT is Markdown.")
@click.option(
    "--file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Upload this file, and show it in the message; with --api v1, also give --workspace.",
)
@click.option("--reply-to", metavar="ID", help="Reply to this message.")
@click.option(
    "--ephemeral-to",
    metavar="ID",
    multiple=True,
    help="Show the message to this user only, and do not store it; may be repeated.",
)
@click.option(
    "--deadline",
    metavar="SECONDS",
    type=FiniteNumber(),
    default=30.0,
    show_default=True,
    help="The time limit for all attempts and the waits between them.",
)
@attempts_option
@click.option(
    "--resend",
    is_flag=True,
    help="Send again also after a lost answer; the message may then appear twice.",
)
@click.option(
    "--text-form",
    type=click.Choice(["plain", "portable"]),
    help='With --api v1: every server shows "portable", the default, completely; "plain" is a '
    "bare string.",
)
@session_options
def send(
    text: str | None,
    *,
    channel: str | None,
    to_user: str | None,
    file: Path | None,
    reply_to: str | None,
    ephemeral_to: tuple[str, ...],
    deadline: float,
    markdown: bool,
    attempts: int | None,
    resend: bool,
    as_json: bool,
    options: Options,
) -> int:
    """Send TEXT to a channel, and print the id of the message.

    If TEXT is "-", or if it is missing and standard input is not a terminal, the text is read from
    standard input, without one line break at its end.
    """
    _check_target(channel, to_user, alone=not (reply_to or ephemeral_to))
    policy = attrs.evolve(policy_for(attempts), on_unknown="resend" if resend else "raise")
    report = Report(as_json)
    signals = process_signals()
    signals.guard(STATUSES[Outcome.NOT_SENT])

    deliver = functools.partial(deliver_to, user=to_user, file=file, options=options)

    def prepare() -> tuple[TwakeSession, MessageDraft]:
        session = open_session(options, os.environ, deadline=deadline, on_attempt=report.note)
        content = as_content(read_text(text), markdown=markdown)
        # With --to-user, the channel is not known before the server was asked for it.
        draft = MessageDraft(
            to_user or channel or "",
            content,
            parent_message_id=reply_to,
            ephemeral=bool(ephemeral_to),
            ephemeral_to=ephemeral_to,
        )
        return session, draft

    return send_draft(prepare, policy, report, signals, deliver)


def _check_target(channel: str | None, user: str | None, *, alone: bool) -> None:
    if user is None and channel is None:
        raise click.UsageError("There is no channel: give --channel, or --to-user.")
    if user is not None and not alone:
        raise click.UsageError("--to-user cannot be used with --reply-to or --ephemeral-to.")


def as_content(text: str, *, markdown: bool) -> Any:
    """Return what to show: the text, or the node that the reader's client compiles."""
    if not markdown:
        return text
    from twake_async.twacode import Markdown  # noqa: PLC0415 - plain text need not wait for it

    return Markdown(text)


def send_draft(
    prepare: Callable[[], tuple[TwakeSession, MessageDraft]],
    policy: RetryPolicy,
    report: Report,
    signals: Signals,
    deliver: Deliver = deliver_to,
) -> int:
    """Send a draft, print its outcome, and return the exit status.

    Args:
        prepare: Opens the session and makes the draft.
        policy: When to try again.
        report: Prints the outcome.
        signals: The signals of the process.
        deliver: Sends the draft through the session.

    """
    with warnings.catch_warnings(record=True) as caught, asyncio.Runner() as runner:
        for kind in (TextCutWarning, ReplyAtRootWarning):
            warnings.simplefilter("always", kind)
        try:
            session, draft = prepare()
            message = runner.run(_in_task(session, draft, policy, signals, deliver))
        except TwakeError as exc:
            status = report.failure(exc)
        except (KeyboardInterrupt, asyncio.CancelledError):
            status = report.interrupted()
        else:
            cut = any(issubclass(warned.category, TextCutWarning) for warned in caught)
            status = report.delivery(message, draft, cut=cut)
        # The process may end before idle work of the loop ends, such as a look-up of a name.
        signals.finish_with(status)
    return status


def read_text(given: str | None) -> str:
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError('There is no TEXT: give it, or "-" to type it.')
    return standard_text().removesuffix("\n").removesuffix("\r")


async def _in_task(
    session: TwakeSession,
    draft: MessageDraft,
    policy: RetryPolicy,
    signals: Signals,
    deliver: Deliver,
) -> Message:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    signals.call(lambda: loop.call_soon_threadsafe(task.cancel))
    async with session as twake:
        return await deliver(twake, draft, policy)


@attrs.define
class Report:
    """Prints the outcome of a send, and returns its exit status."""

    as_json: bool
    of_edit: bool = False
    _attempts: list[Attempt] = attrs.field(factory=list, init=False)

    def note(self, attempt: Attempt) -> None:
        """Remember one attempt, for the outcome of a send that is interrupted.

        An attempt before a new message, such as an upload, has no `front_id` and does not count.
        """
        if self.of_edit or attempt.front_id is not None:
            self._attempts.append(attempt)

    def delivery(self, message: Message, draft: MessageDraft, *, cut: bool) -> int:
        """Print the id, and a warning if the message is not as it was asked for."""
        warned = list(_warnings(message, draft, cut=cut))
        for sentence in warned:
            complain(f"warning: {sentence}")
        if not self.as_json:
            say(printable(message.id))
        self._json(
            Outcome.DELIVERED,
            id=message.id,
            front_id=message.front_id,
            channel_id=message.channel_id,
            parent_message_id=message.parent_message_id,
            maybe_duplicated=message.maybe_duplicated,
            attempts=len(self._attempts),
            warnings=warned,
        )
        return STATUSES[Outcome.DELIVERED]

    def failure(self, error: TwakeError) -> int:
        """Print the error in one sentence."""
        words = of_error(error, send=True)
        complain(f"{error.outcome.value}: {words}")
        self._json(
            error.outcome,
            error=type(error).__name__,
            reason=error.reason,
            message=words,
            http_status=error.status,
            front_id=error.front_id,
            attempts=error.attempts,
        )
        return STATUSES[error.outcome]

    def interrupted(self) -> int:
        """Print the outcome of an interrupted send, as far as its attempts prove it."""
        outcome = combine(attempt.outcome for attempt in self._attempts)
        complain(f"{outcome.value}: interrupted")
        front_id = self._attempts[-1].front_id if self._attempts else None
        self._json(outcome, reason="interrupted", front_id=front_id, attempts=len(self._attempts))
        return STATUSES[outcome]

    def _json(self, outcome: Outcome, **facts: Any) -> None:
        if self.as_json:
            say(json.dumps({"outcome": outcome.value, **facts}))


def _warnings(message: Message, draft: MessageDraft, *, cut: bool) -> Iterator[str]:
    if message.maybe_duplicated:
        yield "an answer was lost and the message was sent again: it may be there twice"
    if cut:
        yield "the server kept only the start of the text: use --text-form portable"
    if draft.parent_message_id and not message.parent_message_id:
        yield (
            "the server shows the reply at the root of the channel: --reply-to is not the id "
            "of a root message there"
        )
