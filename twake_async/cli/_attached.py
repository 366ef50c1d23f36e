"""How `send` delivers: to a channel or a person; a file is uploaded first, then shown."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import attrs

from twake_async.errors import NotSentError, OutcomeUnknownError, TwakeError

from ._credentials import Settings
from ._files import progress
from ._statuses import complain

if TYPE_CHECKING:
    from pathlib import Path

    from twake_async.messages import Message, MessageDraft
    from twake_async.resources import FileElement
    from twake_async.retry import RetryPolicy
    from twake_async.session import TwakeSession

    from ._credentials import Options

__all__ = ["deliver_to"]


async def deliver_to(
    twake: TwakeSession,
    draft: MessageDraft,
    policy: RetryPolicy,
    *,
    user: str | None = None,
    file: Path | None = None,
    options: Options | None = None,
) -> Message:
    """Send a draft, and return the message as the server stored it.

    Args:
        twake: The session.
        draft: The message, without the file.
        policy: When to try again.
        user: The only person to send it to, in the channel of the application and that person.
        file: A file to upload first, which the message shows.
        options: The options of the command line, with a file.

    """
    if file is None or options is None:
        return await _deliver(twake, draft, policy, user)
    if user is not None:  # nothing is uploaded for somebody who is not there
        await twake.channels.direct(user)
    workspace = Settings.read(options, os.environ).get("workspace_id")
    uploaded = await _upload(twake, file, workspace)
    try:
        return await _deliver(twake, _showing(twake, draft, uploaded), policy, user)
    except (TwakeError, asyncio.CancelledError):
        complain(f"note: the file is there, with the id {uploaded.id}")
        raise


async def _deliver(
    twake: TwakeSession, draft: MessageDraft, policy: RetryPolicy, user: str | None
) -> Message:
    if user is not None:
        return await twake.send_direct(user, draft.content, retry=policy)
    return await twake.send(draft, retry=policy)


async def _upload(twake: TwakeSession, path: Path, workspace: str | None) -> FileElement:
    """Upload the file that a message will show."""
    try:
        with progress(path.name) as on_progress:
            return await twake.files.upload(path, workspace_id=workspace, on_progress=on_progress)
    except asyncio.CancelledError:
        complain("note: the file may be there: list its folder before you upload it again")
        raise
    except OutcomeUnknownError as exc:
        error = NotSentError(
            f"the message was not sent, because its file may be missing: {exc.args[0]}",
            reason="file",
            status=exc.status,
        )
        error.attempts, error.elapsed = exc.attempts, exc.elapsed
        raise error from exc


def _showing(twake: TwakeSession, draft: MessageDraft, file: FileElement) -> MessageDraft:
    """Return the draft with the file in it."""
    if twake.api == "node":
        return attrs.evolve(draft, extra={**draft.extra, **twake.files.attached(file)})
    return attrs.evolve(draft, content=[draft.content, twake.files.show(file)])
