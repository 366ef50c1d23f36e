"""The result of a line as JSON: for `--results`, and inside its line in a list. No I/O."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import Outcome

from ._lines import RESULT
from ._words import of_delivery

if TYPE_CHECKING:
    from twake_async.deliveries import Delivery

    from ._lines import Line

__all__ = ["LineResult", "result_of", "unsent_result", "with_result"]

_FIRST = re.compile(rf'\{{\s*"{RESULT}"\s*:\s*')
_COMMA = re.compile(r"\s*,?\s*")


@attrs.frozen
class LineResult:
    """The outcome of one line."""

    line: Line
    outcome: Outcome
    reason: str = ""
    error: str = ""
    """The error in a sentence; empty for what was delivered."""
    id: str | None = None
    front_id: str | None = None
    channel_id: str | None = None
    attempts: int = 0
    maybe_duplicated: bool = False
    from_journal: bool = False
    key: str | None = None

    def as_json(self) -> str:
        """Return it as a line of JSON."""
        facts: dict[str, Any] = {
            "line": self.line.number,
            "key": self.key,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "error": self.error,
            "id": self.id,
            "front_id": self.front_id,
            "channel_id": self.channel_id,
            "attempts": self.attempts,
            "maybe_duplicated": self.maybe_duplicated,
            "from_journal": self.from_journal,
        }
        return json.dumps(facts)


def result_of(line: Line, delivery: Delivery) -> LineResult:
    """Return the result of a line that the batch has reported.

    Args:
        line: The line.
        delivery: What the batch reported.

    """
    message, error, draft = delivery.message, delivery.error, line.draft
    sent = message or error or draft
    return LineResult(
        line,
        delivery.outcome,
        reason="" if error is None else error.reason,
        error=line.problem or of_delivery(delivery),
        id=message.id if message else None,
        front_id=(sent.front_id if sent else None) or (draft.front_id if draft else None),
        channel_id=draft.channel_id if draft else None,
        attempts=delivery.attempts,
        maybe_duplicated=message is not None and message.maybe_duplicated,
        from_journal=delivery.from_journal,
        key=delivery.key or line.key,
    )


_NOT_REACHED = {
    Outcome.DELIVERED: "",
    Outcome.UNKNOWN: "an earlier run may have sent it, and this run ended before it began",
}


def unsent_result(line: Line, outcome: Outcome) -> LineResult:
    """Return the result of a line that a run did not reach.

    Args:
        line: The line.
        outcome: What is certain about it, from earlier runs.

    """
    error = line.problem or _NOT_REACHED.get(outcome, "the run ended before it")
    reason = "" if outcome is Outcome.DELIVERED else "stopped"
    draft = line.draft
    return LineResult(
        line,
        outcome,
        reason,
        error,
        channel_id=draft.channel_id if draft else None,
        front_id=draft.front_id if draft else None,
        key=line.key,
    )


def with_result(result: LineResult) -> str:
    """Return a line that can be sent again, with its result as the first member.

    A reader of lines skips that member. A line that is no JSON object is returned as it is.
    """
    source = result.line.source
    try:
        fields = json.loads(source)
    except (ValueError, RecursionError):
        return source
    if not isinstance(fields, dict):
        return source
    facts = {
        "line": result.line.number,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "error": result.error,
    }
    member = f'"{RESULT}": {json.dumps(facts)}'
    rest = _without_result(source, fields)
    return f"{{{member}}}" if rest == "}" else f"{{{member}, {rest}"


def _without_result(source: str, fields: dict[str, Any]) -> str:
    """Return the object after its brace, without the result of an earlier run."""
    if RESULT not in fields:
        return source[1:].lstrip()
    if found := _FIRST.match(source):
        _, end = json.JSONDecoder().raw_decode(source, found.end())
        return source[_COMMA.match(source, end).end() :]  # type: ignore[union-attr]
    return json.dumps({name: value for name, value in fields.items() if name != RESULT})[1:]
