"""Channels, people, dialogs and any other route of v1: what the recorded answers prove."""

from __future__ import annotations

import json

import httpx
import pytest
import respx
from places import WIRE

from twake_async import (
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)
from twake_async.events import ButtonClick
from twake_async.resources import TokenOwner
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.twacode import Button

CASES = {
    case["name"]: case
    for case in map(
        json.loads, (WIRE / "rest" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
USERS = DEFAULT_SEED["users"]
URL = "https://twake.example.org"
GROUP = "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
WORKSPACE = "31425355-0f15-11eb-9a15-0242ac1b0006"
ALICE = "1d2e3f41-0f01-11eb-9a01-0242ac1b0006"
APPLICATION = "45566769-0f29-11eb-9a29-0242ac1b0006"


def recorded(name: str) -> httpx.Response:
    """Return a recorded answer."""
    answer = CASES[name]["response"]
    return httpx.Response(
        answer["status"],
        headers={"content-type": answer["headers"]["content-type"]},
        content=answer["body"].encode(),
    )


@pytest.fixture
def server():
    with respx.mock(base_url=URL + "/api/v1", assert_all_called=False) as router:
        yield router


@pytest.fixture
async def twake():
    async with TwakeSession(
        APPLICATION, "a-key", group_id=GROUP, base_url=URL, transport=httpx.AsyncHTTPTransport()
    ) as session:
        yield session


def click(**fields) -> ButtonClick:
    given = {"user_id": ALICE, "connection_id": "conn1", "message": None} | fields
    return ButtonClick(**given)


def sent_by(route: respx.Route) -> object:
    return json.loads(route.calls.last.request.content)


def sent_when_recorded(name: str) -> object:
    return json.loads(CASES[name]["request"]["body"])


# Each call asks as the recorded request did, and reads the recorded answer


async def test_a_user(server, twake):
    """The recorded profile, and all of it in `raw`."""
    route = server.post("/users/get").mock(recorded("r25-users-get-by-app-without-rights"))
    user = await twake.users.get(ALICE)
    assert sent_by(route) == sent_when_recorded("r25-users-get-by-app-without-rights")
    assert (user.id, user.username) == (ALICE, "alice")
    assert (user.first_name, user.last_name) == ("Alice", "Martin")
    assert (user.email, user.language, user.is_robot) == ("alice@example.org", "en", False)
    assert user.raw["mail_hash"] == "fbf7c6aec1d4280b7c2704c1c0478bd6"


async def test_the_direct_channel_of_a_person(server, twake):
    """Made or found, it is the same call, and belongs to that person."""
    route = server.post("/channels/get_direct_channel").mock(recorded("r30-direct"))
    channel = await twake.channels.direct(ALICE)
    assert sent_by(route) == sent_when_recorded("r30-direct")
    assert channel.id == "7520ec8a-e916-11f1-a354-1a5115a5303f"
    assert (channel.is_direct, channel.workspace_id, channel.group_id) == (True, "direct", GROUP)
    assert channel.members == (ALICE,)
    route.mock(recorded("r31-direct-twice"))
    assert (await twake.channels.direct(ALICE)).is_direct


async def test_ids_in_capitals_are_the_same_ids(server, twake):
    """The server answers them in small letters."""
    server.post("/users/get").mock(recorded("r25-users-get-by-app-without-rights"))
    assert (await twake.users.get(ALICE.upper())).id == ALICE
    server.post("/channels/get_direct_channel").mock(recorded("r30-direct"))
    assert (await twake.channels.direct(ALICE.upper())).members == (ALICE,)
    server.post("/drive/find").respond(json={"object": {"id": "ab-1", "name": "a"}})
    found = await twake.files.find("AB-1", workspace_id=WORKSPACE)
    assert found.id == "ab-1"


async def test_the_channels_of_a_workspace(server, twake):
    """Private ones are marked; flags come as numbers, too."""
    rows = [
        {"id": "c1", "name": "General", "original_workspace": WORKSPACE, "original_group": GROUP},
        {"id": "c2", "name": "Staff", "private": 1, "description": "for us", "members": [ALICE]},
        {"name": "no id"},
        "no channel",
    ]
    route = server.post("/channels/get_by_workspace").respond(json={"data": rows, "_cookies": []})
    general, staff = await twake.channels.of_workspace(WORKSPACE, ALICE)
    assert sent_by(route) == {"group_id": GROUP, "workspace_id": WORKSPACE, "user_id": ALICE}
    assert (general.name, general.workspace_id, general.group_id) == ("General", WORKSPACE, GROUP)
    assert (general.is_direct, general.is_private) == (False, False)
    assert (staff.is_private, staff.description, staff.members) == (True, "for us", (ALICE,))
    assert (staff.workspace_id, staff.group_id) == (None, None)


async def test_a_dialog_opens_and_closes(server, twake):
    """The recorded form of its request: ids of the event, Twacode, data that comes back."""
    opened = server.post("/general/configure").mock(recorded("r40-configure"))
    await twake.dialogs.open(click(), Button("OK", action_id="ok"), hidden_data={"a": 1})
    sent = sent_by(opened)
    assert sent["form"]["prepared"] == [{"type": "button", "content": "OK", "action_id": "ok"}]
    assert sent | {"form": None} == sent_when_recorded("r40-configure") | {"form": None}
    await twake.dialogs.open(click(), "hello")
    assert sent_by(opened) == sent_when_recorded("r43-configure-string-form") | {"hidden_data": {}}
    closed = server.post("/general/configure_close").mock(recorded("r49-close"))
    await twake.dialogs.close(click())
    assert sent_by(closed) == sent_when_recorded("r49-close")


async def test_the_user_of_a_token(server, twake):
    """The token of this session's application names its user."""
    route = server.post("/core/token").mock(recorded("r10-token-ok"))
    assert await twake.dialogs.user_of_token("tok") == TokenOwner(ALICE, WORKSPACE, GROUP)
    assert sent_by(route) == {"token": "tok"}


async def test_a_token_of_another_application_is_refused(server, twake):
    """The server answers for it (recorded); the error shows no part of the token."""
    foreign = recorded("r10-token-ok").text.replace(APPLICATION, "another-application")
    server.post("/core/token").respond(text=foreign, headers={"content-type": "application/json"})
    with pytest.raises(RefusedError, match="another application") as caught:
        await twake.dialogs.user_of_token("tok-secret")
    assert caught.value.reason == "arguments"
    assert "tok-secret" not in repr(caught.value)


async def test_any_other_route(server, twake):
    """The group is added, and the answer is given without the field of each answer."""
    route = server.post("/tasks/task/save").mock(recorded("r126-task-save"))
    answer = await twake.call("tasks/task/save", {"object": {"title": "Do it"}})
    assert sent_by(route) == {"group_id": GROUP, "object": {"title": "Do it"}}
    assert answer.keys() == {"object"}
    assert answer["object"]["title"] == "Do it"


# What is no good answer

CALLS = {
    "users/get": lambda twake: twake.users.get(ALICE),
    "channels/get_direct_channel": lambda twake: twake.channels.direct(ALICE),
    "channels/get_by_workspace": lambda twake: twake.channels.of_workspace(WORKSPACE, ALICE),
    "general/configure": lambda twake: twake.dialogs.open(click(), "form"),
    "general/configure_close": lambda twake: twake.dialogs.close(click()),
    "core/token": lambda twake: twake.dialogs.user_of_token("tok"),
    "tasks/task/save": lambda twake: twake.call("tasks/task/save", {}),
}


def error_of(name: str) -> type[Exception] | None:
    """Return the error that a recorded answer to a failed call must become; None for no error."""
    answer = CASES[name]["response"]
    said = answer["body"] if answer["status"] == 200 and answer["body"].startswith("{") else "{}"
    words = json.loads(said).get("error", "")
    if words == "unknown_application_or_bad_private_key":
        return AuthenticationError
    if words.startswith("you_need_to_provide_a_valid_group_id"):
        return InvalidGroupError
    if words.startswith("you_do_not_have_this_set"):
        return (
            InvalidGroupError if '"capabilities":[]' in answer["body"] else MissingCapabilityError
        )
    return None


REFUSED = [
    (name, route)
    for name, case in CASES.items()
    for route in [case["request"]["path"].removeprefix("/api/v1/")]
    if route in CALLS and error_of(name) is not None
]


def test_enough_refusals_were_recorded():
    """Otherwise the next test would not mean much."""
    assert len(REFUSED) > 15
    assert {route for _, route in REFUSED} >= set(CALLS) - {"core/token", "general/configure_close"}


@pytest.mark.parametrize(("name", "route"), REFUSED)
async def test_a_recorded_refusal_is_one(server, twake, name, route):
    """An empty list of capabilities is the word for a group that the server does not know."""
    server.post(f"/{route}").mock(recorded(name))
    with pytest.raises(error_of(name)):
        await CALLS[route](twake)


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("r24-users-get-empty", "users/get"),
        ("r24-users-get-empty", "channels/get_direct_channel"),
    ],
)
async def test_who_is_not_there(server, twake, name, route):
    """The server says null."""
    server.post(f"/{route}").mock(recorded(name))
    with pytest.raises(NotFoundError, match="knows no user") as caught:
        await CALLS[route](twake)
    assert caught.value.reason == "not_found"


async def test_an_unknown_user_may_be_a_sick_server(server, twake):
    """The same empty 500: the error says both, and a 500 is never tried again."""
    route = server.post("/users/get").mock(recorded("r22-users-get-unknown"))
    with pytest.raises(OutcomeUnknownError, match="knows no user with this id") as caught:
        await twake.users.get(ALICE)
    assert (caught.value.reason, caught.value.status) == ("status", 500)
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("r35-by-workspace-no-user", "channels/get_by_workspace"),
        ("r44-configure-no-user", "general/configure"),
        ("r45-configure-no-connection", "general/configure"),
        ("r16-token-empty", "core/token"),
    ],
)
async def test_arguments_that_the_server_does_not_take(server, twake, name, route):
    """They are refused before anything is written."""
    server.post(f"/{route}").mock(recorded(name))
    with pytest.raises(RefusedError) as caught:
        await CALLS[route](twake)
    assert (caught.value.reason, caught.value.status) == ("arguments", 200)


