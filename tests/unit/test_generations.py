"""The Node API, against a server that answers as recorded, over each transport."""

from __future__ import annotations

import asyncio

import pytest
from node_server import APPLICATION, CASES, CHANNEL, COMPANY, SECRET, WORKSPACE, NodeServer

from twake_async import (
    Attempt,
    AuthenticationError,
    Message,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async._arguments import Credentials
from twake_async._protocol.exchange import Answer, Context, Failure
from twake_async._protocol.node.api import Api, Token
from twake_async._protocol.node.encode import encode_draft
from twake_async._protocol.node.login import Login
from twake_async._protocol.server import Server
from twake_async._transport.http_library import httpx2_library, httpx_library
from twake_async._transport.httpx.request_builder import RequestBuilder
from twake_async.messages import MessageDraft

TRANSPORTS = [None, "httpx2", "fast"]


@pytest.fixture
async def server():
    async with NodeServer() as server:
        yield server


@pytest.fixture(params=TRANSPORTS)
async def twake(request, server):
    """A session over the Node API."""
    async with node_session(server, transport=request.param) as twake:
        yield twake


def node_session(server, secret=SECRET, application=APPLICATION, **options):
    options = {"workspace_id": WORKSPACE, "group_id": COMPANY, "base_url": server.url, **options}
    return TwakeSession(application, secret, api="node", **options)


def encoded(content="hello", company=COMPANY, **fields):
    """Return an encoded draft that is not sent."""
    return encode_draft(
        MessageDraft(CHANNEL, content, **fields),
        group_id=company,
        workspace_id=WORKSPACE,
        api=Api(credentials=Credentials(APPLICATION, SECRET)),
    )


async def test_a_login_and_two_messages(server, twake):
    """The login's body has the credentials; the header of each message has the token."""
    first = await twake.send_message(CHANNEL, "hello", front_id="f-1")
    second = await twake.send_message(CHANNEL, "hello")
    assert (first.channel_id, first.content, first.front_id) == (CHANNEL, "hello", "f-1")
    assert first.id != second.id
    login, *messages = server.asked
    assert login.body == {"id": APPLICATION, "secret": SECRET}
    assert login.authorization == ""
    assert [one.authorization for one in messages] == ["Bearer token-1"] * 2
    assert messages[0].path == CASES["send-text"]["request"]["path"]
    context = messages[0].body["options"]["message"]["context"]
    assert context.pop("_twake_async")  # minted, beside a front_id of the caller's
    assert context == {"_front_id": "f-1"}
    assert server.stored == 2
    assert server.connections == 2  # an answer that named its message is followed by the next


#: What each recorded answer proves; the error is inside a 200, or in the real status.
ENDS = {
    "send-text": (Outcome.DELIVERED, ""),
    "body-text-plain": (Outcome.UNKNOWN, "server_error"),
    "reply-users-thread": (Outcome.REFUSED, "status"),  # no reply, so there is no thread to join
    "body-bad-json": (Outcome.REFUSED, "status"),
    "right-ip": (Outcome.REFUSED, "status"),
    "send-ephemeral": (Outcome.UNKNOWN, "mismatch"),
    "path-double-slash": (Outcome.UNKNOWN, "unreadable"),
    "send-client-id": (Outcome.UNKNOWN, "server_error"),
    "fault-messages-swallow": (Outcome.UNKNOWN, "mismatch"),
    "fault-threads-swallow": (Outcome.UNKNOWN, "server_error"),
    "fault-find-threads": (Outcome.UNKNOWN, "server_error"),
    "fault-threads-write": (Outcome.UNKNOWN, "timeout"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_no_outcome_contradicts_what_the_recorded_server_stored(server, twake, name):
    """Each answer goes through the real loop and transport, and no second attempt follows."""
    server.next.append(name)
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    await twake._sender.api.session.logins.log_in(5)
    policy = RetryPolicy(reconcile=False)
    deadline = 1.0 if ENDS[name][1] == "timeout" else 30.0
    try:
        await twake.send_message(CHANNEL, "hello", deadline=deadline, retry=policy)
        outcome, reason = Outcome.DELIVERED, ""
    except TwakeError as exc:
        outcome, reason = exc.outcome, exc.reason
    assert (outcome, reason) == ENDS[name]
    assert [(one.outcome, one.reason) for one in seen] == [(outcome, reason)]
    if outcome is Outcome.DELIVERED:
        assert server.stored == 1
    elif outcome is Outcome.REFUSED:
        assert server.stored == 0


@pytest.mark.parametrize(
    ("application", "secret"), [(APPLICATION, "wrong"), ("another-id", SECRET)]
)
async def test_a_refused_login_refuses_the_message(server, application, secret):
    """The message never leaves; the error names the login, and has the facts of the send."""
    async with node_session(server, secret, application) as twake:
        with pytest.raises(AuthenticationError, match="refused the login") as caught:
            await twake.send_message(CHANNEL, "hello", front_id="mine")
    assert (caught.value.front_id, caught.value.attempts) == ("mine", 1)
    assert server.messages() == []
    assert secret not in str(caught.value)


async def test_many_sends_wait_for_one_login(server, twake):
    """Sends that begin at once make one login, however many they are."""
    sent = await asyncio.gather(*[twake.send_message(CHANNEL, f"hello {n}") for n in range(20)])
    assert len({message.id for message in sent}) == 20
    assert server.logins() == 1


async def test_a_token_that_ends_is_renewed_before_the_next_attempt(server, twake):
    """No message is sent with a token that has expired."""
    await twake.send_message(CHANNEL, "hello")
    api = twake._sender.api.api
    api.token = Token(api.token.header)
    await twake.send_message(CHANNEL, "hello")
    assert [one.authorization for one in server.messages()] == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_that_the_server_forgot_is_refused_and_renewed(server, twake):
    """A 401 stored nothing: the send logs in again, and is sent once more."""
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    await twake.send_message(CHANNEL, "hello")
    server.tokens.append("given to another")
    await twake.send_message(CHANNEL, "hello", retry=RetryPolicy.never())
    assert [(one.outcome, one.reason, one.wait) for one in seen[1:]] == [
        (Outcome.REFUSED, "token", 0.0),
        (Outcome.DELIVERED, "", None),
    ]
    assert server.logins() == 2
    assert server.stored == 2


async def test_a_lost_login_is_an_attempt_that_never_left(server, twake):
    """It is reported and tried again as one; the message is sent once."""
    server.logins_to_lose = 2
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    await twake.send_message(CHANNEL, "hello", retry=RetryPolicy(initial_wait=0.01))
    unsent = (Outcome.NOT_SENT, "login")
    assert [(one.outcome, one.reason) for one in seen] == [unsent, unsent, (Outcome.DELIVERED, "")]
    assert len(server.messages()) == server.stored == 1


async def test_a_login_that_takes_too_long_ends_the_send_not_sent(server, twake):
    """The deadline includes the login; other sends go on waiting for it."""
    server.login_takes = 0.3
    other = asyncio.create_task(twake.send_message(CHANNEL, "hello"))
    with pytest.raises(NotSentError) as caught:
        await twake.send_message(CHANNEL, "hello", deadline=0.05)
    assert caught.value.reason == "login"
    assert isinstance(await other, Message)
    assert server.logins() == 1


async def test_a_send_that_is_cancelled_during_the_login_was_not_sent(server, twake):
    """The login goes on, because other sends may wait for it."""
    server.login_takes = 0.1
    seen: list[Attempt] = []
    twake._attempts.on_attempt = seen.append
    sending = asyncio.create_task(twake.send_message(CHANNEL, "hello"))
    while not server.asked:
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert [(one.outcome, one.reason) for one in seen] == [(Outcome.NOT_SENT, "cancelled")]
    await twake.send_message(CHANNEL, "hello")
    assert server.logins() == 1


async def test_a_batch_goes_through_it_too(server, twake):
    """The batch asks the generation for each draft, and knows no API itself."""
    twake._sender.proven.add(COMPANY)
    drafts = [(CHANNEL, f"hello {n}") for n in range(5)]
    ended = [one async for one in twake.send_many(drafts, retry=RetryPolicy.never())]
    assert [one.outcome for one in ended] == [Outcome.DELIVERED] * 5
    texts = [one.body["options"]["message"]["text"] for one in server.messages()]
    assert texts == [f"hello {n}" for n in range(5)]


async def test_a_resent_message_says_that_it_may_stand_twice(server, twake):
    """The unknown outcome of an earlier attempt reaches the request that judges the next one."""
    server.next.append("send-client-id")
    policy = RetryPolicy(on_unknown="resend", initial_wait=0.01, reconcile=False)
    message = await twake.send_message(CHANNEL, "hello", retry=policy)
    assert message.maybe_duplicated


@pytest.mark.parametrize("library", [httpx_library, httpx2_library])
def test_an_api_with_ids_in_its_paths_fills_no_memory(library):
    """Parsed addresses are kept, but only a bounded number of them."""
    builder = RequestBuilder("https://twake.example.org/sub", library())
    for number in range(200):
        company = f"company-{number}"
        message = encoded(company=company).request()
        built = builder.build(message, 30.0)
        expected = f"https://twake.example.org/sub/api/messages/v1/companies/{company}/threads"
        assert (built.method, str(built.url)) == ("POST", expected)
        assert len(builder._urls) <= 64


def test_requests_show_no_secret():
    """A repr shows neither the key in a login's body nor the token."""
    credentials = Credentials("an-id", SECRET)
    token = Token((b"Authorization", b"Bearer a-secret-token"))
    api = Api(credentials=credentials, token=token)
    login = Login(credentials, Server())
    save = encoded("a secret text").request()
    for thing in (login, save, api, token):
        assert "secret" not in repr(thing)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"resource": {"access_token": []}}'])
def test_what_is_no_token_is_none(body):
    """Whatever the answer to a login is, a message without a token was not sent."""
    login = Login(Credentials("an-id", SECRET), Server())
    for answer in (Answer(200, [], body), Answer(403, [], body), Answer(502, [], body)):
        assert login.judge(answer, Context(0.0)).outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("reason", ["lost", "timeout", "connect"])
def test_a_failure_means_what_its_request_says(reason):
    """A lost login sent no message; a lost message may have arrived."""
    failure = Failure(sent=reason != "connect", reason=reason, detail="gone")
    message = encoded().request()
    login = Login(Credentials("a", "b"), Server()).judge(failure, Context(0.0))
    assert login.outcome is Outcome.NOT_SENT
    result = message.judge(failure, Context(0.0))
    assert type(result) is (OutcomeUnknownError if failure.sent else NotSentError)
