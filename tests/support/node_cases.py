"""The recorded exchanges with Node servers, and what was stored before each of them."""

from __future__ import annotations

import functools
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import attrs
from places import WIRE

from twake_async.sandbox._releases.node.server import LOGIN
from twake_async.sandbox._world.node_rows import NodeMessage, Thread
from twake_async.sandbox._world.seeded import seeded_world
from twake_async.sandbox._world.tokens import Bearer

if TYPE_CHECKING:
    from twake_async.sandbox._world.world import World

__all__ = ["SERVERS", "Case", "cases", "spelled_out"]

#: The servers whose answers are compared, and the releases of the sandbox that answer so.
SERVERS = {
    "v2022.Q2.975": "2022",
    "v2023.Q1.1223": "2023",
    "v2023.Q1.1223+RabbitMQ 3.10.8": "2023",
}
_WORLDS = json.loads((WIRE / "node" / "world.json").read_text(encoding="utf-8"))
_RECORDED = [
    json.loads(line)
    for line in (WIRE / "node" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
_TOKEN = re.compile(r"\{\{(access|refresh):([^}]*)\}\}")
_AUTO = "twacode"


@attrs.frozen(repr=False)
class Case:
    """One recorded exchange, and the rows that the server had before it."""

    recorded: dict[str, Any]
    messages: dict[str, dict[str, Any]]
    """The messages by id, oldest first."""
    seen: frozenset[str]
    """The ids of those that a channel shows, or showed before they were removed."""
    openers: dict[str, str]
    """The user or application that opened each thread."""
    joined: dict[str, list[str]]
    """The users who joined each thread later."""

    @property
    def name(self) -> str:
        return self.recorded["name"]

    @property
    def release(self) -> str:
        return SERVERS[self.recorded["server"]]

    @property
    def id(self) -> str:
        server = self.recorded["server"].removeprefix("v")
        return f"{server.replace(' ', '-')}-{self.name}"

    def world(self) -> World:
        """Return a world with the rows that were there before the exchange."""
        found = seeded_world(_seed(self.recorded["server"]))
        threads: dict[str, list[dict[str, Any]]] = {}
        for row in self.messages.values():
            threads.setdefault(row["thread_id"], []).append(row)
        for thread_id in {**threads, **self.openers}:
            self._fill(found, thread_id, threads.get(thread_id, []))
        shown = [one for one in self.seen if one in self.messages or one in self.openers]
        for message_id in sorted(shown, key=_moment):
            row = self.messages.get(message_id)
            thread = found.node.threads[row["thread_id"] if row else message_id]
            found.node.show(thread, message_id)
        return found

    def _fill(self, world: World, thread_id: str, rows: list[dict[str, Any]]) -> None:
        opener = self.openers[thread_id]
        user = {"type": "user", "id": opener} if opener in _users(self.recorded["server"]) else {}
        place = next((row["cache"] for row in rows if row["cache"]), _default_place(self.recorded))
        channel = {"type": "channel", "id": place["channel_id"]} | {
            name: place[name] for name in ("company_id", "workspace_id") if name in place
        }
        participants = [
            user,
            channel,
            *({"type": "user", "id": one} for one in self.joined.get(thread_id, [])),
        ]
        created = {"created_by": opener, "created_at": 1}
        thread = Thread(
            id=thread_id,
            created_by=opener,
            created_at=1,
            updated_at=1,
            last_activity=1,
            participants=[created | one for one in participants],
            answers=sum(row["id"] in self.seen for row in rows) + self._removed(thread_id),
        )
        world.node.add_thread(thread)
        for row in rows:
            fields = {name: row.get(name) for name in attrs.fields_dict(NodeMessage)}
            world.node.add(thread, NodeMessage(**fields | {"status": row.get("status", "sent")}))

    def _removed(self, thread_id: str) -> int:
        return int(thread_id in self.seen and thread_id not in self.messages)


def _moment(message_id: str) -> int:
    return uuid.UUID(message_id).time


def _default_place(recorded: dict[str, Any]) -> dict[str, str]:
    world = _world(recorded["server"])
    return {
        "channel_id": world["CH"]["general"],
        "company_id": world["A"],
        "workspace_id": world["W"],
    }


def _world(server: str) -> dict[str, Any]:
    return _WORLDS[server.partition("+")[0]]


@functools.cache
def _users(server: str) -> set[str]:
    """Return the users of a server: those of its world, and the senders."""
    senders = {
        found[2]
        for case in _RECORDED
        if case["server"] == server
        and case["request"]["path"].startswith("/internal/services/messages")
        and (found := _TOKEN.search(case["request"]["headers"].get("Authorization", "")))
        and case["name"].startswith(
            ("ev-user", "ev-private", "ev-dm", "ev-hook", "mq-user", "mq-down-user")
        )
    }
    return senders | set(_world(server)["U"].values())


@functools.cache
def _seed(server: str) -> dict[str, Any]:
    """Return a seed with the applications, the users and the channels of a server."""
    world = _world(server)
    apps = {"bot": (world["bot"], world["key"]), "bot3": (world["bot3"], world["key3"])}
    channels, restricted = dict(world["CH"]), None
    for case in _RECORDED:
        if case["server"] != server:
            continue
        body = case["request"]["body"] or ""
        if case["request"]["path"] == LOGIN and case["response"]["status"] == 200:
            given = json.loads(body)
            apps[given["id"]] = (given["id"], given["secret"])
        if case["name"] == "right-ip":
            restricted = _TOKEN.search(case["request"]["headers"]["Authorization"])[2]
            apps[restricted] = (restricted, "its key was not recorded")
        if case["name"] in _OF_ALICE_ALONE:
            [channels[case["name"]]] = re.findall(r'"type": "channel", "id": "([^"]+)"', body)
    members = [["general", "alice"], ["general", "bob"], ["dm", "alice"], ["dm", "bob"]]
    return {
        "groups": {"acme": {"id": world["A"]}},
        "workspaces": {"main": {"id": world["W"]}},
        "users": {name: {"id": one, "username": name} for name, one in world["U"].items()},
        "channels": {
            name: {"id": one, "ws": "main", "group": "acme"} for name, one in channels.items()
        },
        "channel_members": members,
        "apps": {
            name: {
                "id": one,
                "key": key,
                "group": "acme",
                "allowed_ips": "10.9.9.9" if one == restricted else "*",
            }
            for name, (one, key) in apps.items()
        },
    }


#: The cases about a thread that their application had just opened.
_OPENED_BEFORE = (
    "delete-verb",
    "reply-after-head-deleted",
    "send-thread-shape-on-reply",
    "mq-down-app-reply",
)
#: Channels with one member, which are not in world.json.
_OF_ALICE_ALONE = ("ev-private", "channel-deleted-send")


def spelled_out(case: Case, world: World) -> tuple[str, dict[str, str], bytes]:
    """Return path, headers and body of a request, with tokens of this world in them."""
    request = case.recorded["request"]
    users = _users(case.recorded["server"])
    names = {name: _world(case.recorded["server"])[name] for name in ("bot", "bot3")}
    names |= _world(case.recorded["server"])["U"]

    def token(found: re.Match[str]) -> str:
        who = names.get(found[2], found[2])
        pair = world.tokens.issue(Bearer(who, is_application=who not in users), world.now())
        return pair["value" if found[1] == "access" else "refresh"]

    headers = {name.lower(): _TOKEN.sub(token, one) for name, one in request["headers"].items()}
    return _TOKEN.sub(token, request["path"]), headers, (request["body"] or "").encode()


def cases() -> list[Case]:
    """Return the recorded cases of the servers that the sandbox follows."""
    return [case for server in SERVERS for case in _of_server(server)]


def _of_server(server: str) -> list[Case]:
    recorded = [one for one in _RECORDED if one["server"] == server]
    history = _History(recorded)
    return [history.next(one) for one in recorded]


class _History:
    """What a server had stored, case after case.

    What was stored between two recorded cases is not in the rows of any of them. Such a message is
    known from a later answer. It is taken to be there before the first case that shows something
    younger, as the times in the ids tell.
    """

    def __init__(self, recorded: list[dict[str, Any]]) -> None:
        added = {
            row["id"]
            for case in recorded
            for row in _rows(case, "messages", "added")
            if "id" in row
        }
        self.left = list(recorded)
        self.messages: dict[str, dict[str, Any]] = {}
        self.unrecorded: dict[str, dict[str, Any]] = {}
        self.openers: dict[str, str] = {}
        self.joined: dict[str, list[str]] = {}
        self.opened: dict[str, str] = {}
        self.seen: set[str] = set()
        for case in recorded:
            for one in _shown(case):
                if one["id"] not in added:
                    self.unrecorded.setdefault(one["id"], _stored(one))
            if case["name"] in _OPENED_BEFORE:
                self._open(case)
            for thread in _threads(case):
                self.openers.setdefault(thread["id"], thread["created_by"])

    def _open(self, recorded: dict[str, Any]) -> None:
        """Add the thread that a case names, which its application opened before."""
        server, path = recorded["server"], recorded["request"]["path"]
        thread_id = path.partition("/threads/")[2].partition("/")[0]
        found = _TOKEN.search(recorded["request"]["headers"]["Authorization"])
        assert found is not None
        app = _world(server)["bot"] if found[2] == "bot" else found[2]
        resource = _resource(recorded)
        place = resource["cache"] if resource else _default_place(recorded)
        row = dict.fromkeys(attrs.fields_dict(NodeMessage)) | {"text": "", "blocks": []}
        row |= {"thread_id": thread_id, "id": thread_id, "user_id": app, "application_id": app}
        self.unrecorded.setdefault(thread_id, row | {"cache": place, "status": "sent"})
        self.openers.setdefault(thread_id, app)

    def _catch_up(self) -> None:
        """Add the unrecorded messages that are older than what the next case shows."""
        until = _latest(self.left[0]) or _next_change(self.left)
        for key in list(self.unrecorded):
            if until is None or _milliseconds(key) <= until:
                self.messages[key] = self.unrecorded.pop(key)
                self.seen.add(key)

    def next(self, recorded: dict[str, Any]) -> Case:
        """Return a case with the rows before it; then go on to the rows after it."""
        self._catch_up()
        self.left.pop(0)
        messages = dict(sorted(self.messages.items(), key=lambda item: _moment(item[0])))
        openers = {
            one: self.openers.get(one) or messages[one]["user_id"]
            for one in {row["thread_id"] for row in messages.values()}
            if one in self.openers or one in messages
        }
        messages = {key: row for key, row in messages.items() if row["thread_id"] in openers}
        openers |= {key: one for key, one in self.opened.items() if key not in openers}
        self.opened = openers
        case = Case(
            recorded,
            messages,
            frozenset(self.seen),
            openers,
            {key: list(one) for key, one in self.joined.items()},
        )
        self._go_on(recorded)
        return case

    def _go_on(self, recorded: dict[str, Any]) -> None:
        for row in _rows(recorded, "messages", "added"):
            if "id" in row:
                self.messages[row["id"]] = row
        for change in _rows(recorded, "messages", "changed"):
            self.messages[change["after"]["id"]] = change["after"]
        for key in _rows(recorded, "messages", "removed"):
            self.messages.pop(key.partition("|")[0], None)
        for row in _rows(recorded, "message_channel_refs", "added"):
            if "message_id" in row:
                self.seen.add(row["message_id"])
        if recorded["name"] == "thread-add-self":
            thread = json.loads(recorded["response"]["body"])["resource"]
            self.joined[thread["id"]] = [thread["participants"][-1]["id"]]


def _latest(recorded: dict[str, Any]) -> int | None:
    """Return the latest time in an answer, in Unix milliseconds."""
    times = re.findall(r"(?<=_at\":)[0-9]{13}", recorded["response"].get("body") or "")
    return max(map(int, times), default=None)


def _next_change(left: list[dict[str, Any]]) -> int | None:
    """Return the time of the next case that changes something, in Unix milliseconds."""
    for one in left:
        if any({"added", "changed"} & table.keys() for table in one["rows"].values()):
            added = (row["id"] for row in _rows(one, "messages", "added") if "id" in row)
            times = [found for found in (_latest(one), *map(_milliseconds, added)) if found]
            if times:
                return min(times)
    return None


def _milliseconds(message_id: str) -> int:
    return (_moment(message_id) - 0x01B21DD213814000) // 10_000


def _rows(recorded: dict[str, Any], table: str, what: str) -> list[Any]:
    found = recorded["rows"].get(table, {})
    rows = found.get(what, []) if isinstance(found, dict) else []
    return rows if isinstance(rows, list) else []


def _threads(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the threads in an answer."""
    resource = _resource(recorded)
    return [resource] if isinstance(resource, dict) and "participants" in resource else []


def _resource(recorded: dict[str, Any]) -> Any:
    try:
        answer = json.loads(recorded["response"].get("body") or "")
    except ValueError:
        return None
    return answer.get("resource") or answer.get("resources")


def _shown(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages in an answer, at any depth."""
    found: list[dict[str, Any]] = []
    waiting = [_resource(recorded)]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            if {"id", "thread_id", "pinned_info"} <= one.keys():
                found.append(one)
    return found


def _stored(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a message that was shown."""
    row = {name: one for name, one in shown.items() if name not in ("stats", "last_replies")}
    if row["blocks"] == [{"type": _AUTO, "elements": [row["text"]]}]:
        row["blocks"] = []
    return row
