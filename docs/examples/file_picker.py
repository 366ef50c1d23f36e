"""A file picker: a list to choose from, for one user only, replaced by the choice."""

import asyncio

import attrs

from twake_async import Message, MessageDraft, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import (
    Bold,
    Break,
    Button,
    Content,
    Option,
    Select,
    System,
    decode,
)

ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"  # who asked for a file
HERS = "connection-of-alice"  # the connection_id of the event in which she asked
FILES = {"Budget.ods": "f-1", "Minutes.odt": "f-2"}


def picker() -> Content:
    """Show the files. A click on the button brings the choice, under `file`."""
    options = [Option(name, file_id) for name, file_id in FILES.items()]
    pick = Select(*options, title="Pick a file", passive_id="file", full_width=True)
    share = Button("Share", action_id="share", style="primary")
    return System("Which file do you want to share?") + Break() + pick + Break() + share


async def main(twake: TwakeSession, channel_id: str) -> Message:
    """Show Alice the list, and replace it by her choice."""
    draft = MessageDraft(
        channel_id, picker(), ephemeral=True, ephemeral_to=[ALICE], connection_id=HERS
    )
    shown = await twake.send(draft)
    chosen = "You picked " + Bold("Budget.ods") + "."
    return await twake.send(attrs.evolve(draft, content=chosen, ephemeral_id=shown.ephemeral_id))


async def demo() -> None:
    """Run against a sandbox, and print what it showed."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            print(decode((await main(twake, box.channel_id)).content))


if __name__ == "__main__":
    asyncio.run(demo())
