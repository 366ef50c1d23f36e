"""How `send` delivers: to a channel or a person; a file is uploaded first, then shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from twake_async.errors import NotSentError, OutcomeUnknownError

from ._credentials import Settings
from ._files import progress

if TYPE_CHECKING:
    from pathlib import Path

    from twake_async.messages import Message, MessageDraft
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
    """Send a draft, and return the message as the server has it.

    Args:
        twake: The session.
        draft: The message, without the file.
        policy: When to try again.
        user: The only person to send it to, in the channel of the application and that person.
        file: A file to upload first, which the message shows.
        options: The options of the command line, with a file.

    """
    if file is not None and options is not None:
        workspace = Settings.read(options, os.environ).get("workspace_id")
        draft = await _with_file(twake, draft, file, workspace)
    if user is not None:
        return await twake.send_direct(user, draft.content, retry=policy)
    return await twake.send(draft, retry=policy)


async def _with_file(
    twake: TwakeSession, draft: MessageDraft, path: Path, workspace: str | None
) -> MessageDraft:
    """Upload a file, and return the draft that shows it."""
    try:
        with progress(path.name) as on_progress:
            file = await twake.files.upload(path, workspace_id=workspace, on_progress=on_progress)
    except OutcomeUnknownError as exc:
        error = NotSentError(
            f"the message was not sent, because its file may be missing: {exc.args[0]}",
            reason="file",
            status=exc.status,
        )
        error.attempts, error.elapsed = exc.attempts, exc.elapsed
        raise error from exc
    if twake.api == "node":
        return attrs.evolve(draft, extra={**draft.extra, **twake.files.attached(file)})
    return attrs.evolve(draft, content=[draft.content, twake.files.show(file)])
