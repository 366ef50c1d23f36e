"""Checks an application: key, company, capabilities, privileges, in this order.

Each refusal is an HTTP 200 with an `error`, before anything is stored.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases import php

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twake_async.sandbox._world.rows import App, GroupApp
    from twake_async.sandbox._world.world import World

__all__ = [
    "BAD_CREDENTIALS",
    "application",
    "bad_group",
    "credentials",
    "missing_capabilities",
    "missing_privileges",
    "permitted",
    "permitted_2021",
]

BAD_CREDENTIALS: dict[str, Any] = {"error": "unknown_application_or_bad_private_key"}
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_PARTS = 2


def bad_group(group_id: Any) -> dict[str, Any]:
    """Return the error for a company that is unknown or has not installed the application."""
    error = "you_need_to_provide_a_valid_group_id_field_in_any_api_request"
    return {"error": error, "group_id": group_id}


def missing_capabilities(capabilities: Sequence[str]) -> dict[str, Any]:
    """Return the error for an application without these capabilities."""
    error = "you_do_not_have_this_set_of_required_capabilities"
    return {"error": error, "capabilities": list(capabilities)}


def missing_privileges(privileges: Sequence[str]) -> dict[str, Any]:
    """Return the error for an application without these privileges."""
    error = "you_do_not_have_this_set_of_required_privileges"
    return {"error": error, "privileges": list(privileges)}


def credentials(authorization: str) -> tuple[str, str] | None:
    """Return the id and key of an Authorization header: "Basic", one space, one colon inside."""
    parts = authorization.split(" ")
    if len(parts) != _PARTS or parts[0] != "Basic":
        return None
    pair = _lenient_base64(parts[1]).decode("utf-8", "surrogateescape").split(":")
    return (pair[0], pair[1]) if len(pair) == _PARTS else None


def _lenient_base64(text: str) -> bytes:
    """Decode base64 as PHP does: skip other characters, need no padding."""
    digits = _NOT_BASE64.sub("", text)
    digits = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def application(world: World, authorization: str) -> App | None:
    """Return the application with these credentials; None for a wrong id or key."""
    pair = credentials(authorization)
    app = world.app(pair[0]) if pair else None
    if pair is None or app is None or not php.loosely_equal(app.key, pair[1]):
        return None
    return app


def permitted(
    world: World,
    authorization: str,
    group_id: Any,
    capabilities: Sequence[str] = (),
    privileges: Sequence[str] = (),
) -> App | dict[str, Any]:
    """Return the application, or the error of the server of 2020."""
    app = application(world, authorization)
    if app is None:
        return BAD_CREDENTIALS
    known = world.group_app(app.id, group_id)
    if known is None and (capabilities or privileges):
        return bad_group(group_id)
    if known is None or not _granted(app, known, group_id, capabilities, "capabilities"):
        return missing_capabilities(capabilities)
    if not _granted(app, known, group_id, privileges, "privileges"):
        return missing_privileges(privileges)
    return app


def permitted_2021(
    world: World,
    authorization: str,
    group_id: Any,
    capabilities: Sequence[str] = (),
    privileges: Sequence[str] = (),
) -> App | dict[str, Any]:
    """Return the application, or the error of the server of 2021.

    An unknown company, or one without the application, leads to an empty 500. If the company's list
    of privileges is null, nothing more is checked.
    """
    app = application(world, authorization)
    if app is None:
        return BAD_CREDENTIALS
    known = world.group_app(app.id, group_id)
    if known is None:
        raise php.PhpError("Call to a member function getPrivileges() on null")
    if known.privileges is None:
        return app
    if known.capabilities and not _granted(app, known, group_id, capabilities, "capabilities"):
        return missing_capabilities(capabilities)
    if not _granted(app, known, group_id, privileges, "privileges"):
        return missing_privileges(privileges)
    return app


def _granted(app: App, known: GroupApp, group_id: Any, wanted: Sequence[str], kind: str) -> bool:
    """Return whether the company granted these rights, or develops an app that declares them."""
    if all(one in (getattr(known, kind) or ()) for one in wanted):
        return True
    return all(one in getattr(app, kind) for one in wanted) and group_id == app.group_id
