"""nginx: its defaults as a reverse proxy, and documented set-ups that change what is answered."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .gateway import Program
from .setups import Setup

NGINX = Program(
    "nginx",
    "nginx",
    lambda path, folder, config: [
        *(path, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(config))
    ],
)

_CONFIG = """
daemon off;
worker_processes 1;
<user>
error_log @DIR@/error.log;
pid @DIR@/nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    default_type text/html;
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    proxy_read_timeout 1s;
    <http>
    server {
        listen 127.0.0.1:@PORT@<listen>;
        root @DIR@/html;
        <server>
        location /api/ {
            proxy_pass http://<peer>;
            <location>
        }
    }
}
"""
# The workers must be able to read the folder; only root can choose their user.
_USER = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
_PAGE = "<html><body>Down for maintenance</body></html>\n"
_TLS = "ssl_certificate @CERTIFICATE@; ssl_certificate_key @CERTIFICATE@;"


def config(server: str = "", location: str = "", http: str = "", **more: str) -> str:
    """Return a configuration with these directives where they belong.

    Args:
        server: Directives for the server.
        location: Directives for the location of the API.
        http: Directives outside of the server.
        **more: `listen`: parameters of its port; `peer`: the name of the upstream.

    """
    values = {"user": _USER, "listen": "", "peer": "127.0.0.1:@UPSTREAM@", **more}
    text = _CONFIG
    for name, value in {**values, "server": server, "location": location, "http": http}.items():
        text = text.replace(f"<{name}>", value)
    return text


def setup(
    name: str,
    text: str,
    *,
    every: int | None = None,
    files: Mapping[str, str] | None = None,
    tls: bool = False,
    **shows: int,
) -> Setup:
    """Return a set-up; `every` is the status that it shows where nginx found a failure."""
    shown = {"closed": 502, "dead": 502, "late": 504, "status_500": 500}
    if every is not None:
        shown |= dict.fromkeys(("closed", "dead", "late"), every)
    return Setup(name, NGINX, text, {"html/": "", **(files or {})}, shown | shows, tls)


def refusing(name: str, status: int, text: str, files: Mapping[str, str] | None = None) -> Setup:
    """Return a set-up that refuses messages before it forwards them."""
    return Setup(name, NGINX, text, {"html/": "", **(files or {})}, refuses=status)


# max_fails: a case in which the upstream is dead must not affect the next one.
_SERVER = "server 127.0.0.1:@UPSTREAM@ max_fails=0;"
TWO_SERVERS = f"upstream twake {{ {_SERVER} {_SERVER} }}"
_DOWN = {"html/down.html": _PAGE}
_FAILURES = "error_page 502 503 504"
_AND_500 = "error_page 500 502 503 504"
_INTERCEPT = "proxy_intercept_errors on;"
_NAMED = "location @down { try_files /down.html =503; }"

SETUPS = (
    setup("bare", config()),
    setup(
        "debian_50x",
        config(f"{_AND_500} /50x.html; location = /50x.html {{ }}"),
        files={"html/50x.html": _PAGE},
    ),
    setup("error_page_302", config(f"{_FAILURES} https://status.example/down;"), every=302),
    setup(
        "error_page_307_same_path",
        config(f"{_FAILURES} =307 https://other.example$request_uri;"),
        every=307,
    ),
    setup(
        "error_page_302_for_500",
        config(f"{_AND_500} https://status.example/down;", _INTERCEPT),
        every=302,
        status_500=302,
    ),
    setup("page_missing", config(f"{_AND_500} /50x.html;"), every=404),
    setup(
        "page_missing_for_500",
        config(f"{_AND_500} /50x.html;", _INTERCEPT),
        every=404,
        status_500=404,
    ),
    setup("page_named", config(f"{_FAILURES} @down; {_NAMED}"), files=_DOWN, every=405),
    setup("page_named_free", config(f"{_FAILURES} = @down; {_NAMED}"), files=_DOWN, every=405),
    setup(
        "intercept_404",
        config(f"{_AND_500} =404 /down.html;", _INTERCEPT),
        files=_DOWN,
        every=404,
        status_500=404,
    ),
    setup("intercept_answers", config("error_page 404 /down.html;", _INTERCEPT), files=_DOWN,
          status_404=404),
    setup("page_is_folder", config(f"{_FAILURES} /down;"), files={"html/down/": ""}, every=301),
    setup("page_forbidden", config(f"{_FAILURES} /down/;"), files={"html/down/": ""}, every=403),
    setup(
        "fallback",
        config(f"{_FAILURES} = @other; location @other {{ return 400; }}"),
        every=400,
    ),
    setup("error_page_200", config(f"{_FAILURES} =200 /down.html;"), files=_DOWN, every=200),
    setup(
        "keepalive",
        config(
            location='proxy_http_version 1.1; proxy_set_header Connection "";',
            http="upstream twake { server 127.0.0.1:@UPSTREAM@; keepalive 8; }",
            peer="twake",
        ),
    ),
    setup("two_servers", config(http=TWO_SERVERS, peer="twake")),
    setup("unbuffered", config(location="proxy_buffering off; proxy_request_buffering off;")),
    setup(
        "gzip",
        config(
            http="gzip on; gzip_proxied any; gzip_min_length 1; gzip_types application/json;"
        ),
    ),
    setup("tls", config(_TLS, listen=" ssl"), tls=True),
    setup(
        "tls_error_page_302",
        config(f"{_TLS} {_FAILURES} https://status.example/down;", listen=" ssl"),
        tls=True,
        every=302,
    ),
)  # fmt: skip


_HTTPS = "https://$host$request_uri"

REFUSING = (
    refusing("https_301", 301, config(f"return 301 {_HTTPS};")),
    refusing("https_308", 308, config(f"return 308 {_HTTPS};")),
    refusing("body_size_413", 413, config("client_max_body_size 1k;")),
    refusing(
        "auth_401",
        401,
        config('auth_basic "Staff"; auth_basic_user_file @DIR@/users;'),
        {"users": "somebody:{PLAIN}else\n"},
    ),
    refusing(
        "rate_429",
        429,
        config(
            location="limit_req zone=all; limit_req_status 429;",
            http="limit_req_zone $binary_remote_addr zone=all:32k rate=1r/m;",
        ),
    ),
)
