"""The sandbox on the Node API: what no recorded case shows alone, and what tests can ask for."""

from __future__ import annotations

import base64
import gzip
import json
import time
import uuid
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async import MessageDraft, RetryPolicy, TwakeError, TwakeSession
from twake_async.sandbox import Sandbox, _server
from twake_async.sandbox._faults import names
from twake_async.sandbox._http import Request, Response
from twake_async.sandbox._releases.node.errors import CrashError, NodeError
from twake_async.sandbox._releases.node.js_json import decode, encode
from twake_async.sandbox._releases.server import answer
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.sandbox._world.seeded import seeded_world
from twake_async.sandbox._world.tokens import Bearer

APP = DEFAULT_SEED["apps"]["bot"]
COMPANY = DEFAULT_SEED["groups"]["acme"]["id"]
WORKSPACE = DEFAULT_SEED["workspaces"]["main"]["id"]
GENERAL = DEFAULT_SEED["channels"]["general"]["id"]
RANDOM = DEFAULT_SEED["channels"]["random"]["id"]
ALICE = DEFAULT_SEED["users"]["alice"]["id"]
BOB = DEFAULT_SEED["users"]["bob"]["id"]
MESSAGES = f"messages/v1/companies/{COMPANY}"
JSON = {"content-type": "application/json"}
RELEASES = pytest.mark.parametrize("release", ["2022", "2023"])


class Server:
    """A world, and short methods to send requests to its Node server."""

    def __init__(self, release: str = "2023", **bounds: int) -> None:
        self.world = seeded_world(DEFAULT_SEED, **bounds)
        self.release = release

    def token(self, who: str, *, is_application: bool = True) -> str:
        pair = self.world.tokens.issue(Bearer(who, is_application), self.world.now())
        return str(pair["value"])

    def ask(
        self, method: str, path: str, body: Any = None, *, prefix: str = "/api/", who: str = ""
    ) -> Response:
        token = self.token(who or APP["id"], is_application=not who)
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}"} | (JSON if content else {})
        return answer(
            self.world, Request(method, prefix + path, headers, content), release=self.release
        )

    def as_user(self, who: str, path: str, body: Any) -> Any:
        response = self.ask("POST", path, body, prefix="/internal/services/", who=who)
        return json.loads(response.body)["resource"]

    def send(self, text: Any = "hello", channel: str = GENERAL, **more: Any) -> Any:
        return json.loads(
            self.ask("POST", f"{MESSAGES}/threads", thread(text, channel, **more)).body
        )

    def reply(self, thread_id: str, **resource: Any) -> Any:
        path = f"{MESSAGES}/threads/{thread_id}/messages"
        return json.loads(self.ask("POST", path, {"resource": resource}).body)

    def edit(self, thread_id: str, message_id: str, **resource: Any) -> Any:
        path = f"{MESSAGES}/threads/{thread_id}/messages/{message_id}"
        return json.loads(self.ask("POST", path, {"resource": resource}).body)

    def feed(self, query: str = "", channel: str = GENERAL) -> list[str]:
        path = f"{MESSAGES}/workspaces/{WORKSPACE}/channels/{channel}/feed"
        return texts(self.ask("GET", f"{path}?{query}"))

    def listed(self, thread_id: str, query: str = "") -> list[str]:
        return texts(self.ask("GET", f"{MESSAGES}/threads/{thread_id}/messages?{query}"))


def texts(response: Response) -> list[str]:
    return [one["text"] for one in json.loads(response.body)["resources"]]


def thread(text: Any = "hello", channel: str = GENERAL, **more: Any) -> dict[str, Any]:
    place = {"company_id": COMPANY, "workspace_id": WORKSPACE}
    return {
        "resource": {"participants": [{"type": "channel", "id": channel, **place}]},
        "options": {"message": {"text": text, **more}},
    }


def other_app(server: Server) -> str:
    """Return a message of another application in a thread of its own."""
    token = server.token(str(uuid.uuid1()))
    asked = Request(
        "POST",
        f"/api/{MESSAGES}/threads",
        JSON | {"authorization": f"Bearer {token}"},
        json.dumps(thread("theirs")).encode(),
    )
    return str(
        json.loads(answer(server.world, asked, release=server.release).body)["resource"]["id"]
    )


# Messages of others


def test_an_edit_of_somebody_elses_message_is_a_200_and_moves_its_date_alone() -> None:
    """The answer shows the old text, and whose message it is."""
    server = Server("2022")
    theirs = other_app(server)
    row = server.world.node.messages[theirs]
    row.updated_at = 1
    shown = server.edit(theirs, theirs, text="mine now", context={"a": 1})["resource"]
    assert (shown["text"], shown["context"], shown["edited"]) == ("theirs", None, None)
    assert shown["application_id"] != APP["id"]
    assert row.updated_at > 1


