"""A session over api="node", against the sandbox: logins, looks, threads of users, resumes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle

import attrs
import httpx
import pytest

from twake_async import (
    Attempt,
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    Journal,
    JournalError,
    Message,
    MessageDraft,
    MessageRef,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    SessionClosedError,
    TwakeError,
    TwakeSession,
)
from twake_async._protocol.node.login import Grant
from twake_async.sandbox import Sandbox

TRANSPORTS = [None, "httpx2", "fast"]
RESEND = RetryPolicy(on_unknown="resend", initial_wait=0.01)
BLIND = RetryPolicy(reconcile=False)


@pytest.fixture
def sandbox():
    with Sandbox(release="2023") as sandbox:
        yield sandbox


def open_session(sandbox, **options):
    return TwakeSession(
        sandbox.public_id,
        options.pop("key", sandbox.private_api_key),
        **{
            "group_id": sandbox.group_id,
            "workspace_id": sandbox.workspace_id,
            "base_url": sandbox.url,
            "api": "node",
            **options,
        },
    )


@pytest.fixture(params=TRANSPORTS)
async def twake(request, sandbox):
    async with open_session(sandbox, transport=request.param) as twake:
        yield twake


@pytest.fixture
async def one(sandbox):
    """A session over httpx."""
    async with open_session(sandbox) as twake:
        yield twake


def watch(twake) -> list[Attempt]:
    """Return the list of the attempts to come."""
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    return seen


def ends(seen):
    return [(one.outcome, one.reason) for one in seen]


def reads(sandbox):
    return [one for one in sandbox.requests if one.method == "GET"]


# --- the calls -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["2022", "2023"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_same_calls_as_over_v1(release, transport):
    """Send, reply, edit, remove: the same models, whichever API carries them."""
    with Sandbox(release=release) as sandbox:
        async with open_session(sandbox, transport=transport) as twake:
            sent = await twake.send_message(
                sandbox.channel_id, "hello", hidden_data={"a": 1}, front_id="mine"
            )
            assert (sent.content, sent.front_id, sent.hidden_data) == ("hello", "mine", {"a": 1})
            assert (sent.parent_message_id, sent.sender) == ("", None)
            assert sent.workspace_id == sandbox.workspace_id
            reply = await twake.reply(sent, "to it")
            again = await twake.reply(reply, "to the same thread")
            assert reply.parent_message_id == again.parent_message_id == sent.id
            edited = await twake.edit_message(reply, "changed")
            assert (edited.id, edited.content, edited.edited) == (reply.id, "changed", True)
            assert edited.front_id == reply.front_id
            await twake.remove_message(again)
            contents = [message["content"] for message in sandbox.messages()]
            assert contents == ["hello", "changed"]


async def test_hidden_data_of_an_edit_keeps_the_ids_beside_it(sandbox, twake):
    """The server replaces the whole context."""
    sent = await twake.send_message(sandbox.channel_id, "hello", front_id="mine")
    edited = await twake.edit_message(sent, hidden_data={"b": 2})
    assert (edited.content, edited.front_id, edited.hidden_data) == ("hello", "mine", {"b": 2})
    assert edited.extra["context"] == sent.extra["context"] != {}


async def test_rich_content_comes_back_as_over_v1(sandbox, one):
    """An edit with the content of the answer changes nothing."""
    from twake_async.twacode import Bold

    sent = await one.send_message(sandbox.channel_id, ["Hi ", Bold("there")])
    assert sent.text == "Hi there"
    edited = await one.edit_message(sent, sent.content)
    assert edited.content == sent.content


async def test_a_draft_says_its_workspace_and_its_title(sandbox, one):
    """They take precedence over the session's."""
    draft = MessageDraft(
        sandbox.channel_id, "hi", workspace_id="direct", override={"title": "Deploys"}
    )
    sent = await one.send(draft)
    assert (sent.workspace_id, sent.override) == ("direct", {"title": "Deploys"})
    assert sent.ref == MessageRef(sandbox.channel_id, sent.id, "", "direct")


async def test_without_a_workspace_nothing_leaves(sandbox):
    """The server would store a message that nobody sees."""
    async with open_session(sandbox, workspace_id=None) as twake:
        with pytest.raises(ConfigurationError, match="nobody sees") as caught:
            await twake.send_message(sandbox.channel_id, "hi")
        assert caught.value.field == "workspace_id"
        thread = sandbox.say("a thread")
        await twake.reply(MessageRef(sandbox.channel_id, thread["id"]), "needs none")
    assert not [one for one in sandbox.requests if one.path.endswith("/threads")]


@attrs.frozen
class Event:
    """The part of an event that a reply needs."""

    message: Message | MessageRef | None
    user_id: str | None = None
    connection_id: str | None = None


