"""Nodes that readers use: buttons, inputs and selects. The application gets what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, final

import attrs

from .checks import (
    has_label,
    is_context,
    is_flag,
    is_key,
    is_said,
    is_string,
    is_style,
    json_copy,
    refuse,
)
from .node import Child, Json, Node, Part, are_children, fill, in_brackets, normal
from .source import short_source


def _context(context: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
    """Return a copy of a context; what cannot be copied stays, and the validator refuses it."""
    try:
        return json_copy(dict(context)) or None if isinstance(context, Mapping) else context
    except ValueError:
        return context


_optional_text = attrs.validators.optional(is_string)
_optional_id = attrs.validators.optional(is_said)


@final
@attrs.frozen(init=False, repr=False)
class Button(Node, type_name="button"):
    """A button. A click sends `interactive_message_action` with its `action_id` to the application.

    A button that opens a link is `Url(…, button=True)`.

    Raises:
        InvalidDraftError: There is no label, no action id (a click would do nothing), the style is
            unknown, or JSON cannot hold the context.

    """

    # Source: `button`, dictionary lines 152-204.

    children: tuple[Child, ...] = attrs.field(validator=[are_children, has_label])
    """The label."""

    action_id: str = attrs.field(validator=is_said)
    """The name of the click for the application."""

    style: Literal["default", "primary", "danger"] | None = attrs.field(
        default=None, validator=is_style
    )
    """`default`, `primary` or `danger`; None is the client's own default."""

    inline: bool = attrs.field(default=False, validator=is_flag)
    """Whether to show it as underlined text within the line."""

    interactive_context: Mapping[str, Json] | None = attrs.field(
        default=None, validator=is_context, hash=False
    )
    """What the application gets with the click, besides the message."""

    key: str | None = attrs.field(default=None, validator=is_key)
    """The name that `UserSpecific` calls this node by, to show one reader another label."""

    def __init__(
        self,
        *children: Child,
        action_id: str,
        style: Literal["default", "primary", "danger"] | None = None,
        inline: bool = False,
        interactive_context: Mapping[str, Json] | None = None,
        key: str | None = None,
    ) -> None:
        fill(
            self,
            children=normal(children),
            action_id=action_id,
            style=style,
            inline=inline,
            interactive_context=_context(interactive_context),
            key=key,
        )

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the label in brackets."""
        return in_brackets(*self.children)


@final
@attrs.frozen(repr=False)
class Input(Node, type_name="input"):
    """A field to write in. The next click sends its text, in `form`.

    Raises:
        InvalidDraftError: There is no passive id (the application would not get the text), or JSON
            cannot hold the context.

    """

    # Source: `input`, dictionary lines 210-232.

    passive_id: str = attrs.field(validator=is_said)
    """The name of the field for the application."""

    content: str | None = attrs.field(default=None, validator=_optional_text, kw_only=True)
    """The text at first."""

    placeholder: str | None = attrs.field(default=None, validator=_optional_text, kw_only=True)
    """What the field shows while it is empty."""

    full_width: bool = attrs.field(default=False, validator=is_flag, kw_only=True)
    """Whether it takes the whole width of the message."""

    interactive_context: Mapping[str, Json] | None = attrs.field(
        default=None, validator=is_context, converter=_context, hash=False, kw_only=True
    )
    """What the application gets, besides the message."""

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the text of the field, in brackets."""
        return in_brackets(self.content or self.placeholder or "")


@attrs.frozen(repr=False)
class Option:
    """One choice of a `Select`.

    Raises:
        InvalidDraftError: The name is empty, or the name or the value is not text.

    """

    name: str = attrs.field(validator=is_said)
    """What the reader sees."""

    value: str = attrs.field(validator=is_string)
    """What the application gets."""

    selected: bool = attrs.field(default=False, validator=is_flag)
    """Whether it is chosen at first."""

    def __repr__(self) -> str:
        return short_source(self)


def _are_options(owner: object, field: attrs.Attribute[Any], value: tuple[object, ...]) -> None:
    """Refuse an empty list, what is not an option, and two options that are selected."""
    if not value:
        refuse(owner, field.name, "a select without values blanks the whole message")
    for place, option in enumerate(value):
        if not isinstance(option, Option):
            refuse(owner, field.name, f"item {place} is {type(option).__name__}, not an Option")
    if sum(option.selected for option in value if isinstance(option, Option)) > 1:
        refuse(owner, field.name, "only one option can be selected")


@final
@attrs.frozen(init=False, repr=False)
class Select(Node, type_name="select"):
    """A list to choose from. Text as an option is both its name and its value.

    Raises:
        InvalidDraftError: There is no option (which blanks the whole message), more than one is
            selected, there is neither an action id nor a passive id (the application would not
            get the choice), or JSON cannot hold the context.

    """

    # Source: `select`, dictionary lines 233-273.

    values: tuple[Option, ...] = attrs.field(validator=_are_options)
    """The options, at least one."""

    title: str | None = attrs.field(default=None, validator=_optional_text)
    """What it shows while nothing is chosen."""

    action_id: str | None = attrs.field(default=None, validator=_optional_id)
    """If given, the application gets each choice at once."""

    passive_id: str | None = attrs.field(default=None, validator=_optional_id)
    """If given, the next click sends the choice, in `form`."""

    full_width: bool = attrs.field(default=False, validator=is_flag)
    """Whether it takes the whole width of the message."""

    interactive_context: Mapping[str, Json] | None = attrs.field(
        default=None, validator=is_context, hash=False
    )
    """What the application gets, besides the message."""

    def __init__(
        self,
        *values: Option | str,
        title: str | None = None,
        action_id: str | None = None,
        passive_id: str | None = None,
        full_width: bool = False,
        interactive_context: Mapping[str, Json] | None = None,
    ) -> None:
        options = tuple(Option(one, one) if isinstance(one, str) else one for one in values)
        fill(
            self,
            values=options,
            title=title,
            action_id=action_id,
            passive_id=passive_id,
            full_width=full_width,
            interactive_context=_context(interactive_context),
        )
        if action_id is None and passive_id is None:
            refuse(
                self,
                "action_id",
                "without it, or a passive_id, the application does not get the choice",
            )

    def reading(self) -> Iterable[Part]:
        """Return what a reader reads: the title and what is selected, in brackets."""
        chosen = next((option.name for option in self.values if option.selected), None)
        seen = [text for text in (self.title, chosen) if text]
        return in_brackets(": ".join(seen) or self.values[0].name)
