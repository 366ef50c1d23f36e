"""All routes of a router, with those of the routers that it includes. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from twake_async.errors import ConfigurationError

from ._routes import Route, matching

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from twake_async.events import Event

    ErrorHandler = Callable[[Event, BaseException], Awaitable[object]]

__all__ = ["Table"]


@attrs.define(eq=False)
class Table:
    """The routes of one router."""

    error_handlers: list[ErrorHandler] = attrs.field(factory=list, init=False)
    """The error handlers of this router alone."""
    _entries: list[Route | Table] = attrs.field(factory=list, init=False)
    _includers: list[Table] = attrs.field(factory=list, init=False)
    _by_kind: dict[type[Event], tuple[Route, ...]] = attrs.field(factory=dict, init=False)
    """A cache: the routes for each class of events that came so far."""

    def add(self, entry: Route | Table) -> None:
        """Add a route, or all of another table, at the end."""
        self._entries.append(entry)
        self.forget()

    def include(self, table: Table) -> None:
        """Add another table, including the routes that it gets later.

        Raises:
            ConfigurationError: It includes this one, or is included already.

        """
        if self in table.all_tables():
            raise ConfigurationError("a router cannot include itself", field="router")
        if table in self.all_tables():
            raise ConfigurationError("the router is included already", field="router")
        table._includers.append(self)
        self.add(table)

    def forget(self) -> None:
        """Clear the cached routes of each class, because the routes have changed."""
        self._by_kind.clear()
        for includer in self._includers:
            includer.forget()

    def find(self, event: Event) -> list[Route]:
        """Return the routes that an event takes, in their order."""
        kind = type(event)
        routes = self._by_kind.get(kind)
        if routes is None:
            routes = tuple(route for route in self.all_routes() if issubclass(kind, route.kind))
            self._by_kind[kind] = routes
        return matching(routes, event)

    def all_routes(self) -> Iterator[Route]:
        """Yield all routes, in their order."""
        for entry in self._entries:
            if isinstance(entry, Route):
                yield entry
            else:
                yield from entry.all_routes()

    def all_tables(self) -> Iterator[Table]:
        """Yield this table, and all that it includes."""
        yield self
        for entry in self._entries:
            if isinstance(entry, Table):
                yield from entry.all_tables()

    def all_error_handlers(self) -> list[ErrorHandler]:
        """Return all handlers of errors."""
        return [handler for table in self.all_tables() for handler in table.error_handlers]
