"""`python -m machines [NAME ...]`: the long storms; exit status 1 if anything was wrong.

Without names, all of them are run. `--size 0.1` makes each of them a tenth as long.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from postgres.server import PostgresServer
from postgres.small_disk import DiskMissingError

from .scenarios import SCENARIOS


def main() -> int:
    """Run the storms and return the exit status."""
    parser = argparse.ArgumentParser(prog="machines", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME")
    parser.add_argument("--size", type=float, default=1.0)
    asked = parser.parse_args()
    server = PostgresServer.create()
    wrong = 0
    try:
        print(f"PostgreSQL {server.run('SHOW server_version')[0][0]}", flush=True)
        for name in asked.names or SCENARIOS:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    result = asyncio.run(SCENARIOS[name](server, Path(folder), asked.size))
            except DiskMissingError as exc:
                print(f"{name}: SKIPPED: {exc}", flush=True)
                continue
            print(f"{name}: {result}", flush=True)
            for line in result.verdict.wrong[:20]:
                print(f"  {line}", flush=True)
            wrong += len(result.verdict.wrong)
    finally:
        server.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
