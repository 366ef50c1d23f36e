"""Channels, people, dialogs and messages over Node: the recorded answers, and the sandbox."""

from __future__ import annotations

import asyncio
import itertools
import json

import attrs
import httpx
import pytest
import respx
from clock import skip
from node_server import APPLICATION, CHANNEL, COMPANY, SECRET, NodeServer
from places import WIRE

from twake_async import (
    ConfigurationError,
    InvalidDraftError,
    Message,
    MessageRef,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async.events import ButtonClick
from twake_async.resources import _messages as messages_room
from twake_async.resources._caller import Caller
from twake_async.sandbox import Sandbox
from twake_async.sandbox._seed import DEFAULT_SEED

CASES = {
    (case["server"], case["name"]): case
    for case in map(
        json.loads, (WIRE / "node" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
}
SERVERS = ["v2022.Q2.975", "v2023.Q1.1223"]
URL = "https://twake.example.org"
LOGGED_IN = {"resource": {"access_token": {"time": 1, "expiration": 3601, "value": "a-token"}}}


class Recorded:
    """A recorded case, answered to the request that it was recorded for; and the ids in it."""

    def __init__(self, router: respx.MockRouter, server: str, name: str) -> None:
        case = CASES[server, name]
        self.request, answer = case["request"], case["response"]
        self.route = router.route(
            method=self.request["method"], path=self.request["path"].partition("?")[0]
        ).respond(answer["status"], text=answer["body"], headers=answer["headers"])
        self.parts = self.request["path"].partition("?")[0].split("/")

    def id_after(self, name: str) -> str:
        # The last part of that name: a service of the server may have the same name.
        return self.parts[len(self.parts) - self.parts[::-1].index(name)]


@pytest.fixture
def router():
    with respx.mock(base_url=URL, assert_all_called=False) as found:
        found.post("/api/console/v1/login").respond(json=LOGGED_IN)
        yield found


@pytest.fixture
def recorded(router):
    return lambda server, name: Recorded(router, server, name)


def open_session(**options) -> TwakeSession:
    given = {"group_id": "a-group", "workspace_id": "a-workspace", "api": "node"} | options
    transport = httpx.AsyncHTTPTransport()
    return TwakeSession("an-id", "a-key", base_url=URL, transport=transport, **given)


@pytest.fixture
async def twake():
    async with open_session() as session:
        yield session


@pytest.mark.parametrize("server", SERVERS)
async def test_the_channels_of_a_workspace(recorded, server):
    """Private ones are among them."""
    case = recorded(server, "channels-list")
    group, workspace = case.id_after("companies"), case.id_after("workspaces")
    async with open_session(group_id=group, workspace_id=workspace) as twake:
        channels = await twake.channels.list()
    assert case.route.calls.last.request.headers["authorization"] == "Bearer a-token"
    found = {channel.name: channel for channel in channels}
    assert found["private"].is_private
    assert not found["general"].is_private
    assert (found["general"].group_id, found["general"].workspace_id) == (group, workspace)


@pytest.mark.parametrize("server", SERVERS)
async def test_one_channel(recorded, twake, server):
    """Its group and workspace may be those of the call."""
    case = recorded(server, "channel-get")
    wanted = case.id_after("channels")
    channel = await twake.channels.get(
        wanted, group_id=case.id_after("companies"), workspace_id=case.id_after("workspaces")
    )
    assert (channel.id, channel.name) == (wanted, "general")
    assert "websocket" not in channel.raw


@pytest.mark.parametrize("server", SERVERS)
async def test_an_unknown_channel(recorded, server):
    """A 404 inside a 200 says so in words."""
    case = recorded(server, "channel-get-unknown")
    group, workspace = case.id_after("companies"), case.id_after("workspaces")
    async with open_session(group_id=group, workspace_id=workspace) as twake:
        with pytest.raises(NotFoundError, match="not found"):
            await twake.channels.get(case.id_after("channels"))


@pytest.mark.parametrize("server", SERVERS)
async def test_the_members_of_a_channel(recorded, server):
    """Each is a user; the server of 2022 says no more than their ids."""
    case = recorded(server, "channel-members")
    group, workspace = case.id_after("companies"), case.id_after("workspaces")
    async with open_session(group_id=group, workspace_id=workspace) as twake:
        alice, bob = await twake.channels.members(case.id_after("channels"))
    assert alice.id != bob.id
    if server == "v2023.Q1.1223":
        assert (alice.username, alice.email) == ("alice", "alice@example.org")
        assert (bob.first_name, bob.last_name) == ("bob", "Test")


def pages(request: httpx.Request) -> httpx.Response:
    """Answer as the server does, which gives a hundred rows at once (source: its `Pagination`)."""
    page = int(request.url.params.get("page_token", "1"))
    ids = [f"c{number}" for number in range(250)][(page - 1) * 100 : page * 100]
    rows = [{"id": one, "name": one, "user_id": one} for one in ids]
    end = {"next_page_token": str(page + 1) if len(rows) == 100 else False}
    return httpx.Response(200, json={"resources": rows} | end)


LISTS = {
    "list": lambda twake, **limits: twake.channels.list(**limits),
    "members": lambda twake, **limits: twake.channels.members("c", **limits),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_long_list_is_read_page_by_page(router, twake, name):
    """To its end."""
    route = router.get(path__regex="/channels").mock(side_effect=pages)
    assert [one.id for one in await LISTS[name](twake)] == [f"c{n}" for n in range(250)]
    assert route.call_count == 3
    assert not route.calls[0].request.url.query


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_ends_where_the_server_goes_round_in_a_circle(router, twake, name):
    """It repeats its token, or the rows that it gave."""
    row = {"id": "c1", "user_id": "c1"}
    for tokens in ("same", "same", "same"), ("1", "2", "3"):
        answers = [{"resources": [row], "next_page_token": token} for token in tokens]
        route = router.get(path__regex="/channels")
        route.mock(side_effect=[httpx.Response(200, json=one) for one in answers])
        assert [one.id for one in await LISTS[name](twake)] == ["c1"]


@pytest.mark.parametrize("name", LISTS)
async def test_the_deadline_is_over_all_pages(router, twake, name):
    """One deadline covers them, as it covers a single call."""
    numbers = itertools.count()

    def endless(request: httpx.Request) -> httpx.Response:
        skip(1.0)
        number = str(next(numbers))
        row = {"id": number, "user_id": number}
        return httpx.Response(200, json={"resources": [row], "next_page_token": number})

    router.get(path__regex="/channels").mock(side_effect=endless)
    loop = asyncio.get_running_loop()
    clock = attrs.evolve(twake._attempts.clock, now=lambda: loop.time())  # noqa: PLW0108 - `skip` replaces it
    twake._attempts.clock = clock
    with pytest.raises(TwakeError):
        await LISTS[name](twake, deadline=5.0)
    assert next(numbers) <= 7


@pytest.mark.parametrize("server", SERVERS)
async def test_a_user(recorded, twake, server):
    """By the only path that the server has for it."""
    case = recorded(server, "user-get-internal")
    user = await twake.users.get(case.parts[-1])
    assert (user.id, user.username, user.first_name) == (case.parts[-1], "alice", "alice")


async def test_an_unknown_user(router, twake):
    """The server says null."""
    router.get("/internal/services/users/v1/users/u").respond(json={"resource": None})
    with pytest.raises(NotFoundError):
        await twake.users.get("u")


async def test_ids_in_capitals_are_the_same_ids(router, twake):
    """The server answers them in small letters."""
    router.get(path__regex="/users/").respond(json={"resource": {"id": "ab-1"}})
    assert (await twake.users.get("AB-1")).id == "ab-1"
    router.get(path__regex="/channels/AB-1").respond(json={"resource": {"id": "ab-1"}})
    assert (await twake.channels.get("AB-1")).id == "ab-1"
    router.get(path__regex="/files/AB-1").respond(json={"resource": {"id": "ab-1"}})
    assert (await twake.files.find("AB-1")).id == "ab-1"
    router.get(path__regex="/messages/AB-1").respond(
        json={"resource": {"id": "ab-1", "thread_id": "ab-1"}}
    )
    assert (await twake.messages.get(MessageRef("c", "AB-1"))).id == "ab-1"


async def test_a_dialog(router, twake):
    """It has the same arguments as over v1."""
    route = router.post("/api/console/v1/configure").respond(json={"status": "ok"})
    await twake.dialogs.open(CLICK, "form", hidden_data={"a": 1})
    assert json.loads(route.calls.last.request.content) == {
        "user_id": "u",
        "connection_id": "c",
        "form": "form",
        "hidden_data": {"a": 1},
    }


CLICK = ButtonClick(user_id="u", connection_id="c", message=None)


async def test_a_dialog_that_is_not_said_to_be_open(router, twake):
    """Nothing is known then."""
    router.post("/api/console/v1/configure").respond(json={"status": "what"})
    with pytest.raises(OutcomeUnknownError):
        await twake.dialogs.open(CLICK, "form")


@pytest.mark.parametrize("server", SERVERS)
async def test_a_recorded_refusal_of_a_dialog(router, twake, server):
    """The words of the server are in it."""
    answer = CASES[server, "configure-missing"]["response"]
    router.post("/api/console/v1/configure").respond(
        answer["status"], text=answer["body"], headers=answer["headers"]
    )
    with pytest.raises(RefusedError, match="connection_id"):
        await twake.dialogs.open(CLICK, "form")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("name", "reactions"), [("reaction", [":heart:"]), ("reaction-off", [])])
async def test_reactions(recorded, twake, server, name, reactions):
    """A call sets all reactions of the application at once."""
    case = recorded(server, name)
    ref = MessageRef("c", case.id_after("messages"), case.id_after("threads"))
    message = await twake.messages.react(ref, reactions, group_id=case.id_after("companies"))
    assert list(message.reactions) == reactions
    assert json.loads(case.route.calls.last.request.content) == {"reactions": reactions}


async def test_a_message_that_is_not_there(router, twake):
    """The server says null."""
    router.get(url__regex=".*/threads/t/messages/m$").respond(json={"resource": None})
    with pytest.raises(NotFoundError):
        await twake.messages.get(MessageRef("c", "m", "t"))


@pytest.mark.parametrize(
    "document",
    [{}, {"resource": 1}, {"resource": {"id": "other"}}, {"resources": 1}, {"resources": {}}],
)
async def test_an_answer_about_something_else_proves_nothing(router, twake, document):
    """No content of it proves anything, nor does a value that is no list."""
    router.route().respond(json=document)
    router.post("/api/console/v1/login").respond(json=LOGGED_IN)
    never = RetryPolicy.never()
    ref = MessageRef("c", "m")
    for call in (
        twake.messages.get(ref, retry=never),
        twake.messages.pin(ref, retry=never),
        twake.channels.get("c", retry=never),
        twake.channels.list(retry=never),
        twake.users.get("u", retry=never),
        anext(aiter(twake.messages.thread(ref, retry=never))),
    ):
        with pytest.raises(OutcomeUnknownError) as caught:
            await call
        assert caught.value.reason == "mismatch"


async def test_what_is_not_there_tells_its_attempts(router, twake):
    """So does any error that came from the server."""
    words = {"statusCode": 404, "error": "Not Found", "message": "no such thing"}
    router.get(path__regex="/channels/").respond(json=words)
    with pytest.raises(NotFoundError, match=r"after 1 attempt in .* s") as caught:
        await twake.channels.get("c")
    assert (caught.value.attempts, caught.value.status) == (1, 404)


async def test_other_refusals_keep_their_class(router, twake):
    """Only a 404 in the words of the server says that there is nothing."""
    body = {"statusCode": 403, "error": "Forbidden", "message": "no"}
    router.get(url__regex=".*/threads/t/messages/m$").respond(json=body)
    with pytest.raises(RefusedError) as caught:
        await twake.messages.get(MessageRef("c", "m", "t"))
    assert type(caught.value) is RefusedError
    assert caught.value.status == 403


# The sandbox


@pytest.fixture(params=["2022", "2023"])
def sandbox(request):
    with Sandbox(release=request.param) as found:
        yield found


@pytest.fixture
async def real(sandbox):
    async with TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api="node",
        workspace_id=sandbox.workspace_id,
    ) as session:
        yield session


async def test_a_message_is_read_pinned_and_reacted_to(sandbox, real):
    """Each call returns it as it is then."""
    sent = await real.send_message(sandbox.channel_id, "hello")
    assert (await real.messages.get(sent)).content == "hello"
    assert (await real.messages.get(sent.ref)).id == sent.id
    assert (await real.messages.pin(sent)).pinned
    assert not (await real.messages.pin(sent, pinned=False)).pinned
    assert list((await real.messages.react(sent, [":heart:"])).reactions) == [":heart:"]


async def test_a_thread_and_a_channel_are_read_page_by_page(sandbox, real, monkeypatch):
    """The newest comes first, and none comes twice."""
    monkeypatch.setattr(messages_room, "PAGE", 3)
    first = await real.send_message(sandbox.channel_id, "0")
    for number in range(1, 8):
        await real.reply(first, str(number))
    thread = [message.content async for message in real.messages.thread(first)]
    assert thread == [str(number) for number in range(7, -1, -1)]
    for number in range(8):
        await real.send_message(sandbox.channel_id, f"r{number}")
    channel = [message.content async for message in real.messages.channel(sandbox.channel_id)]
    assert channel == [f"r{number}" for number in range(7, -1, -1)] + ["0"]


async def test_reading_ends_where_a_server_goes_round_in_a_circle(sandbox, real, monkeypatch):
    """Two pages that follow each other for ever are each read twice at the most."""
    monkeypatch.setattr(messages_room, "PAGE", 2)
    pages = itertools.cycle([Message(id=f"{page}{row}") for row in range(2)] for page in range(2))

    async def answer(caller, request, limits):
        return next(pages)

    monkeypatch.setattr(Caller, "ask_node", answer)
    found = [message.id async for message in real.messages.channel(sandbox.channel_id)]
    assert set(found) == {"00", "01", "10", "11"}
    assert len(found) <= 8


async def test_reading_ends_where_the_reader_stops(sandbox, real):
    """One page was asked for."""
    await real.send_message(sandbox.channel_id, "hello")
    before = len(sandbox.requests)
    async for _ in real.messages.channel(sandbox.channel_id):
        break
    assert len(sandbox.requests) == before + 1


@pytest.mark.parametrize("transport", [None, "fast"])
async def test_a_read_leaves_its_connection_to_the_next(transport):
    """Its answer names what it was asked for. The login has a connection of its own."""
    async with NodeServer() as server:
        for name in "abc":
            server.put(name)
        async with TwakeSession(
            APPLICATION,
            SECRET,
            group_id=COMPANY,
            base_url=server.url,
            api="node",
            transport=transport,
        ) as twake:
            for name in "abc":
                await twake.messages.get(MessageRef(CHANNEL, name))
            assert (await anext(twake.messages.thread(MessageRef(CHANNEL, "a")))).id == "a"
    assert server.connections == 2
    assert [(one.method, one.body) for one in server.reads()] == [("GET", None)] * 4


async def test_an_expired_token_is_no_reason_to_fail(sandbox, real):
    """Another login, and the same read."""
    sent = await real.send_message(sandbox.channel_id, "hello")
    sandbox.expire_tokens()
    assert (await real.messages.get(sent)).content == "hello"
    assert sandbox.logins == 2


async def test_a_lost_answer_is_asked_for_again(sandbox, real):
    """A read may be made twice."""
    sent = await real.send_message(sandbox.channel_id, "hello")
    sandbox.fail_next(after_storing="close", on="read")
    assert (await real.messages.get(sent)).content == "hello"


# What never leaves


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda twake: twake.messages.get("m"), "message"),
        (lambda twake: twake.messages.react(MessageRef("c", "m"), ":heart:"), "reactions"),
        (lambda twake: twake.messages.react(MessageRef("c", "m"), [1]), "reactions"),
        (lambda twake: twake.messages.pin(MessageRef("c", "m"), pinned="yes"), "pinned"),
        (lambda twake: twake.channels.get(""), "channel_id"),
        (lambda twake: twake.channels.members(5), "channel_id"),
        (lambda twake: twake.channels.list(" "), "workspace_id"),
        (lambda twake: twake.users.get(""), "user_id"),
        (
            lambda twake: twake.dialogs.open(
                ButtonClick(user_id=5, connection_id="c", message=None), "x"
            ),
            "user_id",
        ),
        (lambda twake: twake.dialogs.open(CLICK, "x", hidden_data={"a": {1}}), "hidden_data"),
        (lambda twake: twake.dialogs.open(CLICK, [{1}]), "form"),
        (lambda twake: twake.dialogs.open(CLICK, "\ud800"), "form"),
        (lambda twake: anext(twake.messages.thread("m")), "message"),
        (lambda twake: anext(twake.messages.channel("")), "channel_id"),
    ],
)
async def test_what_cannot_work_is_said_before_a_byte_leaves(twake, call, field):
    """The error names the field."""
    with pytest.raises(InvalidDraftError) as caught:
        await call(twake)
    assert caught.value.field == field


