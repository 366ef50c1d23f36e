"""The requests of a session that are not sends: reads of messages, and joining a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from twake_async._protocol.documents import mismatch
from twake_async._protocol.json_codec import dump
from twake_async._protocol.subjects import CALL
from twake_async.errors import TwakeError

from .answers import read_answer
from .api import Api, Token, company_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from twake_async._protocol.exchange import Answer, Context, Failure, Steps
    from twake_async._protocol.subjects import Subject

    from .requests import Place

__all__ = ["Ask", "Page", "Rows", "join", "pages", "read_message"]

T = TypeVar("T")

#: What a read gives: messages as the server has them.
Rows = Sequence[Mapping[str, Any]]

#: The most messages of one read, and the most reads of one look.
PAGE, PAGES = 100, 3


@attrs.define(eq=False)
class Ask(Generic[T]):
    """A request that stores no message; `read` returns what its answer's document says."""

    path: str
    operation: str
    api: Api = attrs.field(repr=False)
    read: Callable[[Mapping[str, Any]], T | TwakeError] = attrs.field(repr=False)
    method: str = "GET"
    body: bytes = b""
    target: str | None = None
    """The message that it is about, if any; the answer names it if the message exists."""
    steps: Steps[T] | None = attrs.field(default=None, repr=False)
    """What the session does around its attempts; None where the caller of the read does it."""
    subject: Subject = CALL
    """What its errors are about."""
    used: Token | None = attrs.field(default=None, init=False, repr=False)
    """The access token that the last attempt was sent with."""

    answer_limit = 33_554_432
    front_id = channel_id = None
    repeatable = True

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it: the current token."""
        self.used = token = self.api.token
        return () if token is None else (token.header,)

    def judge(self, answer: Answer | Failure, context: Context) -> T | TwakeError:
        """Return what an answer says, or the error that there is none."""
        document = read_answer(
            answer, self.path, self.answer_limit, self.api, context, subject=self.subject
        )
        return document if isinstance(document, TwakeError) else self.read(document)

    def named_by(self, result: T) -> str | None:
        """Return the id of the message that an answer named, or None.

        Without such an id, its connection is not used again.
        """
        return self.target if result is not False else None


def _rows(document: Mapping[str, Any]) -> Rows | TwakeError:
    rows = document.get("resources")
    if not isinstance(rows, list):
        return mismatch("holds no messages")
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


@attrs.frozen
class Page:
    """What a look has read so far, and what ended it."""

    rows: Rows
    error: TwakeError | None = None
    """Why the rows are incomplete; None if they are complete."""
    token: Token | None = None
    """The access token of the read that failed."""


def pages(place: Place, api: Api) -> Generator[Ask[Rows], Rows | TwakeError, Page]:
    """Yield reads of the latest messages of a place, receive each result, and return all rows.

    The place is a thread, or a channel with the first messages of its threads.

    Args:
        place: The place.
        api: The API to ask.

    """
    found: dict[str, Mapping[str, Any]] = {}
    after = ""
    for _ in range(PAGES):
        ask = Ask(_path(place, after), "look", api, _rows)
        rows = yield ask
        if isinstance(rows, TwakeError):
            return Page(list(found.values()), rows, ask.used)
        if not rows:
            break
        before = len(found)
        found.update((row["id"], row) for row in rows)
        # A feed runs from old to new, a thread from new to old; each page begins with the row
        # that it is asked after.
        after = rows[-1 if place.thread else 0]["id"]
        if len(rows) < PAGE or len(found) == before:
            break
    return Page(list(found.values()))


def _path(place: Place, after: str) -> str:
    if place.thread:
        path = company_path(place.company, "threads", place.thread, "messages")
    else:
        channel = ("workspaces", place.workspace, "channels", place.channel, "feed")
        path = company_path(place.company, *channel)
    # Without this direction the server gives the oldest messages.
    path += f"?limit={PAGE}&direction=history"
    return f"{path}&page_token={quote(after, safe='')}" if after else path


def read_message(place: Place, message_id: str, api: Api) -> Ask[bool]:
    """Return the request that finds out whether the server has a message.

    Args:
        place: Where it stands.
        message_id: Its id.
        api: The API to ask.

    """

    def read(document: Mapping[str, Any]) -> bool | TwakeError:
        found = document.get("resource", False)
        if isinstance(found, dict):
            return bool(found.get("id") == message_id)
        return False if found is None else mismatch("holds no message")

    thread = place.thread or message_id
    path = company_path(place.company, "threads", thread, "messages", message_id)
    return Ask(path, "read_back", api, read, target=message_id)


def join(place: Place, api: Api) -> Ask[bool]:
    """Return the request by which the application joins a thread.

    Source: the recorded case `thread-add-self`.

    Args:
        place: Where the thread is.
        api: The API to ask.

    """
    me = api.application_id

    def read(document: Mapping[str, Any]) -> bool | TwakeError:
        thread = document.get("resource")
        people = thread.get("participants") if isinstance(thread, dict) else None
        if not isinstance(people, list):
            return mismatch("holds no thread")
        return any(isinstance(one, dict) and api.is_ours(one) for one in people)

    change = {"add": [{"type": "user", "id": me}], "remove": []}
    body = dump({"resource": {}, "options": {"participants": change}})
    path = company_path(place.company, "threads", place.thread)
    return Ask(path, "join", api, read, "POST", body)