@pytest.mark.parametrize("words", ["payload_error", "invalid_token"])
async def test_a_save_is_refused_by_none_of_these_words(server, twake, words):
    """No server was seen to use them for a message, so its outcome stays unknown."""
    server.post("/messages/save").respond(json={"error": words, "_cookies": []})
    with pytest.raises(OutcomeUnknownError):
        await twake.send_message("c", "hello")


async def test_more_than_the_words_is_no_refusal(server, twake):
    """Such an answer was never recorded."""
    server.post("/channels/get_by_workspace").respond(json={"error": "payload_error", "data": []})
    with pytest.raises(OutcomeUnknownError):
        await twake.channels.of_workspace(WORKSPACE, ALICE, retry=RetryPolicy.never())


async def test_an_unknown_error_may_follow_a_write(server, twake):
    """Recorded: an event row stays behind. It is not tried again."""
    route = server.post("/tasks/task/save").mock(recorded("r128-task-unknown"))
    with pytest.raises(OutcomeUnknownError) as caught:
        await twake.call("tasks/task/save", {})
    assert caught.value.reason == "server_error"
    assert route.call_count == 1


@pytest.mark.parametrize("route", sorted(set(CALLS) - {"tasks/task/save"}))
async def test_what_may_be_asked_twice_is_asked_again(server, twake, route):
    """A gateway's answer proves nothing."""
    calls = server.post(f"/{route}").respond(502)
    with pytest.raises(OutcomeUnknownError):
        await CALLS[route](twake)
    assert calls.call_count > 1


