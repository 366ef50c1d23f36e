"""An incoming webhook: what a web service posts, shown under its own name, with an image."""

import asyncio
from typing import Any

from twake_async import Message, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import (
    Break,
    Content,
    Image,
    Markdown,
    Url,
    decode,
    hidden_data,
)

PAYLOAD = {
    "text": "Build **1234** passed on `main`",
    "image": "https://ci.example.org/badges/1234.png",
    "url": "https://ci.example.org/builds/1234",
}


def card(payload: dict[str, Any]) -> Content:
    """Show the text, which may hold markdown, a link, and the image if there is one."""
    shown = Markdown(payload["text"]) + " " + Url(payload["url"], "Details")
    return shown + Break() + Image(payload["image"]) if "image" in payload else shown


async def main(twake: TwakeSession, channel_id: str) -> Message:
    """Send what was posted."""
    title = hidden_data(custom_title="CI", custom_icon="https://ci.example.org/logo.png")
    return await twake.send_message(channel_id, card(PAYLOAD), hidden_data=title)


async def demo() -> None:
    """Run against a sandbox, and print what it stored."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            print(decode((await main(twake, box.channel_id)).content))


if __name__ == "__main__":
    asyncio.run(demo())
