"""A request without credentials that stores nothing: only its answer matters. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async.errors import TwakeError

    from .exchange import Answer, Context, Failure

__all__ = ["Question"]

T = TypeVar("T")


@attrs.frozen(eq=False)
class Question(Generic[T]):
    """A request without credentials that no server stores anything for."""

    operation: str
    method: str
    path: str
    body: bytes
    read: Callable[[Answer | Failure, Context], T | TwakeError] = attrs.field(repr=False)
    """Returns what an answer, or the lack of one, says."""

    answer_limit = 4_194_304
    front_id = channel_id = None
    target = None
    repeatable = True
    steps = None

    def headers(self) -> tuple[()]:
        """Return no headers: it does not say who sends it."""
        return ()

    def judge(self, answer: Answer | Failure, context: Context) -> T | TwakeError:
        """Return what an answer, or the lack of one, says."""
        return self.read(answer, context)

    def named_by(self, result: T) -> None:
        """Return None: it names no message, and its connection is not used again."""
