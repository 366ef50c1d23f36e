"""The statements of a partition; each one that writes is fenced by its epoch. No I/O."""

from __future__ import annotations

import functools

import attrs

from .rows import COLUMNS, GIVEN

__all__ = ["Statements"]

_GIVEN = ", ".join(f"{name} {kind}" for name, kind in GIVEN.items())
_NAMES = ", ".join(GIVEN)
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in [*GIVEN, "epoch"] if name != "key")

#: Unix seconds by the clock of the database, which all machines share.
_NOW = "extract(epoch FROM clock_timestamp())::double precision"

# `may_claim` and `may_write` of `claims`, in SQL. `m` is the row that is there.
_MAY_CLAIM = """
    m.epoch = excluded.epoch AND m.began = excluded.began
        AND m.outcome IS DISTINCT FROM 'delivered'
    OR m.epoch < excluded.epoch AND (
        m.outcome IN ('refused', 'not sent')
        OR m.outcome = 'unknown' AND m.unknown_requests BETWEEN 1 AND excluded.unknown_requests)
"""
_MAY_WRITE = """
    m.epoch = excluded.epoch OR m.outcome = 'unknown' AND excluded.outcome = 'delivered'
"""

# One statement is one transaction and one round trip. The row lock of the fence makes a takeover
# wait for it, and a statement that waited for a takeover finds another epoch.
_WRITE = f"""
WITH fence AS (
    SELECT epoch FROM {{s}}.part WHERE batch = $1 AND number = $2 AND epoch = $3 FOR SHARE
), written AS (
    INSERT INTO {{s}}.message AS m (batch, part, epoch, {_NAMES})
    SELECT $1, $2, fence.epoch, {_NAMES} FROM fence, json_to_recordset($4) AS given ({_GIVEN})
    ON CONFLICT (batch, key) DO UPDATE SET {_UPDATES}
    WHERE m.part = excluded.part AND m.front_id IS NOT DISTINCT FROM excluded.front_id
        AND CASE WHEN excluded.outcome IS NULL THEN {_MAY_CLAIM} ELSE {_MAY_WRITE} END
    RETURNING 1
)
SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM written),
    (SELECT paused_until - {_NOW} FROM {{s}}.pace WHERE batch = $1)
"""

_PING = f"""
SELECT p.epoch, c.paused_until - {_NOW} FROM {{s}}.part p, {{s}}.pace c
WHERE p.batch = $1 AND p.number = $2 AND c.batch = $1
"""

# The messages that the previous run left on their way, and those that a takeover marked recently.
# The process of that takeover may have ended while it waited: an older intent may still be valid.
_MARK = f"""
WITH open AS (
    SELECT key, outcome IS NULL AS is_open FROM {{s}}.message
    WHERE batch = $1 AND part = $2 AND (outcome IS NULL OR reason = 'interrupted')
        AND (outcome IS NULL OR ended > {_NOW} - 15)
), marked AS (
    UPDATE {{s}}.message m SET outcome = 'unknown', reason = 'interrupted', ended = {_NOW},
        unknown_requests = unknown_requests + 1
    FROM open WHERE m.batch = $1 AND m.key = open.key AND open.is_open
    RETURNING m.channel_id
)
SELECT channel_id FROM marked UNION
SELECT m.channel_id FROM {{s}}.message m, open
WHERE m.batch = $1 AND m.key = open.key AND NOT open.is_open
"""

# A delivery is certain, no matter which process has the partition. The takeover counted the request
# that delivered the message as one in doubt.
_UPGRADE = f"""
UPDATE {{s}}.message m SET outcome = 'delivered', reason = '', message_id = given.message_id,
    attempts = given.attempts, ended = given.ended,
    unknown_requests = greatest(m.unknown_requests - 1, 0),
    maybe_duplicated = m.unknown_requests > 1
FROM json_to_recordset($2) AS given ({_GIVEN})
WHERE m.batch = $1 AND m.key = given.key AND given.outcome = 'delivered'
    AND m.outcome = 'unknown' AND m.front_id = given.front_id
"""

_RESERVE = f"""
UPDATE {{s}}.pace SET next_turn = greatest(next_turn, {_NOW}) + $2::double precision
WHERE batch = $1 RETURNING next_turn - $2::double precision - {_NOW}
"""

# Ends the session that holds a lock, if it has a given process id.
_END_SESSION = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0) AND pid = $2::integer
"""


_TEXTS = {
    "make_batch": f"""
        INSERT INTO {{s}}.batch VALUES ($1, $2, $3, $4, 1, {_NOW}) ON CONFLICT DO NOTHING
    """,
    "make_parts": """
        INSERT INTO {s}.part (batch, number, epoch, round, holder) SELECT $1, n, 0, 0, ''
        FROM generate_series(0, $2::integer - 1) n ON CONFLICT DO NOTHING
    """,
    "make_pace": "INSERT INTO {s}.pace VALUES ($1, 0, 0) ON CONFLICT DO NOTHING",
    "batch": "SELECT target, parts, fingerprint, round FROM {s}.batch WHERE name = $1",
    "lock": "SELECT pg_try_advisory_lock(hashtextextended($1, 0))",
    "part": """
        SELECT p.epoch, p.round, b.round FROM {s}.part p JOIN {s}.batch b ON b.name = p.batch
        WHERE p.batch = $1 AND p.number = $2
    """,
    "take_over": f"""
        UPDATE {{s}}.part SET epoch = epoch + 1, holder = $3, began = {_NOW}, ended = NULL
        WHERE batch = $1 AND number = $2 RETURNING epoch
    """,
    "mark": _MARK,
    "write": _WRITE,
    "ping": _PING,
    "find": f"""
        SELECT {COLUMNS} FROM {{s}}.message
        WHERE batch = $1 AND key IN (SELECT json_array_elements_text($2))
    """,
    "upgrade": _UPGRADE,
    "reserve": _RESERVE,
    "slow": f"""
        UPDATE {{s}}.pace SET paused_until = greatest(paused_until, {_NOW} + $2::double precision)
        WHERE batch = $1
    """,
    "end": f"""
        UPDATE {{s}}.part SET ended = {_NOW}, round = $4
        WHERE batch = $1 AND number = $2 AND epoch = $3
    """,
    "end_session": _END_SESSION,
}


@attrs.frozen
class Statements:
    """The statements on the tables of one schema."""

    make_batch: bytes
    make_parts: bytes
    make_pace: bytes
    batch: bytes
    lock: bytes
    part: bytes
    take_over: bytes
    mark: bytes
    write: bytes
    ping: bytes
    find: bytes
    upgrade: bytes
    reserve: bytes
    slow: bytes
    end: bytes
    end_session: bytes

    @classmethod
    @functools.cache
    def of(cls, schema: str) -> Statements:
        """Return the statements on the tables of a schema."""
        return cls(**{name: text.replace("{s}", schema).encode() for name, text in _TEXTS.items()})
