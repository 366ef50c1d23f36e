"""A call invitation: a form for one user alone, and then a message with a button for all."""

import asyncio

from twake_async import Message, MessageDraft, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import (
    Bold,
    Break,
    Button,
    Content,
    Input,
    System,
    Url,
    decode,
    hidden_data,
)

ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"  # who asked for the call
HERS = "connection-of-alice"  # the connection_id of the event in which she asked


def form() -> Content:
    """Ask for a subject. A click brings the text of the input, under `meeting_name`."""
    ask = System("Choose a subject for your call") + Break()
    ask += Input("meeting_name", placeholder="Meeting about ...") + Break()
    cancel = Button("Cancel", action_id="cancel", style="default")
    return ask + cancel + Button("Create", action_id="create", style="primary")


def invitation(username: str, subject: str, url: str) -> Content:
    """Invite everybody. The address has `twake_user=<id>`, which tells the call who came."""
    link = Button("Show call link", action_id="show_link", style="primary", inline=True)
    join = Url(url, "Join call ", Bold(subject), button=True, user_identifier=True)
    said = System(f"@{username} invites you to join the call ", Bold(subject), ". ", link)
    return said + Break() + join


async def main(twake: TwakeSession, channel_id: str) -> Message:
    """Show Alice the form, which is stored nowhere, and send the invitation once she clicked."""
    await twake.send(
        MessageDraft(channel_id, form(), ephemeral=True, ephemeral_to=[ALICE], connection_id=HERS)
    )
    kept = hidden_data(allow_delete="everyone", room_id="room_42")
    content = invitation("alice", "Roadmap", "https://call.example.org/room_42")
    return await twake.send_message(channel_id, content, hidden_data=kept)


async def demo() -> None:
    """Run against a sandbox, and print what it stored."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            print(decode((await main(twake, box.channel_id)).content))


if __name__ == "__main__":
    asyncio.run(demo())
