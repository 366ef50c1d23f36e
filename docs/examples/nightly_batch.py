"""A batch with progress and a journal: after a crash, the same call continues where it ended."""

import asyncio
import pathlib
import tempfile
from collections.abc import Iterator

from twake_async import Journal, MessageDraft, Outcome, Progress, TwakeSession
from twake_async.sandbox import Sandbox


def digests(channel_id: str, day: str, count: int) -> Iterator[MessageDraft]:
    """Make the drafts. The same day makes the same drafts: a journal needs that."""
    for number in range(1, count + 1):
        yield MessageDraft(channel_id, f"Digest of {day}, part {number} of {count}")


def show(progress: Progress) -> None:
    """Print the progress now and then; it is called each time that a draft ends."""
    if progress.ended % 100 == 0:
        print(f"{progress.counts.get(Outcome.DELIVERED, 0)} delivered of {progress.ended} ended")


async def send_all(twake: TwakeSession, drafts: Iterator[MessageDraft], journal: Journal) -> int:
    """Send the drafts, print each failure, and return how many are not delivered."""
    missing = 0
    async for delivery in twake.send_many(
        drafts, in_flight=20, order=None, journal=journal, on_progress=show, resume="report"
    ):
        if delivery.error is not None:
            missing += 1
            print(f"draft {delivery.key}: {delivery.outcome.value}: {delivery.error.reason}")
    return missing


async def demo() -> None:
    """Send 300 parts while Twake refuses two and loses an answer; then run the same again."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(pathlib.Path(folder, "digest.sqlite"))
        async with Sandbox() as box:
            keys = (box.public_id, box.private_api_key)
            async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
                box.refuse_next("group", times=2)
                box.fail_next(after_storing="close")
                for run in ("first", "second"):
                    drafts = digests(box.channel_id, "2026-11-22", 300)
                    missing = await send_all(twake, drafts, journal)
                    print(f"{run} run: {missing} not delivered for certain")
            print(len(box.messages(box.channel_id)), "messages in the channel")


if __name__ == "__main__":
    asyncio.run(demo())
