"""Fixtures for pytest: a Twake of its own for each test, and a session on it.

Name the plugin in the conftest.py of your project's top folder:

    pytest_plugins = ["twake_async.testing"]

It is not an entry point of pytest. An entry point would import this package into every test run of
an environment, before coverage is measured, even if no test sends anything.

The fixtures need the extra `testing`. They use loopback only, and share nothing between tests or
processes, so pytest-xdist can run them in parallel.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twake_async.retry import RetryPolicy
from twake_async.sandbox import Sandbox
from twake_async.session import TwakeSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

__all__ = ["twake_sandbox", "twake_session"]

_OPTIONS = ("release", "seed")
_LOG: pytest.StashKey[deque[str]] = pytest.StashKey()
_SHOWN = 100
"""How many requests a failure report shows at the most."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings of the sandbox."""
    parser.addini(
        "twake_release", "The Twake release of the twake_sandbox fixture.", default="2020"
    )
    parser.addini("twake_seed", "A JSON file with what twake_sandbox begins with.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker."""
    config.addinivalue_line(
        "markers", "twake(release=..., seed=...): what the twake_sandbox of this test is like."
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its sandbox received."""
    report = yield
    if report.failed and (lines := item.stash.get(_LOG, None)):
        report.sections.append(("Twake sandbox", "\n".join(list(lines))))
    return report


@pytest.fixture
def twake_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """A fresh `Sandbox`, served on loopback for the length of one test.

    During the test, the TWAKE_* variables of the environment name it. `TwakeSession.from_env()`
    uses it, and never the server of the developer's own variables.

    Its release and seed are those of the marker `@pytest.mark.twake(release=..., seed=...)`, or of
    the settings `twake_release` and `twake_seed`.
    """
    log: deque[str] = deque(maxlen=_SHOWN)
    request.node.stash[_LOG] = log
    with Sandbox(**_options(request), log=log.append) as sandbox:
        for name, value in {**sandbox.environment, "no_proxy": _no_proxy()}.items():
            monkeypatch.setenv(name, value)
        yield sandbox


def _async_fixture(function: Callable[..., Any]) -> Any:
    """Return a fixture of pytest-asyncio, or one that fails and says that it is missing."""
    try:
        import pytest_asyncio  # noqa: PLC0415
    except ImportError:

        def missing() -> None:
            pytest.fail(
                f"the {function.__name__} fixture needs pytest-asyncio: "
                "pip install 'twake-async[testing]'",
                pytrace=False,
            )

        missing.__doc__ = function.__doc__
        return pytest.fixture(missing, name=function.__name__)
    return pytest_asyncio.fixture(function)


@_async_fixture
async def twake_session(twake_sandbox: Sandbox) -> AsyncIterator[TwakeSession]:
    """A `TwakeSession` on the test's sandbox, closed at the end.

    It waits at most 10 ms between two attempts, and its deadline is 5 s. For other settings use
    `twake_sandbox` and `TwakeSession.from_env(...)`.
    """
    async with TwakeSession(
        twake_sandbox.public_id,
        twake_sandbox.private_api_key,
        group_id=twake_sandbox.group_id,
        base_url=twake_sandbox.url,
        api=twake_sandbox.api,
        workspace_id=twake_sandbox.workspace_id,
        deadline=5.0,
        retry=RetryPolicy(initial_wait=0.001, max_wait=0.01),
        proxy=None,
    ) as session:
        yield session


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the arguments of the sandbox: from the settings, then the markers, closest last."""
    seed = request.config.getini("twake_seed")
    options: dict[str, Any] = {
        "release": request.config.getini("twake_release"),
        "seed": request.config.rootpath / seed if seed else None,
    }
    for marker in reversed(list(request.node.iter_markers("twake"))):
        unknown = [repr(one) for one in (*marker.args, *(marker.kwargs.keys() - set(_OPTIONS)))]
        if unknown:
            pytest.fail(
                f"@pytest.mark.twake takes {' and '.join(f'{one}=' for one in _OPTIONS)}, "
                f"not {', '.join(unknown)}",
                pytrace=False,
            )
        options |= marker.kwargs
    if isinstance(options["seed"], str):
        options["seed"] = request.path.parent / Path(options["seed"])
    return options


def _no_proxy() -> str:
    """Return the hosts without a proxy: those of the environment, and the sandbox."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return given if given == "*" else f"{given},127.0.0.1".lstrip(",")
