"""The page about many machines runs, with a PostgreSQL that its variables name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pages import DOCS, Page
from postgres.server import USER

if TYPE_CHECKING:
    from pathlib import Path

    from postgres.server import PostgresServer


@pytest.fixture
def twake(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch):
    """Give a database of the name that the page uses, on the server of the environment."""
    for name, value in (("HOST", "127.0.0.1"), ("PORT", str(postgres.port)), ("USER", USER)):
        monkeypatch.setenv(f"PG{name}", value)
    postgres.run("CREATE DATABASE twake")
    yield
    postgres.run("DROP DATABASE twake WITH (FORCE)")


@pytest.mark.usefixtures("twake")
@pytest.mark.parametrize("release", ["2020", "2023"])
def test_the_page_runs_and_prints_what_it_shows(release: str, tmp_path: Path):
    """A reader who copies its commands and programs sees what the page shows, over both APIs."""
    Page(DOCS / "howto" / "many-machines.md", tmp_path, release).run()
