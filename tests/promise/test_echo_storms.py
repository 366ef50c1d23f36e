"""The promise under fire where events are observed: late ones, and forged ones in between.

`nox -s echo_storm` has the long one.
"""

from __future__ import annotations

from collections import Counter

import pytest
from claims import contradictions
from echo_storms import echo_storm, missed
from faults import FAULTS
from send_storms import STORM, UNPROVEN

from twake_async import Outcome, RetryPolicy

TRANSPORTS = [None, "httpx2", "fast"]
#: Faults of an answer, which come only after the request was read.
ANSWERED = [name for name in STORM if FAULTS[name].stage in ("read", "answer")]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_storm_of_faults_brings_no_wrong_claim_and_no_second_copy(transport):
    """Each stored message is delivered, and no other; without events, many stay unknown."""
    server, claims = await echo_storm(transport, 20, 300)
    assert len(claims) == 300
    assert contradictions(server, claims) == []
    assert not any(copies > 1 for copies in server.stored.values())
    assert Counter(one.outcome for one in claims.values())[Outcome.DELIVERED] > 150
    unknown, stored = missed(server, claims)
    assert stored <= 5  # an event that comes late, before the first one of its channel
    blind, blind_claims = await echo_storm(transport, 20, 300, observes=False)
    assert contradictions(blind, blind_claims) == []
    blind_unknown, blind_stored = missed(blind, blind_claims)
    assert blind_stored > 20
    assert unknown < blind_unknown - 15


async def test_resending_tells_each_copy():
    """A message that an event showed is not sent again; a resend that left before is reported."""
    policy = RetryPolicy(attempts=40, initial_wait=0.001, max_wait=0.002, on_unknown="resend")
    faults = [name for name in UNPROVEN if name in ANSWERED]
    server, claims = await echo_storm(
        None, 20, 300, faults=faults, policy=policy, late=0.5, deadline=60.0
    )
    assert contradictions(server, claims) == []
    assert {claimed.outcome for claimed in claims.values()} == {Outcome.DELIVERED}
    assert all(
        claimed.maybe_duplicated or server.stored[name] == 1 for name, claimed in claims.items()
    )