async def test_an_ephemeral_reply_is_for_the_user_of_an_event(sandbox, twake):
    """Its user and that user's connection are filled in; nothing is stored."""
    thread = await twake.send_message(sandbox.channel_id, "a thread")
    shown = await twake.reply(Event(thread, "user-1", "connection-1"), "psst", ephemeral=True)
    assert shown.ephemeral_id
    seen = sandbox.requests[-1].body["resource"]["ephemeral"]
    assert (seen["recipient"], seen["recipient_context_id"]) == ("user-1", "connection-1")
    assert len(sandbox.messages()) == 1


async def test_an_ephemeral_message_replaces_another(sandbox, twake):
    """At the root the server answers that there is no message."""
    draft = MessageDraft(
        sandbox.channel_id, "1", ephemeral=True, ephemeral_to=["u"], connection_id="c"
    )
    first = await twake.send(draft)
    second = await twake.send(attrs.evolve(draft, content="2", ephemeral_id=first.ephemeral_id))
    assert first.ephemeral_id == second.ephemeral_id
    shown = sandbox.ephemerals(sandbox.channel_id)
    assert [one["content"] for one in shown] == ["2"]


@pytest.mark.parametrize("to", [MessageRef("c", "m"), Event(MessageRef("c", "m"))])
async def test_an_ephemeral_reply_to_nobody_is_refused_here(one, to):
    """A message does not have the connection of a user."""
    with pytest.raises(InvalidDraftError, match="the user of an event") as caught:
        await one.reply(to, "psst", ephemeral=True)
    assert caught.value.field == "ephemeral"


async def test_a_reply_needs_a_message(one):
    """An event may have no message."""
    with pytest.raises(InvalidDraftError):
        await one.reply(Event(None), "hello")


# --- logins --------------------------------------------------------------------------------------


async def test_one_login_serves_all_and_none_stands_before_a_send_with_a_token(sandbox, twake):
    """However many begin at once."""
    await asyncio.gather(*[twake.send_message(sandbox.channel_id, str(n)) for n in range(30)])
    await twake.send_message(sandbox.channel_id, "again")
    assert sandbox.logins == 1


async def test_a_token_that_expired_is_renewed_once_for_all(sandbox, twake):
    """A 401 stored nothing; each send goes out once more."""
    await twake.send_message(sandbox.channel_id, "first")
    sandbox.expire_tokens()
    seen = watch(twake)
    await asyncio.gather(*[twake.send_message(sandbox.channel_id, str(n)) for n in range(10)])
    assert sandbox.logins == 2
    assert len(sandbox.messages()) == 11
    assert {end for end in ends(seen) if end[0] is not Outcome.DELIVERED} == {
        (Outcome.REFUSED, "token")
    }


async def test_a_token_that_is_refused_twice_refuses_the_send(sandbox, one):
    """Another login does not help."""
    sandbox.refuse_next("authentication", times=2)
    with pytest.raises(RefusedError) as caught:
        await one.send_message(sandbox.channel_id, "hello")
    assert (caught.value.reason, caught.value.attempts) == ("token", 2)
    assert sandbox.messages() == []


async def test_a_token_is_renewed_beside_the_sends_before_it_ends(one, sandbox):
    """No send waits for it."""
    await one.send_message(sandbox.channel_id, "first")
    api = one._sender.api.api
    old = api.token
    api.token = attrs.evolve(old, renew_at=0.0)
    sandbox.slow_next(0.2, on="login")
    await one.send_message(sandbox.channel_id, "second")
    assert api.token.header == old.header
    while api.token.header == old.header:
        await asyncio.sleep(0.01)
    assert sandbox.logins == 2


async def test_wrong_credentials_are_refused(sandbox):
    """No message leaves, and the key is in no error."""
    async with open_session(sandbox, key="wrong-key") as twake:
        with pytest.raises(AuthenticationError) as caught:
            await twake.send_message(sandbox.channel_id, "hello")
    assert "wrong-key" not in repr(caught.value)
    assert sandbox.messages() == []


@pytest.mark.parametrize("action", ["close", 500, 503, "html", "cut_json"])
async def test_a_login_that_fails_is_not_sent_and_tried_again(sandbox, one, action):
    """Until the deadline: what never left is tried again."""
    sandbox.fail_next(before_storing=action, times=2, on="login")
    seen = watch(one)
    await one.send_message(sandbox.channel_id, "hello", retry=RetryPolicy(initial_wait=0.01))
    assert ends(seen) == [(Outcome.NOT_SENT, "login")] * 2 + [(Outcome.DELIVERED, "")]


async def test_logins_that_fail_are_few_however_many_wait(sandbox, one):
    """The back-off is the session's."""
    sandbox.fail_next(before_storing="close", times=1000, on="login")
    sending = [one.send_message(sandbox.channel_id, str(n), deadline=1.5) for n in range(200)]
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert {(type(one), one.reason) for one in results} <= {
        (NotSentError, "login"),
        (NotSentError, "deadline"),
    }
    tries = [one for one in sandbox.requests if one.path == "/api/console/v1/login"]
    assert len(tries) < 10


