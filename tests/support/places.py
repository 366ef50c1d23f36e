"""Where things are: the project, its documentation, and what was recorded of real servers."""

import pathlib

__all__ = ["DOCS", "ROOT", "SUPPORT", "TESTS", "WIRE"]

SUPPORT = pathlib.Path(__file__).parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
WIRE = SUPPORT / "data" / "wire"
