"""Finds lost rows in SQLite's `-wal` file, before SQLite reads it.

SQLite reads such a file up to the first frame with a wrong checksum, and ignores the rest without
an error, since a power cut may have left the last transaction half written. After a flipped bit it
ignores every later transaction, too. https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

__all__ = ["has_lost_rows", "loses_rows"]

_HEADER = struct.Struct(">4s4xI4x8s8s")
_FRAME = struct.Struct(">4xI8s8s")
_MAGIC = {b"\x37\x7f\x06\x82": "<", b"\x37\x7f\x06\x83": ">"}
#: Bytes of the header, and of a frame's header, that their checksums cover.
_HEADER_SUMMED, _FRAME_SUMMED = 24, 8

#: A running batch may write while the file is read: a loss must be seen in each of three tries.
_TRIES, _PAUSE = 3, 0.02


def has_lost_rows(name: str) -> bool:
    """Say whether a file has lost rows.

    Args:
        name: The name of the file; a file that does not exist has lost none.

    """
    for _ in range(_TRIES):
        try:
            data = Path(name).read_bytes()
        except OSError:
            return False
        if not loses_rows(data):
            return False
        time.sleep(_PAUSE)
    return True


def loses_rows(data: bytes) -> bool:
    """Say whether SQLite would ignore transactions that were written completely.

    Args:
        data: The whole file.

    """
    if len(data) <= _HEADER.size:
        return False
    magic, page_size, salt, stored = _HEADER.unpack_from(data)
    order = _MAGIC.get(magic)
    if order is None:
        return True
    sums = _sum(data[:_HEADER_SUMMED], order, (0, 0))
    if struct.pack(">II", *sums) != stored:
        return True
    return _lost_transactions(data, order, page_size, salt, sums) > 1  # one may be half written


def _lost_transactions(
    data: bytes, order: str, page_size: int, salt: bytes, sums: tuple[int, int]
) -> int:
    fits, lost = True, 0
    size = _FRAME.size + page_size
    for start in range(_HEADER.size, len(data) - size + 1, size):
        ends_transaction, frame_salt, stored = _FRAME.unpack_from(data, start)
        if frame_salt != salt:  # an older frame: its page is in the journal's own file by now
            fits = False
            continue
        if fits:
            sums = _sum(data[start : start + _FRAME_SUMMED], order, sums)
            sums = _sum(data[start + _FRAME.size : start + size], order, sums)
            fits = struct.pack(">II", *sums) == stored
        lost += not fits and ends_transaction > 0
    return lost


def _sum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
