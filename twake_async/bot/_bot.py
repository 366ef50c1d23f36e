"""`Bot`: takes the events of an application, and gives them to their handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal, Self, TypeVar

from twake_async._arguments import Hidden, check_kind
from twake_async.events import Event
from twake_async.messages import Message, MessageRef  # noqa: TC001
from twake_async.session import TwakeSession

from ._asgi import Endpoint
from ._dispatcher import Dispatcher
from ._handling import Handling
from ._queue import EventQueue, Turn
from ._request import Receive, Scope, Send  # noqa: TC001
from ._responses import Responses
from ._router import Router
from ._routes import application_of
from ._settings import Settings, check_seconds, check_secret
from ._waiters import wanted

__all__ = ["Bot"]

E = TypeVar("E", bound=Event)

log: logging.Logger = logging.getLogger("twake_async.bot")


class Bot(Router):
    """An ASGI application that takes what Twake posts, and gives it to handlers.

    It answers a request when its event is queued. Then it handles the event, at most once. Twake
    never posts an event again, so an event that is queued when the process dies is lost. Events of
    one message (or of one channel, if they have no message) are handled one after another. Other
    events are handled at the same time.

    Serve it alone (`twake-async run`, or any ASGI server), or mount it in another application.
    That application must then await `aclose`, because it does not pass on the end of the server.
    The session observes the events of the application itself. They reach no handler.

    Args:
        twake: The session to answer with. A server that runs the bot alone closes it at the end.
        secret: The last part of the event address: `https://bot.example.com/twake/<secret>`.
            Needed over `api="v1"`, whose servers do not sign; False to take events from anybody.
        in_flight: How many events are handled at once.
        queue_size: How many events wait to be handled. The request of a further event waits, too.
        queue_timeout: Seconds that an event waits for a place in the queue. Then it is dropped. A
            server of 2020 waits three seconds for an answer.
        drain: Seconds that `aclose` waits for the handlers.
        require_signature: Whether an event without a signature is refused. None means: over
            `api="node"` only.

    Raises:
        ConfigurationError: An argument cannot work; the error names it.

    """

    def __init__(
        self,
        twake: TwakeSession,
        *,
        secret: str | Literal[False] | None = None,
        in_flight: int = 100,
        queue_size: int = 1000,
        queue_timeout: float = 2.0,
        drain: float = 10.0,
        require_signature: bool | None = None,
    ) -> None:
        hidden: Hidden[object] = Hidden(secret)
        del secret  # tracebacks may show locals
        super().__init__()
        self._twake = check_kind("twake", twake, TwakeSession)
        self._settings = Settings(in_flight, queue_size, queue_timeout, drain)
        self._own_id = twake.public_id.lower()
        self._responses = Responses(twake)
        handling = Handling(self._responses, self._table.all_error_handlers)
        self._endpoint = Endpoint(
            twake.event_parser(require_signature=require_signature),
            check_secret(hidden, twake),
            accept=self.accept,
            health=self._health,
            shut_down=self._shut_down,
        )
        queue = EventQueue(in_flight, queue_size)
        self._dispatcher = Dispatcher(handling.run, queue, queue_timeout)
        twake._sender.expect_echoes()  # noqa: SLF001 - before its first message, not its first event

    def __repr__(self) -> str:
        dispatcher: Dispatcher | None = getattr(self, "_dispatcher", None)
        if dispatcher is None:  # it could not be built, and shows up in a traceback
            return "<Bot>"
        queue, state = dispatcher.queue, " closed" if dispatcher.closing else ""
        return (
            f"<Bot of {self._twake.public_id!r}{state}: {queue.queued} queued, "
            f"{queue.running} running, {self.dropped} dropped>"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI defines it."""
        if scope["type"] == "http":
            await self._endpoint.request(scope, receive, send)
        else:
            await self._endpoint.other(scope, receive, send)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def twake(self) -> TwakeSession:
        """The session that it answers with."""
        return self._twake

    @property
    def dropped(self) -> int:
        """How many events were not handled, or not completely."""
        return self._dispatcher.dropped

    async def accept(self, event: Event) -> bool:
        """Take an event without a request; say whether it will be handled.

        For servers without ASGI: read events with `TwakeSession.event_parser`, and
        answer 200 if this returns True, else 503. It waits up to `queue_timeout` if the queue
        is full.

        Args:
            event: The event.

        """
        application = application_of(event)
        if application is not None and application.lower() == self._own_id:
            # This comes before any wait: a server of 2020 posts the session's own message before
            # it answers the request that made the message.
            self._twake.observe(event)
            return True
        if self._dispatcher.closing:
            return self._dispatcher.drop("the bot is closing")
        self._responses.bind(event)
        if self._dispatcher.waiters.offer(event):
            return True
        routes = self._table.find(event)
        if not routes:
            return True
        message = event.message
        key = event.channel_id if message is None else message.id
        taken = self._dispatcher.add(Turn(event, key, routes))
        return taken if isinstance(taken, bool) else await taken

    async def wait_for(
        self,
        kind: type[E],
        *,
        timeout: float,  # noqa: ASYNC109 - it ends the wait, not what the handler does
        from_: str | Event | None = None,
        message: Message | MessageRef | str | None = None,
        channel_id: str | None = None,
        where: Callable[[E], object] | None = None,
        bots: bool = False,
    ) -> E:
        """Wait for an event, and return it; no handler gets it.

        The first that waits for it gets it. A handler that waits lets other events be handled
        meanwhile, those of its own message or channel included. It continues at most five seconds
        after the event. So it must not hold a lock meanwhile.

        Args:
            kind: The class of the event.
            timeout: Seconds to wait.
            from_: The user that it must come from: an id, or an event of that user.
            message: The message that it must be about.
            channel_id: The channel that it must come from.
            where: Called with an event of the class; says whether it fits.
            bots: Whether messages of other applications fit, too.

        Raises:
            TimeoutError: No event that fits came in time.
            BotClosedError: The bot is closed.
            ConfigurationError: An argument cannot work.

        """
        fitting = wanted(kind, from_, message, channel_id, where, bots=bots)
        seconds = check_seconds("timeout", timeout, positive=True)
        event: E = await self._dispatcher.wait_for(fitting, seconds)
        return event

    async def wait_idle(self) -> None:
        """Wait until no event is queued or handled: for tests, in place of sleeping.

        It does not wait for a handler that waits in `wait_for`.

        Raises:
            RuntimeError: A handler called it, and would wait for itself.

        """
        await self._dispatcher.wait_idle()

    async def aclose(self, drain: float | None = None) -> None:
        """Take no more events, wait some seconds for the handlers, and drop the other events.

        Each call of `wait_for` ends at once, with `BotClosedError`. Dropped events are logged and
        counted in `dropped`. The session stays open. A second call is safe.

        Args:
            drain: Seconds; None for those of the bot, 0 to drop at once.

        Raises:
            ConfigurationError: `drain` is not a number of seconds.

        """
        seconds = self._settings.drain if drain is None else check_seconds("drain", drain)
        await self._dispatcher.aclose(seconds)

    async def _shut_down(self) -> None:
        """Close the bot and its session when the server that runs it alone ends."""
        try:
            await self.aclose()
        finally:
            await self._twake.aclose()

    def _health(self) -> tuple[bool, Mapping[str, object]]:
        """Return whether it takes events, and what `GET …/health` shows."""
        dispatcher, queue = self._dispatcher, self._dispatcher.queue
        return not dispatcher.closing, {
            "status": "closing" if dispatcher.closing else "ok",
            "queued": queue.queued + queue.held,
            "running": queue.running,
            "dropped": dispatcher.dropped,
        }
