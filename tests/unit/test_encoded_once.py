"""A draft of a batch is encoded once, with a journal and without one, whatever happens to it."""

from __future__ import annotations

from collections import Counter

import pytest
from batches import collect, session
from encoding_counts import Encodings
from faults import FaultServer

from twake_async import Journal, MessageDraft, Outcome
from twake_async.twacode import Bold, Break, Content, Italic

TEXTS = ["one", "two", "three"]
RICH = [Content(Bold("b"), Break(), Italic(f"i{number}")) for number in range(3)]
DRAFTS = [MessageDraft(f"c{number % 2}", content) for number, content in enumerate(TEXTS + RICH)]
ONCE = Counter(str(draft.content) for draft in DRAFTS)


@pytest.fixture
def encodings(monkeypatch):
    """Count encodings from here on."""
    return Encodings(monkeypatch)


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("text_form", ["plain", "portable"])
async def test_each_draft_of_a_batch_is_encoded_once(
    server: FaultServer, encodings, tmp_path, journal, text_form
):
    """One encoding gives the request, and with a journal the fingerprint and the `front_id`."""
    kept = Journal(tmp_path / "run.sqlite") if journal else None
    async with session(server, text_form=text_form) as twake:
        deliveries = await collect(twake.send_many(DRAFTS, journal=kept))
    assert {delivery.outcome for delivery in deliveries} == {Outcome.DELIVERED}
    assert encodings.drafts == encodings.requests == ONCE
    assert encodings.portable == Counter(str(content) for content in RICH)


async def test_a_draft_is_not_encoded_again_for_another_attempt(server, encodings, tmp_path):
    """It is not encoded for a retry of the send, nor after a pause that the server asked for."""
    server.do_next(*["refuses_429_zero"] * 5)
    async with session(server) as twake:
        await collect(twake.send_many(DRAFTS, journal=Journal(tmp_path / "run.sqlite")))
    assert encodings.drafts == encodings.requests == ONCE


async def test_a_resumed_draft_is_encoded_once_and_reported_without_a_request(
    server, encodings, tmp_path
):
    """A delivered draft of an earlier run needs its fingerprint; the rest is sent as encoded."""
    path = Journal(tmp_path / "run.sqlite")
    async with session(server) as twake:
        server.do_next(*["refuses_401"] * 2)
        first = await collect(twake.send_many(DRAFTS, in_flight=1, journal=path))
        named = {entry.key: entry.front_id for entry in path.entries()}
        encodings.drafts.clear()
        encodings.requests.clear()
        again = await collect(twake.send_many(DRAFTS, in_flight=1, journal=path))
    failed = [delivery for delivery in first if delivery.outcome is Outcome.REFUSED]
    assert failed
    assert encodings.drafts == ONCE
    assert encodings.requests == Counter(str(one.draft.content) for one in failed)
    assert {one.key: one.message.front_id for one in again} == named


async def test_a_send_is_encoded_once(server, encodings):
    """A single message is no exception."""
    async with session(server) as twake:
        await twake.send(MessageDraft("c0", RICH[0]))
    once = Counter([str(RICH[0])])
    assert encodings.drafts == encodings.requests == encodings.portable == once
