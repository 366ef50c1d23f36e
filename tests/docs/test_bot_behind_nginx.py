"""The configuration of nginx that the guide to bots shows: it passes events on, and logs no secret."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl

import httpx
import pytest
import trustme
from bots import HEADERS, SECRET, command_body, serving
from places import ROOT

from twake_async import TwakeSession
from twake_async.bot import Bot

NGINX = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin")))

# The workers must be able to read the folder; only root can choose their user.
_USER = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
_AROUND = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {shown}
}}
"""


def shown(folder, port, bot_port):
    """The configuration of the page, with the ports and files of this test."""
    page = (ROOT / "docs" / "howto" / "bot.md").read_text("utf-8")
    [text] = re.findall(r"^```nginx\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{bot_port}",
        "/etc/ssl/bot.example.com": f"{folder}/certificate",
        "/var/log/nginx": str(folder),
    }.items():
        assert old in text
        text = text.replace(old, new)
    return text


@contextlib.asynccontextmanager
async def nginx(folder, config):
    """Run nginx while the block runs."""
    file = folder / "nginx.conf"
    file.write_text(config)
    arguments = ["-e", f"{folder}/error.log", "-p", str(folder), "-c", str(file)]
    process = await asyncio.create_subprocess_exec(NGINX, *arguments)
    try:
        async with asyncio.timeout(30):
            while not (folder / "nginx.pid").exists():
                assert process.returncode is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.01)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.mark.skipif(NGINX is None, reason="nginx is missing (apt-get install nginx)")
async def test_events_pass_nginx_and_no_log_has_the_secret(tmp_path):
    """A right secret is answered 200, another 404, all else at nginx; the health check needs none."""
    authority, seen = trustme.CA(), []
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "certificate.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    bot = Bot(TwakeSession("app", "k" * 40, group_id="g1", proxy=None), secret=SECRET)

    @bot.command()
    async def note(event) -> None:
        seen.append(event.command)

    async with serving(bot, access_log=False) as bot_port:
        port = free_port()
        config = shown(tmp_path, port, bot_port)
        around = _AROUND.format(user=_USER, folder=tmp_path, shown=config)
        async with (
            nginx(tmp_path, around),
            httpx.AsyncClient(
                base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False
            ) as client,
        ):
            address = f"/twake/{SECRET}"
            statuses = [
                (await client.post(path, content=body, headers=HEADERS)).status_code
                for path, body in (
                    (address, command_body("hello")),
                    ("/twake/guessed", command_body("forged")),
                    ("/", command_body("forged")),
                    (address, b" " * 1_100_000),
                )
            ]
            health = await client.get("/twake/health")
            await bot.wait_idle()
    assert statuses == [200, 404, 404, 413]
    assert health.json()["status"] == "ok"
    assert seen == ["hello"]
    logs = {log.name: log.read_text() for log in tmp_path.glob("*.log")}
    assert '"POST" 200' in logs["bot.log"]
    assert [name for name, text in logs.items() if SECRET in text] == []
