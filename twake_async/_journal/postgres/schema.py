"""The tables of a journal in PostgreSQL: made if there are none, and checked.

docs/journal.md shows them, too; a test compares the two.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twake_async.errors import ConfigurationError, JournalError

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["SCHEMA", "VERSION", "check_schema", "check_schema_name", "has_tables", "make_schema"]

VERSION = 1
SCHEMA = """\
CREATE TABLE twake_async.journal (
    version integer NOT NULL
);
CREATE TABLE twake_async.batch (
    name text PRIMARY KEY,
    target text NOT NULL,
    parts integer NOT NULL,
    fingerprint text NOT NULL,
    round integer NOT NULL,
    began double precision NOT NULL
);
CREATE TABLE twake_async.part (
    batch text NOT NULL,
    number integer NOT NULL,
    epoch bigint NOT NULL,
    round integer NOT NULL,
    holder text NOT NULL,
    began double precision,
    ended double precision,
    PRIMARY KEY (batch, number)
);
CREATE TABLE twake_async.pace (
    batch text PRIMARY KEY,
    next_turn double precision NOT NULL,
    paused_until double precision NOT NULL
);
CREATE TABLE twake_async.message (
    batch text NOT NULL,
    key text NOT NULL,
    part integer NOT NULL,
    epoch bigint NOT NULL,
    fingerprint text NOT NULL,
    channel_id text NOT NULL,
    front_id text,
    began double precision NOT NULL,
    outcome text,
    reason text NOT NULL,
    message_id text,
    maybe_duplicated boolean NOT NULL,
    attempts integer NOT NULL,
    ended double precision,
    unknown_requests integer NOT NULL,
    minted boolean NOT NULL,
    marker text,
    PRIMARY KEY (batch, key)
);
CREATE INDEX message_open ON twake_async.message (batch, part)
    WHERE outcome IS NULL OR reason = 'interrupted';
"""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def check_schema_name(schema: object) -> None:
    """Raise `ConfigurationError` for a value that is no plain name of a schema."""
    if not isinstance(schema, str) or not _NAME.fullmatch(schema):
        raise ConfigurationError(
            'schema must be a name of small letters, digits and underscores, such as "twake_async"',
            field="schema",
        )


def make_schema(connection: Connection, schema: str) -> None:
    """Make the tables if there are none. Several processes may do so at once.

    Args:
        connection: The database.
        schema: The name of the schema that they are in.

    Raises:
        JournalError: The schema has tables of another version.

    """
    if has_tables(connection, schema):
        check_schema(connection, schema)
        return
    with connection.transaction():
        # Two processes that make a schema at once would both fail: one waits for the other.
        connection.run(b"SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", schema.encode())
        if not has_tables(connection, schema):
            connection.run(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            for statement in SCHEMA.split(";\n")[:-1]:
                connection.run(statement.replace("twake_async.", f"{schema}.").encode())
            connection.run(f"INSERT INTO {schema}.journal VALUES ({VERSION})".encode())
    check_schema(connection, schema)


def check_schema(connection: Connection, schema: str) -> None:
    """Check the version of the tables.

    Raises:
        JournalError: The version is another one (reason `version`).
        StatementError: There are no tables.

    """
    found = connection.run(f"SELECT version FROM {schema}.journal".encode())
    if found != [(str(VERSION),)]:
        version = found[0][0] if found else None
        raise JournalError(
            f"the schema {schema!r} of the database has version {version} of the journal, and "
            f"this release knows {VERSION}: finish its batches with the release that began them, "
            "or name another schema",
            reason="version",
        )


def has_tables(connection: Connection, schema: str) -> bool:
    """Say whether the schema has the tables of a journal."""
    return bool(
        connection.run(
            b"SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            b"WHERE n.nspname = $1 AND c.relname = 'journal'",
            schema.encode(),
        )
    )
