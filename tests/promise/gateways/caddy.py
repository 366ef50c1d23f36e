"""caddy: its defaults as a reverse proxy, and documented set-ups that change what is answered."""

from __future__ import annotations

from .gateway import Program
from .setups import Setup

CADDY = Program(
    "caddy",
    "caddy",
    lambda path, folder, config: [
        *(path, "run", "--adapter", "caddyfile", "--config", str(config))
    ],
)

_CONFIG = """
{
    admin off
    auto_https off
}
http://127.0.0.1:@PORT@ {
    bind 127.0.0.1
    root * @DIR@/html
    <site>
    reverse_proxy <peers> {
        transport http {
            response_header_timeout 1s
        }
        <proxy>
    }
}
"""


def config(site: str = "", proxy: str = "", peers: str = "127.0.0.1:@UPSTREAM@") -> str:
    """Return a configuration with these directives for the site and for its proxy."""
    text = _CONFIG.replace("<site>", site).replace("<proxy>", proxy)
    return text.replace("<peers>", peers)


def setup(name: str, text: str, *, every: int | None = None, **shows: int) -> Setup:
    """Return a set-up; `every` is the status that it shows where caddy found a failure."""
    shown = {"closed": 502, "dead": 502, "late": 504, "status_500": 500}
    if every is not None:
        shown |= dict.fromkeys(("closed", "dead", "late"), every)
    return Setup(name, CADDY, text, {"html/": ""}, shown | shows)


SETUPS = (
    setup("bare", config()),
    setup(
        "handle_errors_redir",
        config("handle_errors {\n redir https://status.example/down\n }"),
        every=302,
    ),
    setup("handle_errors_page_missing", config("handle_errors {\n file_server\n }")),
    setup("handle_errors_404", config("handle_errors {\n respond 404\n }"), every=404),
    setup(
        "two_servers",
        config(proxy="lb_try_duration 500ms", peers="127.0.0.1:@UPSTREAM@ localhost:@UPSTREAM@"),
    ),
    setup(
        "handle_response_redir",
        config(
            proxy="@failed status 5xx\n handle_response @failed {\n"
            " redir https://status.example/down\n }"
        ),
        status_500=302,
    ),
)


def _refusing(name: str, status: int, site: str) -> Setup:
    return Setup(name, CADDY, config(site), {"html/": ""}, refuses=status)


REFUSING = (
    _refusing("https_301", 301, "redir https://{host}{uri} permanent"),
    _refusing("https_308", 308, "redir https://{host}{uri} 308"),
    _refusing(
        "auth_401",
        401,
        "basicauth {\n somebody $2a$14$wQG0.CZJq5vPdxpcyGcvfOIL0zNJgjXWvZf9sYb6rqRB8jNT0BoBC\n }",
    ),
)
