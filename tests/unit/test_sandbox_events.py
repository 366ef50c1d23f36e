"""The sandbox posts what the recorded servers posted: when, to whom, in which form."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

import httpx
import pytest
from places import WIRE
from receivers import AsgiBot, SocketBot

from twake_async import TwakeSession, events
from twake_async.sandbox import PostedEvent, Sandbox

WORLD = WIRE / "world.json"
V1_WORLD = json.loads(WORLD.read_text("utf-8"))
NODE_WORLD = json.loads((WIRE / "node" / "world.json").read_text("utf-8"))
TAGS = {"2022": "v2022.Q2.975", "2023": "v2023.Q1.1223"}
HOOKED = V1_WORLD["channels"]["chook"]["id"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FRONT = re.compile(r"[0-9]{10}[0-9a-f]{40}|[0-9a-f]{40}")
#: What the recorded browser made up, or a counter that the real server loads lazily.
LOOSE = {"connection_id": "conn", "front_id": "front", "total_members": "counted"}


def shape(value: Any, name: str = "") -> Any:
    """Return a value with ids, times and random parts alike; the order of keys stays."""
    if name in LOOSE:
        return LOOSE[name]
    if isinstance(value, dict):
        return [(key, shape(one, key)) for key, one in value.items()]
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, str):
        return _FRONT.sub("<front>", _UUID.sub("<id>", value))
    is_time = isinstance(value, int) and not isinstance(value, bool) and value > 1_000_000_000
    return "<time>" if is_time else value


def v1_capture(name: str) -> list[str]:
    recorded = json.loads((WIRE / "events" / f"{name}.json").read_text("utf-8"))
    return [one["body_text"] for one in recorded["events_received"]]


def node_capture(release: str, name: str) -> list[dict[str, Any]]:
    path = WIRE / "node" / "events" / TAGS[release] / f"{name}.json"
    return json.loads(path.read_text("utf-8"))["deliveries"]


def session(sandbox: Sandbox, app: str = "", **more: Any) -> TwakeSession:
    """Return a session of an application, or of the first one."""
    entry = sandbox._twake.seed["apps"][app] if app else sandbox._twake.first("apps")
    return TwakeSession(
        entry["id"],
        entry["key"],
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        proxy=None,
        **more,
    )


# v1


async def save(sandbox: Sandbox, app: str, **message: Any) -> httpx.Response:
    """Save as the recorded application did: without what the SDK adds."""
    entry = V1_WORLD["apps"][app]
    async with httpx.AsyncClient(auth=(entry["id"], entry["key"]), trust_env=False) as client:
        path = "remove" if message.pop("removed", False) else "save"
        return await client.post(
            f"{sandbox.url}/api/v1/messages/{path}",
            json={"group_id": sandbox.group_id, "message": message},
        )


@pytest.mark.parametrize(
    ("name", "app", "channel", "content"),
    [
        ("01-hook-new_message", "A", "chook", "to hook"),
        ("03-own-message-echo", "E", "chook", "from E"),
        ("07-app-channel-new_message", "A", "capp", "to app channel"),
    ],
)
async def test_a_new_message_is_told_as_recorded(name, app, channel, content):
    """Bodies, headers and their order are those of the capture, except ids and times."""
    async with SocketBot() as bot, Sandbox(WORLD) as sandbox:
        if name.startswith("03"):  # recorded after another message in that channel
            await save(sandbox, "A", channel_id=HOOKED, content="to hook")
        sandbox.connect(bot.url, application="E")
        channel_id = V1_WORLD["channels"][channel]["id"]
        await save(sandbox, app, channel_id=channel_id, content=content)
        [posted] = sandbox.posted
        [sent] = bot.got
    head, _, body = sent.decode().partition("\r\n\r\n")
    [recorded] = v1_capture(name)
    assert shape(json.loads(body)) == shape(json.loads(recorded))
    assert head.split("\r\n") == [
        "POST /hook/endpoint HTTP/1.1",
        f"Host: {bot.host}",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body.encode())}",
    ]
    assert (posted.type, posted.name, posted.status) == ("hook", "new_message", 200)


async def test_edits_removals_and_ephemeral_messages_are_not_told():
    """Captures 02, 05 and 06: the events of an ordinary channel are about new messages only."""
    bot = AsgiBot()
    async with Sandbox(WORLD) as sandbox:
        sandbox.connect(bot, application="E")
        answer = (await save(sandbox, "A", channel_id=HOOKED, content="x")).json()
        message_id = answer["object"]["id"]
        await save(sandbox, "A", channel_id=HOOKED, id=message_id, content="edited")
        await save(sandbox, "A", channel_id=HOOKED, content="psst", _once_ephemeral_message=True)
        await save(sandbox, "A", channel_id=HOOKED, id=message_id, removed=True)
    assert [one["event"] for one in bot.got] == ["new_message"]


async def test_an_edit_in_a_channel_of_the_application_is_told():
    """Case 08 of the recordings: `edit_message` comes only there."""
    bot = AsgiBot()
    async with Sandbox(WORLD) as sandbox:
        sandbox.connect(bot, application="E")
        channel_id = V1_WORLD["channels"]["capp"]["id"]
        answer = (await save(sandbox, "A", channel_id=channel_id, content="x")).json()
        await save(sandbox, "A", channel_id=channel_id, id=answer["object"]["id"], content="edited")
    assert [one["event"] for one in bot.got] == ["new_message", "edit_message"]
    assert bot.got[1]["data"]["message"]["content"] == "edited"


async def test_only_the_channels_that_the_seed_names_and_only_with_a_workspace():
    """No channel where E is no connector; none without a workspace (captures 09 and 10)."""
    bot = AsgiBot()
    direct = {"id": "8fa0d192-e682-11f1-9bc5-aa7dee5775f4", "name": "", "ws": None, "group": "g1"}
    seed = V1_WORLD | {"channels": V1_WORLD["channels"] | {"dm": direct}}
    seed |= {"channel_members": [*V1_WORLD["channel_members"], ["dm", "alice"]]}
    async with Sandbox(seed) as sandbox:
        sandbox.connect(bot, application="E")
        for channel_id in (V1_WORLD["channels"]["c1"]["id"], direct["id"]):
            await save(sandbox, "E", channel_id=channel_id, content="x")
            assert await sandbox.type("x", channel_id=channel_id) == []
    assert bot.got == []
    default = Sandbox({**seed, "resources": []})
    default.connect(bot)
    assert [one.type for one in await default.type("x")] == ["hook"]
    assert await default.type("x", channel_id=direct["id"]) == []


async def act(sandbox: Sandbox, name: str) -> PostedEvent:
    """Do what the recorded person did."""
    if name == "20-action-command":
        [posted] = await sandbox.type("/app_e some text", channel_id=HOOKED)
        return posted
    if name == "21-action-open":
        return await sandbox.open_icon(channel_id=HOOKED, application="E")
    if name == "25-configuration-channel":
        return await sandbox.configure(channel_id=HOOKED, application="E")
    return await sandbox.configure("workspace", channel_id=HOOKED, application="E")


@pytest.mark.parametrize(
    "name",
    [
        "20-action-command",
        "21-action-open",
        "25-configuration-channel",
        "26-configuration-workspace",
    ],
)
async def test_what_a_browser_sends_is_told_as_recorded(name):
    """The server adds workspace, group and user, in that order."""
    sandbox = Sandbox(WORLD)
    sandbox.connect(AsgiBot(), application="E")
    posted = await act(sandbox, name)
    [recorded] = v1_capture(name)
    assert shape(posted.event) == shape(json.loads(recorded))
    assert posted.body.isascii()


BUTTONS = {
    "original_str": "x",
    "fallback_string": "x",
    "prepared": [
        {"type": "input", "passive_id": "field1"},
        {"type": "button", "action_id": "my_action_id", "content": "Go"},
    ],
}


async def test_a_click_is_told_as_recorded():
    """Capture 23. The recorded browser sent a part of a message; a real one sends all of it."""
    async with Sandbox(WORLD) as sandbox:
        sandbox.connect(AsgiBot(), application="E")
        answer = await save(sandbox, "E", channel_id=HOOKED, content=BUTTONS, hidden_data={"k": 1})
        form = {"field1": "v"}
        posted = await sandbox.click(answer.json()["object"], "my_action_id", form=form)
        [message] = sandbox.messages(HOOKED)
    recorded = json.loads(v1_capture("23-interactive_message_action")[0])
    sent = dict(posted.event["data"])
    known = recorded["data"].pop("message")
    held = sent.pop("message")
    assert known.keys() <= held.keys()
    assert (held["id"], held["hidden_data"], held["content"]) == (message["id"], {"k": 1}, BUTTONS)
    assert [*posted.event["data"]][:4] == [
        "interactive_context",
        "form",
        "message",
        "connection_id",
    ]
    assert shape({**posted.event, "data": sent}) == shape(recorded)


async def test_a_click_in_a_configuration_window_is_told_as_recorded():
    """Capture 24: PHP writes an empty object as an empty list."""
    entry = V1_WORLD["apps"]["E"]
    async with Sandbox(WORLD) as sandbox:
        sandbox.connect(AsgiBot(), application="E")
        asked = await sandbox.configure("workspace", application="E", channel_id=HOOKED)
        with pytest.raises(LookupError, match="alice sees no configuration window"):
            await sandbox.configuration_click("my_action_id")
        body = {
            "group_id": sandbox.group_id,
            "user_id": asked.event["data"]["user"]["id"],
            "connection_id": asked.event["data"]["connection_id"],
            "form": BUTTONS,
            "hidden_data": {"a": 1},
        }
        auth = (entry["id"], entry["key"])
        path = f"{sandbox.url}/api/v1/general/configure"
        async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
            await client.post(path, json=body | {"connection_id": "somebody else's"})
            assert sandbox.window_of() is None
            await client.post(path, json=body)
            assert sandbox.window_of() == BUTTONS
            posted = await sandbox.configuration_click("my_action_id")
            closing = {name: body[name] for name in ("group_id", "user_id", "connection_id")}
            await client.post(f"{path}_close", json=closing)
            assert sandbox.window_of() is None
    [recorded] = v1_capture("24-interactive_configuration_action")
    assert shape(posted.event) == shape(json.loads(recorded))


async def test_the_php_of_later_releases_names_itself():
    """Capture 30: `_origin` comes last, with escaped slashes; no message is told."""
    sandbox = Sandbox(release="2021")
    sandbox.connect(AsgiBot())
    assert await sandbox.type("hello") == []
    [posted] = await sandbox.type("/bot x")
    assert posted.body.endswith(rb',"_origin":"http:\/\/localhost:8000\/"}')
    assert v1_capture("30-v2023-action")[0].endswith(r',"_origin":"http:\/\/localhost:8000\/"}')
    assert isinstance(events.parse(posted.body, posted.headers, api="v1"), events.Command)


# Node


def node_seed(release: str) -> dict[str, Any]:
    world = NODE_WORLD[TAGS[release]]
    app = {"capabilities": ["messages_save"], "privileges": [], "group": "a"}
    return {
        "groups": {"a": {"id": world["A"], "name": "A"}},
        "workspaces": {"w": {"id": world["W"], "name": "W", "group": "a"}},
        "users": {name: {"id": world["U"][name], "username": name} for name in ("alice", "bob")},
        "channels": {
            "general": {"id": world["CH"]["general"], "name": "general", "ws": "w", "group": "a"},
            "dm": {"id": world["CH"]["dm"], "name": "", "ws": "w", "group": "a", "direct": True},
        },
        "channel_members": [["general", "alice"], ["general", "bob"], ["dm", "alice"]],
        "apps": {
            "bot": app | {"id": world["bot"], "key": world["key"], "simple": "bot"},
            "bot3": app | {"id": world["bot3"], "key": world["key3"], "simple": "bot3"},
        },
        "group_apps": [
            {"group": "a", "app": "bot", "capabilities": ["messages_save"]},
            {"group": "a", "app": "bot3"},
        ],
    }


def check_signed(sandbox: Sandbox, posted: PostedEvent) -> events.Event:
    """Compare the signature, and return the event as the SDK reads it."""
    right = hmac.new(sandbox.private_api_key.encode(), posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["X-Twake-Signature"] == right
    event = events.parse(
        posted.body, posted.headers, api="node", private_api_key=sandbox.private_api_key
    )
    assert event.signed
    return event


@pytest.mark.parametrize("release", TAGS)
async def test_what_happens_to_messages_is_told_as_recorded_from_node(release):
    """New, reply, edit, reaction, pin, removal: bodies and headers are those of the captures."""
    async with SocketBot() as bot, Sandbox(node_seed(release), release=release) as sandbox:
        sandbox.connect(bot.url)
        posted: dict[str, PostedEvent] = {}
        [recorded] = node_capture(release, "message-new")
        text = json.loads(recorded["body"])["content"]["message"]["message"]["text"]
        [posted["message-new"]] = await sandbox.type(text)
        first = sandbox.messages()[0]
        [posted["message-reply"]] = await sandbox.type("more", parent_message_id=first["id"])
        reply = sandbox.messages()[1]
        [posted["message-edit"]] = await sandbox.edit(reply, "more!")
        [posted["message-reaction"]] = await sandbox.react(reply, ":heart:")
        [posted["message-pin"]] = await sandbox.pin(reply)
        [posted["message-delete"]] = await sandbox.remove(reply)
        heads = [one.partition(b"\r\n\r\n")[0].decode().split("\r\n") for one in bot.got]
        for name, one in posted.items():
            [recorded] = node_capture(release, name)
            assert shape(one.event) == shape(json.loads(recorded["body"])), name
            assert [*one.headers] == [header for header, _ in recorded["headers"]]
            check_signed(sandbox, one)
        kinds = [type(check_signed(sandbox, one)) for one in posted.values()]
    assert kinds[0] is events.NewMessage
    assert kinds[-1] is events.MessageRemoved
    assert heads[0][0] == "POST /hook/endpoint HTTP/1.1"
    assert "User-Agent: axios/0.21.4" in heads[0]


@pytest.mark.parametrize("release", TAGS)
async def test_on_node_other_applications_messages_are_told_and_own_ones_are_not(release):
    """Captures message-own, message-other-app and message-direct."""
    bot, seed = AsgiBot(), node_seed(release)
    async with Sandbox(seed, release=release) as sandbox:
        sandbox.connect(bot)
        async with session(sandbox) as own, session(sandbox, "bot3") as other:
            await own.send_message(sandbox.channel_id, "from bot")
            await other.send_message(sandbox.channel_id, "from other bot")
            assert await sandbox.type("x", channel_id=seed["channels"]["dm"]["id"]) == []
            await sandbox.type("last")
            # The events of a request come some time after its answer.
            got = {one["content"]["message"]["message"]["text"]: one for one in await bot.until(2)}
    assert sorted(got) == ["from other bot", "last"]
    assert len(bot.got) == 2
    [recorded] = node_capture(release, "message-other-app")
    told, known = got["from other bot"], json.loads(recorded["body"])
    for each in (told, known):  # the SDK sends what the recorded request did not
        for name in ("context", "blocks", "subtype"):
            each["content"]["message"]["message"].pop(name)
    assert shape(told) == shape(known)


@pytest.mark.parametrize("release", TAGS)
async def test_what_a_browser_sends_is_told_as_recorded_from_node(release):
    """Commands, the icon, the menu, configuration; only `user_id` comes from the server."""
    seed = node_seed(release)
    async with Sandbox(seed, release=release) as sandbox:
        sandbox.connect(AsgiBot())
        async with session(sandbox) as twake:
            message = await twake.send_message(sandbox.channel_id, "from bot")
        [command] = await sandbox.type("/bot do it now")
        posted = {
            "action-command": command,
            "action-open": await sandbox.open_icon(),
            "configuration-channel": await sandbox.configure(),
            "configuration-workspace": await sandbox.configure("workspace"),
            "action-action": await sandbox.open_menu(message),
        }
        for name, one in posted.items():
            [recorded] = node_capture(release, name)
            known, told = json.loads(recorded["body"]), json.loads(one.body)
            if name == "action-action":
                part = known["content"].pop("message")
                assert part.keys() <= told["content"].pop("message").keys()
            assert shape(told) == shape(known), name
            assert check_signed(sandbox, one).origin == "browser"


@pytest.mark.parametrize("release", TAGS)
async def test_clicks_are_told_as_recorded_from_node(release):
    """A button of a message, and of a configuration window."""
    content = [{"type": "button", "action_id": "go", "content": "Go"}]
    content[0]["interactive_context"] = {"v": "1"}
    form = [{"type": "input", "passive_id": "name"}]
    form += [{"type": "button", "action_id": "save", "content": "Save"}]
    async with Sandbox(node_seed(release), release=release) as sandbox:
        sandbox.connect(AsgiBot())
        async with session(sandbox) as twake:
            message = await twake.send_message(sandbox.channel_id, content)
        click = await sandbox.click(message, "go")
        async with httpx.AsyncClient(trust_env=False, base_url=sandbox.url) as client:
            keys = {"id": sandbox.public_id, "secret": sandbox.private_api_key}
            login = await client.post("/api/console/v1/login", json=keys)
            token = login.json()["resource"]["access_token"]["value"]
            answer = await client.post(
                "/api/console/v1/configure",
                headers={"authorization": f"Bearer {token}"},
                json={
                    "user_id": click.event["user_id"],
                    "connection_id": click.event["connection_id"],
                    "form": form,
                    "configurator_id": "c1",
                },
            )
        assert answer.json() == {"status": "ok"}
        window = await sandbox.configuration_click("save", form={"name": "x"})
        for name, one in (("button", click), ("configurator", window)):
            [recorded] = node_capture(release, name)
            known, told = json.loads(recorded["body"]), json.loads(one.body)
            if name == "button":
                part = known["content"].pop("message")
                assert part.keys() <= told["content"].pop("message").keys()
            assert shape(told) == shape(known), name
            check_signed(sandbox, one)


async def test_a_person_can_make_the_server_post_anything():
    """On Node a forged hook is signed, and names its user; over v1 it carries the user."""
    forged = {"message": {"message": {"id": "m", "text": "from the boss"}}}
    node = Sandbox(release="2023")
    node.connect(AsgiBot())
    posted = await node.post_event("hook", "", forged, user="bob")
    event = check_signed(node, posted)
    bob = node._twake.seed["users"]["bob"]["id"]
    assert (event.origin, event.user_id, type(event)) == ("browser", bob, events.Event)
    v1 = Sandbox()
    v1.connect(AsgiBot())
    told = await v1.post_event(
        "hook", "new_message", {"message": {"id": "m"}, "user": {"id": "x"}}, user="bob"
    )
    event = events.parse(told.body, told.headers, api="v1")
    assert (event.origin, event.user_id) == ("browser", bob)


async def test_v1_of_2022_tells_other_applications_as_node_does():
    """PHP hands its messages to the Node server, which tells of them."""
    other, own = AsgiBot(), AsgiBot()
    async with Sandbox(node_seed("2022"), release="2022") as sandbox:
        sandbox.connect(other, application="bot3")
        sandbox.connect(own)
        keys = (sandbox.public_id, sandbox.private_api_key)
        place = {"group_id": sandbox.group_id, "base_url": sandbox.url, "proxy": None}
        async with TwakeSession(*keys, **place, api="v1") as twake:
            message = await twake.send_message(sandbox.channel_id, "over PHP")
            await other.until(1)  # the events of a request come some time after its answer
            await twake.edit_message(message, "edited")
            await other.until(2)
        await sandbox.type("last")
    told = [one["content"]["message"]["message"]["text"] for one in other.got]
    assert told == ["over PHP", "edited", "last"]
    assert len(own.got) == 1