@RELEASES
def test_a_message_of_somebody_else_is_not_deleted(release: str) -> None:
    """It is a 500 in a 200, and the message stays."""
    server = Server(release)
    theirs = other_app(server)
    for method, path in (("DELETE", theirs), ("POST", f"{theirs}/delete")):
        response = server.ask(method, f"{MESSAGES}/threads/{theirs}/messages/{path}", {})
        assert (response.status, json.loads(response.body)["statusCode"]) == (200, 500)
    assert theirs in server.world.node.messages


def test_2023_edits_nothing_in_a_thread_that_the_application_did_not_join() -> None:
    """An edit meets the same 404 as a reply; an ephemeral reply does, too."""
    server = Server()
    theirs = other_app(server)
    assert server.edit(theirs, theirs, text="x")["statusCode"] == 404
    ephemeral = {"id": "e1", "recipient": ALICE}
    assert server.reply(theirs, text="x", ephemeral=ephemeral)["statusCode"] == 404


def test_who_joined_can_be_removed_again_and_joins_once() -> None:
    """A participant that is there is not added again."""
    server = Server()
    theirs = other_app(server)
    me = {"type": "user", "id": APP["id"]}

    def change(**change: Any) -> list[Any]:
        body = {"resource": {}, "options": {"participants": change}}
        response = server.ask("POST", f"{MESSAGES}/threads/{theirs}", body)
        found = json.loads(response.body)["resource"]["participants"]
        return [one.get("id") for one in found].count(APP["id"])  # type: ignore[return-value]

    assert change(add=[me], remove=[]) == 1
    assert change(add=[me]) == 1
    assert "id" in server.reply(theirs, text="hello")["resource"]
    assert change(remove=[me]) == 0
    assert server.reply(theirs, text="hello")["statusCode"] == 404


def test_a_user_edits_and_removes_their_own_message_only() -> None:
    """Users come through the services directly, with tokens of their own."""
    server = Server()
    opened = server.as_user(ALICE, f"{MESSAGES}/threads", thread("from alice"))
    path = f"{MESSAGES}/threads/{opened['id']}/messages"
    mine = server.as_user(BOB, path, {"resource": {"text": "from bob"}})
    assert server.as_user(ALICE, f"{path}/{mine['id']}", {"resource": {"text": "no"}})["text"] == (
        "from bob"
    )
    assert server.as_user(BOB, f"{path}/{mine['id']}", {"resource": {"text": "yes"}})["text"] == (
        "yes"
    )
    assert server.ask("POST", f"{MESSAGES}/threads", thread(), who=ALICE).status == 500


# Reading


def test_a_feed_runs_by_last_activity_from_the_oldest_or_the_newest() -> None:
    """A reply brings its thread to the end; a page begins or ends at the message that it names."""
    server = Server()
    first, second, third = (server.send(text)["resource"]["id"] for text in ("1", "2", "3"))
    newest = server.reply(first, text="r")["resource"]["id"]
    server.send("elsewhere", RANDOM)
    assert server.feed() == ["2", "3", "1"]
    assert server.feed("limit=2") == ["2", "3"]
    assert server.feed("limit=2&direction=history") == ["3", "1"]
    assert server.feed(f"limit=2&direction=history&page_token={third}") == ["2", "3"]
    assert server.feed(f"page_token={third}") == ["3", "1"]
    assert server.feed(f"page_token={newest}&limit=x") == ["1"]
    assert server.feed("page_token=no-id") == ["2", "3", "1"]
    assert server.feed("limit=0") == ["2", "3", "1"]
    server.ask("DELETE", f"{MESSAGES}/threads/{second}/messages/{second}")
    assert server.feed() == ["3", "1"]


def test_a_thread_runs_from_its_first_message_or_from_its_last() -> None:
    """With `direction=history` it is reversed, unlike a feed."""
    server = Server()
    head = server.send("1")["resource"]["id"]
    second, _ = (server.reply(head, text=text)["resource"]["id"] for text in ("2", "3"))
    assert server.listed(head) == ["1", "2", "3"]
    assert server.listed(head, "limit=2") == ["1", "2"]
    assert server.listed(head, "limit=2&direction=history") == ["3", "2"]
    assert server.listed(head, f"page_token={second}") == ["2", "3"]
    assert server.listed(head, f"page_token={second}&direction=history") == ["2", "1"]


