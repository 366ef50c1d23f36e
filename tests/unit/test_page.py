"""The page of the sandbox over HTTP: who may ask, what it says, and what people do on it."""

from __future__ import annotations

import json
import re

import httpx
import pytest
import pytest_asyncio
from page_client import PageClient
from places import ROOT
from receivers import AsgiBot

from twake_async import MessageDraft, OutcomeUnknownError, RefusedError, RetryPolicy, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.sandbox._page.acting import FAULTS
from twake_async.sandbox._page.builder import EXAMPLES, built
from twake_async.twacode import Button, Input, Nop, Select, UserSpecific
from twake_async.twacode._nodes.classes import NODE_CLASSES

ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"


@pytest_asyncio.fixture(params=["2020", "2023"])
async def box(request):
    """Serve a sandbox of each generation."""
    async with Sandbox(release=request.param) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def page(box):
    """Give a browser at its page."""
    client = PageClient(box)
    async with client.http:
        yield client


def session(sandbox, **options):
    """Return a session on a sandbox, that tries once."""
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        retry=RetryPolicy.never(),
        **options,
    )


# ---- the page itself ----------------------------------------------------------------------------


async def test_the_page_is_one_file_that_runs_only_its_own_script(page):
    """A nonce that is used once is on its style and its script, and nothing else may run or load."""
    first, second = [await page.http.get("/") for _ in range(2)]
    policy = first.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert first.text.count(f'nonce="{nonce}"') == 2
    assert nonce not in second.text
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["referrer-policy"] == "no-referrer"
    markup = re.sub(r'(?s)<script.*</script>|data-given="[^"]*"', "", first.text)
    assert not re.findall(r"<[a-z][^>]*\s(?:on\w+|style)=", markup)
    assert not re.findall(r"(?:src|href)=\"(?!data:,|#)[^\"]*\"", first.text)
    assert "innerHTML" not in first.text
    assert "insertAdjacentHTML" not in first.text


async def test_the_page_is_no_request_to_twake(box, page):
    """It meets no fault, is in no list of requests, and no program in-process gets it."""
    box.fail_next(before_storing="close")
    assert (await page.http.get("/")).status_code == 200
    assert (await page.act(do="type", channel=box.channel_id, text="Hello")).status_code == 200
    assert box.requests == []
    async with httpx.AsyncClient(transport=box.transport, base_url="http://twake") as inside:
        assert "Twake sandbox" not in (await inside.get("/")).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example", "User-Agent": "twake-async"}, 500),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
async def test_only_this_machine_and_the_page_itself_may_read(headers, status):
    """Other hosts and other pages get nothing; a link on another page may lead there."""
    async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{sandbox.url}/", headers=headers)
        assert answer.status_code == status
        assert ("Twake sandbox" in answer.text) == (status == 200)
        if "Origin" in headers:
            answer = await http.get(f"{sandbox.url}/_page/events", headers=headers)
            assert answer.status_code == 403


