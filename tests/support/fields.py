"""The texts that stand below the fields of classes in their source."""

from __future__ import annotations

import ast
import inspect
import itertools

__all__ = ["field_texts"]


def field_texts(cls: type) -> dict[str, str]:
    """Return the texts of the public fields that a class itself defines."""
    body = ast.parse(inspect.getsource(cls)).body[0].body
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and not field.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(field.annotation)
    }