def test_what_is_stored_without_being_shown_is_in_no_feed() -> None:
    """Another workspace, or a text that is no string: a 200, or a 500, and no feed has it."""
    server = Server()
    wrong = thread("lost")
    wrong["resource"]["participants"][0]["workspace_id"] = str(uuid.uuid1())
    assert server.ask("POST", f"{MESSAGES}/threads", wrong).status == 200
    assert server.send(5)["statusCode"] == 500
    assert len(server.world.node.messages) == 2
    assert server.feed() == []


def test_only_the_last_messages_and_threads_are_kept() -> None:
    """Threads that failures left without a message are bounded, too."""
    server = Server(max_messages=3)
    kept = [server.send(str(number))["resource"]["id"] for number in range(5)]
    assert list(server.world.node.messages) == kept[2:]
    assert server.feed() == ["2", "3", "4"]
    for _ in range(5):
        server.send(id=kept[0])
    assert len(server.world.node.threads) == 3
    assert server.feed() == []
    head = server.send("head")["resource"]["id"]
    for number in range(4):
        server.reply(head, text=str(number))
    assert server.listed(head) == ["1", "2", "3"]
    gone = server.ask("POST", f"{MESSAGES}/threads/{head}", {"resource": {}, "options": {}})
    assert json.loads(gone.body)["resource"]["message"].keys() == {"stats", "last_replies"}


def test_reactions_replace_those_of_who_asks() -> None:
    """Those of others stay; a reaction that nobody has is gone. A pin is removed again."""
    server = Server()
    head = server.send()["resource"]["id"]
    path = f"{MESSAGES}/threads/{head}/messages/{head}"
    server.as_user(ALICE, f"{path}/reaction", {"reactions": ["heart", "ok"]})
    response = server.ask("POST", f"{path}/reaction", {"reactions": ["ok", 5]})
    assert json.loads(response.body)["resource"]["reactions"] == [
        {"name": "heart", "count": 1, "users": [ALICE]},
        {"name": "ok", "count": 2, "users": [ALICE, APP["id"]]},
    ]
    left = server.as_user(ALICE, f"{path}/reaction", {"reactions": "none"})["reactions"]
    assert left == [{"name": "ok", "count": 1, "users": [APP["id"]]}]
    assert server.as_user(ALICE, f"{path}/pin", {"pin": True})["pinned_info"]
    assert server.as_user(ALICE, f"{path}/pin", {"pin": False})["pinned_info"] is None
    unknown = server.ask("POST", f"{MESSAGES}/threads/{head}/messages/{uuid.uuid1()}/pin", {})
    assert json.loads(unknown.body)["statusCode"] == 500


# Bodies


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1),
        ("1e3", 1000),
        ("-0.0", 0),
        ("0.5", 0.5),
        ("12345678901234567890", 12345678901234567000),
        ("1e999", None),
        ("1" * 500, None),
        ('{"b":1,"10":2,"9":3}', {"9": 3, "10": 2, "b": 1}),
        ("\ufeff[]", []),
    ],
)
def test_json_is_read_as_javascript_reads_it(text: str, value: Any) -> None:
    """Numbers are doubles, keys that are indexes come first, a byte order mark is passed over."""
    found = decode(text)
    assert (found, type(found)) == (value, type(value))
    assert json.dumps(found) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"id":', "Unexpected end of JSON input"),
        ("[NaN]", "Unexpected token 'N', \"[NaN]\" is not valid JSON"),
        ("[" + "1," * 30 + "x]", "Unexpected token 'x', ...\"1,1,1,1,1,x]\" is not valid JSON"),
        (
            "[x" + ",1" * 30 + "]",
            "Unexpected token 'x', \"[x,1,1,1,1,\"... is not valid JSON",
        ),
        ('["a', "Unterminated string in JSON at position 3"),
        ('{"__proto__":1}', "Object contains forbidden prototype property"),
    ],
)
def test_what_is_no_json_is_told_as_v8_tells_it(text: str, told: str) -> None:
    """A 400, with an excerpt of what cannot be read."""
    with pytest.raises(NodeError) as caught:
        decode(text)
    assert (caught.value.status, caught.value.message) == (400, told)


@pytest.mark.parametrize("depth", [401, 100_000])
def test_what_is_very_deep_is_a_crash(depth: int) -> None:
    """The sandbox does not read it; it does read 400 levels."""
    with pytest.raises(CrashError):
        decode("[" * depth + "]" * depth)
    with pytest.raises(CrashError):
        decode('{"a":' * depth + "1" + "}" * depth)
    assert decode("[" * 300 + "]" * 300 + " ")
    assert len(decode("[" + ",".join(["[]"] * 500) + "]")) == 500


def test_a_lone_surrogate_is_written_as_an_escape() -> None:
    """All else is written as it is, in UTF-8."""
    assert encode({"a": "é\ud83d\u2028\x00"}) == '{"a":"é\\ud83d\u2028\\u0000"}'.encode()


