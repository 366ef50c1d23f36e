"""The private key is only in the request: not in any output, log, stored object or error."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import logging
import pickle
import sys
import traceback
from types import ModuleType

import attrs
import httpx
import httpx2
import pytest
from faults import FaultServer
from faults.proxy import Proxy
from faults.tls import HandshakeServer, client_context, server_context
from rich.console import Console
from rich.traceback import Traceback

from twake_async import MessageRef, RetryPolicy, TwakeError, TwakeSession

KEY = "s3cretKeyThatMustNeverBeSeen0123456789"
PAIR = base64.b64encode(f"app:{KEY}".encode()).decode()
TEXT = "a text that is nobody else's business"
REF = MessageRef("c1", "m1")


def traces(error: BaseException, *, with_rich: bool = True) -> str:
    """Return the traceback as tools print it that show all local variables of all frames."""
    short = traceback.TracebackException.from_exception(error, capture_locals=True)
    if not with_rich:
        return "".join(short.format())
    console = Console(file=io.StringIO(), width=400)
    long = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=None
    )
    console.print(long)
    return "".join(short.format()) + console.file.getvalue()


def shown(thing: object) -> str:
    """Return all that an object shows of itself and of its members, some levels deep."""
    seen: list[str] = []
    todo = [(thing, 0)]
    while todo:
        item, depth = todo.pop()
        seen.append(repr(item) + str(item))
        if depth < 6 and not isinstance(item, str | bytes | int | float | ModuleType | None):
            names = list(getattr(item, "__dict__", {}))
            if attrs.has(type(item)) and "Credentials" not in type(item).__name__:
                names += [field.name for field in attrs.fields(type(item))]
            todo += [(getattr(item, name), depth + 1) for name in names if hasattr(item, name)]
    return "".join(seen)


async def all_calls(twake):
    """Make every public call, and yield what each returned or raised."""
    calls = [
        lambda: twake.send_message("c1", TEXT),
        lambda: twake.edit_message(REF, TEXT),
        lambda: twake.remove_message(REF),
        lambda: twake.send_message("", TEXT),
        lambda: twake.send_message("c1", float("nan")),
        lambda: twake.send_message("c1", TEXT, deadline=-1),
    ]
    for call in calls:
        try:
            yield await call()
        except TwakeError as error:
            yield error


#: One of each kind of failure; the attempts behind them take the same paths as all others.
KINDS = (
    "close_at_accept",
    "close_mid_body",
    "good",
    "good_warnings",
    "loses_silent",
    "loses_302",
    "loses_403",
    "refuses_429_huge",
    "refuses_authentication",
    "refuses_capability",
    "stores_500",
    "stores_502",
    "stores_other_message",
    "stores_br",
    "stores_cut_json",
    "stores_garbage",
    "stores_null_id",
    "stores_reset",
    "stores_error_words",
)


@pytest.mark.parametrize(
    "kind",
    ["pooled", "client", "transport", "fast", "httpx2", "client of httpx2", "transport of httpx2"],
)
async def test_no_call_no_error_no_log_and_no_repr_shows_the_key(caplog, kind):
    """Every public call meets every fault, with every log open; nothing shows key or text."""
    caplog.set_level(1)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    seen = io.StringIO()
    injected = {
        "pooled": dict,
        "client": lambda: {"http_client": httpx.AsyncClient()},
        "transport": lambda: {"transport": httpx.AsyncHTTPTransport()},
        "fast": lambda: {"transport": "fast"},
        "httpx2": lambda: {"transport": "httpx2"},
        "client of httpx2": lambda: {"http_client": httpx2.AsyncClient()},
        "transport of httpx2": lambda: {"transport": httpx2.AsyncHTTPTransport()},
    }[kind]()
    async with FaultServer() as server:
        options = {"retry": RetryPolicy.never(), "deadline": 0.15, "group_id": "g1"} | injected
        async with TwakeSession(
            "app", KEY, base_url=server.url, on_attempt=lambda a: seen.write(repr(a)), **options
        ) as twake:
            for name in KINDS:
                server.do_next(*[name] * 3)
                async for result in all_calls(twake):
                    if isinstance(result, TwakeError):
                        seen.write(traces(result, with_rich=False) + repr(result.__dict__))
                        seen.write(repr(pickle.dumps(result)))
            seen.write(shown(twake))
        for given in injected.values():
            if not isinstance(given, str):
                await given.aclose()
    for secret in (KEY, PAIR):
        assert secret not in seen.getvalue()
        assert secret not in caplog.text
    assert TEXT not in caplog.text
    assert "c1" in seen.getvalue()
    assert caplog.records


@pytest.mark.parametrize("transport", [None, "httpx2", "fast"])
@pytest.mark.parametrize("stage", ["line", "handshake", "answer", "writing"])
async def test_a_cancelled_send_shows_no_key_in_its_traceback(server, stage, transport):
    """The frames of the libraries below hold the header; they are cut off."""
    size = 8_000_000 if stage == "writing" else 1
    server.do_next("silent_mid_body" if stage == "writing" else "loses_silent")
    async with HandshakeServer("silent") as silent:
        options = {"base_url": server.url, "transport": transport}
        if stage == "handshake":
            options |= {"base_url": silent.url, "verify": client_context()}
        async with TwakeSession("app", KEY, group_id="g1", max_connections=1, **options) as twake:
            sends = [asyncio.create_task(twake.send_message("c1", "x" * size))]
            if stage == "line":
                await asyncio.sleep(0.05)
                sends.insert(0, asyncio.create_task(twake.send_message("c1", "x")))
            await asyncio.sleep(0.1)
            for task in sends:
                task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await sends[0]
            await asyncio.gather(*sends, return_exceptions=True)
    text = traces(caught.value, with_rich=stage != "writing")
    assert "session.py" in text
    assert KEY not in text
    assert PAIR not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"private_api_key": KEY + ":"},
        {"private_api_key": KEY + "\n"},
        {"public_id": "a:b"},
        {"base_url": "ftp://x"},
        {"deadline": 0},
        {"retry": 7},
        {"verify": "nowhere.pem"},
        {"proxy": "ftp://x"},
        {"http_client": object(), "verify": False},
    ],
)
@pytest.mark.parametrize("make", [TwakeSession, TwakeSession.from_env])
def test_a_session_that_cannot_be_built_shows_no_key(make, wrong, monkeypatch):
    """The argument with the key is gone from the frame before anything raises."""
    monkeypatch.delenv("TWAKE_PUBLIC_ID", raising=False)
    build = {"public_id": "app", "private_api_key": KEY} | wrong

    def attempt() -> BaseException:
        try:
            make(**build)
        except ValueError as error:
            # The frames of this test know the key; those of the package must not.
            error.__traceback__ = error.__traceback__.tb_next
            return error
        raise AssertionError

    assert KEY not in traces(attempt())
    del build["public_id"]
    if make is TwakeSession.from_env:
        assert KEY not in traces(attempt())


PROXY = f"http://proxy-user:{KEY}@127.0.0.1:9"
PROXY_LOGIN = base64.b64encode(f"proxy-user:{KEY}".encode()).decode()
ADDRESS = f"https://user:{KEY}@twake.example"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": ADDRESS},
        {"base_url": ADDRESS.replace("https", "ftp")},
        {"base_url": f"https://twake.example/?key={KEY}"},
        {"base_url": ADDRESS, "proxy": PROXY},
        {"proxy": f"http://proxy-user:{KEY}@"},
        {"proxy": f"ftp://proxy-user:{KEY}@proxy"},
        {"proxy": f"http://proxy-user:{KEY}@proxy:port"},
        {"proxy": PROXY, "deadline": "soon"},
        {"proxy": PROXY, "retry": 7},
        {"proxy": PROXY, "verify": "nowhere.pem"},
        {"proxy": PROXY, "http_client": object()},
        {"proxy": PROXY, "transport": "fast", "verify": "nowhere.pem"},
        {"proxy": PROXY, "transport": "slow"},
        {"proxy": httpx.Proxy(PROXY), "deadline": "soon"},
        {"proxy": httpx.Proxy("http://a", headers={"Proxy-Authorization": KEY}), "retry": 7},
        {"proxy": PROXY, "private_api_key": "a:b"},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("make", [TwakeSession, TwakeSession.from_env])
def test_a_session_that_cannot_be_built_shows_no_password(make, wrong, monkeypatch):
    """No frame of the package shows the password of a proxy or the one in an address."""
    build = {"public_id": "app", "private_api_key": "other"} | wrong
    with pytest.raises(ValueError, match=".") as caught:
        make(**build)
    error = caught.value
    error.__traceback__ = error.__traceback__.tb_next
    shown_ = traces(error) + repr(pickle.dumps(error)) + repr(vars(error))
    assert "session.py" in shown_
    assert KEY not in shown_
    if "base_url" in wrong and make is TwakeSession.from_env:
        del build["base_url"]
        monkeypatch.setenv("TWAKE_BASE_URL", wrong["base_url"])
        with pytest.raises(ValueError, match=".") as caught:
            make(**build)
        caught.value.__traceback__ = caught.value.__traceback__.tb_next
        assert KEY not in traces(caught.value)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", [f"ftp://proxy-user:{KEY}@proxy", f"http://proxy-user:{KEY}@"])
def test_a_proxy_of_the_environment_shows_no_password(variable, value, monkeypatch):
    """No frame holds the values of the environment either."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match="proxy of the environment") as caught:
        TwakeSession("app", "k")
    caught.value.__traceback__ = caught.value.__traceback__.tb_next  # this frame knows the value
    assert KEY not in traces(caught.value)