async def test_a_send_that_is_cancelled_ends_only_its_own_wait(sandbox, one):
    """The login is a task of the session."""
    sandbox.slow_next(0.2, on="login")
    first = asyncio.create_task(one.send_message(sandbox.channel_id, "first"))
    second = asyncio.create_task(one.send_message(sandbox.channel_id, "second"))
    await asyncio.sleep(0.05)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).content == "second"
    assert sandbox.logins == 1


async def test_a_session_that_closes_ends_the_wait_for_a_login(sandbox):
    """A message that waits for it was not sent."""
    twake = open_session(sandbox)
    sandbox.fail_next(before_storing="silent", on="login")
    sending = asyncio.create_task(twake.send_message(sandbox.channel_id, "hello"))
    while not sandbox.requests:
        await asyncio.sleep(0.01)
    await twake.aclose(drain=0)
    with pytest.raises(SessionClosedError):
        await sending
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- the second look -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["close", "cut", 502, "error_words", "empty", "html", 404])
async def test_a_message_whose_answer_was_lost_is_found(sandbox, twake, action):
    """It is delivered: the marker that was minted for it stands in the channel."""
    sandbox.fail_next(after_storing=action)
    seen = watch(twake)
    sent = await twake.send_message(sandbox.channel_id, "hello")
    assert (sent.content, sent.maybe_duplicated) == ("hello", False)
    assert [one.outcome for one in seen] == [Outcome.UNKNOWN, Outcome.DELIVERED]
    assert seen[-1].reason == "found"
    assert [one["id"] for one in sandbox.messages()] == [sent.id]


async def test_a_reply_whose_answer_was_lost_is_found_in_its_thread(sandbox, twake):
    """The feed of the channel does not show replies."""
    thread = await twake.send_message(sandbox.channel_id, "a thread")
    sandbox.fail_next(after_storing="close")
    reply = await twake.reply(thread, "found")
    assert (reply.content, reply.parent_message_id) == ("found", thread.id)
    assert "/threads/" in reads(sandbox)[-1].path


async def test_what_is_not_found_stays_unknown(sandbox, twake):
    """A write may come late."""
    sandbox.fail_next(before_storing="close")
    with pytest.raises(OutcomeUnknownError) as caught:
        await twake.send_message(sandbox.channel_id, "hello")
    assert caught.value.reason == "lost"
    assert len(reads(sandbox)) == 1


async def test_a_look_comes_before_a_resend(sandbox, one):
    """So that what is there is not sent twice."""
    sandbox.fail_next(after_storing="close")
    sent = await one.send_message(sandbox.channel_id, "hello", retry=RESEND)
    assert len(sandbox.messages()) == 1
    assert not sent.maybe_duplicated
    sandbox.fail_next(before_storing="close")
    sent = await one.send_message(sandbox.channel_id, "again", retry=RESEND)
    assert sent.maybe_duplicated  # the first request may still be stored
    assert len(sandbox.messages()) == 2


async def test_what_two_requests_may_have_made_says_so(sandbox, one):
    """A look that finds one copy cannot tell whether the other one will come, too."""
    sandbox.fail_next(before_storing="close")
    sandbox.fail_next(after_storing="close")
    sent = await one.send_message(sandbox.channel_id, "hello", retry=RESEND)
    assert sent.maybe_duplicated


async def test_without_reconcile_nothing_is_read(sandbox, one):
    """The caller may not want the cost."""
    sandbox.fail_next(after_storing="close")
    with pytest.raises(OutcomeUnknownError):
        await one.send_message(sandbox.channel_id, "hello", retry=BLIND)
    assert reads(sandbox) == []


async def test_a_front_id_of_the_callers_is_no_evidence(sandbox, one):
    """Another message may have it; only the marker beside it is new."""
    await one.send_message(sandbox.channel_id, "the first", front_id="mine")
    sandbox.fail_next(before_storing="close")
    with pytest.raises(OutcomeUnknownError):
        await one.send_message(sandbox.channel_id, "the second", front_id="mine")
    sandbox.fail_next(after_storing="close")
    sent = await one.send_message(sandbox.channel_id, "the third", front_id="mine")
    assert (sent.content, sent.front_id) == ("the third", "mine")


async def test_a_timeout_is_looked_at_within_the_deadline(sandbox, one):
    """A send keeps a tenth of its deadline for the look."""
    sandbox.slow_next(600)
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = await one.send_message(sandbox.channel_id, "hello", deadline=2.0)
    assert sent.content == "hello"
    assert loop.time() - began < 60


async def test_one_read_serves_all_that_ended_before_it_began(sandbox, one):
    """However many messages of a channel are in doubt."""
    await one.send_message(sandbox.channel_id, "first")
    sandbox.fail_next(after_storing=502, times=50)
    sent = await asyncio.gather(*[one.send_message(sandbox.channel_id, str(n)) for n in range(50)])
    assert sorted(message.content for message in sent) == sorted(map(str, range(50)))
    assert len(reads(sandbox)) < 25


