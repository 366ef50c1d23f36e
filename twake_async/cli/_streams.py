"""The standard streams. Any of them may be closed, full, or without a reader."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["redirect_to_null", "replace_closed"]


def replace_closed() -> None:
    """Open the null device for each standard stream that is closed; `sys.stdin` stays None.

    Otherwise the next file that is opened would get the stream's number: a journal, for example,
    would become standard error. A print to a closed standard output fails, as it does on a full
    disk. A print to a closed standard error is lost.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, mode)  # it gets the lowest number that is free
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def redirect_to_null(stream: TextIO | None) -> None:
    """Redirect a stream to the null device, so that its buffer does not raise at the exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())  # type: ignore[union-attr]
        os.close(null)