@pytest.mark.parametrize("body", [gzip.compress(b"{}", mtime=0), b'{"a":"\xff"}'])
def test_a_body_that_is_no_utf8_is_a_400(body: bytes) -> None:
    """Compressed bodies are not read either: they have another length as text."""
    server = Server()
    headers = JSON | {"authorization": f"Bearer {server.token(APP['id'])}"}
    asked = Request("POST", f"/api/{MESSAGES}/threads", headers, body)
    response = answer(server.world, asked, release="2023")
    assert response.status == 400
    assert json.loads(response.body)["code"] == "FST_ERR_CTP_INVALID_CONTENT_LENGTH"


def test_a_login_may_be_a_form_and_an_id_may_not_be_a_number() -> None:
    """A key that is no string is a wrong one."""

    def login(body: Any, **headers: str) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = Request("POST", "/api/console/v1/login", JSON | headers, content)
        return answer(seeded_world(DEFAULT_SEED), asked, release="2023").status

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert login(f"id={APP['id']}&secret={APP['key']}".encode(), **form) == 200
    assert login({"id": 5, "secret": APP["key"]}) == 500
    assert login({"id": APP["id"], "secret": 5}) == 403


def test_paths_that_are_not_served_say_so_and_unknown_ones_are_not_found() -> None:
    """A service of the real server that the sandbox lacks is a 501, with a token."""
    server = Server()
    assert server.ask("GET", f"channels/v1/companies/{COMPANY}/x").status == 501
    assert server.ask("GET", "console/v1/me").status == 501
    assert server.ask("GET", "users/v1/x", prefix="/internal/services/").status == 501
    assert server.ask("GET", "nothing/v1/x", prefix="/internal/services/").status == 404
    head = answer(server.world, Request("HEAD", "/api/nothing", {}), release="2023")
    assert (head.status, head.body) == (404, b"")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("resource", "options", "message", "participants", "add", "remove", "id"),
                    *("text", "blocks", "files", "context", "quote_message", "override", "type"),
                    *("user_id", "ephemeral", "subtype", "thread_id", "company_id", "metadata"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    body=VALUES,
    inside=st.sampled_from(["", "message", "resource"]),
    path=st.sampled_from(["", "/{t}", "/{t}/messages", "/{t}/messages/{t}"]),
    release=st.sampled_from(["2022", "2023"]),
)
def test_no_body_is_too_odd_for_an_answer(body: Any, inside: str, path: str, release: str) -> None:
    """For any JSON the answer of the proxy is JSON with a status of 200, or a 400."""
    server = Server(release)
    head = server.send()["resource"]["id"]
    if inside == "message":
        body = thread() | {"options": {"message": body}}
    elif inside:
        body = {"resource": body}
    response = server.ask("POST", f"{MESSAGES}/threads{path.format(t=head)}", body)
    assert response.status in (200, 400)
    found = json.loads(response.body)
    assert {"resource", "statusCode"} & found.keys()
    assert server.feed()


# The same model for both APIs


async def send_all(sandbox: Sandbox, *drafts: MessageDraft) -> list[str]:
    async with session(sandbox) as twake:
        return [(await twake.send(draft)).id or "" for draft in drafts]


def session(sandbox: Sandbox, **more: Any) -> TwakeSession:
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        workspace_id=sandbox.workspace_id,
        **{"api": sandbox.api} | more,
    )


@RELEASES
async def test_messages_are_shown_as_those_of_v1(release: str) -> None:
    """`front_id` is not among the hidden data; a plain text is a string; a reply has its parent."""
    with Sandbox(release=release) as sandbox:
        draft = MessageDraft(sandbox.channel_id, "hello", hidden_data={"a": 1}, front_id="mine")
        [head] = await send_all(sandbox, draft)
        reply = sandbox.say("hi", user_id=BOB, parent_message_id=head)
        first, second = sandbox.messages(sandbox.channel_id)
        assert second == reply
        assert sandbox.say("so", parent_message_id=second["id"])["parent_message_id"] == head
        shown = (first["content"], first["front_id"], first["hidden_data"])
        assert shown[:2] == ("hello", "mine")
        assert shown[2]["a"] == 1
        assert "_front_id" not in shown[2]
        assert (first["sender"], first["application_id"]) == (None, sandbox.public_id)
        assert sandbox.messages()[0]["responses_count"] == 2
        assert first["workspace_id"] == sandbox.workspace_id
        assert (reply["sender"], reply["application_id"], reply["content"]) == (BOB, None, "hi")
        assert reply["parent_message_id"] == head
        assert sandbox.messages(RANDOM) == []