async def test_a_look_that_fails_is_tried_again(sandbox, one):
    """A read stores nothing."""
    sandbox.fail_next(after_storing="close")
    sandbox.fail_next(before_storing="close", on="read")
    assert (await one.send_message(sandbox.channel_id, "hello")).content == "hello"


async def test_a_look_logs_in_where_the_token_expired(sandbox, one):
    """The token may expire there as anywhere."""
    await one.send_message(sandbox.channel_id, "first")
    sandbox.fail_next(after_storing="close")
    sandbox.refuse_next("authentication", on="read")
    assert (await one.send_message(sandbox.channel_id, "hello")).content == "hello"
    assert sandbox.logins == 2


async def test_a_look_that_never_works_leaves_it_unknown(sandbox, one):
    """The number of its reads is bounded."""
    sandbox.fail_next(after_storing="close")
    sandbox.fail_next(before_storing=503, on="read", times=100)
    with pytest.raises(OutcomeUnknownError):
        await one.send_message(sandbox.channel_id, "hello")
    assert len(reads(sandbox)) == 3


@pytest.mark.parametrize(("asked", "waits", "found"), [(3, [3.0], True), (60, [], False)])
async def test_a_look_does_not_come_before_the_server_wants_it(sandbox, one, asked, waits, found):
    """The look ends if that wait is too long."""
    seen = []

    async def pause(seconds, _):
        seen.append(seconds)

    attempts = one._sender.attempts
    attempts.clock = attrs.evolve(attempts.clock, pause=pause)
    sandbox.fail_next(after_storing="close")
    sandbox.refuse_next(429, retry_after=asked, on="read")
    sending = one.send_message(sandbox.channel_id, "hello")
    if found:
        assert (await sending).content == "hello"
    else:
        with pytest.raises(OutcomeUnknownError):
            await sending
    assert seen == waits
    assert len(reads(sandbox)) == 1 + found


async def test_a_look_reads_several_pages(sandbox, one):
    """A busy channel has many newer messages."""
    sandbox.slow_next(30.0)
    sending = asyncio.create_task(one.send_message(sandbox.channel_id, "deep", deadline=3.0))
    while not sandbox.messages():
        await asyncio.sleep(0.01)
    for number in range(150):
        sandbox.say(str(number))
    assert (await sending).content == "deep"
    assert len(reads(sandbox)) == 2


async def test_a_cancelled_send_makes_no_look(sandbox, one):
    """The observer learns the outcome of its attempt."""
    seen = watch(one)
    sandbox.fail_next(before_storing="silent")
    sending = asyncio.create_task(one.send_message(sandbox.channel_id, "hello"))
    while len(sandbox.requests) < 2:
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert ends(seen) == [(Outcome.UNKNOWN, "cancelled")]
    assert reads(sandbox) == []


async def test_a_send_that_is_cancelled_while_it_looks_has_noted_its_attempt(sandbox, one):
    """Another send that waits for the same read goes on."""
    sandbox.fail_next(after_storing="close", times=2)
    sandbox.slow_next(0.3, on="read")
    seen = watch(one)
    first = asyncio.create_task(one.send_message(sandbox.channel_id, "first"))
    second = asyncio.create_task(one.send_message(sandbox.channel_id, "second"))
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).content == "second"
    assert ends(seen) == [(Outcome.UNKNOWN, "lost")] * 2 + [(Outcome.DELIVERED, "found")]


async def test_an_edit_is_sent_again_instead(sandbox, one):
    """It is idempotent."""
    sent = await one.send_message(sandbox.channel_id, "hello")
    sandbox.fail_next(after_storing="close")
    edited = await one.edit_message(sent, "changed", retry=RetryPolicy(initial_wait=0.01))
    assert edited.content == "changed"
    assert reads(sandbox) == []


# --- read back -----------------------------------------------------------------------------------


async def test_a_read_confirms_what_the_server_said(sandbox, twake):
    """Cassandra swallows write errors: the answer is perfect, and nothing is there."""
    sent = await twake.send_message(sandbox.channel_id, "hello", read_back=True)
    assert sent.content == "hello"
    thread = await twake.send(MessageDraft(sandbox.channel_id, "thread"), read_back=True)
    sandbox.fail_next(before_storing="swallowed")
    with pytest.raises(OutcomeUnknownError, match="does not show it") as caught:
        await twake.reply(thread, "lost", read_back=True)
    assert caught.value.reason == "unconfirmed"


async def test_a_read_that_is_not_answered_confirms_nothing(sandbox, one):
    """The caller asked for more than the server's word."""
    sandbox.fail_next(before_storing="close", on="read")
    with pytest.raises(OutcomeUnknownError, match="no read was answered"):
        await one.send_message(sandbox.channel_id, "hello", read_back=True)


