"""`TwakeSession`: the life cycle, and the calls that people await."""

from __future__ import annotations

import asyncio  # noqa: TC003
import os  # noqa: TC003
import ssl  # noqa: TC003
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from ._arguments import Hidden, check_credentials, from_environment, taken_out
from ._batch.engine import Plan, stream
from ._generations import Wanted
from ._lifetime import Life
from ._sender import draft_of_edit, draft_of_reply
from ._setup import Way, set_up
from .check import Check  # noqa: TC001
from .deliveries import Delivery, Drafts, Progress  # noqa: TC001
from .errors import ConfigurationError
from .journal import Journal  # noqa: TC001
from .messages import Message, MessageDraft, MessageRef, ReaderUpdate, ReplyTarget
from .resources import Channels, Dialogs, Files, Messages, Users
from .resources._caller import Caller, Limits
from .resources._channels import find_direct
from .retry import Attempt, RetryBudget, RetryPolicy

if TYPE_CHECKING:
    import httpx
    import httpx2

    from .events import Event, Parser

__all__ = ["TwakeSession"]


class TwakeSession:
    """Sends messages to one Twake server; one a process and event loop, safe for many tasks.

    Use it as `async with TwakeSession(...) as twake:`. It belongs to the event loop that first
    sends with it. A call that is cancelled ends at once, gives up its connection and leaves the
    session as good as before; what became of its message only `on_attempt` is told.

    Args:
        public_id: The application's public id.
        private_api_key: The application's private key; it shows in no repr, log or traceback.
        group_id: The group (company) of the messages, unless a call names another.
        base_url: The server's address. Plain http only to this machine, or with
            `allow_plain_http`.
        deadline: Seconds for one send, all attempts and waits included.
        retry: When a send is tried again.
        retry_budget: How many retries all sends together may spend; None for no limit.
        max_connections: How many connections at the most: how many sends are under way at once.
        api: `"v1"` for servers of 2020 to 2022, `"node"` for those of 2022 on; `check` tells which
            a server serves.
        workspace_id: Over `api="node"`, the workspace of the channels, unless a draft says it;
            `"direct"` for direct channels.
        join_threads: Over `api="node"`, whether the application takes part in a thread of users
            where a server of 2023 would refuse its reply.
        text_form: Over `api="v1"`, `"portable"` sends a text in the form that every release shows
            whole, `"plain"` as the documented string, of which some releases keep only the first
            letter. See `TextCutWarning`.
        trusted_statuses: Statuses, such as 403 and 404, that your gateway says only before it
            forwards a request. A message that meets one is `REFUSED`; otherwise it is `UNKNOWN`,
            since a gateway may say nearly any status after the server has stored the message.
        verify: A TLS context, the path of a CA bundle, or whether to check certificates.
        proxy: The address of a proxy, `"env"` to look into the environment (for another host than
            this machine), None for no proxy.
        http_client: An `AsyncClient` of httpx or httpx2, or one of its shape, to send through. It
            stays yours to close, and its failures prove nothing: they are `UNKNOWN`.
        transport: A transport of httpx or httpx2 to send through; the same holds for it. Or
            `"httpx2"`: pooled connections over httpx2 in place of httpx; it needs
            `pip install "twake-async[httpx2]"`. Or `"fast"`: connections of our own, for a quarter
            of the CPU; it needs `pip install "twake-async[fast]"`. The outcomes are the same.
        allow_plain_http: Whether plain http may carry the key over a network.
        on_attempt: Called with the facts of each attempt; it must not block.

    Raises:
        ConfigurationError: An argument cannot work; the error names it (outcome `NOT_SENT`).

    """

    channels: Channels
    """Calls about channels: where messages go."""
    users: Users
    """Calls about people."""
    files: Files
    """Calls about files: the drive of a workspace."""
    messages: Messages
    """Calls about messages that are there, over `api="node"`."""
    dialogs: Dialogs
    """Calls about dialogs, which open in a user's browser."""

    # A session that could not be built shows up in tracebacks all the same.
    _public_id = _base_url = ""
    _life = Life()

    def __init__(
        self,
        public_id: str,
        private_api_key: str,
        *,
        group_id: str | None = None,
        base_url: str = "https://api.twake.app",
        api: Literal["v1", "node"] = "v1",
        workspace_id: str | None = None,
        deadline: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        retry_budget: RetryBudget | None = RetryBudget(),  # noqa: B008 - frozen
        max_connections: int = 100,
        join_threads: bool = True,
        text_form: Literal["plain", "portable"] = "portable",
        trusted_statuses: Collection[int] = frozenset(),
        verify: ssl.SSLContext | str | os.PathLike[str] | bool = True,
        proxy: httpx.Proxy | httpx2.Proxy | str | None = "env",
        http_client: httpx.AsyncClient | httpx2.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport
        | httpx2.AsyncBaseTransport
        | Literal["fast", "httpx2"]
        | None = None,
        allow_plain_http: bool = False,
        on_attempt: Callable[[Attempt], object] | None = None,
    ) -> None:
        # The key, and what may hold a password, leave this frame before anything can raise:
        # tracebacks may show locals.
        credentials = check_credentials(public_id, private_api_key)
        address, through = Hidden(base_url), Hidden(proxy)
        del private_api_key, base_url, proxy
        if isinstance(credentials, ConfigurationError):
            raise credentials
        self._public_id, self._credentials = credentials.public_id, credentials
        wanted = Wanted(api, text_form, workspace_id, join_threads)
        way = Way(
            address,
            allow_plain_http,
            max_connections,
            trusted_statuses,
            http_client,
            transport,
            verify,
            through,
        )
        self._base_url, self._sender = set_up(
            credentials,
            way,
            wanted,
            group_id=group_id,
            deadline=deadline,
            retry=retry,
            retry_budget=retry_budget,
            on_attempt=on_attempt,
        )
        self._attempts, self._life = self._sender.attempts, self._sender.life
        self._caller = Caller(self._sender, credentials.public_id)
        self.channels, self.users = Channels(self._caller), Users(self._caller)
        self.messages, self.dialogs = Messages(self._caller), Dialogs(self._caller)
        self.files = Files(self._caller)

    @classmethod
    def from_env(cls, **overrides: Any) -> Self:
        """Return a session set up by the environment.

        Reads `TWAKE_PUBLIC_ID` and `TWAKE_PRIVATE_API_KEY`, and where they are set
        `TWAKE_GROUP_ID`, `TWAKE_BASE_URL`, `TWAKE_API` and `TWAKE_WORKSPACE_ID`.

        Args:
            **overrides: Arguments of the session that go before the environment's.

        Raises:
            ConfigurationError: A variable is missing or cannot work; the error names it.

        """
        from_environment(overrides)
        # Emptied in the call: a frame that held the key might show it in a traceback.
        return cls(**taken_out(overrides))

    def __repr__(self) -> str:
        state = " closed" if self._life.closed else ""
        return f"<TwakeSession {self._public_id!r} at {self._base_url!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a TwakeSession is not pickled: it holds connections and a key; build one in each "
            "process, with TwakeSession.from_env() perhaps"
        )

    async def __aenter__(self) -> Self:
        self._life.check()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self, *, drain: float = 5.0) -> None:
        """Close the session: no new sends, those under way get `drain` seconds, then all closes.

        Safe to call twice. A send that is cut off so ends as the evidence says: `UNKNOWN` where
        its request had begun to leave.

        Args:
            drain: Seconds; 0 to cut off at once.

        """
        await self._life.end(drain, self._sender.aclose)

    def observe(self, event: Event) -> None:
        """Take an event that Twake posted: over `api="v1"` it may settle a message under way.

        A server of 2020 posts a new message to the applications that listen to its channel, also
        to the one that sent it, after it has stored the message and before it answers. So a send
        whose answer is lost ends in `DELIVERED`, with the message of the event. Give it all events
        of the application, before you answer them. The first one turns this on, for the messages
        that are sent after it. A `Bot` does all this itself.

        An event counts only if the server made it, of a message of this application whose
        `front_id` the session minted for a send that is under way, with the same channel, parent
        and content. Any other event changes nothing. May be called from any thread.

        Args:
            event: What `twake_async.events.parse` returned.

        Raises:
            ConfigurationError: It is no `Event`.
            WrongEventLoopError: The session was made in another process, before a fork.

        """
        self._sender.observe(event)

    @property
    def public_id(self) -> str:
        """The application's public id."""
        return self._public_id

    @property
    def group_id(self) -> str | None:
        """The group (company) of the messages, unless a call names another."""
        return self._sender.group_id

    @property
    def api(self) -> Literal["v1", "node"]:
        """The API that it speaks: `"v1"` or `"node"`."""
        return "node" if self._sender.api.name == "node" else "v1"

    def event_parser(
        self, *, require_signature: bool | None = None, remember: int = 10_000
    ) -> Parser:
        """Return what reads the events that the server posts to this application.

        It has the session's API and key, so that nobody need repeat the key.

        Args:
            require_signature: Whether an event without a signature is refused. None means: over
                `api="node"` only, as v1 servers do not sign.
            remember: How many ids of new messages to remember.

        Raises:
            ConfigurationError: An argument is wrong (outcome `NOT_SENT`).

        """
        from .events import Parser  # noqa: PLC0415 - who only sends need not wait for its import

        return Parser(
            api=self.api,
            private_api_key=self._credentials.reveal(),
            require_signature=require_signature,
            remember=remember,
        )

    async def send_message(
        self,
        channel_id: str,
        content: Any,
        *,
        parent_message_id: str | None = None,
        ephemeral: bool = False,
        ephemeral_to: Sequence[str] = (),
        connection_id: str | None = None,
        hidden_data: Mapping[str, Any] | None = None,
        sender: str | None = None,
        front_id: str | None = None,
        workspace_id: str | None = None,
        read_back: bool = False,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send a new message and return it as the server has it.

        Args:
            channel_id: The channel to show it in.
            content: A string, a Twacode node, or a list of both.
            parent_message_id: The message to reply to.
            ephemeral: Show it without storing it.
            ephemeral_to: The ids of the only users to show an ephemeral message to: over
                `api="node"` exactly one.
            connection_id: Over `api="node"`, the connection of that user, from an event.
            hidden_data: Data that comes back with each interaction.
            sender: A user's id, a member of the channel, to show it in their name.
            front_id: Your own id for it; minted when None.
            workspace_id: The workspace of the channel over `api="node"`, if not the session's.
            read_back: Over `api="node"`, whether a read confirms what the server said: a message
                that the read does not show is `UNKNOWN`. It costs a request more.
            group_id: The group, if not the session's.
            deadline: Seconds for this send, if not the session's.
            retry: The policy for this send, if not the session's.

        Raises:
            InvalidDraftError: The message cannot be sent as it is (`NOT_SENT`).
            RefusedError: The server answered, and stored nothing (`REFUSED`).
            NotSentError: No server can have acted on it (`NOT_SENT`).
            OutcomeUnknownError: It may or may not be in the channel (`UNKNOWN`).
            asyncio.CancelledError: Carries no outcome; use `deadline`, not `asyncio.timeout`,
                to know what became of a message.

        """
        draft = MessageDraft(
            channel_id,
            content,
            parent_message_id=parent_message_id,
            ephemeral=ephemeral,
            ephemeral_to=ephemeral_to,
            connection_id=connection_id,
            hidden_data=hidden_data,
            sender=sender,
            front_id=front_id,
            workspace_id=workspace_id,
        )
        return await self._sender.send(
            draft, group_id=group_id, deadline=deadline, retry=retry, read_back=read_back
        )

    async def reply(
        self,
        to: Message | MessageRef | ReplyTarget,
        content: Any,
        *,
        ephemeral: bool = False,
        hidden_data: Mapping[str, Any] | None = None,
        sender: str | None = None,
        front_id: str | None = None,
        read_back: bool = False,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send a reply in the thread of a message, and return it as the server has it.

        Args:
            to: A message at the root or a reply itself, what finds it, or an event about it.
            content: A string, a Twacode node, or a list of both.
            ephemeral: Show it only to the user of the event, without storing it.
            hidden_data: Data that comes back with each interaction.
            sender: A user's id, a member of the channel, to show it in their name.
            front_id: Your own id for it; minted when None.
            read_back: As for `send_message`.
            group_id: The group, if not the session's.
            deadline: Seconds for this send, if not the session's.
            retry: The policy for this send, if not the session's.

        Raises:
            TwakeError: As for `send_message`.

        """
        draft = draft_of_reply(
            to,
            content,
            ephemeral=ephemeral,
            hidden_data=hidden_data,
            sender=sender,
            front_id=front_id,
        )
        return await self._sender.send(
            draft, group_id=group_id, deadline=deadline, retry=retry, read_back=read_back
        )

    async def send(
        self,
        draft: MessageDraft,
        *,
        read_back: bool = False,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send a draft, new or with the `id` of a message to edit, and return the message.

        Arguments and errors are those of `send_message`.
        """
        return await self._sender.send(
            draft, group_id=group_id, deadline=deadline, retry=retry, read_back=read_back
        )

    def send_many(
        self,
        drafts: Drafts,
        *,
        in_flight: int = 10,
        order: Literal["channel"] | None = "channel",
        after_unknown: Literal["continue", "hold"] = "continue",
        hold_after: Literal["unknown", "failure"] | None = None,
        rate: float | None = None,
        journal: Journal | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        resume: Literal["report", "resend"] = "report",
        key: Callable[[MessageDraft], str] | None = None,
        outage_timeout: float | None = 300.0,
        stop: asyncio.Event | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncGenerator[Delivery, None]:
        """Send all drafts while it is iterated, and yield one `Delivery` for each as it ends.

        Before its first message it makes the requests of `check`, unless the session has already
        delivered to the group or checked it, and ends if no message could be taken.

        It holds a bounded number of drafts however long the input and slow the consumer: at most
        `11 * in_flight` that have not been yielded. No bad draft ends it. Left early, it takes
        nothing more and lets what is in flight end; `contextlib.aclosing` waits for that.
        Cancelled, it cancels what is in flight.

        Args:
            drafts: An iterable or an async iterable of any length: of drafts, of mappings
                with their fields, or of tuples of a channel's id and a content. A generator is
                closed when the batch ends.
            in_flight: How many are under way at once.
            order: `"channel"`: the messages to one channel arrive in the order given, retries
                included. None: as fast as connections allow.
            after_unknown: `"hold"` is another way to say `hold_after="unknown"`.
            hold_after: `"unknown"` sends nothing more to a channel after an `UNKNOWN`, and
                reports the rest of it as `NOT_SENT`; `"failure"` does so after any end but
                `DELIVERED`. None holds no channel.
            rate: Messages a second at the most; None for no limit.
            journal: Where intents and outcomes are kept, so that a later call with the same input
                goes on where this one ended.
            on_progress: Called with the `Progress` each time that a draft ends, also after the
                iterator was left, and with each pause; it must not block.
            resume: With a journal: what to do with a message that an earlier run left unknown:
                `"report"` it as `UNKNOWN`, or `"resend"` it, which may show it twice. Over
                `api="node"` a look comes first, and what it finds is `DELIVERED`.
            key: With a journal: makes the key of a draft; None for its position in the input.
            outage_timeout: Seconds. A batch pauses while the server seems to be down, and ends
                after a pause of so long, the rest `NOT_SENT`; None for no limit.
            stop: An event that ends the batch once it is set: nothing more is taken or begun, and
                what is on its way ends and is yielded.
            group_id: The group, if not the session's.
            deadline: Seconds for each message, if not the session's.
            retry: The policy for each message, if not the session's.

        Raises:
            ConfigurationError: An argument cannot work; raised at once, unless it is that there
                is no group, which ends the batch at its first message.
            JournalError: The journal cannot be used, or its input was changed. What had begun
                was yielded before.
            RefusedError: The check found that the address, the credentials, the group or a
                capability is wrong; its message says what to fix. What was taken was yielded as
                `NOT_SENT`, and no message was sent.
            NotSentError: The server was down for `outage_timeout`, or three pauses in a row
                brought no message through; again all that was taken was yielded.
            SessionClosedError: The session was closed; again all that was taken was yielded.
            WrongEventLoopError: No asyncio event loop is running, as under trio.
            BaseException: What the input raised, after all that was taken from it was yielded. What
                `key`, `on_progress` or `on_attempt` raised, if it is no `Exception`: what is on its
                way ends and is yielded first, the rest as `NOT_SENT`.

        """
        send, needs = self._sender.batch(self._base_url, group_id, deadline, retry)
        plan = Plan(
            in_flight=in_flight,
            order=order,
            after_unknown=after_unknown,
            hold_after=hold_after,
            rate=rate,
            journal=journal,
            on_progress=on_progress,
            resume=resume,
            key=key,
            pace=self._attempts,
            outage_timeout=outage_timeout,
            stop=stop,
            **needs,
        )
        return stream(drafts, send, plan)

    async def edit_message(
        self,
        message: Message | MessageRef,
        content: Any = None,
        *,
        hidden_data: Mapping[str, Any] | None = None,
        pinned: bool | None = None,
        user_specific: Sequence[ReaderUpdate] = (),
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Change a message and return it as the server has it now.

        Over `api="node"` what is not given stays as it is.

        Over `api="v1"`, servers of mid-2021 and later replace the whole message. So an edit of a
        `Message` sends what that object holds where nothing is given: its content, its hidden
        data, and that it is pinned. A `MessageRef` knows none of them: give the content, and give
        `hidden_data` and `pinned` if the message has them, or such a server drops them. A server
        of 2020 keeps what is not given.

        An edit is idempotent, so it is tried again after a lost answer.

        Args:
            message: The message, or what finds it. A reply is found only with its parent.
            content: The new content; None sends the content of the `Message`, `""` wipes it.
            hidden_data: The new hidden data; None sends that of the `Message`.
            pinned: Whether to pin it; None leaves a pinned `Message` pinned.
            user_specific: What single readers see in keyed nodes: a `UserSpecific` for each.
            group_id: The group, if not the session's.
            deadline: Seconds for this edit, if not the session's.
            retry: The policy for this edit, if not the session's.

        Raises:
            InvalidDraftError: A `MessageRef` without content (`NOT_SENT`).
            TwakeError: As for `send_message`. The server's words for a message that it cannot
                find cover other errors too, so that one is an `OutcomeUnknownError`.

        """
        draft = draft_of_edit(
            message,
            content,
            hidden_data=hidden_data,
            pinned=pinned,
            user_specific=user_specific,
            replaces=self._sender.api.edit_replaces,
        )
        return await self._sender.send(draft, group_id=group_id, deadline=deadline, retry=retry)

    async def remove_message(
        self,
        message: Message | MessageRef,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Ask the server to remove a message.

        Returns nothing, since the server echoes the request whether or not anything was there to
        remove (wire cases 24, 24b, 24d): a return means that the server took the request, no
        more. Over `api="v1"`, a message with replies stays.

        Args:
            message: The message, or what finds it.
            group_id: The group, if not the session's.
            deadline: Seconds for this call, if not the session's.
            retry: The policy for this call, if not the session's.

        Raises:
            TwakeError: As for `send_message`.

        """
        await self._sender.remove(message, group_id=group_id, deadline=deadline, retry=retry)

    async def send_direct(
        self,
        user_id: str,
        content: Any,
        *,
        hidden_data: Mapping[str, Any] | None = None,
        front_id: str | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send a message to one person, and return it as the server has it.

        It asks for the application's own channel with that person first (`channels.direct`), so
        it costs two requests: to write again, keep the `channel_id` of the message.

        Args:
            user_id: The user's id, as an event names it.
            content: A string, a Twacode node, or a list of both.
            hidden_data: Data that comes back with each interaction.
            front_id: Your own id for it; minted when None.
            group_id: The group, if not the session's.
            deadline: Seconds for both requests, if not the session's.
            retry: The policy for both, if not the session's.

        Raises:
            NotFoundError: The server knows no such user (`REFUSED`).
            NotSentError: As for `send_message`; or the channel was not found, since the answer to
                that request was lost (reason `channel`).
            ConfigurationError: The session has `api="node"`, which has no such call.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        channel, left = await find_direct(self.channels, user_id, limits)
        return await self.send_message(
            channel.id,
            content,
            hidden_data=hidden_data,
            front_id=front_id,
            group_id=group_id,
            deadline=left,
            retry=retry,
        )

    async def call(
        self,
        route: str,
        fields: Mapping[str, Any],
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> dict[str, Any]:
        """Send fields to any route of `api="v1"`, and return what the server answered.

        The routes of calendars and tasks are reached so. What is known of a route's answer is that
        the server answered no error: so a return means that the server took the request. A call
        whose answer is lost is not sent again.

        Args:
            route: The route below `/api/v1/`, such as `"tasks/task/save"`.
            fields: What to send; the group is added, and must not stand in it.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: It is no route, or the session has another API.
            InvalidDraftError: The fields cannot be sent as JSON, or name the group.
            TwakeError: As for `send_message`. The words "unknown error" may follow a write, so
                that they are an `OutcomeUnknownError`.

        """
        request = self._caller.call(route, fields, group_id)
        return await self._caller.make(request, Limits(group_id, deadline, retry))

    async def check(self, *, group_id: str | None = None, deadline: float | None = None) -> Check:
        """Return whether the server would take messages, and if not, what to fix.

        It makes five requests at most, and no known release stores anything for them. The first
        two are made with the session's API. Over `api="v1"` they verify the address, the
        credentials, the group and the `messages_save` capability; over `api="node"` the address
        and the credentials. The other three find out which APIs the server serves, and its
        release, and take five seconds at most. No request is made twice. It cannot tell whether a
        channel exists, nor over `api="node"` a group or a workspace.

        Args:
            group_id: The group, if not the session's.
            deadline: Seconds for all requests, if not the session's.

        Raises:
            ConfigurationError: There is no group.

        Source: wire cases 19g, 19j and 21b of v1, and `list-thread-unknown`, `right-ip` and
        `probe-*` of Node.

        """
        return await self._sender.check_all(group_id, deadline)
