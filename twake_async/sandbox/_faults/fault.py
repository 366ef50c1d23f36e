"""One fault, and the queue of the faults to come."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from twake_async.sandbox._faults.names import ACTIONS, FORMS, NODE_ACTIONS, REFUSALS, REQUEST_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fault", "Script", "failure", "formed", "late", "refused"]

_WRITE = "write"


@define(frozen=True, slots=True)
class Fault:
    """What happens to one request."""

    action: str | int
    """A name of `names.py`, "late", or a status."""
    stores: bool
    """Whether the request is carried out."""
    retry_after: str | None = None
    """The value of Retry-After, for a status."""
    delay: float = 0.0
    """Seconds by which this answer is delayed."""


def failure(
    before_storing: str | int | None,
    after_storing: str | int | None,
    retry_after: float | str | None = None,
) -> Fault:
    """Return a failure before or after the request is carried out.

    Raises:
        ValueError: An unknown action, or not exactly one of the two actions given.

    """
    if (before_storing is None) == (after_storing is None):
        raise ValueError("give either before_storing or after_storing")
    if after_storing in NODE_ACTIONS:
        raise ValueError(f"{after_storing!r} is a failure before storing")
    action = after_storing if before_storing is None else before_storing
    assert action is not None  # noqa: S101
    stores = before_storing is None
    return Fault(_checked(action), stores=stores, retry_after=_header(retry_after))


def refused(status: str | int, retry_after: float | str | None) -> Fault:
    """Return a refusal with a status, or with an error text of the server.

    Raises:
        ValueError: An unknown status or refusal.

    """
    if isinstance(status, str) and status not in REFUSALS:
        raise ValueError(f"unknown refusal {status!r}: use a status, or one of {_list(REFUSALS)}")
    action = status if isinstance(status, str) else _checked(status)
    return Fault(action, stores=False, retry_after=_header(retry_after))


def formed(form: str) -> Fault:
    """Return a good answer in an unusual form.

    Raises:
        ValueError: An unknown form.

    """
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}: use one of {_list(FORMS)}")
    return Fault(form, stores=True)


def late(seconds: float) -> Fault:
    """Return a good answer that is delayed by some seconds.

    Raises:
        ValueError: A negative number of seconds.

    """
    if seconds < 0:
        raise ValueError(f"seconds must not be negative: {seconds!r}")
    return Fault("late", stores=True, delay=float(seconds))


def _header(retry_after: float | str | None) -> str | None:
    text = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    if text is not None and not text.isprintable():
        raise ValueError(f"retry_after is no header: {text!r}")
    return text


def _checked(action: str | int) -> str | int:
    if isinstance(action, str) and action in (*ACTIONS, *NODE_ACTIONS):
        return action
    if isinstance(action, int) and not isinstance(action, bool) and 200 <= action <= 599:
        return action
    choices = f"a status from 200 to 599, or one of {_list(ACTIONS)}"
    raise ValueError(f"unknown action {action!r}: use {choices}")


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


@define(slots=True)
class Script:
    """The queued faults, in order, by the kind of request. Any thread may add one."""

    _waiting: dict[str, deque[Fault]] = field(
        factory=lambda: {kind: deque() for kind in REQUEST_KINDS}
    )
    _lock: threading.Lock = field(factory=threading.Lock)

    def add(self, fault: Fault, times: int, kind: str = _WRITE) -> None:
        """Queue a fault for the next requests that meet no earlier one.

        Args:
            fault: The fault.
            times: For how many requests.
            kind: For which requests: one of `REQUEST_KINDS`.

        Raises:
            ValueError: `times` is no integer, or below 1; the kind is unknown.

        """
        if kind not in REQUEST_KINDS:
            raise ValueError(f"unknown requests {kind!r}: use one of {_list(REQUEST_KINDS)}")
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise ValueError(f"times must be an integer of at least 1, not {times!r}")
        with self._lock:
            self._waiting[kind].extend([fault] * times)

    def take(self, kind: str = _WRITE) -> Fault | None:
        """Return the fault that the next request of its kind meets, and remove it."""
        with self._lock:
            waiting = self._waiting[kind]
            return waiting.popleft() if waiting else None

    def waiting(self) -> list[str]:
        """Return the faults to come, in words, in order."""
        with self._lock:
            return [
                f"{kind}: {fault.action} {'after' if fault.stores else 'before'} storing"
                for kind, waiting in self._waiting.items()
                for fault in waiting
            ][:20]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.clear()
