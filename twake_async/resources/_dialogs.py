"""Dialogs: a window that opens in the browser of the user whose event is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from twake_async._draft_checks import as_dict, check_id
from twake_async._protocol.documents import mismatch
from twake_async._protocol.json_codec import check_json
from twake_async.errors import InvalidDraftError, RefusedError, TwakeError

from ._caller import Caller, Limits
from ._values import text

if TYPE_CHECKING:
    from twake_async.retry import RetryPolicy

__all__ = ["Dialogs", "Opener", "TokenOwner"]


class Opener(Protocol):
    """The user who asked for a dialog. Each event has both ids."""

    @property
    def user_id(self) -> str | None:
        """The user who clicked or typed."""
        ...

    @property
    def connection_id(self) -> str | None:
        """The connection of that user's browser."""
        ...


@attrs.frozen
class TokenOwner:
    """The user for whom a page of the application was opened."""

    user_id: str
    """The user who opened the page."""

    workspace_id: str
    """The workspace that it was opened in."""

    group_id: str
    """The group (company) of the workspace."""


@attrs.frozen(eq=False)
class Dialogs:
    """Calls about dialogs; a session has it as `dialogs`."""

    _caller: Caller

    async def open(
        self,
        event: Opener,
        form: Any,
        *,
        hidden_data: Mapping[str, Any] | None = None,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Open a dialog in the browser of the user who made an event.

        A dialog that is open already is replaced. The clicks in it come as `ConfigurationClick`.
        The server says "success" to each call, even for an unknown user, and for a browser that
        was closed. It shows the dialog only in the tab that the event came from.

        The application needs the capability `display_modal`.

        Args:
            event: The event to answer: a click, a command or a request to configure.
            form: What to show: a string, a Twacode node, or a list of both.
            hidden_data: Data that comes back with each click; `width` and `height` in it are the
                size of the window in pixels.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            InvalidDraftError: The event has no user or no connection, because the server made it
                itself; or the form cannot be sent.
            TwakeError: As for `send_message`.

        """
        data = {} if hidden_data is None else as_dict("hidden_data", hidden_data)
        check_json("hidden_data", data)
        fields = _opener(event) | {"form": _form(form), "hidden_data": data}
        limits = Limits(group_id, deadline, retry)
        if self._caller.is_node:
            node = self._caller.node("dialogs.open")
            request = node.ask(
                _OPEN_ON_NODE, "dialogs.open", _is_ok, method="POST", document=fields
            )
            await self._caller.ask_node(request, limits)
            return
        await self._caller.ask_v1("dialogs.open", _OPEN, fields, _succeeded, limits)

    async def close(
        self,
        event: Opener,
        *,
        group_id: str | None = None,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Close the dialog that is open in the browser of the user who made an event.

        Args:
            event: The event of that user.
            group_id: The group, if not the session's.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            InvalidDraftError: The event has no user or no connection.
            TwakeError: As for `send_message`.

        """
        limits = Limits(group_id, deadline, retry)
        await self._caller.ask_v1("dialogs.close", _CLOSE, _opener(event), _succeeded, limits)

    async def user_of_token(
        self, token: str, *, deadline: float | None = None, retry: RetryPolicy | None = None
    ) -> TokenOwner:
        """Return the user for whom a page was opened, from the `token` in its address.

        The server answers for the tokens of all applications, to anybody. So the token's
        application is compared with that of the session.

        Args:
            token: The token of the address; it is valid for an hour, and more than once.
            deadline: Seconds for the call, if not the session's.
            retry: The policy for the call, if not the session's.

        Raises:
            RefusedError: The server does not know the token, or it belongs to another application
                (reason `arguments`).
            TwakeError: As for `send_message`.

        """
        check_id("token", token)
        read = _token_reader(self._caller.public_id)
        call = self._caller.v1("dialogs.user_of_token").call("core/token", {"token": token}, read)
        del token  # tools that show tracebacks may show locals
        return await self._caller.make(call, Limits(None, deadline, retry))


_OPEN = "general/configure"
_CLOSE = "general/configure_close"
_OPEN_ON_NODE = "/api/console/v1/configure"


def _opener(event: Opener) -> dict[str, Any]:
    ids = {name: getattr(event, name, None) for name in ("user_id", "connection_id")}
    if not all(ids.values()):
        raise InvalidDraftError(
            "a dialog opens for the user of an event: give an event with a user_id and a "
            "connection_id, such as a click or a command",
            field="event",
        )
    for name, value in ids.items():
        check_id(name, value)
    return ids


def _form(form: Any) -> Any:
    if isinstance(form, str):
        return form
    from twake_async.twacode import portable  # noqa: PLC0415 - other calls need not wait for it

    try:
        return portable(form)
    except InvalidDraftError as exc:
        raise InvalidDraftError(f"form: {exc}", field="form") from None


def _succeeded(document: Mapping[str, Any]) -> TwakeError | None:
    return None if document.get("result") == "success" else mismatch("does not say success")


def _is_ok(document: Mapping[str, Any]) -> TwakeError | None:
    return None if document.get("status") == "ok" else mismatch("does not say ok")


def _token_reader(public_id: str) -> Any:
    def read(document: Mapping[str, Any]) -> TokenOwner | TwakeError:
        ids = [text(document.get(name)) for name in ("user_id", "workspace_id", "group_id")]
        application = text(document.get("app_id"))
        if not ids[0] or not application:
            return mismatch("names no user and no application")
        if application.lower() != public_id.lower():
            return RefusedError(
                "the token was made for another application: do not trust the page's address",
                reason="arguments",
                status=200,
            )
        return TokenOwner(*ids)

    return read
