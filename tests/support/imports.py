"""The imports of a module, read from its source text."""

from __future__ import annotations

import ast
import pathlib

from attrs import frozen
from places import ROOT

__all__ = ["Import", "imports_of", "module_name"]


@frozen
class Import:
    """One name that a module imports: absolute, dotted, and where."""

    name: str
    line: int
    at_run_time: bool


def module_name(path: pathlib.Path) -> str:
    """Return the dotted name of a module of the package, from its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.expr) -> bool:
    """Say whether an `if` asks for TYPE_CHECKING, by its bare or its dotted name."""
    return (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING") or (
        isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING"
    )


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """Return the module that a `from` import names, with its leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + is_package
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """Return every import of a module, in functions and in branches too."""
    found: list[Import] = []

    def walk(node: ast.AST, *, at_run_time: bool) -> None:
        if isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                walk(child, at_run_time=False)
            for child in node.orelse:
                walk(child, at_run_time=at_run_time)
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = absolute(node, module, is_package=is_package)
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            names = []
        found.extend(Import(name, node.lineno, at_run_time) for name in names)
        for child in ast.iter_child_nodes(node):
            walk(child, at_run_time=at_run_time)

    walk(ast.parse(source), at_run_time=True)
    return found
