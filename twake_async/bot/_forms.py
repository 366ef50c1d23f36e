"""Makes the form of an event into a class of the author, or says what is wrong with it. No I/O.

A browser sends what people type as strings. So "7" is a number, and "" is nothing.
"""

from __future__ import annotations

import enum
import functools
import types
import typing
from typing import TYPE_CHECKING, Any, Union

import attrs
import cattrs
from cattrs.errors import ClassValidationError

from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Form", "FormError"]

_TRUE, _FALSE = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0", ""})


class FormError(ValueError):
    """A form is not what the handler takes; its words are for the user."""


class _MisfitError(ValueError):
    """A value does not fit; its words complete "<field> ..."."""


def _shown(value: Any) -> str:
    shown = value if isinstance(value, str) else str(value)
    return f"“{shown[:40]}…”" if len(shown) > 41 else f"“{shown}”"


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any, _: Any) -> str:
    if isinstance(value, str):
        return value
    if type(value) in (int, float):
        return str(value)
    raise _MisfitError("is missing" if value is None else "must be a text")


def _flag(value: Any, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = "" if value is None else str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _MisfitError(f"must be yes or no, not {_shown(value)}")


def _whole(value: Any, _: Any) -> int:
    found: int = _number(value, int, "a whole number")
    return found


def _decimal(value: Any, _: Any) -> float:
    found: float = _number(value, float, "a number")
    return found


def _number(value: Any, kind: Callable[[Any], Any], words: str) -> Any:
    if _is_blank(value):
        raise _MisfitError("is missing")
    given = type(value)
    # int(7.5) would be 7, and int(True) 1.
    if given is str or given is int or given is kind or (given is float and value.is_integer()):
        try:
            found = kind(value)
        except (ValueError, OverflowError):
            pass
        else:
            if found - found == 0:  # neither infinite nor nan
                return found
    raise _MisfitError(f"must be {words}, not {_shown(value)}")


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    for kind, hook in ((str, _text), (bool, _flag), (int, _whole), (float, _decimal)):
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(_is_optional, _optional_hook)
    converter.register_structure_hook_factory(_is_choice, _choice_hook)
    return converter


def _is_optional(kind: Any) -> bool:
    if typing.get_origin(kind) not in (Union, types.UnionType):
        return False
    return type(None) in typing.get_args(kind) and len(typing.get_args(kind)) == 2


def _optional_hook(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
    [inner] = [one for one in typing.get_args(kind) if one is not type(None)]
    hook = converter.get_structure_hook(inner)
    return lambda value, _: None if _is_blank(value) else hook(value, inner)


def _is_choice(kind: Any) -> bool:
    is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
    return is_enum or typing.get_origin(kind) is typing.Literal


def _choice_hook(kind: Any) -> Callable[[Any, Any], Any]:
    """Return what finds a member of an enum, or a literal, by the string of its value."""
    choices: dict[str, Any] = {str(one): one for one in typing.get_args(kind)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = {str(member.value): member for member in kind}

    def find(value: Any, _: Any) -> Any:
        if _is_blank(value) and "" not in choices:
            raise _MisfitError("is missing")
        found = choices.get(str(value), _NONE)
        if found is _NONE:
            raise _MisfitError(
                f"must be one of {', '.join(filter(None, choices))}, not {_shown(value)}"
            )
        return found

    return find


_NONE = object()


@attrs.define(eq=False, init=False, repr=False)
class Form:
    """The class that a form is made into.

    Raises:
        ConfigurationError: cattrs cannot make it.

    """

    kind: type[Any]
    _structure: Callable[[Any, Any], Any]

    def __init__(self, kind: type[Any]) -> None:
        if not isinstance(kind, type):
            raise ConfigurationError("form must be a class", field="form")
        try:
            self._structure = _converter().get_structure_hook(kind)
        except Exception as exc:
            raise ConfigurationError(
                f"no form can be made into {kind.__qualname__}: {exc}", field="form"
            ) from exc
        self.kind = kind

    def read(self, form: Mapping[str, Any]) -> Any:
        """Return the form of an event as an object of the class.

        Raises:
            FormError: It does not fit.

        """
        try:
            return self._structure(form, self.kind)
        except (ValueError, TypeError, LookupError, cattrs.BaseValidationError) as exc:
            if _is_bug(exc):
                raise
            said = FormError("\n".join(dict.fromkeys(_explain(exc, ""))))
        raise said  # outside of the `except`: it is for the user, and needs no cause


def _is_bug(exc: BaseException) -> bool:
    """Say whether an exception is none that a form can cause."""
    if isinstance(exc, BaseExceptionGroup):
        return any(map(_is_bug, exc.exceptions))
    return not isinstance(exc, ValueError | TypeError | LookupError)


def _explain(exc: Any, field: str) -> Iterator[str]:
    """Yield what is wrong, one sentence for each field."""
    if isinstance(exc, ClassValidationError | cattrs.IterableValidationError):
        for inner in exc.exceptions:
            note = next(
                (one for one in getattr(inner, "__notes__", ()) if hasattr(one, "type")), None
            )
            name = str(getattr(note, "name", "") or field)
            yield from _explain(inner, name)
    elif isinstance(exc, KeyError) and field:
        yield f"{field} is missing."
    elif isinstance(exc, _MisfitError):
        yield f"{field} {exc}.".lstrip()
    else:
        yield _of_validator(exc, field)


def _of_validator(exc: BaseException, field: str) -> str:
    """Return the words of a validator; attrs gives more arguments than its words."""
    words = str(exc.args[0]) if isinstance(exc, ValueError) and exc.args else ""
    if not words:
        return f"{field or 'The form'} does not fit."
    return f"{field}: {words}" if field else words
