"""The sandbox: a Twake in memory, which can also be served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from twake_async.messages import Message  # noqa: TC001
from twake_async.sandbox._failing import Failing
from twake_async.sandbox._posting.poster import Poster
from twake_async.sandbox._posting.record import PostedEvent
from twake_async.sandbox._received import Received, ReceivedRequest
from twake_async.sandbox._seed import read_seed
from twake_async.sandbox._server import Server
from twake_async.sandbox._serving.asgi import ASGIApp  # noqa: TC001
from twake_async.sandbox._serving.in_process import asgi_transport
from twake_async.sandbox._twake import Twake, check_arguments
from twake_async.sandbox._typed import typed as typed_message
from twake_async.sandbox._user.acts import Acts

if TYPE_CHECKING:
    import httpx

__all__ = ["PostedEvent", "ReceivedRequest", "Sandbox"]


class Sandbox(Failing):
    """A Twake on loopback that answers as the real server does, and keeps everything in memory.

    `with` and `async with` serve it from a thread of its own, for synchronous code and for any
    event loop. Starting and stopping take a few milliseconds. Without `with`, `.app` and
    `.transport` answer in-process.

    Args:
        seed: The world to begin with: a mapping in the format of the default seed, or the path of
            a JSON file that holds one. Default: a small company with two channels, three people
            and one application that may do everything.
        release: "2020" answers as v2020.Q3.107 on PHP 8.2 does, "2021" as the v1 API of
            mid-2021 to 2022 does: recorded from the PHP of v2023.Q1.1223 on PHP 7.1, which keeps
            only the first character of plain text. "2022" answers applications on the Node API as
            v2022.Q2.975 does; its v1 was not recorded, and answers as "2021" does. "2023" answers
            as v2023.Q1.1223 does, the last release, on the Node API only. Default: "2020".
        port: The port on 127.0.0.1; 0, the default, finds a free one.
        max_messages: How many messages are kept; the oldest are dropped. Default: 10,000.
        max_requests: How many received requests are kept, in at most 64 MiB of bodies; the oldest
            are dropped. Default: 1,000.
        max_body: The largest body that is read, in bytes. A larger one is answered 413, before the
            key is checked. Default: 1 MiB.
        token_lifetime: Seconds for which the access token of a login is good, on the Node API.
            Default: 3600.
        allow_hosts: Names that a served request may have in its Host header, besides `localhost`
            and the addresses of this machine, such as "host.docker.internal" for a container.
            Other names are answered 421, so that no web page can reach the sandbox through a name
            of its own. Default: none.
        events_url: Where the events of the first application are posted, as with `connect`.
            Default: nowhere.
        log: Called with one readable line for each request and each event, without secrets.
            Default: the line goes to the logger `twake_async.sandbox` at level INFO.

    Raises:
        ValueError: An unknown release, a bound below 1, an allowed host that is not a name, or an
            address to which no event can be posted.

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
        token_lifetime: int = 3600,
        allow_hosts: Iterable[str] = (),
        events_url: str | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        check_arguments(release, max_messages, max_requests, max_body, token_lifetime)
        self._twake = Twake(
            release=release,
            seed=read_seed(seed),
            received=Received(max_requests),
            max_messages=max_messages,
            token_lifetime=token_lifetime,
            log=log,
        )
        self._poster = Poster(self._twake.note, max_requests, waits=not self._twake.is_node)
        self._people = Acts(self._twake, self._poster)
        if events_url is not None:
            self.connect(events_url)
        self._server = Server(self._twake, self._poster, self._people, port, max_body, allow_hosts)
        self.app: ASGIApp = self._server.app()
        """The ASGI application. It answers under any Host, also while nothing is served."""

    @property
    def release(self) -> str:
        """The release whose answers it gives: "2020", "2021", "2022" or "2023"."""
        return self._twake.release

    def __repr__(self) -> str:
        where = self.url if self._server.listener else "not served"
        return f"<Sandbox release={self.release} {where}>"

    # Where it is

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)
        await self._poster.aclose()

    @property
    def url(self) -> str:
        """The address, "http://127.0.0.1:PORT"; raises RuntimeError while it is not served.

        In a browser, it shows the page of the sandbox.
        """
        return self._server.url

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """A new httpx transport that answers in-process, also while nothing is served."""
        return asgi_transport(self.app)

    # What is in it

    @property
    def public_id(self) -> str:
        """The id of the seed's first application."""
        return str(self._twake.first("apps")["id"])

    @property
    def private_api_key(self) -> str:
        """The key of the seed's first application."""
        return str(self._twake.first("apps")["key"])

    @property
    def group_id(self) -> str:
        """The id of the seed's first company."""
        return str(self._twake.first("groups")["id"])

    @property
    def workspace_id(self) -> str | None:
        """The id of the first channel's workspace, or of the seed's first one; None if none."""
        return self._twake.workspace_id()

    @property
    def api(self) -> Literal["v1", "node"]:
        """The API to use: "node" for the releases "2022" and "2023"."""
        return "node" if self._twake.is_node else "v1"

    @property
    def channel_id(self) -> str:
        """The id of the seed's first channel."""
        return str(self._twake.first("channels")["id"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that `TwakeSession.from_env` reads; the key is among them."""
        workspace_id = self.workspace_id
        return {
            "TWAKE_PUBLIC_ID": self.public_id,
            "TWAKE_PRIVATE_API_KEY": self.private_api_key,
            "TWAKE_GROUP_ID": self.group_id,
            "TWAKE_BASE_URL": self.url,
            "TWAKE_API": self.api,
            **({} if workspace_id is None else {"TWAKE_WORKSPACE_ID": workspace_id}),
        }

    @overload
    def messages(
        self, channel_id: str | None = None, *, typed: Literal[False] = False
    ) -> list[dict[str, Any]]: ...

    @overload
    def messages(self, channel_id: str | None = None, *, typed: Literal[True]) -> list[Message]: ...

    def messages(
        self, channel_id: str | None = None, *, typed: bool = False
    ) -> list[dict[str, Any]] | list[Message]:
        """Return the stored messages of a channel, or of all channels, oldest first.

        Replies have a `parent_message_id`. The content of a plain text is a string. Messages of
        the Node API have the same form, with `workspace_id` and `override` in addition.

        Args:
            channel_id: The channel. Default: all.
            typed: Whether to return `Message` objects, as a send returns them, instead of the
                rows of the database. Default: the rows.

        """
        rows = self._twake.messages(channel_id)
        return [typed_message(row) for row in rows] if typed else rows

    def say(
        self,
        text: str,
        *,
        user_id: str | None = None,
        channel_id: str | None = None,
        parent_message_id: str = "",
    ) -> dict[str, Any]:
        """Let a person write a plain text, and return the message as `messages` does.

        On the Node API the person opens a thread with it, or replies in one.

        Args:
            text: The text.
            user_id: The user who writes. Default: the seed's first user.
            channel_id: The channel. Default: the seed's first channel.
            parent_message_id: The message to reply to; on the Node API also a reply, for its
                thread. Default: none.

        """
        user = user_id or str(self._twake.first("users")["id"])
        return self._twake.say(text, channel_id or self.channel_id, user, parent_message_id)

    def publish(self, url: str, content: bytes) -> None:
        """Provide the content of an address, which the server can then fetch.

        The sandbox fetches nothing from a network. If the address in `file_url` was published, the
        server uses its content. If not, it makes an empty file, as a real server does
        when it fetches nothing. `reset` removes the content.

        Args:
            url: The address.
            content: The content of the address.

        """
        with self._twake.changing() as world:
            world.drive.published[url] = bytes(content)

    def ephemerals(self, channel_id: str) -> list[dict[str, Any]]:
        """Return the ephemeral messages shown in a channel, each in its last version."""
        return self._twake.ephemerals(channel_id)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests that were received, oldest first: the last `max_requests` of them."""
        return self._twake.requests()

    @property
    def logins(self) -> int:
        """How many logins got a token, on the Node API."""
        return self._twake.logins()

    def expire_tokens(self) -> None:
        """Let the access tokens of all logins so far expire; requests with them get a 401."""
        self._twake.expire_tokens()

    def reset(self) -> None:
        """Start again from the seed, without faults to come, delay or received requests.

        The tokens of logins stay valid.
        """
        self._twake.reset()
        self._poster.clear()
        self._server.traffic.clear()

    # What people do

    def connect(
        self, app_or_url: ASGIApp | str, *, path: str = "/", application: str | None = None
    ) -> None:
        """Post the events of an application to a URL, or to an ASGI application in this process.

        An ASGI application runs on the event loop of the caller. Without a running loop, it runs on
        the first loop on which a person acts. It gets no lifespan events. A second call replaces
        the address.

        Each event is posted once, as the release does it, and never again. A v1 server waits up
        to 3 seconds for each answer. A server of 2020 tells an application of each new message in
        its channels, including its own messages, before it answers the save. A Node server signs
        its events, and tells of every change, but not of the application's own messages. The
        server of 2021 posts only the events that people's browsers send.

        An application gets the messages of all channels of the seed with a workspace, unless the
        seed's `resources` name its channels.

        Args:
            app_or_url: The ASGI application, or the URL.
            path: The path, and perhaps a query, of an ASGI application. Default: "/".
            application: A name in the seed, or an id. Default: the seed's first one.

        Raises:
            ValueError: No event could be posted to that URL: a v1 server posts nothing to a
                URL without a path.
            LookupError: The application does not exist.

        """
        self._people.connect(app_or_url, path, application)

    @property
    def posted(self) -> list[PostedEvent]:
        """The events that were posted, oldest first: the last `max_requests` of them."""
        return self._poster.posted()

    async def type(
        self,
        text: str,
        *,
        user: str = "alice",
        channel_id: str | None = None,
        parent_message_id: str = "",
    ) -> list[PostedEvent]:
        """Let a person type a line, and return the events that were posted for it.

        "/bot a b" is the command "a b" of the application whose `simple` name in the seed is "bot".
        Any other line is a message; `messages` then returns it.

        Args:
            text: The line.
            user: The user who types: a username or an id. Default: "alice".
            channel_id: The channel. Default: the seed's first channel.
            parent_message_id: A message of the thread to type in. Default: none.

        Raises:
            LookupError: The person, channel, message or command does not exist, or the person is
                not in the channel.
            RuntimeError: Nothing is posted to the application of the command.

        """
        return await self._people.type(text, user, channel_id, parent_message_id)

    async def click(
        self,
        message: Any,
        action_id: str,
        *,
        user: str = "alice",
        form: Mapping[str, Any] | None = None,
    ) -> PostedEvent:
        """Let a person click on a button of a message, or choose in a select that acts at once.

        Args:
            message: The message: its id, what `messages` or `seen_by` returns, or a `Message`.
            action_id: The action of the button or the select.
            user: The user who clicks: a username or an id. Default: "alice".
            form: What the person wrote into inputs and chose in selects, by their names. As in the
                web application, a field that nobody changed is not sent. Default: nothing.

        Raises:
            LookupError: That person does not see that message, button, input or option. The text
                says what the person sees.
            RuntimeError: Nothing is posted to the application that wrote the message.

        """
        return await self._people.click(message, action_id, user, form or {})

    async def open_menu(
        self, message: Any, *, user: str = "alice", application: str | None = None
    ) -> PostedEvent:
        """Let a person choose an application in the menu of a message.

        Args:
            message: The message, as in `click`.
            user: The person. Default: "alice".
            application: A name in the seed, or an id. Default: the seed's first one.

        Raises:
            LookupError: That person does not see that message.
            RuntimeError: Nothing is posted to the application.

        """
        return await self._people.open_menu(message, user, application)

    async def open_icon(
        self,
        *,
        user: str = "alice",
        channel_id: str | None = None,
        parent_message_id: str = "",
        application: str | None = None,
    ) -> PostedEvent:
        """Let a person click on the icon of an application beside the message input.

        The arguments and the errors are those of `type` and of `open_menu`.
        """
        return await self._people.open_icon(user, channel_id, parent_message_id, application)

    async def configure(
        self,
        place: str = "channel",
        *,
        user: str = "alice",
        channel_id: str | None = None,
        application: str | None = None,
    ) -> PostedEvent:
        """Let a person ask to configure an application, in a channel or in the workspace.

        Args:
            place: "channel" or "workspace". Default: "channel".
            user: The person. Default: "alice".
            channel_id: The channel. Default: the seed's first channel.
            application: A name in the seed, or an id. Default: the seed's first one.

        Raises:
            ValueError: An unknown place.
            LookupError: The person, channel or application does not exist.
            RuntimeError: Nothing is posted to the application.

        """
        return await self._people.configure(place, user, channel_id, application)

    async def configuration_click(
        self, action_id: str, *, user: str = "alice", form: Mapping[str, Any] | None = None
    ) -> PostedEvent:
        """Let a person click on a button of the configuration window that an application opened.

        The application opens one with `general/configure` over v1, and `console/v1/configure` on
        Node, for the `connection_id` of an event of that person.

        Args:
            action_id: The action of the button or the select.
            user: The person. Default: "alice".
            form: What the person wrote and chose, as in `click`. Default: nothing.

        Raises:
            LookupError: That person sees no window, or not that button, input or option.
            RuntimeError: Nothing is posted to the application.

        """
        return await self._people.configuration_click(action_id, user, form or {})

    def window_of(self, user: str = "alice") -> Any:
        """Return the content of a person's configuration window; None if there is none.

        Raises:
            LookupError: The person does not exist.

        """
        return self._people.window_of(user)

    async def edit(self, message: Any, text: str, *, user: str = "alice") -> list[PostedEvent]:
        """Let a person edit a message of their own, and return the events that were posted.

        Raises:
            LookupError: That person does not see the message, or did not write it.

        """
        return await self._people.edit(message, user, text)

    async def remove(self, message: Any, *, user: str = "alice") -> list[PostedEvent]:
        """Let a person remove a message of their own, and return the events that were posted.

        Raises:
            LookupError: That person does not see the message, or did not write it.

        """
        return await self._people.remove(message, user)

    async def react(self, message: Any, *reactions: str, user: str = "alice") -> list[PostedEvent]:
        """Let a person react to a message, and return the events that were posted.

        Args:
            message: The message, as in `click`.
            reactions: The new reactions, which replace the old ones; an empty list removes them.
                Over v1 only the first counts.
            user: The person. Default: "alice".

        Raises:
            LookupError: That person does not see the message.

        """
        return await self._people.react(message, user, list(reactions))

    async def pin(
        self, message: Any, *, pinned: bool = True, user: str = "alice"
    ) -> list[PostedEvent]:
        """Let a person pin a message or unpin it, and return the events that were posted.

        Raises:
            LookupError: That person does not see the message.

        """
        return await self._people.pin(message, user, pinned=pinned)

    async def post_event(
        self,
        type: str,  # noqa: A002 - what Twake calls it
        name: str,
        content: Mapping[str, Any],
        *,
        user: str = "alice",
        application: str | None = None,
    ) -> PostedEvent:
        """Let a person make the server post any event, as each logged-in user can.

        The server adds the identity of the person: `user`, `group` and `workspace` over v1, and
        `user_id` on Node, where it also signs the event. So a test can send forged events to a bot.

        Args:
            type: The type, such as "hook".
            name: The name, such as "new_message".
            content: The content; over v1, the data.
            user: The person. Default: "alice".
            application: A name in the seed, or an id. Default: the seed's first one.

        Raises:
            LookupError: The person or the application does not exist.
            RuntimeError: Nothing is posted to the application.

        """
        return await self._people.post_event(type, name, content, user, application)

    def seen_by(self, user: str = "alice", channel_id: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of a channel as a person sees them, oldest first.

        They have the form of `messages`. Content that is only for that person is filled in, and the
        ephemeral messages for that person are included. A person who is not in the channel sees
        nothing.

        Args:
            user: The user who reads: a username or an id. Default: "alice".
            channel_id: The channel. Default: the seed's first channel.

        Raises:
            LookupError: The person does not exist.

        """
        return self._people.seen_by(user, channel_id)

    # Faults: those of single requests are in `_failing.py`

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Stop listening for the length of a `with` block: a message sent then is `NOT_SENT`.

        Open connections end. The port stays the same after the block.

        Raises:
            RuntimeError: The sandbox is not being served.

        """
        with self._server.paused():
            yield
