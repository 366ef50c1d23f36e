"""`twake-async application`: says what to fill in where an application is created."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
import click

from ._declaration import DOES, declare
from ._statuses import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._declaration import Declaration

__all__ = ["application"]

#: What an application does, and with what: `hears` with `messages`, for example.
_VERBS = tuple(dict.fromkeys(name.partition("-")[0] for name in DOES))
_ALWAYS = "writes-messages"
_CHOICES = "\n".join(
    f"  --{name.replace('-', ' '):<24} {right.help}" for name, right in DOES.items()
)


def _choices(command: Callable[..., int]) -> Callable[..., int]:
    """Add an option for each verb."""
    for verb in reversed(_VERBS):
        nouns = [name.partition("-")[2] for name in DOES if name.startswith(f"{verb}-")]
        command = click.option(f"--{verb}", multiple=True, type=click.Choice(nouns))(command)
    return command


def _commands(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return words with what they do, from the form `close:Close the ticket`."""
    found = []
    for value in given:
        word, _, text = value.partition(":")
        if len(word.split()) != 1:
            message = f"{value!r} is not a word with a description, such as close:Close it."
            raise click.BadParameter(message, ctx, param)
        found.append((word.strip(), text.strip()))
    return tuple(found)


@click.command(
    short_help="Print what to fill in when you create an application.",
    epilog=f"""\b
What an application may do:
{_CHOICES}

\b
Examples:
  twake-async application
  twake-async application --hears messages --opens files --command "poll:Ask everybody"
""",
)
@_choices
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="WORD:TEXT",
    callback=_commands,
    help="A command that people can type, and what it does; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def application(
    commands: tuple[tuple[str, str], ...], *, as_json: bool, **does: tuple[str, ...]
) -> int:
    """Print what to fill in when you create an application in Twake's console.

    The options say what the application does; without an option, it sends messages. Nothing is
    sent. In Twake, the console is under Applications, "Applications and connectors you develop".
    """
    asked = [f"{verb}-{noun}" for verb in _VERBS for noun in does[verb]]
    found = declare((_ALWAYS, *asked), commands)
    if as_json:
        say(json.dumps(attrs.asdict(found)))
        return 0
    for line in _checklist(found):
        say(line)
    return 0


def _checklist(found: Declaration) -> Iterator[str]:
    for field in ("capabilities", "privileges", "hooks"):
        words = ", ".join(getattr(found, field))
        yield f"[ ] {field:<13} {words or '(none)'}"
    if found.needs_events:
        yield "[ ] event address https://bot.example.com/twake/SECRET (it needs a path)"
    if found.display:
        yield "[ ] display:"
        yield json.dumps(found.display, indent=2, ensure_ascii=False)
    yield "[ ] install it in the company, and accept the rights that it asks for"
    for line in found.then:
        yield f"[ ] {line}"
    yield "[ ] copy its id and its key: TWAKE_PUBLIC_ID, TWAKE_PRIVATE_API_KEY"
