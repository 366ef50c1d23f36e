"""People at a sandbox: they type the lines of standard input; what they see is printed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.twacode import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from twake_async.sandbox import Sandbox

__all__ = ["Stage", "typed_lines"]

#: Seconds between two looks at what has changed by itself.
_OFTEN = 0.1

HELP = (
    "Type as alice: a message, /bot and a command, or !ACTION to click on a button. "
    "bob: TEXT types as bob. Ctrl-D ends it."
)


async def typed_lines() -> AsyncIterator[str]:
    """Yield the lines of standard input; neither the event loop nor the exit waits for them."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def put(line: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):  # closed, or no text
            for line in sys.stdin or ():
                put(line.rstrip("\r\n"))
        put(None)

    threading.Thread(target=read, daemon=True, name="twake-async: standard input").start()
    while (line := await lines.get()) is not None:
        yield line


@attrs.define(eq=False)
class Stage:
    """The first channel of a sandbox, with alice, bob and carol in it.

    Args:
        world: The sandbox.
        say: Prints a line.
        wait_idle: Waits until the bot has handled its events.

    """

    world: Sandbox
    say: Callable[[str], None]
    wait_idle: Callable[[], Awaitable[None]]
    _shown: dict[str, str] = attrs.field(factory=dict, init=False)
    """The printed line of each message, by its id."""

    async def play(self, lines: AsyncIterator[str]) -> None:
        """Let people type lines, until there are no more."""
        watching = asyncio.create_task(self._watch())
        try:
            async for line in lines:
                if line.strip():
                    await self._act(line.strip())
            await asyncio.sleep(_OFTEN)  # for what comes a little later
            self._show("alice")
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_OFTEN)
            self._show("alice")

    async def _act(self, line: str) -> None:
        user, text = _who(line)
        try:
            if text.startswith("!"):
                await self._click(text[1:].strip(), user)
            else:
                await self.world.type(text, user=user)
        except (LookupError, RuntimeError) as exc:
            self.say(f"# {exc.args[0] if exc.args else exc}")
        await self.wait_idle()
        self._show(user)

    async def _click(self, action_id: str, user: str) -> None:
        """Click on the newest button with an action that a person sees."""
        for message in reversed(self.world.seen_by(user)):
            if action_id in _actions(message["content"]):
                await self.world.click(message, action_id, user=user)
                return
        raise LookupError(f"{user} sees no button {action_id}")

    def _show(self, user: str) -> None:
        """Print the messages that a person sees, if they are new or have changed."""
        for message in self.world.seen_by(user):
            line = _shown(message)
            if self._shown.get(message["id"]) != line:
                self._shown[message["id"]] = line
                self.say(line)


def _who(line: str) -> tuple[str, str]:
    """Return the person who types a line, and the text."""
    name, colon, text = line.partition(":")
    if colon and name in DEFAULT_SEED["users"] and text.strip():
        return name, text.strip()
    return "alice", line


_NAMES: Mapping[str, str] = {
    one["id"]: name for kind in ("users", "apps") for name, one in DEFAULT_SEED[kind].items()
}


def _shown(message: Mapping[str, Any]) -> str:
    author = message["sender"] or message["application_id"]
    readers = message.get("ephemeral_message_recipients") or ()
    only = f" (only for {' and '.join(_NAMES.get(one, one) for one in readers)})" if readers else ""
    reply = "  " if message["parent_message_id"] else ""
    content = message["content"]
    text = content if isinstance(content, str) else str(decode(content))
    buttons = "".join(f" !{action_id}" for action_id in dict.fromkeys(_actions(content)))
    return f"{reply}{_NAMES.get(author, author)}{only}: {text}{buttons}"


def _actions(content: Any) -> Iterator[str]:
    """Yield the actions of the buttons in a content."""
    if isinstance(content, list):
        for one in content:
            yield from _actions(one)
    elif isinstance(content, dict):
        if isinstance(content.get("action_id"), str):
            yield content["action_id"]
        yield from _actions(content.get("prepared") or content.get("content"))