async def test_on_v1_a_person_says_something_too() -> None:
    """It is a message of a user, and a reply counts."""
    with Sandbox() as sandbox:
        head = sandbox.say("hello")
        sandbox.say("hi", user_id=BOB, parent_message_id=head["id"])
        first, second = sandbox.messages()
        assert (first["content"], first["sender"], first["responses_count"]) == ("hello", ALICE, 1)
        assert (second["content"], second["sender"]) == ("hi", BOB)


async def test_blocks_are_shown_as_what_is_in_them() -> None:
    """The elements of one block of Twacode, or all blocks; a text of another form as it is."""
    with Sandbox(release="2023") as sandbox:
        server = Server()
        server.world = sandbox._twake.world
        bold = [{"type": "bold", "content": "hi"}]
        server.send("a", blocks=[{"type": "twacode", "elements": bold}])
        section = [{"type": "section"}]
        server.send("b", blocks=section)
        server.send("c", blocks={"a": 1})
        server.send("d", context="x", override={"title": "T"})
        contents = [one["content"] for one in sandbox.messages()]
        prepared = [one["prepared"] for one in contents[:3]]
        assert prepared == [bold, section, {"a": 1}]
        last = sandbox.messages()[3]
        assert (last["hidden_data"], last["front_id"]) == ("x", None)
        assert last["override"] == {"title": "T"}


def test_an_ephemeral_message_is_replaced_and_taken_away_by_its_id() -> None:
    """It is shown to one, and not stored; `subtype: deleted` ends it."""
    with Sandbox(release="2023") as sandbox:
        server = Server()
        server.world = sandbox._twake.world
        ephemeral = {"id": "e1", "recipient": ALICE}
        server.send("one", ephemeral=ephemeral)
        server.send("two", ephemeral=ephemeral)
        server.send("other", ephemeral="odd")
        shown = sandbox.ephemerals(sandbox.channel_id)
        assert [one["content"] for one in shown] == ["two", "other"]
        assert shown[0]["ephemeral_message_recipients"] == [ALICE]
        server.send("", ephemeral=ephemeral, subtype="deleted")
        assert [one["content"] for one in sandbox.ephemerals(GENERAL)] == ["other"]
        assert sandbox.messages() == []


def test_a_seed_has_its_messages_on_the_node_api_too() -> None:
    """They are threads of their users, and are back after `reset`."""
    seed = DEFAULT_SEED | {
        "messages_seed": [{"channel": "general", "sender": "alice", "content": "first"}]
    }
    with Sandbox(seed, release="2023") as sandbox:
        sandbox.say("second", channel_id=RANDOM)
        assert [one["content"] for one in sandbox.messages()] == ["first", "second"]
        sandbox.reset()
        [first] = sandbox.messages()
        assert (first["content"], first["sender"]) == ("first", ALICE)


async def test_v1_and_node_of_2022_keep_the_same_messages() -> None:
    """What one sends, the other edits, answers and removes."""
    with Sandbox(release="2022") as sandbox:
        channel = sandbox.channel_id
        async with session(sandbox, api="v1") as old, session(sandbox) as new:
            first = await old.send_message(channel, "over v1", front_id="one", hidden_data={"a": 1})
            second = await new.send_message(channel, "over node", front_id="two")
            assert (await new.edit_message(first, "edited over node")).content
            assert (await old.edit_message(second, "edited over v1")).content
            await new.send_message(channel, "r", parent_message_id=first.id)
            await old.send_message(channel, "s", parent_message_id=second.id)
            contents = [one["content"] for one in sandbox.messages()]
            assert contents == ["edited over node", "edited over v1", "r", "s"]
            assert sandbox.messages()[0]["front_id"] == "one"
            await old.remove_message(second)
            await new.remove_message(first)
        assert [one["content"] for one in sandbox.messages()] == ["r", "s"]
        assert sandbox.logins == 1


def test_v1_of_2022_stores_a_message_without_a_text_and_no_channel_shows_it() -> None:
    """The real Node server does so with what PHP passes on; the answer is that of 2021."""
    with Sandbox(release="2022") as sandbox:
        pair = base64.b64encode(f"{APP['id']}:{APP['key']}".encode()).decode()
        body = {"group_id": COMPANY, "message": {"channel_id": GENERAL, "content": [1]}}
        headers = {"authorization": f"Basic {pair}", **JSON}
        asked = Request("POST", "/api/v1/messages/save", headers, json.dumps(body).encode())
        response, *_ = sandbox._twake.handle(asked, None)
        assert response.status == 200
        assert len(sandbox.messages()) == 1
        server = Server("2022")
        server.world = sandbox._twake.world
        assert server.feed() == []
        odd = Request("POST", "/api/v1/messages/save", headers, b'{"message": 5}')
        assert sandbox._twake.handle(odd, None)[0].status == 500