async def test_what_no_read_can_confirm_is_refused_before_it_leaves(sandbox, one):
    """An ephemeral message is not stored; v1 has no reads."""
    draft = MessageDraft(
        sandbox.channel_id, "1", ephemeral=True, ephemeral_to=["u"], connection_id="c"
    )
    with pytest.raises(ConfigurationError, match="read_back"):
        await one.send(draft, read_back=True)
    async with open_session(sandbox, api="v1") as v1:
        with pytest.raises(ConfigurationError, match="read_back"):
            await v1.send_message(sandbox.channel_id, "hello", read_back=True)
    assert sandbox.requests == []


# --- threads of users ----------------------------------------------------------------------------


async def test_a_reply_in_a_users_thread_takes_part_in_it(sandbox, twake, caplog):
    """2023 answers 404 until the application does; nothing was stored."""
    thread = sandbox.say("a question")
    ref = MessageRef(sandbox.channel_id, thread["id"])
    seen = watch(twake)
    with caplog.at_level(logging.INFO, "twake_async"):
        reply = await twake.reply(ref, "an answer", retry=RetryPolicy.never())
    assert reply.parent_message_id == thread["id"]
    assert ends(seen) == [(Outcome.REFUSED, "thread"), (Outcome.DELIVERED, "")]
    assert f"took part in the thread {thread['id']}" in caplog.text


async def test_many_replies_in_a_thread_take_part_once(sandbox, one):
    """They share one join."""
    thread = sandbox.say("a question")
    ref = MessageRef(sandbox.channel_id, thread["id"])
    await asyncio.gather(*[one.reply(ref, str(n)) for n in range(10)])
    joins = [one for one in sandbox.requests if one.path.endswith(f"/threads/{thread['id']}")]
    assert len(joins) == 1
    assert len(sandbox.messages()) == 11


async def test_a_caller_may_not_want_to_take_part(sandbox):
    """Then the reply stays refused."""
    thread = sandbox.say("a question")
    async with open_session(sandbox, join_threads=False) as twake:
        with pytest.raises(RefusedError) as caught:
            await twake.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer")
    assert caught.value.reason == "thread"


async def test_a_thread_that_cannot_be_joined_refuses_the_reply(sandbox, one):
    """The result of the join does not matter: no reply was stored."""
    thread = sandbox.say("a question")
    sandbox.fail_next(before_storing="close", on="join")
    with pytest.raises(RefusedError) as caught:
        await one.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer")
    assert (caught.value.reason, caught.value.attempts) == ("thread", 1)
    assert len(sandbox.messages()) == 1


async def test_threads_that_were_joined_are_forgotten(sandbox, one, monkeypatch):
    """The number of remembered threads is bounded."""
    monkeypatch.setattr("twake_async._node.join.MOST", 2)
    for number in range(3):
        thread = sandbox.say(f"question {number}")
        await one.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer")
    assert len(one._sender.api.session.joins._joined) == 2


async def test_an_edit_of_another_s_message_is_refused(sandbox, one):
    """The server answers 200 with the old text."""
    thread = MessageRef(sandbox.channel_id, sandbox.say("a question")["id"])
    with pytest.raises(RefusedError) as caught:
        await one.edit_message(thread, "mine now")
    assert caught.value.reason == "status"  # an edit never takes part in a thread
    await one.reply(thread, "an answer")
    with pytest.raises(RefusedError) as caught:
        await one.edit_message(thread, "mine now")
    assert caught.value.reason == "owner"
    assert sandbox.messages()[0]["content"] == "a question"


# --- batches -------------------------------------------------------------------------------------


def drafts(sandbox, count=6):
    return [MessageDraft(sandbox.channel_id, f"n {n}") for n in range(count)]


async def deliveries(twake, *given, **options):
    return [one async for one in twake.send_many(*given, **options)]


async def test_a_batch_with_a_journal(sandbox, twake, tmp_path):
    """The same engine, the same journal; a second run sends nothing."""
    journal = Journal(tmp_path / "a.journal")
    first = await deliveries(twake, drafts(sandbox), journal=journal)
    assert {one.outcome for one in first} == {Outcome.DELIVERED}
    second = await deliveries(twake, drafts(sandbox), journal=journal)
    assert [one.message.id for one in second] == [one.message.id for one in first]
    assert len(sandbox.messages()) == 6


@pytest.mark.parametrize("resume", ["report", "resend"])
@pytest.mark.parametrize("front_id", [None, "mine"])
async def test_a_resume_looks_first(sandbox, tmp_path, resume, front_id):
    """With either policy, a message left unknown is delivered if a read finds it."""
    journal = Journal(tmp_path / "a.journal")
    given = [MessageDraft(sandbox.channel_id, "n", front_id=front_id)]
    sandbox.fail_next(after_storing="close")
    async with open_session(sandbox) as twake:
        [lost] = await deliveries(twake, given, journal=journal, retry=BLIND)
    assert lost.outcome is Outcome.UNKNOWN
    async with open_session(sandbox) as twake:
        [found] = await deliveries(twake, given, journal=journal, resume=resume)
        assert (found.outcome, found.attempts) == (Outcome.DELIVERED, 0)
        assert not found.message.maybe_duplicated
        assert len(sandbox.messages()) == 1
    assert journal.counts() == {Outcome.DELIVERED: 1}
    [entry] = journal.entries()
    assert (entry.message_id, entry.unknown_requests) == (found.message.id, 0)


