"""The traffic as JSON for the page: requests, answers, and the outcomes that the sender knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._faults.names import DELIVERIES, SILENCES
from twake_async.sandbox._kinds import kind_of
from twake_async.sandbox._page.redaction import HIDDEN
from twake_async.sandbox._releases.node.server import LOGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._http import Response
    from twake_async.sandbox._page.as_test import Tests
    from twake_async.sandbox._page.redaction import Redaction
    from twake_async.sandbox._traffic import Exchange

__all__ = ["Exchanges"]

_UNANSWERED = (*SILENCES, "later", "cut", "cut_chunked", "cut_reset", "cut_silent")
_GARBLED = ("empty", "html", "bad_gzip", "cut_json", "php_trace", "error_words")
_OTHER = ("null_object", "null_id", "other_message")


@define(frozen=True, slots=True)
class Exchanges:
    """Describes exchanges for the page."""

    redaction: Redaction
    release: str
    apps: Mapping[str, tuple[str, str]]
    """The name of each application and of its command, by id."""
    tests: Tests

    def told(self, exchange: Exchange, settled: str = "") -> dict[str, Any]:
        """Return an exchange as JSON, without secrets.

        Args:
            exchange: The exchange.
            settled: What settled the outcome, if it was unknown at first.

        """
        told = self._event(exchange) if exchange.event is not None else self._request(exchange)
        seconds = exchange.seconds
        return told | {
            "number": exchange.number,
            "at": round(exchange.at, 3),
            "ms": None if seconds is None else round(seconds * 1000),
            "settled": settled,
        }

    # Events

    def _event(self, exchange: Exchange) -> dict[str, Any]:
        posted = exchange.event
        is_good = posted.status is not None and 200 <= posted.status < 300
        name, command = self.apps.get(posted.application_id.lower(), ("application", "bot"))
        event = self.redaction.value(dict(posted.event))
        return {
            "kind": "event",
            "title": "/".join(
                self.redaction.text(one) for one in (posted.type, posted.name) if one
            ),
            "to": name,
            "status": posted.status,
            "outcome": "answered" if is_good else posted.error or "refused",
            "bad": not is_good,
            "fault": "",
            "asked": event,
            "answered": None,
            "test": self.tests.of_event(event, command),
        }

    # Requests

    def _request(self, exchange: Exchange) -> dict[str, Any]:
        request, response, fault = exchange.request, exchange.response, exchange.fault
        assert request is not None and response is not None  # noqa: S101, PT018
        path = request.path.partition("?")[0]
        is_login = path.rstrip("/").endswith(LOGIN)
        asked = HIDDEN if is_login else self.redaction.value(_json(request.body))
        answered = HIDDEN if is_login else self.redaction.value(_json(response.body))
        outcome = self.outcome(exchange)
        return {
            "kind": "call",
            "title": f"{request.method} {self.redaction.text(path)}",
            "to": "Twake",
            "status": None if fault and fault.action in (*SILENCES, "later") else response.status,
            "outcome": outcome,
            "bad": outcome in ("REFUSED", "UNKNOWN") or response.status >= 400,
            "fault": "" if fault is None else _fault_told(fault),
            "asked": asked,
            "answered": answered,
            "test": ""
            if is_login
            else self.tests.of_request(path, asked, answered, fault, outcome),
        }

    def outcome(self, exchange: Exchange) -> str:
        """Return the outcome that the sender of a write knows from the answer; "" if none."""
        request, response, fault = exchange.request, exchange.response, exchange.fault
        if request is None or response is None or kind_of(request, self.release) != "write":
            return ""
        action = "" if fault is None else fault.action
        if action in (*_UNANSWERED, *_GARBLED, *_OTHER):
            return "UNKNOWN"
        if isinstance(action, int) and action not in (401, 429):
            return "UNKNOWN"
        return "REFUSED" if _is_refusal(response) else "DELIVERED"


def _fault_told(fault: Any) -> str:
    if fault.action == "late":
        return f"answered {fault.delay:g} s late"
    if fault.action in DELIVERIES and fault.stores:
        return f"{fault.action}, after it was stored"
    return f"{fault.action}, {'after' if fault.stores else 'before'} storing"


def _is_refusal(response: Response) -> bool:
    value = _json(response.body)
    if response.status >= 400:
        return True
    if not isinstance(value, dict):
        return False
    status = value.get("statusCode")
    return "error" in value or (isinstance(status, int) and status >= 400)


def _json(body: bytes) -> Any:
    """Return a body as JSON, or as text if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
