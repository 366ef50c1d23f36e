"""_node/shared_call.py: one call, and all that wait for it."""

from __future__ import annotations

import asyncio

import pytest

from twake_async._node.shared_call import SharedCall


async def after(seconds: float, result: str) -> str:
    await asyncio.sleep(seconds)
    return result


def late() -> str:
    return "late"


async def test_all_that_wait_are_given_the_result():
    """Callers that come when the result is there get it, too."""
    call = SharedCall(after(0.01, "done"), asyncio.create_task, late)
    assert await asyncio.gather(*[call.wait(5.0) for _ in range(500)]) == ["done"] * 500
    assert await call.wait(0.0) == "done"


async def test_a_wait_ends_with_its_time_and_the_call_goes_on():
    """Each has a time of its own."""
    call = SharedCall(after(0.2, "done"), asyncio.create_task, late)
    assert await call.wait(0.01) == "late"
    assert await call.wait(5.0) == "done"


async def test_who_is_cancelled_ends_only_its_own_wait():
    """The call belongs to none of them."""
    call = SharedCall(after(0.05, "done"), asyncio.create_task, late)
    first, second = asyncio.create_task(call.wait(5.0)), asyncio.create_task(call.wait(5.0))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == "done"


async def test_what_a_call_raises_is_given_to_nobody():
    """Each caller that waits gets the value that means no result."""

    async def broken() -> str:
        await asyncio.sleep(0.01)
        raise OSError("broken")

    call = SharedCall(broken(), asyncio.create_task, late)
    assert await call.wait(5.0) == "late"
    assert await call.wait(5.0) == "late"
    assert isinstance(call.task.exception(), OSError)


async def test_a_call_that_is_cancelled_with_its_loop_leaves_nobody_waiting():
    """asyncio.run does this at its end."""
    call = SharedCall(after(5.0, "done"), asyncio.create_task, late)
    waiting = asyncio.create_task(call.wait(5.0))
    await asyncio.sleep(0)
    call.task.cancel()
    assert await waiting == "late"
    assert await call.wait(5.0) == "late"
