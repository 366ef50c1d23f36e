"""A user's code, never run: mypy and pyright, both strict, check the public names with it."""

import asyncio
import pathlib
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, assert_never, assert_type

import httpx
import httpx2

from twake_async import (
    Attempt,
    AuthenticationError,
    ConfigurationError,
    Connections,
    Delivery,
    EmptyFileWarning,
    InvalidDraftError,
    InvalidGroupError,
    Journal,
    Message,
    MessageDraft,
    MessageRef,
    MissingCapabilityError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    Pause,
    Progress,
    RateLimitedError,
    Reaction,
    RefusedError,
    ReplyAtRootWarning,
    RetryBudget,
    RetryPolicy,
    SessionClosedError,
    Stats,
    TextCutWarning,
    TwakeError,
    TwakeSession,
    WrongEventLoopError,
)
from twake_async.resources import FileElement, FileVersion
from twake_async.sandbox import Sandbox


def set_up_over_httpx2(client: httpx2.AsyncClient, transport: httpx2.AsyncBaseTransport) -> None:
    """Code may use httpx's successor as it uses httpx."""
    TwakeSession("id", "key", http_client=client)
    TwakeSession("id", "key", transport=transport)
    TwakeSession("id", "key", transport="httpx2", proxy=httpx2.Proxy("http://proxy.example.com"))


def set_up(client: httpx.AsyncClient, transport: httpx.AsyncBaseTransport) -> None:
    """Every argument of the session takes what its docstring says."""
    session = TwakeSession("id", "key")
    assert_type(session, TwakeSession)
    TwakeSession(
        "id",
        "key",
        group_id="group",
        base_url="https://twake.example.com",
        deadline=10,
        retry=RetryPolicy(attempts=2, initial_wait=0.1, max_wait=1, on_unknown="resend"),
        retry_budget=RetryBudget(capacity=10, refund=0.5),
        max_connections=10,
        text_form="portable",
        verify=ssl.create_default_context(),
        proxy=None,
        on_attempt=print,
    )
    TwakeSession("id", "key", retry=RetryPolicy.never(), retry_budget=None, verify="ca.pem")
    TwakeSession("id", "key", http_client=client)
    TwakeSession("id", "key", transport=transport, allow_plain_http=True)
    TwakeSession("id", "key", transport="fast")
    assert_type(TwakeSession.from_env(deadline=5), TwakeSession)


