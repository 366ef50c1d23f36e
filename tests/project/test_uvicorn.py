"""uvicorn: a test for each internal name that the sandbox uses.

If a test of this file fails after an update, the name has gone. The one place to change is
`sandbox/_serving/uvicorn_protocol.py`.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest
from floors import modules
from h11 import IDLE, Connection
from imports import imports_of, module_name
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from twake_async.sandbox import Sandbox
from twake_async.sandbox._serving import uvicorn_protocol
from twake_async.sandbox._serving.uvicorn_protocol import protocol_factory

CLIENT = ("127.0.0.1", 50000)
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """A transport that writes nowhere."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.is_closed = False

    def get_extra_info(self, name, default=None):
        return {"peername": CLIENT, "sockname": ("127.0.0.1", 80)}.get(name, default)

    def write(self, data):
        self.written += bytes(data)

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    def resume_reading(self):
        pass


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


async def silence(scope, receive, send):
    await asyncio.Event().wait()


@pytest.fixture
async def protocol():
    """Yield uvicorn's own protocol on an open connection."""
    config = Config(answer, http="h11", interface="asgi3", lifespan="off", log_config=None)
    config.load()
    made = H11Protocol(config, ServerState(), {})
    made.connection_made(FakeTransport())
    yield made
    made.connection_lost(None)


def test_the_protocol_takes_these_arguments():
    """Without them no connection can be served."""
    names = list(inspect.signature(H11Protocol).parameters)
    assert names[:3] == ["config", "server_state", "app_state"]


@pytest.mark.parametrize(
    "name", ["connection_made", "data_received", "on_response_complete", "connection_lost"]
)
def test_the_protocol_has_the_methods_that_are_extended(name):
    """Without them a head has no time limit, and a fault finds no connection to break."""
    assert inspect.isfunction(getattr(H11Protocol, name))


async def test_the_protocol_knows_its_client_loop_and_transport(protocol):
    """A connection that ended is removed by its client, and one that is too slow is closed."""
    assert protocol.client == CLIENT
    assert protocol.loop is asyncio.get_running_loop()
    assert isinstance(protocol.transport, FakeTransport)


async def test_the_protocol_shows_whether_a_head_is_under_way(protocol):
    """The time limit is for a head that has begun, and not for an application that takes long."""
    assert isinstance(protocol.conn, Connection)
    assert (protocol.conn.their_state, protocol.cycle) == (IDLE, None)
    protocol.data_received(HEAD[:10])
    assert protocol.conn.trailing_data[0] == HEAD[:10]
    protocol.data_received(HEAD[10:])
    assert protocol.conn.their_state is not IDLE
    assert protocol.cycle is not None


async def test_the_end_of_a_response_is_told(protocol, monkeypatch):
    """The time limit begins again where bytes of another head have come already."""
    told = []
    monkeypatch.setattr(protocol, "on_response_complete", lambda: told.append(1))
    protocol.data_received(HEAD)
    async with asyncio.timeout(5):
        while not told:
            await asyncio.sleep(0)
    assert protocol.transport.written.startswith(b"HTTP/1.1 200")


async def test_the_requests_under_way_are_known():
    """Without them, stopping the sandbox would leave tasks behind."""
    lost = []
    make, tasks = protocol_factory(
        silence, opened=lambda transport: None, lost=lost.append, patience=5
    )
    connection = make()
    connection.connection_made(FakeTransport())
    assert tasks == set()
    connection.data_received(HEAD)
    [task] = tasks
    task.cancel()
    connection.connection_lost(None)
    await asyncio.gather(task, return_exceptions=True)
    assert lost == [CLIENT]


def test_no_other_room_uses_uvicorn_or_h11():
    """There is one place to change."""
    users = {
        module_name(path)
        for path in modules()
        for found in imports_of(path.read_text(encoding="utf-8"), module_name(path))
        if found.name.partition(".")[0] in ("uvicorn", "h11") and "sandbox" in path.parts
    }
    assert users == {uvicorn_protocol.__name__}


def test_without_a_name_of_uvicorns_the_error_says_what_to_install(monkeypatch):
    """A uvicorn without such a protocol counts as missing."""
    monkeypatch.delattr("uvicorn.protocols.http.h11_impl.H11Protocol")
    with pytest.raises(ImportError, match="needs uvicorn"), Sandbox():
        pass
