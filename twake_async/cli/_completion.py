"""`twake-async completion`: the script that teaches a shell to complete."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["VARIABLE", "completion"]

#: The variable in which the shell's script asks for completions: click's own protocol.
VARIABLE = "_TWAKE_ASYNC_COMPLETE"


@click.command(
    short_help="Print the script for completion in a shell.",
    epilog="""\b
Once, for the shell that you use:
  bash  echo 'eval "$(twake-async completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(twake-async completion zsh)"' >> ~/.zshrc
  fish  twake-async completion fish > ~/.config/fish/completions/twake-async.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a SHELL complete commands and options.

    It asks this program for them, through the environment variable _TWAKE_ASYNC_COMPLETE.
    """
    completer = get_completion_class(shell)
    root = context.find_root()
    if completer is not None:
        click.echo(completer(root.command, {}, "twake-async", VARIABLE).source())
