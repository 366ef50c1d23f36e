"""`twake-async run`: serves a bot, alone or on a sandbox of its own, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import traceback
from typing import TYPE_CHECKING, Any

import attrs
import click

from twake_async.bot import Bot
from twake_async.errors import TwakeError
from twake_async.sandbox import Sandbox

from ._application import ApplicationError, load_application
from ._options import process_signals
from ._serving import AccessLines, Server, listening
from ._stage import HELP, Stage, typed_lines
from ._statuses import FAILED, complain, printable, say, tell

if TYPE_CHECKING:
    import socket
    import types

    from ._signals import Signals

__all__ = ["run"]


@click.command(
    short_help="Serve a bot.",
    epilog="""\b
Examples:
  twake-async run my_bot:bot
  twake-async run my_bot:bot --sandbox
  twake-async run my_bot:bot --host 0.0.0.0 --port 8080

After the first signal, the bot finishes the events that it has taken; a second signal ends it at
once. The secret of the bot, which is the last part of its address, is never printed.
""",
)
@click.argument("target", metavar="MODULE:NAME")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 for a free one.",
)
@click.option(
    "--sandbox",
    "with_sandbox",
    is_flag=True,
    help="Also start a Twake on this machine, and type there each line of standard input.",
)
@click.option(
    "--release",
    type=click.Choice(["2020", "2021", "2022", "2023"]),
    default="2020",
    show_default=True,
    help="With --sandbox: the release of Twake; 2022 and 2023 have the Node API.",
)
@click.option(
    "--path",
    metavar="PATH",
    help="With --sandbox: the path of the event address, if NAME is an application with the bot "
    "inside.",
)
def run(
    target: str, host: str, port: int, *, with_sandbox: bool, release: str, path: str | None
) -> int:
    """Serve the bot NAME of a Python module, or any ASGI application, until Ctrl-C.

    With --sandbox, the bot needs no server. The command starts a Twake in memory, and sets the
    variables TWAKE_... for TwakeSession.from_env() before it imports the module. Alice types each
    line of standard input there; a line such as "bob: Hello" is typed by Bob.
    """
    signals = process_signals()
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(_world(release)) if with_sandbox else None
        app = _load(target)
        if app is None:
            return FAILED
        try:
            sock = stack.enter_context(listening(host, port))
        except OSError as exc:
            complain(f"{host}, port {port} cannot be listened on: {exc.strerror or exc}")
            return FAILED
        signals.guard(0, in_background=True)
        serving = _Serving(app, sock, signals, world, _path_of(app) if path is None else path)
        try:
            return asyncio.run(serving.serve())
        except KeyboardInterrupt:  # before it is ready
            return 0


@contextlib.contextmanager
def _world(release: str) -> Any:
    """Serve a sandbox, and set the environment variables that name it."""
    with Sandbox(release=release, log=lambda _: None) as world:
        given = {**world.environment, "TWAKE_CHANNEL_ID": world.channel_id}
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            yield world
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _load(target: str) -> Any:
    """Return the application; else print why there is none, and return None."""
    try:
        return load_application(target)
    except (ApplicationError, TwakeError) as exc:
        complain(str(exc))
    except Exception as exc:  # noqa: BLE001 - of the module: its author needs the traceback
        lines = traceback.format_exception(exc.with_traceback(_of_module(exc.__traceback__)))
        tell("\n".join(map(printable, "".join(lines).splitlines())))
        complain(f"{target.partition(':')[0]} could not be imported")
    return None


def _of_module(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback that begins in the module, without the frames that imported it."""
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("twake_async.cli.", "importlib")):
            return trace
        trace = trace.tb_next
    return None


def _path_of(app: Any) -> str:
    """Return the path of the event address of a bot that is served alone; it may be secret."""
    secret = app._endpoint.secret if isinstance(app, Bot) else None  # noqa: SLF001
    return "/" if secret is None else f"/{secret.value.decode()}"


@attrs.define(eq=False)
class _Serving:
    """One run, from the first request to the last handler."""

    app: Any
    sock: socket.socket
    signals: Signals
    world: Sandbox | None
    path: str

    async def serve(self) -> int:
        """Serve until a signal, and return the exit status."""
        _set_up_logs()
        server = Server(AccessLines(self.app, _note))
        loop = asyncio.get_running_loop()
        self.signals.call(lambda: loop.call_soon_threadsafe(self._stop, server))
        playing = None if self.world is None else asyncio.create_task(self._play(server))
        _note(self._where())
        await server.serve([self.sock])
        if playing is not None:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
        if server.lifespan.should_exit:
            complain("the application could not be started or closed: see its log")
            return FAILED
        return 0

    def _where(self) -> str:
        host, port = self.sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        end = "" if _path_of(self.app) == "/" else "/SECRET"
        return f"# Listening on http://{shown}:{port}{end}; end it with Ctrl-C."

    def _stop(self, server: Server) -> None:
        """Stop after the first signal, at once after the second."""
        server.should_exit = True
        server.force_exit = self.signals.count > 1

    async def _play(self, server: Server) -> None:
        """Let people type, and stop the server when nothing more is typed."""
        assert self.world is not None  # noqa: S101
        self.world.connect(self.app, path=self.path)
        wait_idle = self.app.wait_idle if isinstance(self.app, Bot) else _wait_a_turn
        stage = Stage(self.world, lambda line: say(printable(line)), wait_idle)
        _note(f"# {HELP}")
        _note(f"# Or on the page of its Twake: {self.world.url}/")
        await stage.play(typed_lines())
        server.should_exit = True


async def _wait_a_turn() -> None:
    await asyncio.sleep(0)


def _set_up_logs() -> None:
    """Print what is logged, unless the module has set up logging itself."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    for name in ("httpx", "httpx2", "uvicorn.error", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _note(line: str) -> None:
    tell(printable(f"{time.strftime('%H:%M:%S')} {line}"))
