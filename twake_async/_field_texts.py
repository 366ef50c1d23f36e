"""Lets `help()` show the texts of the fields of a class, which stand below them in its source."""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["show_field_texts"]


class _Texts(dict[str, Any]):
    """The slots of a class with their texts, as `help()` looks for them; read when it does."""

    def __init__(self, cls: type, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names))
        self._cls: type | None = cls

    def __getitem__(self, name: str) -> Any:
        if self._cls is not None:
            cls, self._cls = self._cls, None
            self.update((one, text) for one, text in _read(cls).items() if one in self)
        return super().__getitem__(name)


def show_field_texts(module: str) -> None:
    """Let `help()` show the fields of the public classes of a module, and of their bases.

    Python shows the text of a slot where `__slots__` is a mapping; attrs makes a tuple of it. The
    source is read when `help()` is called: an import costs nothing more, and without the source
    there is no text.

    Args:
        module: The name of the module; its `__all__` names the classes.

    """
    found = sys.modules[module]
    for name in found.__all__:
        for cls in getattr(getattr(found, name), "__mro__", ()):
            slots = vars(cls).get("__slots__")
            if isinstance(slots, tuple) and cls.__module__.startswith("twake_async"):
                cls.__slots__ = _Texts(cls, slots)


def _read(cls: type) -> dict[str, str]:
    """Return the texts that stand below the fields of a class; none without its source."""
    try:
        tree = ast.parse(inspect.getsource(cls))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts = {}
    for field, below in itertools.pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            texts[field.target.id] = inspect.cleandoc(str(below.value.value))
    return texts
