"""A disk of a few megabytes, for a database that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import PostgresServer

#: A new database has 8 MB; the rest is for the test.
SIZE = "16m"


_ROW = "INSERT INTO {} SELECT string_agg(md5(random()::text), '') FROM generate_series(1, %s / 32)"


class DiskMissingError(Exception):
    """A small disk cannot be made on this machine."""


@contextlib.contextmanager
def small_database(server: PostgresServer) -> Iterator[str]:
    """Give the name of a new database on a small disk.

    Raises:
        DiskMissingError: only root on Linux can mount a file system of a given size.

    """
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        raise DiskMissingError("a disk of a given size needs root on Linux")
    disk = server.folder / "disk"
    disk.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise DiskMissingError(
            f"a disk of a given size cannot be mounted here: {mounted.stderr.strip()}"
        )
    try:
        server.programs.give(disk)
        server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            with server.database("TABLESPACE small") as name:
                yield name
        finally:
            server.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(server: PostgresServer, database: str, room: int = 0) -> None:
    """Fill the disk of a database until no row fits any more.

    Args:
        server: The server.
        database: The name of the database.
        room: How many bytes to leave, roughly.

    """
    import psycopg

    with psycopg.connect(server.conninfo(database), autocommit=True) as db:
        for table in ("room", "ballast"):
            db.execute(f"CREATE TABLE {table} (bytes text)")
            # Not compressed.
            db.execute(f"ALTER TABLE {table} ALTER bytes SET STORAGE EXTERNAL")
        db.execute(_ROW.format("room"), (room,))
        for size in (1_000_000, 8_000):
            with contextlib.suppress(psycopg.errors.DiskFull):
                while True:
                    db.execute(_ROW.format("ballast"), (size,))
        db.execute("DROP TABLE room")


def empty(server: PostgresServer, database: str) -> None:
    """Make room again."""
    server.run("DROP TABLE ballast", database)
