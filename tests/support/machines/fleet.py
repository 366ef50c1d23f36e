"""The workers as processes: started, killed, stopped and continued, and started again as systemd does."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Self

import attrs
import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

    from .work import Work

    Run = Callable[[Work, str], None]


#: The status of a process that ended with an exception.
BUG = 1


def quick_context() -> BaseContext:
    """Return a way to start processes that takes milliseconds where the system has one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["machines.work", "psycopg", "twake_async.postgres"])
    return context


@attrs.define(eq=False)
class Fleet:
    """A number of workers; one that dies is started again, until it ends with status 0.

    Between `async with`; leaving it kills all workers that are left.
    """

    run: Run
    work: Work
    size: int = 4
    random: random.Random = attrs.field(factory=lambda: random.Random(1))
    killed: int = 0
    failed: int = 0
    """How many workers ended by themselves with another status than 0."""
    _workers: list[BaseProcess] = attrs.field(factory=list)
    _stopped: set[int] = attrs.field(factory=set)
    _context: BaseContext = attrs.field(factory=quick_context)
    _started: int = 0
    _keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._workers = [self._start() for _ in range(self.size)]
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            await asyncio.to_thread(worker.join)

    @property
    def is_over(self) -> bool:
        """Whether all workers have ended with status 0."""
        return all(worker.exitcode == 0 for worker in self._workers)

    def kill(self) -> None:
        """Kill one of the running workers; it is started again."""
        running = [one for one in self._workers if one.is_alive() and one.pid not in self._stopped]
        if running:
            self.random.choice(running).kill()
            self.killed += 1

    async def stop(self) -> int:
        """Freeze a worker as a debugger or a paused machine does; return its process id."""
        while True:
            running = [one.pid for one in self._workers if one.is_alive()]
            for pid in filter(None, running):
                if await _stop(pid):
                    self._stopped.add(pid)
                    return pid
            await asyncio.sleep(0.005)

    def go_on(self) -> None:
        """Let the frozen workers go on."""
        for pid in self._stopped:
            os.kill(pid, signal.SIGCONT)
        self._stopped.clear()

    async def until_over(self, within: float) -> None:
        """Wait until all workers have ended with status 0."""
        await self.until(lambda: self.is_over, within)

    async def until_others_are_over(self, within: float) -> None:
        """Wait until all workers that are not frozen have ended with status 0."""

        def over() -> bool:
            return all(one.exitcode == 0 or one.pid in self._stopped for one in self._workers)

        await self.until(over, within)

    async def until(self, condition: Callable[[], bool], within: float) -> None:
        """Wait until something holds; TimeoutError after so many seconds."""
        until = time.monotonic() + within
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"not so within {within:g} s")
            assert self._keeper is not None
            if self._keeper.done():
                self._keeper.result()
            await asyncio.sleep(0.005)

    def _start(self) -> BaseProcess:
        self._started += 1
        name = f"{self._started:04d}"
        worker = self._context.Process(target=self.run, args=(self.work, name), daemon=True)
        worker.start()
        return worker

    async def _keep(self) -> None:
        while True:
            for number, worker in enumerate(self._workers):
                if worker.exitcode == BUG:
                    raise RuntimeError("a worker has a bug: its traceback is on standard error")
                if worker.exitcode not in (None, 0):
                    self.failed += worker.exitcode != -signal.SIGKILL
                    self._workers[number] = self._start()
            await asyncio.sleep(0.02)


async def _stop(pid: int) -> bool:
    """Stop a process; return whether it is stopped, and not at its end."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.kill(pid, signal.SIGSTOP)
        while (status := psutil.Process(pid).status()) != psutil.STATUS_STOPPED:
            if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return False
            await asyncio.sleep(0.001)
        return True
    return False
