"""`twake-async sandbox fail`: lets the next request to a running sandbox fail."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

import click

from twake_async.sandbox._faults.names import ACTIONS, NODE_ACTIONS, REFUSALS, REQUEST_KINDS
from twake_async.sandbox._serving.control import PATH

from ._statuses import FAILED, complain, say

__all__ = ["fail"]

#: Seconds until a sandbox must answer.
_PATIENCE = 10.0
_WORDS = (*ACTIONS, *NODE_ACTIONS, *REFUSALS, "none")


def _action(context: click.Context, parameter: click.Parameter, given: str) -> str | int:
    del context, parameter
    if given.isascii() and given.isdecimal() and 200 <= int(given[:4]) <= 599:
        return int(given)
    if given in _WORDS:
        return given
    raise click.BadParameter(f"give a status from 200 to 599, or one of {', '.join(_WORDS)}")


@click.command(
    short_help="Let the next request to a running sandbox fail.",
    epilog="""\b
Examples:
  twake-async sandbox fail close                    # lost before it is stored
  twake-async sandbox fail close --after-storing    # stored, and its answer is lost
  twake-async sandbox fail 429 --retry-after 2
  twake-async sandbox fail authentication --times 3
  twake-async sandbox fail none                     # forget these failures

ACTION is a status, or one of: close, reset, silent, cut, cut_chunked, cut_reset, cut_silent, drip,
empty, html, bad_gzip, cut_json, php_trace, error_words, null_object, null_id, other_message; on the
Node API also swallowed and later. authentication, group, capability and privileges refuse in words.
""",
)
@click.argument("action", callback=_action)
@click.option("--after-storing", is_flag=True, help="Store the message before the failure.")
@click.option(
    "--times", type=click.IntRange(min=1), default=1, help="The number of requests that fail."
)
@click.option("--retry-after", metavar="SECONDS", help="The Retry-After header of a status.")
@click.option(
    "--on",
    type=click.Choice(REQUEST_KINDS),
    default="write",
    show_default=True,
    help="The kind of request; all but write need a release with the Node API.",
)
@click.option(
    "--base-url", metavar="URL", help="The address of the sandbox; by default TWAKE_BASE_URL."
)
def fail(
    action: str | int,
    *,
    after_storing: bool,
    times: int,
    retry_after: str | None,
    on: str,
    base_url: str | None,
) -> int:
    """Let the next message to a running sandbox fail, from another terminal.

    TWAKE_BASE_URL, which the sandbox printed when it started, names the sandbox.
    """
    asked = {
        "action": action,
        "after_storing": after_storing,
        "times": times,
        "retry_after": retry_after,
        "on": on,
    }
    try:
        problem = _ask(_address(base_url or os.environ.get("TWAKE_BASE_URL")), asked)
    except (OSError, http.client.HTTPException) as exc:
        problem = f"the sandbox does not answer: {getattr(exc, 'strerror', None) or exc}"
    if problem:
        complain(problem)
        return FAILED
    say(_sentence(action, times, on, after_storing=after_storing))
    return 0


def _address(url: str | None) -> tuple[str, int]:
    """Return the host and the port of a sandbox."""
    if url is None:
        raise click.UsageError(
            "There is no sandbox: paste the lines that it printed into this shell, or give "
            "--base-url."
        )
    try:
        found = urlsplit(url)
        host, port, scheme = found.hostname, found.port, found.scheme
    except ValueError:
        host, port, scheme = None, None, ""
    if host is None or port is None or scheme != "http":
        raise click.UsageError(
            f"{url} is not the address of a sandbox, such as http://127.0.0.1:8080."
        )
    return host, port


def _ask(address: tuple[str, int], asked: dict[str, Any]) -> str:
    """Ask a sandbox for a failure; return what is wrong, or nothing."""
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE)
    try:
        headers = {"content-type": "application/json"}
        connection.request("POST", PATH, json.dumps(asked).encode(), headers)
        answer = connection.getresponse()
        text = answer.read(65_536)
    finally:
        connection.close()
    if answer.status == 200:
        return ""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, LookupError):
        return "the server there is not a sandbox"


def _sentence(action: str | int, times: int, on: str, *, after_storing: bool) -> str:
    if action == "none":
        return "No failures are waiting now."
    noun = f"{on} fails" if times == 1 else f"{times} {on}s fail"
    stored = "after it is stored" if after_storing else "before it is stored"
    where = f", {stored}" if on == "write" and times == 1 else ""
    return f"The next {noun}: {action}{where}."
