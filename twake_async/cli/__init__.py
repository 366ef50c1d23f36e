"""The command `twake-async`: demo, sandbox, run, check, send, send-many, preview and others.

Everything that it needs beyond the SDK (click, rich, uvicorn) comes with the extra `sandbox`, and
with the extra `bot`.
"""

from __future__ import annotations

import atexit
import importlib.util
import sys
from typing import NoReturn

from ._signals import INTERRUPTED, Signals

__all__ = ["main"]

#: The packages of the extras `sandbox` and `bot`.
_NEEDED = ("click", "rich", "uvicorn")


def main() -> NoReturn:
    """Run the command line of this process, and exit with its status."""
    signals = Signals().__enter__()  # to the end of the process
    atexit.register(signals.ignore)  # the first to register is the last to run
    try:
        status = _run(signals)
    except KeyboardInterrupt:
        status = INTERRUPTED
    signals.finish_with(status)
    sys.exit(status)


def _run(signals: Signals) -> int:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"twake-async: its command line needs {', '.join(missing)}; to get it, run "
            'pip install "twake-async[sandbox]"'
        )
    # Imported only now: the commands import the packages that were just looked for.
    from ._commands import run  # noqa: PLC0415
    from ._streams import replace_closed  # noqa: PLC0415

    replace_closed()
    return run(sys.argv[1:], signals)
