"""What a check found: `Check`, and the error for what every message would meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from ._printable import printable
from .errors import (
    AuthenticationError,
    InvalidGroupError,
    MissingCapabilityError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Check", "Problem", "refusal"]

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


@attrs.frozen
class Check:
    """What `TwakeSession.check` found. Nothing was stored, whatever it found."""

    problem: Problem
    """The first thing that is wrong, in the order `unreachable`, `address`, `api` (the server has
    no such API), `authentication`, `group`, `capability`; `later` where the server asked for a
    pause; `unclear` where its answers prove nothing; empty where all is well."""

    advice: str = attrs.field(converter=printable)  # it may quote the server
    """What is wrong and how to correct it, in a sentence for a person; or that all is well."""

    release: Literal["2020", "2021"] | None = None
    """Whose answers the server gives: v2020.Q3.107, or v1 from mid-2021 on; None if unknown."""

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
