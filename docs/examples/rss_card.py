"""An RSS card: the title of an entry as a link, its beginning, and where it comes from."""

import asyncio
import textwrap

from twake_async import Message, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import (
    Attachment,
    Bold,
    Break,
    Icon,
    System,
    Url,
    decode,
)

ENTRY = {
    "title": "Python 3.14 is out",
    "link": "https://blog.example.org/python-3-14",
    "summary": "The new release brings template strings, and annotations that wait. " * 4,
    "feed": "Example blog",
}


def card(entry: dict[str, str]) -> Attachment:
    """Show one entry of a feed."""
    summary = textwrap.shorten(entry["summary"], 120, placeholder=" ...")
    title = Bold(Url(entry["link"], entry["title"]))
    source = System(Icon(":newspaper:"), " ", entry["feed"])
    return Attachment(title, Break(), summary, Break(), source)


async def main(twake: TwakeSession, channel_id: str) -> Message:
    """Send the card."""
    return await twake.send_message(channel_id, card(ENTRY))


async def demo() -> None:
    """Run against a sandbox, and print what it stored."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            print(decode((await main(twake, box.channel_id)).content))


if __name__ == "__main__":
    asyncio.run(demo())
