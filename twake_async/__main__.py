"""`python -m twake_async` is the command `twake-async`."""

from .cli import main

main()
