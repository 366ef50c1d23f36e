"""Reads Twacode that somebody typed: JSON, or a Python expression, which is never executed."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from twake_async.errors import InvalidDraftError

from ._nodes.classes import NODE_CLASSES
from ._nodes.forms import Option
from ._nodes.node import Child, Content, Node
from ._nodes.unknown import Unknown

LONGEST: Final = 100_000
"""The most characters that are read."""

_DEEPEST: Final = 100
"""How deep calls, lists and objects may be nested."""

_MOST: Final = 20_000
"""How many parts an expression may have."""

_KNOWN: Final[tuple[type[Any], ...]] = (*NODE_CLASSES.values(), Content, Option, Unknown)
_CLASSES: Final[Mapping[str, Callable[..., Any]]] = {cls.__name__: cls for cls in _KNOWN}
"""What an expression may call."""


class ExpressionError(ValueError):
    """The text is no Twacode, or too much of it; the message says where and why."""


def read_content(text: str) -> Any:
    """Return the content that a text describes, as JSON or as a tree.

    Args:
        text: JSON, or a Python expression of the classes of `twake_async.twacode`.

    Returns:
        What `json.loads` returns, or text, a node or a `Content`.

    Raises:
        ExpressionError: It is neither, or larger or deeper than what is read.
        InvalidDraftError: A node of the expression is refused.

    """
    if len(text) > LONGEST:
        raise ExpressionError(f"it has {len(text)} characters: at most {LONGEST} are read")
    try:
        return _bounded(json.loads(text))
    except RecursionError:
        raise ExpressionError(_TOO_DEEP) from None
    except ValueError as exc:
        if isinstance(exc, ExpressionError):
            raise
        if text.lstrip()[:1] in ("{", "["):  # no node begins like that
            raise ExpressionError(f"this is no JSON: {exc}") from None
    return read_expression(text)


_TOO_DEEP: Final = f"it is nested deeper than {_DEEPEST} levels"


def _bounded(value: Any) -> Any:
    """Return JSON that is not nested too deep."""
    work = [(value, 1)]
    while work:
        item, depth = work.pop()
        if isinstance(item, list | dict):
            if depth > _DEEPEST:
                raise ExpressionError(_TOO_DEEP)
            inner = item if isinstance(item, list) else item.values()
            work.extend((one, depth + 1) for one in inner)
    return value


def read_expression(text: str) -> Child:
    """Return the tree that a Python expression of Twacode's classes describes.

    The expression is read and not executed. It may have several lines. It has calls of those
    classes by their names, `+`, and literals: text, numbers, True, False, None, lists, tuples and
    dictionaries.

    Raises:
        ExpressionError: It has something else, or is larger or deeper than what is read.
        InvalidDraftError: A node is refused.

    """
    try:
        parsed = ast.parse(f"({text.strip()}\n)", mode="eval").body
    except SyntaxError as exc:
        raise ExpressionError(f"line {exc.lineno or 1}: {exc.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("this cannot be read as Python") from None
    _check_size(parsed)
    made = _value(parsed)
    if not isinstance(made, str | Node):
        raise ExpressionError(f"this is {type(made).__name__}, and not text or a node")
    return made


def _check_size(parsed: ast.expr) -> None:
    work: list[tuple[ast.AST, int]] = [(parsed, 1)]
    count = 0
    while work:
        item, depth = work.pop()
        count += 1
        if depth > _DEEPEST:
            raise ExpressionError(_TOO_DEEP)
        if count > _MOST:
            raise ExpressionError(f"it has more than {_MOST} parts")
        if isinstance(item, ast.BinOp):  # a long sum is deep in Python, and in nothing else
            terms = _terms(item)
            work.extend((term, depth + 1) for term in terms)
        else:
            work.extend((one, depth + 1) for one in ast.iter_child_nodes(item))


def _terms(sum_of: ast.expr) -> list[ast.expr]:
    """Return the terms of a sum, in order."""
    terms: list[ast.expr] = []
    while isinstance(sum_of, ast.BinOp):
        if not isinstance(sum_of.op, ast.Add):
            raise _not_allowed(sum_of, "an operator other than +")
        terms.append(sum_of.right)
        sum_of = sum_of.left
    return [sum_of, *reversed(terms)]


def _not_allowed(item: ast.expr, what: str) -> ExpressionError:
    known = "the classes of twake_async.twacode, +, and literals"
    return ExpressionError(f"line {item.lineno}: {what} is not read here, only {known}")


def _value(item: ast.expr) -> Any:
    """Return the value of one part of an expression."""
    if isinstance(item, ast.Constant):
        return _literal(item)
    if isinstance(item, ast.BinOp):
        return _sum(item)
    if isinstance(item, ast.Call):
        return _made(item)
    if isinstance(item, ast.List | ast.Tuple):
        return [_value(one) for one in item.elts]
    if isinstance(item, ast.Dict):
        return _mapping(item)
    if isinstance(item, ast.UnaryOp) and isinstance(item.op, ast.USub):
        number = _value(item.operand)
        if isinstance(number, int | float):
            return -number
    raise _not_allowed(item, f"this ({type(item).__name__})")


def _literal(item: ast.Constant) -> Any:
    value = item.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise _not_allowed(item, f"a {type(value).__name__}")


def _mapping(item: ast.Dict) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in zip(item.keys, item.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise _not_allowed(item, "a dictionary with a key that is no text")
        found[key.value] = _value(value)
    return found


def _sum(item: ast.BinOp) -> Any:
    values = [_value(term) for term in _terms(item)]
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    if not all(isinstance(value, str | Node) for value in values):
        raise _not_allowed(item, "a sum of anything but text and nodes")
    items: list[Child] = []
    for value in values:
        items.extend(value if isinstance(value, Content) else (value,))
    return Content(*items)


def _made(item: ast.Call) -> Any:
    """Return the node that a call makes."""
    name = item.func.id if isinstance(item.func, ast.Name) else ""
    cls = _CLASSES.get(name)
    if cls is None:
        raise _not_allowed(item, f"a call of {ast.unparse(item.func)[:60]}")
    if any(keyword.arg is None for keyword in item.keywords):
        raise _not_allowed(item, "**")
    given = [_value(one) for one in item.args]
    named = {keyword.arg or "": _value(keyword.value) for keyword in item.keywords}
    if "marker" in named:
        raise _not_allowed(item, "a marker")
    try:
        return cls(*given, **named)
    except InvalidDraftError:
        raise
    except (TypeError, ValueError, AttributeError) as exc:
        told = str(exc).replace("__init__", "").replace("..", ".")
        raise ExpressionError(f"line {item.lineno}: {name}: {told}") from None