# Tokens


async def test_tokens_expire_by_time_and_on_request() -> None:
    """A refresh token stays good; a reset leaves tokens as they are."""
    with Sandbox(release="2023", token_lifetime=60) as sandbox:
        server = Server()
        server.world = sandbox._twake.world
        pair = server.world.tokens.issue(Bearer(APP["id"], is_application=True), server.world.now())
        assert pair["expiration"] - pair["time"] == 60

        def status(token: str) -> int:
            headers = {"authorization": f"Bearer {token}"}
            path = f"/api/{MESSAGES}/threads/{uuid.uuid1()}/messages"
            return sandbox._twake.handle(Request("GET", path, headers), None)[0].status

        assert (status(pair["value"]), status(pair["value"] + "x"), status("é")) == (200, 401, 401)
        sandbox.reset()
        assert status(pair["value"]) == 200
        sandbox.expire_tokens()
        assert (status(pair["value"]), status(pair["refresh"])) == (401, 200)
        sandbox._twake.world.clock = lambda: pair["time"] + 31 * 24 * 3600
        assert status(pair["refresh"]) == 401


# Faults


CLAIMS = {"DELIVERED": 1, "REFUSED": 0, "NOT_SENT": 0}
ASKED = [
    *(("after_storing", action) for action in names.ACTIONS),
    *(("before_storing", action) for action in (*names.ACTIONS, *names.NODE_ACTIONS, 404, 500)),
    *(("form", form) for form in names.FORMS),
    *(("refusal", word) for word in (*names.REFUSALS, 429)),
]


def ask_for(sandbox: Sandbox, kind: str, what: Any, on: Any = "write") -> None:
    if kind == "form":
        sandbox.answer_next(what, on=on)
    elif kind == "refusal":
        sandbox.refuse_next(what, on=on)
    else:
        sandbox.fail_next(**{kind: what}, on=on)


async def claim(sandbox: Sandbox, *, endless: bool, **more: Any) -> str:
    async with session(sandbox, retry=RetryPolicy.never(), **more) as twake:
        try:
            await twake.send_message(sandbox.channel_id, "x", deadline=0.4 if endless else 5)
        except TwakeError as exc:
            return exc.outcome.name
    return "DELIVERED"


@pytest.mark.parametrize(("kind", "what"), ASKED)
async def test_every_fault_can_be_asked_for_on_the_node_api(kind: str, what: Any) -> None:
    """What a send then claims is what the sandbox stored."""
    endless = what in ("silent", "cut_silent", "drip", "later")
    with Sandbox(release="2023") as sandbox:
        ask_for(sandbox, kind, what)
        claimed = await claim(sandbox, endless=endless)
        assert len(sandbox.messages()) == CLAIMS.get(claimed, len(sandbox.messages()))
        assert [one for one in sandbox.requests if one.method == "POST"]


@pytest.mark.parametrize(
    ("kind", "what"), [one for one in ASKED if one[1] not in names.NODE_ACTIONS]
)
async def test_a_fault_may_wait_for_a_login(kind: str, what: Any) -> None:
    """No message can be stored then; a good answer in another form lets the send go on."""
    endless = what in ("silent", "cut_silent", "drip")
    with Sandbox(release="2023") as sandbox:
        ask_for(sandbox, kind, what, "login")
        claimed = await claim(sandbox, endless=endless)
        assert len(sandbox.messages()) == CLAIMS.get(claimed, -1)


async def test_a_fault_may_wait_for_a_read_or_for_who_joins_a_thread() -> None:
    """Sends do not meet it."""
    with Sandbox(release="2023") as sandbox:
        sandbox.fail_next(before_storing=503, on="read")
        sandbox.refuse_next("group", on="join")
        theirs = sandbox.say("a thread")["id"]
        async with session(sandbox, retry=RetryPolicy.never()) as twake:
            await twake.send_message(sandbox.channel_id, "hello")
            with pytest.raises(TwakeError):
                await twake.send_message(sandbox.channel_id, "r", parent_message_id=theirs)
            assert await claim(sandbox, endless=False) == "DELIVERED"
        statuses = {one.status for one in sandbox.requests if one.method == "GET"}
        server = Server()
        server.world = sandbox._twake.world
        asked = Request("GET", f"/api/{MESSAGES}/threads/{theirs}/messages", {})
        response, fault, _ = sandbox._twake.handle(asked, None)
        assert (statuses, response.status, fault is not None) == (set(), 503, True)


