"""The drawing of the house in CONTRIBUTING: each room, its floor, and the rooms that it imports.

`python tests/house.py` writes it there; tests/test_house.py holds it to be what the code does.
"""

from __future__ import annotations

import pathlib
import re

from test_layers import FLOORS, MODULES, PACKAGE, imports_of, module_name, room_of

PAPER = pathlib.Path(__file__).parents[1] / "CONTRIBUTING.md"
_PLACE = re.compile(r"(?<=<!-- the house begins -->\n)(.*?)(?=<!-- the house ends -->)", re.DOTALL)
FACE = "the face"


def run_time_imports() -> dict[str, set[str]]:
    """The rooms that each room imports when the program runs; types alone do not count."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        name = module_name(path)
        room = room_of(name)
        source = path.read_text(encoding="utf-8")
        inner = found.setdefault(room, set())
        for one in imports_of(source, name, is_package=path.name == "__init__.py"):
            if one.at_run_time and one.name.partition(".")[0] == PACKAGE:
                inner |= {room_of(one.name)} - {room}
    return found


def drawing() -> str:
    """The house, its highest floor first."""
    imports = run_time_imports()
    rows = [("floor", "room", "imports, when the program runs")]
    for room in sorted(imports, key=lambda room: (-FLOORS[room], room)):
        below = sorted(imports[room], key=lambda other: (-FLOORS[other], other))
        rows.append((str(FLOORS[room]), room or FACE, " ".join(one or FACE for one in below)))
    lines = [f"{floor:<6} {room:<15} {below}".rstrip() for floor, room, below in rows]
    return "```\n" + "\n".join(lines) + "\n```\n"


def drawn() -> str:
    """What stands in CONTRIBUTING."""
    found = _PLACE.search(PAPER.read_text(encoding="utf-8"))
    return found[0] if found else ""


if __name__ == "__main__":
    text = PAPER.read_text(encoding="utf-8")
    PAPER.write_text(_PLACE.sub(lambda _: drawing(), text), encoding="utf-8")
