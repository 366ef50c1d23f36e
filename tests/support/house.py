"""The drawing of the house in CONTRIBUTING: each folder and room, and its purpose.

`python tests/support/house.py` writes it there; tests/project/test_house.py compares the two.
"""

from __future__ import annotations

import re

from floors import drawing
from places import ROOT

PAPER = ROOT / "CONTRIBUTING.md"
_PLACE = re.compile(r"(?<=<!-- the house begins -->\n)(.*?)(?=<!-- the house ends -->)", re.DOTALL)


def drawn() -> str:
    """Return the drawing in CONTRIBUTING."""
    found = _PLACE.search(PAPER.read_text(encoding="utf-8"))
    return found[0] if found else ""


if __name__ == "__main__":
    text = PAPER.read_text(encoding="utf-8")
    PAPER.write_text(_PLACE.sub(lambda _: drawing(), text), encoding="utf-8")
