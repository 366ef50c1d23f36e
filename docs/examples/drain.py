"""A drain: messages that were certainly not sent are sent again; unknown ones go to a person."""

import asyncio

from twake_async import Delivery, MessageDraft, Outcome, RetryPolicy, TwakeSession
from twake_async.sandbox import Sandbox


def may_be_sent_again(delivery: Delivery) -> bool:
    """Say whether it is safe and useful to send it again."""
    if delivery.outcome is Outcome.REFUSED:
        return delivery.error is not None and delivery.error.reason == "later"
    return delivery.outcome is Outcome.NOT_SENT


class Outbox:
    """The messages to send, and those that a person must look at."""

    def __init__(self, drafts: list[MessageDraft]) -> None:
        self.waiting = drafts
        self.to_look_at: list[Delivery] = []

    async def drain(self, twake: TwakeSession) -> None:
        """Send all waiting messages; keep those that may be sent again, in their order."""
        sending, self.waiting = self.waiting, []
        async for delivery in twake.send_many(sending, retry=RetryPolicy.never()):
            if may_be_sent_again(delivery):
                self.waiting.append(delivery.draft)
            elif delivery.outcome is not Outcome.DELIVERED:
                self.to_look_at.append(delivery)


async def demo() -> None:
    """Drain an outbox in two rounds, while Twake is busy, refuses one and loses an answer."""
    async with Sandbox() as box:
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            outbox = Outbox([MessageDraft(box.channel_id, f"Order {n}") for n in range(1, 7)])
            box.refuse_next(429, times=2)
            box.refuse_next("capability")
            box.fail_next(after_storing="close")
            for number in (1, 2):
                await outbox.drain(twake)
                stored = len(box.messages(box.channel_id))
                print(f"round {number}: {len(outbox.waiting)} wait, {stored} are in the channel")
        for delivery in outbox.to_look_at:
            assert delivery.error is not None
            print(f"{delivery.draft.content}: {delivery.outcome.value}: {delivery.error.reason}")


if __name__ == "__main__":
    asyncio.run(demo())
