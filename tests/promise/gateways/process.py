"""An upstream in a process of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import pathlib
import subprocess
import sys
from collections import Counter

import attrs

from .gateway import end, wait_for_port
from .upstream import Memory

_HERE = pathlib.Path(__file__).parents[1]
_SUPPORT = _HERE.parent / "support"


@attrs.define(eq=False)
class UpstreamProcess:
    """A server process that behaves well, until it is killed; its memory outlives it.

    The methods block: call them with `asyncio.to_thread` where the loop has other work.
    """

    port: int
    file: pathlib.Path
    """The file in which it writes what it received and stored."""
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "gateways.upstream", str(self.port), str(self.file)]
        env = os.environ | {"PYTHONPATH": str(_SUPPORT)}
        self._process = subprocess.Popen(command, cwd=_HERE, env=env, start_new_session=True)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        """Kill the process with SIGKILL at any moment; do nothing if none runs."""
        if self._process is not None:
            self._process.kill()
            end(self._process)
            self._process = None

    async def outage(self, seconds: float) -> None:
        """Kill the process, and start it again after so many seconds."""
        await asyncio.to_thread(self.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.start)

    @property
    def memory(self) -> Memory:
        """All that was received and stored, over all its lives."""
        return Memory.read(self.file)

    @property
    def stored(self) -> Counter[str]:
        """How many times each key was stored."""
        return self.memory.stored
