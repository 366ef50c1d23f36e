"""Random faults on uploads and downloads: no outcome contradicts what the server has.

A longer run: `TWAKE_TRANSFERS=2000 python -m pytest tests/promise/test_transfer_storm.py`
"""

from __future__ import annotations

import asyncio
import os
import random

import attrs
import pytest

from twake_async import Outcome, RetryPolicy, TwakeError, TwakeSession
from twake_async.resources import FileElement
from twake_async.sandbox import Sandbox
from twake_async.sandbox._faults.names import ACTIONS, FORMS

TRANSFERS = int(os.environ.get("TWAKE_TRANSFERS", "60"))
#: Faults that take no time.
FAULTS = [
    *(action for action in ACTIONS if "silent" not in action and action != "drip"),
    *(200, 204, 302, 400, 403, 404, 429, 500, 502, 503),
]
SIZES = (0, 1, 5_000, 300_000)


@attrs.define
class Storm:
    """One sandbox, one session, and the faults that it meets."""

    sandbox: Sandbox
    twake: TwakeSession
    chance: random.Random

    @property
    def place(self) -> dict[str, str | None]:
        return {} if self.sandbox.api == "node" else {"workspace_id": self.sandbox.workspace_id}

    def plan(self, kind: str, *, but: tuple[str, ...] = ()) -> None:
        """Let the next requests of a kind fail, or be answered in an unusual form."""
        draw = self.chance.random()
        if draw < 0.1:
            self.sandbox.answer_next(self.chance.choice(FORMS), on=kind)
        elif draw < 0.8:
            fault = self.chance.choice([one for one in FAULTS if one not in but])
            # "Later" comes before anything is stored.
            when = "before_storing" if fault == 429 else self.chance.choice(WHENS)
            later = {"retry_after": 0} if fault == 429 else {}
            times = self.chance.choice([1, 1, 2, 5])
            self.sandbox.fail_next(**{when: fault}, times=times, on=kind, **later)
        if self.sandbox.api == "node" and self.chance.random() < 0.2:
            self.sandbox.expire_tokens()

    async def outcome(self, transfer) -> Outcome | None:
        """Return the outcome of a transfer; None where it was cancelled."""
        task = asyncio.ensure_future(transfer)
        if self.chance.random() < 0.15:
            asyncio.get_running_loop().call_later(self.chance.random() / 50, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return None
        except TwakeError as exc:
            return exc.outcome
        finally:
            self.sandbox._twake.script.clear()
        return Outcome.DELIVERED

    def stored(self, number: int) -> list[bytes]:
        """Return the contents of all files of a number."""
        with self.sandbox._twake.changing() as world:
            return [
                world.drive.contents.get(one.versions[-1].id) if one.versions else b""
                for one in world.drive.elements.values()
                if one.name.partition(".")[0].partition("-")[0] == f"f{number}"
            ]


WHENS = ("before_storing", "after_storing")


async def parts(content: bytes):
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


async def run(release: str, storm_of) -> None:
    """Open a sandbox and a session; its policy for messages does not affect transfers."""
    policy = RetryPolicy(initial_wait=0.001, on_unknown="resend")
    async with Sandbox(release=release, max_requests=5) as sandbox:
        keys = (sandbox.public_id, sandbox.private_api_key)
        place = {"group_id": sandbox.group_id, "base_url": sandbox.url, "api": sandbox.api}
        async with TwakeSession(*keys, **place, retry=policy, deadline=20.0) as twake:
            await storm_of(Storm(sandbox, twake, random.Random(release)))


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_uploads(release):
    """A delivered file is there once, refused and unsent ones are not, and none is there twice."""

    async def storm_of(storm: Storm) -> None:
        for number in range(TRANSFERS):
            content = storm.chance.randbytes(storm.chance.choice(SIZES))
            source = content if storm.chance.random() < 0.6 else parts(content)
            storm.plan("write")
            upload = storm.twake.files.upload(source, name=f"f{number}.bin", **storm.place)
            found = await storm.outcome(upload)
            if found is None:  # the server may still be at work
                await asyncio.sleep(0.01)
            stored = storm.stored(number)
            assert len(stored) <= 1
            if found is Outcome.DELIVERED:
                assert stored == [content]
            elif found in (Outcome.REFUSED, Outcome.NOT_SENT):
                assert stored == []

    await run(release, storm_of)


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_downloads(release, tmp_path):
    """A delivered file is whole; any other outcome leaves nothing."""

    async def storm_of(storm: Storm) -> None:
        files: list[tuple[bytes, FileElement]] = []
        for size in SIZES:
            content = storm.chance.randbytes(size)
            file = await storm.twake.files.upload(content, name=f"{size}.bin", **storm.place)
            files.append((content, file))
        for number in range(TRANSFERS):
            content, file = storm.chance.choice(files)
            storm.plan("read", but=("cut_json",))  # half of a file that says it is whole
            path = tmp_path / str(number)
            found = await storm.outcome(storm.twake.files.download(file, path, **storm.place))
            left = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
            if found is Outcome.DELIVERED:
                assert left == {path.name: content}
            elif found is None:  # cancelled at its very end, it may be there
                assert left in ({}, {path.name: content})
            else:
                assert left == {}
            path.unlink(missing_ok=True)

    await run(release, storm_of)
