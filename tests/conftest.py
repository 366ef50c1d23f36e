"""Fixtures for the whole suite."""

from __future__ import annotations

import pytest
from faults import FaultServer
from hypothesis import settings

# These tests need programs that are no Python packages: `nox -s gateways` asks for them.
collect_ignore = ["gateways"]

pytest_plugins = ["pytester", "twake_async.testing"]

# A busy machine is no failure of a property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
async def server():
    """Give a fault server on loopback that behaves well until it is told otherwise."""
    async with FaultServer() as running:
        yield running