async def test_a_name_that_is_allowed_is_answered():
    """A container needs this: the page and its acts work under that name."""
    async with (
        Sandbox(allow_hosts=["twake.local"]) as sandbox,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        headers = {"Host": "twake.local:80", "Origin": "http://twake.local:80"}
        assert (await http.get(f"{sandbox.url}/", headers=headers)).status_code == 200
        act = {"do": "build", "text": "'a'", "user": "alice"}
        answer = await http.post(f"{sandbox.url}/_page/act", json=act, headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json", "Origin": "http://evil.example"},
        {"Content-Type": "application/json", "Origin": "null"},
        {"Content-Type": "text/plain", "Origin": "SELF"},
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": "SELF"},
        {"Origin": "SELF"},
    ],
)
async def test_what_changes_something_comes_as_json_from_the_page_itself(headers):
    """A form of another page cannot send it, and no program sends it by mistake."""
    async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as http:
        named = {name: value.replace("SELF", sandbox.url) for name, value in headers.items()}
        act = json.dumps(
            {"do": "type", "user": "alice", "channel": sandbox.channel_id, "text": "x"}
        )
        answer = await http.post(f"{sandbox.url}/_page/act", content=act, headers=named)
        assert answer.status_code == 403
        assert sandbox.messages() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/_page/act", 405), ("POST", "/", 405), ("PUT", "/_page/events", 405), ("HEAD", "/", 200)],
)  # fmt: skip
async def test_other_methods_do_nothing(page, method, path, status):
    """Each path accepts only its own method."""
    assert (await page.http.request(method, path)).status_code == status


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"{", 400, ""),
        (b"[]", 400, "an object is needed"),
        (b"{}", 400, "do: text is needed"),
        (b'{"do": "nothing"}', 400, "nothing here is called 'nothing'"),
        (b'{"do": "fault", "fault": "x"}', 400, "no fault here is called 'x'"),
        (b'{"do": "type", "user": "alice", "channel": "c", "text": " "}', 400, "there is nothing to say"),
        (b'{"do": "type", "user": "alice", "channel": "c", "text": 7}', 400, "text: text is needed"),
        (b'{"do": "type", "user": "dave", "channel": "c", "text": "x"}', 409, "no user 'dave'"),
        (b'{"do": "icon", "user": "alice", "channel": "CHANNEL"}', 409, "use connect"),
        (b'{"do": "click", "user": "alice", "message": "m", "action": "a", "form": []}', 400, "form: an object"),
        (b'{"do": "type", "user": "alice", "channel": "c", "text": "%s"}' % (b"x" * 10_001), 400, "more than 10000"),
        (b" " * 1_048_577, 413, ""),
    ],
)  # fmt: skip
async def test_an_act_that_cannot_be_done_says_why(box, page, body, status, told):
    """It is malformed, or the person cannot do it."""
    headers = {"Origin": box.url, "Content-Type": "application/json"}
    body = body.replace(b"CHANNEL", box.channel_id.encode())
    answer = await page.http.post("/_page/act", content=body, headers=headers)
    assert answer.status_code == status
    assert told in answer.text


# ---- what one person sees -----------------------------------------------------------------------


async def test_all_is_there_at_first_and_then_what_changes(box, page):
    """The last event of each step has an id to go on from."""
    await box.type("first")
    [first] = box.messages()
    async with page.watch() as watching:
        events = await watching.until("state")
        names = [event.name for event in events]
        assert names == ["world", "messages", "traffic", "ready", "state"]
        assert [one["name"] for one in events[0].data["people"]] == ["alice", "bob", "carol"]
        assert events[0].data["fresh"]
        assert events[1].data[0]["pieces"] == ["first"]
        assert events[3].id
        box.say("second", parent_message_id=first["id"])
        second = await watching.message("second")
        assert second["parent"] == first["id"].lower()
        await box.edit(first["id"], "changed", user="alice")
        changed = await watching.message("changed")
        assert (changed["edited"], changed["mine"], changed["text"]) == (True, True, "changed")
        await box.remove(second["id"], user="alice")
        gone = await watching.until("changes", lambda all_: any(one.get("gone") for one in all_))
        assert {"id": second["id"], "gone": True} in gone[-1].data


async def test_after_a_reconnect_only_what_was_missed_comes(box, page):
    """By the id of the last event, as the browser sends it, or as the page does."""
    box.say("before")
    async with page.watch() as watching:
        last = (await watching.until("ready"))[-1].id
    missed = box.say("missed")
    for how in ({"last_id": last}, {"after": last}):
        async with page.watch(**how) as watching:
            events = await watching.until("seen")
            assert [event.name for event in events] == ["changes", "state", "seen"]
            assert [one["id"] for one in events[0].data] == [missed["id"].lower()]
            assert events[-1].id > last
    for other in ("other-1", "nothing", last + "9" * 9, ""):
        async with page.watch(last_id=other) as watching:
            assert (await watching.next()).data["fresh"]


async def test_each_person_sees_their_own(box, page):
    """Ephemeral messages, channels, and what is only for one reader."""
    connection = {} if box.api == "v1" else {"connection_id": _connection(box, "bob")}
    bob = box._twake.seed["users"]["bob"]["id"]
    specific = [UserSpecific(bob, {"k": "for bob"})] if box.api == "v1" else []
    async with session(box) as twake:
        keyed = Nop("for all", key="k")
        await twake.send(MessageDraft(box.channel_id, keyed, user_specific=specific))
        draft = MessageDraft(
            box.channel_id, "psst", ephemeral=True, ephemeral_to=[bob], **connection
        )
        await twake.send(draft)
    seen = {}
    for user in ("bob", "alice", "carol"):
        async with page.watch(user) as watching:
            seen[user] = {event.name: event.data for event in await watching.until("ready")}
    texts = {user: [one["pieces"] for one in events["messages"]] for user, events in seen.items()}
    assert texts["alice"] == [["for all"]]
    assert texts["bob"] == [["for bob" if specific else "for all"], ["psst"]]
    assert seen["bob"]["messages"][1]["ephemeral"]
    assert [one["name"] for one in seen["carol"]["world"]["channels"]] == ["General"]
    assert (await page.http.get("/_page/events", params={"user": "dave"})).status_code == 404


