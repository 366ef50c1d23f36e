"""haproxy: its defaults, and documented set-ups that change what is answered."""

from __future__ import annotations

from collections.abc import Mapping

from .gateway import Program
from .setups import Setup

HAPROXY = Program(
    "haproxy", "haproxy", lambda path, folder, config: [path, "-db", "-f", str(config)]
)

_CONFIG = """
global
    maxconn 500
defaults
    mode http
    timeout connect 200ms
    timeout client 10s
    timeout server 1s
    <defaults>
frontend twake
    bind 127.0.0.1:@PORT@
    <frontend>
    default_backend servers
backend servers
    <backend>
    server one 127.0.0.1:@UPSTREAM@
"""
_AS_404 = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def config(defaults: str = "", frontend: str = "", backend: str = "") -> str:
    """Return a configuration with these lines in its sections."""
    text = _CONFIG
    for name, value in {"defaults": defaults, "frontend": frontend, "backend": backend}.items():
        text = text.replace(f"<{name}>", value)
    return text


def setup(
    name: str,
    text: str,
    *,
    every: int | None = None,
    files: Mapping[str, str] | None = None,
    **shows: int,
) -> Setup:
    """Return a set-up; `every` is the status that it shows where haproxy found a failure."""
    shown = {"closed": 502, "dead": 503, "late": 504, "status_500": 500}
    if every is not None:
        shown |= dict.fromkeys(("closed", "dead", "late"), every)
    return Setup(name, HAPROXY, text, files or {}, shown | shows)


def _for_each(directive: str, value: str) -> str:
    return "\n    ".join(f"{directive} {status} {value}" for status in (502, 503, 504))


SETUPS = (
    setup("bare", config()),
    setup("errorloc", config(_for_each("errorloc", "https://status.example/down")), every=302),
    setup("errorloc303", config(_for_each("errorloc303", "https://status.example/")), every=303),
    setup(
        "errorfile_404",
        config(_for_each("errorfile", "@DIR@/404.http")),
        files={"404.http": _AS_404},
        every=404,
    ),
    setup(
        "deny_403",
        config(backend="http-response deny deny_status 403 if { status 500 }"),
        status_500=403,
    ),
    setup(
        "return_404",
        config(backend="http-response return status 404 if { status ge 500 }"),
        status_500=404,
    ),
    setup(
        "redirect_302",
        config(backend="http-response redirect location https://status.example/ if { status 500 }"),
        status_500=302,
    ),
    setup(
        "after_response_404",
        config(frontend="http-after-response set-status 404 if { status ge 500 }"),
        every=404,
        status_500=404,
    ),
    setup(
        "deny_words_403",
        config(
            backend="http-response wait-for-body time 1s\n"
            "    http-response deny deny_status 403 if { res.body,lower -m sub <b>warning</b> }"
        ),
        warning=403,
    ),
    setup(
        "two_servers",
        config("option redispatch", backend="server zero 127.0.0.1:@UPSTREAM@"),
    ),
    setup("httpclose", config("option httpclose")),
    setup("reuse_always", config("http-reuse always")),
    setup("compression", config("compression algo gzip\n    compression type application/json")),
)


def refusing(name: str, status: int, frontend: str, more: str = "") -> Setup:
    """Return a set-up that refuses messages before it forwards them."""
    text = config(frontend=frontend).replace("frontend twake", f"{more}\nfrontend twake")
    return Setup(name, HAPROXY, text, refuses=status)


REFUSING = (
    refusing("https_301", 301, "http-request redirect scheme https code 301"),
    refusing("https_308", 308, "http-request redirect scheme https code 308"),
    refusing(
        "body_size_413", 413, "http-request deny deny_status 413 if { req.body_size gt 1000 }"
    ),
    refusing(
        "auth_401",
        401,
        "http-request auth realm Staff unless { http_auth(staff) }",
        "userlist staff\n    user somebody insecure-password else",
    ),
    refusing(
        "rate_429",
        429,
        "stick-table type ip size 10 expire 60s store http_req_rate(60s)\n"
        "    http-request track-sc0 src\n"
        "    http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1 }",
    ),
)