def set_up_wrongly() -> None:
    """A call that cannot work is an error before the program runs."""
    TwakeSession("id")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    TwakeSession("id", "key", "group")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    TwakeSession("id", "key", transport="httpx3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TwakeSession("id", "key", text_form="html")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RetryPolicy(on_unknown="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RetryPolicy(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def send() -> None:
    """Each call returns what its docstring says."""
    async with TwakeSession("id", "key", group_id="group") as twake:
        assert_type(twake, TwakeSession)
        message = await twake.send_message("channel", "Hello, this is my first message !")
        assert_type(message, Message)
        assert_type(message.ref, MessageRef)
        edited = await twake.edit_message(message, ["a list ", "of texts"], deadline=3)
        assert_type(edited, Message)
        assert_type(await twake.edit_message(MessageRef("channel", "id"), pinned=True), Message)
        reply = MessageDraft("channel", "and a reply", parent_message_id=message.id)
        assert_type(await twake.send(reply, retry=RetryPolicy.never()), Message)
        await twake.send_message("channel", "x", ephemeral=True, ephemeral_to=["user"])
        await twake.send_message("channel", "x", hidden_data={"build": 7}, sender="user")
        assert_type(await twake.remove_message(message), None)
    assert_type(await twake.aclose(), None)


async def send_many(twake: TwakeSession, stop: asyncio.Event) -> None:
    """A batch takes drafts in three forms, and tells of each one."""
    drafts = [MessageDraft("channel", "text")]
    rows: list[dict[str, str]] = [{"channel_id": "channel", "content": "text"}]
    pairs = (("channel", text) for text in ("one", "two"))
    async for delivery in twake.send_many(drafts, stop=stop, outage_timeout=None):
        assert_type(delivery, Delivery)
        assert_type(delivery.outcome, Outcome)
    twake.send_many(rows, on_progress=follow)
    twake.send_many(pairs, journal=Journal("run.sqlite"), hold_after="failure")
    twake.send_many([1, 2])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def follow(progress: Progress) -> None:
    """A progress report is about a draft that has ended, or about a pause."""
    if progress.delivery is not None:
        assert_type(progress.delivery.draft, MessageDraft)
    if progress.pause is not None:
        assert_type(progress.pause, Pause)
        assert_type(progress.pause.seconds, float)


def look_at(journal: Journal) -> None:
    """The journal's entry of a message, and its counts of all of them."""
    assert_type(journal.counts(), dict[Outcome | None, int])
    for entry in journal.entries():
        assert_type(entry.outcome, Outcome | None)
        assert_type(entry.unknown_requests, int)
        assert_type(entry.minted, bool)


def look_into(message: Message) -> None:
    """A message's fields have one type each."""
    assert_type(message.id, str)
    assert_type(message.sender, str | None)
    assert_type(message.edited, bool)
    assert_type(message.creation_date, datetime | None)
    assert_type(message.hidden_data, Mapping[str, Any])
    assert_type(message.reactions, Mapping[str, Reaction])
    assert_type(message.maybe_duplicated, bool)
    assert_type(message.extra, Mapping[str, Any])
    message.id = "another"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def meet_failures(twake: TwakeSession) -> str:
    """A handler of each exception class gets the attributes of that class."""
    try:
        await twake.send_message("channel", "text")
    except RateLimitedError as error:
        assert_type(error.retry_after, float | None)
    except MissingCapabilityError as error:
        assert_type(error.missing, tuple[str, ...])
    except (AuthenticationError, InvalidGroupError) as error:
        return error.reason
    except RefusedError as error:
        assert_type(error.status, int | None)
    except (ConfigurationError, InvalidDraftError) as error:
        wrong: ValueError = error
        return f"{error.field}: {wrong}"
    except (NotSentError, SessionClosedError, WrongEventLoopError):
        return "send it again"
    except OutcomeUnknownError as error:
        assert_type(error.front_id, str | None)
    except TwakeError as error:
        assert_type(error.attempts, int)
        assert_type(error.elapsed, float)
        return say(error.outcome)
    return "sent"


def say(outcome: Outcome) -> str:
    """Four outcomes, and no fifth."""
    match outcome:
        case Outcome.DELIVERED:
            return "it is there"
        case Outcome.REFUSED | Outcome.NOT_SENT:
            return "it is not there"
        case Outcome.UNKNOWN:
            return "look"
    assert_never(outcome)


def observe(attempt: Attempt) -> None:
    """An observer gets facts."""
    assert_type(attempt.number, int)
    assert_type(attempt.outcome, Outcome)
    assert_type(attempt.reason, str)
    assert_type(attempt.wait, float | None)
    assert_type(attempt.elapsed, float)
    assert_type(attempt.front_id, str | None)


async def move_files(twake: TwakeSession, file: pathlib.Path, source: AsyncIterator[bytes]) -> None:
    """Files go up and come down from the usual sources."""
    element = await twake.files.upload(file, workspace_id="w", on_progress=lambda done, total: None)
    assert_type(element, FileElement)
    await twake.files.upload(source, name="n", parent_id=element, size=5)
    assert_type(await twake.files.download(element, file), pathlib.Path | None)
    async for part in twake.files.stream(element):
        assert_type(part, bytes)
    async for found in twake.files.walk("w"):
        assert_type(found.versions, tuple[FileVersion, ...])
    await twake.send_message("c", ["see ", twake.files.show(element)])


def look(sandbox: Sandbox) -> None:
    """The messages of a sandbox are rows, or message objects on request."""
    assert_type(sandbox.messages(), list[dict[str, Any]])
    assert_type(sandbox.messages("c", typed=True), list[Message])


CUT: type[UserWarning] = TextCutWarning
EMPTY: type[UserWarning] = EmptyFileWarning
AT_ROOT: type[UserWarning] = ReplyAtRootWarning


def metrics(twake: TwakeSession) -> None:
    """The numbers of a session are typed."""
    stats = twake.stats()
    assert_type(stats, Stats)
    assert_type(stats.failures[Outcome.UNKNOWN]["timeout"], int)
    assert_type(stats.connections, Connections | None)


if __name__ == "__main__":
    asyncio.run(send())
