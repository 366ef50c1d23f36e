"""`send-many` encodes each line once: its check of a file makes no request."""

from __future__ import annotations

import json
import os
import threading

import pytest

pytest.importorskip("click")

from command_line import message, texts
from encoding_counts import Encodings

RICH = [{"type": "bold", "content": "b"}, " of ", {"type": "italic", "content": "i"}]


@pytest.fixture
def encodings(monkeypatch):
    """Count encodings from here on."""
    return Encodings(monkeypatch)


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_each_line_is_encoded_once(sandbox, cli, write, encodings, tmp_path, *, piped, journal):
    """A file is checked first, a pipe is not; in both cases one encoding is enough."""
    lines = [message(sandbox, 1), message(sandbox, 2), message(sandbox, 3, content=RICH)]
    file = write(*lines)
    if piped:
        if not hasattr(os, "mkfifo"):
            pytest.skip("pipes of POSIX")
        file = str(tmp_path / "pipe")
        os.mkfifo(file)
        fed = threading.Thread(target=_feed, args=(file, lines))
        fed.start()
    more = ["--journal", str(tmp_path / "run.sqlite")] if journal else []
    assert cli("send-many", file, *more) == (0, "3 delivered\n", "")
    if piped:
        fed.join()
    assert len(texts(sandbox)) == 3
    for counted in (encodings.drafts, encodings.requests):
        assert sorted(counted.values()) == [1, 1, 1]
    assert list(encodings.portable.values()) == [1]


def _feed(path: str, lines: list) -> None:
    with open(path, "w", encoding="utf-8") as pipe:  # noqa: PTH123 - a pipe
        pipe.writelines(json.dumps(line) + "\n" for line in lines)
