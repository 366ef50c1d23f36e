"""A claim compared with the truth: right, inherently wrong, or a contradiction. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

Outcome = Literal["DELIVERED", "REFUSED", "NOT_SENT", "UNKNOWN"]


@attrs.frozen
class Claim:
    """The claim of a send about itself."""

    kind: str
    outcome: Outcome
    reason: str = ""
    duplicated: bool = False
    """`maybe_duplicated` of what was delivered."""
    id: str = ""
    """The id of the message that was delivered."""


@attrs.frozen
class Truth:
    """The facts that the server knows about one request of a send."""

    copies: int
    excuses: frozenset[str] = attrs.field(converter=frozenset)
    id: str
    history: str

    @classmethod
    def read(cls, line: list[Any]) -> Truth:
        """Return it from the data of the control connection."""
        return cls(*line)


@attrs.frozen
class Wrong:
    """A claim that the truth contradicts."""

    what: str
    inherent: str = ""
    """The act of the server that makes it inherent; empty for a contradiction."""


#: The foreign answers that force a client to make a wrong claim.
_EXCUSES = {"REFUSED": ("refusal", "later", "repeated"), "NOT_SENT": ("later",)}


def judge(
    claim: Claim, truths: list[Truth], *, resend: bool, left_over: Collection[str] = ()
) -> Wrong | None:
    """Return the problem of a claim, or None.

    Args:
        claim: The claim of the send about itself.
        truths: What the server knows of its requests.
        resend: Whether the send was to be repeated after an unknown outcome.
        left_over: The ids of good answers that may have met a request which never came whole.

    """
    stored = [truth for truth in truths if truth.copies]
    if claim.outcome == "DELIVERED" and (wrong := _not_there(claim, stored)):
        if any("good" in truth.excuses for truth in truths):
            return Wrong(wrong, "good")
        # A new message's answer has to name its front_id, which no earlier answer does.
        lost = claim.kind in ("edit", "remove") and claim.id in left_over
        return Wrong(wrong, "unread" if lost else "")
    if claim.outcome in _EXCUSES and stored:
        found = [_first(_EXCUSES[claim.outcome], truth) for truth in stored]
        return Wrong("claimed, though it was stored", found[0] if all(found) else "")
    if claim.kind in ("create", "ephemeral"):
        return _copies(claim, stored, resend=resend)
    return None


def _first(excuses: tuple[str, ...], truth: Truth) -> str:
    return next((excuse for excuse in excuses if excuse in truth.excuses), "")


def _not_there(claim: Claim, stored: list[Truth]) -> str:
    if not stored:
        return "claimed, though nothing was stored"
    if claim.kind == "create" and claim.id not in {truth.id for truth in stored}:
        return "claimed with the id of another message"
    return ""


def _copies(claim: Claim, stored: list[Truth], *, resend: bool) -> Wrong | None:
    """Return the problem of more than one copy: that there is one, or that it is not reported."""
    copies = sum(truth.copies for truth in stored)
    if copies < 2 or (resend and (claim.outcome != "DELIVERED" or claim.duplicated)):
        return None
    # After a foreign 429 a send is repeated; a gateway that repeats makes copies by itself.
    later = [truth for truth in stored if "later" in truth.excuses]
    by_later = sum(truth.copies for truth in later)
    by_gateway = sum(
        truth.copies - 1 for truth in stored if "repeated" in truth.excuses and truth not in later
    )
    what = f"{copies} copies" + (", and the send does not tell it" if resend else "")
    if copies - 1 > by_later + by_gateway:
        return Wrong(what)
    return Wrong(what, "later" if by_later else "repeated")
