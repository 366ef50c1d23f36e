"""One short line for the `repr` of a value: what matters first, long texts cut. No I/O."""

from __future__ import annotations

import reprlib
from typing import Any, Final

__all__ = ["excerpt", "summary"]

_LONGEST: Final = 40
"""The most characters of a text that is shown."""

_cutting = reprlib.Repr()
_cutting.maxdict = _cutting.maxlist = _cutting.maxtuple = 3
_cutting.maxstring = _cutting.maxother = _LONGEST
_cutting.maxlevel = 3


def excerpt(value: object) -> str:
    """Return the `repr` of a value: a text is cut after 40 characters, all else after 60."""
    if isinstance(value, str):
        return repr(_cut(value, _LONGEST))
    is_group = isinstance(value, dict | list | tuple)
    return _cut(_cutting.repr(value) if is_group else repr(value), _LONGEST + 20)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def summary(value: object, *words: str, **fields: Any) -> str:
    """Return "<Class words field=value flag>".

    Args:
        value: The value, for the name of its class.
        words: What comes first, as it is; empty words are left out.
        fields: What comes after that. Fields that are None, False or empty are left out; a field
            that is True is shown as its name only.

    """
    told = [type(value).__name__, *(word for word in words if word)]
    for name, field in fields.items():
        if field is True:
            told.append(name)
        elif field:
            told.append(f"{name}={_plain(field)}")
    return f"<{' '.join(told)}>"


def _plain(field: object) -> str:
    """Return a word, such as an id, without quotes, and all else as its excerpt."""
    if isinstance(field, str) and len(field) <= _LONGEST and field.isprintable():
        return field if " " not in field else repr(field)
    return excerpt(field)
