"""A spike of the Node API behind the seam: a login, and the send of a plain message to a channel.

It is a generation as far as it goes, and part of the proof that the attempt loop and the transports
know nothing of one API. What it takes for granted is what was recorded of v2022.Q2.975 and
v2023.Q1.1223: errors come as a 200 with `statusCode`; a 4xx stored nothing; a 500 may have stored.
"""

from __future__ import annotations

import asyncio
import copy
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._arguments import check_group
from twake_async._protocol.exchange import Answer
from twake_async._protocol.failures import judge_failure
from twake_async._protocol.fingerprint import fingerprint
from twake_async._protocol.json_codec import dump, load
from twake_async._protocol.statuses import judge_status, name_proxy
from twake_async.errors import (
    AuthenticationError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TwakeError,
)
from twake_async.messages import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twake_async._arguments import Credentials
    from twake_async._protocol.exchange import Context, Failure, Prepare, Request
    from twake_async._protocol.generation import EncodedDraft, SaveRequest
    from twake_async._protocol.server import Server
    from twake_async.messages import MessageDraft

    Ask = Callable[[Request["Token"], float], Awaitable["Token | TwakeError"]]

__all__ = ["Login", "NewThread", "Node", "PlainMessage", "Token"]

#: Seconds before its end at which a token is not used any more.
MARGIN = 60.0


