"""The sandbox answers as the recorded server did, case by case."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import WIRE

from twake_async.sandbox import Sandbox
from twake_async.sandbox._http import Request, Response
from twake_async.sandbox._releases import permissions
from twake_async.sandbox._releases.server import answer
from twake_async.sandbox._world.seeded import seeded_world
from twake_async.sandbox._world.world import World

REST_SEED = json.loads((WIRE / "rest" / "world.json").read_text())
# The token of a page stood in the recorded database, and in one of the two files about it.
SEED = json.loads((WIRE / "world.json").read_text()) | {"tokens": REST_SEED["tokens"]}
CASES = [json.loads(line) for line in (WIRE / "cases.jsonl").read_text().splitlines()]


def of_release(server: str, php: str) -> list[dict[str, Any]]:
    return [c for c in CASES if c["server"] == server and c["php"] == php]


NOT_FOLLOWED = {
    "25x-users-notifications": "a user's notifications are not part of the sandbox",
    "r25-users-get-by-app-without-rights": "the user of that recording has more in its profile",
}
NOT_FOLLOWED_2021 = {
    "25-users-get": "the Node service's own fields of a person are not part of the sandbox",
}
CASES_2020 = of_release("v2020.Q3.107", "8.2")
#: The routes beside the messages that the sandbox serves.
AROUND = ("core/token", "channels/", "users/get", "general/", "messages/")
REST = [
    case
    for case in map(json.loads, (WIRE / "rest" / "cases.jsonl").read_text().splitlines())
    if case["request"]["path"].removeprefix("/api/v1/").startswith(AROUND)
]
FRONT_IDS = [json.loads(line) for line in (WIRE / "front_id_cases.jsonl").read_text().splitlines()]

FIELDS = [
    "id",
    "channel_id",
    "parent_message_id",
    "content",
    "pinned",
    "sender",
    "front_id",
    "hidden_data",
    "ephemeral_id",
    "_user_reaction",
    "_once_ephemeral_message",
    "_once_user_specific_update",
    "_once_replace_message_parent_message",
    "user_id",
    "modifiers",
    "replace_all",
]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
FRONT_ID = r"\d{10}[0-9a-f]{40}"
DATES = {"creation_date", "modification_date", "created_at", "last_activity"}
STAND_IN = "app-from-jwt"  # what the recording's Node service called the application that asked
TEMPLATE = re.compile(r"\{\{(\d+)\.([a-z_.]+)\}\}")


def spelled_out(
    request: dict[str, Any], earlier: list[Any]
) -> tuple[str, str, dict[str, str], bytes]:
    """Return a recorded request, with the values of earlier answers in it."""

    def from_earlier(match: re.Match[str]) -> str:
        value = earlier[int(match[1])]
        for key in match[2].split("."):
            value = value[key]
        return value

    body = TEMPLATE.sub(from_earlier, request["body"])
    coding = "latin-1" if "content-encoding" in request["headers"] else "utf-8"
    return request["method"], request["path"], request["headers"], body.encode(coding)


def send(world: World, request: dict[str, Any], earlier: list[Any], release: str) -> Response:
    return answer(world, Request(*spelled_out(request, earlier)), release=release)


def parsed(body: str | bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def rows(world: World) -> dict[str, Any]:
    return {message.id: repr(message.as_array()) for message in world.messages.values()}


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    changed = sum(after[i] != before.get(i) for i in after)
    removed = sum(i not in after for i in before)
    return {"before": len(before), "after": len(after), "changed": changed, "removed": removed}


class Comparison:
    """Equality but for generated values, which must be of one shape and stand for one another."""

    def __init__(self, fixed: str, stands_for: dict[str, str]) -> None:
        self.fixed = fixed
        self.stands_for = stands_for

    def same(self, ours: Any, theirs: Any, key: str = "") -> None:
        if isinstance(theirs, dict):
            assert isinstance(ours, dict), (key, ours, theirs)
            assert list(ours) == list(theirs), key
            for name in theirs:
                self.same(ours[name], theirs[name], name)
        elif isinstance(theirs, list):
            assert isinstance(ours, list), (key, ours, theirs)
            assert len(ours) == len(theirs), key
            for one, other in zip(ours, theirs, strict=True):
                self.same(one, other, key)
        elif key in DATES and theirs:
            assert isinstance(ours, int)
            assert abs(ours - time.time()) < 60
        elif isinstance(theirs, str) and self.generated(theirs):
            shape = UUID if re.fullmatch(UUID, theirs) else FRONT_ID
            assert re.fullmatch(shape, ours), (key, ours, theirs)
            assert self.stands_for.setdefault(theirs, ours) == ours, key
        else:
            theirs = self.stands_for.get(theirs, theirs) if key == "application_id" else theirs
            assert (type(ours), ours) == (type(theirs), theirs), key

    def generated(self, text: str) -> bool:
        return text not in self.fixed and bool(re.fullmatch(f"{UUID}|{FRONT_ID}", text))


def replay(case: dict[str, Any], release: str, seed: dict[str, Any] = SEED) -> None:
    world = seeded_world(seed)
    asker = permissions.credentials(case["request"]["headers"].get("authorization", ""))
    fixed = json.dumps(seed) + case["request"]["body"]
    compare = Comparison(fixed, {STAND_IN: asker[0]} if asker else {})
    earlier = []
    for exchange in case["setup"]:
        response = send(world, exchange["request"], earlier, release)
        check(compare, response, exchange["response"])
        earlier.append(parsed(response.body))
    before = rows(world)
    check(compare, send(world, case["request"], earlier, release), case["response"])
    if "rows" in case:
        assert changes(before, rows(world)) == case["rows"]


def check(compare: Comparison, ours: Response, recorded: dict[str, Any]) -> None:
    assert ours.status == recorded["status"]
    assert dict(ours.headers) == recorded["headers"]
    body, trace = ours.body.decode(), recorded["body"]
    assert body.startswith("string(") == trace.startswith("string(")
    body, trace = (re.sub(r'(?s)^string\(.*?"\n', "", text) for text in (body, trace))
    if parsed(trace) is None:
        assert body == trace
    else:
        compare.same(parsed(body), parsed(trace))


def names(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


@pytest.mark.parametrize("case", CASES_2020, ids=names(CASES_2020))
def test_2020_answers_as_recorded_and_changes_the_same_rows(case: dict[str, Any]) -> None:
    """Status, headers, JSON and stored rows are those of v2020.Q3.107 on PHP 8.2."""
    if case["name"] in NOT_FOLLOWED:
        pytest.skip(NOT_FOLLOWED[case["name"]])
    replay(case, "2020")


@pytest.mark.parametrize("case", FRONT_IDS, ids=names(FRONT_IDS))
def test_2020_answers_and_stores_a_front_id_as_recorded(case: dict[str, Any]) -> None:
    """Some are answered with an id and not stored; the answer has the front_id that was sent."""
    replay(case, "2020")


@pytest.mark.parametrize("case", REST, ids=names(REST))
def test_2020_answers_around_the_messages_as_recorded(case: dict[str, Any]) -> None:
    """Channels, people, dialogs and tokens, with the rows that changed."""
    if case["name"] in NOT_FOLLOWED:
        pytest.skip(NOT_FOLLOWED[case["name"]])
    replay(case, "2020", REST_SEED)


CASES_2021 = of_release("v2023.Q1.1223", "7.1")


@pytest.mark.parametrize("case", CASES_2021, ids=names(CASES_2021))
def test_2021_answers_as_recorded(case: dict[str, Any]) -> None:
    """Status, headers and JSON are those of the PHP of v2023.Q1.1223 on PHP 7.1."""
    if case["name"] in NOT_FOLLOWED_2021:
        pytest.skip(NOT_FOLLOWED_2021[case["name"]])
    replay(case, "2021")


@pytest.mark.parametrize("case", CASES_2021, ids=names(CASES_2021))
def test_2022_answers_v1_as_2021_does(case: dict[str, Any]) -> None:
    """No v1 of 2022 was recorded; its messages are those of the Node server."""
    if case["name"] in NOT_FOLLOWED_2021:
        pytest.skip(NOT_FOLLOWED_2021[case["name"]])
    replay(case, "2022")


OVER_HTTP = [
    "02-twacode-list",
    "06c-edit-reply-with-parent",
    "15o-front-id-from-tab",
    "15w-front-id-newline",
    "15zf-edit-after-from",
    "16b-sender-non-member",
    "20-auth-none",
    "22v-gzip",
    "22x-multipart",
    "22zb-form-invalid-utf8-front-id",
    "23-get-on-route",
    "23g-double-slash",
    "24-remove-ok",
]
SERVED = [case for case in CASES_2020 + FRONT_IDS if case["name"] in OVER_HTTP]


@pytest.mark.parametrize("case", SERVED, ids=names(SERVED))
def test_the_answers_are_the_same_over_a_socket(case: dict[str, Any]) -> None:
    """Status, content type and body come through HTTP as the core made them."""
    fixed = json.dumps(SEED) + case["request"]["body"]
    compare, earlier = Comparison(fixed, {}), []
    with Sandbox(SEED) as sandbox:
        for exchange in [*case["setup"], case]:
            method, path, headers, body = spelled_out(exchange["request"], earlier)
            connection = HTTPConnection("127.0.0.1", int(sandbox.url.rpartition(":")[2]), 5)
            with closing(connection):
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                found = Response(answer.status, wanted(dict(answer.headers)), answer.read())
            check(compare, found, exchange["response"])
            earlier.append(parsed(found.body))


def wanted(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("all-cookies", "content-type") if name in headers}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    message=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6) | JSON,
    known=st.booleans(),
    action=st.sampled_from(["save", "remove"]),
    release=st.sampled_from(["2020", "2021"]),
)
def test_no_message_is_too_odd_for_an_answer(
    message: Any, known: bool, action: str, release: str
) -> None:
    """For any JSON the answer is a 200 or a 500, and the JSON of a 200 is readable."""
    world = seeded_world(SEED)
    if known and isinstance(message, dict):
        message = {**message, "channel_id": SEED["channels"]["c1"]["id"]}
    headers = dict(CASES_2020[0]["request"]["headers"])
    body = json.dumps({"group_id": SEED["groups"]["g1"]["id"], "message": message}).encode()
    asked = Request("POST", f"/api/v1/messages/{action}", headers, body)
    response = answer(world, asked, release=release)
    assert response.status in (200, 500)
    if response.body.startswith(b"{"):
        assert {"object", "result", "error"} & parsed(response.body).keys()