PATHS = {
    "channels.get": (lambda twake, value: twake.channels.get(value), "channel_id"),
    "channels.members": (lambda twake, value: twake.channels.members(value), "channel_id"),
    "channels.list": (lambda twake, value: twake.channels.list(value), "workspace_id"),
    "channels.list of": (lambda twake, value: twake.channels.list(group_id=value), "group_id"),
    "users.get": (lambda twake, value: twake.users.get(value), "user_id"),
    "messages.get": (lambda twake, value: twake.messages.get(MessageRef("c", value)), "id"),
    "messages.get of": (
        lambda twake, value: twake.messages.get(MessageRef("c", "m", value)),
        "parent_message_id",
    ),
    "messages.pin": (lambda twake, value: twake.messages.pin(MessageRef("c", value)), "id"),
    "messages.react": (
        lambda twake, value: twake.messages.react(MessageRef("c", value), []),
        "id",
    ),
    "messages.thread": (
        lambda twake, value: anext(twake.messages.thread(MessageRef("c", value))),
        "id",
    ),
    "messages.channel": (lambda twake, value: anext(twake.messages.channel(value)), "channel_id"),
    "messages.channel of": (
        lambda twake, value: anext(twake.messages.channel("c", workspace_id=value)),
        "workspace_id",
    ),
    "files.find": (lambda twake, value: twake.files.find(value), "element_id"),
    "files.find of": (lambda twake, value: twake.files.find("f", group_id=value), "group_id"),
    "files.download": (lambda twake, value: twake.files.download(value, "none"), "file"),
    "files.stream": (lambda twake, value: anext(twake.files.stream(value)), "file"),
    "files.new_version": (
        lambda twake, value: twake.files.new_version(value, b"x", name="n"),
        "element",
    ),
    "files.upload": (
        lambda twake, value: twake.files.upload(b"x", name="n", group_id=value),
        "group_id",
    ),
    "send": (lambda twake, value: twake.send_message(value, "x"), "channel_id"),
    "remove": (lambda twake, value: twake.remove_message(MessageRef("c", value)), "id"),
}


