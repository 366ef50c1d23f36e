"""`twake-async sandbox`: runs a Twake on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
import webbrowser
from typing import TYPE_CHECKING

import click

from twake_async.sandbox import Sandbox
from twake_async.sandbox._serving.limits import checked_names

from ._options import process_signals
from ._statuses import FAILED, complain, printable, say, tell

if TYPE_CHECKING:
    from ._signals import Signals

__all__ = ["sandbox"]


def _checked_hosts(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    del context, parameter
    try:
        checked_names(names)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None
    return names


@click.command(
    short_help="Run a Twake of your own on this machine.",
    epilog="""\b
Examples:
  twake-async sandbox
  twake-async sandbox --open
  twake-async sandbox --port 8080 --release 2023
  twake-async sandbox > twake.env &      # then: . ./twake.env
  twake-async sandbox --port 8080 --allow-host host.docker.internal
  twake-async sandbox --events-url http://127.0.0.1:8000/events/secret

Standard output carries the export lines and nothing else; the log goes to standard error. What is
stored lives in memory and goes with the sandbox.
""",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port on 127.0.0.1; else a free one.",
)
@click.option("--seed", metavar="FILE", help="A JSON file with the world to begin with.")
@click.option(
    "--release",
    type=click.Choice(["2020", "2021", "2022", "2023"]),
    default="2020",
    show_default=True,
    help="Whose answers to give; 2022 and 2023 on the Node API.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    callback=_checked_hosts,
    help="A name besides localhost by which it may be asked, as from a container; may be repeated.",
)
@click.option("--open", "open_page", is_flag=True, help="Open its page in the browser.")
@click.option(
    "--events-url",
    metavar="URL",
    help="Where to post the events of the first application: the address of a bot.",
)
def sandbox(
    port: int,
    seed: str | None,
    release: str,
    allow_hosts: tuple[str, ...],
    *,
    open_page: bool,
    events_url: str | None,
) -> int:
    """Run a Twake on this machine that answers as the real one does, until Ctrl-C.

    Prints the lines to paste into another shell, so that send, check and TwakeSession.from_env()
    use it; then the address of its page, where you are the people and see what happens; then one
    line for each request.
    """
    try:
        world = Sandbox(seed, release=release, port=port, allow_hosts=allow_hosts, log=_log)
        _ = world.public_id, world.group_id, world.channel_id
        _connect(world, events_url)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as exc:
        complain(f"the seed cannot be used: {_why(exc)}")
        return FAILED
    signals = process_signals()
    signals.guard(0, in_background=True)
    try:
        return asyncio.run(_serve(world, port, signals, open_page=open_page))
    except KeyboardInterrupt:  # before it is ready
        return 0


def _connect(world: Sandbox, events_url: str | None) -> None:
    """Let the sandbox post events to an address, which may hold a secret and is not shown."""
    if events_url is not None:
        try:
            world.connect(events_url)
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="--events-url") from None


def _why(problem: Exception) -> str:
    if isinstance(problem, LookupError):
        return f"it lacks {problem}"
    if isinstance(problem, TypeError | AttributeError):
        return "it does not describe a world"
    return getattr(problem, "strerror", None) or str(problem)


async def _serve(world: Sandbox, port: int, signals: Signals, *, open_page: bool) -> int:
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(world)
        except OSError as exc:
            complain(f"port {port} cannot be used: {exc.strerror or exc}")
            return FAILED
        # Before the first line: whoever reads it may send a signal at once.
        ended = _interrupted(signals)
        channel = {"TWAKE_CHANNEL_ID": world.channel_id}
        for name, value in {**world.environment, **channel}.items():
            say(f"export {name}={shlex.quote(value)}")
        _note(f"# Its page, to see it and to try a bot: {world.url}/")
        _note("# Paste these into another shell; end the sandbox with Ctrl-C.")
        if open_page and not await asyncio.to_thread(webbrowser.open, f"{world.url}/"):
            _note("# No browser could be opened.")
        await ended.wait()
    _note("# The sandbox has ended.")
    return 0


def _interrupted(signals: Signals) -> asyncio.Event:
    """Return the event that a signal sets from now on."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    signals.call(lambda: loop.call_soon_threadsafe(ended.set))
    return ended


def _log(line: str) -> None:
    _note(f"{time.strftime('%H:%M:%S')} {line}")


def _note(line: str) -> None:
    # A log line that cannot be printed must not fail the request that it is about.
    tell(printable(line))
