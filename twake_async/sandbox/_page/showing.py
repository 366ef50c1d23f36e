"""Describes what one person sees, as JSON: people, channels, messages, windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._user.people import is_in, user_named
from twake_async.sandbox._user.seen import as_seen, is_for
from twake_async.sandbox._world.node_store import moment
from twake_async.sandbox._world.rows import row_key, same_id
from twake_async.twacode._rendering.content import shown
from twake_async.twacode._rendering.elements import to_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twake_async.sandbox._posting.poster import Poster
    from twake_async.sandbox._twake import Twake
    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["Showing"]


@define(frozen=True, slots=True)
class Showing:
    """The view of one person on the page."""

    twake: Twake
    poster: Poster
    name: str
    """The person: a username or an id."""

    def world(self) -> dict[str, Any]:
        """Return what does not change: the people, and the channels of the person.

        Raises:
            LookupError: There is no such person.

        """
        seed = self.twake.seed
        with self.twake.changing() as world:
            user = user_named(world, self.name)
            channels = [
                {"id": one["id"], "name": str(one.get("name") or "direct")}
                for one in world.channels.values()
                if is_in(world, one["id"], user)
            ]
            people = [{"id": one.id, "name": one.name} for one in world.users.values()]
        apps = [
            {"id": one["id"], "name": one.get("name", name), "command": one.get("simple", "")}
            for name, one in seed.get("apps", {}).items()
        ]
        me = {"id": user.id, "name": user.name}
        return {
            "release": self.twake.release,
            "me": me,
            "people": people,
            "channels": channels,
            "apps": apps,
        }

    def state(self) -> dict[str, Any]:
        """Return the current state: the faults to come, the delay, the person's window."""
        with self.twake.changing() as world:
            user = user_named(world, self.name)
            window = world.windows.get(row_key(user.id))
            pieces = None if window is None else to_data(shown(window.form, reader_id=user.id))
        waiting = self.twake.script.waiting()
        connected = list(self.poster.addresses)
        return {
            "faults": waiting,
            "delay": self.twake.delay,
            "window": pieces,
            "connected": connected,
        }

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield all messages that the person sees, oldest first, without holding the lock."""
        with self.twake.changing() as world:
            keys = list(world.node.messages if self.twake.is_node else world.messages)
            ephemerals = list(world.ephemerals)
        for key in keys:
            yield self.message(key)
        for key in ephemerals:
            yield self.ephemeral(key)

    def message(self, key: str) -> dict[str, Any]:
        """Return a message; only its id if it is gone or the person does not see it."""
        with self.twake.changing() as world:
            rows: Mapping[str, Any] = world.node.messages if self.twake.is_node else world.messages
            row, user = rows.get(key), user_named(world, self.name)
            if row is None:
                return {"id": key, "gone": True}
            found = self.twake.message(row)
            if not is_in(world, str(found["channel_id"]), user):
                return {"id": key, "gone": True}
            return self._shown(world, user, key, found)

    def ephemeral(self, key: str) -> dict[str, Any]:
        """Return an ephemeral message; only its id if it is gone or is for somebody else."""
        with self.twake.changing() as world:
            found, user = world.ephemerals.get(key), user_named(world, self.name)
            if found is None or not is_for(found, user):
                return {"id": f"ephemeral-{key}", "gone": True}
            if not is_in(world, str(found["channel_id"]), user):
                return {"id": f"ephemeral-{key}", "gone": True}
            told = self._shown(world, user, f"ephemeral-{key}", found)
            return told | {"ephemeral": True, "act_on": str(found["id"])}

    def _shown(
        self, world: World, user: User, key: str, message: Mapping[str, Any]
    ) -> dict[str, Any]:
        seen = as_seen(dict(message), user)
        plain = self.twake.plain(dict(seen))["content"]
        author, kind = self._author(world, message)
        mine = message["application_id"] is None and same_id(message["sender"], user.id)
        return {
            "id": key,
            "act_on": str(message["id"]),
            "channel": str(message["channel_id"]).lower(),
            "parent": str(message["parent_message_id"] or "").lower(),
            "order": moment(str(message["id"])) // 100,
            "at": int(message["creation_date"]),
            "author": author,
            "kind": kind,
            "mine": mine,
            "edited": bool(message.get("edited")),
            "pinned": bool(message.get("pinned")),
            "reactions": _reactions(message.get("reactions"), user),
            "text": plain if mine and isinstance(plain, str) else None,
            "pieces": to_data(shown(seen["content"], reader_id=user.id)),
        }

    def _author(self, world: World, message: Mapping[str, Any]) -> tuple[str, str]:
        """Return the author that a message shows, and the kind of the author."""
        override, hidden = message.get("override"), message.get("hidden_data")
        titles = (
            override.get("title") if isinstance(override, dict) else None,
            hidden.get("custom_title") if isinstance(hidden, dict) else None,
        )
        title = next((one for one in titles if isinstance(one, str) and one), None)
        user = world.user(message["sender"])
        if user is not None:
            return title or user.name, "person"
        apps = self.twake.seed.get("apps", {}).values()
        app_id = message["application_id"]
        named = (one.get("name") for one in apps if same_id(one["id"], app_id))
        return title or str(next(named, None) or "application"), "application"


def _reactions(given: Any, user: User) -> list[list[Any]]:
    """Return the reactions: the emoji, how many people, and whether the person is one of them."""
    if isinstance(given, list):  # of a Node server
        named = [(one.get("name"), one.get("users")) for one in given if isinstance(one, dict)]
    elif isinstance(given, dict):
        named = [
            (name, one.get("users") if isinstance(one, dict) else []) for name, one in given.items()
        ]
    else:
        named = []
    told: list[list[Any]] = []
    for name, users in named:
        who = list(users.values()) if isinstance(users, dict) else list(users or [])
        told.append([str(name), len(who), any(same_id(one, user.id) for one in who)])
    return told