def _connection(box, name):
    with box._twake.changing() as world:
        return next(user.connection_id for user in world.users.values() if user.name == name)


async def test_a_new_channel_appears(box, page):
    """A direct channel that an application opens."""
    if box.api != "v1":
        pytest.skip("the Node API opens none")
    async with page.watch() as watching:
        await watching.until("state")
        async with session(box) as twake:
            await twake.channels.direct(ALICE)
        events = await watching.until("world")
        assert "direct" in [one["name"] for one in events[-1].data["channels"]]


async def test_a_reset_begins_again(box, page):
    """Messages, traffic and faults are gone from the page, too."""
    box.say("before")
    box.fail_next(before_storing="close")
    async with page.watch() as watching:
        await watching.until("state", lambda one: one["faults"])
        box.reset()
        events = await watching.until("state", lambda one: not one["faults"])
        assert next(one for one in events if one.name == "world").data["fresh"]
        assert [one.data for one in events if one.name == "traffic"] == [[]]
        box.say("after")
        assert (await watching.message("after"))["pieces"] == ["after"]


async def test_whoever_missed_too_much_begins_again(box, page):
    """The number of changes that are kept is limited."""
    async with page.watch() as watching:
        last = (await watching.until("ready"))[-1].id
    feed = box._server.site.stream.feed
    for number in range(feed._changes.maxlen + 1):
        feed._add("traffic", number + 1)
    async with page.watch(last_id=last) as watching:
        assert (await watching.next()).data["fresh"]


# ---- what people do -----------------------------------------------------------------------------


async def test_people_act_and_the_bot_hears_it(box, page):
    """Each act of the page becomes what a person does."""
    bot = AsgiBot()
    box.connect(bot, path="/secret")
    form = Input("note") + Select("a", passive_id="s") + Button("Yes", action_id="yes")
    async with session(box) as twake:
        sent = await twake.send_message(box.channel_id, form)
    where = {"channel": box.channel_id}
    for act in (
        {"do": "type", "text": "/bot go", **where},
        {"do": "click", "message": sent.id, "action": "yes", "form": {"note": "n", "s": "a"}},
        {"do": "menu", "message": sent.id},
        {"do": "icon", "application": box.public_id, **where},
        {"do": "configure", "application": "bot", **where},
    ):
        assert (await page.act(**act)).json() == {}
    kinds = [(one.type, one.name) for one in box.posted if one.type != "hook"]
    assert kinds == [
        ("action", "command"),
        ("interactive_message_action", "yes"),
        ("action", "action"),
        ("action", "open"),
        ("configuration", "channel"),
    ]
    assert box.posted[-4].event.get("data", box.posted[-4].event.get("content"))["form"] == {
        "note": "n",
        "s": "a",
    }
    await page.act("bob", do="type", text="mine", parent=sent.id, **where)
    mine = box.messages(typed=True)[-1]
    assert (mine.content, mine.parent_message_id) == ("mine", sent.id)
    await page.act("bob", do="react", message=mine.id, emoji="👍")
    await page.act("bob", do="pin", message=mine.id, pinned=True)
    await page.act("bob", do="edit", message=mine.id, text="mine, too")
    async with page.watch("bob") as watching:
        all_of_it = [event for event in await watching.until("ready") if event.name == "messages"]
        told = all_of_it[-1].data[-1]
    assert told["reactions"] == [["👍", 1, True]]
    assert (told["pinned"], told["pieces"]) == (True, ["mine, too"])
    assert (await page.act("alice", do="remove", message=mine.id)).status_code == 409
    assert (await page.act("bob", do="remove", message=mine.id)).status_code == 200
    assert len(box.messages()) == 1


async def test_a_window_that_the_bot_opens_is_shown_and_answered(box, page):
    """The person whose window it is sees it, and it goes when it is closed."""
    bot = AsgiBot()
    box.connect(bot, path="/secret")
    async with page.watch("bob") as watching, session(box) as twake:
        await page.act("bob", do="configure", channel=box.channel_id)
        await twake.dialogs.open(_event(twake, box), Button("Save", action_id="save"))
        state = (await watching.until("state", lambda one: one["window"]))[-1].data
        assert state["window"][0][2] == ["Save"]
        assert (await page.act("bob", do="window", action="save")).json() == {}
    assert box.posted[-1].type == "interactive_configuration_action"


