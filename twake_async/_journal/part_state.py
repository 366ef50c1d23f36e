"""The state of one partition of a batch that several machines send. No I/O."""

from __future__ import annotations

import attrs

__all__ = ["PartState"]


@attrs.frozen
class PartState:
    """The state of one partition of a batch."""

    number: int
    """Its number, from 0."""

    is_done: bool
    """Whether a run has gone through all of it in this round."""

    is_held: bool
    """Whether a process holds it now."""

    epoch: int
    """How often it was taken."""

    holder: str
    """The host and the id of the process that took it last; empty if none did."""
