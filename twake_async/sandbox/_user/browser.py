"""The events that a person's browser sends, in the form of either generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._events import node, v1
from twake_async.sandbox._releases.server import NODE_RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twake_async.sandbox._events.outgoing import Outgoing
    from twake_async.sandbox._world.rows import App, User, Window
    from twake_async.sandbox._world.world import World

__all__ = ["Browser"]


@define(frozen=True, slots=True)
class Browser:
    """The browser of one person, in one workspace."""

    world: World
    release: str
    user: User
    workspace: Mapping[str, Any]
    """The id and the name of the workspace, and its group."""

    @property
    def is_node(self) -> bool:
        """Whether it posts to a Node server."""
        return self.release in NODE_RELEASES

    def command(self, app: App, text: str, channel: Mapping[str, Any], thread: Any) -> Outgoing:
        """Return the event of a command.

        Args:
            app: The application.
            text: The text after the name of the command.
            channel: The channel.
            thread: The message that began the thread; None outside a thread.

        """
        within = {"thread" if self.is_node else "parent_message": thread}
        data = {"command": text, "channel": self._channel(channel), **within}
        return self.event(app, "action", "command", data)

    def icon(self, app: App, channel: Mapping[str, Any], thread: Any) -> Outgoing:
        """Return the event of a click on the application's icon."""
        data = {"channel": self._channel(channel), "parent_message": thread, "from_icon": True}
        return self.event(app, "action", "open", data)

    def menu(self, app: App, channel: Mapping[str, Any], thread: Any, message: Any) -> Outgoing:
        """Return the event of a choice in the menu of a message."""
        within = {"thread" if self.is_node else "parent_message": thread}
        data = {"channel": self._channel(channel), **within, "message": message}
        return self.event(app, "action", "action", data)

    def click(self, app: App, action_id: str, context: Any, form: Any, message: Any) -> Outgoing:
        """Return the event of a click in a message."""
        data = {"interactive_context": context, "form": form, "message": message}
        return self.event(app, "interactive_message_action", action_id, data)

    def window_click(
        self, app: App, action_id: str, context: Any, form: Any, window: Window
    ) -> Outgoing:
        """Return the event of a click in a configuration window."""
        data = {"interactive_context": context, "form": form, "hidden_data": window.hidden_data}
        if self.is_node:
            data["configurator_id"] = window.id
        return self.event(app, "interactive_configuration_action", action_id, data)

    def configuration(self, app: App, place: str, channel: Mapping[str, Any]) -> Outgoing:
        """Return the event that asks to configure an application, in a channel or a workspace."""
        data = {"channel": self._channel(channel)} if place == "channel" else {}
        return self.event(app, "configuration", place, data)

    def _channel(self, channel: Mapping[str, Any]) -> dict[str, Any]:
        return node.browser_channel(channel) if self.is_node else v1.browser_channel(channel)

    def event(self, app: App, kind: str, name: str, data: Mapping[str, Any]) -> Outgoing:
        """Return an event as the web application sends it: with the identity of the user."""
        if self.is_node:
            who = {"id": self.user.id, "username": self.user.name}
            return self.any_event(app, kind, name, {"user": who, **data})
        return self.any_event(app, kind, name, {**data, "connection_id": self.user.connection_id})

    def any_event(self, app: App, kind: str, name: str, data: Mapping[str, Any]) -> Outgoing:
        """Return an event with any data; the server adds only the identity of the user."""
        group = self.workspace["group"]
        if self.is_node:
            return node.browser_event(
                app,
                kind,
                name,
                data,
                connection_id=self.user.connection_id,
                user_id=self.user.id,
                company_id=group["id"],
                workspace_id=self.workspace["id"],
            )
        return v1.browser_event(
            self.world,
            app.id,
            kind,
            name,
            data,
            user=self.user,
            workspace=self.workspace,
            release=self.release,
        )
