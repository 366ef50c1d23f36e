"""Every check of this project. `nox` alone runs those that a change must pass.

The dependencies of each session are the groups of pyproject.toml, held to the versions of
.ci/constraints.txt, so that the same commit is judged by the same tools everywhere.
"""

import os
import pathlib
import shutil

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", ".ci/constraints.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

# What stands above the core, which keeps the promise: every branch of the core is taken by a test.
ABOVE_THE_CORE = ("__main__.py", "testing.py", "cli/*", "sandbox/*")

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"


def _install_group(session: nox.Session, group: str, *more: str) -> None:
    """Install one dependency group, and whatever else the session needs, in one go."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(PYPROJECT, group), *more)


def _all_requirements() -> list[str]:
    """What the package needs with all its extras, without building it."""
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    return [*PYPROJECT["project"]["dependencies"], *(need for extra in extras for need in extra)]


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules, its format, and import-linter's: imports run strictly downwards."""
    _install_group(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def typing(session: nox.Session) -> None:
    """The package and a user's code, under mypy and pyright."""
    _install_group(session, "typing", "-e", ".[sandbox,testing,fast,httpx2,postgres]")
    session.run("mypy")
    # Without this, pyright asks for the newest release of itself, and warns of it.
    env = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    session.run("pyright", "--warnings", env=env)
    # Every public name has a known type, as pyright sees it from outside.
    session.run("pyright", "--verifytypes", "twake_async", "--ignoreexternal", env=env)


def _run_tests(session: nox.Session) -> None:
    """Run the whole suite, and demand every branch of the core."""
    _install_group(session, "tests", "-e", ".[sandbox,testing,fast,httpx2,postgres]")
    data = pathlib.Path(session.create_tmp(), "coverage").absolute()
    env = {"COVERAGE_FILE": str(data)}
    if session.posargs:
        session.log("a part of the suite proves nothing about coverage: not demanded")
        session.run("pytest", *session.posargs)
        return
    # Six at a time on any machine: many tests wait, and all of them pass on a busy machine.
    measured = ("-n", "6", "--dist", "worksteal", "--cov", "--cov-report=")
    session.run("pytest", *measured, env=env)
    session.run("coverage", "report", "--skip-covered", env=env)
    above = ",".join(f"twake_async/{rooms}" for rooms in ABOVE_THE_CORE)
    session.run(
        "coverage",
        "report",
        f"--omit={above}",
        "--show-missing",
        "--fail-under=100",
        env=env,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite on the interpreter that runs nox, with coverage of the core."""
    _run_tests(session)


for _version in PYTHONS:
    nox.session(_run_tests, name=f"tests-{_version}", python=_version, default=False)


@nox.session
def packaging(session: nox.Session) -> None:
    """Build the package, and send a message with nothing but its wheel installed."""
    _install_group(session, "packaging")
    dist = pathlib.Path(session.create_tmp(), "dist").absolute()
    empty = pathlib.Path(session.create_tmp(), "empty").absolute()
    session.run("python", "tests/project/packaging/build_and_try.py", str(dist), str(empty))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with every warning an error; what the reference and the search show."""
    _install_group(session, "docs", *_all_requirements(), "pytest")
    session.run("sphinx-build", "-W", "-n", "-E", "-b", "html", "docs", "docs/_build/html")
    env = {"PYTHONPATH": os.pathsep.join((".", "tests/support"))}
    session.run("python", "tests/project/built_reference.py", "docs/_build/html", env=env)
    # The first hit of a search for a question is the section that answers it.
    session.run("python", "tests/project/search/first_hits.py", "docs/_build/html")


@nox.session(name="docs-browser", default=False)
def docs_browser(session: nox.Session) -> None:
    """The built documentation in Chromium, wide and narrow, light and dark; needs chromedriver."""
    _install_group(session, "docs", *_all_requirements(), "pytest")
    _install_group(session, "docs-browser")
    site = pathlib.Path(session.create_tmp(), "site").absolute()
    session.run("sphinx-build", "-q", "-W", "-n", "-E", "-b", "html", "docs", str(site))
    session.run("python", "tests/project/browser/walk.py", str(site), *session.posargs)


@nox.session(default=False)
def page(session: nox.Session) -> None:
    """The page of the sandbox in Chromium, wide and narrow, light and dark; needs chromedriver.

    `nox -s page -- FOLDER` keeps pictures, and `nox -s page -- --picture` takes that of the README.
    """
    _install_group(session, "docs-browser", "-e", ".[sandbox,bot]")
    if session.posargs == ["--picture"]:
        session.run("python", "tests/project/browser/picture.py", "docs/_static/page.png")
        return
    session.run("python", "tests/project/browser/sandbox_page.py", *session.posargs)


#: What the session `gateways` runs: program and Debian packages.
GATEWAYS = {
    "nginx": "nginx",
    "haproxy": "haproxy",
    "apache2": "apache2 libapache2-mod-security2 modsecurity-crs",
    "squid": "squid",
    "caddy": "caddy",
}


@nox.session(default=False)
def gateways(session: nox.Session) -> None:
    """Each claim behind real nginx, haproxy, Apache, squid and caddy, against what was stored.

    What is not installed is skipped, and said so here and in the report of the tests.
    """
    _install_group(session, "tests", "-e", ".[sandbox,testing,fast,httpx2,postgres]")
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    for program, packages in GATEWAYS.items():
        if shutil.which(program, path=path) is None:
            session.warn(f"SKIPPED: {program} is missing (apt-get install {packages})")
    session.run("pytest", "tests/promise/gateways", *session.posargs)


@nox.session(default=False)
def storm(session: nox.Session) -> None:
    """Faulted sends over each transport, each claim beside its server's memory.

    `nox -s storm -- 1000000 7` makes a million of them, a third over each, by seed 7.
    """
    _install_group(session, "tests", "-e", ".[testing,fast,httpx2,postgres]")
    session.chdir("tests/support")
    session.run("python", "-m", "storms", *session.posargs)


@nox.session(default=False)
def node_storm(session: nox.Session) -> None:
    """The same over the Node API: logins, looks and joins meet faults, too.

    `nox -s node_storm -- 20000` makes so many sends, over each transport in part.
    """
    _install_group(session, "tests", "-e", ".[testing,fast,httpx2,postgres]")
    session.chdir("tests/support")
    session.run("python", "node_storms.py", *(session.posargs or ["20000"]))


@nox.session(default=False)
def echo_storm(session: nox.Session) -> None:
    """The same over v1 of 2020 with observed events, right ones and forged ones.

    `nox -s echo_storm -- 20000` makes so many sends, over each transport in part.
    """
    _install_group(session, "tests", "-e", ".[testing,fast,httpx2,postgres]")
    session.chdir("tests/support")
    session.run("python", "echo_storms.py", *(session.posargs or ["20000"]))


@nox.session(default=False)
def many_machines(session: nox.Session) -> None:
    """A batch on many processes with a journal on PostgreSQL, under long storms of faults.

    `nox -s many_machines -- kills` makes one of them, `-- --size 0.1` each a tenth as long.
    """
    _install_group(session, "tests", "-e", ".[testing,fast,httpx2,postgres]")
    session.chdir("tests/support")
    session.run("python", "-m", "machines", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """One change at a time to the retry policy, the attempt loop and `_protocol`: a test must fail.

    `nox -s mutants -- "twake_async.retry*"` makes a part of the changes.
    """
    _install_group(session, "tests", "-e", ".[sandbox,testing,fast,httpx2,postgres]")
    _install_group(session, "mutants")
    folder = pathlib.Path(session.create_tmp(), "project").absolute()
    session.run("python", "tests/project/mutants/run.py", str(folder), *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """What one send and one import cost, beside other clients; on a clean install of this package.

    `nox -s bench -- --write` puts the figures into the docs.
    """
    # The peers have pins of their own: what they need is no business of the other sessions.
    _install_group(session, "bench", "-c", ".ci/constraints-bench.txt", ".[bot,fast,httpx2]")
    session.run("python", "tests/benchmarks/imports.py")
    session.run("python", "tests/benchmarks/compare.py", *session.posargs)
    session.run("python", "tests/benchmarks/generations.py")
    session.run("python", "tests/benchmarks/waiting.py")
    session.run("python", "tests/benchmarks/events.py")
