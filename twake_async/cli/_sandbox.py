"""`twake-async sandbox`: runs a Twake on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import time
import webbrowser
from typing import TYPE_CHECKING

import click

from twake_async.sandbox import Sandbox
from twake_async.sandbox._serving.limits import checked_names

from ._options import process_signals
from ._sandbox_fail import fail
from ._shells import SHELLS, assignment
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


@click.group(
    invoke_without_command=True,
    short_help="Run a Twake on this machine, for trials.",
    epilog="""\b
Examples:
  twake-async sandbox
  twake-async sandbox --open
  twake-async sandbox --port 8080 --release 2023
  twake-async sandbox > twake.env &      # then: . ./twake.env
  twake-async sandbox --shell powershell
  twake-async sandbox fail close         # in another terminal: the next message is lost
  twake-async sandbox --port 8080 --allow-host host.docker.internal
  twake-async sandbox --events-url http://127.0.0.1:8000/events/secret

Standard output carries the lines with the variables and nothing else; the log goes to standard
error. What is stored lives in memory and goes with the sandbox.
""",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port on 127.0.0.1; by default a free one.",
)
@click.option(
    "--seed",
    metavar="FILE",
    help="A JSON file with the groups, channels and applications at the start.",
)
@click.option(
    "--release",
    type=click.Choice(["2020", "2021", "2022", "2023"]),
    default="2020",
    show_default=True,
    help="The release of Twake; 2022 and 2023 have the Node API.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    callback=_checked_hosts,
    help="Also accept requests for this host name, for example from a container; may be repeated.",
)
@click.option(
    "--shell",
    type=click.Choice(SHELLS),
    default="sh",
    show_default=True,
    help="The shell for which to print the lines; sh is also for bash and zsh.",
)
@click.option("--open", "open_page", is_flag=True, help="Open its page in the browser.")
@click.option(
    "--events-url",
    metavar="URL",
    help="The address of a bot: post the events of the first application there.",
)
@click.pass_context
def sandbox(
    context: click.Context,
    *,
    port: int,
    seed: str | None,
    release: str,
    allow_hosts: tuple[str, ...],
    shell: str,
    open_page: bool,
    events_url: str | None,
) -> int:
    """Run a Twake on this machine that answers like the real one, until Ctrl-C.

    It prints lines to paste into another shell. After that, send, check and
    TwakeSession.from_env() use the sandbox there. Then it prints the address of its page, on which
    you are the people and see what happens, and one line for each request.
    """
    if context.invoked_subcommand is not None:
        return 0
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
        return asyncio.run(_serve(world, port, signals, shell, open_page=open_page))
    except KeyboardInterrupt:  # before it is ready
        return 0


sandbox.add_command(fail)


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
        return "it is not a seed"
    return getattr(problem, "strerror", None) or str(problem)


async def _serve(
    world: Sandbox, port: int, signals: Signals, shell: str = "sh", *, open_page: bool = False
) -> int:
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(world)
        except OSError as exc:
            complain(f"port {port} cannot be used: {exc.strerror or exc}")
            return FAILED
        # This comes before the first line: the reader of that line may send a signal at once.
        ended = _interrupted(signals)
        channel = {"TWAKE_CHANNEL_ID": world.channel_id}
        for name, value in {**world.environment, **channel}.items():
            say(assignment(shell, name, value))
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
