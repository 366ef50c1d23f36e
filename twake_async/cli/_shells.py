"""Lines that set environment variables, in the syntax of each shell."""

from __future__ import annotations

import shlex

__all__ = ["SHELLS", "assignment"]

SHELLS = ("sh", "fish", "powershell")


def assignment(shell: str, name: str, value: str) -> str:
    """Return the line that sets a variable for the programs that a shell starts.

    Args:
        shell: One of `SHELLS`; "sh" stands for bash and zsh, too.
        name: The name of the variable.
        value: Its value, which may have any characters.

    """
    if shell == "powershell":
        doubled = value.replace("'", "''")
        return f"$env:{name} = '{doubled}'"
    if shell == "fish":
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {name} '{escaped}'"
    return f"export {name}={shlex.quote(value)}"
