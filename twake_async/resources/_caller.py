"""Makes the calls of the resources: over the API that a call needs, and within its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from twake_async._arguments import check_group
from twake_async._draft_checks import check_id
from twake_async._protocol.node.api import check_path_ids
from twake_async._protocol.node.generation import Node
from twake_async._protocol.v1.generation import V1
from twake_async.errors import ConfigurationError, InvalidDraftError, NotFoundError, RefusedError
from twake_async.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from twake_async._protocol.exchange import Request
    from twake_async._protocol.transfers import Transfer
    from twake_async._protocol.v1.calls import Call
    from twake_async._sending.sender import Sender
    from twake_async.errors import TwakeError

__all__ = ["Caller", "Limits", "check_node_id"]

T = TypeVar("T")
Document = dict[str, Any]

_ROUTE = re.compile(r"\w+(?:/\w+)*", re.ASCII)


def _without_cookies(document: Mapping[str, Any]) -> Document:
    """Return the answer of the server without `_cookies`, which each answer has."""
    return {name: value for name, value in document.items() if name != "_cookies"}


def _found_nothing(error: RefusedError) -> NotFoundError | None:
    """Return a `NotFoundError` if the server explained a 404; else None."""
    if error.reason != "status" or error.status != 404:
        return None
    nothing = NotFoundError(str(error.args[0]), status=404)
    nothing.attempts, nothing.elapsed = error.attempts, error.elapsed
    return nothing


def check_node_id(field: str, value: object) -> str:
    """Return an id to put into a path; raise `InvalidDraftError` for any other value."""
    check_id(field, value)
    found = str(value)
    check_path_ids(**{field: found})
    return found


@attrs.frozen
class Limits:
    """The limits that the caller sets for one call; None for those of the session."""

    group_id: str | None = None
    deadline: float | None = None
    """Seconds."""
    retry: RetryPolicy | None = None


@attrs.frozen(eq=False)
class Caller:
    """Makes the calls of the resources of one session.

    Args:
        sender: Sends the requests of the session.
        public_id: The application's public id.

    """

    sender: Sender = attrs.field(repr=False)
    public_id: str

    def group(self, group_id: str | None) -> str:
        """Return the group of a call.

        Raises:
            ConfigurationError: There is none.

        """
        found = check_group(group_id or self.sender.group_id)
        if self.is_node:
            check_path_ids(group_id=found)
        return found

    def v1(self, what: str) -> V1:
        """Return the API of the session, for a call that only v1 has.

        Args:
            what: The name of the call, for the error.

        Raises:
            ConfigurationError: The session has another API.

        """
        api = self.sender.api
        if not isinstance(api, V1):
            raise ConfigurationError(
                f'{what} needs api="v1": the Node API has no such call', field="api"
            )
        return api

    def node(self, what: str) -> Node:
        """Return the API of the session, for a call that only Node has.

        Args:
            what: The name of the call, for the error.

        Raises:
            ConfigurationError: The session has another API.

        """
        api = self.sender.api
        if not isinstance(api, Node):
            raise ConfigurationError(
                f'{what} needs api="node": the v1 API has no such call', field="api"
            )
        return api

    def workspace(self, workspace_id: str | None) -> str:
        """Return the workspace of a call over Node.

        Raises:
            ConfigurationError: There is none.

        """
        api = self.sender.api
        found = workspace_id or (api.workspace_id if isinstance(api, Node) else None)
        if found is None:
            raise ConfigurationError(
                "no workspace: give workspace_id here or to the session (TWAKE_WORKSPACE_ID)",
                field="workspace_id",
            )
        check_id("workspace_id", found)
        check_path_ids(workspace_id=found)
        return found

    @property
    def is_node(self) -> bool:
        """Whether the session has the API of Node."""
        return isinstance(self.sender.api, Node)

    async def ask_node(self, request: Request[T], limits: Limits) -> T:
        """Make a call over Node; a 404 with an explanation means that the object does not exist.

        Raises:
            NotFoundError: The server said so.

        """
        try:
            return await self.make(request, limits)
        except RefusedError as exc:
            if (nothing := _found_nothing(exc)) is None:
                raise
            raise nothing from None

    def call(self, route: str, fields: Mapping[str, Any], group_id: str | None) -> Call[Document]:
        """Return a request to any route below `/api/v1/`; it is never sent twice.

        Args:
            route: The route.
            fields: What to send besides the group.
            group_id: The group, if not the session's.

        Raises:
            ConfigurationError: It is no route, or there is no group.
            InvalidDraftError: A field cannot be sent as JSON, or is the group.

        """
        if not isinstance(route, str) or not _ROUTE.fullmatch(route):
            raise ConfigurationError(
                'route must be a relative name below /api/v1/, such as "tasks/task/save": words '
                "of letters, digits and underscores, with single slashes between them",
                field="route",
            )
        if not isinstance(fields, Mapping):
            raise InvalidDraftError("fields must be a mapping", field="fields")
        if "group_id" in fields:
            raise InvalidDraftError(
                "fields['group_id'] is an argument of the call: give group_id there",
                field="fields",
            )
        document = {"group_id": self.group(group_id), **fields}
        return self.v1("call").call(route, document, _without_cookies, repeatable=False)

    async def make(self, request: Request[T], limits: Limits) -> T:
        """Send a request, and return its result.

        A request that is not idempotent is never sent again after a lost answer, even if the policy
        allows that for messages.
        """
        policy = self.sender.retry if limits.retry is None else limits.retry
        if not request.repeatable and isinstance(policy, RetryPolicy):
            policy = attrs.evolve(policy, on_unknown="raise")
        return await self.sender.make(request, deadline=limits.deadline, retry=policy)

    async def transfer(self, request: Transfer[T], limits: Limits) -> T:
        """Send or fetch a file, and return the result.

        Raises:
            NotFoundError: A server of Node said that there is no such file.

        """
        send = self.sender.transfer
        try:
            return await send(request, deadline=limits.deadline, retry=limits.retry)
        except RefusedError as exc:
            if (nothing := _found_nothing(exc)) is None or not self.is_node:
                raise
            raise nothing from None

    async def ask_v1(
        self,
        what: str,
        route: str,
        fields: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], T | TwakeError],
        limits: Limits,
        *,
        target: str | None = None,
        crash: str | None = None,
    ) -> T:
        """Make a repeatable call over v1, with the group beside its fields; ids are checked."""
        for name, value in fields.items():
            if name.endswith("_id"):
                check_id(name, value)
        document = {"group_id": self.group(limits.group_id), **fields}
        request = self.v1(what).call(route, document, read, target=target, crash=crash)
        return await self.make(request, limits)