@attrs.frozen
class Token:
    """What a login gives: it stands for the application until it ends."""

    value: str = attrs.field(repr=False)
    ends: float
    """In Unix seconds, by this machine's clock."""

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends a request."""
        return ((b"Authorization", f"Bearer {self.value}".encode()),)


@attrs.frozen
class Login:
    """A request for a token. The credentials stand in its body."""

    credentials: Credentials
    server: Server

    method = "POST"
    path = "/api/console/v1/login"
    answer_limit = 65_536
    operation = "login"
    front_id = None
    target = None
    repeatable = True
    prepare = None

    @property
    def body(self) -> bytes:
        """The body, built when it is sent."""
        fields = {"id": self.credentials.public_id, "secret": self.credentials.reveal()}
        return json.dumps(fields).encode()

    def headers(self) -> tuple[()]:
        """Return none."""
        return ()

    def judge(self, answer: Answer | Failure, context: Context) -> Token | TwakeError:
        """Return the token, or the error for a message that was not sent for want of one."""
        if not isinstance(answer, Answer):
            failed = judge_failure(answer, self.server)
            if not isinstance(failed, OutcomeUnknownError):
                return failed
            return NotSentError(f"the login was not answered: {answer.detail}", reason="connect")
        try:
            document = load(answer.body)
            if answer.status == 403 and document["statusCode"] == 403:
                return AuthenticationError(
                    f"the server refused the login: {document['message']!r}",
                    reason="authentication",
                    status=403,
                )
            token = document["resource"]["access_token"]
            lifetime = token["expiration"] - token["time"]
            return Token(token["value"], context.now + lifetime - MARGIN)
        except (ValueError, LookupError, TypeError):
            return NotSentError("the answer to the login holds no token", reason="connect")

    def named_by(self, result: Token) -> None:
        """Return None: it names no message."""


@attrs.frozen
class NewThread:
    """A request that sends a message to a channel. Sent twice it is two messages."""

    path: str
    body: bytes = attrs.field(repr=False)
    front_id: str
    node: Node = attrs.field(repr=False)
    prepare: Prepare = attrs.field(repr=False)

    method = "POST"
    answer_limit = 4_194_304
    operation = "create"
    target = None
    repeatable = False

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that say who sends it: those of the token of that moment."""
        return self.node.headers()

    def judge(self, answer: Answer | Failure, context: Context) -> Message | TwakeError:
        """Return the message that an answer proves stored, or the error that it is."""
        server = self.node.server
        if not isinstance(answer, Answer):
            return judge_failure(answer, server)
        if answer.status != 200:
            if answer.status == 401:
                self.node.forget_token()
            return judge_status(answer, self.path, server, context)
        try:
            document = load(answer.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            unreadable = OutcomeUnknownError(
                "the server answered 200 with what is no JSON object", reason="unreadable"
            )
            return name_proxy(unreadable, server)
        if "error" in document:
            return _judge_error(document)
        return self._judge_resource(document.get("resource"), context)

    def _judge_resource(self, found: Any, context: Context) -> Message | TwakeError:
        message = found.get("message") if isinstance(found, dict) else None
        name = found.get("id") if isinstance(found, dict) else None
        if not isinstance(message, dict) or not isinstance(name, str) or message.get("id") != name:
            return _mismatch("names no message")
        if message.get("context") != {"_front_id": self.front_id} or name == context.seen:
            return _mismatch("is about another message")
        return Message(
            id=name,
            front_id=self.front_id,
            channel_id=message["cache"]["channel_id"],
            content=message["text"],
            maybe_duplicated=context.in_doubt,
        )

    def named_by(self, result: Message) -> str:
        """Return the id of the message."""
        return result.id

    def text_was_cut(self, message: Message) -> bool:
        """Say that it was not: this API keeps texts whole."""
        return False


def _mismatch(why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"the server's answer {why}", reason="mismatch", status=200)


def _judge_error(document: dict[str, Any]) -> TwakeError:
    """Return what an error inside a 200 proves: a 4xx stored nothing, a 500 may have."""
    status = document.get("statusCode")
    if document == {"error": "Not found"} or (isinstance(status, int) and 400 <= status < 500):
        words = document.get("message", "Not found")
        return RefusedError(f"the server refused it: {words!r}", reason="status", status=200)
    return OutcomeUnknownError(
        "the server answered with an error that may come after the message was stored",
        reason="server_error",
        status=200,
    )


@attrs.frozen
class PlainMessage:
    """A draft of a plain text, encoded for its request and its fingerprint."""

    draft: MessageDraft
    company: str
    channel: dict[str, str]
    front_id: str
    node: Node = attrs.field(repr=False)

    def fingerprint(self) -> str:
        """Return a hash of what the draft asks for, without its `front_id`."""
        return fingerprint({"channel": self.channel, "text": self.draft.content}, {})

    def request(self, front_id: str | None = None) -> SaveRequest:
        """Return the request that sends it."""
        front_id = front_id or self.front_id
        message = {"text": self.draft.content, "context": {"_front_id": front_id}}
        body = dump({"resource": {"participants": [self.channel]}, "options": {"message": message}})
        path = f"/api/messages/v1/companies/{self.company}/threads"
        return NewThread(path, body, front_id, self.node, self.node.log_in)


@attrs.define(eq=False)
class Node:
    """The Node API, with the credentials of one session; `ask` makes one attempt of a request."""

    server: Server
    credentials: Credentials
    workspace_id: str
    ask: Ask
    _token: Token | None = attrs.field(default=None, init=False, repr=False)
    _login: asyncio.Task[Token | TwakeError] | None = attrs.field(default=None, init=False)

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft:
        """Return the encoded draft of a plain text to a channel."""
        company = check_group(group_id)
        channel = {
            "type": "channel",
            "id": draft.channel_id,
            "company_id": company,
            "workspace_id": self.workspace_id,
        }
        return PlainMessage(draft, company, channel, draft.front_id or str(uuid.uuid4()), self)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of the token that there is."""
        return () if self._token is None else self._token.headers()

    def forget_token(self) -> None:
        """Log in anew before the next attempt: the server does not know the token."""
        self._token = None

    async def log_in(self, seconds: float) -> TwakeError | None:
        """Get a token if there is none; all sends wait for the same login."""
        if self._token is not None and time.time() < self._token.ends:
            return None
        if self._login is None:
            self._login = asyncio.create_task(self._ask_for_token())
        try:
            async with asyncio.timeout(seconds):
                result = await asyncio.shield(self._login)
        except TimeoutError:
            return NotSentError("the deadline passed during the login", reason="deadline")
        # Each send tells its own facts in its error.
        return copy.copy(result) if isinstance(result, TwakeError) else None

    async def _ask_for_token(self) -> Token | TwakeError:
        try:
            result = await self.ask(Login(self.credentials, self.server), 10.0)
        finally:
            self._login = None
        if isinstance(result, Token):
            self._token = result
        return result
