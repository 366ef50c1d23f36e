"""The requests that find out which APIs a server serves, and its release. No I/O.

Three requests are made (wire/node/README.md, section 1). None has credentials, and no server
stores anything for them:

1. A login without id and secret. Node servers of 2022 on refuse it in words. A server with
   PHP only has no such route, and a Node server of 2021 gives a token to anybody: neither serves
   Node's API.
2. A save without credentials. v1 refuses it in words; a server with Node only has no
   such route.
3. A request for the version. Node servers of mid-2021 and later answer it.

Only the refusals in words prove that an API is served. No other answer does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs

from twake_async.errors import AuthenticationError

from .body import read_document
from .exchange import Answer
from .json_codec import PLAIN
from .node.login import LOGIN, SERVER
from .node_errors import json_of, refused_by_node
from .question import Question
from .v1.answers import read_answer
from .v1.api import DEFAULT_API, SAVE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from twake_async.check import Check
    from twake_async.errors import TwakeError

    from .exchange import Context

__all__ = ["can_tell", "find_apis"]

#: What an answer says: whether it proves that an API is served, or the version; None for neither.
Said = bool | str | None

_VERSION = re.compile(r"[\w.-]{1,40}")
#: What a Node server says to a login without an id.
_NOBODY = "Application not found"
#: What the advice says about an API that is the only one on the server.
_SERVED = {
    "v1": 'the server serves api="v1" (TWAKE_API=v1)',
    "node": (
        'the server serves api="node", which needs a workspace_id too (TWAKE_API=node, '
        "TWAKE_WORKSPACE_ID)"
    ),
}


#: The most bytes of an answer's body that are read as JSON.
_LIMIT = 65_536


def _probe(
    method: str, path: str, body: bytes, read: Callable[[Answer, Context], Said]
) -> Question[Said]:
    """Return a request whose answer `read` reads; without an answer its result is None."""
    return Question(
        "check",
        method,
        path,
        body,
        lambda answer, context: read(answer, context) if isinstance(answer, Answer) else None,
    )


def can_tell(found: Check) -> bool:
    """Say whether a server that was checked may answer further requests."""
    return found.problem not in ("unreachable", "later")


def find_apis(api: str, found: Check) -> Generator[Question[Said], Said | TwakeError, Check]:
    """Yield the requests to make, receive what each said, and return the completed check.

    Args:
        api: The name of the session's API.
        found: What a check of that API found.

    """
    # The version comes last: owners often block its path, and the time may run out there.
    served = {"node": (yield _probe("POST", LOGIN, b"{}", _serves_node)) is True}
    served["v1"] = (yield _probe("POST", SAVE, b"{}", _serves_v1)) is True
    version = yield _probe("GET", SERVER, b"", _version)
    apis = tuple(name for name in ("v1", "node") if served[name])
    version = version if isinstance(version, str) else None
    return attrs.evolve(
        found,
        advice=_advice(api, found, apis),
        apis=apis or None,
        version=version,
        release=_release(found.release, version, apis),
    )


def _advice(api: str, found: Check, apis: tuple[str, ...]) -> str:
    """Return the advice about a problem; it names the other API if only that one is served."""
    if found.problem not in ("address", "unclear") or len(apis) != 1 or api in apis:
        return found.advice
    return f"{found.advice}; or set the other API: {_SERVED[apis[0]]}"


def _release(
    seen: str | None, version: str | None, apis: tuple[str, ...]
) -> Literal["2020", "2021", "2022", "2023"] | None:
    """Return the release that the version names, unless the server's answers contradict it."""
    year = (version or "")[:4]
    contradicted = seen == "2020" or (year == "2021" and "node" in apis)
    known = year if year in ("2021", "2022", "2023") and not contradicted else seen
    return cast('Literal["2020", "2021", "2022", "2023"] | None', known)


# --- what one answer says ----------------------------------------------------------------------


def _serves_node(answer: Answer, _: Context) -> bool:
    document = json_of(answer)
    refused = refused_by_node(document) if isinstance(document, dict) else None
    is_refused = refused is not None and answer.status == refused.status == 403
    return is_refused and bool(document["message"] == _NOBODY)


def _serves_v1(answer: Answer, context: Context) -> bool:
    error = read_answer(answer, SAVE, _LIMIT, DEFAULT_API, context)
    return isinstance(error, AuthenticationError)


def _version(answer: Answer, _: Context) -> str | None:
    told = _object(answer)
    versions = told.get("version")
    current = versions.get("current") if isinstance(versions, dict) else None
    if told.get("status") != "ready" or not isinstance(current, str):
        return None
    return current if _VERSION.fullmatch(current) else None


def _object(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON object of a 200; an empty one where it has none."""
    if answer.status != 200:
        return {}
    try:
        return read_document(answer, _LIMIT, PLAIN)
    except ValueError:
        return {}
