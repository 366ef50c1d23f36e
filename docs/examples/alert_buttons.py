"""An alert with buttons: sent even if it may appear twice, and edited when a person takes it."""

import asyncio

from twake_async import Message, MessageRef, RetryPolicy, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import Attachment, Break, Button, Content, System, UserMention, decode

ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"  # who clicks
ALARM = RetryPolicy(on_unknown="resend")  # twice is better than never


def alert(what: str, foot: System) -> Content:
    """Show the problem, and below it the buttons, or the person who took it."""
    return "Alert: " + Attachment(what, Break(), foot)


def buttons() -> System:
    """Show the buttons. A click comes to the application with the `action_id` of the button."""
    return System(
        Button("I take it", action_id="take", style="primary"),
        Button("Mute for an hour", action_id="mute", style="default"),
    )


async def raise_alert(twake: TwakeSession, channel_id: str, what: str) -> Message:
    """Send the alert, with data that the clicks bring back."""
    content, kept = alert(what, buttons()), {"what": what}
    return await twake.send_message(channel_id, content, hidden_data=kept, retry=ALARM)


async def taken(twake: TwakeSession, ref: MessageRef, what: str, user: UserMention) -> Message:
    """Replace the buttons by the name of the person who clicked."""
    return await twake.edit_message(ref, alert(what, System(user, " takes care of it.")))


async def demo() -> None:
    """Raise an alert whose first answer is lost, and let Alice take it."""
    what, alice = "The disk of db-1 is full", UserMention("alice", ALICE)
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            box.fail_next(before_storing="close")
            sent = await raise_alert(twake, box.channel_id, what)
            print("perhaps twice:", sent.maybe_duplicated)
            print(decode((await taken(twake, sent.ref, what, alice)).content))


if __name__ == "__main__":
    asyncio.run(demo())
