"""Answers twice, late, unsolicited, or to another request; and the act on each request."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from . import acts, says
from .acts import GOOD, SLOTS, Act, Odd, Plain, Rough
from .stream import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .connection import Connection
    from .stream import Asked

# --- doubled answers ---------------------------------------------------------------------------


def _doubled(place: str, times: int = 1) -> Odd:
    """Give an answer twice: the second in the same segment, at once, soon, or after the next."""

    def do(connection: Connection, asked: Asked, own: Plain, draw: int) -> None:
        said = connection.answer_of(asked, own)
        connection.say(said, *[said] * times if place == "glued" else ())
        for _ in range(times if place != "glued" else 0):
            connection.say_at(place, said, draw)

    return Odd(f"doubled, {place}" if times == 1 else f"tripled, {place}", do)


# --- unsolicited answers ------------------------------------------------------------------------


def _first_answer(connection: Connection, asked: Asked, draw: int) -> Said:
    """Return an earlier answer to the message that the request is about, where there is one."""
    return connection.server.answers_about.get(asked.target) or _earlier(connection, asked, draw)


def _earlier(connection: Connection, asked: Asked, draw: int) -> Said:
    recent = connection.server.recent
    return recent[draw % len(recent)] if recent else says.refusal("words 0")


def _last(connection: Connection, asked: Asked, draw: int) -> Said:
    """Return the previous answer on this connection."""
    return connection.last or _earlier(connection, asked, draw)


_STRAYS: dict[str, Callable[[Connection, Asked, int], Said]] = {
    "words": lambda c, asked, draw: says.refusal(f"words {draw % len(says.WORDS)}"),
    "401": lambda c, asked, draw: says.refusal("401"),
    "429": lambda c, asked, draw: says.later("429 with Retry-After absent"),
    "403": lambda c, asked, draw: says.other("a gateway's 403"),
    "302": lambda c, asked, draw: says.other("302 elsewhere"),
    "500": lambda c, asked, draw: says.other("500"),
    "a good answer of before": _earlier,
    "the last good answer": _last,
    "a good answer about the same": _first_answer,
}
PLACES = ("glued", "behind", "soon", "held")


def stray(draw: int) -> Said:
    """Return an unsolicited answer that names no message."""
    name = tuple(_STRAYS)[draw % 6]
    return _STRAYS[name](None, None, draw >> 3)  # type: ignore[arg-type]


def _strayed(kind: str, place: str) -> Odd:
    def do(connection: Connection, asked: Asked, own: Plain, draw: int) -> None:
        extra = _STRAYS[kind](connection, asked, draw)
        said = connection.answer_of(asked, own)
        if place == "before":
            connection.say(extra, said)
        elif place == "long before":
            connection.say(extra)
            connection.say_at("soon", said, draw)
        elif place == "instead":
            connection.say(extra)
        elif place == "glued":
            connection.say(said, extra)
        elif place == "half glued":
            connection.say_half(said, extra)
        else:
            connection.say(said)
            connection.say_at(place, extra, draw)

    return Odd(f"stray {kind}, {place}", do)


def _off_by_one(kind: str) -> Odd:
    """From now on, give each request of the connection the answer to the previous one."""

    def do(connection: Connection, asked: Asked, own: Plain, draw: int) -> None:
        first = _STRAYS[kind](connection, asked, draw)
        connection.lagging.append(connection.answer_of(asked, own))
        connection.lags = True
        connection.say(first)

    return Odd(f"off by one from {kind}", do)


def _crossed(connection: Connection, asked: Asked, own: Plain, draw: int) -> None:
    """Swap the answers to two requests on two connections."""
    said = connection.answer_of(asked, own)
    server = connection.server
    other, server.crossing = server.crossing, None
    if other is not None and other[0].alive:
        other[0].say(said)
        connection.say(other[1])
        return
    server.crossing = (connection, said)
    connection.later(0.005, _uncrossed, connection, said)


def _uncrossed(connection: Connection, said: Said) -> None:
    if connection.server.crossing == (connection, said):
        connection.server.crossing = None
        connection.say(said)


def _repeated(connection: Connection, asked: Asked, own: Plain, draw: int) -> None:
    """Do as a gateway that sends a POST once more and shows only the last answer."""
    connection.server.store(asked)
    asked.excuses.add("repeated")
    connection.say(connection.answer_of(asked, GOOD if own.say is not says.refusal else own))


ODD_DOUBLED = [
    *(_doubled(place) for place in PLACES),
    _doubled("glued", 2),
    _doubled("held", 2),
]
ODD_STRAYED = [
    _strayed(kind, place)
    for kind in _STRAYS
    for place in (*PLACES, "half glued", "before", "long before", "instead")
]
ODD_OFF = [_off_by_one(kind) for kind in _STRAYS]
ODD_CROSSED = [Odd("crossed", _crossed)]
ODD_REPEATED = [Odd("repeated by a gateway", _repeated)]

# --- what befalls a request --------------------------------------------------------------------

#: Shares of 4,096, for each list of acts as a whole; the rest is good.
_OWN_SHARES: list[tuple[int, Sequence[Act]]] = [
    (500, acts.GOOD_FORMS),
    (250, acts.REFUSING),
    (80, acts.LATER),
    (250, acts.UNPROVEN),
    (90, acts.UNREADABLE),
]
_SHARES: list[tuple[int, Sequence[Act]]] = [
    *_OWN_SHARES,
    (110, acts.ROUGH_GOOD),
    (60, acts.SLOW_GOOD),
    (100, acts.BREAKS),
    (13, acts.HANGS),
    (4, acts.HUGE),
    (350, ODD_DOUBLED),
    (250, ODD_STRAYED),
    (80, ODD_OFF),
    (30, ODD_CROSSED),
    (6, ODD_REPEATED),
]


def _table(shares: list[tuple[int, Sequence[Act]]]) -> list[tuple[Act, ...]]:
    """Return a slot for each number below 4,096: the acts that it may mean."""
    table: list[tuple[Act, ...]] = [(GOOD,)] * SLOTS
    at = 0
    for share, group in shares:
        table[at : at + share] = [tuple(group)] * share
        at += share
    return table


@functools.cache
def _tables() -> tuple[list[tuple[Act, ...]], list[tuple[Act, ...]]]:
    return _table(_SHARES), _table(_OWN_SHARES)


def names() -> set[str]:
    """Return the names of all acts."""
    return {act.name for group in _tables()[0] for act in group}


def _pick(table: list[tuple[Act, ...]], draw: int) -> Act:
    group = table[draw % SLOTS]
    return group[(draw // SLOTS) % len(group)]


def choose(seed: int, token: str, attempt: int) -> tuple[Act, Plain, int]:
    """Return what acts on an attempt: always the same for the same seed and send.

    The act, a plain act for an odd one to take as the request's own, and a number to draw from.
    """
    key = f"{seed}/{token}/{attempt}".encode()
    draw = int.from_bytes(hashlib.blake2b(key, digest_size=12).digest(), "little")
    own = _pick(_tables()[1], draw >> 32)
    assert isinstance(own, Plain)
    return _pick(_tables()[0], draw), own, draw >> 64


__all__ = ["Odd", "Plain", "Rough", "choose", "names", "stray"]
