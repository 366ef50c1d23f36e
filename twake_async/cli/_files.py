"""`twake-async files`: lists a drive, and moves files to and from it."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import rich.progress
from rich.console import Console

from ._find import ask
from ._options import FiniteNumber, session_options
from ._statuses import FAILED, complain, printable, say
from ._words import of_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twake_async.resources import FileElement
    from twake_async.session import TwakeSession

    from ._credentials import Options

__all__ = ["facts_of", "files", "progress"]

_IDLE = click.option(
    "--idle-timeout",
    metavar="SECONDS",
    type=FiniteNumber(),
    default=60.0,
    show_default=True,
    help="The transfer ends if no byte moves for this time.",
)
_DEADLINE = click.option(
    "--deadline",
    metavar="SECONDS",
    type=FiniteNumber(),
    help="The time limit for the whole transfer; by default none.",
)


@click.group(
    short_help="List, upload and download files.",
    epilog="""\b
Examples:
  twake-async files list --workspace "$WORKSPACE"
  twake-async files put --workspace "$WORKSPACE" report.pdf
  twake-async files get --workspace "$WORKSPACE" "$FILE_ID" report.pdf
""",
)
def files() -> None:
    """Work with the files of a workspace."""


@files.command("list", short_help="List what is in a folder, with --api v1.")
@click.option(
    "--folder", metavar="ID", default="root", help="The folder; by default the root folder."
)
@_DEADLINE
@session_options
def list_files(folder: str, deadline: float | None, *, as_json: bool, options: Options) -> int:
    """Print the id, the size and the name of each element; the name of a folder ends with /.

    The application needs the privilege "drive_list".
    """

    async def find(twake: TwakeSession, workspace: str | None) -> tuple[FileElement, ...]:
        return await twake.files.list(_workspace(twake, workspace), folder)

    found = ask(options, deadline or 30.0, find, as_json=as_json)
    if isinstance(found, int):
        return found
    if as_json:
        say(json.dumps({"files": [facts_of(element) for element in found]}))
    else:
        for one in found:
            name = printable(one.name) + ("/" if one.is_directory else "")
            say(f"{printable(one.id)}  {one.size:>12,}  {name}")
    return 0


@files.command("put", short_help="Upload a file and print its id.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="The name of the file on the server; by default that of PATH.")
@click.option("--folder", metavar="ID", default="", help="With --api v1: the folder to put it in.")
@_IDLE
@_DEADLINE
@session_options
def put(
    path: Path,
    *,
    name: str | None,
    folder: str,
    idle_timeout: float,
    deadline: float | None,
    as_json: bool,
    options: Options,
) -> int:
    """Upload the file at PATH and print its id.

    Exit status 4: the file may be there; list the folder before you upload it again.
    """

    async def upload(twake: TwakeSession, workspace: str | None) -> FileElement:
        with progress(path.name) as on_progress:
            return await twake.files.upload(
                path,
                name=name,
                workspace_id=_workspace(twake, workspace),
                parent_id=folder,
                on_progress=on_progress,
                idle_timeout=idle_timeout,
                deadline=deadline,
            )

    found = ask(options, 30.0, upload, as_json=as_json, changes=True)
    if isinstance(found, int):
        return found
    say(json.dumps(facts_of(found)) if as_json else printable(found.id))
    return 0


@files.command("get", short_help="Download a file.")
@click.argument("file", metavar="FILE_ID")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace PATH if it exists.")
@click.option("--server-name", is_flag=True, help="PATH is a folder; the server names the file.")
@click.option(
    "--limit",
    metavar="BYTES",
    type=click.IntRange(min=1),
    default=2_147_483_648,
    show_default=True,
    help="The limit for the size of the file.",
)
@_IDLE
@_DEADLINE
@session_options
def get(
    file: str,
    path: Path,
    *,
    overwrite: bool,
    server_name: bool,
    limit: int,
    idle_timeout: float,
    deadline: float | None,
    as_json: bool,
    options: Options,
) -> int:
    """Download a file to PATH, and print the path.

    The file appears complete or not at all, and only you can read it. An existing file is not
    replaced.
    """

    async def download(twake: TwakeSession, workspace: str | None) -> Path | None:
        with progress(path.name) as on_progress:
            return await twake.files.download(
                file,
                path,
                workspace_id=_workspace(twake, workspace),
                overwrite=overwrite,
                use_server_name=server_name,
                limit=limit,
                on_progress=on_progress,
                idle_timeout=idle_timeout,
                deadline=deadline,
            )

    try:
        found = ask(options, 30.0, download, as_json=as_json)
    except OSError as exc:
        complain(f"the file cannot be written: {of_text(str(exc))}")
        return FAILED
    if isinstance(found, int):
        return found
    say(json.dumps({"path": str(found)}) if as_json else printable(str(found)))
    return 0


def _workspace(twake: TwakeSession, workspace: str | None) -> str | None:
    if twake.api == "v1" and workspace is None:
        raise click.UsageError("With --api v1, give --workspace.")
    return workspace


def facts_of(element: FileElement) -> dict[str, Any]:
    """Return the facts about an element that are printed as JSON."""
    return {
        "id": element.id,
        "name": element.name,
        "size": element.size,
        "is_directory": element.is_directory,
        "parent_id": element.parent_id,
        "workspace_id": element.workspace_id,
        "url": element.url,
    }


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int | None], object] | None]:
    """Show a bar on a terminal; yield the function that gets the bytes that moved."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(binary_units=True),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    bar = rich.progress.Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(printable(name), total=None)

    def show(done: int, total: int | None) -> None:
        with suppress(OSError):  # the terminal may go away at any time
            bar.update(task, completed=done, total=total)

    with suppress(OSError):
        bar.start()
    try:
        yield show
    finally:
        with suppress(OSError):
            bar.stop()
