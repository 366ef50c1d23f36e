"""Build sdist and wheel, install the wheel alone into an empty environment, send a message.

Run by `nox -s packaging` with the two folders to use: for the distributions, and for the empty
environment. A failed check ends the run with a sentence.
"""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).parents[3]
SEND_ONE = pathlib.Path(__file__).with_name("send_one.py")
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
IN_THE_WHEEL = ("twake_async/py.typed", "twake_async/__init__.py", "licenses/LICENSE")
IN_THE_SDIST = (
    "pyproject.toml",
    "noxfile.py",
    ".ci/constraints.txt",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/conf.py",
    "docs/index.md",
    "tests/project/test_layers.py",
    "tests/project/packaging/send_one.py",
)


def run(*command: object, cwd: pathlib.Path) -> str:
    """Run one command; hand back what it printed; end everything when it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, check=False, text=True, stdout=subprocess.PIPE
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit status {done.returncode}: {command}")
    return done.stdout


def must_hold(where: pathlib.Path, names: list[str], wanted: tuple[str, ...]) -> None:
    """Every wanted file is in the archive."""
    missing = [want for want in wanted if not any(name.endswith(f"/{want}") for name in names)]
    if missing:
        sys.exit(f"{where.name} lacks {', '.join(missing)}")
    print(f"{where.name}: {len(names)} files, with {', '.join(wanted)}")


def build(dist: pathlib.Path) -> pathlib.Path:
    """Build the sdist, the wheel from that sdist, and look into both."""
    shutil.rmtree(dist, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT, cwd=ROOT)
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        must_hold(wheel, [f"/{name}" for name in archive.namelist()], IN_THE_WHEEL)
        strangers = [name for name in archive.namelist() if not name.startswith("twake_async")]
        if strangers:
            sys.exit(f"{wheel.name} holds more than the package: {strangers}")
    with tarfile.open(sdist) as archive:
        must_hold(sdist, archive.getnames(), IN_THE_SDIST)
    return wheel


def try_alone(wheel: pathlib.Path, empty: pathlib.Path) -> None:
    """Install the wheel with its own dependencies only, and use it far from the sources."""
    venv.create(empty, clear=True, with_pip=True)
    python = empty / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    run(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, wheel, cwd=empty)
    run(python, "-W", "error", "-c", "import twake_async", cwd=empty)
    print(run(python, "-W", "error", SEND_ONE, cwd=empty), end="")


if __name__ == "__main__":
    try_alone(build(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]))
