"""A notifier for a CI pipeline: one message for a run, edited as the run goes on.

Each step is a process of its own: `python ci_notifier.py CHANNEL 51 passed`. A file remembers which
message to edit. The status is 0 whatever happens, for no build shall fail for a message.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import sys
import tempfile

from twake_async import MessageRef, RetryPolicy, TwakeError, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import Bold, Content, Url

MARKS = {"running": "…", "passed": "✓", "failed": "✗"}


def card(run: str, status: str) -> Content:
    """Show a run, its status and where to look."""
    link = Url(f"https://ci.example.org/runs/{run}", f"run {run}")
    return Bold(f"{MARKS.get(status, '?')} {status}") + " - " + link


async def notify(twake: TwakeSession, channel_id: str, state: pathlib.Path, *step: str) -> None:
    """Send the run's message at its first step, and edit it from then on."""
    try:
        if state.exists():
            ref = MessageRef(*json.loads(state.read_text()))
            await twake.edit_message(ref, card(*step), deadline=20)
            return
        twice = RetryPolicy(on_unknown="resend")  # two messages are better than none
        message = await twake.send_message(channel_id, card(*step), retry=twice, deadline=20)
        state.write_text(json.dumps([message.channel_id, message.id, message.parent_message_id]))
    except TwakeError as error:
        print(f"not announced ({error.outcome.value}): {error}", file=sys.stderr)


async def main(channel_id: str, run: str, status: str) -> None:
    """Do one step, with the credentials of the environment."""
    async with TwakeSession.from_env() as twake:
        await notify(twake, channel_id, pathlib.Path(f"twake-run-{run}.json"), run, status)


def demo() -> None:
    """Do both steps of a run, with a gateway that fails; show what the channel shows."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), Sandbox() as box:
        os.environ.update(box.environment)
        for status in ("running", "passed"):
            box.fail_next(before_storing=502)
            asyncio.run(main(box.channel_id, "51", status))
        print(*[m["content"]["fallback_string"] for m in box.messages(box.channel_id)])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:])) if sys.argv[1:] else demo()
