"""Mutation run: mutmut changes one thing of a function at a time, and a test must fail.

`nox -s mutants` runs it on a copy of the project; `[tool.mutmut]` of pyproject.toml says what is
changed and which tests run. A mutant that no test and no type check notices is a survivor. Each
survivor must be in `equivalent.toml`, with the reason why it cannot be told from the original.

    python tests/project/mutants/run.py FOLDER [PATTERN ...]

A pattern names a part of the mutants, for example `twake_async.retry*`. The exit status is 1 if a
survivor is not in the list, or if an entry of the list names no survivor.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch

from attrs import frozen

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
#: How many processes run tests at once.
PROCESSES = 2
COPIED = ("twake_async", "tests", "pyproject.toml")
SURVIVED = ("survived", "no tests")


def literals(code: str) -> list[str]:
    """Return the literal strings of a line of code."""
    return re.findall(r"""\"[^"]*\"|'[^']*'""", code)


@frozen
class Mutant:
    """One change of one function, whatever the line on which it is."""

    module: str
    function: str
    was: str
    becomes: str

    def changes_words_only(self) -> bool:
        """Say whether only the words of a sentence differ: tests hold no sentences."""
        pairs = zip(literals(self.was), literals(self.becomes), strict=False)
        changed = [one for one, other in pairs if one != other]
        plain = self.becomes.replace("XX", "")
        return plain.lower() == self.was.lower() and all(
            re.search(r"\w,? \w", literal) for literal in changed
        )

    def __str__(self) -> str:
        return f"{self.module}: {self.function}\n    - {self.was}\n    + {self.becomes}"


def run_mutmut(folder: pathlib.Path, patterns: list[str]) -> None:
    """Copy the project into a folder, and let mutmut run there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(PROCESSES), *patterns]
    # A mutant must not use the bytecode that Python wrote for the original.
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "mutmut.log").open("wb") as log:
        ran = subprocess.run(command, cwd=folder, env=env, stdout=log, stderr=log, check=False)
    if ran.returncode:
        sys.exit(f"mutmut failed: see {folder / 'mutmut.log'}")


def results(patterns: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the name and the status of each mutant that mutmut ran in this folder."""
    from mutmut.stats import status_by_exit_code

    for file in sorted(pathlib.Path("mutants").rglob("*.meta")):
        path = file.relative_to("mutants").with_suffix("").as_posix()
        for name, code in json.loads(file.read_text("utf-8"))["exit_code_by_key"].items():
            if not patterns or any(fnmatch(name, pattern) for pattern in patterns):
                yield path, name, status_by_exit_code[code]


def describe(path: str, name: str) -> Mutant:
    """Return the change of a mutant."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
    was, becomes = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    function = re.sub(r"__mutmut_\d+$", "", name.rpartition(".")[2])
    parts = function.removeprefix("x").removeprefix("_").strip("ǁ").split("ǁ")
    return Mutant(path.removeprefix("twake_async/"), ".".join(parts), was, becomes)


def equivalents() -> set[Mutant]:
    """Return the mutants that are written down as equivalent."""
    listed = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get("equivalent", [])
    return {
        Mutant(entry["module"], entry["function"], was, becomes)
        for entry in listed
        for was, becomes in entry["changes"]
    }


def main(folder: pathlib.Path, patterns: list[str]) -> int:
    """Run mutmut, compare its survivors with the list, and return the exit status."""
    began = time.monotonic()
    run_mutmut(folder, patterns)
    os.chdir(folder)
    found = list(results(patterns))
    survivors = {describe(path, name) for path, name, status in found if status in SURVIVED}
    words = {mutant for mutant in survivors if mutant.changes_words_only()}
    listed = equivalents()
    new = survivors - words - listed
    ran = {path.removeprefix("twake_async/") for path, _, _ in found}
    stale = {one for one in listed - survivors if one.module in ran} if not patterns else set()
    for title, mutants in (("survived", new), ("listed, but did not survive", stale)):
        for mutant in sorted(mutants, key=str):
            print(f"{title}: {mutant}")
    print(
        f"{len(found)} mutants in {time.monotonic() - began:.0f} s:",
        dict(Counter(s for *_, s in found)),
    )
    print(
        f"survivors: {len(words)} sentences, {len(survivors & listed)} equivalent, {len(new)} new"
    )
    return int(bool(new or stale))


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).absolute(), sys.argv[2:]))