@pytest.mark.parametrize("route", sorted(set(CALLS) - {"tasks/task/save"}))
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"object": 1, "data": {}, "result": "no"},
        {"object": {"id": 5}},
        {"object": {"id": "another", "members": ["another"]}},
        {"user_id": ALICE},
        {"app_id": APPLICATION},
    ],
)
async def test_an_answer_about_something_else_proves_nothing(server, twake, route, document):
    """Whatever stands in it."""
    server.post(f"/{route}").respond(json=document)
    with pytest.raises(OutcomeUnknownError) as caught:
        await twake_call(route, twake)
    assert caught.value.reason == "mismatch"


async def twake_call(route, twake):
    twake._sender.retry = RetryPolicy.never()
    return await CALLS[route](twake)


# One person


async def test_a_message_to_one_person(server, twake):
    """The channel is asked for first."""
    server.post("/channels/get_direct_channel").mock(recorded("r30-direct"))
    save = server.post("/messages/save").mock(side_effect=echo)
    message = await twake.send_direct(ALICE, "hello", front_id="f-1")
    assert message.front_id == "f-1"
    assert sent_by(save)["message"]["channel_id"] == "7520ec8a-e916-11f1-a354-1a5115a5303f"


def echo(request: httpx.Request) -> httpx.Response:
    message = json.loads(request.content)["message"]
    return httpx.Response(200, json={"object": {"id": "m1", **message}})