@pytest.mark.parametrize("content", ["null_object", "null_id", "other_message"])
async def test_a_read_has_its_own_form_of_an_answer_about_nothing(content: Any) -> None:
    """The content is that of one message."""
    with Sandbox(release="2023") as sandbox:
        sandbox.fail_next(after_storing=content, on="read")
        asked = Request("GET", f"/api/{MESSAGES}/threads/{uuid.uuid1()}/messages", {})
        response, *_ = sandbox._twake.handle(asked, None)
        resource = json.loads(response.body)["resource"]
        assert (resource is None) == (content == "null_object")
        assert resource is None or (resource["id"] is None) == (content == "null_id")


async def test_a_message_may_come_with_the_next_request_of_anybody() -> None:
    """Nothing is stored before; no feed shows it after."""
    with Sandbox(release="2023") as sandbox:
        sandbox.fail_next(before_storing="later")
        assert await claim(sandbox, endless=True) == "UNKNOWN"
        server = Server()
        server.world = sandbox._twake.world
        assert server.feed() == []
        assert [one["content"] for one in sandbox.messages()] == ["x"]


def handled(sandbox: Sandbox, server: Server, method: str, path: str, body: Any) -> Response:
    headers = JSON | {"authorization": f"Bearer {server.token(APP['id'])}"}
    asked = Request(method, f"/api/{MESSAGES}/{path}", headers, json.dumps(body).encode())
    return sandbox._twake.handle(asked, None)[0]


@pytest.mark.parametrize("action", names.NODE_ACTIONS)
def test_a_reply_an_edit_and_a_removal_may_be_lost_in_the_database(action: Any) -> None:
    """The rows are what they were; "later" writes them with the next request."""
    with Sandbox(release="2023") as sandbox:
        server = Server()
        server.world = sandbox._twake.world
        head = server.send("head")["resource"]["id"]
        gone = server.reply(head, text="gone")["resource"]["id"]
        sandbox.fail_next(before_storing=action, times=3)
        messages = f"threads/{head}/messages"
        handled(sandbox, server, "POST", messages, {"resource": {"text": "reply"}})
        # Each further request writes what the ones before left.
        handled(sandbox, server, "POST", f"{messages}/{head}", {"resource": {"text": "edited"}})
        handled(sandbox, server, "POST", f"{messages}/{gone}/delete", {})
        late = action == "later"
        expected = ["edited", "gone", "reply"] if late else ["head", "gone"]
        assert [one["content"] for one in sandbox.messages()] == expected
        handled(sandbox, server, "POST", "threads", {})
        expected = ["edited", "reply"] if late else ["head", "gone"]
        assert [one["content"] for one in sandbox.messages()] == expected
        assert server.feed() == expected[:1]


@pytest.mark.parametrize("action", names.NODE_ACTIONS)
async def test_what_v1_of_2022_writes_may_be_lost_in_the_database_too(action: Any) -> None:
    """A new message, a reply and an edit of v1 go to the same database."""
    with Sandbox(release="2022") as sandbox:
        options = {"api": "v1", "retry": RetryPolicy.never(), "deadline": 0.4}
        async with session(sandbox, **options) as twake:
            head = await twake.send_message(sandbox.channel_id, "head", deadline=5)
            for text, more in (("new", {}), ("reply", {"parent_message_id": head.id})):
                sandbox.fail_next(before_storing=action)
                if action == "later":
                    with pytest.raises(TwakeError):
                        await twake.send_message(sandbox.channel_id, text, **more)
                else:
                    await twake.send_message(sandbox.channel_id, text, **more)
            assert len(sandbox.messages()) == (2 if action == "later" else 1)
            await twake.remove_message(head)
        contents = [one["content"] for one in sandbox.messages()]
        assert contents == (["new", "reply"] if action == "later" else [])


def test_a_request_that_is_refused_anyway_is_not_lost_in_the_database() -> None:
    """There is nothing to be written then."""
    with Sandbox(release="2023") as sandbox:
        server = Server()
        server.world = sandbox._twake.world
        sandbox.fail_next(before_storing="swallowed", times=2)
        response = handled(sandbox, server, "POST", "threads", {})
        assert json.loads(response.body)["statusCode"] == 500
        ephemeral = thread(ephemeral={"id": "e"})
        response = handled(sandbox, server, "POST", "threads", ephemeral)
        assert json.loads(response.body) == {"resource": {"message": None}}


