"""The seed: the world that a sandbox begins with, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["DEFAULT_SEED", "read_seed"]

_CAPABILITIES = [
    *("display_modal", "messages_save", "messages_remove"),
    *("drive_save", "drive_remove"),
]
_PRIVILEGES = ["channels", "workspace", "workspace_drive", "drive_list"]

DEFAULT_SEED: Mapping[str, Any] = {
    "groups": {"acme": {"id": "7a1c0e10-5b1d-11eb-9c01-0242ac130002", "name": "Acme"}},
    "workspaces": {
        "main": {"id": "7a1c0e20-5b1d-11eb-9c02-0242ac130002", "name": "Main", "group": "acme"}
    },
    "users": {
        "alice": {
            "id": "7a1c0e31-5b1d-11eb-9c03-0242ac130002",
            "username": "alice",
            "email": "alice@example.org",
            "first": "Alice",
            "last": "Martin",
        },
        "bob": {
            "id": "7a1c0e32-5b1d-11eb-9c03-0242ac130002",
            "username": "bob",
            "email": "bob@example.org",
            "first": "Bob",
            "last": "Durand",
        },
        "carol": {
            "id": "7a1c0e33-5b1d-11eb-9c03-0242ac130002",
            "username": "carol",
            "email": "carol@example.org",
            "first": "Carol",
            "last": "Petit",
        },
    },
    "channels": {
        "general": {
            "id": "7a1c0e41-5b1d-11eb-9c04-0242ac130002",
            "name": "General",
            "ws": "main",
            "group": "acme",
        },
        "random": {
            "id": "7a1c0e42-5b1d-11eb-9c04-0242ac130002",
            "name": "Random",
            "ws": "main",
            "group": "acme",
        },
    },
    "channel_members": [
        ["general", "alice"],
        ["general", "bob"],
        ["general", "carol"],
        ["random", "alice"],
        ["random", "bob"],
    ],
    "workspace_users": [["main", "alice"], ["main", "bob"], ["main", "carol"]],
    "apps": {
        "bot": {
            "id": "7a1c0e51-5b1d-11eb-9c05-0242ac130002",
            "name": "Bot",
            "simple": "bot",
            "key": "sandbox-key-that-opens-nothing-else",
            "group": "acme",
            "privileges": _PRIVILEGES,
            "capabilities": _CAPABILITIES,
            "hooks": [],
        }
    },
    "group_apps": [
        {
            "group": "acme",
            "app": "bot",
            "capabilities": _CAPABILITIES,
            "privileges": _PRIVILEGES,
            "hooks": [],
        }
    ],
    "resources": [],
    "messages_seed": [],
    "messages": [],
}


def read_seed(seed: Mapping[str, Any] | str | Path | None) -> Mapping[str, Any]:
    """Return a seed: the mapping itself, the one in a JSON file, or the default one.

    Raises:
        TypeError: The seed is no mapping.
        OSError: The file cannot be read.
        ValueError: The file is no JSON.

    """
    if seed is None:
        return DEFAULT_SEED
    if isinstance(seed, str | Path):
        seed = json.loads(Path(seed).read_text(encoding="utf-8"))
    if not isinstance(seed, Mapping):
        raise TypeError(
            "a seed is a mapping in the format of the default one, or a path to such JSON"
        )
    return seed
