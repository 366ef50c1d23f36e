"""A channel as a person sees it: sender, time and text; each reply under its message."""

from __future__ import annotations

import datetime
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Line", "channel_lines", "channel_tree", "shorten_series"]

#: A series of similar lines longer than this is shortened.
_LONG = 6


@attrs.frozen
class Line:
    """One message as it is shown; `series` is the same for similar messages."""

    who: str
    when: str
    text: str
    note: str = ""
    replies: Sequence[Line] = ()
    series: str = ""


def channel_lines(
    messages: Iterable[Mapping[str, Any]],
    ephemerals: Iterable[Mapping[str, Any]],
    names: Mapping[str, str],
) -> list[Line]:
    """Return the lines of a channel's stored and ephemeral messages, in order of their time.

    Args:
        messages: The stored messages, as the server keeps them.
        ephemerals: The messages that were shown and not stored.
        names: The names of users and applications, by id.

    """
    threads: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for message in messages:
        threads[message["parent_message_id"]].append(message)
    roots = [(message, "") for message in threads[""]]
    roots += [(message, _seen_by(message, names)) for message in ephemerals]
    # The ids are UUIDs of version 1, more precise than the dates, which are whole seconds.
    roots.sort(key=lambda root: uuid.UUID(root[0]["id"]).time)
    return [
        _line(message, names, note, [_line(reply, names) for reply in threads[message["id"]]])
        for message, note in roots
    ]


def _seen_by(message: Mapping[str, Any], names: Mapping[str, str]) -> str:
    readers = message.get("ephemeral_message_recipients") or ()
    who = " and ".join(names.get(reader, reader) for reader in readers) or "who is here now"
    return f"(ephemeral: only for {who})"


def _line(
    message: Mapping[str, Any],
    names: Mapping[str, str],
    note: str = "",
    replies: Sequence[Line] = (),
) -> Line:
    author = message["sender"] or message["application_id"]
    when = datetime.datetime.fromtimestamp(message["creation_date"], datetime.UTC).astimezone()
    text = str(message["content"])
    return Line(
        who=names.get(author, str(author)),
        when=f"{when:%H:%M}",
        text=text,
        note=note or ("(edited)" if message["edited"] else ""),
        replies=replies,
        series=text.rstrip("0123456789") if text[-1:].isdigit() and not replies else "",
    )


def shorten_series(lines: Sequence[Line]) -> list[Line | int]:
    """Return the lines, with the middle of each long series replaced by its number of lines."""
    shortened: list[Line | int] = []
    start = 0
    while start < len(lines):
        end = start + 1
        while end < len(lines) and lines[start].series and lines[end].series == lines[start].series:
            end += 1
        series = lines[start:end]
        if len(series) > _LONG:
            shortened += [*series[:2], len(series) - 3, series[-1]]
        else:
            shortened += series
        start = end
    return shortened


def channel_tree(title: str, lines: Sequence[Line]) -> Tree:
    """Return the channel as rich prints it, threads indented."""
    tree = Tree(Text(title, "bold"), guide_style="dim")
    for item in shorten_series(lines):
        if isinstance(item, int):
            tree.add(Text(f"... {item} more ...", "dim"))
            continue
        branch = tree.add(_shown(item))
        for reply in item.replies:
            branch.add(_shown(reply))
    return tree


def _shown(line: Line) -> Text:
    text = Text.assemble((line.who, "bold cyan"), " ", (line.when, "dim"), "  ", line.text)
    return text.append(f"  {line.note}", "italic dim") if line.note else text
