"""Fixtures of the tests that run real gateways."""

from __future__ import annotations

import tempfile

import pytest
from faults.tls import loopback_pem

from .setups import Setup


@pytest.fixture(scope="session")
def certificate():
    """Give the path of a file with a key and a certificate for loopback."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(loopback_pem())
        file.flush()
        yield file.name


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, certificate: str):
    """Give the running gateway of the set-up that the test names; it ends with the last test."""
    setup: Setup = request.param
    with setup.running(CERTIFICATE=certificate) as running:
        yield running
