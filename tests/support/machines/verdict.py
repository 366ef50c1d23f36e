"""Compare the journal, the server and the reports. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@attrs.frozen
class Found:
    """The facts about a batch when it is over."""

    expected: Mapping[str, str]
    """The channel of each key."""
    stored: Sequence[tuple[str, str]]
    """The messages that the server stored, in its order: channel and key."""
    journal: Mapping[str, str | None]
    """The outcome of each key; None: in flight."""
    reports: Sequence[Mapping[str, Any]]
    """The reports of the workers, in the order of time."""
    is_ordered: bool = True
    """Whether the order of each channel is kept: a resent message comes after later messages."""
    told: frozenset[str] = frozenset()
    """The keys of which a second copy is allowed: it was requested, and the journal shows it."""
    continued: Sequence[int] = ()
    """The number of stored messages when a frozen worker went on; for each such worker."""

    @property
    def copies(self) -> Counter[str]:
        """How often each key was stored."""
        return Counter(key for _, key in self.stored)


@attrs.frozen
class Verdict:
    """The contradictions and the figures."""

    wrong: list[str]
    doubled: int
    out_of_order: int
    lost: int
    """The number of messages that are not stored, though the journal does not say so."""
    unknown: int
    unknown_stored: int
    """The number of unknown messages that were stored."""
    inherent: int
    """How many frozen workers sent a message of unknown outcome when they went on: one each, which
    had been checked in the instant before. `docs/howto/many-machines.md` tells of it."""
    outcomes: Counter[str | None]

    def __str__(self) -> str:
        outcomes = ", ".join(
            f"{count} {name}" for name, count in sorted(self.outcomes.items(), key=str)
        )
        return (
            f"{self.doubled} doubled, {self.out_of_order} out of order, {self.lost} lost; journal: "
            f"{outcomes}; of the unknown, {self.unknown_stored} were stored; "
            f"{self.inherent} sent late by a frozen worker; "
            f"{len(self.wrong)} contradictions"
        )


def judge(found: Found) -> Verdict:
    """Compare the journal, the server and the reports."""
    copies, journal = found.copies, found.journal
    doubled = [key for key, count in copies.items() if count > 1 and key not in found.told]
    disorder = list(_disorder(found.stored)) if found.is_ordered else []
    inherent = [one for one in disorder if _is_inherent(found, *one)][: len(found.continued)]
    disorder = [one for one in disorder if one not in inherent]
    lost = [
        key for key in found.expected if not copies[key] and journal.get(key) in (None, "DELIVERED")
    ]
    unknown = [key for key, outcome in journal.items() if outcome == "UNKNOWN"]
    wrong = [f"{key}: {copies[key]} copies" for key in doubled]
    wrong += [f"{channel}: {later} came before {key}" for _, channel, key, later in disorder]
    wrong += [f"{key}: lost, the journal says {journal.get(key)}" for key in lost]
    wrong += _against_journal(found, copies)
    wrong += _against_reports(found, copies)
    return Verdict(
        wrong=wrong,
        doubled=len(doubled),
        out_of_order=len(disorder),
        lost=len(lost),
        unknown=len(unknown),
        unknown_stored=sum(copies[key] > 0 for key in unknown),
        inherent=len(inherent),
        outcomes=Counter(journal.values()),
    )


def _is_inherent(found: Found, place: int, _: str, key: str, __: str) -> bool:
    """Say whether a frozen worker may have sent a message in the instant after its last check."""
    went_on = any(place >= count for count in found.continued)
    return went_on and found.journal.get(key) == "UNKNOWN" and found.copies[key] == 1


def _disorder(stored: Iterable[tuple[str, str]]) -> Iterable[tuple[int, str, str, str]]:
    last: dict[str, str] = {}
    for place, (channel, key) in enumerate(stored):
        if key < last.get(channel, ""):
            yield place, channel, key, last[channel]
        last[channel] = max(key, last.get(channel, ""))


def _against_journal(found: Found, copies: Counter[str]) -> Iterable[str]:
    places = set(found.stored)
    for key, channel in found.expected.items():
        outcome = found.journal.get(key)
        if key not in found.journal:
            yield f"{key}: not in the journal"
        elif outcome is None:
            yield f"{key}: in flight, though the batch is over"
        elif outcome in ("REFUSED", "NOT_SENT") and copies[key]:
            yield f"{key}: the journal says {outcome}, and it was stored"
        if copies[key] and (channel, key) not in places:
            yield f"{key}: stored in another channel"
    yield from (f"{key}: nobody's" for key in {*found.journal, *copies} - {*found.expected})


def _against_reports(found: Found, copies: Counter[str]) -> Iterable[str]:
    by_key: dict[str, list[str]] = defaultdict(list)
    for report in found.reports:
        by_key[report["key"]].append(report["outcome"])
    for key in found.expected:
        wrong = _against_said(by_key[key], found.journal.get(key), copies[key])
        if wrong:
            yield f"{key}: reported as {by_key[key]}, the journal says {found.journal.get(key)}, {copies[key]} copies: {wrong}"


def _against_said(said: Sequence[str], outcome: str | None, copies: int) -> str:
    """Return the contradictions in the reports of one message, in the order of time."""
    if not said:
        return "nobody reported it"
    # A worker that was killed or taken over may have read an answer that its journal never got.
    if said[-1] != outcome and {said[-1], outcome} != {"DELIVERED", "UNKNOWN"}:
        return "the last report is another"
    if "DELIVERED" in said and not copies:
        return "nothing was stored"
    # Another worker that takes the partition over may send a refused message again. A message that
    # one worker reports as not sent, no other may send.
    if copies and ("NOT_SENT" in said or said[-1] == "REFUSED"):
        return "it was stored"
    return ""