@pytest.mark.parametrize("resume", ["report", "resend"])
async def test_a_resume_that_finds_nothing_does_as_it_was_told(sandbox, one, tmp_path, resume):
    """It reports the message as unknown, or sends it again."""
    journal = Journal(tmp_path / "a.journal")
    given = drafts(sandbox, 1)
    sandbox.fail_next(before_storing="close")
    await deliveries(one, given, journal=journal, retry=BLIND)
    [end] = await deliveries(one, given, journal=journal, resume=resume)
    assert end.from_journal is (resume == "report")
    delivered = resume == "resend"
    assert end.outcome is (Outcome.DELIVERED if delivered else Outcome.UNKNOWN)
    assert len(sandbox.messages()) == delivered


async def test_a_journal_belongs_to_one_api(sandbox, one, tmp_path):
    """The ids of one API mean nothing to the other."""
    journal = Journal(tmp_path / "a.journal")
    await deliveries(one, drafts(sandbox), journal=journal)
    async with open_session(sandbox, api="v1") as v1:
        with pytest.raises(JournalError) as caught:
            await deliveries(v1, drafts(sandbox), journal=journal)
    assert caught.value.reason == "target"


async def test_a_send_without_a_session_around_it_shows_no_token(sandbox, one):
    """Neither the token nor the key is in a repr or an error."""
    await one.send_message(sandbox.channel_id, "hello")
    token = one._sender.api.api.token.header[1].decode()
    sandbox.fail_next(before_storing=500)
    with contextlib.suppress(TwakeError):
        await one.send_message(sandbox.channel_id, "hello")
    shown = repr(one._sender.api) + repr(one._sender) + repr(one._attempts)
    assert token not in shown
    assert sandbox.private_api_key not in shown


async def test_a_remove_logs_in_too(sandbox, twake):
    """It is like any other request; a refused token is renewed."""
    sent = await twake.send_message(sandbox.channel_id, "hello")
    sandbox.expire_tokens()
    await twake.remove_message(sent)
    assert sandbox.messages() == []
    assert sandbox.logins == 2


async def test_a_remove_that_was_lost_is_sent_again(sandbox, one):
    """It is idempotent; no look is made."""
    sent = await one.send_message(sandbox.channel_id, "hello")
    sandbox.fail_next(after_storing="close")
    await one.remove_message(sent, retry=RetryPolicy(initial_wait=0.01))
    assert sandbox.messages() == []
    assert reads(sandbox) == []


async def test_a_first_call_may_be_a_remove(sandbox, one):
    """It logs in."""
    thread = sandbox.say("a question")
    with pytest.raises(OutcomeUnknownError, match="belongs to another sender"):
        await one.remove_message(MessageRef(sandbox.channel_id, thread["id"]))
    assert sandbox.logins == 1


async def test_a_login_that_is_told_to_come_later_pauses_the_session(sandbox, one):
    """It is refused, and tried again after that time, as a send is."""
    sandbox.refuse_next(429, retry_after=0, on="login")
    seen = watch(one)
    await one.send_message(sandbox.channel_id, "hello", retry=RetryPolicy(initial_wait=0.01))
    assert ends(seen) == [(Outcome.REFUSED, "later"), (Outcome.DELIVERED, "")]


async def test_a_batch_sends_what_has_a_workspace(sandbox, tmp_path):
    """A draft without one is reported, and ends nothing."""
    given = drafts(sandbox, 2)
    given[1] = attrs.evolve(given[1], workspace_id=sandbox.workspace_id)
    async with open_session(sandbox, workspace_id=None) as twake:
        missing, sent = await deliveries(twake, given)
    assert (missing.outcome, missing.error.field) == (Outcome.NOT_SENT, "workspace_id")
    assert sent.outcome is Outcome.DELIVERED


async def test_a_resumed_reply_may_have_another_workspace(sandbox, tmp_path):
    """Its thread says where it is."""
    journal = Journal(tmp_path / "a.journal")
    async with open_session(sandbox) as twake:
        thread = await twake.send_message(sandbox.channel_id, "a thread")
        given = [MessageDraft(sandbox.channel_id, "n", parent_message_id=thread.id)]
        await deliveries(twake, given, journal=journal)
    async with open_session(sandbox, workspace_id="direct") as twake:
        [again] = await deliveries(twake, given, journal=journal)
    assert again.from_journal