def test_what_only_the_node_api_has_is_refused_elsewhere() -> None:
    """The error names it; an unknown kind of request names the known ones."""
    sandbox = Sandbox()
    with pytest.raises(ValueError, match="'login' needs a release with the Node API"):
        sandbox.slow_next(1, on="login")
    with pytest.raises(ValueError, match="'later' needs a release with the Node API"):
        sandbox.fail_next(before_storing="later")
    with pytest.raises(ValueError, match="'swallowed' needs a release .* and a write"):
        Sandbox(release="2023").fail_next(before_storing="swallowed", on="join")
    with pytest.raises(ValueError, match="'swallowed' is a failure before storing"):
        Sandbox(release="2023").fail_next(after_storing="swallowed")
    with pytest.raises(ValueError, match="use one of write, read, login, join"):
        Sandbox(release="2023").fail_next(before_storing=500, on="all")  # type: ignore[arg-type]


async def test_the_requests_of_a_check_meet_no_fault() -> None:
    """They are the probes of both APIs."""
    for release in ("2022", "2023"):
        with Sandbox(release=release) as sandbox:
            sandbox.fail_next(before_storing=500, on="login")
            sandbox.fail_next(before_storing=500)
            asked = Request("POST", "/api/console/v1/login", JSON, b"{}")
            assert sandbox._twake.handle(asked, None)[0].status == 403
            asked = Request("POST", "/api/v1/messages/save", JSON, b'{"group_id": "x"}')
            assert sandbox._twake.handle(asked, None)[1] is None
            sandbox.fail_next(before_storing=500, on="read")
            nobody = "00000000-0000-1000-8000-000000000000"
            asked = Request("GET", f"/api/{MESSAGES}/threads/{nobody}/messages", {})
            assert sandbox._twake.handle(asked, None)[0].status == 401


# Over a socket


async def test_the_log_and_what_was_received_hold_no_key_and_no_token() -> None:
    """A line says what was asked and answered; the secret of a login is not kept."""
    lines: list[str] = []
    with Sandbox(release="2023", log=lines.append) as sandbox:
        theirs = sandbox.say("a thread")["id"]
        async with session(sandbox, join_threads=False) as twake:
            await twake.send_message(sandbox.channel_id, "hello")
            with pytest.raises(TwakeError):
                await twake.send_message(sandbox.channel_id, "r", parent_message_id=theirs)
            sandbox.fail_next(after_storing="close")
            await twake.send_message(sandbox.channel_id, "lost")
        server = Server()
        server.world = sandbox._twake.world
        handled(sandbox, server, "POST", "threads", thread("eph", ephemeral={"id": "e"}))
        asked = Request("POST", "/api/console/v1/login", {}, APP["key"].encode())
        sandbox._twake.handle(asked, None)
        text = "\n".join(lines)
        assert '"hello" -> 200 message ' in text
        assert "-> 200 refused: You can't post in this thread" in text
        assert "-> no answer (fault: close; carried out)" in text
        assert '"eph" -> 200 ephemeral' in text
        kept = text + repr(sandbox.requests)
        assert APP["key"] not in kept
        assert "eyJ" not in kept
        assert sandbox.requests[0].body == {"id": sandbox.public_id}
        [look] = [one for one in sandbox.requests if one.path.endswith("/feed")]
        assert "direction=history" in look.query
        assert sandbox.requests[-1].body == {}


@RELEASES
def test_a_body_over_1_mib_is_answered_413_in_json(release: str) -> None:
    """As Fastify does; just below, it is stored."""
    with Sandbox(release=release) as sandbox:
        assert posted(sandbox, 1_048_577) == (413, "FST_ERR_CTP_BODY_TOO_LARGE")
        assert posted(sandbox, 1_048_576) == (200, None)
        assert len(sandbox.messages()) == 1


def posted(sandbox: Sandbox, size: int) -> tuple[int, str | None]:
    """Send a message whose body has that size; return the status and the code of an error."""
    server = Server()
    server.world = sandbox._twake.world
    empty = len(json.dumps(thread("")))
    body = json.dumps(thread("x" * (size - empty))).encode()
    assert len(body) == size
    headers = JSON | {"Authorization": f"Bearer {server.token(APP['id'])}"}
    with closing(HTTPConnection("127.0.0.1", int(sandbox.url.rpartition(":")[2]), 5)) as connection:
        connection.request("POST", f"/api/{MESSAGES}/threads", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read()).get("code")


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 5 s, as Node does it; here after 1 s."""
    assert _server.IDLE == 5
    monkeypatch.setattr(_server, "IDLE", 1)
    with Sandbox(release="2023") as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with closing(HTTPConnection("127.0.0.1", port, 5)) as connection:
            connection.request("GET", "/internal/services/general/v1/server")
            assert b"2023.Q1.1223" in connection.getresponse().read()
            began = time.monotonic()
            assert connection.sock is not None
            assert connection.sock.recv(1) == b""
            assert 0.5 < time.monotonic() - began < 4
