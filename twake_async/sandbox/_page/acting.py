"""The acts on the page: each becomes an act of a person, or a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from twake_async.sandbox._faults.fault import failure, late, refused
from twake_async.sandbox._page.builder import built

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from twake_async.sandbox._twake import Twake
    from twake_async.sandbox._user.acts import Acts

__all__ = ["FAULTS", "ActError", "Acting"]

FAULTS: Mapping[str, str] = {
    "lost_answer": "the next save is stored, its answer is lost",
    "lost_request": "the next save is lost before it is stored",
    "refuse": "the next save is refused (429)",
    "refuse_group": "the next save is refused: no such group",
    "slow": "the next save is answered 5 seconds late",
    "unreachable": "unreachable for 5 seconds, this page too",
    "none": "all is well again",
}
"""The faults that a person can ask for by hand, with a label."""

_SECONDS = 5.0
"""Seconds by which an answer is late, or for which the sandbox cannot be reached."""
_LONGEST = 10_000
"""The most characters of a typed line."""


class ActError(ValueError):
    """The page asked for an unknown act, or for one with wrong fields."""


@define(frozen=True, slots=True)
class Acting:
    """The acts of the page."""

    twake: Twake
    acts: Acts
    be_unreachable: Callable[[float], None]
    """Makes the sandbox unreachable for some seconds."""

    async def act(self, given: Any) -> Any:
        """Do what the page asks for, and return the answer for the page.

        Raises:
            ActError: The act is unknown, or a field is wrong.
            LookupError: The person does not see the message, or what else the act names.
            RuntimeError: Nothing is posted to the application.

        """
        if not isinstance(given, dict):
            raise ActError("an object is needed")
        do = _text(given, "do")
        if do == "build":
            return built(_text(given, "text", longest=200_000), reader_id=self._reader(given))
        if do == "fault":
            return self._fault(_text(given, "fault"))
        await self._known(do)(given)
        return {}

    def _known(self, do: str) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
        known: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "type": self._type,
            "click": self._click,
            "edit": self._edit,
            "remove": self._remove,
            "react": self._react,
            "pin": self._pin,
            "menu": self._menu,
            "icon": self._icon,
            "configure": self._configure,
            "window": self._window,
        }
        if do not in known:
            raise ActError(f"nothing here is called {do[:40]!r}")
        return known[do]

    def _reader(self, given: Mapping[str, Any]) -> str:
        users = self.twake.seed.get("users", {}).values()
        name = _text(given, "user")
        return next((str(one["id"]) for one in users if one.get("username") == name), name)

    async def _type(self, given: Mapping[str, Any]) -> None:
        text = _text(given, "text")
        if not text.strip():
            raise ActError("there is nothing to say")
        await self.acts.type(
            text, _text(given, "user"), _text(given, "channel"), _text(given, "parent", empty=True)
        )

    async def _click(self, given: Mapping[str, Any]) -> None:
        await self.acts.click(
            _text(given, "message"), _text(given, "action"), _text(given, "user"), _form(given)
        )

    async def _window(self, given: Mapping[str, Any]) -> None:
        await self.acts.configuration_click(
            _text(given, "action"), _text(given, "user"), _form(given)
        )

    async def _edit(self, given: Mapping[str, Any]) -> None:
        await self.acts.edit(_text(given, "message"), _text(given, "user"), _text(given, "text"))

    async def _remove(self, given: Mapping[str, Any]) -> None:
        await self.acts.remove(_text(given, "message"), _text(given, "user"))

    async def _react(self, given: Mapping[str, Any]) -> None:
        emoji = _text(given, "emoji", empty=True)
        wanted = [emoji] if emoji else []
        await self.acts.react(_text(given, "message"), _text(given, "user"), wanted)

    async def _pin(self, given: Mapping[str, Any]) -> None:
        pinned = given.get("pinned") is True
        await self.acts.pin(_text(given, "message"), _text(given, "user"), pinned=pinned)

    async def _menu(self, given: Mapping[str, Any]) -> None:
        application = _text(given, "application", empty=True) or None
        await self.acts.open_menu(_text(given, "message"), _text(given, "user"), application)

    async def _icon(self, given: Mapping[str, Any]) -> None:
        where = _text(given, "channel"), _text(given, "parent", empty=True)
        application = _text(given, "application", empty=True) or None
        await self.acts.open_icon(_text(given, "user"), *where, application)

    async def _configure(self, given: Mapping[str, Any]) -> None:
        where, application = _text(given, "channel"), _text(given, "application", empty=True)
        await self.acts.configure("channel", _text(given, "user"), where, application or None)

    def _fault(self, name: str) -> dict[str, Any]:
        if name not in FAULTS:
            raise ActError(f"no fault here is called {name[:40]!r}")
        if name == "none":
            self.twake.forget_faults()
        elif name == "unreachable":
            self.be_unreachable(_SECONDS)
        else:
            fault = {
                "lost_answer": failure(None, "close"),
                "lost_request": failure("close", None),
                "refuse": refused(429, None),
                "refuse_group": refused("group", None),
                "slow": late(_SECONDS),
            }[name]
            self.twake.add_fault(fault, 1, "write")
        return {}


def _text(
    given: Mapping[str, Any], name: str, *, empty: bool = False, longest: int = _LONGEST
) -> str:
    """Return a field of an act.

    Raises:
        ActError: The field is no text, empty or too long.

    """
    value = given.get(name, "" if empty else None)
    if not isinstance(value, str) or (not value and not empty and name != "text"):
        raise ActError(f"{name}: text is needed")
    if len(value) > longest:
        raise ActError(f"{name}: it has more than {longest} characters")
    return value


def _form(given: Mapping[str, Any]) -> dict[str, str]:
    form = given.get("form", {})
    if not isinstance(form, dict) or not all(isinstance(one, str) for one in form.values()):
        raise ActError("form: an object of texts is needed")
    return form
