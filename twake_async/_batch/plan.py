"""The arguments of `send_many`, checked before anything is read from the input."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Literal

import attrs

from twake_async._arguments import check_callback, check_choice, check_count, check_kind
from twake_async._journal.openable import Openable, needs_key
from twake_async.errors import ConfigurationError
from twake_async.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async._protocol.generation import EncodedDraft
    from twake_async.deliveries import Progress
    from twake_async.messages import MessageDraft

    from .breaker import Pace, Server
    from .item import Look

__all__ = ["Plan"]


@attrs.frozen(kw_only=True)
class Plan:
    """How to send a batch: the arguments of `send_many`, checked."""

    in_flight: int
    order: Literal["channel"] | None
    after_unknown: Literal["continue", "hold"]
    hold_after: Literal["unknown", "failure"] | None = None
    rate: float | None
    journal: Openable | None
    on_progress: Callable[[Progress], object] | None
    resume: Literal["report", "resend"]
    key: Callable[[MessageDraft], str] | None
    retry: RetryPolicy | None
    encode: Callable[[MessageDraft], EncodedDraft]
    """Encodes a draft, or raises a `TwakeError`."""
    look: Look
    """Returns the message of a request that an earlier run sent, if a read finds it."""
    pace: Pace
    server: Server
    outage_timeout: float | None
    stop: asyncio.Event | None
    target: str
    """The server and the group; the journal compares them with those of a later run."""

    def __attrs_post_init__(self) -> None:
        check_count("in_flight", self.in_flight)
        if self.order is not None:
            check_choice("order", self.order, ("channel",))
        check_choice("after_unknown", self.after_unknown, ("continue", "hold"))
        if self.hold_after is not None:
            check_choice("hold_after", self.hold_after, ("unknown", "failure"))
        check_choice("resume", self.resume, ("report", "resend"))
        self._check_numbers()
        self._check_kinds()
        for name in ("key", "resume"):
            if self.journal is None and getattr(self, name) not in (None, "report"):
                raise ConfigurationError(f"{name} needs a journal", field=name)

    def _check_numbers(self) -> None:
        for name, unit in (("rate", "messages a second"), ("outage_timeout", "seconds")):
            value = getattr(self, name)
            if value is not None and not _is_positive(value):
                raise ConfigurationError(f"{name} must be a number of {unit}, or None", field=name)

    def _check_kinds(self) -> None:
        for name, kind in (("retry", RetryPolicy), ("stop", asyncio.Event)):
            if getattr(self, name) is not None:
                check_kind(name, getattr(self, name), kind)
        if self.journal is not None:
            self._check_journal(self.journal)
        check_callback("key", self.key)
        check_callback("on_progress", self.on_progress)

    def _check_journal(self, journal: object) -> None:
        if not isinstance(journal, Openable):
            raise ConfigurationError(
                "journal must be a Journal, or a part of a PostgresJournal: journal.part(0)",
                field="journal",
            )
        if self.key is None and needs_key(journal):
            raise ConfigurationError(
                "a part of a journal needs key=, which makes the same key of a message on every "
                "machine",
                field="key",
            )


def _is_positive(number: object) -> bool:
    good = isinstance(number, int | float) and not isinstance(number, bool)
    return good and 0 < number < math.inf  # type: ignore[operator]
