"""What all requests of a session to this API share, such as the access token."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import attrs

from twake_async._protocol.json_codec import PLAIN, Codec
from twake_async._protocol.server import Server
from twake_async.errors import ConfigurationError, InvalidDraftError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from twake_async._arguments import Credentials
    from twake_async.messages import Message

__all__ = [
    "FRONT_ID",
    "MARKER",
    "Api",
    "Ids",
    "Token",
    "check_path_ids",
    "company_path",
    "internal_path",
    "service_path",
    "user_path",
]

#: Twake's own key for the id that a client minted, in the `context` of a message.
FRONT_ID = "_front_id"
#: The key of the marker that is sent with the caller's `front_id`, in the same place.
MARKER = "_twake_async"

_PLAIN = re.compile("[A-Za-z0-9-]+")
#: What a gateway may treat as steps in a path, even if it is quoted.
_STEPS = re.compile(r"\.\.?|.*[/\\].*", re.DOTALL)


@attrs.frozen
class Ids:
    """The ids in the `context` of a message that a server answered.

    The draft of an edit holds them in `extra`, under `MARKER`. An edit sends no other ids: a look
    for another message would mistake the edited one for it.
    """

    context: Mapping[str, str]

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return the ids of a message."""
        kept = message.extra.get("context")
        marker = kept.get(MARKER) if isinstance(kept, dict) else None
        ids = {FRONT_ID: message.front_id, MARKER: marker if isinstance(marker, str) else ""}
        return cls({name: one for name, one in ids.items() if one})


@attrs.frozen(eq=False)
class Token:
    """An access token: it identifies the application until it expires."""

    header: tuple[bytes, bytes] = attrs.field(repr=False)
    """The header that says who sends a request."""
    renew_at: float = 0.0
    """When a new one is requested, by a clock that is never set back."""
    ends: float = 0.0
    """When it is no longer used."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("an access token cannot be pickled: log in where it is used")


@attrs.define(eq=False)
class Api:
    """The API of a server, and the application that asks it."""

    server: Server = attrs.field(factory=Server)
    credentials: Credentials | None = attrs.field(default=None, repr=False)
    """The application that asks; None for requests that are encoded and not sent."""
    codec: Codec = PLAIN
    """What writes and reads JSON."""
    token: Token | None = attrs.field(default=None, repr=False)
    """The current access token; None if there is none."""

    @property
    def application_id(self) -> str:
        """The id of the application that asks."""
        return "" if self.credentials is None else self.credentials.public_id

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Say whether a message or a participant of an answer is the application's own."""
        name = found.get("application_id", found.get("id"))
        return isinstance(name, str) and name.lower() == self.application_id.lower()

    def forget(self, token: Token | None) -> None:
        """Forget a token that the server does not accept, unless a new one has replaced it."""
        if self.token is token:
            self.token = None


def check_path_ids(**ids: str) -> None:
    """Raise an error for an id that could lead to another path, even if it is quoted.

    A gateway may read `%2E%2E` and `%2F` as steps, and ask the server for another path.

    Args:
        ids: The ids by their fields; `""` for none.

    Raises:
        ConfigurationError: It is the group or the workspace.
        InvalidDraftError: It is another id.

    """
    together = "".join(ids.values())
    if not ("." in together or "/" in together or "\\" in together):  # on the path of each send
        return
    for field, value in ids.items():
        if _STEPS.fullmatch(value):
            is_setting = field in ("group_id", "workspace_id")
            raise (ConfigurationError if is_setting else InvalidDraftError)(
                f'{field} is no id: over api="node" it stands in a path, where a gateway may take '
                'a "/", a "\\", "." and ".." for steps',
                field=field,
            )


@functools.lru_cache(maxsize=256)
def company_path(company: str, *parts: str) -> str:
    """Return a path of a company, for example of its threads.

    Args:
        company: The id of the company.
        parts: The names and ids below it.

    """
    return "/".join(("/api/messages/v1/companies", *map(_quote, (company, *parts))))


def service_path(service: str, company: str, *parts: str) -> str:
    """Return a path of a company in another service than that of messages."""
    return "/".join((f"/api/{service}/v1/companies", *map(_quote, (company, *parts))))


def internal_path(service: str, company: str, *parts: str) -> str:
    """Return a path of a company behind the proxy for applications.

    That proxy drops the body of an upload.
    """
    path = f"/internal/services/{service}/v1/companies"
    return "/".join((path, *map(_quote, (company, *parts))))


def user_path(user_id: str) -> str:
    """Return the path of a user, the only one that the service has for applications."""
    return f"/internal/services/users/v1/users/{_quote(user_id)}"


def _quote(part: str) -> str:
    if _PLAIN.fullmatch(part):  # as the ids of Twake are
        return part
    # A client may take "." and ".." for steps in the path, unless they are quoted, too.
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")
