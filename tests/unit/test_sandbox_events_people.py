"""What people of the sandbox see, and what they can click on."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from receivers import AsgiBot

from twake_async import MessageDraft, OutcomeUnknownError, TwakeSession, twacode
from twake_async.sandbox import Sandbox
from twake_async.sandbox._user.controls import controls
from twake_async.sandbox._user.seen import is_for
from twake_async.sandbox._world.rows import User
from twake_async.twacode import Button, Content, Input, Option, Select, UserSpecific

RELEASES = ("2020", "2021", "2022", "2023")


def session(sandbox: Sandbox) -> TwakeSession:
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        proxy=None,
    )


def person(sandbox: Sandbox, name: str) -> str:
    return str(sandbox._twake.seed["users"][name]["id"])


FORM = Content(
    "Which colour? ",
    twacode.Bold(Button("Now", action_id="now", interactive_context={"a": 1})),
    Input("why", placeholder="Why?"),
    Select(Option("Red", "r"), Option("Green", "g"), passive_id="colour"),
    Select(Option("S", "s"), Option("L", "l"), action_id="size"),
)


@pytest.mark.parametrize("release", RELEASES)
async def test_a_form_is_filled_and_sent(release):
    """A click sends what was written and chosen; a select with an action sends its choice."""
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot())
        message = await twake.send_message(sandbox.channel_id, FORM)
        form = {"why": "no", "colour": "g"}
        click = await sandbox.click(message.id, "now", user="bob", form=form)
        bare = await sandbox.click(sandbox.messages()[0], "now")
        size = await sandbox.click(message, "size", form={"size": "l"})
    contents = [one.event.get("content", one.event.get("data")) for one in (click, bare, size)]
    assert [one.name for one in (click, bare, size)] == ["now", "now", "size"]
    assert [one["form"] or {} for one in contents] == [form, {}, {"size": "l"}]
    assert [one["interactive_context"] or {} for one in contents] == [{"a": 1}, {"a": 1}, {}]
    assert contents[0]["user"]["username"] == "bob"
    assert contents[0]["message"]["id"] == message.id


@pytest.mark.parametrize("release", RELEASES)
async def test_a_click_on_what_is_not_there_says_what_is(release):
    """A bot's test learns at once what the person could have clicked on."""
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot())
        message = await twake.send_message(sandbox.channel_id, FORM)
        plain = await twake.send_message(sandbox.channel_id, "nothing to click on")
        for words, call in {
            "alice sees no 'then' to click on, but 'now', 'size'": {"action_id": "then"},
            "alice sees no input 'when', but 'colour', 'size', 'why'": {"form": {"when": 1}},
            "alice cannot choose 'b' in 'colour', but 'g', 'r'": {"form": {"colour": "b"}},
            "say what alice chooses, as form={'size': ...}: 'l', 's'": {"action_id": "size"},
            "has no user 'eve', but 'alice', 'bob', 'carol'": {"user": "eve"},
        }.items():
            with pytest.raises(LookupError) as caught:
                await sandbox.click(message, **{"action_id": "now", **call})
            assert words in str(caught.value)
        with pytest.raises(LookupError, match="alice sees no 'now' to click on, but nothing"):
            await sandbox.click(plain, "now")
        with pytest.raises(LookupError, match="alice sees no message 'x'"):
            await sandbox.click({"id": "x"}, "now")
        hidden = await twake.send_message(sandbox._twake.seed["channels"]["random"]["id"], FORM)
        with pytest.raises(LookupError, match="carol sees no message"):
            await sandbox.click(hidden, "now", user="carol")
    assert [one for one in sandbox.posted if "action" in one.type] == []


NODES: list[Any] = [
    {"type": "button", "action_id": "a", "content": "A"},
    {"start": "**", "content": [{"type": "button", "action_id": "b", "content": "B"}], "end": "**"},
    [[{"type": "quote", "content": [{"type": "button", "action_id": "c", "content": "C"}]}]],
    {"type": "nop", "content": [{"type": "select", "action_id": "d", "values": [{"value": "1"}]}]},
]
ODD: list[Any] = [
    {"type": "attachment", "content": {"type": "select", "action_id": "e", "values": None}},
    {"type": "bold", "content": {"type": "select", "passive_id": "f", "values": [{}, 2]}},
    {"type": "no such node", "content": {"type": "button", "action_id": "hidden"}},
    {"type": "icode", "content": {"type": "button", "action_id": "code"}},
    {"type": "compile", "content": "**x**"},
    {"type": "button", "content": "does nothing"},
    {"type": "input", "content": "without a name"},
    "text",
    7,
]


