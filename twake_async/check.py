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
    """The result of `TwakeSession.check`. The check stores nothing."""

    problem: Problem
    """The first thing that is wrong, in the order `unreachable`, `address`, `api` (the server does
    not serve this API), `authentication`, `group`, `capability`. `later` if the server asked for a
    pause, `unclear` if its answers prove nothing, empty if all is correct."""

    advice: str = attrs.field(converter=printable)  # it may quote the server
    """A sentence for a person: what is wrong and how to fix it, or that all is correct."""

    release: Literal["2020", "2021", "2022", "2023"] | None = None
    """The year of the server's release, None if it is not known.

    The answers of v1 show 2020. Later releases tell their `version`. Without it, `"2021"` means v1
    as it is from mid-2021 on.
    """

    version: str | None = None
    """The exact release, such as `"2023.Q1.1223"`; only servers of 2021 or later tell it."""

    apis: tuple[str, ...] | None = None
    """The APIs that the server serves: `"v1"`, `"node"` or both; None if it is not known."""

    @property
    def ok(self) -> bool:
        """Whether the server would accept a message to an existing channel of the group."""
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
    """Return the error for a problem of every message; None if the server may accept some."""
    kind = _LASTING.get(found.problem)
    return None if kind is None else kind(found.advice, reason=found.problem)
