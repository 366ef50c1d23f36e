"""The fingerprint of a draft: a hash of what it asks for, the same in every run and release."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from .json_codec import Codec, dump

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fingerprint"]

_sorted = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def _encode(document: dict[str, Any]) -> bytes:
    return _sorted(document["message"]).encode()


#: Writes equal values as equal bytes, whatever the order of the keys in their maps.
_CANONICAL = Codec(_encode, json.loads)


def fingerprint(fields: dict[str, Any], names: Mapping[str, str]) -> str:
    """Return the fingerprint of a draft.

    Args:
        fields: What the draft asks for, as JSON.
        names: The caller's names of fields that have another name here.

    Raises:
        InvalidDraftError: A field cannot be written as JSON; the error names it.

    """
    return hashlib.sha256(dump({"message": fields}, names, _CANONICAL)).hexdigest()[:32]
