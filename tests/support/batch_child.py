"""A process that sends a batch with a journal and writes down each report, until it is killed."""

from __future__ import annotations

import asyncio
import json
import os

from twake_async import Journal, MessageDraft, RetryPolicy, TwakeSession


def drafts(count: int, channels: int):
    """Make the same drafts each time; their content distinguishes them."""
    for number in range(count):
        yield MessageDraft(f"c{number % channels}", f"message {number}")


def run(url: str, journal: str, reports: str, count: int, resume: str) -> None:
    """Send the batch; a report is on file before the next delivery is requested."""
    asyncio.run(_run(url, journal, reports, count, resume))


async def _run(url: str, journal: str, reports: str, count: int, resume: str) -> None:
    policy = RetryPolicy(initial_wait=0.001, max_wait=0.004)
    file = os.open(reports, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=url, retry=policy, retry_budget=None
    ) as twake:
        async for delivery in twake.send_many(
            drafts(count, channels=7), journal=Journal(journal), resume=resume
        ):
            message = delivery.message
            report = {
                "key": delivery.key,
                "outcome": delivery.outcome.name,
                "front_id": message.front_id if message else delivery.error.front_id,
                "maybe_duplicated": bool(message and message.maybe_duplicated),
                "reason": delivery.error.reason if delivery.error else "",
            }
            os.write(file, json.dumps(report).encode() + b"\n")
    os.close(file)
