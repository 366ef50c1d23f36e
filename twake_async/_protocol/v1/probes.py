"""The requests of a check: saves that no server stores, and what their answers prove. No I/O.

Two requests are made, each of a kind that both recorded releases, on both PHPs, answer without
storing anything. "2021" is the v1 API from mid-2021 to 2022, recorded from the PHP that
v2023.Q1.1223 still ships.

1. A save without a message, to a group that does not exist. The server checks the credentials
   first, and the group before the message: v2020.Q3.107 refuses the group in words (wire case 21b),
   v2023.Q1.1223 answers an empty 500 (its case 21b). So a refusal of the credentials is certain,
   and the release is known.
2. A save to the caller's own group that cannot be stored. Where the group and the capability are
   accepted, its answer is unlike all others. For 2020 it has no message: `unknown error or
   malformed query.` (19j). For 2021 it has no channel: the plain text `ERROR with persist`; PHP
   asks the Node service for a channel without an id, and passes no message on (its case 19g).

A check cannot tell whether a channel exists, nor whether the Node service behind 2021 works. 2021
answers the second request with an empty 500 if the group is unknown; a server that always fails
does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from twake_async._arguments import check_group
from twake_async._protocol.answer_limit import answer_limit
from twake_async._protocol.exchange import Answer
from twake_async._protocol.findings import (
    LATER,
    finding,
    unlike_twake,
    without_answer,
    wrong_address,
)
from twake_async._protocol.json_codec import dump
from twake_async.check import Check
from twake_async.errors import (
    AuthenticationError,
    InvalidGroupError,
    MissingCapabilityError,
    RateLimitedError,
    RefusedError,
    TwakeError,
)

from .answers import read_answer
from .api import DEFAULT_API, SAVE, Api

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async._protocol.exchange import Context, Failure
    from twake_async.check import Problem

    Release = Literal["2020", "2021"]

__all__ = ["NIL_GROUP", "Probe", "examine"]

#: The nil UUID, which is the id of no group.
NIL_GROUP = "00000000-0000-0000-0000-000000000000"

_MALFORMED = b"unknown error or malformed query."
_NOT_PERSISTED = b"ERROR with persist"
_FATAL = b"<br />\n<b>Fatal error</b>"
#: The content of case 19g; no server shows it.
_NOTHING = {"original_str": "check", "prepared": ["check"]}


@attrs.frozen
class Probe:
    """A save that no server stores; its answer tells what is wrong with the session."""

    body: bytes
    release: Release | None
    """The release that answers; None for the first request, which finds it out."""
    api: Api = attrs.field(repr=False, eq=False)

    method = "POST"
    path = SAVE
    operation = "check"
    front_id = channel_id = None
    target = None
    repeatable = True
    steps = None

    @property
    def answer_limit(self) -> int:
        """The most bytes that the body of an answer may have."""
        return answer_limit(self.body)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it."""
        return self.api.headers()

    def judge(self, answer: Answer | Failure, context: Context) -> Check | TwakeError:
        """Return the problem that an answer shows, or the error if there is no answer."""
        if not isinstance(answer, Answer):
            return without_answer(answer)
        if self.release is None:
            return _judge_nil_group(answer, context)
        return _judge_own_group(answer, self.release, context)

    def named_by(self, result: Check) -> None:
        """Return None: it names no message, and its connection is not used again."""


def examine(group_id: str | None, api: Api) -> Generator[Probe, Check | TwakeError, Check]:
    """Yield the requests to make, receive what each proved, and return the final result.

    Args:
        group_id: The caller's group.
        api: The API to ask, and who asks.

    Raises:
        ConfigurationError: There is no group.

    """
    group = check_group(group_id)
    proxy = api.server.proxy
    found = finding((yield _probe({"group_id": NIL_GROUP}, None, api)), proxy)
    if found.release is None:
        return found
    release: Release = "2020" if found.release == "2020" else "2021"
    document: dict[str, Any] = {"group_id": group}
    if release == "2021":
        document["message"] = {"content": _NOTHING}
    found = finding((yield _probe(document, release, api)), proxy)
    return found if found.problem == "unclear" else attrs.evolve(found, release=release)


def _probe(document: dict[str, Any], release: Release | None, api: Api) -> Probe:
    return Probe(dump(document), release, api)


# --- what one answer says ----------------------------------------------------------------------


def _judge_nil_group(answer: Answer, context: Context) -> Check:
    """Return the release that answers, if the server knows the application, or what is wrong."""
    if _crashed(answer):
        return Check("", "the server answers as a release of 2021 or later", "2021")
    found = _verdict(answer, context)
    if found.problem == "group":
        return Check("", "the server answers as the release of 2020", "2020")
    return found


def _judge_own_group(answer: Answer, release: Release, context: Context) -> Check:
    accepted = _MALFORMED if release == "2020" else _NOT_PERSISTED
    if answer.status == 200 and accepted in answer.body:
        return Check("", "the server knows the application and the group, and accepts messages")
    if _crashed(answer):
        return Check(
            "group",
            "the server answers this group with an empty 500, as the releases since 2021 do where "
            "it does not know the group or the application is not installed in it: check group_id "
            "(TWAKE_GROUP_ID); if it is right, the server itself fails",
        )
    return _verdict(answer, context)


def _crashed(answer: Answer) -> bool:
    """Say whether PHP crashed: an empty 500, or its message if `display_errors` is on."""
    return (answer.status == 500 and not answer.body.strip()) or answer.body.startswith(_FATAL)


def _verdict(answer: Answer, context: Context) -> Check:
    """Return the problem that an answer shows."""
    # The trusted statuses of the session do not count here: a check shows what the server says.
    error = read_answer(answer, SAVE, answer_limit(b""), DEFAULT_API, context)
    for kind, problem, advice in _ADVICE:
        if isinstance(error, kind):
            names = ", ".join(error.missing) if isinstance(error, MissingCapabilityError) else ""
            return Check(problem, advice.format(names=names or "messages_save"))
    if isinstance(error, RefusedError) and error.reason == "api":
        return Check("api", str(error))
    if isinstance(error, RefusedError) or 300 <= answer.status < 500:
        return wrong_address(answer)
    return unlike_twake(answer)


_ADVICE: tuple[tuple[type[RefusedError], Problem, str], ...] = (
    (
        AuthenticationError,
        "authentication",
        (
            "the server does not know this public id with this private key: copy both anew from "
            "the application's page in Twake (TWAKE_PUBLIC_ID, TWAKE_PRIVATE_API_KEY); if both "
            "worked before, its database may fail for the moment: check again later"
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
    (RateLimitedError, "later", LATER.advice),
)
