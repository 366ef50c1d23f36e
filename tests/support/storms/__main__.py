"""`python -m storms SENDS [SEED]`: a storm, its figures, and exit status 1 if a claim was wrong."""

import asyncio
import sys
import time

from .run import phases, report, run


def main() -> int:
    """Run a storm and return the exit status."""
    sends, seed = (*map(int, sys.argv[1:]), *(100_000, 1)[len(sys.argv) - 1 :])
    began = time.monotonic()
    result = asyncio.run(run(phases(sends, seed), tell=lambda line: print(line, flush=True)))
    print(report(result, time.monotonic() - began))
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
