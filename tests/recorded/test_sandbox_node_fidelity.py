"""The sandbox answers and stores on the Node API as the recorded servers did, case by case."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from node_cases import Case, cases, spelled_out

from twake_async.sandbox._faults.database import delay_write, lose_write
from twake_async.sandbox._http import Request, Response
from twake_async.sandbox._releases.server import answer

if TYPE_CHECKING:
    from twake_async.sandbox._world.world import World

OWN_RECORD = "the sandbox does not tell an application its own record, as the key is in it"
CHANNELS = (
    "the seed says less of channels and people than these answers: other tests compare shapes"
)
USERS = "lists of users and companies are not part of the sandbox"
APPS = "lists and changes of applications are not part of the sandbox"
FILES = "files are not part of the sandbox"
EVENTS = "the sandbox sends no events"
DATABASE = "a database that fails is scripted: `fail_next` has what matters of it"
CONNECTION = "it is about the connection: a test over a socket has it"
MANGLED = "the recorded body is not the one that was sent: a test of its own sends such a body"
QUOTE = "the application's whole record, with its key, is in the answer"
PHP = "recorded from the Node server alone: the sandbox has PHP beside it, as an installation has"
SEARCH = "the search is not part of the sandbox"
REASONS: dict[str, tuple[str, ...]] = {
    OWN_RECORD: ("me-ok", "me-user", "me-uninstalled", "app-deleted-me"),
    CHANNELS: (
        "channels-list",
        "channel-get",
        "channel-get-unknown",
        "channel-members",
        "user-get-internal",
        "channel-deleted",
        "proxy-other-api",
    ),
    USERS: ("users-list", "company-get-internal"),
    APPS: ("app-deleted", "app-installed", "app-not-installed", "app-list-api"),
    FILES: ("edit-files", "send-file-internal", "send-file-empty-obj"),
    CONNECTION: ("close-mid-body",),
    MANGLED: ("body-gzip", "size-1040k", "size-1100k", "size-5m"),
    SEARCH: ("search",),
}

NOT_FOLLOWED = {name: reason for reason, found in REASONS.items() for name in found}
#: What has to be so before a case, as its server was set up for it.
EXPIRED = ("token-expired", "exp-send-expired")
SHORT_LIVED = "exp-"
CASES = cases()
DATES = {
    *("created_at", "updated_at", "last_activity", "edited_at", "pinned_at"),
    *("time", "expiration", "refresh_expiration"),
}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def reason(case: Case) -> str | None:
    """Return why the sandbox does not follow a case; None if it does."""
    if case.name.startswith("fault-"):
        return DATABASE
    if case.recorded["request"]["path"].endswith("/event"):
        return EVENTS
    if case.name == "send-quote" and case.release == "2023":
        return QUOTE
    if case.name == "v1-save-get" and case.release == "2022":
        return PHP
    return NOT_FOLLOWED.get(case.name)


@attrs.define
class Comparison:
    """Equality but for dates and generated ids; an id must stand for the same one throughout."""

    known: frozenset[str]
    """The ids that were there before: they are the same here."""
    stands_for: dict[str, str] = attrs.field(factory=dict)

    def same(self, ours: Any, theirs: Any, key: str = "") -> None:
        """Raise an AssertionError where two values differ."""
        if isinstance(theirs, dict):
            assert isinstance(ours, dict), (key, ours, theirs)
            assert list(ours) == list(theirs), key
            for name, value in theirs.items():
                self.same(ours[name], value, name)
        elif isinstance(theirs, list):
            assert isinstance(ours, list), (key, ours, theirs)
            assert len(ours) == len(theirs), (key, ours, theirs)
            for one, other in zip(ours, theirs, strict=True):
                self.same(one, other, key)
        elif key in DATES:
            assert type(ours) is type(theirs), key
        elif isinstance(theirs, str) and theirs.startswith("{{"):
            assert ours.count(".") == 2
        elif key == "requestId":
            assert re.fullmatch("req-[0-9a-z]+", ours)
        elif isinstance(theirs, str) and re.fullmatch(UUID, theirs) and theirs not in self.known:
            assert re.fullmatch(UUID, ours), (key, ours, theirs)
            assert self.stands_for.setdefault(theirs, ours) == ours, key
        else:
            assert (type(ours), ours) == (type(theirs), theirs), key


def rows(world: World, release: str) -> dict[str, dict[str, Any]]:
    """Return the tables, each with its rows by key."""
    store = world.node
    return {
        "threads": {
            key: {name: one for name, one in attrs.asdict(row).items() if name != "message_ids"}
            for key, row in store.threads.items()
        },
        "messages": {
            key: json.loads(json.dumps(one.as_row(with_status=release == "2023")))
            for key, one in store.messages.items()
        },
        "message_channel_refs": {
            f"{place[2]}|{thread}|{message}": {
                "company_id": place[0],
                "workspace_id": place[1],
                "channel_id": place[2],
                "message_id": message,
                "thread_id": thread,
            }
            for place, view in store.views.items()
            for thread, message in view.items()
        },
    }


def check_rows(
    compare: Comparison, recorded: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Compare what was added, changed and removed in each table."""
    for table, expected in recorded.items():
        if table not in after:
            continue
        old, new = before[table], after[table]
        added = [row for key, row in new.items() if key not in old]
        changed = [(old[key], row) for key, row in new.items() if key in old and old[key] != row]
        removed = [key for key in old if key not in new]
        compare_added(compare, added, expected.get("added", []))
        changes = expected.get("changed", [])
        if isinstance(changes, list):
            changes = [one for one in changes if not in_background(one)]
        assert len(changed) == (changes if isinstance(changes, int) else len(changes)), table
        if isinstance(changes, list):
            for (_, row), change in zip(changed, changes, strict=True):
                compare.same(row, change["after"])
        assert len(removed) == len(expected.get("removed", [])), (table, removed)
        if table == "messages":
            theirs = [key.partition("|")[0] for key in expected.get("removed", [])]
            assert removed == theirs


