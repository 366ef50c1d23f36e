"""pgbouncer in front of a server of the tests, in transaction mode."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from .server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import PostgresServer

#: Where Debian puts it, which the PATH of a user does not name.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={database_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.log
"""


class BouncerMissingError(Exception):
    """There is no pgbouncer on this machine."""


@contextlib.contextmanager
def bouncer(server: PostgresServer, mode: str = "transaction") -> Iterator[int]:
    """Run pgbouncer before a server, and give its port.

    Raises:
        BouncerMissingError: It is not installed.

    """
    program = shutil.which("pgbouncer", path=_PATH)
    if program is None:
        raise BouncerMissingError("pgbouncer is not installed (apt-get install pgbouncer)")
    port = free_port()
    settings = server.folder / "pgbouncer.ini"
    text = _SETTINGS.format(database_port=server.port, port=port, mode=mode, folder=server.folder)
    settings.write_text(text)
    running = subprocess.Popen(
        [program, "-q", str(settings)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **server.programs.as_user(),
    )
    try:
        _wait_for(port, running)
        yield port
    finally:
        running.kill()
        running.wait()


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise BouncerMissingError("pgbouncer does not start")