async def test_a_message_whose_channel_is_not_known_was_not_sent(server, twake):
    """Only the channel is unknown."""
    server.post("/channels/get_direct_channel").respond(502)
    save = server.post("/messages/save")
    with pytest.raises(NotSentError) as caught:
        await twake.send_direct(ALICE, "hello", retry=RetryPolicy.never())
    assert (caught.value.reason, caught.value.status) == ("channel", 502)
    assert not save.called


# What never leaves


@pytest.mark.parametrize(
    "route",
    ["", "/messages/save", "a//b", "../x", "a/../b", "a?b", "a#b", "a b", "a/", "http://x", "é", 5],
)
async def test_only_relative_names_are_routes(server, twake, route):
    """Nothing else under the address can be reached with the key."""
    with pytest.raises(ConfigurationError) as caught:
        await twake.call(route, {})
    assert caught.value.field == "route"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda twake: twake.users.get(""), "user_id"),
        (lambda twake: twake.users.get(5), "user_id"),
        (lambda twake: twake.channels.direct(" "), "user_id"),
        (lambda twake: twake.channels.of_workspace("", ALICE), "workspace_id"),
        (lambda twake: twake.dialogs.user_of_token(""), "token"),
        (lambda twake: twake.dialogs.open(click(user_id=None), "x"), "event"),
        (lambda twake: twake.dialogs.close(click(connection_id=None)), "event"),
        (lambda twake: twake.dialogs.open(click(user_id=5), "x"), "user_id"),
        (lambda twake: twake.dialogs.close(click(connection_id=["c"])), "connection_id"),
        (lambda twake: twake.dialogs.open(click(), "x", hidden_data=5), "hidden_data"),
        (lambda twake: twake.dialogs.open(click(), "x", hidden_data="ab"), "hidden_data"),
        (
            lambda twake: twake.dialogs.open(click(), "x", hidden_data={"a": float("nan")}),
            "hidden_data",
        ),
        (lambda twake: twake.call("a/b", []), "fields"),
        (lambda twake: twake.call("a/b", {"group_id": "another"}), "fields"),
        (lambda twake: twake.call("a/b", {"group_id": GROUP}, group_id=GROUP), "fields"),
        (lambda twake: twake.call("a/b", {"a": object()}), "fields"),
    ],
)
async def test_what_cannot_work_is_said_before_a_byte_leaves(server, twake, call, field):
    """The error names the field."""
    with pytest.raises(InvalidDraftError) as caught:
        await call(twake)
    assert caught.value.field == field
    assert not server.calls


