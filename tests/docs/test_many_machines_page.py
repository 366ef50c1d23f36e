"""The page about many machines runs, with a PostgreSQL for its service `twake`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages import DOCS, Page
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_page_runs_and_prints_what_it_shows(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever copies its commands and programs, with a service file, sees what the page shows."""
    service = tmp_path / "pg_service.conf"
    lines = [f"{name}={value}" for name, value in conninfo_to_dict(conninfo).items()]
    service.write_text("\n".join(["[twake]", *lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    folder = tmp_path / "page"
    folder.mkdir()
    Page(DOCS / "howto" / "many-machines.md", folder).run()
