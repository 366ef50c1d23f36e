"""Converts the form of an event into an object, or says what is wrong with it. No I/O.

A browser sends what people type as strings. So "7" is a number, and "" is nothing.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Union

import attrs
import cattrs
from cattrs.errors import ClassValidationError

from twake_async._printable import printable
from twake_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Form", "FormError"]

#: The most entries of a list. A browser may send a million, each with an error of its own.
_MOST_ENTRIES = 1_000
#: The limits of a message to a user: lines, and characters of each line.
_MOST_LINES, _LONGEST_LINE = 10, 300

_TRUE, _FALSE = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0", ""})


class FormError(ValueError):
    """A form does not fit the class of the handler; the message is for the user."""


class _MisfitError(ValueError):
    """A value does not fit; the message completes "<field> ..."."""


def _shown(value: Any) -> str:
    shown = value if isinstance(value, str) else str(value)
    return f"“{printable(shown, 41)}”"


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
    _shape_first(converter, _is_list, _entries)
    _shape_first(converter, _has_fields, _fields)
    return converter


def _shape_first(
    converter: cattrs.Converter, is_one: Callable[[Any], bool], shape: Callable[[Any], Any]
) -> None:
    """Convert values for some types into the shape that the hooks of cattrs expect."""
    found: list[Any] = []  # types whose hook of cattrs is looked for

    def make(kind: Any, converter: cattrs.BaseConverter) -> Callable[[Any, Any], Any]:
        found.append(kind)
        try:
            hook = converter.get_structure_hook(kind, cache_result=False)
        finally:
            found.remove(kind)
        return lambda value, kind: hook(shape(value), kind)

    converter.register_structure_hook_factory(lambda kind: kind not in found and is_one(kind), make)


def _class_of(kind: Any) -> Any:
    found = typing.get_origin(kind) or kind
    return found if isinstance(found, type) else None


def _is_list(kind: Any) -> bool:
    found = _class_of(kind)
    if found is None or issubclass(found, str | bytes) or hasattr(found, "_fields"):
        return False
    return issubclass(found, Sequence | AbstractSet)


def _entries(value: Any) -> list[Any]:
    """Return the entries of a list. PHP may send an object for it; one choice may come alone."""
    if isinstance(value, Mapping):
        if not all(map(str.isdecimal, value)):
            raise _MisfitError("must be a list")
        value = list(value.values())
    if isinstance(value, list):
        if len(value) > _MOST_ENTRIES:
            raise _MisfitError(f"has more than {_MOST_ENTRIES} entries")
        return value
    return [] if _is_blank(value) else [value]


def _has_fields(kind: Any) -> bool:
    found = _class_of(kind)
    if found is None:
        return False
    return attrs.has(found) or dataclasses.is_dataclass(found) or issubclass(found, Mapping)


def _fields(value: Any) -> Mapping[str, Any]:
    """Return the fields of an object; PHP writes an empty one as an empty list."""
    if value == []:
        return {}
    if not isinstance(value, Mapping):
        raise _MisfitError("is missing" if _is_blank(value) else "does not fit")
    return value


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
    """Return a hook that finds a member of an enum, or a literal, by the string of its value."""
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
    """The class that a form is converted into.

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
            said = FormError(_words(exc))
        raise said  # outside of the `except`: it is for the user, and needs no cause


def _words(exc: BaseException) -> str:
    """Return what is wrong, shortened: a validator may quote all that the browser sent."""
    lines = list(itertools.islice(dict.fromkeys(_explain(exc, "")), _MOST_LINES + 1))
    cut = [line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…" for line in lines]
    return "\n".join(cut if len(cut) <= _MOST_LINES else [*cut[:_MOST_LINES], "…"])


def _is_bug(exc: BaseException) -> bool:
    """Say whether an exception is a bug, which no form can cause."""
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
    """Return the message of a validator; attrs gives more arguments than the message."""
    words = str(exc.args[0]) if isinstance(exc, ValueError) and exc.args else ""
    if not words:
        return f"{field or 'The form'} does not fit."
    return f"{field}: {words}" if field else words
