"""A server process that is killed and started again, behind real nginx, under a running batch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from collections import Counter

import attrs
import pytest
from test_batch import by_channel, drafts

from twake_async import Outcome, TwakeSession

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
IN_FLIGHT = 10
CONFIG = """
daemon off;
worker_processes 1;
{user}
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{behind}; }}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def started(*command: str | pathlib.Path) -> subprocess.Popen:
    return subprocess.Popen(command)


async def listening(port: int, process: subprocess.Popen) -> None:
    """Wait until the process listens."""
    async with asyncio.timeout(20):
        while True:
            assert process.poll() is None
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


@attrs.define
class Behind:
    """The server behind the gateway: a process that can be killed and started again."""

    port: int
    file: pathlib.Path
    process: subprocess.Popen | None = None

    def start(self) -> None:
        program = pathlib.Path(__file__).with_name("restarted.py")
        self.process = started(sys.executable, program, str(self.port), self.file)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def stored(self) -> list[str]:
        return self.file.read_text().split() if self.file.exists() else []


@pytest.fixture
async def nginx(tmp_path):
    """Give the address of a gateway, and the server behind it."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    behind = Behind(free_port(), tmp_path / "stored")
    port = free_port()
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, user=user, port=port, behind=behind.port))
    gateway = started(NGINX, "-e", tmp_path / "error.log", "-p", tmp_path, "-c", config)
    try:
        behind.start()
        await listening(port, gateway)
        await listening(behind.port, behind.process)
        yield f"http://127.0.0.1:{port}", behind
    finally:
        gateway.terminate()
        gateway.wait()
        behind.kill()


@pytest.mark.parametrize("transport", [None, "fast"])
async def test_a_server_that_restarts_costs_few_messages_and_doubles_none(nginx, transport):
    """Of 400 messages no more than twice those on their way are UNKNOWN; all others arrive."""
    url, behind = nginx
    pauses, seen = [], []
    is_away = False

    def watch(progress):
        nonlocal is_away
        if progress.pause is None:
            return
        pauses.append(progress.pause)
        # It is away until nginx has answered a probe with 502.
        if progress.pause.seconds and is_away:
            is_away = False
            behind.start()

    async with TwakeSession(
        "app", "k" * 40, group_id="g1", base_url=url, proxy=None, transport=transport
    ) as twake:
        async for delivery in twake.send_many(
            drafts(400, channels=40), in_flight=IN_FLIGHT, on_progress=watch
        ):
            seen.append(delivery)
            if len(seen) == 100:
                is_away = True
                behind.kill()
    outcomes = Counter(delivery.outcome for delivery in seen)
    assert set(outcomes) == {Outcome.DELIVERED, Outcome.UNKNOWN}
    assert sum(outcomes.values()) == 400
    assert 1 <= outcomes[Outcome.UNKNOWN] <= 2 * IN_FLIGHT
    assert pauses[-1].is_over
    copies = Counter(behind.stored)
    assert max(copies.values()) == 1
    for delivery in seen:
        if delivery.outcome is Outcome.DELIVERED:
            assert copies[delivery.draft.front_id] == 1
    for numbers in by_channel(behind.stored).values():
        assert numbers == sorted(numbers)