def _event(twake, box):
    """Return the last event that was posted, as a bot reads it."""
    posted = box.posted[-1]
    return twake.event_parser().parse(posted.body, posted.headers)


# ---- faults, and what went on -------------------------------------------------------------------


async def send(box, text="Hello"):
    """Send a message, and return what its sender knows of it."""
    async with session(box) as twake:
        try:
            await twake.send_message(box.channel_id, text)
        except OutcomeUnknownError:
            return "UNKNOWN"
        except RefusedError:
            return "REFUSED"
        return "DELIVERED"


async def test_a_lost_answer_is_unknown_until_a_second_evidence_settles_it(box, page):
    """A look finds it on the Node API; over v1 of 2020, its event is the evidence."""
    box.connect(AsgiBot(), path="/secret")
    async with page.watch() as watching:
        await page.act(do="fault", fault="lost_answer")
        state = await watching.until("state", lambda one: one["faults"])
        assert state[-1].data["faults"] == ["write: close after storing"]
        outcome = await send(box)
        assert outcome == ("UNKNOWN" if box.api == "v1" else "DELIVERED")
        row = await watching.exchange(lambda one: one["outcome"] == "UNKNOWN" and one["settled"])
        assert row["status"] is None
        assert row["fault"] == "close, after storing"
        assert ("echo" in row["settled"]) == (box.api == "v1")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("lost_request", "UNKNOWN"), ("refuse", "REFUSED"), ("refuse_group", "REFUSED")],
)
async def test_each_fault_by_hand_is_met_by_the_next_save(box, page, fault, outcome):
    """Nothing is stored, and nothing settles it."""
    async with page.watch() as watching:
        await page.act(do="fault", fault=fault)
        assert await send(box) == outcome
        row = await watching.exchange(
            lambda one: one["outcome"] == outcome and one["ms"] is not None
        )
        assert (row["bad"], row["settled"]) == (True, "")
    assert box.messages() == []


async def test_a_slow_answer_and_all_well_again(box, page):
    """The page shows the fault with its time; it can be withdrawn before a request meets it."""
    await page.act(do="fault", fault="slow")
    assert box._twake.script.waiting() == ["write: late after storing"]
    await page.act(do="fault", fault="none")
    assert box._twake.script.waiting() == []
    assert set(FAULTS) >= {"lost_answer", "lost_request", "refuse", "slow", "unreachable", "none"}


async def test_nothing_can_be_reached_for_a_while_and_nothing_is_missed(box, page, monkeypatch):
    """The stream breaks, and goes on from its last event."""
    monkeypatch.setattr("twake_async.sandbox._page.acting._SECONDS", 0.2)
    async with page.watch() as watching:
        last = (await watching.until("ready"))[-1].id
        assert (await page.act(do="fault", fault="unreachable")).status_code == 200
        with pytest.raises((httpx.TransportError, AssertionError)):
            await watching.until("never")
    box.say("meanwhile")
    box._server._outage.join()
    async with page.watch(last_id=last) as watching:
        assert (await watching.message("meanwhile"))["pieces"] == ["meanwhile"]


async def test_the_sandbox_may_end_during_an_outage(page, box):
    """The end of the sandbox does not wait."""
    await page.act(do="fault", fault="unreachable")
    box._server.stop()
    assert not box._server._outage.is_alive()
    box._server.start()


async def test_no_key_no_token_and_no_login_is_shown(box, page):
    """Also where somebody puts the key into a message, or into a path."""
    box.connect(AsgiBot(), path="/the-secret-path")
    async with session(box) as twake:
        await twake.send_message(box.channel_id, f"my key is {box.private_api_key}")
        await twake.send_message(box.channel_id, "x", hidden_data={"password": "hunter2", "n": 1})
    await page.http.post(
        f"/nowhere/{box.private_api_key}",
        json={"token": "t0ken", "b": ["eyJhbGciOi.eyJzdWIi.c2ln"]},
    )
    async with page.watch() as watching:
        events = await watching.until("traffic")
    told = json.dumps(events[-1].data)
    for secret in (
        box.private_api_key,
        "hunter2",
        "t0ken",
        "eyJhbGciOi",
        "the-secret-path",
        "access_token",
    ):
        assert secret not in told, secret
    assert "[redacted]" in told
    assert '"n": 1' in told


