"""The action of each path of the API, in both releases. Bodies are PHP arrays already.

The sandbox covers messages, and the resources around them: channels, people, dialogs.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twake_async.sandbox._releases import (
    channels_2020,
    messages_2020,
    messages_2021,
    permissions,
    php,
)
from twake_async.sandbox._world.rows import App, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twake_async.sandbox._world.rows import User
    from twake_async.sandbox._world.world import World

__all__ = ["MALFORMED", "ROUTES", "TRACE", "Answer", "Call", "profile"]

MALFORMED = {"error": "unknown error or malformed query."}
TRACE = 'string(27) "#0 RepositoryAdapter->find()"\n'
"""The stack trace that the real server writes before its answer."""


@define(frozen=True, slots=True)
class Call:
    """One request to a known path."""

    world: World
    release: str
    authorization: str
    fields: Any
    posted: bytes | None = None
    """The file of a form, if there is one."""

    def permitted(self, *capabilities: str, privileges: tuple[str, ...] = ()) -> Any:
        """Return the application that sent the request, or the error that it gets."""
        group_id = php.field(self.fields, "group_id")
        ask = permissions.permitted if self.release == "2020" else permissions.permitted_2021
        return ask(self.world, self.authorization, group_id, capabilities, privileges)


@define(frozen=True, slots=True)
class Answer:
    """An array, which is sent as JSON, or text, which is sent as HTML."""

    value: dict[str, Any] | str
    before: str = ""
    """The text that is sent before `value`."""
    status: int = 200
    raw: bytes | None = None
    """The bytes that are sent instead, with `headers`."""
    headers: Mapping[str, str] = field(factory=dict)


def _save(call: Call) -> Answer:
    app = call.permitted("messages_save")
    if not isinstance(app, App):
        return Answer(app)
    given = php.field(call.fields, "message")
    if call.release == "2021":
        told = _told_2021(call, given)
        return told or Answer({"object": messages_2021.save(call.world, given, app)})
    php.field(given, "channel_id")  # of a string, this is an error
    sender, before = _user(call.world, given["sender"] if php.has(given, "sender") else None)
    shown = messages_2020.save(call.world, given, sender, app)
    return Answer({"object": shown} if shown else MALFORMED, before)


def _remove(call: Call) -> Answer:
    app = call.permitted()
    if not isinstance(app, App):
        return Answer(app)
    given = php.field(call.fields, "message")
    if call.release == "2020":
        messages_2020.remove(call.world, given)
        return Answer({"result": given})
    if told := _told_2021(call, given):
        return told
    messages_2021.remove(call.world, given)
    company = {"company_id": php.field(call.fields, "group_id"), "worskpace_id": None}
    return Answer({"result": {**given, **company}})


def _told_2021(call: Call, given: Any) -> Answer | None:
    """Return the error for anything except a message to a known channel."""
    channel_id = given.get("channel_id") if isinstance(given, dict) else None
    known = isinstance(channel_id, str) and call.world.channel(channel_id)
    return None if known else Answer("ERROR with persist")


def _user(world: World, user_id: Any) -> tuple[User | None, str]:
    """Return the user with that id, and PHP's stack trace if an array without an id was given."""
    if isinstance(user_id, list | dict) and user_id:
        if not php.has(user_id, "id"):
            return None, TRACE
        user_id = php.field(user_id, "id")
    return world.user(user_id), ""


def _users_get(call: Call) -> Answer:
    app = call.permitted()
    if not isinstance(app, App):
        return Answer(app)
    user_id = php.field(call.fields, "user_id")
    if not php.truthy(user_id):
        return Answer({"object": None})
    user, before = _user(call.world, user_id)
    if user is None:
        return Answer("", before, status=500)
    return Answer({"object": profile(call.world, user)})


def profile(world: World, user: User) -> dict[str, Any]:
    """Return a user as PHP shows it."""
    email = str(user.profile.get("email", ""))
    return {
        "id": user.id,
        "username": user.name,
        "firstname": user.profile.get("first", ""),
        "lastname": user.profile.get("last", ""),
        "thumbnail": "",
        "identity_provider": "",
        "connected": False,
        "language": "en",
        "isNew": True,
        "isRobot": False,
        "status_icon": ["", ""],
        "front_id": world.new_front_id(),
        "timezone_offset": "-120",
        "email": email,
        "mail_hash": hashlib.md5(email.encode(), usedforsecurity=False).hexdigest(),
        "mail_verification_override": None,
        "mail_verification_override_mail": None,
        "groups_id": None,
        "workspaces_id": None,
    }


def _configure(call: Call) -> Answer:
    app = call.permitted("display_modal")
    if not isinstance(app, App):
        return Answer(app)
    for name in ("user_id", "connection_id"):
        if not php.truthy(php.field(call.fields, name)):
            return Answer({"error": f"missing_{name}"})
    given = dict(php.items(call.fields))
    window = Window(app.id, given.get("form", []), given.get("hidden_data"))
    call.world.open_window(given["user_id"], given["connection_id"], window)
    return Answer({"result": "success"})


def _configure_close(call: Call) -> Answer:
    app = call.permitted()
    if not isinstance(app, App):
        return Answer(app)
    user_id = php.field(call.fields, "user_id")
    if not php.truthy(user_id):
        return Answer({"error": "missing_user_id"})
    call.world.close_window(user_id)
    return Answer({"result": "success"})


def _token(call: Call) -> Answer:
    """Say for which user a page was opened. Any caller may ask: no application is authenticated."""
    token = php.field(call.fields, "token")
    if token is None:
        return Answer({"error": "invalid_token"}, TRACE)
    found = call.world.page_tokens.get(token) if isinstance(token, str) else None
    return Answer({"error": "invalid_token"} if found is None else dict(found))


def _direct_channel(call: Call) -> Answer:
    app = call.permitted()
    if not isinstance(app, App):
        return Answer(app)
    group_id, user_id = (php.field(call.fields, name) for name in ("group_id", "user_id"))
    channel = channels_2020.direct_channel(call.world, app, group_id, user_id)
    return Answer({"object": channel})


def _channels_of_workspace(call: Call) -> Answer:
    app = call.permitted(privileges=("channels",))
    if not isinstance(app, App):
        return Answer(app)
    workspace_id, user_id = (php.field(call.fields, name) for name in ("workspace_id", "user_id"))
    found = channels_2020.of_workspace(call.world, workspace_id, user_id)
    return Answer({"error": "payload_error"} if found is None else {"data": found})


ROUTES: Mapping[str, Callable[[Call], Answer]] = {
    "/api/v1/messages/save": _save,
    "/api/v1/messages/remove": _remove,
    "/api/v1/users/get": _users_get,
    "/api/v1/general/configure": _configure,
    "/api/v1/general/configure_close": _configure_close,
    "/api/v1/core/token": _token,
    "/api/v1/channels/get_direct_channel": _direct_channel,
    "/api/v1/channels/get_by_workspace": _channels_of_workspace,
}
