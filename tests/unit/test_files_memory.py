"""A large file takes no more memory than a small one. tests/benchmarks/files.py measures 1 GiB."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from places import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="it has no getrusage")
@pytest.mark.no_cover
def test_a_file_of_96_mib_takes_no_more_memory_than_one_of_1_mib():
    """It holds for uploads and downloads, each in its own process."""
    spec = importlib.util.spec_from_file_location("files", ROOT / "tests/benchmarks/files.py")
    assert spec
    assert spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    for more in benchmark.compare(96).values():
        assert more < benchmark.MOST_MORE
