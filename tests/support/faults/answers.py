"""Whole answers as bytes: good ones, bad ones and huge ones."""

from __future__ import annotations

import functools
import gzip
import http
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = b"application/json; charset=utf-8"
HTML = b"text/html; charset=UTF-8"

REASONS = {status.value: status.phrase.encode() for status in http.HTTPStatus} | {499: b"Closed"}

GARBAGE = b"SSH-2.0-OpenSSH_9.6\r\n"

WARNING = (
    b"<br />\n<b>Warning</b>:  Invalid argument supplied for foreach() in <b>twake/backend/core/src/"
    b"Twake/Discussion/Services/MessageSystem.php</b> on line <b>696</b><br />\n"
)
FATAL = (
    b"<br />\n<b>Fatal error</b>:  Uncaught Error: Call to a member function "
    b"setLastMessagesIncrement() on null in twake/backend/core/src/Twake/Discussion/Services/"
    b"MessageSystem.php:470\nStack trace:\n#0 twake/backend/core/src/DevelopersApiV1/Messages/"
    b"Controller/Message.php(81): Twake\\Discussion\\Services\\MessageSystem-&gt;save()\n#1 {main}\n"
    b"  thrown in <b>twake/backend/core/src/Twake/Discussion/Services/MessageSystem.php</b> "
    b"on line <b>470</b><br />\n"
)
TRACE = (
    b'string(1776) "#0 (path)(419): Doctrine\\ORM\\ORMException::missingIdentifierField()\n'
    b"#1 (path)(152): Doctrine\\ORM\\EntityManager->find()\n#2 twake/backend/core/src/Twake/Users/"
    b"Services/Users.php(149): Twake\\Core\\Services\\DoctrineAdapter\\RepositoryAdapter->find()\n"
    b'#15 {main}"\n'
)


def page(title: bytes) -> bytes:
    """Return the small HTML page of a web server or proxy."""
    return (
        b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n"
        b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n" % (title, title)
    )


def head(
    status: int = 200,
    kind: bytes = JSON,
    *,
    length: int | None = None,
    more: bytes = b"",
    version: bytes = b"1.1",
) -> bytes:
    """Return a status line and headers; `more` is whole header lines, each with its CRLF."""
    cookies = b"All-Cookies: []\r\n" if kind is JSON else b""
    size = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"HTTP/%b %d %b\r\n%bContent-Type: %b\r\n%b%b\r\n" % (
        version,
        status,
        REASONS[status],
        cookies,
        kind,
        size,
        more,
    )


def whole(body: bytes, status: int = 200, kind: bytes = JSON, *, more: bytes = b"") -> bytes:
    """Return a complete answer with the right Content-Length."""
    return head(status, kind, length=len(body), more=more) + body


def chunked(body: bytes, *, size: int = 64, end: bool = True) -> bytes:
    """Return a body in chunked coding, with or without its last chunk."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + (b"0\r\n\r\n" if end else b"")


def zipped(body: bytes) -> bytes:
    """Return the body in gzip coding."""
    return gzip.compress(body, compresslevel=1, mtime=0)


def brotli(body: bytes) -> bytes:
    """Return a valid brotli stream of one uncompressed block (a coding that was not requested)."""
    if not 0 < len(body) <= 1 << 16:
        raise ValueError("one uncompressed brotli block holds 1 to 65,536 bytes")
    return ((len(body) - 1) << 4 | 1 << 20).to_bytes(3, "little") + body + b"\x03"


BOMB_SIZE = 1 << 30
_SPACES = b" " * (1 << 24)
_SPACES_CRC = 0x9AC47FA6  # zlib.crc32 of BOMB_SIZE spaces


@functools.cache
def _bomb_blocks() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(_SPACES) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (BOMB_SIZE // len(_SPACES))


def bomb(body: bytes) -> bytes:
    """Return a valid gzip stream, about 1 MB, of 1 GiB of white space and then this body."""
    tail = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    last = tail.compress(body) + tail.flush()
    crc = zlib.crc32(body, _SPACES_CRC)
    size = (BOMB_SIZE + len(body)) & 0xFFFFFFFF
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return start + _bomb_blocks() + last + crc.to_bytes(4, "little") + size.to_bytes(4, "little")


BIG_SIZE = 200 * 1000 * 1000
_PIECE = b" " * 250_000


def big(body: bytes, *, declared: bool) -> Iterator[bytes]:
    """Yield an answer of 200 MB, white space before the good JSON, declared or chunked."""
    count = (BIG_SIZE - len(body)) // len(_PIECE) + 1
    if declared:
        yield head(length=count * len(_PIECE) + len(body))
        for _ in range(count):
            yield _PIECE
        yield body
        return
    yield head(more=b"Transfer-Encoding: chunked\r\n")
    piece = chunked(_PIECE, size=len(_PIECE), end=False)
    for _ in range(count):
        yield piece
    yield chunked(body)


def endless_headers() -> Iterator[bytes]:
    """Yield a header section that does not end within 200 MB."""
    yield b"HTTP/1.1 200 OK\r\n"
    line = b"X-Filler: " + b"a" * 1012 + b"\r\n"
    for _ in range(BIG_SIZE // (len(line) * 32)):
        yield line * 32
