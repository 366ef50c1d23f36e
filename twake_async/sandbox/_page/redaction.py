"""Hides secrets in the traffic: each key, each token, and all of a login except its id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HIDDEN", "Redaction"]

HIDDEN = "[redacted]"

_LONGEST = 20_000
"""The most characters that are shown of a text."""
_DEEPEST = 60
_NAMES = re.compile(
    r"secret|token|password|authorization|signature|credential|cookie|private|api_?key",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")


@define(frozen=True, slots=True)
class Redaction:
    """Hides secrets in JSON and in text."""

    secrets: tuple[str, ...]
    """Texts that are never shown: the keys of the applications."""

    @classmethod
    def of(cls, seed: Mapping[str, Any]) -> Redaction:
        """Return the redaction of the applications of a seed."""
        keys = (one.get("key") for one in seed.get("apps", {}).values())
        return cls(tuple(key for key in keys if isinstance(key, str) and key))

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return JSON without secrets: values with a secret's name, and known secrets."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST and isinstance(value, list | dict):
            return "…"
        if isinstance(value, list):
            return [self.value(one, depth + 1) for one in value]
        if isinstance(value, dict):
            return {
                self.text(str(name)): HIDDEN
                if _NAMES.search(str(name)) and one not in (None, "", [], {})
                else self.value(one, depth + 1)
                for name, one in value.items()
            }
        return value

    def text(self, text: str) -> str:
        """Return text without keys and tokens, shortened if it is very long."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        text = _TOKEN.sub(HIDDEN, text)
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