@pytest.mark.parametrize("value", [".", "..", "../x", "a/b", "a\\b"])
@pytest.mark.parametrize("name", PATHS)
async def test_no_id_leads_to_another_path(router, twake, name, value):
    """A gateway may take `%2E%2E` and `%2F` for steps, and ask another route with our token."""
    call, field = PATHS[name]
    with pytest.raises((InvalidDraftError, ConfigurationError)) as caught:
        await call(twake, value)
    assert caught.value.field == field
    assert not router.calls


async def test_without_a_workspace_no_channel_is_found():
    """The server would look in none."""
    async with open_session(workspace_id=None) as twake:
        with pytest.raises(ConfigurationError, match="TWAKE_WORKSPACE_ID"):
            await twake.channels.get("c")


@pytest.mark.parametrize(
    "call",
    [
        lambda twake: twake.messages.get(MessageRef("c", "m")),
        lambda twake: twake.messages.react(MessageRef("c", "m"), []),
        lambda twake: twake.messages.pin(MessageRef("c", "m")),
        lambda twake: anext(twake.messages.thread(MessageRef("c", "m"))),
        lambda twake: anext(twake.messages.channel("c")),
        lambda twake: twake.channels.list(),
        lambda twake: twake.channels.get("c"),
        lambda twake: twake.channels.members("c"),
    ],
)
async def test_over_v1_each_says_that_there_is_no_such_route(call):
    """No byte leaves."""
    async with TwakeSession("id", "key", group_id="g", base_url=URL) as twake:
        with pytest.raises(ConfigurationError, match='needs api="node"') as caught:
            await call(twake)
    assert caught.value.field == "api"


