"""A request to any route of this API, and what its answer proves. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from twake_async._protocol.exchange import Answer
from twake_async._protocol.json_codec import check_json, dump
from twake_async._protocol.subjects import CALL
from twake_async.errors import OutcomeUnknownError, TwakeError

from .answers import read_answer
from .api import ROOT, Api
from .refusals import judge_words, refused_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async._protocol.exchange import Context, Failure
    from twake_async._protocol.subjects import Subject

__all__ = ["Call", "encode_call"]

T = TypeVar("T")


@attrs.frozen(eq=False)
class Call(Generic[T]):
    """A request to one route; `read` returns what its answer's document says."""

    route: str
    """The route below `/api/v1/`, such as `"users/get"`."""
    body: bytes = attrs.field(repr=False)
    read: Callable[[Mapping[str, Any]], T | TwakeError] = attrs.field(repr=False)
    api: Api = attrs.field(repr=False)
    repeatable: bool = False
    target: str | None = None
    """The id of what it is about, which a good answer names; None where it names nothing."""
    crash: str | None = None
    """What an empty 500 may mean on this route; None where it means only that PHP failed."""
    subject: Subject = CALL
    """What its errors are about."""

    method = "POST"
    answer_limit = 33_554_432
    front_id = channel_id = None
    steps = None

    @property
    def path(self) -> str:
        """The path on the server."""
        return ROOT + self.route

    @property
    def operation(self) -> str:
        """The route, for the log."""
        return self.route

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it."""
        return self.api.headers()

    def judge(self, answer: Answer | Failure, context: Context) -> T | TwakeError:
        """Return what an answer says, or the error that it means."""
        document = read_answer(
            answer, self.path, self.answer_limit, self.api, context, _judge, self.subject
        )
        if self.crash is not None and isinstance(answer, Answer) and _crashed(answer):
            return OutcomeUnknownError(self.crash, reason="status", status=500)
        return document if isinstance(document, TwakeError) else self.read(document)

    def named_by(self, result: T) -> str | None:  # noqa: ARG002
        """Return the id that the answer named, or None.

        Without an id, its connection is not used again.
        """
        return self.target


def _judge(document: Mapping[str, Any]) -> TwakeError:
    return refused_arguments(document) or judge_words(document)


def _crashed(answer: Answer) -> bool:
    return answer.status == 500 and not answer.body.strip()


def encode_call(
    route: str,
    document: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], T | TwakeError],
    api: Api,
    *,
    repeatable: bool,
    target: str | None = None,
    crash: str | None = None,
    subject: Subject = CALL,
) -> Call[T]:
    """Return the request to a route.

    Args:
        route: The route below `/api/v1/`.
        document: What to send.
        read: Returns what the document of a good answer says.
        api: The API to ask, and who asks.
        repeatable: Whether to send it twice has the effect of once.
        target: The id of what it is about, if a good answer names it.
        crash: What an empty 500 may mean on this route.
        subject: What its errors are about.

    Raises:
        InvalidDraftError: The document cannot be sent as JSON (outcome `NOT_SENT`).

    """
    check_json("fields", document)
    return Call(route, dump(document), read, api, repeatable, target, crash, subject)
