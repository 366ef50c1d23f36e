"""squid as an accelerator: its defaults, and reply filters."""

from __future__ import annotations

import os

from .gateway import Program
from .setups import Setup

SQUID = Program("squid", "squid", lambda path, folder, config: [path, "-N", "-f", str(config)])

# read_timeout: squid counts whole seconds, so that 1 may be none.
# connect-fail-limit: a case in which the upstream is dead must not affect the next one.
_CONFIG = """
http_port 127.0.0.1:@PORT@ accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent @UPSTREAM@ 0 no-query originserver name=twake connect-fail-limit=1000
cache deny all
http_access allow all
pid_filename @DIR@/squid.pid
access_log none
cache_log @DIR@/cache.log
coredump_dir @DIR@
netdb_filename none
pinger_enable off
icon_directory @DIR@
read_timeout 2 seconds
connect_timeout 1 second
shutdown_lifetime 0 seconds
visible_hostname localhost
workers 1
<user>
<more>
"""
_USER = "cache_effective_user proxy" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""


def config(more: str = "") -> str:
    """Return a configuration with these lines."""
    return _CONFIG.replace("<user>", _USER).replace("<more>", more)


def setup(name: str, text: str, *, every: int | None = None, **shows: int) -> Setup:
    """Return a set-up; `every` is the status that it shows where squid found a failure."""
    shown = {"closed": 502, "dead": 503, "late": 504, "status_500": 500}
    if every is not None:
        shown |= dict.fromkeys(("closed", "dead", "late"), every)
    return Setup(name, SQUID, text, {}, shown | shows)


SETUPS = (
    setup("bare", config()),
    setup(
        "deny_5xx_403",
        config("acl failed http_status 500-599\nhttp_reply_access deny failed"),
        every=403,
        status_500=403,
    ),
    setup(
        "deny_html_403",
        config("acl html rep_mime_type text/html\nhttp_reply_access deny html"),
        every=403,
        status_500=403,
        warning=403,
        fatal=403,
    ),
)


REFUSING = (Setup("body_size_413", SQUID, config("request_body_max_size 1 KB"), refuses=413),)

_FORWARD = """
auth_param basic program /usr/lib/squid/basic_fake_auth
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
#: A proxy that is configured in the clients, and that asks for a login.
FORWARDING = Setup(
    "forward_proxy",
    Program("squid", "squid", SQUID.command, ("/usr/lib/squid/basic_fake_auth",)),
    config()
    .replace(" accel defaultsite=127.0.0.1 no-vhost", "")
    .replace("cache_peer", "# cache_peer")
    .replace("http_access allow all", _FORWARD),
    refuses=407,
)
