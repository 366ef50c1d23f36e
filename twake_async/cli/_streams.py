"""The standard streams, any of which may be closed, full, or without a reader."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["fill_closed", "lead_nowhere"]


def fill_closed() -> None:
    """Put something in the place of standard streams that are closed; standard input stays None.

    The next file that is opened would get its number: a journal, for example, which others take
    for standard error. What is printed to a closed standard output fails, as it does on a full
    disk; what is printed to a closed standard error has nobody to read it.
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


def lead_nowhere(stream: TextIO | None) -> None:
    """Let a stream lead to the null device: what it still holds must not raise at the very end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)
