"""`twake-async demo`: the four outcomes, over real HTTP, against a Twake on this machine."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import attrs
import click
from rich.console import Console
from rich.text import Text

from twake_async.errors import Outcome, TwakeError
from twake_async.messages import MessageDraft
from twake_async.retry import RetryPolicy
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.session import TwakeSession

from ._channel import channel_lines, channel_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["demo"]

_STYLES = {
    Outcome.DELIVERED: "bold green",
    Outcome.REFUSED: "bold red",
    Outcome.NOT_SENT: "bold yellow",
    Outcome.UNKNOWN: "bold magenta",
}
#: The column where the text of an outcome begins.
_HANG = 15
_MEANINGS = {
    Outcome.DELIVERED: "the server has it",
    Outcome.REFUSED: "the server answered, and stored nothing",
    Outcome.NOT_SENT: "no server can have acted on it: it may be sent again",
    Outcome.UNKNOWN: "it may or may not be there; a second send may make a second copy",
}


@click.command(
    short_help="Show in two seconds what this package does, on this machine.",
    epilog="Nothing leaves this machine, and no files stay.",
)
@click.option(
    "--release",
    type=click.Choice(["2020", "2021", "2022", "2023"]),
    default="2020",
    show_default=True,
    help="The release of Twake; 2022 and 2023 have the Node API.",
)
def demo(release: str) -> None:
    """Show in two seconds what this package does, with a Twake on this machine.

    It starts the sandbox on a free port of 127.0.0.1, and sends to it over real HTTP. It shows each
    of the four outcomes with the text of the exceptions, and prints the channel as its members see
    it.
    """
    asyncio.run(_demo(Console(highlight=False, markup=False), release))


async def _demo(console: Console, release: str = "2020") -> None:
    began = time.perf_counter()
    async with Sandbox(release=release, log=lambda _: None) as sandbox:
        page = _Page(console)
        page.open(sandbox.url)
        async with _session(sandbox) as twake:
            await _what_goes_right(page, twake, sandbox)
            await _many_at_once(page, twake, sandbox.channel_id)
            await _what_goes_wrong(page, sandbox)
            await _a_lost_answer(page, twake, sandbox)
            if sandbox.api == "node":
                await _a_lost_request(page, twake, sandbox)
        page.channel(sandbox)
    page.close(time.perf_counter() - began)


def _session(sandbox: Sandbox, *, url: str = "", key: str = "", **more: Any) -> TwakeSession:
    return TwakeSession(
        sandbox.public_id,
        key or sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=url or sandbox.url,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        **more,
    )


async def _what_goes_right(page: _Page, twake: TwakeSession, sandbox: Sandbox) -> None:
    channel = sandbox.channel_id
    page.chapter("What goes right")
    page.code('twake.send_message(channel, "Hello, this is my first message !")')
    hello = await twake.send_message(channel, "Hello, this is my first message !")
    page.outcome(Outcome.DELIVERED, f"as message {hello.id}")

    page.code('twake.send_message(channel, "And a reply", parent_message_id=hello.id)')
    await twake.send_message(channel, "And a reply", parent_message_id=hello.id)
    page.outcome(Outcome.DELIVERED, "into the thread of the first")

    alice = DEFAULT_SEED["users"]["alice"]["id"]
    draft = MessageDraft(channel, "Psst", ephemeral=True, ephemeral_to=[alice])
    if sandbox.api == "v1":
        page.code('twake.send_message(channel, "Psst", ephemeral=True, ephemeral_to=[...])')
    else:  # shown on one connection of hers, which an event names
        page.code('twake.send(MessageDraft(channel, "Psst", ephemeral=True, ...))')
        draft = attrs.evolve(draft, connection_id="the connection of an event")
    await twake.send(draft)
    page.outcome(Outcome.DELIVERED, "shown to Alice alone, and not stored")

    page.code('twake.edit_message(hello, "Hello, this is my second thought !")')
    edited = await twake.edit_message(hello, "Hello, this is my second thought !")
    page.outcome(Outcome.DELIVERED, f"same id, edited: {edited.edited}")

    oops = await twake.send_message(channel, "Oops")
    page.code("twake.remove_message(oops)")
    await twake.remove_message(oops)
    page.outcome(Outcome.DELIVERED, "it is gone from the channel below")


async def _many_at_once(page: _Page, twake: TwakeSession, channel: str) -> None:
    page.code("asyncio.gather(*[twake.send_message(channel, ...) for n in range(100)])")
    began = time.perf_counter()
    sends = (twake.send_message(channel, f"Number {n}") for n in range(1, 101))
    messages = await asyncio.gather(*sends)
    took = time.perf_counter() - began
    page.outcome(Outcome.DELIVERED, f"all {len(messages)}, sent at once, in {took:.2f} s")


async def _what_goes_wrong(page: _Page, sandbox: Sandbox) -> None:
    page.chapter("What can go wrong, and what you see")
    channel = sandbox.channel_id

    page.story("A wrong private key.")
    async with _session(sandbox, key="a-wrong-key") as stranger:
        page.error(await _failure(stranger.send_message(channel, "Let me in")))
    page.moral("Nothing was stored. The server would refuse it again: fix the key.")

    page.story("A server that does not run: the connection fails.")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        patience = RetryPolicy(unsent_attempts=4, initial_wait=0.05)
        async with _session(sandbox, url=url, retry=patience) as early:
            page.error(await _failure(early.send_message(channel, "Is anybody there?")))
    page.moral("No request left, so the session tried again by itself: that is safe.")


async def _a_lost_answer(page: _Page, twake: TwakeSession, sandbox: Sandbox) -> None:
    channel = sandbox.channel_id
    page.story("A lost answer: the server stores the message, and the connection ends.")
    sandbox.fail_next(after_storing="close")
    question = "Did this one arrive?"
    if sandbox.api == "node":
        found = await twake.send_message(channel, question)
        page.outcome(Outcome.DELIVERED, f"a look at the channel found it: {found.id}")
        page.moral("Each message has an id, by which the session finds it. No copy was sent.")
        return
    page.error(await _failure(twake.send_message(channel, question)))
    arrived = any(m["content"] == question for m in sandbox.messages(channel))
    page.moral(
        "Twake does not recognise a repeat, so the session makes none: you decide. "
        f"This message {'did' if arrived else 'did not'} arrive: see below."
    )


async def _a_lost_request(page: _Page, twake: TwakeSession, sandbox: Sandbox) -> None:
    page.story("A lost request: the connection ends, and nothing was stored.")
    sandbox.fail_next(before_storing="close")
    page.error(await _failure(twake.send_message(sandbox.channel_id, "And this one?")))
    page.moral(
        "A look did not find it. It may still arrive, so the session does not send it "
        "again: you decide."
    )


async def _failure(sending: Awaitable[object]) -> TwakeError:
    try:
        await sending
    except TwakeError as exc:
        return exc
    raise RuntimeError("the demo met no error where it had prepared one")


@attrs.frozen
class _Page:
    """Prints the demo: one method for each kind of line."""

    console: Console

    def open(self, url: str) -> None:
        self._print(Text.assemble("A Twake on this machine only: ", (url, "bold")))
        self._print(Text("Each send below goes there over real HTTP, and ends in exactly one of"))
        self.console.print()
        for outcome, meaning in _MEANINGS.items():
            self.outcome(outcome, meaning)

    def chapter(self, title: str) -> None:
        self.console.print()
        self._print(Text(title, "bold underline"))

    def story(self, text: str) -> None:
        self.console.print()
        self._print(Text(text), 2)

    def code(self, text: str) -> None:
        self.console.print()
        self._print(Text.assemble(("await ", "dim"), (text, "cyan")), 2)

    def outcome(self, outcome: Outcome, text: str) -> None:
        self._print(Text(text), _HANG, (f"    {outcome.value.upper()}", _STYLES[outcome]))

    def error(self, error: TwakeError) -> None:
        self.outcome(error.outcome, f"{type(error).__name__}: {error}")

    def moral(self, text: str) -> None:
        self._print(Text(text, "italic"), _HANG)

    def channel(self, sandbox: Sandbox) -> None:
        self.chapter("The channel, as its members see it")
        self.console.print()
        seed = DEFAULT_SEED
        names = {user["id"]: user["first"] for user in seed["users"].values()}
        names |= {app["id"]: app["name"] for app in seed["apps"].values()}
        shown = next(c["name"] for c in seed["channels"].values() if c["id"] == sandbox.channel_id)
        messages = sandbox.messages(sandbox.channel_id)
        lines = channel_lines(messages, sandbox.ephemerals(sandbox.channel_id), names)
        self.console.print(channel_tree(f"# {shown}", lines))

    def close(self, seconds: float) -> None:
        self.console.print()
        self._print(Text(f"All of it took {seconds:.2f} s. Next:"))
        self._print(Text("twake-async sandbox      starts such a Twake for your own code"), 2)
        self._print(Text("twake-async send --help  sends a message from the shell"), 2)

    def _print(self, text: Text, indent: int = 0, head: tuple[str, str] = ("", "")) -> None:
        """Print wrapped text with an indent; the head is in the indent of the first line."""
        width = max(self.console.width - indent, 20)
        for line in text.wrap(self.console, width):
            line.rstrip()
            margin = Text.assemble(head).append(" " * (indent - len(head[0])))
            self.console.print(margin.append_text(line), soft_wrap=True)
            head = ("", "")