def in_background(change: dict[str, Any]) -> bool:
    """Return whether the server changed another message then: it had made its thumbnails."""
    return "thumbnails" in json.dumps(change["after"].get("files"))


def compare_added(compare: Comparison, ours: list[Any], theirs: int | list[Any]) -> None:
    """Compare the rows that were added, or only how many, where no more was kept."""
    assert len(ours) == (theirs if isinstance(theirs, int) else len(theirs)), (ours, theirs)
    if isinstance(theirs, list):
        for one, other in zip(ours, theirs, strict=True):
            # Without a company, the real server stores a reference under a random one.
            random = one.get("company_id") == ""
            compare.same(one, {**other, "company_id": ""} if random else other)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_node_releases_answer_as_recorded_and_change_the_same_rows(case: Case) -> None:
    """Status, content type, body, and the rows of threads, messages and the channels' views."""
    if why := reason(case):
        pytest.skip(why)
    world, response, before = carried_out(case)
    recorded = case.recorded["response"]
    known = frozenset(
        re.findall(
            UUID,
            json.dumps(before)
            + case.recorded["request"]["path"]
            + (case.recorded["request"]["body"] or ""),
        )
    )
    compare = Comparison(known | {one.id for one in world.apps.values()} | set(world.users))
    assert response.status == recorded["status"]
    assert response.headers["content-type"] == recorded["headers"]["content-type"]
    if recorded["body"].startswith("{"):
        compare.same(json.loads(response.body), json.loads(recorded["body"]))
    else:
        assert response.body.decode() == recorded["body"]
    check_rows(compare, case.recorded["rows"], before, rows(world, case.release))


def carried_out(case: Case) -> tuple[World, Response, dict[str, Any]]:
    """Return the world after a case, the answer, and the rows before it."""
    world = case.world()
    if case.name.startswith(SHORT_LIVED):
        world.tokens.lifetime = 3
    path, headers, body = spelled_out(case, world)
    if case.name in EXPIRED:
        world.tokens.expire()
    before = rows(world, case.release)
    request = Request(case.recorded["request"]["method"], path, headers, body)
    return world, answer(world, request, release=case.release), before


BY_NAME = {(case.release, case.name): case for case in CASES}


@pytest.mark.parametrize("release", ["2022", "2023"])
def test_a_write_that_the_database_swallows_is_answered_as_recorded(release: str) -> None:
    """The thread and its reference are stored, the message is not, and the answer lacks its id."""
    case = BY_NAME[release, "fault-messages-swallow"]
    world = case.world()
    path, headers, body = spelled_out(case, world)
    before = rows(world, release)
    request = Request("POST", path, headers, body)
    response = lose_write(world.node, "", lambda: answer(world, request, release=release))
    compare = Comparison(frozenset(re.findall(UUID, path + body.decode())))
    compare.same(json.loads(response.body), json.loads(case.recorded["response"]["body"]))
    after = rows(world, release)
    assert grown(before, after) == {"threads": 1, "messages": 0, "message_channel_refs": 1}


@pytest.mark.parametrize("release", ["2022", "2023"])
def test_a_write_that_fails_is_stored_with_the_next_request_as_recorded(release: str) -> None:
    """Two messages are stored then, and the channel shows the one of the healthy request alone."""
    failed = BY_NAME[release, "fault-messages-write"]
    healthy = BY_NAME[release, "fault-next-request"]
    world = healthy.world()
    path, headers, body = spelled_out(failed, world)
    request = Request("POST", path, headers, body)
    before = rows(world, release)
    delay_write(world.node, "", lambda: answer(world, request, release=release))
    assert grown(before, rows(world, release)) == {
        "threads": 1,
        "messages": 0,
        "message_channel_refs": 0,
    }
    before = rows(world, release)
    path, headers, body = spelled_out(healthy, world)
    world.node.write()
    answer(world, Request("POST", path, headers, body), release=release)
    recorded = healthy.recorded["rows"]
    assert grown(before, rows(world, release)) == {
        table: recorded[table]["after"] - recorded[table]["before"] for table in before
    }


def grown(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Return by how many rows each table grew."""
    return {table: len(after[table]) - len(before[table]) for table in before}
