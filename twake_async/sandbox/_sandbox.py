"""The sandbox itself: a world, the faults to come, what was received, and a place to be reached."""

from __future__ import annotations

import asyncio  # noqa: TC003 - resolved by get_type_hints
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from twake_async.sandbox import _php
from twake_async.sandbox._app import ASGIApp, asgi_app
from twake_async.sandbox._door import PATIENCE, Door, checked_names
from twake_async.sandbox._faults import (
    Action,
    Fault,
    Form,
    Refusal,
    Script,
    altered,
    failure,
    formed,
    late,
    refused,
)
from twake_async.sandbox._listener import Listener
from twake_async.sandbox._received import Received, ReceivedRequest, is_check, line, received
from twake_async.sandbox._seed import read_seed
from twake_async.sandbox._server import RELEASES, Request, Response, answer
from twake_async.sandbox._world import World, same_id

if TYPE_CHECKING:
    import httpx

__all__ = ["ReceivedRequest", "Sandbox"]

_logger = logging.getLogger("twake_async.sandbox")
_FAULTY = ("/api/v1/messages/save", "/api/v1/messages/remove")


class Sandbox:
    """A Twake on loopback that answers as the real server does, and keeps everything in memory.

    `with` and `async with` serve it from a thread of its own, so that synchronous code and any
    event loop can reach it; they take a few milliseconds, on entering as on leaving. Without
    them, `.app` and `.transport` answer in-process.

    Args:
        seed: The world to begin with: a mapping in the format of the default seed, or the path of
            a JSON file that holds one. Default: a small company with two channels, three people
            and one application that may do everything.
        release: "2020" answers as v2020.Q3.107 on PHP 8.2 does, "2023" as v2023.Q1.1223 on
            PHP 7.1, which keeps only the first character of plain text.
        port: The port on 127.0.0.1; 0, the default, finds a free one.
        max_messages: How many messages are kept; past it the oldest go. Default: 10,000.
        max_requests: How many received requests are kept; past it, and past 64 MiB of bodies, the
            oldest go. Default: 1,000.
        max_body: The largest body that is read, in bytes; a larger one is answered 413, whoever
            sends it. Default: 1 MiB.
        allow_hosts: Names that a served request may have in its Host header, besides `localhost`
            and the addresses of this machine, such as "host.docker.internal" for a container.
            Other names are answered 421, so that no web page can reach the sandbox through a name
            of its own. Default: none.
        log: Called with one readable line for each request, without secrets. Default: the line
            goes to the logger `twake_async.sandbox` at level INFO.

    Raises:
        ValueError: An unknown release, a bound below 1, or an allowed host that is no name.

    """

    def __init__(
        self,
        seed: Mapping[str, Any] | str | Path | None = None,
        *,
        release: str = "2020",
        port: int = 0,
        max_messages: int = 10_000,
        max_requests: int = 1000,
        max_body: int = 1_048_576,
        allow_hosts: Iterable[str] = (),
        log: Callable[[str], None] | None = None,
    ) -> None:
        if release not in RELEASES:
            raise ValueError(f"unknown release {release!r}: use one of {', '.join(RELEASES)}")
        if max_messages < 1 or max_requests < 1 or max_body < 1:
            raise ValueError("max_messages, max_requests and max_body must be at least 1")
        self.release = release
        self._door = Door(max_body, checked_names(allow_hosts), PATIENCE)
        self.app: ASGIApp = self._asgi_app(Door(max_body))
        """The ASGI application; it works whether or not the sandbox is served, under any Host."""
        self._delay = 0.0
        self._seed = read_seed(seed)
        self._max_messages = max_messages
        self._port = port
        self._lock = threading.RLock()
        self._script = Script()
        self._log = log
        self._requests = Received(max_requests)
        self._world = World.from_seed(self._seed, max_messages=max_messages)
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        where = self.url if self._listener else "not served"
        return f"<Sandbox release={self.release} {where}>"

    # Where it is

    def __enter__(self) -> Self:
        if self._listener is not None:
            raise RuntimeError("this sandbox is being served already")
        listener = Listener(self._asgi_app(self._door), self._port, PATIENCE)
        listener.start()
        self._listener = listener
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            try:
                self._listener.stop()  # until then, requests under way need it
            finally:
                self._listener = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    @property
    def url(self) -> str:
        """Where it is served, "http://127.0.0.1:PORT"; a RuntimeError when it is not."""
        if self._listener is None:
            raise RuntimeError("this sandbox is not being served: use `with` or `async with`")
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """A new httpx transport that answers in-process: nothing needs to be served."""
        from twake_async._transport.http_library import asgi_transport  # noqa: PLC0415

        return asgi_transport(self.app)

    def _asgi_app(self, door: Door) -> ASGIApp:
        return asgi_app(self._handle, lambda: self._delay, self._connection, door)

    def _connection(self, client: Any) -> asyncio.Transport | None:
        """The transport of that client address, if it is served from here."""
        listener = self._listener
        return listener.connections.get(client) if listener else None

    # What is in it

    @property
    def public_id(self) -> str:
        """The id of the seed's first application."""
        return str(self._first("apps")["id"])

    @property
    def private_api_key(self) -> str:
        """The key of the seed's first application."""
        return str(self._first("apps")["key"])

    @property
    def group_id(self) -> str:
        """The id of the seed's first company."""
        return str(self._first("groups")["id"])

    @property
    def channel_id(self) -> str:
        """The id of the seed's first channel."""
        return str(self._first("channels")["id"])

    def _first(self, kind: str) -> Mapping[str, Any]:
        for entry in self._seed.get(kind, {}).values():
            return dict(entry)
        raise LookupError(f"the seed of this sandbox has no {kind}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that `TwakeSession.from_env` reads; the key is among them."""
        return {
            "TWAKE_PUBLIC_ID": self.public_id,
            "TWAKE_PRIVATE_API_KEY": self.private_api_key,
            "TWAKE_GROUP_ID": self.group_id,
            "TWAKE_BASE_URL": self.url,
        }

    def messages(self, channel_id: str | None = None) -> list[dict[str, Any]]:
        """The stored messages, oldest first; replies have a `parent_message_id`.

        A plain text is a string here, whichever form carried it.

        Args:
            channel_id: Of which channel. Default: of all.

        """
        with self._lock:
            found = (
                self._world.messages.values()
                if channel_id is None
                else self._world.in_channel(channel_id)
            )
            return [_with_plain_text(message.as_array()) for message in found]

    def ephemerals(self, channel_id: str) -> list[dict[str, Any]]:
        """The ephemeral messages that a channel was shown, each as it was shown last."""
        with self._lock:
            return [
                _with_plain_text(dict(one))
                for one in self._world.ephemerals.values()
                if same_id(one["channel_id"], channel_id)
            ]

    @property
    def requests(self) -> list[ReceivedRequest]:
        """What was received, oldest first: `max_requests` of them at most."""
        with self._lock:
            return self._requests.all()

    def reset(self) -> None:
        """Begin anew: the seed's world, no faults to come, no delay, nothing received."""
        with self._lock:
            self._world = World.from_seed(self._seed, max_messages=self._max_messages)
            self._requests.clear()
        self._script.clear()
        self._delay = 0.0

    def _handle(self, request: Request, refusal: Response | None) -> tuple[Response, Fault | None]:
        """Carry out one request, as far as the fault that awaits it lets it."""
        faulty = request.method == "POST" and request.path.rstrip("/") in _FAULTY
        asks = faulty and is_check(request.path, _php.decode(request.body))
        fault = self._script.take() if faulty and refusal is None and not asks else None
        with self._lock:
            if refusal is not None:
                response = refusal
            elif fault is None:
                response = self._answer(request)
            else:
                good = self._answer(request) if fault.stores else None
                response = altered(self._world, request, good, fault)
            kept = received(request, response, fault)
            self._requests.add(kept, len(request.body))
        if self._log is not None:
            self._log(line(request, kept, response, fault))
        elif _logger.isEnabledFor(logging.INFO):
            _logger.info("%s", line(request, kept, response, fault))
        return response, fault

    def _answer(self, request: Request) -> Response:
        return answer(self._world, request, release=self.release)

    # What goes wrong

    def fail_next(
        self,
        *,
        before_storing: Action | None = None,
        after_storing: Action | None = None,
        retry_after: float | str | None = None,
        times: int = 1,
    ) -> None:
        """Let the next saves or removes fail, before or after they were carried out.

        Faults queue up: each request meets the first one that waits. The requests of a check, which
        `send_many` makes too, meet none: they save no message. The actions:

        - "close", "reset": the connection ends, with a FIN or an RST, and no byte is answered.
        - "silent": nothing is ever answered.
        - "cut", "cut_chunked", "cut_reset": half of the answer, then the connection ends; after a
          declared length, in chunks, or with an RST.
        - "cut_silent": half of the answer, then nothing more.
        - "drip": the answer comes one byte every 10 ms.
        - "empty", "html": an empty 200; a 200 with an HTML page.
        - "bad_gzip", "cut_json": a 200 that says gzip and is not; a 200 with half of the JSON.
        - "php_trace": a 200 with PHP's fatal error in words.
        - "error_words": a 200 with the error in which the server wraps every exception.
        - "null_object", "null_id": a 200 without a message, or with one whose id is null.
        - "other_message": a 200 with somebody else's message.
        - an integer from 200 to 599: that status.

        In-process, where there is no connection, the actions that end it raise
        ConnectionResetError out of the application.

        Args:
            before_storing: The action, nothing being stored or removed.
            after_storing: The action, after the request was carried out.
            retry_after: The Retry-After header of a status: seconds, or a string as it stands.
                Default: none.
            times: For how many requests. Default: 1.

        Raises:
            ValueError: An unknown action, both or neither of the two given, `times` below 1.

        """
        self._script.add(failure(before_storing, after_storing, retry_after), times)

    def refuse_next(
        self,
        status: int | Refusal = 429,
        *,
        retry_after: float | str | None = None,
        times: int = 1,
    ) -> None:
        """Let the next saves or removes be refused; nothing is stored.

        Args:
            status: A status, or "authentication", "group", "capability" or "privileges" for the
                200 with which the server refuses in words. Default: 429.
            retry_after: The Retry-After header: seconds, or a string as it stands. Default: none.
            times: For how many requests. Default: 1.

        Raises:
            ValueError: An unknown word or status, or `times` below 1.

        """
        self._script.add(refused(status, retry_after), times)

    def answer_next(self, form: Form, *, times: int = 1) -> None:
        """Let the next saves or removes be answered well, in a form that servers and proxies use.

        Args:
            form: "warnings" for PHP warnings in front of the JSON, as text/html; "gzip";
                "chunked"; "connection_close" for an answer that says that the connection ends, and
                does; "hang_up" for one that ends right after the answer, unannounced.
            times: For how many requests. Default: 1.

        Raises:
            ValueError: An unknown form, or `times` below 1.

        """
        self._script.add(formed(form), times)

    def warn_next(self, *, times: int = 1) -> None:
        """Put PHP warnings in front of the next good answers: `answer_next("warnings")`."""
        self.answer_next("warnings", times=times)

    def slow_next(self, seconds: float, *, times: int = 1) -> None:
        """Hold the next good answers back for so many seconds, after they were carried out."""
        self._script.add(late(seconds), times)

    def slow(self, seconds: float) -> None:
        """Hold every answer back for so many seconds, after it was carried out; 0 ends it."""
        self._delay = late(seconds).delay

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Let nothing listen for the length of a `with` block: what is sent then is `NOT_SENT`.

        Connections end as it begins. The port is kept, and served again afterwards.

        Raises:
            RuntimeError: The sandbox is not being served.

        """
        if self._listener is None:
            raise RuntimeError("this sandbox is not being served: use `with` or `async with`")
        with self._listener.paused():
            yield


def _with_plain_text(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, dict) and len(content) == 3:
        text = content.get("original_str")
        if content.get("fallback_string") == text and content.get("prepared") == [text]:
            return message | {"content": text}
    return message
