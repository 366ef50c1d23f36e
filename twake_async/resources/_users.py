"""People: find a user by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from twake_async._protocol.documents import mismatch
from twake_async._protocol.node.api import user_path
from twake_async.errors import NotFoundError, TwakeError

from ._caller import Caller, Limits, check_node_id
from ._values import flag, same_id, text

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

__all__ = ["User", "Users", "read_user"]


@attrs.frozen
class User:
    """A person who has an account."""

    id: str
    """The user's id: what `sender` and `ephemeral_to` take, and what an event names."""

    username: str = ""
    """The name after the @ of a mention."""

    first_name: str = ""
    """The first name; `""` if the server gives none."""

    last_name: str = ""
    """The last name; `""` if the server gives none."""

    email: str = ""
    """The address; `""` if the server gives none."""

    language: str = ""
    """The language of the user's client, such as `"en"`; `""` if the server gives none."""

    is_robot: bool = False
    """Whether the server says that it is not a person."""

    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)
    """All that the server answered about it, as JSON."""


@attrs.frozen(eq=False)
class Users:
    """Calls about people; a session has it as `users`."""

    _caller: Caller

    async def get(
        self,
        user_id: str,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> User:
        """Return the user with that id.

        The server answers for the users of every company. Over `api="v1"` it answers an unknown id
        with an empty 500, as it does when it fails: the error says both.

        Args:
            user_id: The user's id, as an event names it.
            group_id: The group over `api="v1"`, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            NotFoundError: The server says that there is no such user.
            OutcomeUnknownError: The user does not exist, or the server failed: the same answer.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        if self._caller.is_node:
            return await self._get_from_node(user_id, limits)
        return await self._caller.ask_v1(
            "users.get",
            "users/get",
            {"user_id": user_id},
            _reader("object", user_id),
            limits,
            target=user_id,
            crash=_UNKNOWN,
        )

    async def _get_from_node(self, user_id: str, limits: Limits) -> User:
        check_node_id("user_id", user_id)
        node = self._caller.node("users.get")
        read = _reader("resource", user_id)
        request = node.ask(user_path(user_id), "users.get", read, target=user_id)
        return await self._caller.ask_node(request, limits)


_UNKNOWN = (
    "the server answered an empty 500: it knows no user with this id, or it failed; check user_id"
)


def _reader(name: str, user_id: str) -> Any:
    def read(document: Mapping[str, Any]) -> User | TwakeError:
        found = document.get(name, False)
        if found is None:
            return NotFoundError(f"the server knows no user {user_id!r}", status=200)
        user = read_user(found)
        return user if user and same_id(user.id, user_id) else mismatch("is not about this user")

    return read


def read_user(found: object) -> User | None:
    """Return the user that the server describes; None for no user."""
    if not isinstance(found, dict) or not text(found.get("id")):
        return None
    return User(
        id=text(found["id"]),
        username=text(found.get("username")),
        first_name=text(found.get("firstname")) or text(found.get("first_name")),
        last_name=text(found.get("lastname")) or text(found.get("last_name")),
        email=text(found.get("email")),
        language=text(found.get("language")),
        is_robot=flag(found.get("isRobot")),
        raw=found,
    )
