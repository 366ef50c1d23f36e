"""What each fault does to its connection: small functions of (connection, request, fault)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from . import answers
from .answers import HTML, JSON, chunked, head, whole, zipped
from .bodies import body_of
from .request import Request

if TYPE_CHECKING:
    from .connection import Connection
    from .fault import Fault

Act = Callable[["Connection", "Request | None", "Fault"], None]


def _good_json(request: Request | None, **changed: Any) -> bytes:
    return body_of(cast("Request", request), **changed)


# Without an answer.


def close(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.close()


def reset(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.reset()


def silent(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.stick()


def close_unread(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.close_unread()


_EARLY = whole(answers.page(b"413"), 413, HTML, more=b"Connection: close\r\n")


def early_413(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(_EARLY)
    connection.linger()


def early_413_then_close(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(_EARLY)
    connection.close()


# Whole answers.


def answer(body: bytes, status: int = 200, kind: bytes = JSON) -> Act:
    """Answer with this body, and with Retry-After where the fault has it."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        text = fault.retry_after_text
        more = b"" if text is None else b"Retry-After: %b\r\n" % text.encode()
        connection.send(whole(body, status, kind, more=more))

    return act


def good(status: int = 200, *, prefix: bytes = b"", kind: bytes = JSON, **changed: Any) -> Act:
    """Answer as the real server does, with fields of the object changed."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        connection.send(whole(prefix + _good_json(request, **changed), status, kind))

    return act


def redirect(status: int) -> Act:
    """Send the client to the web application, on this same server."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        target = f"Location: {connection.server.url}/client\r\n".encode()
        connection.send(whole(b"", status, HTML, more=target))

    return act


def redirect_to_tls(status: int) -> Act:
    """Send the client from http to https, to the same host and path."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        path = request.target if request is not None else "/"
        target = f"Location: https://127.0.0.1{path}\r\n".encode()
        connection.send(whole(b"", status, HTML, more=target))

    return act


def raw(data: bytes) -> Act:
    """Send these bytes, then FIN."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        connection.send(data)
        connection.close()

    return act


def other_message(connection: Connection, request: Request | None, fault: Fault) -> None:
    other = {"id": str(uuid.uuid1()), "front_id": uuid.uuid4().hex}
    if cast("Request", request).kind == "ephemeral":
        other["ephemeral_id"] = other["id"]
    connection.send(whole(_good_json(request, **other)))


# Broken answers.


def cut_json(connection: Connection, request: Request | None, fault: Fault) -> None:
    body = _good_json(request)
    connection.send(whole(body[: len(body) // 2]))


def _short(request: Request | None) -> bytes:
    body = _good_json(request)
    return head(length=len(body)) + body[: len(body) // 2]


def cut(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(_short(request))
    connection.close()


def cut_reset(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(_short(request))
    connection.stick()
    connection.later(fault.interval, connection.reset)


def cut_silent(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(_short(request))
    connection.stick()


def head_then_silent(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(head(length=len(_good_json(request))))
    connection.stick()


def head_then_close(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(head(length=len(_good_json(request))))
    connection.close()


_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_GZIP = b"Content-Encoding: gzip\r\n"


def cut_chunked(connection: Connection, request: Request | None, fault: Fault) -> None:
    body = _good_json(request)
    connection.send(head(more=_CHUNKED) + chunked(body[: len(body) // 2], end=False))
    connection.close()


def bad_chunk_size(connection: Connection, request: Request | None, fault: Fault) -> None:
    body = _good_json(request)
    connection.send(head(more=_CHUNKED) + chunked(body[: len(body) // 2], end=False) + b"zz\r\n")
    connection.close()


def gzip_cut(connection: Connection, request: Request | None, fault: Fault) -> None:
    packed = zipped(_good_json(request))
    connection.send(whole(packed[: len(packed) // 2], more=_GZIP))


def gzip_corrupt(connection: Connection, request: Request | None, fault: Fault) -> None:
    packed = bytearray(zipped(_good_json(request)))
    packed[-8] ^= 0xFF  # the checksum
    connection.send(whole(bytes(packed), more=_GZIP))


def bad_gzip(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(whole(b"this is not gzip", more=_GZIP))


def br(connection: Connection, request: Request | None, fault: Fault) -> None:
    packed = answers.brotli(_good_json(request))
    connection.send(whole(packed, more=b"Content-Encoding: br\r\n"))


# Slow and huge answers.

_DRIPPED = 1_000_000


def drip(connection: Connection, request: Request | None, fault: Fault) -> None:
    body = _good_json(request)
    connection.send(head(length=_DRIPPED + len(body)))
    connection.drip(b" " * _DRIPPED + body, fault.interval)


def drip_head(connection: Connection, request: Request | None, fault: Fault) -> None:
    body = _good_json(request)
    filler = b"X-Filler: " + b"a" * 60_000 + b"\r\n"
    connection.drip(whole(body, more=filler), fault.interval)


def endless_headers(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.stick()
    connection.stream(answers.endless_headers())


def big(*, declared: bool) -> Act:
    """Answer with 200 MB."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        connection.stick()
        connection.stream(answers.big(_good_json(request), declared=declared))

    return act


def gzip_bomb(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(whole(answers.bomb(_good_json(request)), more=_GZIP))


# Good answers, in unusual forms.


def late(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.later(fault.interval, connection.send, whole(_good_json(request)))


def chunked_good(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(head(more=_CHUNKED) + chunked(_good_json(request)))


def gzip_good(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(whole(zipped(_good_json(request)), more=_GZIP))


def after(interim: bytes) -> Act:
    """Send an interim answer first, in its own segment, then the good one."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        connection.send(interim)
        connection.later(fault.interval, connection.send, whole(_good_json(request)))

    return act


def good_closing(version: bytes) -> Act:
    """Answer, say that the connection ends (HTTP/1.0 says so by itself), and end it."""

    def act(connection: Connection, request: Request | None, fault: Fault) -> None:
        body = _good_json(request)
        more = b"Connection: close\r\n" if version == b"1.1" else b""
        connection.send(head(length=len(body), more=more, version=version) + body)
        connection.close()

    return act


def until_close(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(head(more=b"Connection: close\r\n") + _good_json(request))
    connection.close()


def hang_up(connection: Connection, request: Request | None, fault: Fault) -> None:
    connection.send(whole(_good_json(request)))
    connection.close()
