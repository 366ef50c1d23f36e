"""The login of an application, and the sender of a request with a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twake_async.sandbox._releases.node.call import field
from twake_async.sandbox._releases.node.errors import CrashError, NodeError
from twake_async.sandbox._world.tokens import Bearer

if TYPE_CHECKING:
    from twake_async.sandbox._world.world import World

__all__ = ["bearer_of", "login"]

_SCHEME = "bearer "


def login(world: World, release: str, body: Any) -> dict[str, Any]:
    """Return the tokens for the id and the key of an application.

    Raises:
        NodeError: The id or the key is wrong.
        CrashError: There is no body, or the id is a number.

    """
    app_id, secret = field(body, "id"), field(body, "secret")
    if isinstance(app_id, int | float):
        raise CrashError
    app = world.app(app_id) if isinstance(app_id, str) else None
    if app is None or (release != "2022" and not secret):
        raise NodeError(403, "Application not found")
    if secret != app.key:
        raise NodeError(403, "Secret key is not valid")
    world.logins += 1
    bearer = Bearer(app.id, is_application=True)
    return {"resource": {"access_token": world.tokens.issue(bearer, world.now())}}


def bearer_of(world: World, authorization: str) -> Bearer:
    """Return the sender of a request.

    Raises:
        NodeError: There is no token, or it is not of this server, or it has expired.

    """
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        found = world.tokens.read(authorization[len(_SCHEME) :].strip(), world.now())
        if found is not None:
            return found
    raise NodeError(401, "Bad credentials")
