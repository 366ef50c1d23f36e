"""Fixtures for the whole suite."""

from __future__ import annotations

import importlib
import pathlib
import pkgutil
import signal

import pytest
from faults import FaultServer
from faults.ports import hold_port
from hypothesis import settings

import twake_async

# These tests need programs that are no Python packages: `nox -s gateways` asks for them.
collect_ignore = ["promise/gateways"]

pytest_plugins = ["pytester", "twake_async.testing", "postgres.fixtures"]

# A shell's background job, or nohup, begins with signals that are ignored, and so would the
# programs that the tests begin.
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

#: How the paths begin of tests that look at the package from the outside, or at what stands above
#: the core. They are not measured: it would take long, and a branch that only they reach is reached
#: by chance.
_NOT_MEASURED = (
    "docs/",
    "promise/",
    "recorded/",
    "unit/cli/",
    "unit/test_faults",
    "unit/test_page",
    "unit/test_sandbox",
    "unit/test_testing",
)

# A busy machine is no failure of a property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the coverage of the core to the tests of its rooms, and to those marked `measured`."""
    if config.pluginmanager.hasplugin("_cov"):
        # A module that a test imports first which is not measured would look as if nobody did.
        for module in pkgutil.walk_packages(twake_async.__path__, "twake_async."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    here = pathlib.Path(__file__).parent
    for item in items:
        is_outside = item.path.relative_to(here).as_posix().startswith(_NOT_MEASURED)
        if is_outside and item.get_closest_marker("measured") is None:
            item.add_marker("no_cover")


@pytest.fixture
def closed_port():
    """Give a port that refuses connections: it is taken, and nothing listens there."""
    with hold_port() as held:
        yield held.getsockname()[1]


@pytest.fixture
async def server():
    """Give a fault server on loopback that behaves well until it is told otherwise."""
    async with FaultServer() as running:
        yield running