@pytest.mark.parametrize("route", sorted(CALLS))
async def test_without_a_group_nothing_is_asked(server, route):
    """A token is the exception: it belongs to a group."""
    async with TwakeSession("id", "key", base_url=URL) as twake:
        server.post("/core/token").mock(recorded("r16-token-empty"))
        with pytest.raises(RefusedError if route == "core/token" else ConfigurationError):
            await CALLS[route](twake)


@pytest.mark.parametrize("route", sorted(set(CALLS) - {"users/get", "general/configure"}))
async def test_over_node_each_says_that_it_needs_v1(route):
    """No byte leaves."""
    async with TwakeSession("id", "key", group_id="g", base_url=URL, api="node") as twake:
        with pytest.raises(ConfigurationError, match='needs api="v1"') as caught:
            await CALLS[route](twake)
    assert caught.value.field == "api"


# The sandbox


@pytest.mark.parametrize("release", ["2020", "2021", "2022"])
async def test_the_sandbox_over_v1(release):
    """Channels, people and a message to one person, as a program meets them."""
    async with Sandbox(release=release) as sandbox:
        keys = (sandbox.public_id, sandbox.private_api_key)
        place = {"group_id": sandbox.group_id, "base_url": sandbox.url}
        async with TwakeSession(*keys, **place) as twake:
            alice = await twake.users.get(USERS["alice"]["id"])
            assert (alice.username, alice.email) == ("alice", "alice@example.org")
            sent = await twake.send_direct(alice.id, "only for you")
            again = await twake.channels.direct(alice.id)
            assert sent.channel_id == again.id
            general, random = await twake.channels.of_workspace(sandbox.workspace_id, alice.id)
            assert (general.name, random.name) == ("General", "Random")
            with pytest.raises(NotFoundError):
                await twake.send_direct("unknown", "to nobody")
            with pytest.raises(RefusedError):
                await twake.channels.of_workspace(sandbox.workspace_id, "unknown")
        shown = [one["content"] for one in sandbox.messages(sent.channel_id)]
        assert shown[-1] == "only for you"


async def test_a_token_of_the_sandbox():
    """A seed may have tokens of pages that were opened."""
    token = {"token": "tok", "app": "bot", "ws": "main", "group": "acme", "user": "alice"}
    async with Sandbox(DEFAULT_SEED | {"tokens": [token]}) as sandbox:
        keys = (sandbox.public_id, sandbox.private_api_key)
        async with TwakeSession(*keys, base_url=sandbox.url) as twake:
            owner = await twake.dialogs.user_of_token("tok")
            assert owner.user_id == USERS["alice"]["id"]
            with pytest.raises(RefusedError):
                await twake.dialogs.user_of_token("another")


async def test_a_connection_whose_answer_named_the_user_is_used_again():
    """Other connections are not: nothing shows that the answer belonged to the request."""
    async with Sandbox() as sandbox:
        keys = (sandbox.public_id, sandbox.private_api_key)
        place = {"group_id": sandbox.group_id, "base_url": sandbox.url}
        async with TwakeSession(*keys, **place) as twake:
            await twake.users.get(USERS["alice"]["id"])
            pool = twake._attempts.transport.pool
            assert len(pool._idle) == 1
            await twake.channels.of_workspace(sandbox.workspace_id, USERS["alice"]["id"])
            assert len(pool._idle) == 0


async def test_a_policy_that_resends_messages_resends_no_other_call(server):
    """Nobody asked for a second task or a second folder."""
    resend = RetryPolicy(on_unknown="resend", initial_wait=0.001)
    transport = httpx.AsyncHTTPTransport()
    async with TwakeSession(
        "id", "key", group_id=GROUP, base_url=URL, transport=transport, retry=resend
    ) as twake:
        task = server.post("/tasks/task/save").respond(502)
        folder = server.post("/drive/save").respond(502)
        for retry in (None, resend):
            with pytest.raises(OutcomeUnknownError):
                await twake.call("tasks/task/save", {}, retry=retry)
            with pytest.raises(OutcomeUnknownError):
                await twake.files.make_folder("Folder", workspace_id=WORKSPACE, retry=retry)
    assert (task.call_count, folder.call_count) == (2, 2)
