"""The stored form of a `front_id` in 2020: the database adapter rewrites statements.

The adapter writes each value into the text of an INSERT. Then it turns SQL into CQL with regular
expressions, which also change the values. If the statement is no longer valid, the database refuses
it. The server logs that, and answers as after a success.

These rules concern only `front_id`: ids are checked before, and texts are encrypted. They work on
bytes, as PHP's strings do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["stored_front_id"]

_BEFORE = b"INSERT INTO message (front_id, id, channel_id) VALUES ("
_AFTER = b", 1, 1)"
_STATEMENT = re.compile(re.escape(_BEFORE) + rb"'((?:[^']|'')*)'" + re.escape(_AFTER))
_RESERVED = (b"token", b"from", b"to", b"default")


def stored_front_id(front_id: Any) -> str | None:
    """Return the `front_id` in the stored row; None if the statement fails and stores nothing."""
    if not isinstance(front_id, str):  # written without quotes, which is no text for the database
        return None
    statement = _BEFORE + _quoted(front_id.encode("utf-8", "surrogateescape")) + _AFTER
    for rewrite in _REWRITES:
        statement = rewrite(statement)
    found = _STATEMENT.fullmatch(statement)
    return _unquoted(found[1]).decode("utf-8", "surrogateescape") if found else None


def _quoted(value: bytes) -> bytes:
    """Return a value as text of the statement: PHP's addslashes, then CQL's quotes."""
    escaped = re.sub(rb"(['\"\\])", rb"\\\1", value).replace(b"\0", b"\\0")
    return b"'" + escaped.replace(b"'", b"''") + b"'"


def _unquoted(text: bytes) -> bytes:
    """Return the value that the database returns: without CQL's quotes, then PHP's stripslashes."""
    escaped = text.replace(b"''", b"'")
    return re.sub(rb"\\(.?)", lambda m: b"\0" if m[1] == b"0" else m[1], escaped, flags=re.DOTALL)


def _compare_with_null(statement: bytes) -> bytes:
    return re.sub(rb" +IS +NULL( |$)", b" = NULL ", statement)


def _join_white_space(statement: bytes) -> bytes:
    return re.sub(rb"\s+", b" ", statement).strip(b" ")


def _drop_table_alias(statement: bytes) -> bytes:
    """Remove the second word after the first `FROM `, which the adapter takes for a table alias."""
    before, found, after = statement.partition(b"FROM ")
    words = after.split(b" ", 2)
    if not found or len(words) < 2 or words[1].upper() == b"WHERE":
        return statement
    alias = words[1] + b"."
    words[1] = b""
    return before.replace(alias, b"") + b"FROM " + b" ".join(words).replace(alias, b"")


def _write_count(statement: bytes) -> bytes:
    return re.sub(rb"COUNT\(.*\)", b"COUNT(1)", statement, flags=re.IGNORECASE)


def _quote_reserved_words(statement: bytes) -> bytes:
    """Put quotes around reserved words, which the adapter takes for names of columns."""
    before, found, after = statement.partition(b"FROM ")
    statement = (_quote_columns(before) if found else before) + found + after
    before, found, after = statement.partition(b"WHERE ")
    statement = before + found + (_quote_conditions(b" " + after) if found else b"")
    for word in _RESERVED:
        statement = statement.replace(b"(" + word + b")", b'("' + word + b'")')
    return statement


def _quote_columns(text: bytes) -> bytes:
    for word in _RESERVED:
        text = re.sub(rb"([^a-z_-])" + word + rb"([^a-z_-])", rb'\1"' + word + rb'"\2', text)
    return text


def _quote_conditions(text: bytes) -> bytes:
    for word in _RESERVED:
        text = re.sub(rb"([^a-z_-])" + word + rb" *=", rb'\1"' + word + rb'" =', text)
    return text


_REWRITES: tuple[Callable[[bytes], bytes], ...] = (
    _compare_with_null,
    _join_white_space,
    _drop_table_alias,
    _write_count,
    _quote_reserved_words,
)
