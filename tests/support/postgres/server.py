"""A PostgreSQL server on loopback: started, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import attrs
import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from .programs import Programs, find_programs, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The database's superuser.
USER = "postgres"
#: A role that has to give its password, and the password.
GUARDED, PASSWORD = "guarded", "correct-horse"
_STARTS = 60.0

# A commit promises the same as in a server of production: `fsync` and `synchronous_commit` stay on.
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = '32MB'
wal_level = replica
log_min_messages = warning
log_line_prefix = '%m [%p] '
"""
_ACCESS = f"""
host all {GUARDED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class PostgresMissingError(Exception):
    """There is no PostgreSQL on this machine, or it does not start."""


@attrs.define(eq=False)
class PostgresServer:
    """A server with a data directory of its own, which `close` deletes.

    `start`, `stop` and `crash` block for as long as the server needs.
    """

    programs: Programs
    folder: Path
    port: int
    _reaper: subprocess.Popen[bytes]
    _running: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] | None = None

    @classmethod
    def create(cls) -> Self:
        """Make a data directory, and start a server on it.

        Raises:
            PostgresMissingError: with the reason.

        """
        folder = Path(tempfile.mkdtemp(prefix="twake-postgres-", dir=open_folder()))
        folder.chmod(0o755)
        try:
            server = cls(_programs(folder), folder, free_port(), _start_reaper(folder))
            server._make_data()
            server.start()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def conninfo(self, database: str = "postgres", **more: Any) -> str:
        """Return a connection string, as libpq reads it."""
        given = {"host": "127.0.0.1", "port": self.port, "dbname": database, "user": USER}
        return make_conninfo("", **{**given, **more})

    def start(self) -> None:
        """Start the server, and wait until it takes connections.

        After a crash, processes of the killed server may live on for a moment: PostgreSQL refuses
        to start beside them, so it is started again.
        """
        until = time.monotonic() + _STARTS
        while not self._started(until):
            if time.monotonic() > until:
                raise PostgresMissingError(f"PostgreSQL does not start:\n{self.log()[-2_000:]}")

    def stop(self) -> None:
        """Stop the server as an administrator does: sessions are ended, nothing is lost."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Kill all processes of the server: data that is not in its log of commits is lost."""
        assert self._running is not None
        children = psutil.Process(self._running.pid).children(recursive=True)
        self._end(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=_STARTS)

    def close(self) -> None:
        """End the server, and delete its data."""
        self._end(signal.SIGQUIT)
        self._reaper.communicate()

    def log(self) -> str:
        """Return what the server wrote into its log."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as an administrator."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as db:
            cursor = db.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def database(self, more: str = "") -> Iterator[str]:
        """Give the name of a new database, which is dropped in the end.

        Args:
            more: More words for CREATE DATABASE.

        """
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} {more}")
        try:
            yield name
        finally:
            if self._running is None:
                self.start()
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make it a standby meanwhile, which refuses all writes; both changes end all sessions."""
        self.stop()
        (self.data / "standby.signal").touch()
        self.programs.give(self.data / "standby.signal")
        self.start()
        try:
            yield
        finally:
            self.run("SELECT pg_promote()")

    def end_sessions(self, database: str) -> int:
        """End all sessions in a database; return how many there were."""
        ended = self.run(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        return len(ended)

    def _make_data(self) -> None:
        self.data.mkdir(mode=0o700)
        self.programs.give(self.folder, self.data)
        _run_to_end(
            [
                *(self.programs.command("initdb"), "-D", str(self.data), "-U", USER),
                *("-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync"),
            ],
            self.programs,
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"{_SETTINGS}port = {self.port}\n")
        (self.data / "pg_hba.conf").write_text(_ACCESS)

    def _started(self, until: float) -> bool:
        """Start the server once; return whether it came up."""
        self._log = (self.folder / "log").open("ab")
        self._running = subprocess.Popen(
            [self.programs.command("postgres"), "-D", str(self.data)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self.folder,
            start_new_session=True,
            **self.programs.as_user(),
        )
        while self._running.poll() is None and time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                self.run("SELECT 1")
                return True
            time.sleep(0.02)
        self._end(signal.SIGKILL)
        return False

    def _end(self, by: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(by)
            self._running.wait(timeout=_STARTS)
            self._running = None
        if self._log is not None:
            self._log.close()
            self._log = None


def _programs(scratch: Path) -> Programs:
    found = find_programs(scratch)
    if isinstance(found, str):
        raise PostgresMissingError(found)
    return found


def _start_reaper(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that ends the server if these tests are killed."""
    program = Path(__file__).with_name("reaper.py")
    return subprocess.Popen(
        [sys.executable, "-S", str(program), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _run_to_end(command: list[str], programs: Programs) -> None:
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=Path(command[2]).parent,
        check=False,
        **programs.as_user(),
    )
    if ran.returncode:
        raise PostgresMissingError(f"{command[0]} failed:\n{ran.stderr}")