@pytest.mark.parametrize("transport", [None, "fast"])
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("how", ["works", "407", "502", "close", "silent", "garbage"])
async def test_no_error_no_log_and_no_repr_shows_the_password_of_a_proxy(
    caplog, how, tls, transport
):
    """Through a proxy that works and one that fails, with every log open."""
    caplog.set_level(1)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    seen = io.StringIO()
    context = server_context() if tls else None
    async with FaultServer(ssl_context=context) as server, Proxy(how) as proxy:
        options = {"retry": RetryPolicy.never(), "deadline": 0.4, "transport": transport}
        async with TwakeSession(
            "app",
            "other",
            group_id="g1",
            base_url=server.url,
            proxy=proxy.url.replace("://", f"://proxy-user:{KEY}@"),
            verify=client_context(),
            on_attempt=lambda attempt: seen.write(repr(attempt)),
            **options,
        ) as twake:
            async for result in all_calls(twake):
                if isinstance(result, TwakeError):
                    seen.write(traces(result, with_rich=False) + repr(vars(result)))
                    seen.write(repr(pickle.dumps(result)))
            seen.write(shown(twake))
            held = asyncio.create_task(twake.send_message("c1", TEXT))
            await asyncio.sleep(0.02)
            held.cancel()
            try:
                await held
            except (asyncio.CancelledError, TwakeError) as stopped:
                seen.write(traces(stopped, with_rich=False))
        if how == "works":
            assert proxy.tunnels
            assert PROXY_LOGIN.lower() in proxy.heads[0].decode().lower()
    for secret in (KEY, PROXY_LOGIN):
        assert secret not in seen.getvalue()
        assert secret not in caplog.text
    assert caplog.records


def test_credentials_show_no_key_and_are_not_copied_out():
    """The one object that holds the key masks it, and does not pickle."""
    twake = TwakeSession("app", KEY)
    credentials = twake._sender.api.api.credentials
    assert "***" in repr(credentials)
    assert "app" in repr(credentials)
    for leak in (repr(credentials), str(credentials), f"{credentials}", shown(twake)):
        assert KEY not in leak
    for serialise in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            serialise(credentials)


async def test_the_command_line_of_the_process_has_no_key():
    """No subprocess is started with it; no subprocess is started at all."""
    assert KEY not in " ".join(sys.argv)