@pytest.mark.parametrize(
    ("release", "form"),
    [
        *((release, form) for release in RELEASES for form in ("list", "prepared")),
        ("2020", "formatted"),
    ],
)
async def test_buttons_are_found_in_every_form_of_a_content(release, form):
    """A list, the portable form, and in blocks on Node."""
    content: Any = NODES
    if form != "list":
        content = {"original_str": "x", "fallback_string": "x", "prepared": NODES}
    if form == "formatted":
        content |= {"formatted": NODES, "prepared": []}
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot())
        message = await twake.send_message(sandbox.channel_id, content)
        with pytest.raises(LookupError, match="but 'a', 'b', 'c', 'd'$"):
            await sandbox.click(message, "none")
        posted = await sandbox.click(message, "d", form={"d": "1"})
    assert posted.status == 200


def test_only_what_the_client_shows_can_be_used():
    """Not in unknown nodes, nor in code; without an action or a name nothing is sent."""
    found = list(controls(ODD))
    assert [(one.kind, one.action_id, one.name) for one in found] == [
        ("select", "e", "e"),
        ("select", None, "f"),
        ("button", None, None),
        ("input", None, None),
    ]
    blocks = [
        {"type": "twacode", "elements": NODES[:1]},
        {"type": "twacode", "elements": NODES[1:]},
    ]
    assert [one.action_id for one in controls({"prepared": blocks})] == ["a", "b", "c", "d"]


async def test_each_person_sees_what_is_for_them():
    """Keyed nodes, as the client puts them in place; buttons in them belong to that person."""
    mine = Content(Button("Withdraw", action_id="withdraw"))
    draft = Content(twacode.Bold(Button("Vote", action_id="vote"), key="k"), " please")
    async with Sandbox() as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot())
        message = await twake.send(
            MessageDraft(
                sandbox.channel_id,
                draft,
                user_specific=[UserSpecific(person(sandbox, "alice"), {"k": mine})],
            )
        )
        await sandbox.click(message, "vote", user="bob")
        await sandbox.click(message, "withdraw", user="alice")
        with pytest.raises(LookupError, match="but 'withdraw'"):
            await sandbox.click(message, "vote", user="alice")
        [for_alice], [for_bob] = sandbox.seen_by("alice"), sandbox.seen_by("bob")
        assert sandbox.seen_by(person(sandbox, "alice")) == [for_alice]
    assert "withdraw" in str(for_alice["content"])
    assert "withdraw" not in str(for_bob)
    assert for_bob["user_specific_content"] == []


@pytest.mark.parametrize("release", RELEASES)
async def test_an_ephemeral_message_is_seen_and_clicked_by_its_reader_alone(release):
    """It stands among the messages, for as long as it is shown."""
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        sandbox.connect(AsgiBot())
        [asked] = await sandbox.type("/bot help", user="bob")
        event = asked.event
        connection = event.get("connection_id") or event["data"]["connection_id"]
        draft = MessageDraft(
            sandbox.channel_id,
            Content(Button("OK", action_id="ok")),
            ephemeral=True,
            ephemeral_to=[person(sandbox, "bob")],
            connection_id=connection if sandbox.api == "node" else None,
        )
        # 2021 answers an ephemeral message with another front_id: shown, and UNKNOWN.
        with contextlib.suppress(OutcomeUnknownError):
            await twake.send(draft)
        await twake.send_message(sandbox.channel_id, "for all")
        [shown, _] = sandbox.seen_by("bob")
        assert [one["content"] for one in sandbox.seen_by("alice")] == ["for all"]
        posted = await sandbox.click(shown, "ok", user="bob")
        assert posted.name == "ok"
        with pytest.raises(LookupError, match="alice sees no message"):
            await sandbox.click(shown, "ok", user="alice")
    content = posted.event.get("content") or posted.event["data"]
    assert content["message"]["id"] == shown["id"]


