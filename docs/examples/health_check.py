"""A health check that edits one message in place, and sends a new one if the state changes."""

import asyncio
import datetime

from twake_async import Message, TwakeError, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import Bold, Content, System, decode


def face(healthy: bool, since: datetime.datetime, checks: int) -> Content:
    """Show the state, since when, and how often it was seen."""
    state = Bold("All is well" if healthy else "The shop is down")
    return state + System(f" since {since:%H:%M} UTC, seen {checks} times")


class Board:
    """One message for each state: made when the state begins, edited while it lasts."""

    def __init__(self, twake: TwakeSession, channel_id: str) -> None:
        self.twake, self.channel_id = twake, channel_id
        self.message: Message | None = None
        self.healthy: bool | None = None

    async def show(self, *, healthy: bool) -> None:
        """Show the result of a check. If it cannot be shown now, the next check shows it."""
        if healthy is not self.healthy:
            self.healthy, self.message, self.checks = healthy, None, 0
            self.since = datetime.datetime.now(datetime.UTC)
        self.checks += 1
        content = face(healthy, self.since, self.checks)
        try:
            if self.message is None:
                self.message = await self.twake.send_message(self.channel_id, content, deadline=10)
            else:
                self.message = await self.twake.edit_message(self.message, content, deadline=10)
        except TwakeError as error:
            print("not shown:", error.outcome.value, error.reason)


async def demo() -> None:
    """Watch for a while, and print what the channel shows."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            board = Board(twake, box.channel_id)
            for healthy in (True, True, True, False, False, True):  # a real one sleeps between two
                await board.show(healthy=healthy)
        for message in box.messages(box.channel_id):
            print(decode(message["content"]))


if __name__ == "__main__":
    asyncio.run(demo())
