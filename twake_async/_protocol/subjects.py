"""What the words of an error are about: a message, another call, or a file. No I/O."""

from __future__ import annotations

import attrs

__all__ = ["CALL", "DOWNLOAD", "MESSAGE", "REQUEST", "UPLOAD", "Subject"]


@attrs.frozen
class Subject:
    """How an error names what was sent, and what may have become of it."""

    noun: str
    """What was sent or was not."""
    doubt: str
    """What is not certain where the answer was lost."""
    done: str
    """What the server may have done before it failed."""


MESSAGE = Subject(
    "the message", "it is not known whether the message arrived", "the message was stored"
)
CALL = Subject("the call", "it is not known whether the call arrived", "the call was carried out")
#: A login fails for all that wait for it: messages, calls and files.
REQUEST = Subject(
    "the request", "it is not known whether the login arrived", "the server had logged it in"
)
UPLOAD = Subject("the file", "it is not known whether the file arrived", "the file was stored")
DOWNLOAD = Subject(
    "the request for the file", "the file did not come whole", "the request was carried out"
)
