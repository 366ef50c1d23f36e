"""Would this server take our messages? Asked by saves that no server stores.

Two requests are made, each of a kind that both recorded releases, on both PHPs, answer without
storing anything:

1. A save without a message, to a group that nobody has. The server looks at the credentials first,
   and at the group before the message: v2020.Q3.107 refuses the group in words (wire case 21b), and
   v2023.Q1.1223 answers an empty 500 (its case 21b). So a refusal of the credentials is certain,
   and the release is known.
2. A save to the caller's own group that cannot be stored, and whose answer, once the group and the
   capability were accepted, is unlike all others. For 2020 one without a message: `unknown error or
   malformed query.` (19j). For 2023 one without a channel: the plain text `ERROR with persist`; it
   asks the service behind for a channel without an id, and passes no message on (its case 19g).

What it cannot tell: whether a channel exists, and whether the service behind 2023's answers works.
An empty 500 to the second request is what 2023 gives for an unknown group; a server that fails at
everything looks the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ._printable import printable
from ._protocol.exchange import TLS_THERE, Answer, Failure, Verdict
from ._protocol.json_codec import dump
from ._protocol.v1.judge import judge, judge_failure, speaks_tls
from ._protocol.v1.requests import SAVE, Prepared, check_group
from .errors import (
    AuthenticationError,
    InvalidGroupError,
    MissingCapabilityError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ._protocol.exchange import Transport

__all__ = ["Check", "examine", "probe", "refusal"]

Problem = Literal[
    "",
    "unreachable",
    "address",
    "api",
    "authentication",
    "group",
    "capability",
    "later",
    "unclear",
]

#: A group that nobody has: the nil UUID.
NOBODYS = "00000000-0000-0000-0000-000000000000"

_MALFORMED = b"unknown error or malformed query."
_NOT_PERSISTED = b"ERROR with persist"
_FATAL = b"<br />\n<b>Fatal error</b>"


@attrs.frozen
class Check:
    """What `TwakeSession.check` found. Nothing was stored, whatever it found."""

    problem: Problem
    """The first thing that is wrong, in the order `unreachable`, `address`, `api` (the server has
    no such API), `authentication`, `group`, `capability`; `later` where the server asked for a
    pause; `unclear` where its answers prove nothing; empty where all is well."""

    advice: str = attrs.field(converter=printable)  # it may quote the server
    """What is wrong and what to mend, in a sentence for a person; or that all is well."""

    release: Literal["2020", "2023"] | None = None
    """Whose answers the server gives: those of v2020.Q3.107 or of v2023.Q1.1223, if it is known."""

    @property
    def ok(self) -> bool:
        """Whether a message to an existing channel of the group would be taken."""
        return not self.problem


#: The problems that every message would meet, and the errors for them.
_LASTING: Mapping[str, type[RefusedError]] = {
    "address": RefusedError,
    "api": RefusedError,
    "authentication": AuthenticationError,
    "group": InvalidGroupError,
    "capability": MissingCapabilityError,
}


def refusal(found: Check) -> RefusedError | None:
    """Return the error for what every message would meet, or None where some may be taken."""
    kind = _LASTING.get(found.problem)
    return None if kind is None else kind(found.advice, reason=found.problem)


async def probe(transport: Transport, group_id: str | None, seconds: float) -> Check:
    """Ask the server and return what its answers prove, within a number of seconds."""
    until = time.monotonic() + seconds
    steps = examine(group_id)
    request = next(steps)
    while True:
        fact = await _ask(transport, request, until)
        try:
            request = steps.send(fact)
        except StopIteration as end:
            found: Check = end.value
            if transport.proxy and found.problem in ("unreachable", "address", "unclear", "later"):
                advice = f"{found.advice} (through the proxy {transport.proxy})"
                return attrs.evolve(found, advice=advice)
            return found


async def _ask(transport: Transport, request: Prepared, until: float) -> Answer | Failure:
    connection = transport.pool.acquire_nowait()
    if connection is None:
        connection = await transport.pool.acquire(None, until - time.monotonic(), once=True)
    if isinstance(connection, Failure):
        return connection
    left = max(0.0, until - time.monotonic())
    fact: Answer | Failure
    fact = await transport.attempt(connection, request, transport.start_trace(), left, _as_it_came)
    return fact


def _as_it_came(fact: Answer | Failure, _seen: str | None, /) -> Verdict:
    # It names no message, so that its connection is not used again.
    return Verdict(fact)


def examine(group_id: str | None) -> Generator[Prepared, Answer | Failure, Check]:
    """Yield the requests to make, be sent what came of each, and return what they prove.

    Raises:
        ConfigurationError: There is no group.

    """
    group = check_group(group_id)
    fact = yield _request({"group_id": NOBODYS})
    release: Literal["2020", "2023"]
    if _crashed(fact):
        release = "2023"
        fact = yield _request({"group_id": group, "message": {"content": _NOTHING}})
    elif _verdict(fact).problem == "group":
        release = "2020"
        fact = yield _request({"group_id": group})
    else:
        return _verdict(fact)
    return _judge_own_group(fact, release)


#: The content of case 19g; it goes nowhere.
_NOTHING = {"original_str": "check", "prepared": ["check"]}


def _request(document: dict[str, Any]) -> Prepared:
    return Prepared(SAVE, dump(document, document), "create", None, None)


def _crashed(fact: Answer | Failure) -> bool:
    """Say whether PHP gave up: an empty 500, or with `display_errors` its words."""
    if not isinstance(fact, Answer):
        return False
    return (fact.status == 500 and not fact.body.strip()) or fact.body.startswith(_FATAL)


def _judge_own_group(fact: Answer | Failure, release: Literal["2020", "2023"]) -> Check:
    accepted = _MALFORMED if release == "2020" else _NOT_PERSISTED
    if isinstance(fact, Answer) and fact.status == 200 and accepted in fact.body:
        return Check(
            "", "the server knows the application and the group, and takes messages", release
        )
    if _crashed(fact):
        return Check(
            "group",
            "the server answers this group with an empty 500, as the release of 2023 does where "
            "it does not know the group or the application is not installed in it: check group_id "
            "(TWAKE_GROUP_ID); if it is right, the server itself fails",
            release,
        )
    found = _verdict(fact)
    return found if found.problem == "unclear" else attrs.evolve(found, release=release)


def _verdict(fact: Answer | Failure) -> Check:
    """Return what one answer says is wrong."""
    if not isinstance(fact, Answer):
        wrong = judge_failure(fact)
        if isinstance(wrong, OutcomeUnknownError):
            return Check("unclear", f"the server took the question, but {fact.detail}")
        return Check("unreachable", f"the server is out of reach: {fact.detail}; check base_url")
    judged = judge(_PROBE, fact, now=time.time())
    for kind, problem, advice in _ADVICE:
        if isinstance(judged, kind):
            names = ", ".join(judged.missing) if isinstance(judged, MissingCapabilityError) else ""
            return Check(problem, advice.format(names=names or "messages_save"))
    if isinstance(judged, RefusedError) and judged.reason == "api":
        return Check("api", str(judged))
    if isinstance(judged, RefusedError) or 300 <= fact.status < 500:
        return Check("address", _wrong_address(fact))
    return _unlike_twake(fact)


def _wrong_address(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        where = repr(answer.header(b"location")) if answer.header(b"location") else "nowhere"
        return f"the server redirects to {where}, which is never followed: check base_url"
    if speaks_tls(answer):
        return TLS_THERE
    return f"the server answered {answer.status}, as no Twake does there: check base_url"


_PROBE = _request({})

_ADVICE: tuple[tuple[type[RefusedError], Problem, str], ...] = (
    (
        AuthenticationError,
        "authentication",
        (
            "the server does not know this public id with this private key: copy both anew from "
            "the application's page in Twake (TWAKE_PUBLIC_ID, TWAKE_PRIVATE_API_KEY)"
        ),
    ),
    (
        InvalidGroupError,
        "group",
        (
            "the server does not know this group, or the application is not installed in it: check "
            "group_id (TWAKE_GROUP_ID), or install the application"
        ),
    ),
    (
        MissingCapabilityError,
        "capability",
        (
            "the application may not send in this group: it lacks {names}; give it that capability "
            "in the application's settings in Twake, and have the group accept it"
        ),
    ),
    (RateLimitedError, "later", "the server asks for a pause (429): check again later"),
)


def _unlike_twake(answer: Answer) -> Check:
    if answer.status == 500 and b"Route" in answer.body:
        return Check("address", "Twake answers, but not on this path: check base_url's path")
    if answer.status == 200 and b"<html" in answer.body.lower():
        return Check("address", "a web page answers there, not Twake's API: check base_url")
    return Check(
        "unclear",
        f"the server answered {answer.status} with what no recorded release of Twake answers; "
        "check base_url, and the server itself",
    )
