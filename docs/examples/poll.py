"""A poll: vote buttons, progress bars, and a note for each reader about their own vote."""

import asyncio

from twake_async import Message, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.twacode import (
    Attachment,
    Bold,
    Break,
    Button,
    Content,
    ProgressBar,
    System,
    UserSpecific,
    decode,
    hidden_data,
)

QUESTION = "Where do we eat?"
ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"  # a user's id


def poll(votes: dict[str, list[str]]) -> Content:
    """Show the question, a button for each answer, and the votes."""
    total = sum(map(len, votes.values()))
    share = {answer: 100 * len(voters) // max(total, 1) for answer, voters in votes.items()}
    buttons = [Button(a, action_id=f"vote_{n}", style="default") for n, a in enumerate(votes)]
    bars = [Bold(answer) + ProgressBar(share[answer]) + Break() for answer in votes]
    question = Attachment(Bold(QUESTION), Break(), System(*buttons, key="vote"))
    return question + Attachment(*bars, System(f"{total} votes"))


def voted(answer: str) -> Content:
    """Show a reader what they voted for, in place of the buttons."""
    return "You voted for " + Bold(answer) + Button("Vote again", action_id="again", inline=True)


async def main(twake: TwakeSession, channel_id: str) -> Message:
    """Send a poll, and count a vote of Alice's: she then sees another message than the others."""
    votes: dict[str, list[str]] = {"Pizzeria": [], "Canteen": []}
    sent = await twake.send_message(channel_id, poll(votes), hidden_data=hidden_data(votes=votes))
    votes["Pizzeria"].append(ALICE)
    hers = UserSpecific(ALICE, {"vote": voted("Pizzeria")})
    kept = hidden_data(votes=votes)
    return await twake.edit_message(sent, poll(votes), hidden_data=kept, user_specific=[hers])


async def demo() -> None:
    """Run against a sandbox, and print what it stored."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            print(decode((await main(twake, box.channel_id)).content))


if __name__ == "__main__":
    asyncio.run(demo())
