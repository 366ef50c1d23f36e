"""Makes numbered lines of text of bytes: encodings, byte order marks, line endings. No I/O."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LONGEST", "TextLine", "TextLines", "is_utf8", "text_encoding", "text_lines"]

#: The most characters of one line, or of one row of CSV.
LONGEST = 64 * 1_048_576
#: How many characters of a longer line are kept, to show which one it was.
_SHOWN = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Codecs of Python that are no character sets.
_NO_CHARSETS = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
_ENDS = re.compile(r"(\r\n|\n|\r)")
#: A character that marks a byte that could not be decoded: U+DC00 plus the byte.
_MARK = re.compile("[\ud800-\udfff]")
_HANDLER = "twake-async-mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _marks(error.object[error.start : error.end]), error.end


def _marks(undecodable: bytes) -> str:
    # As "surrogateescape" does, but also for bytes below 0x80, with which UTF-16 can end.
    return "".join(chr(0xDC00 + byte) for byte in undecodable)


codecs.register_error(_HANDLER, _mark)


def text_encoding(name: str) -> str:
    """Return the standard name of a character set.

    Raises:
        LookupError: Python has no such character set.

    """
    try:
        found = codecs.lookup(name).name
        b"a".decode(found)
    except (ValueError, LookupError) as exc:
        raise LookupError(name) from exc
    if found.replace("_", "-") in _NO_CHARSETS:
        raise LookupError(name)
    return found


def is_utf8(encoding: str) -> bool:
    """Say whether a standard name, or an empty one, means UTF-8."""
    return encoding in ("", "utf-8", "utf-8-sig")


@attrs.frozen
class TextLine:
    """One line of an input."""

    number: int
    """Its number, from 1."""

    text: str
    """The line without its ending. A byte that could not be decoded is U+DC00 plus the byte."""

    end: str = ""
    """Its ending: CR LF, LF, CR, or nothing."""

    problem: str = ""
    """Why it cannot be used; empty where it can."""

    is_cut: bool = False
    """Whether the line was too long, and only its beginning is kept."""


@attrs.define(eq=False)
class TextLines:
    """Reads lines from bytes as they come."""

    encoding: str = ""
    """The character set, by its standard name; empty for that of the byte order mark, or UTF-8."""

    eager: bool = False
    """Whether to return a line that ends with CR before it is known whether LF follows."""

    _decoder: codecs.IncrementalDecoder | None = attrs.field(default=None, init=False)
    _conflict: str = attrs.field(default="", init=False)
    _head: bytes = attrs.field(default=b"", init=False)
    _held: str = attrs.field(default="", init=False)
    _skip_lf: bool = attrs.field(default=False, init=False)
    _pieces: list[str] = attrs.field(factory=list, init=False)
    _length: int = attrs.field(default=0, init=False)
    _number: int = attrs.field(default=0, init=False)

    def feed(self, chunk: bytes) -> list[TextLine]:
        """Return the lines that end in these bytes."""
        return self._split(self._decode(chunk, final=False), final=False)

    def finish(self) -> list[TextLine]:
        """Return the last line when no more bytes come."""
        lines = self._split(self._decode(b"", final=True), final=True)
        if self._length:
            lines.append(self._line("", ""))
        return lines

    def _decode(self, chunk: bytes, *, final: bool) -> str:
        if self._decoder is None:
            chunk = self._head = self._head + chunk
            if len(chunk) < 4 and not final and not chunk.endswith(b"\n"):
                return ""  # it may be part of a byte order mark
            chunk = chunk[self._begin(chunk) :]
        assert self._decoder is not None  # noqa: S101 - `_begin` made it
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeError:  # a decoder of ISO 2022 can keep only 8 bytes of a character
            self._decoder.setstate(state)
            return _decode_bytes(self._decoder, chunk)

    def _begin(self, head: bytes) -> int:
        """Choose the decoder; return the length of the byte order mark in bytes."""
        bom, marked = next(((b, n) for b, n in _BOMS if head.startswith(b)), (b"", ""))
        if marked and not marked.startswith(self.encoding.removesuffix("-sig")):
            self._conflict = (
                f"the file begins with the mark of {marked.upper()}, and --encoding says "
                f"{self.encoding}: omit --encoding"
            )
        self.encoding = marked or _without_mark(self.encoding, head)
        self._decoder = codecs.getincrementaldecoder(self.encoding)(_HANDLER)
        return len(bom)

    def _split(self, text: str, *, final: bool) -> list[TextLine]:
        if not text and not (final and self._held):
            return []
        if self._skip_lf:
            text = text.removeprefix("\n")
        text, self._held = self._held + text, ""
        self._skip_lf = self.eager and text.endswith("\r")
        if text.endswith("\r") and not self.eager and not final:
            text, self._held = text[:-1], "\r"
        *ended, rest = _ENDS.split(text)
        lines = [self._line(*pair) for pair in zip(ended[::2], ended[1::2], strict=True)]
        self._keep(rest)
        return lines

    def _keep(self, piece: str) -> None:
        # Only the first pieces of a line that is too long are kept.
        if piece and self._length <= LONGEST:
            self._pieces.append(piece)
        self._length += len(piece)

    def _line(self, text: str, end: str) -> TextLine:
        self._number += 1
        if self._pieces:
            self._keep(text)
            text, length = "".join(self._pieces), self._length
            self._pieces, self._length = [], 0
        else:
            length = len(text)
        if length > LONGEST:
            why = f"it is longer than {LONGEST:,} characters"
            return TextLine(self._number, text[:_SHOWN], end, why, is_cut=True)
        problem = self._problem_of(text)
        if problem and self.encoding != "utf-8":
            text = _MARK.sub(lambda mark: f"\\x{ord(mark[0]) & 0xFF:02x}", text)
        return TextLine(self._number, text, end, problem)

    def _problem_of(self, text: str) -> str:
        if self._conflict:
            return self._conflict
        if not text.isascii() and (mark := _MARK.search(text)):
            return _undecodable(text, mark.start(), self.encoding)
        if (at := text.find("\0")) >= 0:
            return f"character {at + 1} is NUL: this is not text, or not {self.encoding.upper()}"
        return ""


def _decode_bytes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> str:
    """Decode byte by byte, and mark those with which the decoder fails."""
    decoded = []
    for byte in chunk:
        state = decoder.getstate()
        try:
            decoded.append(decoder.decode(bytes([byte])))
        except UnicodeError:
            decoded.append(_marks(state[0] + bytes([byte])))
            decoder.reset()
    return "".join(decoded)


def _without_mark(named: str, head: bytes) -> str:
    """Return the character set of an input that has no byte order mark."""
    if named not in ("", "utf-16"):
        return {"utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(named, named)
    # JSON and the first row of a CSV begin with ASCII, so UTF-16 shows by its zeros.
    zeros = tuple(byte == 0 for byte in head[:4])
    if zeros == (True, False, True, False):
        return "utf-16-be"
    return "utf-16-le" if named or zeros == (False, True, False, True) else "utf-8"


def text_lines(chunks: Iterable[bytes], encoding: str = "") -> Iterator[TextLine]:
    """Yield the lines of a whole input."""
    lines = TextLines(encoding)
    for chunk in chunks:
        yield from lines.feed(chunk)
    yield from lines.finish()


def _undecodable(text: str, at: int, encoding: str) -> str:
    byte = ord(text[at]) & 0xFF
    why = f"character {at + 1} is the byte 0x{byte:02X}, which is not {encoding.upper()}"
    if encoding != "utf-8":
        return f"{why}: name the right encoding"
    if not _MARK.sub("", text).isascii():
        return f"{why}, as the rest of the line is: fix it, or name the encoding with --encoding"
    start = max(0, at - 15)
    try:
        read = text[start : at + 15].encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeDecodeError:
        return f"{why}: name the right encoding with --encoding"
    return f"{why}; it looks like cp1252: give --encoding cp1252 to read {read!r}"
