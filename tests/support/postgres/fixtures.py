"""The fixtures around a real PostgreSQL. Where there is none, the tests are skipped with the reason.

In CI they are not skipped: with the variable `CI` set, a missing PostgreSQL is an error.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server, one for all tests of a process; a test may crash and restart it."""
    from .server import PostgresMissingError, PostgresServer

    try:
        server = PostgresServer.create()
    except PostgresMissingError as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(exc))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def conninfo(postgres: PostgresServer) -> Iterator[str]:
    """Give the connection string of a new, empty database."""
    with postgres.database() as name:
        yield postgres.conninfo(name)


@pytest.fixture
def full_conninfo(postgres: PostgresServer) -> Iterator[str]:
    """Give the connection string of a new database whose disk has 8 MB left."""
    from .small_disk import DiskMissingError, small_database

    try:
        with small_database(postgres) as name:
            yield postgres.conninfo(name)
    except DiskMissingError as exc:
        pytest.skip(str(exc))
