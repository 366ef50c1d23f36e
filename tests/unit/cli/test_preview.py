"""`twake-async preview`: it shows a message as a reader sees it, and sends nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("click")

ALICE = "7a1c0e31-5b1d-11eb-9c03-0242ac130002"
NODE = {"type": "nop", "key": "k", "content": "all"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('"Hello"', "Hello\n"),
        ([{"type": "bold", "content": "a"}, {"type": "br"}, {"type": "button", "content": "b", "action_id": "x"}], "a\n[b]\n"),
        ({"prepared": ["a"], "fallback_string": "what a notification shows"}, "a\n"),
        ({"type": "compile", "content": "**a** :tada:"}, "a :tada:\n"),
        ({"channel_id": "c", "content": "Hello"}, "Hello\n"),
        ("Text('Lunch?') + Button('Yes', action_id='yes')", "Lunch? [Yes]\n"),
        ("'a\\x1b[2J'", "a?[2J\n"),
        ("7", ""),
    ],
)  # fmt: skip
def test_a_message_is_printed_as_a_reader_reads_it(cli, write, given, text):
    """The input is JSON in each of its forms, or an expression; control codes are removed."""
    status, out, err = cli("preview", write(given))
    error = "An error occured while showing this message.\n"
    assert (status, out) == ((0, text) if text else (1, error))
    assert bool(err) == (status != 0)


@pytest.mark.parametrize(
    "message",
    [
        {"content": [NODE], "user_specific_content": {ALICE: {"k": "you"}}},
        {"content": [NODE], "user_specific": [{"user_id": ALICE, "modifiers": {"k": "you"}}]},
        {"content": [NODE], "_once_user_specific_update": {"user_id": ALICE, "modifiers": {"k": "you"}}},
    ],
)  # fmt: skip
def test_a_reader_sees_what_is_for_them(cli, write, message):
    """The reader is an id, or the name of a person of the sandbox."""
    file = write(message)
    assert cli("preview", file)[1] == "all\n"
    assert cli("preview", file, "--as", "bob")[1] == "all\n"
    assert (
        cli("preview", file, "--as", "alice")[1]
        == cli("preview", file, "--as", ALICE)[1]
        == "you\n"
    )


def test_html_is_a_page_that_loads_nothing(cli, write, tmp_path):
    """The terminal shows the same, too."""
    page = tmp_path / "out.html"
    file = write([{"type": "image", "src": "https://a.org/x.png"}, "<script>"])
    status, out, _ = cli("preview", file, "--html", str(page))
    assert (status, out) == (0, "[image]\n<script>\n")
    written = page.read_text(encoding="utf-8")
    assert "<img" not in written
    assert "<script" not in written
    assert "default-src 'none'" in written


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([{"type": "select"}], "a node of type 'select' needs a list of values"),
        ("open('x')", "a call of open is not read here"),
        ("Button('a', action_id='')", "Button.action_id: it is empty"),
        ('{"a"', "this is no JSON"),
    ],
)
def test_what_cannot_be_shown_ends_with_1_and_says_why(cli, write, given, told):
    """One of these is a message that the client would show as an error."""
    status, _, err = cli("preview", write(given))
    assert status == 1
    assert told in err


def test_a_file_that_cannot_be_read(cli, tmp_path):
    """It is missing, or it is no text."""
    status, _, err = cli("preview", str(tmp_path / "nowhere"))
    assert status == 1
    assert "No such file" in err
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    status, _, err = cli("preview", str(tmp_path / "bytes"))
    assert status == 1
    assert "it is no UTF-8" in err
