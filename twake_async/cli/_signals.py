"""Handles the signals that ask a command to stop: Ctrl-C, SIGTERM, SIGHUP.

A command must not be interrupted where it would lose something. So its signals are handled here
from the first moment of the process to its last. This module imports nothing that takes long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

__all__ = ["INTERRUPTED", "Signals"]

#: The exit status that a shell gives to a process that Ctrl-C ended.
INTERRUPTED = 130

#: The signals that supervisors and closed terminals send, if the system has them.
_MORE = ("SIGTERM", "SIGHUP", "SIGBREAK")


class Signals:
    """Counts the signals that ask the process to stop.

    At first, one signal raises `KeyboardInterrupt`, and a second one ends the process at once:
    nothing has begun that could be lost. A command that needs more sets a function with `call`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._function: Callable[[], object] | None = None
        self._status = INTERRUPTED
        self._is_finished = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._handle("SIGINT")
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not one of Python's

    def guard(self, status: int, *, in_background: bool = False) -> None:
        """Handle SIGTERM and SIGHUP like Ctrl-C.

        Args:
            status: The exit status while nothing has begun.
            in_background: Handle SIGINT even if the shell has set it to be ignored, as it does for
                a script's jobs in the background.

        """
        self._status = status
        for name in _MORE:
            self._handle(name)
        if in_background:
            self._handle("SIGINT", ignored=True)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function for each signal from now on, at any point of the main thread."""
        self._function = function

    def finish_with(self, status: int) -> None:
        """End the process at once on a signal from now on: all is written and printed.

        Args:
            status: The exit status of the process.

        """
        self._status, self._is_finished = status, True

    def ignore(self) -> None:
        """Ignore all signals while the interpreter shuts down.

        The interpreter restores the system's handlers then: a signal would change the exit status.
        """
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, name: str, *, ignored: bool = False) -> None:
        number = getattr(signal, name, None)
        # A program that nohup started goes on when its terminal is closed: it ignores SIGHUP.
        if number is None or (signal.getsignal(number) is signal.SIG_IGN and not ignored):
            return
        # Only the main thread may set a handler.
        with contextlib.suppress(ValueError):
            self._before.setdefault(number, signal.signal(number, self._receive))

    def _receive(self, *_: object) -> None:
        self.count += 1
        if self._is_finished:
            _exit(self._status)
        if self._function is not None:
            with contextlib.suppress(RuntimeError):  # an event loop that is closed
                self._function()
            return
        if self.count > 1:
            _exit(self._status)
        raise KeyboardInterrupt


def _exit(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, full, or in the middle of a write
            stream.flush()
    os._exit(status)
