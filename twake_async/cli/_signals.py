"""What asks a command to end: Ctrl-C, SIGTERM, SIGHUP; the first one, the second, and later ones.

What a command does must not be cut where it would lose something, so its signals are handled here
from the first moment of the process to its last. This room imports nothing that takes long.
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

#: What a shell gives a process that was ended by Ctrl-C.
INTERRUPTED = 130

#: Those by which people, supervisors and closed terminals end a process, as far as there are any.
_MORE = ("SIGTERM", "SIGHUP", "SIGBREAK")


class Signals:
    """Counts the signals that ask the process to end, and passes them on.

    At first, one raises `KeyboardInterrupt`, and a second one ends the process at once: nothing
    has begun that could be lost. A command that has more to say about it calls `pass_to`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._act: Callable[[], object] | None = None
        self._status = INTERRUPTED
        self._ends = False
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
            in_background: Whether to handle SIGINT also where the shell lets it be ignored, as it
                does for the jobs of a script that run in the background.

        """
        self._status = status
        for name in _MORE:
            self._handle(name)
        if in_background:
            self._handle("SIGINT", ignored=True)

    def pass_to(self, act: Callable[[], object]) -> None:
        """Call this for each signal from now on; it is called at any point of the main thread."""
        self._act = act

    def end_with(self, status: int) -> None:
        """End the process at once when a signal comes: all is written and said, the rest idles."""
        self._status, self._ends = status, True

    def ignore(self) -> None:
        """Ignore what comes while the interpreter takes itself apart, which asks nobody any more.

        It puts the handlers of the system back, which would change the exit status.
        """
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, name: str, *, ignored: bool = False) -> None:
        number = getattr(signal, name, None)
        # What nohup started goes on when its terminal is closed: there SIGHUP is ignored.
        if number is None or (signal.getsignal(number) is signal.SIG_IGN and not ignored):
            return
        # Only the main thread may; elsewhere the program around us has its own way.
        with contextlib.suppress(ValueError):
            self._before.setdefault(number, signal.signal(number, self._come))

    def _come(self, *_: object) -> None:
        self.count += 1
        if self._ends:
            _exit(self._status)
        if self._act is not None:
            with contextlib.suppress(RuntimeError):  # an event loop that is closed
                self._act()
            return
        if self.count > 1:
            _exit(self._status)
        raise KeyboardInterrupt


def _exit(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, full, or in the middle of a write
            stream.flush()
    os._exit(status)
