"""`TwakeSession`: the life cycle, and the calls that people await."""

from __future__ import annotations

import asyncio  # noqa: TC003
import os  # noqa: TC003
import ssl  # noqa: TC003
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from ._arguments import Hidden, check_credentials, from_environment, taken_out
from ._attempts.lifetime import Life
from ._batch.engine import Plan, stream
from ._batch.partitions import send_parts
from ._sending.generations import Wanted
from ._sending.sender import draft_of_edit, draft_of_reply
from ._sending.setup import Way, set_up
from .check import Check  # noqa: TC001
from .deliveries import Delivery, Drafts, Progress  # noqa: TC001
from .errors import ConfigurationError
from .journal import Journal  # noqa: TC001
from .messages import Message, MessageDraft, MessageRef, ReaderUpdate, ReplyTarget
from .postgres import JournalPart, PostgresJournal  # noqa: TC001
from .resources import Channels, Dialogs, Files, Messages, Users
from .resources._caller import Caller, Limits
from .resources._channels import find_direct
from .retry import Attempt, RetryBudget, RetryPolicy
from .stats import Stats  # noqa: TC001

if TYPE_CHECKING:
    import httpx
    import httpx2

    from .events import Event, Parser

__all__ = ["TwakeSession"]


class TwakeSession:
    """Sends messages to one Twake server. Make one for each process; many tasks can share it.

    Use it as `async with TwakeSession(...) as twake:`. It belongs to the event loop that first
    sends with it. A cancelled call ends at once and closes its connection; the session works on.
    Only `on_attempt` is told the outcome of a cancelled send.

    Args:
        public_id: The application's public id.
        private_api_key: The application's private key. No repr, log or traceback shows it.
        group_id: The group (company) of the messages, unless a call names another.
        base_url: The server's address. Plain http is allowed only to this machine, or with
            `allow_plain_http`.
        deadline: Seconds for one send, with all its attempts and waits.
        retry: When a send is tried again.
        retry_budget: How many retries all sends together may make; None for no limit.
        max_connections: The limit of connections, and so of sends at the same time.
        api: `"v1"` for servers of 2020 to 2022, `"node"` for servers of 2022 on. `check` says
            which APIs a server serves.
        workspace_id: Over `api="node"`, the workspace of the channels, unless the draft names one;
            `"direct"` for direct channels.
        join_threads: Over `api="node"`, whether the application joins a thread of users if a
            server of 2023 refuses its reply there.
        text_form: Over `api="v1"`, `"portable"` sends a text in the form that every release shows
            completely. `"plain"` sends it as a bare string; some releases keep only its first
            letter. See `TextCutWarning`.
        trusted_statuses: Statuses, such as 403 and 404, that your gateway sends only before it
            forwards a request. A message that gets one is `REFUSED`. Without this setting it is
            `UNKNOWN`, because a gateway may send nearly any status after the server has stored
            the message.
        verify: A TLS context, the path of a file with certificate authorities, or whether to check
            certificates.
        proxy: The address of a proxy; `"env"` for the proxy that the environment names, which is
            not used for this machine; None for no proxy.
        http_client: An `AsyncClient` of httpx or httpx2, or an object with the same methods. The
            session does not close it. Its failures prove nothing, so they are `UNKNOWN`.
        transport: A transport of httpx or httpx2; the same applies to it. Or `"httpx2"`: the
            pooled connections over httpx2; it needs `pip install "twake-async[httpx2]"`. Or
            `"fast"`: connections of this package, with a quarter of the CPU time; it needs
            `pip install "twake-async[fast]"`. The outcomes are the same.
        allow_plain_http: Whether the key may go over a network in plain http.
        on_attempt: Called with an `Attempt` after each attempt; it must not block.

    Attributes:
        channels: Calls about channels: where messages go.
        users: Calls about people.
        files: Calls about files: the drive of a workspace.
        messages: Calls about stored messages, over `api="node"`.
        dialogs: Calls about dialogs, which open in a user's browser.

    Raises:
        ConfigurationError: An argument has an invalid value; the error names it (outcome
            `NOT_SENT`).

    """

    channels: Channels
    """Calls about channels: where messages go."""
    users: Users
    """Calls about people."""
    files: Files
    """Calls about files: the drive of a workspace."""
    messages: Messages
    """Calls about stored messages, over `api="node"`."""
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
        # The key, and values that may hold a password, leave this frame before anything can raise:
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

        Read `TWAKE_PUBLIC_ID` and `TWAKE_PRIVATE_API_KEY`. Also read `TWAKE_GROUP_ID`,
        `TWAKE_BASE_URL`, `TWAKE_API` and `TWAKE_WORKSPACE_ID`, if they are set.

        Args:
            **overrides: Arguments of the session; they have priority over the environment.

        Raises:
            ConfigurationError: A variable is missing or has an invalid value; the error names it.

        """
        from_environment(overrides)
        # Emptied in the call: a frame that held the key might show it in a traceback.
        return cls(**taken_out(overrides))

    def __repr__(self) -> str:
        state = " closed" if self._life.closed else ""
        return f"<TwakeSession {self._public_id!r} at {self._base_url!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a TwakeSession cannot be pickled, because it holds connections and a key; make one in "
            "each process, for example with TwakeSession.from_env()"
        )

    async def __aenter__(self) -> Self:
        self._life.check()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self, *, drain: float = 5.0) -> None:
        """Close the session: take no new sends, wait for those that run, then close connections.

        It may be called twice. A send that runs longer than `drain` is ended. Its outcome is
        `UNKNOWN` if its request had begun to leave, otherwise `NOT_SENT`.

        Args:
            drain: Seconds to wait for the sends that run; 0 to end them at once.

        """
        await self._life.end(drain, self._sender.aclose)

    def observe(self, event: Event) -> None:
        """Take an event that Twake posted. Over `api="v1"` it can prove that a message is stored.

        A server of 2020 posts a new message to the applications that listen to its channel, also
        to the one that sent it. It does so after it has stored the message, and before it answers
        the send. So if the answer is lost, the send ends `DELIVERED`, with the message of the
        event. Give this method all events of the application, before you answer them. The first
        event turns this on, for the messages that are sent after it. A `Bot` does all of this
        itself.

        An event is proof only if the server made it, and if it is about a message of this
        application that is being sent now, with the same channel, parent and content, and with a
        `front_id` that the session made. Any other event changes nothing. This method may be
        called from any thread.

        Args:
            event: The event, as `twake_async.events.parse` returned it.

        Raises:
            ConfigurationError: The argument is not an `Event`.
            WrongEventLoopError: The session was made in another process, before a fork.

        """
        self._sender.observe(event)

    def stats(self) -> Stats:
        """Return counters of the sends, and the state of the connections.

        It makes no request. It may be called from any thread, also after the session was closed.
        """
        return self._sender.stats()

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
        """The API that the session uses: `"v1"` or `"node"`."""
        return "node" if self._sender.api.name == "node" else "v1"

    def event_parser(
        self, *, require_signature: bool | None = None, remember: int = 10_000
    ) -> Parser:
        """Return a parser for the events that the server posts to this application.

        It has the API and the key of the session.

        Args:
            require_signature: Whether an event without a signature is refused. None means: only
                over `api="node"`, because servers of v1 do not sign.
            remember: How many ids of new messages to remember.

        Raises:
            ConfigurationError: An argument has an invalid value (outcome `NOT_SENT`).

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
        """Send a new message, and return the message that the server stored.

        Args:
            channel_id: The id of the channel.
            content: A string, a Twacode node, or a list of both.
            parent_message_id: For a reply: the id of the root message of the thread.
            ephemeral: Whether to show the message without storing it.
            ephemeral_to: The ids of the only users who see an ephemeral message; over
                `api="node"`, exactly one.
            connection_id: Over `api="node"`, the connection of that user, from an event.
            hidden_data: Data that comes back with each interaction.
            sender: The id of a user in whose name the message is shown; over `api="v1"`, a member
                of the channel.
            front_id: Your own id for the message; None for one that the session makes.
            workspace_id: The workspace of the channel over `api="node"`, if not the session's.
            read_back: Over `api="node"`, whether to read the message after the answer. If the read
                does not show it, the outcome is `UNKNOWN`. It costs one more request.
            group_id: The group, if not the session's.
            deadline: Seconds for this send, if not the session's.
            retry: The policy for this send, if not the session's.

        Raises:
            InvalidDraftError: The message is not valid, and nothing was sent (`NOT_SENT`).
            RefusedError: The server answered, and stored nothing (`REFUSED`).
            NotSentError: No server can have acted on it (`NOT_SENT`).
            OutcomeUnknownError: It may or may not be in the channel (`UNKNOWN`).
            asyncio.CancelledError: The call was cancelled. This exception has no outcome: to get
                one, use `deadline`, not `asyncio.timeout`.

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
        """Send a reply in the thread of a message, and return the reply that the server stored.

        Args:
            to: Any message of the thread, its `MessageRef`, or an event about it.
            content: A string, a Twacode node, or a list of both.
            ephemeral: Whether to show it only to the user of the event, without storing it.
            hidden_data: Data that comes back with each interaction.
            sender: The id of a user in whose name the reply is shown; over `api="v1"`, a member of
                the channel.
            front_id: Your own id for the reply; None for one that the session makes.
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
        """Send a draft, and return the message. A draft with an `id` edits that message.

        The arguments and errors are those of `send_message`.
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
        journal: Journal | JournalPart | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        resume: Literal["report", "resend"] = "report",
        key: Callable[[MessageDraft], str] | None = None,
        outage_timeout: float | None = 300.0,
        stop: asyncio.Event | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncGenerator[Delivery, None]:
        """Send all drafts while you iterate, and yield a `Delivery` for each one when it ends.

        Before its first message, the batch makes the requests of `check`, unless the session has
        already delivered to the group or checked it. It ends if no message could be delivered.

        The batch holds at most `11 * in_flight` drafts that it has not yielded. The input may have
        any length, and your loop may be slow. An invalid draft does not end the batch. If you
        leave the loop early, the batch takes no more drafts, and the messages in flight end
        normally; `contextlib.aclosing` waits for them. If you cancel it, it cancels the messages
        in flight.

        Args:
            drafts: An iterable or an async iterable of any length: of drafts, of mappings
                with their fields, or of tuples of a channel id and a content. A generator is
                closed when the batch ends.
            in_flight: How many messages are sent at the same time.
            order: `"channel"`: the messages to one channel arrive in the given order, also after
                retries. None: no order.
            after_unknown: `"hold"` means the same as `hold_after="unknown"`.
            hold_after: `"unknown"`: after an `UNKNOWN`, send nothing more to its channel, and
                report the other messages of this channel as `NOT_SENT`. `"failure"`: do so after
                every outcome except `DELIVERED`. None: send on.
            rate: The limit of messages per second; None for no limit.
            journal: The journal in which to record each message and its outcome. A later call with
                the same input continues where this one ended. A `Journal`, or one part of a
                `PostgresJournal`; the `rate` of a part is that of all machines together, and a
                part that is done yields nothing.
            on_progress: Called with a `Progress` for each draft that ends, also after you left the
                loop, and for each pause; it must not block.
            resume: With a journal: what to do with a message that an earlier run left unknown.
                `"report"`: report it as `UNKNOWN`. `"resend"`: send it again; it may then appear
                twice. Over `api="node"` the session looks for the message first; if the look finds
                it, it is `DELIVERED`.
            key: With a journal: a function that returns the key of a draft; None for the position
                in the input. A part of a `PostgresJournal` needs one.
            outage_timeout: Seconds. The batch pauses while the server seems to be down. A longer
                pause ends the batch, and the remaining messages are `NOT_SENT`. None for no limit.
            stop: An event. When you set it, the batch takes no more drafts and begins no more
                sends. The messages in flight end normally and are yielded.
            group_id: The group, if not the session's.
            deadline: Seconds for each message, if not the session's.
            retry: The policy for each message, if not the session's.

        Raises:
            ConfigurationError: An argument has an invalid value. It is raised at once; only a
                missing group is raised at the first message.
            JournalError: The journal cannot be used, or its input was changed. Before that, all
                messages that had begun were yielded.
            RefusedError: The check found that the address, the credentials, the group or a
                capability is wrong; its message says what to fix. No message was sent, and the
                drafts that were taken were yielded as `NOT_SENT`.
            NotSentError: The server was down for `outage_timeout`, or no message was delivered
                between three pauses. All drafts that were taken were yielded.
            SessionClosedError: The session was closed. All drafts that were taken were yielded.
            WrongEventLoopError: No asyncio event loop is running, for example under trio.
            BaseException: The exception of the input, after all drafts that were taken were
                yielded. Or an exception of `key`, `on_progress` or `on_attempt` that is not an
                `Exception`, such as `KeyboardInterrupt`, after the messages in flight ended.

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

    def send_partitioned(
        self,
        drafts_for: Callable[[int], Drafts],
        *,
        journal: PostgresJournal,
        key: Callable[[MessageDraft], str],
        concurrency: int = 4,
        on_progress: Callable[[Progress], object] | None = None,
        stop: asyncio.Event | None = None,
        **options: Any,
    ) -> AsyncGenerator[Delivery, None]:
        """Send the partitions of a batch together with other machines, until all are done.

        Start the same program on any number of machines. Each takes free partitions, one after
        the other, and takes over partitions whose process has died. It yields the deliveries of
        the partitions that it sent; the journal has those of all partitions.

        A partition that another process took over yields nothing more. A partition is done when
        one run has passed over its whole input. Messages that were refused or not sent in that
        run are sent again only after `journal.new_round()`.

        Args:
            drafts_for: Returns the drafts of one partition, by its number: those for whose
                channel `journal.part_of` returns this number. It may be called again for the same
                number.
            journal: The journal that all machines share.
            key: Makes the key of a draft, the same on every machine.
            concurrency: How many partitions are sent at once.
            on_progress: Called with the `Progress` of what this process has sent.
            stop: An event that ends it once it is set, as for `send_many`.
            **options: The other arguments of `send_many`, for each partition. `in_flight` is that
                of one partition, `rate` that of all machines together.

        Raises:
            ConfigurationError: An argument cannot work.
            JournalError: The journal cannot be used.
            TwakeError: As for `send_many`.

        """
        return send_parts(
            self.send_many,
            drafts_for,
            journal=journal,
            concurrency=concurrency,
            on_progress=on_progress,
            stop=stop,
            options=options | {"key": key},
        )

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
        """Change a message, and return the changed message.

        Over `api="node"`, what you do not give stays unchanged.

        Over `api="v1"`, servers of mid-2021 and later replace the whole message. So an edit of a
        `Message` sends the content, the hidden data and the pin of this object, if you do not give
        others. A `MessageRef` has none of them: give the content, and also `hidden_data` and
        `pinned` if the message has them, because such a server deletes what is missing. A server
        of 2020 keeps what you do not give.

        An edit is idempotent, so it is tried again after a lost answer.

        Args:
            message: The message or its `MessageRef`. The server finds a reply only with the id of
                its parent.
            content: The new content; None sends the content of the `Message`, `""` deletes it.
            hidden_data: The new hidden data; None sends that of the `Message`.
            pinned: Whether to pin it; None leaves a pinned `Message` pinned.
            user_specific: What single readers see in nodes with a key: a `UserSpecific` for each.
            group_id: The group, if not the session's.
            deadline: Seconds for this edit, if not the session's.
            retry: The policy for this edit, if not the session's.

        Raises:
            InvalidDraftError: A `MessageRef` without content (`NOT_SENT`).
            TwakeError: As for `send_message`. If the server cannot find the message, it gives the
                same answer as after a failure of its own: an `OutcomeUnknownError`.

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

        It returns nothing, because the server gives the same answer whether the message existed or
        not. Over `api="v1"`, the server does not remove a message that has replies.

        Args:
            message: The message or its `MessageRef`.
            group_id: The group, if not the session's.
            deadline: Seconds for this call, if not the session's.
            retry: The policy for this call, if not the session's.

        Raises:
            TwakeError: As for `send_message`.

        """
        # Source: wire cases 24, 24b and 24d.
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
        """Send a message to one person, and return the message that the server stored.

        It first asks for the application's own channel with that person (`channels.direct`), so
        it makes two requests. To write again, send to the `channel_id` of the message.

        Args:
            user_id: The id of the user, for example `user_id` of an event.
            content: A string, a Twacode node, or a list of both.
            hidden_data: Data that comes back with each interaction.
            front_id: Your own id for the message; None for one that the session makes.
            group_id: The group, if not the session's.
            deadline: Seconds for both requests, if not the session's.
            retry: The policy for both, if not the session's.

        Raises:
            NotFoundError: The user does not exist (`REFUSED`).
            NotSentError: As for `send_message`; or the answer that names the channel was lost, so
                the message was not sent (reason `channel`).
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

        Use it for the routes of calendars and tasks. A return means that the server answered
        without an error. If the answer is lost, the call is not sent again.

        Args:
            route: The route below `/api/v1/`, such as `"tasks/task/save"`.
            fields: What to send; the group is added, and must not be one of them.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            ConfigurationError: The route is not valid, or the session has another API.
            InvalidDraftError: The fields cannot be sent as JSON, or name the group.
            TwakeError: As for `send_message`. The answer "unknown error" may come after a write,
                so it is an `OutcomeUnknownError`.

        """
        request = self._caller.call(route, fields, group_id)
        return await self._caller.make(request, Limits(group_id, deadline, retry))

    async def check(self, *, group_id: str | None = None, deadline: float | None = None) -> Check:
        """Return whether the server would accept messages, and if not, what to fix.

        It makes at most five requests. No known release stores anything for them. The first
        two use the session's API. Over `api="v1"` they verify the address, the credentials, the
        group and the `messages_save` capability; over `api="node"`, the address and the
        credentials. The other three find out which APIs the server serves, and its release. They
        take at most five seconds. No request is made twice. The check cannot find out whether a
        channel exists, nor over `api="node"` whether a group or a workspace exists.

        Args:
            group_id: The group, if not the session's.
            deadline: Seconds for all requests, if not the session's.

        Raises:
            ConfigurationError: There is no group.

        """
        # Source: wire cases 19g, 19j and 21b of v1, and `list-thread-unknown`, `right-ip` and
        # `probe-*` of Node.
        return await self._sender.check_all(group_id, deadline)
