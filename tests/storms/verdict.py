"""A claim beside the truth: right, inherently wrong, or a contradiction. Pure."""

from __future__ import annotations

from typing import Any, Literal

import attrs

Outcome = Literal["DELIVERED", "REFUSED", "NOT_SENT", "UNKNOWN"]


@attrs.frozen
class Claim:
    """What a send said of itself."""

    kind: str
    outcome: Outcome
    reason: str = ""
    duplicated: bool = False
    """`maybe_duplicated` of what was delivered."""
    id: str = ""
    """The id of the message that was delivered."""


@attrs.frozen
class Truth:
    """What the server knows of one request of a send."""

    copies: int
    excuse: str | None
    id: str
    history: str

    @classmethod
    def read(cls, line: list[Any]) -> Truth:
        """Return it from what came over the control connection."""
        return cls(*line)


@attrs.frozen
class Wrong:
    """A claim that the truth contradicts."""

    what: str
    inherent: str = ""
    """The act of the server that makes it inherent; empty for a contradiction."""


#: Which foreign answers make a claim, though wrong, the only one that a client can make.
_EXCUSES = {"REFUSED": ("refusal", "later", "repeated"), "NOT_SENT": ("later",)}


def judge(claim: Claim, truths: list[Truth], *, resend: bool) -> Wrong | None:
    """Return what is wrong with a claim, or None."""
    copies = sum(truth.copies for truth in truths)
    if claim.outcome == "DELIVERED" and (wrong := _not_there(claim, truths, copies)):
        return Wrong(wrong, "good" if any(t.excuse == "good" for t in truths) else "")
    if claim.outcome in _EXCUSES and copies:
        stored = [truth.excuse for truth in truths if truth.copies]
        excused = all(excuse in _EXCUSES[claim.outcome] for excuse in stored)
        return Wrong("claimed, though it was stored", str(stored[0]) if excused else "")
    if claim.kind in ("create", "ephemeral") and copies > 1:
        return _copies(claim, truths, copies, resend=resend)
    return None


def _not_there(claim: Claim, truths: list[Truth], copies: int) -> str:
    if not copies:
        return "claimed, though nothing was stored"
    if claim.kind == "create" and claim.id not in {truth.id for truth in truths}:
        return "claimed with the id of another message"
    return ""


def _copies(claim: Claim, truths: list[Truth], copies: int, *, resend: bool) -> Wrong | None:
    if resend and (claim.outcome != "DELIVERED" or claim.duplicated):
        return None
    excused = {t.excuse: t.copies for t in truths if t.excuse in ("later", "repeated")}
    by_repeating = sum(t.copies - 1 for t in truths if t.excuse == "repeated")
    by_later = sum(t.copies for t in truths if t.excuse == "later")
    what = f"{copies} copies" + (", and the send does not tell it" if resend else "")
    return Wrong(what, next(iter(excused)) if copies - 1 <= by_repeating + by_later else "")  # type: ignore[arg-type]