async def test_an_event_that_the_bot_does_not_answer_is_told_as_bad(box, page):
    """The page shows the reason; the bot may start again while the page stays open."""
    box.connect("http://127.0.0.1:9/bot")
    async with page.watch() as watching:
        await page.act(do="type", channel=box.channel_id, text="/bot go")
        row = await watching.exchange(lambda one: one["kind"] == "event")
        assert (row["status"], row["bad"]) == (None, True)
        assert row["outcome"]
        bot = AsgiBot()
        box.connect(bot, path="/secret")
        await page.act(do="type", channel=box.channel_id, text="/bot go")
        row = await watching.exchange(lambda one: one["status"] == 200)
        assert row["title"] == "action/command"


# ---- as a test ----------------------------------------------------------------------------------

PROJECT = """
import pytest_asyncio

pytest_plugins = ["twake_async.testing"]


class Bot:
    async def wait_idle(self):
        pass

    async def __call__(self, scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest_asyncio.fixture
async def bot(twake_sandbox):
    bot = Bot()
    twake_sandbox.connect(bot, path="/secret")
    yield bot
"""


async def test_what_happened_can_be_copied_as_a_test_that_passes(box, page, pytester, monkeypatch):
    """Sends with each fault, edits, removes, replies, and what people do."""
    box.connect(AsgiBot(), path="/secret")
    form = Input("note") + Button("Yes", action_id="yes")
    async with session(box) as twake:
        for ask in (
            lambda: None,
            lambda: box.fail_next(after_storing="close"),
            lambda: box.fail_next(before_storing="close"),
            lambda: box.fail_next(before_storing=502),
            lambda: box.refuse_next(429, retry_after=1),
            lambda: box.refuse_next("group"),
            lambda: box.slow_next(0.01),
            lambda: box.answer_next("gzip"),
        ):
            ask()
            await send(box)
        sent = await twake.send_message(box.channel_id, form)
        await twake.edit_message(sent, "edited")
        question = box.say("a question")
        await twake.send_message(box.channel_id, "a reply", parent_message_id=question["id"])
        await twake.remove_message(sent)
        sent = await twake.send_message(box.channel_id, form)
    where = {"channel": box.channel_id}
    await page.act("bob", do="type", text="/bot go", **where)
    await page.act("bob", do="type", text='it\'s "me"', **where)
    await page.act(do="menu", message=sent.id)
    await page.act(do="icon", **where)
    await page.act(do="configure", **where)
    async with page.watch() as watching:
        rows = (await watching.until("traffic"))[-1].data
    tests = list(dict.fromkeys(row["test"] for row in rows if row["test"]))
    assert len(tests) >= 15
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(PROJECT)
    for number, test in enumerate(tests):
        (pytester.path / f"test_{number}.py").write_text(test, encoding="utf-8")
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=len(tests))


# ---- the builder --------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
def test_each_example_is_shown_without_a_problem(example):
    """Copied as Python and as JSON it is the same message."""
    told = built(example[1], reader_id=ALICE)
    assert told["problems"] == []
    assert told["pieces"]
    for copied in (told["python"], told["json"]):
        assert built(copied, reader_id=ALICE)["pieces"] == told["pieces"]


def test_there_is_an_example_of_every_node():
    """Of each class that a message can be made of."""
    assert {name for name, _ in EXAMPLES} >= {cls.__name__ for cls in NODE_CLASSES.values()}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ("Button('a', action_id='')", "Button.action_id"),
        ('[{"type": "select"}]', "a list of values"),
        ("7", "not int"),
        ("exit()", "a call of exit"),
        ("[" * 150 + "]" * 150, "nested deeper"),
        ("'" + "a" * 100_001 + "'", "at most 100000"),
    ],
)
def test_the_builder_says_what_is_wrong(text, told):
    """In the words of the SDK's own checks, and however large or deep it is."""
    problems = built(text, reader_id=ALICE)["problems"]
    assert told in "".join(problems)
    assert bool(problems) == bool(told)


async def test_the_builder_shows_what_a_notification_shows(page):
    """It is the text that stands in for the message."""
    answer = await page.act(do="build", text='{"prepared": ["a"], "fallback_string": "b"}')
    assert answer.json()["fallback"] == "b"
    assert answer.json()["pieces"] == ["a"]
