"""`verify` in the configuration file: a company's authority, or no check, for its own address."""

from __future__ import annotations

import asyncio
import json

import pytest
from command_line import environment, spawn
from faults import FaultServer
from faults.tls import _authority, server_context

from twake_async.cli._credentials import Options, Settings, read_file
from twake_async.errors import ConfigurationError

PAIR = {"public_id": "app", "private_api_key": "k", "group_id": "g1"}


def config(folder, *, verify: object, **settings):
    """Write a file that only its owner may read; `verify` is written as TOML writes it."""
    path = folder / "twake.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**PAIR, **settings}.items()]
    path.write_text("\n".join([*lines, f"verify = {json.dumps(verify)}", ""]))
    path.chmod(0o600)
    return path


async def send(folder, server, *more: str, verify: object, **settings) -> tuple[int, str]:
    """Send by the command line with a file; return the exit status and standard error."""
    path = config(folder, verify=verify, **{"base_url": server.url, **settings})
    line = ["send", "--config", str(path), "--channel", "c1", "--deadline", "20", "Hello", *more]
    run = await asyncio.to_thread(spawn, *line, HOME=str(folder))
    return run.returncode, run.stderr


@pytest.fixture
async def secure():
    """Give a server whose certificate is from an unknown authority."""
    async with FaultServer(ssl_context=server_context()) as running:
        yield running


@pytest.fixture
def bundle(tmp_path):
    """Write the authority of that server into a bundle."""
    path = tmp_path / "authorities" / "company.pem"
    path.parent.mkdir()
    _authority("known").cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("form", ["absolute", "beside the file", "below home"])
async def test_a_company_s_authority_is_trusted(secure, bundle, tmp_path, form):
    """A relative path begins at the folder of the file, wherever the command is called."""
    paths = {
        "absolute": str(bundle),
        "beside the file": "authorities/company.pem",
        "below home": "~/authorities/company.pem",
    }
    assert await send(tmp_path, secure, verify=paths[form]) == (0, "")
    assert sum(secure.stored.values()) == 1


async def test_false_checks_no_certificate_of_the_address_in_the_same_file(secure, tmp_path):
    """The argument of the session does the same."""
    assert (await send(tmp_path, secure, verify=False))[0] == 0


async def test_true_or_nothing_checks_certificates(secure, tmp_path):
    """The message is not sent."""
    status, err = await send(tmp_path, secure, verify=True)
    assert (status, sum(secure.stored.values())) == (3, 0)
    assert "certificate" in err


async def test_false_does_not_hold_for_another_address(secure, tmp_path):
    """For an address from an option or a variable, the certificate is checked."""
    elsewhere = {"base_url": "https://twake.example.org"}
    named = ("--base-url", secure.url)
    status, err = await send(tmp_path, secure, *named, verify=False, **elsewhere)
    assert status == 3
    assert "certificate" in err


@pytest.mark.parametrize("base_url", [None, "https://other.example.org"])
def test_false_needs_the_address_in_its_own_file(tmp_path, base_url):
    """Without an address, or beside another one, it has no effect."""
    path = config(tmp_path, verify=False, **({} if base_url is None else {"base_url": base_url}))
    environ = environment(TWAKE_CONFIG=str(path), TWAKE_BASE_URL="https://twake.example.org")
    assert Settings.read(Options(), environ).verify is True
    assert Settings.read(Options(), environment()).verify is True


async def test_a_bundle_that_cannot_be_loaded_is_named(secure, tmp_path):
    """Nothing was sent before."""
    status, err = await send(tmp_path, secure, verify="nowhere.pem")
    assert (status, secure.accepted) == (3, 0)
    assert "verify names a CA bundle that cannot be loaded" in err


@pytest.mark.parametrize("verify", [1, 0, "", [], ["ca.pem"], 1.5, "a\x00b"])
def test_another_type_is_refused(tmp_path, verify):
    """A number is neither true nor false: a mistake must not turn off the check of certificates."""
    with pytest.raises(ConfigurationError, match="or true or false") as caught:
        read_file(config(tmp_path, verify=verify))
    assert caught.value.field == "verify"
