"""A poll: `/bot Lunch? ; Pizzeria ; Canteen`. Each person has one vote, and may change it.

Try it with `twake-async run poll_bot:bot --sandbox`, and BOT_SECRET in the environment.
"""

import os
from collections import Counter

import attrs

from twake_async import TwakeSession
from twake_async.bot import Bot, UserError
from twake_async.events import ButtonClick, Command
from twake_async.twacode import Attachment, Bold, Break, Button, Content, ProgressBar, System

bot = Bot(TwakeSession.from_env(), secret=os.environ["BOT_SECRET"])


@attrs.frozen
class Poll:
    """A question, its answers by number, and who voted for which."""

    question: str
    answers: dict[str, str]
    votes: dict[str, str] = attrs.field(factory=dict)  # the number, by the id of the user

    def show(self) -> Content:
        """Show the question, a bar and a button for each answer, and how many voted."""
        votes, total = Counter(self.votes.values()), len(self.votes)
        shown = Bold(self.question) + Break()
        for number, answer in self.answers.items():
            shown += Bold(answer) + ProgressBar(100 * votes[number] // max(total, 1)) + Break()
        buttons = [Button(a, action_id=f"vote:{n}") for n, a in self.answers.items()]
        return Content(Attachment(shown, System(*buttons), System(f" {total} votes")))


polls: dict[str, Poll] = {}  # by the id of the message; only here, and gone with the process


@bot.command()
async def ask(event: Command) -> None:
    """Send a poll to the channel in which somebody asked for it."""
    question, *answers = [part.strip() for part in event.command.split(";")]
    if not (question and 2 <= len(answers) <= 6 and all(answers)):
        raise UserError("Type /bot question ; answer ; answer, with two to six answers.")
    poll = Poll(question, {str(number): answer for number, answer in enumerate(answers)})
    polls[(await event.reply(poll.show())).id] = poll


@bot.action("vote")
async def vote(event: ButtonClick) -> None:
    """Count a vote. The clicks on one message come here one after another."""
    poll = polls.get(event.message.id) if event.message else None
    if poll is None or event.value not in poll.answers or event.user_id is None:
        raise UserError("This poll is closed.")
    poll.votes[event.user_id] = event.value
    await event.update(poll.show())
