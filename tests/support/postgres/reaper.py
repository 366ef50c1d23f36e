"""Ends a server when the tests that started it have ended, even if they were killed.

It is a program of its own: it reads from a pipe that nobody writes to, until the tests are gone.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main(folder: str) -> None:
    """Wait for the end of the tests; then end all processes that use the folder, and delete it."""
    sys.stdin.buffer.read()
    try:
        pid = int(Path(folder, "data", "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        for _ in range(500):
            os.kill(pid, 0)
            time.sleep(0.02)
    except (OSError, ValueError, IndexError):
        pass  # it has ended
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
