"""What one send costs: every client against the same server, interleaved, in medians and ratios.

Run by `nox -s bench`; `nox -s bench -- --write` puts the table and the plot into the docs. The
server is a process of its own, and so is each client, so that only a client's own CPU is counted.
At each load the clients take turns, round by round, so that a busy machine is unfair to all alike;
the first round warms up and does not count.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from typing import Any, Self

import clients

HERE = pathlib.Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
BEGIN, END = "<!-- written by tests/benchmarks/compare.py -->", "<!-- end -->"

#: Milliseconds that the server takes, and for each number of senders how many sends are a round.
LOADS: dict[int, dict[int, int]] = {
    0: {1: 300, 10: 500, 100: 600, 1000: 1000},
    5: {1: 100, 10: 300, 100: 500, 1000: 1000},
    50: {1: 12, 10: 80, 100: 400, 1000: 1000},
}
#: The burst that finds no connection: how many send once each on a new client, to which server.
COLD, COLD_DELAY, COLD_ROUNDS = 1000, 50, 3
ROUNDS = 5
#: Seconds of CPU that one client may take at one load before it is given no more rounds.
PATIENCE = 10.0
#: The plain clients that the others are compared with: the one that is kept first.
BASELINES = ("httpx2", "httpx")
FIGURES = ("cpu_us", "rate", "p50_ms", "p99_ms", "peak_mib")
Row = dict[str, Any]


class Process:
    """One client in a process of its own."""

    def __init__(self, name: str, port: str) -> None:
        self.name = name
        command = [sys.executable, str(HERE / "clients.py"), name, f"http://127.0.0.1:{port}"]
        # The answer of a client that fails also holds what it writes to its standard error.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, line: str) -> Row:
        """Give it a command, and return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
        except OSError:
            said = ""
        return json.loads(said) if said else {"error": "the process ended"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()


def one_load(processes: list[Process], concurrent: int, sends: int, rounds: int) -> list[Row]:
    """The medians of every client at one load."""
    rows: dict[str, list[Row]] = {process.name: [] for process in processes}
    errors: dict[str, str] = {}
    spent = dict.fromkeys(rows, 0.0)
    for process in processes:
        errors[process.name] = process.ask(f"open {concurrent}").get("error", "")
    for number in range(rounds + 1):
        for process in processes:
            name = process.name
            if errors[name] or (spent[name] > PATIENCE and rows[name]):
                continue
            found = process.ask(f"round {sends}")
            errors[name] = found.get("error", "")
            spent[name] += found.get("cpu_us", 0.0) * sends / 1e6
            # A warm-up counts if it took so long that no other round would fit.
            if not errors[name] and (number or spent[name] > PATIENCE):
                rows[name].append(found)
    for process in processes:
        process.ask("close")
    return [_median(name, rows[name], errors[name]) for name in rows]


def _median(name: str, rows: list[Row], error: str) -> Row:
    if error or not rows:
        return {"client": name, "error": error or "no round"}
    middle = {figure: statistics.median(row[figure] for row in rows) for figure in FIGURES}
    return {"client": name, "rounds": len(rows), **middle}


def cold(processes: list[Process]) -> list[Row]:
    """The medians of every client at a burst that finds no connection."""
    found: dict[str, list[Row]] = {process.name: [] for process in processes}
    for _ in range(COLD_ROUNDS):
        for process in processes:
            found[process.name].append(process.ask(f"cold {COLD}"))
    rows = []
    for name, each in found.items():
        error = next((row["error"] for row in each if "error" in row), "")
        row = _median(name, each, error)
        rows.append(row | {"delay": COLD_DELAY, "concurrent": COLD, "cold": True})
    return rows


def measure(names: list[str], delays: list[int], loads: list[int], rounds: int) -> list[Row]:
    """Every figure; each delay has fresh processes."""
    command = [sys.executable, str(HERE / "server.py"), *map(str, delays)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    found: list[Row] = []
    try:
        ports = dict(zip(delays, server.stdout.readline().split(), strict=True))
        for delay in delays:
            processes = [Process(name, ports[delay]) for name in names]
            try:
                for concurrent in loads:
                    rows = one_load(processes, concurrent, LOADS[delay][concurrent], rounds)
                    for row in rows:
                        row |= {"delay": delay, "concurrent": concurrent}
                    found += rows
                    print(table(rows, delay, concurrent), flush=True)
                if delay == COLD_DELAY and COLD in loads:
                    found += (rows := cold(processes))
                    print(table(rows, delay, COLD, "on a new client"), flush=True)
            finally:
                for process in processes:
                    process.__exit__()
    finally:
        server.kill()
        server.communicate()
    return found


# --- what is shown ------------------------------------------------------------------------------


def table(rows: list[Row], delay: int, concurrent: int, how: str = "") -> str:
    """One load as text."""
    plain = {row["client"]: row.get("cpu_us") for row in rows if row["client"] in BASELINES}
    lines = [
        f"\n{concurrent} concurrent {how or 'on open connections'}, the server takes {delay} ms"
    ]
    lines.append(
        f"{'client':<28}{'CPU µs':>9}{'× httpx2':>10}{'× httpx':>9}{'sends/s':>9}{'p50 ms':>9}"
        f"{'p99 ms':>9}{'MiB':>6}"
    )
    for row in rows:
        if "error" in row:
            lines.append(f"{row['client']:<28}  left out: {row['error']}")
            continue
        cpu = row["cpu_us"]
        after, before = (f"{cpu / plain[x]:.2f}" if plain.get(x) else "-" for x in BASELINES)
        lines.append(
            f"{row['client']:<28}{cpu:>9.0f}{after:>10}{before:>9}{row['rate']:>9.0f}"
            f"{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['peak_mib']:>6.0f}"
        )
    return "\n".join(lines)


def verdicts(rows: list[Row]) -> list[str]:
    """The project's own targets, and what was measured."""
    bursts = {r["client"]: r["cpu_us"] for r in rows if "cpu_us" in r and "cold" in r}
    cpu = {
        (r["delay"], r["concurrent"], r["client"]): r["cpu_us"]
        for r in rows
        if "cpu_us" in r and "cold" not in r
    }

    def ratio(delay: int, concurrent: int, plain: str, ours: str = "twake-async") -> float:
        return cpu[delay, concurrent, ours] / cpu[delay, concurrent, plain]

    def peers(concurrent: int, *kinds: str) -> dict[str, float]:
        return {
            name: figure
            for (delay, number, name), figure in cpu.items()
            if not delay and number == concurrent and clients.KINDS[name] in kinds
        }

    lines = [
        f"default at {n} concurrent: {ratio(0, n, 'httpx2'):.2f} × plain httpx2 (target {most}), "
        f"{ratio(0, n, 'httpx'):.2f} × plain httpx (target {old}); over httpx2 "
        f"{ratio(0, n, 'httpx2', 'twake-async[httpx2]'):.2f} × plain httpx2"
        for n, most, old in ((1, 0.8, 0.9), (10, 0.65, 0.75), (100, 0.5, 0.35))
    ]
    lines.append(
        f"default at 1,000 tasks on a new client, 50 ms server: "
        f"{bursts['twake-async'] / bursts['httpx']:.3f} × plain httpx (target 0.03); "
        f"on open connections {ratio(50, 1000, 'httpx'):.3f}"
    )
    growth = cpu[0, 1000, "twake-async"] / cpu[0, 10, "twake-async"]
    lines.append(f"default from 10 to 1,000 concurrent: × {growth:.2f} (target 1.25)")
    for n in (10, 100):
        best = min(peers(n, "httpx").items(), key=lambda peer: peer[1])
        lines.append(
            f"default at {n}: {cpu[0, n, 'twake-async'] / best[1]:.2f} × the cheapest peer over "
            f"httpx, {best[0]} (target below 1)"
        )
        best = min(peers(n, "httpx", "aiohttp").items(), key=lambda peer: peer[1])
        lines.append(
            f"fast at {n}: {cpu[0, n, 'twake-async[fast]'] / best[1]:.2f} × the cheapest peer, "
            f"{best[0]} (target {'1.15' if n == 10 else 'below 1'})"
        )
    return lines


def markdown(rows: list[Row]) -> str:
    """The tables of the page."""
    names = list(dict.fromkeys(row["client"] for row in rows))
    text = f"\nCPython {platform.python_version()}, {os.cpu_count()} cores. "
    text += "The versions: " + ", ".join(f"{n} {clients.version(n)}" for n in names) + ".\n"
    burst = [row for row in rows if "cold" in row]
    rows = [row for row in rows if "cold" not in row]
    for delay in dict.fromkeys(row["delay"] for row in rows):
        loads = list(dict.fromkeys(r["concurrent"] for r in rows if r["delay"] == delay))
        heading = f"A server that takes {delay} ms" if delay else "A server that answers at once"
        text += f"\n### {heading}\n\n"
        text += f"| client | {' | '.join(f'{n:,} at once' for n in loads)} |\n"
        text += "|---" * (len(loads) + 1) + "|\n"
        by = {(r["client"], r["concurrent"]): r for r in rows if r["delay"] == delay}
        for name in names:
            cells = [_cell(by.get((name, n), {"error": "-"})) for n in loads]
            text += f"| {name} | {' | '.join(cells)} |\n"
    if burst:
        text += (
            f"\n### {COLD:,} tasks at once on a new client, a server that takes {COLD_DELAY} ms\n\n"
        )
        text += f"| client | {COLD:,} at once |\n|---|---|\n"
        text += "".join(f"| {row['client']} | {_cell(row)} |\n" for row in burst)
    text += "\nThe targets of the project, as this run found them:\n\n"
    return text + "".join(f"- {line}\n" for line in verdicts(rows + burst)) + "\n"


def _cell(row: Row) -> str:
    if "error" in row:
        return f"left out: {row['error']}".replace("|", "/")
    return (
        f"{row['cpu_us']:,.0f} µs · {row['rate']:,.0f}/s · {row['p50_ms']:.1f} / "
        f"{row['p99_ms']:.1f} ms · {row['peak_mib']:.0f} MiB"
    )


def plot(rows: list[Row], path: pathlib.Path) -> None:
    """CPU of one send at each load, on the server that answers at once."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "twake-async"
    import matplotlib.pyplot as plt

    colours = {"ours": "#1b7837", "httpx": "#d6604d", "aiohttp": "#4393c3", "bare": "#999999"}
    loads = list(dict.fromkeys(r["concurrent"] for r in rows if not r["delay"]))
    figure, panels = plt.subplots(1, len(loads), figsize=(4 * len(loads), 5), sharey=True)
    for panel, concurrent in zip(panels, loads, strict=True):
        chosen = [
            r for r in rows if not r["delay"] and r["concurrent"] == concurrent and "cpu_us" in r
        ][::-1]
        names = [row["client"] for row in chosen]
        bars = panel.barh(
            names,
            [row["cpu_us"] for row in chosen],
            color=[colours[clients.KINDS[name]] for name in names],
        )
        panel.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
        panel.set_xscale("log")
        panel.margins(x=0.25)
        panel.set_title(f"{concurrent:,} at once")
        panel.set_xlabel("CPU for one send, µs (log)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def write(rows: list[Row]) -> None:
    """Put the tables and the plot into the docs."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}{END}{after}", encoding="utf-8")
    plot(rows, DOCS / "speed.svg")


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", nargs="+", choices=clients.CLIENTS, metavar="NAME")
    parser.add_argument("--delays", nargs="+", type=int, choices=LOADS, default=list(LOADS))
    parser.add_argument("--loads", nargs="+", type=int, default=[1, 10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", action="store_true", help="write the page and the plot")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the figures as JSON in this file")
    parser.add_argument(
        "--kept", nargs="+", type=pathlib.Path, help="measure nothing: take what --keep kept"
    )
    given = parser.parse_args()
    began = time.monotonic()
    if given.kept:
        rows = [row for path in given.kept for row in json.loads(path.read_text(encoding="utf-8"))]
    else:
        names = given.clients or list(clients.CLIENTS)
        rows = measure(names, given.delays, given.loads, given.rounds)
    if given.keep:
        given.keep.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    try:
        print("", *verdicts(rows), sep="\n")
    except (KeyError, ValueError):
        print("\nthe targets need every client and every load")
    print(f"medians of {given.rounds} rounds; {time.monotonic() - began:.0f} s in all")
    if given.write:
        write(rows)


if __name__ == "__main__":
    main()
