"""The acts of a person: each changes the world at once, and then its events are posted.

No lock is held while an event is being posted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define

from twake_async.sandbox._posting.in_process import Application
from twake_async.sandbox._posting.over_http import Url, checked_url
from twake_async.sandbox._user import writing_node, writing_v1
from twake_async.sandbox._user.browser import Browser
from twake_async.sandbox._user.controls import chosen, controls, filled
from twake_async.sandbox._user.people import channel_of, is_in, names, user_named
from twake_async.sandbox._user.seen import as_seen, is_for, seen
from twake_async.sandbox._world.rows import App, row_key, same_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._posting.record import PostedEvent
    from twake_async.sandbox._twake import Twake
    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["Acts"]


@define(frozen=True, slots=True)
class Acts:
    """The acts of the people of a sandbox."""

    twake: Twake
    poster: Poster

    @property
    def _writing(self) -> Any:
        return writing_node if self.twake.is_node else writing_v1

    def connect(self, app_or_url: Any, path: str, application: str | None) -> None:
        """Post the events of an application to a URL, or to an ASGI application."""
        if isinstance(app_or_url, str):
            address: Url | Application = checked_url(app_or_url, is_node=self.twake.is_node)
        else:
            parts = urlsplit(path)
            address = Application(app_or_url, parts.path or "/", parts.query)
        with self.twake.changing() as world:
            app = self._app(world, application)
            self.poster.connect(app.id, address)
            if app.id not in self.twake.listening:
                self.twake.listening.append(app.id)

    # Writing

    async def type(
        self, text: str, name: str, channel_id: str | None, parent_message_id: str
    ) -> list[PostedEvent]:
        """Write a message, or a command of an application."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            channel = channel_of(world, self._where(channel_id), user)
            thread = self._thread(world, channel, parent_message_id)
            if text.startswith("/"):
                word, _, rest = text[1:].partition(" ")
                app, held = self._of_command(world, word), self._held(world, thread)
                events = [self._browser(world, user, channel).command(app, rest, channel, held)]
            else:
                thread_id = "" if thread is None else str(thread.id)
                self._writing.write(
                    world, self.twake.release, user, channel, text=text, thread_id=thread_id
                )
                events = list(self.twake.told())
        return await self._post(events)

    def _thread(self, world: World, channel: Mapping[str, Any], message_id: str) -> Any:
        """Return the first message of the thread of a message; None without a message."""
        if not message_id:
            return None
        message = self._writing.find(world, message_id)
        if message is None or not same_id(_channel_id(message), channel["id"]):
            raise LookupError(f"there is no message {message_id!r} in that channel")
        return self._writing.head(world, message)

    def _held(self, world: World, message: Any) -> Any:
        return None if message is None else self._writing.held(world, message)

    def _of_command(self, world: World, word: str) -> App:
        entries = self.twake.seed.get("apps", {}).values()
        for entry in entries:
            if entry.get("simple") == word and (app := world.app(entry["id"])):
                return app
        known = names([f"/{one['simple']}" for one in entries if one.get("simple")])
        raise LookupError(f"no application has the command '/{word}', but {known}")

    async def edit(self, message: Any, name: str, text: str) -> list[PostedEvent]:
        """Edit a message that the user wrote."""
        return await self._change(message, name, text=text, own="edit")

    async def react(self, message: Any, name: str, reactions: list[str]) -> list[PostedEvent]:
        """Replace the user's reactions to a message."""
        return await self._change(message, name, reactions=reactions)

    async def pin(self, message: Any, name: str, *, pinned: bool) -> list[PostedEvent]:
        """Pin or unpin a message."""
        return await self._change(message, name, pinned=pinned)

    async def remove(self, message: Any, name: str) -> list[PostedEvent]:
        """Remove a message that the user wrote."""
        with self.twake.changing() as world:
            user, row = self._row(world, message, name, own="remove")
            self._writing.remove(world, self.twake.release, user, row)
            events = self.twake.told()
        return await self._post(events)

    async def _change(
        self, message: Any, name: str, *, own: str | None = None, **change: Any
    ) -> list[PostedEvent]:
        with self.twake.changing() as world:
            user, row = self._row(world, message, name, own)
            self._writing.change(world, self.twake.release, user, row, **change)
            events = self.twake.told()
        return await self._post(events)

    def _row(
        self, world: World, message: Any, name: str, own: str | None = None
    ) -> tuple[User, Any]:
        """Return a user, and the row of a message that the user sees."""
        user = user_named(world, name)
        row = self._writing.find(world, _id_of(message))
        if row is None or not is_in(world, _channel_id(row), user):
            raise LookupError(f"{user.name} sees no message {_id_of(message)!r}")
        if own is not None and not self._writing.is_own(row, user):
            raise LookupError(f"{user.name} cannot {own} a message that somebody else wrote")
        return user, row

    # Clicking

    async def click(
        self, message: Any, action_id: str, name: str, form: Mapping[str, Any]
    ) -> PostedEvent:
        """Click on a button in a message, or choose in a select that acts."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            held, shown = self._on_screen(world, message, user)
            app = self._app(world, shown["application_id"])
            found = list(controls(shown["content"]))
            control = chosen(found, action_id, user.name)
            sent = filled(found, control, form, user.name)
            channel = channel_of(world, shown["channel_id"], user)
            browser = self._browser(world, user, channel)
            event = browser.click(app, action_id, control.context, sent, held)
        return await self._post_one(event)

    def _on_screen(
        self, world: World, message: Any, user: User
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a message as the browser holds it, and as the user sees it."""
        message_id = _id_of(message)
        for one in world.ephemerals.values():
            if message_id in (one["id"], one["ephemeral_id"]) and is_for(one, user):
                return self._writing.ephemeral(one), as_seen(one, user)
        _, row = self._row(world, message, user.id)
        shown = self.twake.message(row)
        return self._writing.held(world, row), as_seen(shown, user)

    async def configuration_click(
        self, action_id: str, name: str, form: Mapping[str, Any]
    ) -> PostedEvent:
        """Click on a button in the configuration window of a user."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            window = world.windows.get(row_key(user.id))
            if window is None:
                raise LookupError(f"{user.name} sees no configuration window")
            found = list(controls(window.form))
            control = chosen(found, action_id, user.name)
            sent = filled(found, control, form, user.name)
            app, browser = self._app(world, window.application_id), self._browser(world, user, {})
            event = browser.window_click(app, action_id, control.context, sent, window)
        return await self._post_one(event)

    async def open_menu(self, message: Any, name: str, application: str | None) -> PostedEvent:
        """Choose an application in the menu of a message."""
        with self.twake.changing() as world:
            user, row = self._row(world, message, name)
            channel = channel_of(world, _channel_id(row), user)
            first = self._writing.head(world, row)
            thread = None if first is row else self._held(world, first)
            event = self._browser(world, user, channel).menu(
                self._app(world, application), channel, thread, self._held(world, row)
            )
        return await self._post_one(event)

    async def open_icon(
        self, name: str, channel_id: str | None, parent_message_id: str, application: str | None
    ) -> PostedEvent:
        """Click on the icon of an application beside the message input."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            channel = channel_of(world, self._where(channel_id), user)
            thread = self._held(world, self._thread(world, channel, parent_message_id))
            browser = self._browser(world, user, channel)
            event = browser.icon(self._app(world, application), channel, thread)
        return await self._post_one(event)

    async def configure(
        self, place: str, name: str, channel_id: str | None, application: str | None
    ) -> PostedEvent:
        """Ask to configure an application, in a channel or in the workspace."""
        if place not in ("channel", "workspace"):
            raise ValueError(f"place is 'channel' or 'workspace', not {place!r}: see post_event")
        with self.twake.changing() as world:
            user = user_named(world, name)
            channel = channel_of(world, self._where(channel_id), user)
            browser = self._browser(world, user, channel)
            event = browser.configuration(self._app(world, application), place, channel)
        return await self._post_one(event)

    async def post_event(
        self, kind: str, event: str, content: Mapping[str, Any], name: str, application: str | None
    ) -> PostedEvent:
        """Send any event, as each user with a login can."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            browser = self._browser(world, user, {})
            made = browser.any_event(self._app(world, application), kind, event, content)
        return await self._post_one(made)

    # Reading

    def seen_by(self, name: str, channel_id: str | None) -> list[dict[str, Any]]:
        """Return the messages of a channel as a user sees them; none if the user is not in it."""
        with self.twake.changing() as world:
            user = user_named(world, name)
            where = self._where(channel_id)
            if not is_in(world, where, user):
                return []
            messages, ephemerals = self.twake.shown(where)
            return [self.twake.plain(one) for one in seen(messages, ephemerals, user)]

    def window_of(self, name: str) -> Any:
        """Return the content of a user's configuration window; None if there is none."""
        with self.twake.changing() as world:
            window = world.windows.get(row_key(user_named(world, name).id))
            return None if window is None else window.form

    # Posting

    def _where(self, channel_id: str | None) -> str:
        return channel_id or str(self.twake.first("channels")["id"])

    def _app(self, world: World, application: str | None) -> App:
        """Return an application by its name in the seed or its id; by default the first one."""
        apps = self.twake.seed.get("apps", {})
        wanted = application or next(iter(apps), "")
        found = world.app(apps[wanted]["id"] if wanted in apps else wanted)
        if found is None:
            raise LookupError(f"this sandbox has no application {wanted!r}, but {names([*apps])}")
        return found

    def _browser(self, world: World, user: User, channel: Mapping[str, Any]) -> Browser:
        workspace = self.twake.workspace_of(channel)
        return Browser(world, self.twake.release, user, workspace)

    async def _post(self, events: list[Outgoing] | tuple[Outgoing, ...]) -> list[PostedEvent]:
        for event in events:
            if event.application_id not in self.poster.addresses:
                raise RuntimeError("no events are posted to that application: use connect")
        self.poster.adopt()
        return await self.poster.post_all(events)

    async def _post_one(self, event: Outgoing) -> PostedEvent:
        [posted] = await self._post([event])
        return posted


def _id_of(message: Any) -> str:
    """Return the id of a message that is given as an id, as a mapping or as an object."""
    if isinstance(message, str):
        return message
    found = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
    return str(found)


def _channel_id(row: Any) -> str:
    """Return the channel of a row of either server."""
    cache = getattr(row, "cache", None)
    return str(row.channel_id if cache is None else cache.get("channel_id"))
