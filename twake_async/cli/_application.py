"""Imports the ASGI application that `run` serves, by MODULE:NAME."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from typing import Any

__all__ = ["ApplicationError", "load_application"]


class ApplicationError(Exception):
    """The application cannot be imported; the message says why."""


def load_application(target: str) -> Any:
    """Return the object that MODULE:NAME names; modules of this folder go before installed ones.

    Args:
        target: The module, a colon, and the name of the object in it.

    Raises:
        ApplicationError: There is none, or it is no ASGI application.
        Exception: What the module itself raised.

    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise ApplicationError(f"{target!r} is not of the form MODULE:NAME, as in my_bot:bot")
    module = _import(module_name)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ApplicationError(f"the module {module_name} has no {name}")
    if not callable(found) or inspect.isclass(found):
        raise ApplicationError(f"{target} is not an ASGI application, such as a Bot")
    return found


def _import(name: str) -> Any:
    if os.getcwd() not in sys.path:  # noqa: PTH109 - as a string, as it stands there
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise ApplicationError(
                f"there is no module {name}: it is not in this folder, and not installed"
            ) from None
        raise
