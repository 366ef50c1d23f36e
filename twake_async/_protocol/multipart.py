"""A form with one file in it, whose content is streamed between two fixed parts. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .random_uuid import random_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Multipart", "encode_multipart"]


@attrs.frozen
class Multipart:
    """The parts of the form before and after the file."""

    content_type: str
    head: bytes = attrs.field(repr=False)
    tail: bytes = attrs.field(repr=False)

    @property
    def length(self) -> int:
        """The number of bytes of both parts."""
        return len(self.head) + len(self.tail)


def encode_multipart(fields: Mapping[str, str], name: str, content_type: str) -> Multipart:
    """Return a form with one file in the field `file`.

    Args:
        fields: The other fields.
        name: The name of the file.
        content_type: The type of the file.

    """
    boundary = f"twake-async-{random_uuid()}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="{_quote(name)}"\r\nContent-Type: {content_type}\r\n\r\n'
    )
    head, tail = "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()
    return Multipart(f"multipart/form-data; boundary={boundary}", head, tail)


def _quote(name: str) -> str:
    # As browsers do (HTML, "multipart/form-data").
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