# The sandbox's channels and people


def shape(value):
    """Return a document with the types of its values in their place; lists by their first item."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


TAGS = {"2022": "v2022.Q2.975", "2023": "v2023.Q1.1223"}


async def test_the_sandbox_shows_channels_and_people_as_recorded(sandbox, real):
    """The same keys, in the same order, with values of the same types."""
    user_id = DEFAULT_SEED["users"]["alice"]["id"]
    base = (
        f"/api/channels/v1/companies/{sandbox.group_id}/workspaces/{sandbox.workspace_id}/channels"
    )
    asked = {
        "channels-list": base,
        "channel-get": f"{base}/{sandbox.channel_id}",
        "channel-get-unknown": f"{base}/unknown",
        "channel-members": f"{base}/{sandbox.channel_id}/members",
        "user-get-internal": f"/internal/services/users/v1/users/{user_id}",
    }
    await real.send_message(sandbox.channel_id, "logs in")
    (header,) = real._sender.api.api.token.header[1:]
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        for name, path in asked.items():
            got = await client.get(path, headers={"authorization": header.decode()})
            recorded = json.loads(CASES[TAGS[sandbox.release], name]["response"]["body"])
            assert got.status_code == 200
            assert shape(got.json()) == shape(recorded), name


@pytest.mark.parametrize("release", ["2022", "2023"])
async def test_the_sandbox_gives_a_hundred_rows_at_once(release):
    """So a long list is read in pages."""
    channels = {
        f"c{number}": {"id": f"id-{number}", "name": "a name", "ws": "main", "group": "acme"}
        for number in range(228)
    }
    seed = DEFAULT_SEED | {"channels": DEFAULT_SEED["channels"] | channels}
    async with Sandbox(seed, release=release) as box:
        place = {"group_id": box.group_id, "workspace_id": box.workspace_id, "base_url": box.url}
        async with TwakeSession(box.public_id, box.private_api_key, api="node", **place) as twake:
            assert len(await twake.channels.list()) == 230
        assert [one.method for one in box.requests].count("GET") == 3


async def test_channels_and_people_of_the_sandbox(sandbox, real):
    """As a program meets them."""
    general, random = await real.channels.list()
    assert (general.name, random.name) == ("General", "Random")
    assert general.id == sandbox.channel_id
    assert (await real.channels.get(random.id)).name == "Random"
    members = await real.channels.members(random.id)
    assert len(members) == 2
    alice = await real.users.get(members[0].id)
    assert (alice.username, alice.email) == ("alice", "alice@example.org")
    with pytest.raises(NotFoundError):
        await real.channels.get("unknown")
    with pytest.raises(NotFoundError):
        await real.users.get("unknown")