async def test_the_id_of_an_application_may_be_in_capitals(sandbox):
    """The servers take it; a look finds its messages all the same."""
    async with open_session(sandbox) as twake:
        twake._sender.api.api.credentials = attrs.evolve(
            twake._sender.api.api.credentials, public_id=sandbox.public_id.upper()
        )
        assert twake._sender.api.api.is_ours({"application_id": sandbox.public_id})
        assert not twake._sender.api.api.is_ours({"application_id": None})


async def test_reads_that_confirm_use_connections_again(sandbox, one):
    """They never use the connection whose last answer named the message."""
    sandbox.slow_next(0.05, times=2)
    await asyncio.gather(*[one.send_message(sandbox.channel_id, "warm") for _ in range(2)])
    before = {id(connection) for connection in one._attempts.transport.pool._idle}
    for number in range(5):
        await one.send_message(sandbox.channel_id, str(number), read_back=True)
    assert {id(connection) for connection in one._attempts.transport.pool._idle} == before
    assert len(before) == 2


async def test_an_ephemeral_message_needs_no_draft(sandbox, one):
    """Its user and that user's connection are arguments, too."""
    shown = await one.send_message(
        sandbox.channel_id, "psst", ephemeral=True, ephemeral_to=["u"], connection_id="c"
    )
    assert shown.ephemeral_id
    assert sandbox.messages() == []


async def test_a_thread_that_is_joined_too_slowly_refuses_the_reply(sandbox, one):
    """The deadline includes the join."""
    thread = sandbox.say("a question")
    sandbox.slow_next(3.0, on="join")
    with pytest.raises(RefusedError) as caught:
        await one.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer", deadline=0.5)
    assert caught.value.reason == "thread"


async def test_a_thread_that_was_joined_a_moment_ago_is_not_joined_again(sandbox, one):
    """The reply stays refused while the join is recent."""
    thread = sandbox.say("a question")
    ref = MessageRef(sandbox.channel_id, thread["id"])
    joins = one._sender.api.session.joins
    joins._joined[thread["id"]] = one._attempts.now()
    with pytest.raises(RefusedError):
        await one.reply(ref, "an answer")
    joins._joined[thread["id"]] -= 100
    assert (await one.reply(ref, "an answer")).content == "an answer"


async def test_a_look_without_a_login_finds_nothing(sandbox, one):
    """The outcome stays unknown."""
    await one.send_message(sandbox.channel_id, "first")
    sandbox.fail_next(after_storing="close")
    sandbox.refuse_next("authentication", on="read", times=3)
    sandbox.fail_next(before_storing="close", on="login", times=10)
    with pytest.raises(OutcomeUnknownError):
        await one.send_message(sandbox.channel_id, "hello", deadline=5.0)


async def test_a_resume_that_may_not_look_reports(sandbox, one, tmp_path):
    """`reconcile=False` holds for it, too."""
    journal = Journal(tmp_path / "a.journal")
    given = drafts(sandbox, 1)
    sandbox.fail_next(after_storing="close")
    await deliveries(one, given, journal=journal, retry=BLIND)
    [end] = await deliveries(one, given, journal=journal, retry=BLIND)
    assert (end.outcome, end.from_journal) == (Outcome.UNKNOWN, True)


async def test_a_look_takes_no_message_that_was_sent_with_its_id(sandbox, one, tmp_path):
    """The error shows the id: another message that is sent with it gets a marker, too."""
    journal = Journal(tmp_path / "a.journal")
    sandbox.fail_next(before_storing="close")
    [lost] = await deliveries(one, drafts(sandbox, 1), journal=journal)
    await one.send_message(sandbox.channel_id, "something else", front_id=lost.error.front_id)
    [still] = await deliveries(one, drafts(sandbox, 1), journal=journal)
    assert still.outcome is Outcome.UNKNOWN


async def test_a_look_takes_no_message_that_was_edited_with_its_id(sandbox, one, tmp_path):
    """An edit sends no `front_id`, so no other message has the one of a lost message."""
    journal = Journal(tmp_path / "a.journal")
    there = await one.send_message(sandbox.channel_id, "there already", front_id="mine")
    sandbox.fail_next(before_storing="close")
    [lost] = await deliveries(one, drafts(sandbox, 1), journal=journal)
    edit = MessageDraft(
        sandbox.channel_id, id=there.id, front_id=lost.error.front_id, hidden_data={"a": 1}
    )
    assert (await one.send(edit)).hidden_data == {"a": 1}
    [still] = await deliveries(one, drafts(sandbox, 1), journal=journal)
    assert still.outcome is Outcome.UNKNOWN


async def test_a_resume_with_an_id_of_the_callers_finds_what_was_sent_without(
    sandbox, one, tmp_path
):
    """The fingerprint is the same; the id is that of the first run."""
    journal = Journal(tmp_path / "a.journal")
    sandbox.fail_next(after_storing="close")
    await deliveries(one, drafts(sandbox, 1), journal=journal, retry=BLIND)
    given = [attrs.evolve(drafts(sandbox, 1)[0], front_id="mine")]
    [found] = await deliveries(one, given, journal=journal, resume="resend")
    assert found.outcome is Outcome.DELIVERED
    assert len(sandbox.messages()) == 1


