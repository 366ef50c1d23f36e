"""The floors of the house, as pyproject.toml lists them for import-linter, and their modules."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

from places import ROOT

if TYPE_CHECKING:
    import pathlib

__all__ = ["PACKAGE", "drawing", "floors", "folders", "module_path", "modules"]

PACKAGE = "twake_async"
_CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]


def modules() -> list[pathlib.Path]:
    """Return the files of the package."""
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def folders() -> set[str]:
    """Return the dotted names of the package and of the folders in it."""
    inits = (path.parent.relative_to(ROOT) for path in modules() if path.name == "__init__.py")
    return {".".join(folder.parts) for folder in inits}


def floors() -> dict[str, list[list[str]]]:
    """Return, for each folder, its floors from the highest down, each with its rooms."""
    return {
        folder: [
            [room.strip() for room in re.split(r"[|:]", layer)] for layer in contract["layers"]
        ]
        for contract in _CONTRACTS
        for folder in contract["containers"]
    }


def module_path(name: str) -> pathlib.Path:
    """Return the file of a module or a package by its dotted name."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _sentence(name: str) -> str:
    """Return the first sentence of a room's docstring."""
    doc = ast.get_docstring(ast.parse(module_path(name).read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s|\n\n", doc, maxsplit=1)[0].replace("\n", " ")


def _rows(folder: str, indent: str) -> list[str]:
    rows = []
    for floor in floors()[folder]:
        for room in floor:
            name = f"{folder}.{room}"
            is_folder = name in folders()
            label = f"{indent}{room}{'/' if is_folder else ''}"
            rows.append(f"{label:<22} {_sentence(name)}")
            if is_folder and room.startswith("_"):
                rows += _rows(name, indent + "  ")
        rows.append("")
    return rows[:-1] if not indent else [row for row in rows if row]


def drawing() -> str:
    """Return the house, its highest floor first: each room and its purpose."""
    return "\n".join(["```", *_rows(PACKAGE, ""), "```", ""])