@pytest.mark.parametrize("release", RELEASES)
async def test_people_write_edit_react_pin_and_remove(release):
    """Only their own messages, and only what they see; nothing has to be connected."""
    sandbox = Sandbox(release=release)
    assert await sandbox.type("one") == []
    [first] = sandbox.messages()
    await sandbox.type("two", user="bob", parent_message_id=first["id"])
    reply = sandbox.messages()[1]
    assert reply["parent_message_id"] == first["id"]
    await sandbox.type("three", parent_message_id=reply["id"])
    assert sandbox.messages()[2]["parent_message_id"] == first["id"]
    await sandbox.edit(reply, "two!", user="bob")
    await sandbox.react(reply, ":heart:")
    await sandbox.pin(reply)
    shown = sandbox.seen_by("carol")[1]
    assert (shown["content"], shown["pinned"]) == ("two!", True)
    assert "heart" in str(shown["reactions"])
    await sandbox.react(reply)
    await sandbox.pin(reply, pinned=False)
    shown = sandbox.seen_by("carol")[1]
    assert (shown["pinned"], shown["reactions"]) == (False, [])
    for call in (sandbox.edit(reply, "x"), sandbox.remove(reply)):
        with pytest.raises(LookupError, match="that somebody else wrote"):
            await call
    await sandbox.remove(reply, user="bob")
    assert [one["content"] for one in sandbox.seen_by("carol")] == ["one", "three"]
    with pytest.raises(LookupError, match="bob sees no message"):
        await sandbox.pin(reply, user="bob")


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_events_in_a_thread_carry_the_message_that_began_it(release):
    """As the web application sends it: the message over v1, the thread on Node."""
    sandbox = Sandbox(release=release)
    sandbox.connect(AsgiBot())
    await sandbox.type("one")
    [first] = sandbox.messages()
    await sandbox.type("two", parent_message_id=first["id"])
    reply = sandbox.messages()[1]
    [command] = await sandbox.type("/bot x  y", parent_message_id=reply["id"])
    icon = await sandbox.open_icon(parent_message_id=first["id"])
    menu = await sandbox.open_menu(reply)
    alone = await sandbox.open_menu(first)
    found = []
    for one in (command, icon, menu, alone):
        content = one.event.get("content") or one.event["data"]
        held = content.get("thread", content.get("parent_message"))
        found.append(held and held["id"])
    assert found == [first["id"], first["id"], first["id"], None]
    content = command.event.get("content") or command.event["data"]
    assert content["command"] == "x  y"


async def test_what_cannot_be_done_is_said():
    """Unknown commands, channels, places, applications; an application without an address."""
    sandbox = Sandbox()
    random = sandbox._twake.seed["channels"]["random"]["id"]
    with pytest.raises(RuntimeError, match="use connect"):
        await sandbox.type("/bot x")
    sandbox.connect(AsgiBot())
    for call, words in (
        (sandbox.type("/poll a; b"), "no application has the command '/poll', but '/bot'"),
        (sandbox.type("x", channel_id="x"), "has no channel 'x'"),
        (sandbox.type("x", user="carol", channel_id=random), "carol is not in the channel"),
        (sandbox.type("x", parent_message_id="x"), "there is no message 'x' in that channel"),
        (sandbox.open_icon(application="x"), "has no application 'x', but 'bot'"),
    ):
        with pytest.raises(LookupError) as caught:
            await call
        assert words in str(caught.value)
    with pytest.raises(ValueError, match="'channel' or 'workspace', not 'drive'"):
        await sandbox.configure("drive")
    await sandbox.type("in random", channel_id=random)
    [told] = sandbox.messages(random)
    with pytest.raises(LookupError, match="in that channel"):
        await sandbox.type("x", parent_message_id=told["id"])
    assert sandbox.seen_by("carol", random) == []
    with pytest.raises(LookupError, match="has no application 'x'"):
        sandbox.connect(AsgiBot(), application="x")


async def test_a_small_seed_is_enough():
    """Without members everybody is in a channel, and without workspaces nothing is told."""
    seed = {
        "groups": {"g": {"id": "g1", "name": "G"}},
        "users": {"ann": {"id": "u1", "username": "ann"}},
        "channels": {"c": {"id": "c1", "group": "g"}},
        "apps": {"a": {"id": "a1", "key": "k", "simple": "a"}},
        "group_apps": [{"group": "g", "app": "a"}],
    }
    for release in RELEASES:
        sandbox = Sandbox(seed, release=release)
        sandbox.connect(AsgiBot(), application="a1")
        assert await sandbox.type("hello", user="ann") == []
        [posted] = await sandbox.type("/a x", user="u1")
        assert posted.status == 200
        assert [one["content"] for one in sandbox.seen_by("ann")] == ["hello"]


def test_the_readers_of_an_ephemeral_message_in_each_form():
    """PHP turns a list with gaps into an object; without readers, the message is for everybody."""
    alice, bob = User("u1", "alice", {}), User("U2", "bob", {})
    for recipients, readers in (
        (["u1"], [True, False]),
        ({"3": "u2"}, [False, True]),
        ([], [True, True]),
        ([None], [True, True]),
        (None, [True, True]),
    ):
        shown = {"ephemeral_message_recipients": recipients}
        assert [is_for(shown, one) for one in (alice, bob)] == readers