async def test_a_look_that_takes_the_time_leaves_none_for_a_wait(sandbox, one):
    """The deadline includes the look."""
    sandbox.fail_next(before_storing="close")
    sandbox.fail_next(before_storing="silent", on="read", times=9)
    policy = RetryPolicy(on_unknown="resend", initial_wait=8.0)
    one._attempts.clock = attrs.evolve(one._attempts.clock, draw=lambda: 0.24)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(OutcomeUnknownError):
        await one.send_message(sandbox.channel_id, "hello", deadline=2.0, retry=policy)
    assert loop.time() - began < 3.0
    assert sandbox.messages() == []


async def test_a_read_that_hangs_keeps_no_other_look_waiting(sandbox, one):
    """Each try has its own time."""
    sandbox.fail_next(after_storing="close", times=2)
    sandbox.fail_next(before_storing="silent", on="read")
    sent = await asyncio.gather(
        *[one.send_message(sandbox.channel_id, str(n), deadline=20) for n in range(2)]
    )
    assert [message.content for message in sent] == ["0", "1"]


async def test_what_a_look_found_costs_no_retry(sandbox, one):
    """The token of the retry that was planned comes back."""
    before = one._attempts.tokens.left
    sandbox.fail_next(after_storing="close")
    await one.send_message(sandbox.channel_id, "hello", retry=RESEND)
    assert one._attempts.tokens.left == before


async def test_a_session_over_a_client_of_the_callers_closes_at_once(sandbox):
    """The session does not own its connections, so it cancels the shared login."""
    async with httpx.AsyncClient() as client:
        twake = open_session(sandbox, http_client=client)
        sandbox.fail_next(before_storing="silent", on="login")
        sending = asyncio.create_task(twake.send_message(sandbox.channel_id, "hello"))
        while not sandbox.requests:
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await twake.aclose(drain=0)
        assert loop.time() - began < 60
        with pytest.raises(TwakeError) as caught:
            await sending
        assert caught.value.outcome is Outcome.NOT_SENT


async def test_an_old_refusal_of_a_login_is_not_told_of_a_new_one(sandbox, one):
    """A login that does not end in time proves that the message was not sent."""
    sandbox.refuse_next("authentication", on="login")
    with pytest.raises(AuthenticationError):
        await one.send_message(sandbox.channel_id, "hello")
    sandbox.fail_next(before_storing="silent", on="login")
    with pytest.raises(NotSentError) as caught:
        await one.send_message(sandbox.channel_id, "hello", deadline=0.7)
    assert caught.value.reason == "login"
    assert isinstance(caught.value.__cause__, AuthenticationError)


async def test_a_join_and_a_read_log_in_where_they_must(sandbox, one):
    """The token may expire there, too."""
    thread = sandbox.say("a question")
    sandbox.refuse_next("authentication", on="join")
    reply = await one.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer")
    assert reply.content == "an answer"
    sandbox.refuse_next("authentication", on="read")
    assert (await one.send_message(sandbox.channel_id, "x", read_back=True)).content == "x"
    assert sandbox.logins == 3


@pytest.mark.parametrize("workspace", [" ", "", "a\nb", 1])
async def test_a_workspace_that_is_no_id_is_refused(sandbox, workspace):
    """Blank ones, too."""
    with pytest.raises(ConfigurationError) as caught:
        open_session(sandbox, workspace_id=workspace)
    assert caught.value.field == "workspace_id"


async def test_a_check_says_that_no_workspace_is_set(sandbox):
    """Each message would need its own workspace."""
    async with open_session(sandbox, workspace_id=None) as twake:
        found = await twake.check()
    assert found.ok
    assert "TWAKE_WORKSPACE_ID" in found.advice


async def test_no_recorded_login_shows_the_key(sandbox):
    """A login below a path that nothing serves does not show it either."""
    async with open_session(sandbox, base_url=sandbox.url + "/x") as twake:
        with pytest.raises(TwakeError):
            await twake.send_message(sandbox.channel_id, "hello", deadline=2.0)
    assert sandbox.requests
    assert sandbox.private_api_key not in repr(sandbox.requests)


async def test_access_tokens_are_not_pickled(one, sandbox):
    """Credentials are not pickled either."""
    await one.send_message(sandbox.channel_id, "hello")
    for thing in (one._sender.api.api.token, Grant("v", 1.0)):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)


async def test_a_thread_is_not_joined_for_want_of_a_login(sandbox, one):
    """The reply stays refused."""
    thread = sandbox.say("a question")
    await one.send_message(sandbox.channel_id, "first")
    sandbox.refuse_next("authentication", on="join")
    sandbox.fail_next(before_storing="close", on="login")
    with pytest.raises(RefusedError) as caught:
        await one.reply(MessageRef(sandbox.channel_id, thread["id"]), "an answer")
    assert caught.value.reason == "thread"
