"""Apache: its defaults as a reverse proxy, and documented set-ups that change what is answered."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from .gateway import Program
from .setups import Setup

_MODULES = pathlib.Path("/usr/lib/apache2/modules")
_RULES = pathlib.Path("/usr/share/modsecurity-crs/owasp-crs.load")
_RECOMMENDED = pathlib.Path("/etc/modsecurity/modsecurity.conf-recommended")


def _command(path: str, folder: pathlib.Path, config: pathlib.Path) -> list[str]:
    return [path, "-d", str(folder), "-f", str(config), "-DFOREGROUND"]


APACHE = Program("apache2", "apache2", _command, (str(_MODULES / "mod_proxy_http.so"),))
MODSECURITY = Program(
    "apache2",
    "libapache2-mod-security2 modsecurity-crs",
    _command,
    (str(_MODULES / "mod_security2.so"), str(_RULES), str(_RECOMMENDED)),
)

_CONFIG = """
ServerName localhost
DefaultRuntimeDir @DIR@
PidFile @DIR@/apache.pid
Mutex file:@DIR@ default
ErrorLog @DIR@/error.log
<user>
<modules>
StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
MinSpareThreads 8
MaxSpareThreads 64
Listen 127.0.0.1:@PORT@
DocumentRoot @DIR@/html
ProxyTimeout 1
# retry=0: a case that finds the upstream dead shall not decide the next one.
ProxyPass /api/ http://127.0.0.1:@UPSTREAM@/api/ retry=0
<more>
"""
_USER = "User www-data\nGroup www-data" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
_PAGE = "<html><body>Down for maintenance</body></html>\n"
_ALWAYS = ("mpm_event", "authz_core", "proxy", "proxy_http")
# Debian's recommended rules, switched on, with their files in a folder that anybody may write.
_CHANGES = {
    "DetectionOnly": "On",
    "/var/log/apache2/": "@DIR@/data/",
    " /tmp/": " @DIR@/data/",
    "unicode.mapping": str(_RECOMMENDED.with_name("unicode.mapping")),
}
_SECURITY = f"""
Include @DIR@/modsecurity.conf
<more>
Include {_RULES}
"""
_PARANOIA_2 = (
    'SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.paranoia_level=2,'
    'setvar:tx.blocking_paranoia_level=2,setvar:tx.detection_paranoia_level=2"'
)


def config(more: str = "", *modules: str) -> str:
    """Return a configuration with these lines and modules."""
    lines = [f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in (*_ALWAYS, *modules)]
    text = _CONFIG.replace("<user>", _USER).replace("<modules>", "\n".join(lines))
    return text.replace("<more>", more)


def _recommended() -> str:
    text = _RECOMMENDED.read_text("utf-8") if _RECOMMENDED.exists() else ""
    for old, new in _CHANGES.items():
        text = text.replace(old, new)
    return text


def _guarded(more: str = "") -> str:
    return config(_SECURITY.replace("<more>", more), "unique_id", "security2")


_FILES = {"html/": "", "data/": "", "modsecurity.conf": _recommended()}


def setup(
    name: str,
    text: str,
    *,
    program: Program = APACHE,
    every: int | None = None,
    files: Mapping[str, str] | None = None,
    **shows: int,
) -> Setup:
    """Return a set-up; `every` is the status that it shows where Apache found a failure."""
    shown = {"closed": 502, "dead": 503, "late": 502, "status_500": 500}
    if every is not None:
        shown |= dict.fromkeys(("closed", "dead", "late"), every)
    return Setup(name, program, text, {**_FILES, **(files or {})}, shown | shows)


def _documents(target: str, *statuses: int) -> str:
    return "\n".join(f"ErrorDocument {status} {target}" for status in statuses or (502, 503, 504))


_REWRITE = "RewriteEngine On\nRewriteRule"
_HTTPS = "^ https://%{SERVER_NAME}%{REQUEST_URI}"
_BALANCER = """
<Proxy balancer://twake>
BalancerMember http://127.0.0.1:@UPSTREAM@ retry=0
BalancerMember http://localhost:@UPSTREAM@ retry=0
</Proxy>
"""
_OVERRIDE = "ProxyErrorOverride On\n"
_ALL = (500, 502, 503, 504)

SETUPS = (
    setup("bare", config()),
    setup(
        "error_document_302", config(_documents("https://status.example/down")), every=302
    ),
    setup(
        "error_document_302_for_500",
        config(_OVERRIDE + _documents("https://status.example/", *_ALL)),
        every=302,
        status_500=302,
        status_404=404,
    ),
    setup("page_missing", config(_documents("/down.html"))),
    setup("page", config(_documents("/down.html")), files={"html/down.html": _PAGE}),
    setup(
        "page_is_folder",
        config(_documents("/down"), "dir"),
        files={"html/down/index.html": _PAGE},
    ),
    setup("page_for_500", config(_OVERRIDE + _documents("/down.html", *_ALL)),
          files={"html/down.html": _PAGE}, status_404=404),
    setup("modsecurity", _guarded(), program=MODSECURITY, warning=403, fatal=403),
    setup(
        "modsecurity_paranoia_2",
        _guarded(_PARANOIA_2),
        program=MODSECURITY,
        every=403,
        warning=403,
        fatal=403,
        status_500=403,
    ),
    setup("deflate", config("AddOutputFilterByType DEFLATE application/json", "filter", "deflate")),
    setup(
        "page_redirected",
        config(
            _documents("/down.html")
            + "\nRewriteEngine On\nRewriteCond %{REQUEST_URI} !^/api/"
            + f"\nRewriteRule {_HTTPS} [R=301,L]",
            "rewrite",
        ),
        every=301,
    ),
    setup(
        "page_of_another_application",
        config(
            "ProxyPass /other/ http://127.0.0.1:@PORT@/ retry=0\n" + _documents("/other/down")
        ),
        every=404,
    ),
    setup(
        "balancer",
        config(_BALANCER, "proxy_balancer", "lbmethod_byrequests", "slotmem_shm").replace(
            "ProxyPass /api/ http://127.0.0.1:@UPSTREAM@/api/ retry=0",
            "ProxyPass /api/ balancer://twake/api/",
        ),
    ),
    setup("disable_reuse", config().replace("retry=0", "retry=0 disablereuse=On")),
)  # fmt: skip


def refusing(name: str, status: int, text: str, files: Mapping[str, str] | None = None) -> Setup:
    """Return a set-up that turns messages away before it forwards them."""
    return Setup(name, APACHE, text, {**_FILES, **(files or {})}, refuses=status)


REFUSING = (
    refusing("https_301", 301, config(f"{_REWRITE} {_HTTPS} [R=301,L]", "rewrite")),
    refusing("https_308", 308, config(f"{_REWRITE} {_HTTPS} [R=308,L]", "rewrite")),
    Setup(
        "body_size_413",
        MODSECURITY,
        _guarded("SecRequestBodyNoFilesLimit 1000"),
        _FILES,
        refuses=413,
    ),
    refusing(
        "auth_401",
        401,
        config(
            "<Location />\nAuthType Basic\nAuthName Staff\nAuthUserFile @DIR@/users\n"
            "Require valid-user\n</Location>",
            *("authn_core", "authn_file", "auth_basic", "authz_user"),
        ),
        {"users": "somebody:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"},
    ),
    refusing("rate_429", 429, config(f"{_REWRITE} ^ - [R=429,L]", "rewrite")),
)
