"""The buttons, inputs and selects that a web client shows for a content.

Source: the dictionary of Twacode (TWACODE.md). On the Node server, the same nodes stand in blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import define

from twake_async.sandbox._user.people import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Control", "chosen", "controls", "filled"]

_WITH_CHILDREN = frozenset(
    {
        *("text", "text_block_parent", "underline", "strikethrough", "bold", "italic"),
        *("mquote", "quote", "nop", "attachment", "system", "url", "button"),
        *("_", "__", "~~", "*", "**", ">", ">>>"),
    }
)
"""The nodes that show their content; the client shows no button inside any other node."""


@define(frozen=True, slots=True)
class Control:
    """Something to click on, to write in or to choose from."""

    kind: Literal["button", "input", "select"]
    action_id: str | None
    name: str | None
    """The name of its value in a form."""
    context: Any
    options: tuple[str, ...] = ()
    """The values of a select."""


def controls(content: Any) -> Iterator[Control]:
    """Return the controls of a content, in the order in which they are shown."""
    if isinstance(content, list):
        for item in content:
            yield from controls(item)
        return
    if not isinstance(content, dict):
        return
    kind = content.get("type") or content.get("start")
    if kind is None:
        yield from controls(content.get("formatted") or content.get("prepared"))
    elif kind == "twacode":
        yield from controls(content.get("elements"))
    elif kind in ("button", "input", "select"):
        yield _control(kind, content)
    if kind in _WITH_CHILDREN:
        yield from controls(content.get("content"))


def _control(kind: Any, node: Mapping[str, Any]) -> Control:
    action_id, passive_id = node.get("action_id"), node.get("passive_id")
    context = node.get("interactive_context") or {}
    if kind == "button":
        return Control("button", action_id, None, context)
    if kind == "input":
        return Control("input", None, passive_id, context)
    values = node.get("values")
    given = values if isinstance(values, list) else []
    options = tuple(str(one.get("value")) for one in given if isinstance(one, dict))
    return Control("select", action_id, passive_id or action_id, context, options)


def chosen(found: list[Control], action_id: str, who: str) -> Control:
    """Return the control with that action.

    Args:
        found: The controls that the person sees.
        action_id: The action.
        who: The name of the person.

    Raises:
        LookupError: The person sees no such control.

    """
    for control in found:
        if control.action_id == action_id:
            return control
    seen = names([one.action_id for one in found if one.action_id])
    raise LookupError(f"{who} sees no {action_id!r} to click on, but {seen}")


def filled(found: list[Control], control: Control, form: Mapping[str, Any], who: str) -> Any:
    """Return the form that a click on a control sends: what the person wrote and chose.

    Raises:
        LookupError: The person sees no such input, or no such option in a select; or the
            person chooses nothing in the select.

    """
    fields = {one.name: one for one in found if one.name}
    for name, value in form.items():
        if name not in fields:
            raise LookupError(f"{who} sees no input {name!r}, but {names([*map(str, fields)])}")
        options = fields[name].options
        if fields[name].kind == "select" and value not in options:
            raise LookupError(
                f"{who} cannot choose {value!r} in {name!r}, but {names(list(options))}"
            )
    if control.kind == "select" and control.name not in form:
        raise LookupError(
            f"say what {who} chooses, as form={{{control.name!r}: ...}}: "
            f"{names(list(control.options))}"
        )
    return dict(form)
