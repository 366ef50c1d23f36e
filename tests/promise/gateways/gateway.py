"""A real gateway on loopback: its program, its configuration, its folder, its process."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping

import attrs

#: Below the ports that systems give to outgoing connections: no program takes one by chance.
_PORTS = range(20_000, 32_000)
#: Debian installs servers in folders that the PATH of a user does not name.
_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port was found")


def wait_for_port(port: int, process: subprocess.Popen[bytes], within: float = 20.0) -> None:
    """Return once a program listens; raise ChildProcessError if the process ends before."""
    until = time.monotonic() + within
    while True:
        if process.poll() is not None:
            raise ChildProcessError(f"{process.args!r} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def end(process: subprocess.Popen[bytes], within: float = 5.0) -> None:
    """End a process that was started as the leader of its own group, and all that it started."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@attrs.frozen
class Program:
    """A gateway's program, and how it is run in the foreground."""

    name: str
    package: str
    """The name of Debian's package."""
    command: Callable[[str, pathlib.Path, pathlib.Path], list[str]] = attrs.field(repr=False)
    """Makes the command line from the program's path, the folder and the configuration."""
    needs: tuple[str, ...] = ()
    """Files that must exist, such as modules of other packages."""

    @property
    def path(self) -> str | None:
        """The path of the program, or None."""
        return shutil.which(self.name, path=_PLACES)

    @property
    def missing(self) -> str:
        """The reason of a skip, if it cannot be run; else empty."""
        if self.path is None:
            return f"{self.name} is not installed (apt-get install {self.package})"
        absent = [need for need in self.needs if not pathlib.Path(need).exists()]
        return f"{self.name} lacks {', '.join(absent)}" if absent else ""


@attrs.define(eq=False)
class Gateway:
    """One gateway in front of a port of loopback, with a folder of its own while it runs.

    In the configuration and the files, `@PORT@` stands for the port of the gateway, `@UPSTREAM@`
    for that of the upstream, `@DIR@` for the folder, and each name of `more` for its value.
    """

    program: Program
    config: str
    files: Mapping[str, str] = attrs.field(factory=dict)
    """More files of the folder: path and content. A path that ends with "/" is a folder."""
    more: Mapping[str, str] = attrs.field(factory=dict)
    tls: bool = False
    port: int = attrs.field(factory=free_port)
    upstream_port: int = attrs.field(factory=free_port)
    folder: pathlib.Path = attrs.field(init=False)
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Write the folder, run the program and wait until it listens."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="twake-gateway-"))
        # The gateway may run as a user of its own, which reads pages and writes logs.
        self.folder.chmod(0o1777)
        for name, text in {**self.files, "gateway.conf": self.config}.items():
            self._write(name, text)
        path = self.program.path
        assert path is not None, self.program.missing
        with (self.folder / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                self.program.command(path, self.folder, self.folder / "gateway.conf"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": _PLACES, "HOME": str(self.folder)},
                start_new_session=True,
            )
        try:
            wait_for_port(self.port, self._process)
        except BaseException as exc:
            exc.add_note(self.log())
            self.stop()
            raise

    def stop(self) -> None:
        """End the program and remove the folder."""
        if self._process is not None:
            end(self._process)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Kill the program and all its workers at once, as a crash of the machine would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def reload(self) -> None:
        """Make nginx or Apache read its configuration again, and replace its workers."""
        assert self._process is not None
        by = signal.SIGUSR1 if self.program.name == "apache2" else signal.SIGHUP
        self._process.send_signal(by)

    def log(self) -> str:
        """Return what the program printed, and the ends of its logs."""
        texts = [path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(text[-2_000:] for text in texts)

    def text(self) -> str:
        """Return the configuration as the program reads it."""
        return self._filled(self.config)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._filled(text), "utf-8")

    def _filled(self, text: str) -> str:
        values = {
            "PORT": str(self.port),
            "UPSTREAM": str(self.upstream_port),
            "DIR": str(self.folder),
            **self.more,
        }
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        return text
