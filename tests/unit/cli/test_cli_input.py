"""The input of the command line: bytes to lines to drafts; errors are reported and not sent."""

from __future__ import annotations

import codecs
import encodings.aliases
import io
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

click = pytest.importorskip("click")

from command_line import environment, message, spawned, texts, wait_for  # noqa: E402

from twake_async.cli import _input, _sources, _text_lines  # noqa: E402
from twake_async.cli._csv_lines import read_csv  # noqa: E402
from twake_async.cli._csv_rows import rows  # noqa: E402
from twake_async.cli._formats import is_csv  # noqa: E402
from twake_async.cli._input import FileInput, StreamInput  # noqa: E402
from twake_async.cli._lines import JsonLines, Reading, read_jsonl  # noqa: E402
from twake_async.cli._results import LineResult, with_result  # noqa: E402
from twake_async.cli._sources import InputError  # noqa: E402
from twake_async.cli._text_lines import TextLines, text_encoding, text_lines  # noqa: E402
from twake_async.errors import Outcome  # noqa: E402

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")

#: The character sets that Python knows and `--encoding` takes.
CHARSETS = []
for _name in sorted(set(encodings.aliases.aliases.values())):
    try:
        CHARSETS.append(text_encoding(_name))
    except LookupError:
        continue


def from_csv(text: str | bytes, **reading):
    return list(read_csv([text.encode() if isinstance(text, str) else text], Reading(**reading)))


def from_json(text: str | bytes, **reading):
    return list(read_jsonl([text.encode() if isinstance(text, str) else text], Reading(**reading)))


def only_wrong(lines) -> str:
    """Return the error of the only line."""
    [line] = lines
    assert line.draft is None
    return line.problem


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


# --- bytes to lines of text ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_lines_are_the_same_however_their_bytes_come(encoding, eager, size):
    """A chunk may cut a line end or a character; there are three kinds of line ends."""
    data = "one é\r\ntwo\rthree \N{WAVING HAND SIGN}\n\n\r\nlast".encode(encoding)
    lines = TextLines("" if encoding != "utf-16-le" else encoding, eager=eager)
    found = [line for chunk in in_pieces(data, size) for line in lines.feed(chunk)]
    found += lines.finish()
    assert [line.text for line in found] == [
        "one é",
        "two",
        "three \N{WAVING HAND SIGN}",
        "",
        "",
        "last",
    ]
    assert [line.number for line in found] == [1, 2, 3, 4, 5, 6]
    assert not any(line.problem for line in found)
    if not eager:
        assert [line.end for line in found] == ["\r\n", "\r", "\n", "\n", "\r\n", ""]


def test_a_line_is_given_as_soon_as_it_ends():
    """In eager mode, CR ends a line before it is known whether LF follows."""
    lines = TextLines(eager=True)
    assert [line.text for line in lines.feed(b"{}\n")] == ["{}"]
    assert [line.text for line in lines.feed(b"one\r")] == ["one"]
    assert [line.text for line in lines.feed(b"\ntwo\n")] == ["two"]
    assert lines.finish() == []
    patient = TextLines()
    assert patient.feed(b"some\r") == []
    assert [line.end for line in patient.finish()] == ["\r"]


def test_characters_that_only_python_takes_for_line_ends_are_none():
    """U+2028, U+0085 and the control characters that `splitlines` knows stay in their line."""
    text = "a\u2028b\u0085c\x0bd\x0ce\x1cf"
    assert [line.text for line in text_lines([text.encode()])] == [text]


def test_utf_16_without_a_byte_order_mark_is_seen_by_its_zeros():
    """Both byte orders are found; a file that begins with ASCII has a zero in every other byte."""
    for encoding in ("utf-16-le", "utf-16-be"):
        [line] = text_lines(['{"é": 1}'.encode(encoding)])
        assert line.text == '{"é": 1}'
    [line] = text_lines(["abc".encode("utf-16-be")], "utf-16")
    assert line.text == "abc"


def test_a_byte_that_is_no_utf_8_is_named_and_kept():
    """The line says its place and possible meaning; its bytes can be written unchanged."""
    [line] = text_lines([b'{"content": "h\xe9llo"}'])
    assert line.problem == (
        "character 15 is the byte 0xE9, which is not UTF-8; it looks like cp1252: "
        'give --encoding cp1252 to read \'{"content": "héllo"}\''
    )
    assert line.text.encode("utf-8", "surrogateescape") == b'{"content": "h\xe9llo"}'


@pytest.mark.parametrize(
    ("data", "encoding", "problem"),
    [
        (b"\x81", "", "0x81, which is not UTF-8: name the right encoding"),
        ("é".encode() + b"\xe9", "", "as the rest of the line is: fix it"),
        (b"a\x81", "cp1252", "character 2 is the byte 0x81, which is not CP1252"),
        (b"a\0b", "", "character 2 is NUL: this is not text, or not UTF-8"),
        (codecs.BOM_UTF8 + b"a", "cp1252", "begins with the mark of UTF-8, and --encoding says"),
        (codecs.BOM_UTF16_LE + b"a\0", "utf-8", "begins with the mark of UTF-16-LE"),
        (codecs.BOM_UTF16_LE + b"a\0\0", "", "the byte 0x00, which is not UTF-16-LE"),
    ],
)
def test_what_cannot_be_decoded_is_told(data, encoding, problem):
    """The error has the place, the byte and a fix."""
    [line] = text_lines([data], encoding)
    assert problem in line.problem


def test_a_line_without_an_end_is_bounded(monkeypatch):
    """It is reported as too long, only its beginning is kept, and the next line is read."""
    monkeypatch.setattr(_text_lines, "LONGEST", 1000)
    lines = TextLines()
    found = [line for _ in range(100) for line in lines.feed(b"x" * 999)]
    assert sum(map(len, lines._pieces)) < 3000
    found += lines.feed(b"\nshort\n" + b"y" * 1001 + b"\n")
    assert [(line.number, line.problem) for line in found] == [
        (1, "it is longer than 1,000 characters"),
        (2, ""),
        (3, "it is longer than 1,000 characters"),
    ]
    assert all(len(line.text) <= 200 for line in found)


@pytest.mark.parametrize(
    "name", ["nonsense", "", "base64", "rot13", "punycode", "a\0b", "undefined"]
)
def test_not_every_codec_of_python_is_a_character_set(name):
    """Codecs that make bytes of bytes, and those for other purposes, are refused."""
    with pytest.raises(LookupError):
        text_encoding(name)


@given(st.binary(max_size=60), st.sampled_from(["", *CHARSETS]), st.integers(1, 9))
@example(b"\x1b$" + b"\0" * 8, "iso2022_jp", 1)
@example(b"ok\n\x1b$" + b"\0" * 40 + b"\nafter", "iso2022_kr", 1000)
@settings(deadline=None, max_examples=400)
@example(b"", "utf-16", 1)
@example(codecs.BOM_UTF32_LE, "", 1)
def test_any_bytes_are_lines_in_any_character_set(data, encoding, size):
    """No decoder raises, and a correct line has no half character."""
    lines = TextLines(encoding)
    found = [line for chunk in in_pieces(data, size) for line in lines.feed(chunk)]
    found += lines.finish()
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    for line in found:
        assert not set(line.text) & set("\r\n")
        if not line.problem:
            line.text.encode()


@given(st.lists(st.binary(max_size=12).filter(lambda b: not set(b) & set(b"\r\n\0")), min_size=1))
def test_bytes_that_are_no_utf_8_come_back_as_they_were(given_lines):
    """Writing with `surrogateescape` gives the bytes that were read."""
    data = b"\n".join([b"#", *given_lines])
    again = [line.text.encode("utf-8", "surrogateescape") for line in text_lines([data])]
    assert again == [b"#", *given_lines][: len(again)]
    assert all(not line for line in given_lines[len(again) - 1 :])


# --- rows of CSV ---------------------------------------------------------------------------------


def table(text: str, delimiter: str = ","):
    return list(rows(text_lines([text.encode()]), delimiter))


def test_cells_are_what_stands_there():
    """Doubled quotes become one, line ends in quotes are kept, blank lines are left out."""
    text = 'a,b,c\n\n"x ""y"" z",,\r\n"two\r\nlines","1,2",  s \n  \n,"",\n'
    assert [row.cells for row in table(text)] == [
        ["a", "b", "c"],
        ['x "y" z', "", ""],
        ["two\r\nlines", "1,2", "  s "],
        ["", "", ""],
    ]
    assert [row.number for row in table(text)] == [1, 3, 4, 7]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('a,"b', "the quote at character 3 (column 2) is never closed"),
        ('a,"', "the quote at character 3 (column 2) is never closed"),
        ('a,b"', "a quote at character 4 (column 2) in a cell that does not begin with one"),
        ('a,b"c"d', "a quote at character 4 (column 2) in a cell"),
        (' "a",b', "a quote at character 2 (column 1) in a cell"),
        ('"a"b,c', "text after the closing quote, at character 4 (column 1)"),
        ('"a" ,c', "text after the closing quote, at character 4 (column 1)"),
        ('"""a', "the quote at character 1 (column 1) is never closed"),
        ("a,b\0", "character 4 is NUL"),
        ('"a\nb\nc"d', "on line 4: there is text after the closing quote, at character 3"),
    ],
)
def test_what_rfc_4180_does_not_allow_is_told(row, problem):
    """The csv module reads most of these as a text that nobody wrote."""
    found = table("x,y\n" + row + "\n")
    assert len(found) == 2
    assert found[1].number == 2
    assert problem in found[1].problem
    assert found[1].text == row + "\n"


def test_the_next_line_is_read_as_ever():
    """A bad row affects no other row, where its end is known."""
    found = table('a,b"\n1,2\n"3"x,4\n5,6\n')
    assert [bool(row.problem) for row in found] == [True, False, True, False]


def test_a_quote_that_is_closed_too_late_is_bounded(monkeypatch):
    """A row longer than any possible message is not collected."""
    monkeypatch.setattr("twake_async.cli._csv_rows.LONGEST", 20)
    found = table('"a\n' + "xxxxxxxx\n" * 4 + "1,2\n")
    assert "is not closed within 20 characters" in found[0].problem
    assert found[-1].cells == ["1", "2"]


cell = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(cell, min_size=2, max_size=4), max_size=5), st.sampled_from(",;\t|"))
def test_what_the_csv_module_writes_is_read_as_it_was(table_written, delimiter):
    """The cells have every kind of line end and quote."""
    import csv

    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table_written)
    read = table(out.getvalue(), delimiter)
    assert [row.cells for row in read] == table_written
    assert not any(row.problem for row in read)


@given(st.text(st.sampled_from('a",;\n\r \0'), max_size=30))
@settings(max_examples=300)
def test_each_line_is_in_one_row_or_blank(text):
    """No text gets lost, and a correct row has its quotes in pairs."""
    numbers = [row.number for row in table(text)]
    assert numbers == sorted(set(numbers))
    for row in table(text):
        if not row.problem:
            assert not row.text


# --- rows to drafts ------------------------------------------------------------------------------


def test_the_delimiter_is_told_by_the_first_row():
    """It finds the most fields; without one it is a comma. An option can name it, too."""
    for delimiter in ",;\t|":
        [line] = from_csv(f"channel_id{delimiter}content\nc{delimiter}hello\n")
        assert line.draft.content == "hello"
    [line] = from_csv("channel_id:content\nc:hello\n", delimiter=":")
    assert line.draft.content == "hello"
    [line] = from_csv('"channel_id";"content"\r\n"c";"a, b"\r\n')
    assert line.draft.content == "a, b"
    [line] = from_csv("sep=;\r\nchannel_id;content\r\nc;hello\r\n")
    assert line.draft.content == "hello"


def test_what_excel_saves_is_read():
    """UTF-16 with tabs, a byte order mark, TRUE in capitals, empty rows and columns at the end."""
    text = "channel_id\tcontent\tpinned\t\r\nc\tdéjà\tTRUE\t\r\n\t\t\t\r\n"
    for data in (text.encode("utf-16"), codecs.BOM_UTF8 + text.encode()):
        [line] = from_csv(data)
        assert (line.draft.content, line.draft.pinned) == ("déjà", True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("channel_id,content,content\nc,a,b\n", "two columns are 'content'"),
        ("Channel,content\nc,a\n", "give --map Channel=channel_id, or --map Channel= to leave"),
        ("channel_id,My Note\nc,a\n", "--map 'My Note='FIELD with one of channel_id, content"),
        ("content\nhello\n", "there is no column channel_id; there are 'content'"),
        ('channel_id,"content\nc,a\n', "never closed"),
        ('{"channel_id": "c"}\n', "if it is JSON Lines, give --format jsonl"),
        ("channel_id,content\nc,a,b\n", "more cells than the first row: 3, not 2"),
        ("channel_id,content\nc\n", "fewer cells than the first row: 1, not 2"),
        ("channel_id,content\nchannel_id,content\n", "it repeats the first row"),
        ("channel_id,content,\nc,a,x\n", "column 3 has a cell, but no name"),
        ("channel_id,content,pinned\nc,a,yes\n", "column 3 (pinned) must hold true or false"),
        ("channel_id,content,extra\nc,a,{\n", "column 3 (extra) must hold JSON"),
        (
            'channel_id,content,extra\nc,a,"{""x"":1,""x"":2}"\n',
            "column 3 (extra): the field 'x' is named twice",
        ),
        ("channel_id,content\n,a\n", "it has no channel_id"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_told(text, problem):
    """The error has the line, the column and the reason."""
    assert problem in only_wrong(from_csv(text))


def test_columns_are_renamed_and_left_out():
    """--map COLUMN=FIELD and --map COLUMN= do so; an unknown column is an error."""
    names = {"Kanal": "channel_id", "My Note": "content", "Datum": ""}
    text = "Kanal, My Note ,Datum\nc,hello,1.1.\n"
    [line] = from_csv(text, names=names)
    assert line.draft.content == "hello"
    assert json.loads(line.source) == {"channel_id": "c", "content": "hello"}
    problem = only_wrong(from_csv(text, names=names | {"Text": "sender"}))
    assert problem == "there is no column 'Text', which --map names"
    problem = only_wrong(from_csv("content,Text\na,b\n", names={"Text": "content"}))
    assert "two columns are 'content'" in problem


def test_large_cells_are_read():
    """The csv module stops at 131,072 characters."""
    [line] = from_csv(f'channel_id,content\nc,"{"x" * 1_000_000}"\n')
    assert len(line.draft.content) == 1_000_000


# --- lines of JSON to drafts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"channel_id": "c", "content": "a", "content": "b"}', "'content' is named twice"),
        ('{"channel_id": "c", "extra": {"a": 1, "a": 2}}', "'a' is named twice"),
        ('{"channel_id": "c", "contents": "a"}', "--map contents=content makes it that"),
        ('{"channel_id": "c", "colour": "a"}', "is not a field of a draft: there are channel_id"),
        ('{"content": "a"}', "it has no channel_id"),
        ('{"channel_id": "c"', "it is not JSON: Expecting ',' delimiter, at character 19"),
        ('{"channel_id": ' + "9" * 5000 + "}", "a number in it has too many digits"),
        ("{", "each object must stand on one line"),
        ("[{}]", "an array is not read: give one object on each line"),
        ("channel_id,content", "if it is CSV, give --format csv"),
        ("hello", "it is not JSON: Expecting value, at character 1"),
    ],
)
def test_what_is_wrong_with_a_line_of_json_is_told(text, problem):
    """The error has the place and the reason, and says what else the file may be."""
    assert problem in only_wrong(from_json(text))


def test_fields_of_json_are_renamed_and_left_out_too():
    """The written form of such a line can be read with the options and without them."""
    names = {"text": "content", "date": ""}
    given = '{"channel_id": "c", "text": "a", "date": 5}'
    [line] = from_json(given, names=names)
    assert line.draft.content == "a"
    for again in ({}, names):
        [read] = from_json(line.source, names=again)
        assert read.draft == line.draft
    problem = only_wrong(from_json('{"channel_id": "c", "text": "a", "content": "b"}', names=names))
    assert "two fields of it are 'content', by --map" in problem


def test_a_byte_order_mark_and_cr_are_no_part_of_a_line():
    """It holds also in the middle, where files were joined."""
    data = '\ufeff{"channel_id": "c", "content": "a"}\r\ufeff{"channel_id": "c", "content": "b"}\r'
    assert [line.draft.content for line in from_json(data)] == ["a", "b"]


def test_what_was_read_in_another_encoding_is_written_in_ascii():
    """So the list can be read with the same --encoding, and without it."""
    data = '{"channel_id": "c", "content": "é"}'.encode("cp1252")
    [line] = from_json(data, encoding="cp1252")
    assert line.source.isascii()
    for encoding in ("", "cp1252"):
        [again] = from_json(line.source, encoding=encoding)
        assert again.draft == line.draft


def test_a_line_that_cannot_be_written_as_it_was_is_named(monkeypatch):
    """The error has its number, the reason and its beginning."""
    monkeypatch.setattr(_text_lines, "LONGEST", 100)
    [line] = from_json(b"x" * 1000)
    assert json.loads(line.source) == {
        "line": 1,
        "problem": "it is longer than 100 characters",
        "begins": "x" * 200,
    }
    [line] = from_json(b"\xff\xfe\0", encoding="utf-8")
    assert line.source


# --- keys ----------------------------------------------------------------------------------------


def test_a_field_may_be_the_key():
    """A field of a draft stays in it, another one does not; both are written."""
    [line] = from_json('{"channel_id": "c", "content": "a", "order": "17"}', key="order")
    assert (line.key, line.draft.content) == ("17", "a")
    assert json.loads(line.source)["order"] == "17"
    [line] = from_json('{"channel_id": "c", "content": "a", "front_id": "f"}', key="front_id")
    assert (line.key, line.draft.front_id) == ("f", "f")
    [line] = from_csv("channel_id,content,Nr\nc,a,17\n", key="order", names={"Nr": "order"})
    assert (line.key, json.loads(line.source)["order"]) == ("17", "17")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("", "it has no order, which --key names"),
        (', "order": 17', "order, which --key names, must be a string that can be printed"),
        (', "order": ""', "must be a string that can be printed"),
        (', "order": "a\\nb"', "must be a string that can be printed"),
        (', "order": null', "must be a string that can be printed"),
    ],
)
def test_a_line_without_a_key_is_told(more, problem):
    """The key must exist, be a string, and be printable."""
    assert problem in only_wrong(
        from_json('{"channel_id": "c", "content": "a"' + more + "}", key="order")
    )


def test_a_csv_file_without_the_column_of_the_key_is_told():
    """The error is given in its first row, once."""
    problem = only_wrong(from_csv("channel_id,content\nc,a\nc,b\n", key="order"))
    assert problem == "there is no column order; there are 'channel_id', 'content'"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"content": ""}, "content is empty"),
        ({"content": "half a pair: \ud83d"}, "content holds a lone surrogate"),
        ({"content": 5}, "text, a node or a list of them is needed, not a number"),
        ({"content": [{"type": "bold", "content": True}]}, "the client would show an error"),
        ({"content": "x", "front_id": "a b"}, "front_id holds white space"),
        ({"content": "x", "extra": {"content": "y"}}, "extra['content'] is a field"),
    ],
)
def test_a_check_finds_what_could_not_be_encoded(more, problem):
    """It finds this before anything is sent, though nothing is encoded yet."""
    given = json.dumps({"channel_id": "c"} | more).encode()
    [line] = FileInput(io.BytesIO(given), is_csv=False).check()
    assert line.draft is None
    assert problem in line.problem


@pytest.mark.parametrize(
    ("row", "problem"),
    [("c,,", "content is empty"), ("c,x,a b", "front_id holds white space")],
)
def test_a_check_of_rows_finds_it_too(row, problem):
    """The row is given in a form that can be sent again."""
    given = f"channel_id,content,front_id\n{row}\n".encode()
    [line] = FileInput(io.BytesIO(given), is_csv=True).check()
    assert (line.number, line.draft) == (2, None)
    assert problem in line.problem
    assert json.loads(line.source)["channel_id"] == "c"


def test_keys_of_a_file_are_its_own(tmp_path):
    """Two lines with one key are found before anything is sent."""
    given = b"".join(
        json.dumps({"channel_id": "c", "content": "x", "order": key}).encode() + b"\n"
        for key in ("a", "b", "a")
    )
    source = FileInput(io.BytesIO(given), is_csv=False, reading=Reading(key="order"))
    assert [line.problem for line in source.check()] == [
        "",
        "",
        "its key 'a' is that of line 1 too",
    ]


# --- any input -----------------------------------------------------------------------------------

READINGS = [
    Reading(),
    Reading(encoding="cp1252"),
    Reading(encoding="utf-16"),
    Reading(delimiter=";"),
    Reading(names={"a": "content", "b": ""}),
    Reading(key="order"),
]
PIECES = (
    b"channel_id,content,pinned,extra\n",
    b'{"channel_id": "c", "content": "x"}\n',
    b'{"channel_id":',
    b'"c"',
    b"c,",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe9",
    "é\u2028".encode(),
    b'"\\ud800"',
    b"[" * 2000,
    b"sep=;\n",
)
anything = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=12).map(b"".join)


@given(anything, st.sampled_from(READINGS), st.sampled_from([read_csv, read_jsonl]))
@settings(deadline=None, max_examples=500)
def test_any_bytes_give_drafts_or_what_is_wrong(data, reading, read):
    """Nothing is raised; a line has a draft or a problem, and can be written as one line."""
    for line in read(in_pieces(data, 5), reading):
        assert (line.draft is None) == bool(line.problem)
        assert line.source
        assert not set(line.source) & set("\r\n")
        line.source.encode("utf-8", "surrogateescape")


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
printable = names.filter(lambda text: text.isprintable() and not text.isspace())
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
fields_of_drafts = st.fixed_dictionaries(
    {"channel_id": printable, "content": st.text(max_size=20)},
    optional={
        "hidden_data": st.dictionaries(names, json_values, max_size=3),
        "pinned": st.booleans(),
        "parent_message_id": printable,
        "extra": st.dictionaries(printable, json_values, max_size=2),
    },
)


@given(
    st.lists(fields_of_drafts, min_size=1, max_size=4),
    st.sampled_from(["", "utf-16", "utf-8-sig"]),
    st.booleans(),
)
@settings(deadline=None)
def test_what_is_written_of_a_line_is_the_same_draft(given_lines, encoding, ascii_only):
    """A list of undelivered messages is an input, whatever the form of the first input was."""
    text = "".join(json.dumps(line, ensure_ascii=ascii_only) + "\n" for line in given_lines)
    data = text.encode(encoding or "utf-8", "surrogatepass")
    for line in read_jsonl([data], Reading(encoding=encoding)):
        if line.draft is not None:
            [again] = read_jsonl([line.source.encode()])
            [listed] = read_jsonl(
                [with_result(LineResult(again, Outcome.NOT_SENT, error="it was held")).encode()]
            )
            [twice] = read_jsonl([with_result(LineResult(listed, Outcome.UNKNOWN)).encode()])
            assert again.draft == listed.draft == twice.draft == line.draft


@given(
    st.lists(st.tuples(printable, cell.filter(bool), cell), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
@settings(deadline=None)
def test_what_is_written_of_a_row_is_the_same_draft(given_rows, encoding):
    """It holds for CSV, too, with any text in its cells."""
    import csv

    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([("channel_id", "content", "left out"), *given_rows])
    reading = Reading(encoding=encoding, names={"left out": ""})
    lines = list(read_csv([out.getvalue().encode(encoding)], reading))
    assert [(line.draft.channel_id, line.draft.content) for line in lines if line.draft] == [
        (channel, content) for channel, content, _ in given_rows
    ]
    for line in lines:
        [again] = read_jsonl([line.source.encode()])
        assert again.draft == line.draft


# --- which format --------------------------------------------------------------------------------

CSV = b"channel_id;content\nc;x\n"
JSON = b'\n{"channel_id": "c", "content": "x"}\n'


@pytest.mark.parametrize(
    ("asked", "name", "head", "delimiter", "expected"),
    [
        (None, "in.csv", JSON, "", True),
        (None, "IN.CSV", b"", "", True),
        (None, "in.tsv", b"", "", True),
        (None, "in.jsonl", CSV, "", False),
        (None, "in.txt", CSV, "", True),
        (None, "in.txt", CSV.decode().encode("utf-16"), "", True),
        (None, "in.txt", b"sep=;\nKanal;Text\n", "", True),
        (None, "in.txt", JSON, "", False),
        (None, "in.txt", b"", "", False),
        (None, "in.txt", b"nonsense", "", False),
        (None, "in.txt", b"nonsense", ";", True),
        (None, "63", CSV, "", True),
        ("csv", "in.jsonl", JSON, "", True),
        ("jsonl", "in.csv", CSV, "", False),
    ],
)
def test_the_format_is_asked_for_named_or_seen(asked, name, head, delimiter, expected):
    """They are tried in this order; the default is JSON Lines."""
    assert is_csv(asked, name, head, Reading(delimiter=delimiter)) is expected


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"PK\x03\x04...", "a workbook or a zip archive: save it as CSV first"),
        (b"\xd0\xcf\x11\xe0...", "an old workbook of Excel"),
        (b"\x1f\x8b...", "compressed by gzip"),
        (b"SQLite format 3\0", "a SQLite database"),
    ],
)
def test_files_that_are_no_text_are_told(cli, write, tmp_path, head, said):
    """The error says what they are, and what to do."""
    path = tmp_path / "people.csv"
    path.write_bytes(head)
    status, out, err = cli("send-many", str(path))
    assert (status, out) == (64, "")
    assert said in err


# --- files and pipes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("in.csv", b"channel_id,content\r{c},hello\r{c},again\r"),
        ("in.csv", "channel_id,content\r\n{c},hello\r\n{c},again\r\n".encode("utf-16")),
        ("in.csv", "channel_id,content\n{c},hello\n{c},again".encode("utf-16-be")),
        ("in.csv", "\ufeffchannel_id;content\n{c};hello\n{c};again\n".encode()),
        ("IN.CSV", b"channel_id,content\n{c},hello\n{c},again\n"),
        ("in.txt", b"channel_id\tcontent\n{c}\thello\n{c}\tagain\n"),
        (
            "in",
            '\ufeff{"channel_id":"{c}","content":"hello"}\r\n{"channel_id":"{c}","content":"again"}'.encode(),
        ),
    ],
)
def test_the_usual_files_are_sent(sandbox, cli, tmp_path, name, data):
    """The program that wrote them does not matter."""
    path = tmp_path / name
    utf_16 = "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    wide = b"\0" in data
    old, new = ("{c}", sandbox.channel_id)
    path.write_bytes(
        data.replace(old.encode(utf_16), new.encode(utf_16))
        if wide
        else data.replace(old.encode(), new.encode())
    )
    assert cli("send-many", str(path)) == (0, "2 delivered\n", "")
    assert texts(sandbox) == ["hello", "again"]


def test_a_file_in_another_encoding_is_told_and_then_sent(sandbox, cli, tmp_path):
    """The error names the option, and with that option the file is sent."""
    path = tmp_path / "in.csv"
    path.write_bytes(f"channel_id;content\n{sandbox.channel_id};déjà vu\n".encode("cp1252"))
    status, out, err = cli("send-many", str(path))
    assert (status, out) == (3, "0 messages, 1 bad lines; nothing was sent\n")
    assert "line 2: " in err
    assert "it looks like cp1252: give --encoding cp1252" in err
    assert cli("send-many", str(path), "--encoding", "cp1252") == (0, "1 delivered\n", "")
    assert texts(sandbox) == ["déjà vu"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('channel_id,content\n{c},"first\n{c},row 2\n{c},row 3\n', "line 2: the quote at"),
        ('channel_id,content\n{c},a\n{c},5" disk\n', "line 3: there is a quote at character"),
        ("channel_id,content,content\n{c},first,second\n", "line 1: two columns are 'content'"),
    ],
)
def test_a_bad_csv_file_sends_nothing(sandbox, cli, tmp_path, text, said):
    """The error has the line and the column, and no message of the file leaves."""
    path = tmp_path / "in.csv"
    path.write_text(text.replace("{c}", sandbox.channel_id))
    status, _, err = cli("send-many", str(path))
    assert status == 3
    assert said in err
    assert sandbox.requests == []


@posix
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["pipe.jsonl", "pipe"])
def test_a_pipe_with_a_name_is_read_once(sandbox, cli, tmp_path, name, more):
    """JSON Lines are sent as they come, as from standard input; a dry run copies them first."""
    path = tmp_path / name
    os.mkfifo(path)
    text = json.dumps(message(sandbox, 1)) + "\n" + json.dumps(message(sandbox, 2))
    threading.Thread(target=path.write_text, args=(text,), daemon=True).start()
    assert cli("send-many", str(path), *more)[0] == 0
    assert len(texts(sandbox)) == (0 if more else 2)


@posix
def test_csv_from_a_process_is_copied_and_checked(sandbox, tmp_path):
    """Process substitution gives a pipe whose name says nothing."""
    rows = f"channel_id,content\\n{sandbox.channel_id},one\\n{sandbox.channel_id},two\\n"
    command = [sys.executable, "-m", "twake_async", "send-many"]
    script = f"{' '.join(command)} <(printf '{rows}')"
    ran = subprocess.run(
        ["bash", "-c", script],
        env=environment(**sandbox.environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "2 delivered\n", "")
    assert texts(sandbox) == ["one", "two"]


@posix
def test_a_pipe_of_json_lines_streams(sandbox, tmp_path):
    """The first message is in the channel before the pipe ends."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with spawned(sandbox, str(path)) as process:
        with path.open("w") as pipe:
            print(json.dumps(message(sandbox, 1)), file=pipe, flush=True)
            wait_for(lambda: texts(sandbox) == ["message 1"])
            print(json.dumps(message(sandbox, 2)), file=pipe, flush=True)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "2 delivered\n", "")


@posix
@pytest.mark.parametrize("csv", [False, True])
def test_standard_input_that_does_not_block_is_waited_for(sandbox, csv):
    """Some parents leave a pipe so: an empty pipe is not at its end."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    arguments = ["-", "--format", "csv"] if csv else ["-"]
    with subprocess.Popen(
        [sys.executable, "-m", "twake_async", "send-many", *arguments],
        env=environment(**sandbox.environment),
        stdin=ours,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(ours)
        lines = ["channel_id,content", f"{sandbox.channel_id},message 1"]
        for line in lines if csv else [json.dumps(message(sandbox, n)) for n in (0, 1)]:
            os.write(theirs, line.encode() + b"\n")
            if not csv:
                wait_for(lambda: texts(sandbox))
        os.close(theirs)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert texts(sandbox)[-1] == "message 1"


@posix
async def test_a_pipe_that_cannot_be_read_is_told():
    """It is a folder, for example: the command does not hang, nor end as if all were read."""
    folder = os.open("/", os.O_RDONLY)
    source = StreamInput(folder, Reading())
    with pytest.raises(InputError, match="the input cannot be read: Is a directory"):
        [line async for line in source.lines()]
    assert list(source.rest(0)) == []
    assert list(StreamInput(folder, Reading()).rest(0)) == []
    with pytest.raises(InputError, match="the input cannot be read: Is a directory"):
        _sources.first_line(folder)
    with pytest.raises(InputError, match="the input cannot be copied: Is a directory"):
        _sources.copied(folder)
    os.close(folder)


@pytest.mark.parametrize("arguments", [["-"], ["-", "--format", "csv"], ["-", "--dry-run"]])
def test_standard_input_that_cannot_be_read_is_told(sandbox, cli, monkeypatch, arguments):
    """The status is 3, because nothing was sent."""

    def fail(*_):
        raise OSError(5, "Input/output error")

    with pathlib.Path(os.devnull).open() as stdin, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        patch.setattr(os, "read", fail)
        status, _, err = cli("send-many", *arguments)
    assert status == 3
    assert "Input/output error" in err


def test_a_file_that_cannot_be_opened_is_a_wrong_command_line(cli, tmp_path):
    """The path is a folder, or nothing."""
    for path in (tmp_path, tmp_path / "missing.csv"):
        assert cli("send-many", str(path))[0] == 64
    with pytest.raises(click.UsageError, match="cannot be read"):
        _sources.opened(str(tmp_path / "gone.csv"))


def test_a_line_that_is_no_utf_8_is_in_the_list_as_it_was(sandbox, tmp_path):
    """The input is standard input; the other lines are sent."""
    rest = tmp_path / "rest.jsonl"
    good, bad = (json.dumps(message(sandbox, n)).encode() for n in (1, 2))
    bad = bad.replace(b"message", b"m\xe9ssage")
    ran = subprocess.run(
        [sys.executable, "-m", "twake_async", "send-many", "-", "--undelivered", str(rest)],
        env=environment(**sandbox.environment),
        input=good + b"\n" + bad + b"\n",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 3
    assert ran.stdout == b"1 delivered, 1 not sent\n"
    assert b"m\xe9ssage 2" in rest.read_bytes()
    assert rest.read_bytes().count(b"\n") == 1


# --- a file that changes -------------------------------------------------------------------------


def checked(tmp_path, text: str, **reading) -> tuple[pathlib.Path, FileInput]:
    path = tmp_path / "in"
    path.write_text(text)
    source = FileInput(path.open("rb"), is_csv=not text.startswith("{"), reading=Reading(**reading))
    assert all(line.draft for line in source.check())
    return path, source


def taken(source: FileInput) -> tuple[list[str], str]:
    contents = []
    try:
        contents.extend(line.draft.content for line in source.lines())
    except InputError as exc:
        return contents, str(exc)
    return contents, ""


ROWS = "channel_id,content\nc,one\nc,two\nc,three\n"


@pytest.mark.parametrize(
    ("now", "sent", "said"),
    [
        (ROWS, ["one", "two", "three"], ""),
        (ROWS.replace("two", "TWO"), ["one"], "changed since it was checked: line 3"),
        (ROWS.replace("c,two\n", ""), ["one"], "changed since it was checked: line 3"),
        (ROWS + "c,four\nc,fi", ["one", "two", "three"], "grown since it was checked: line 5"),
        (ROWS[:-6], ["one", "two"], "changed since it was checked: line 4"),
        ("channel_id,content\nc,one\n", ["one"], "become shorter since it was checked"),
        ("", [], "become shorter"),
    ],
)
def test_what_was_not_checked_is_not_sent(tmp_path, now, sent, said):
    """A file that changes after the check ends the batch at the first line that differs."""
    path, source = checked(tmp_path, ROWS)
    path.write_text(now)
    contents, problem = taken(source)
    assert contents == sent
    assert said in problem
    left = [line.source for line in source.rest(2)]
    source.file.close()
    assert len(left) == max(0, now.count("\n") - 2) + (not now.endswith("\n") and now != "")


def test_passes_over_a_file_do_not_disturb_each_other(tmp_path):
    """The rest may be read while a first pass is still in the middle."""
    _, source = checked(tmp_path, ROWS + ("c," + "x" * 400 + "\n") * 1_000)
    first = source.lines()
    next(first)
    assert sum(1 for _ in source.rest(2)) == 1_002
    assert sum(1 for _ in first) == 1_002
    source.file.close()


def test_a_file_that_is_changed_while_it_is_sent_is_told(sandbox, write, tmp_path):
    """The error has the line; the status says that lines are left, and the list has them."""
    rest = tmp_path / "rest.jsonl"
    file = pathlib.Path(
        write(*(message(sandbox, number, extra={"pad": "x" * 3_000}) for number in range(200)))
    )
    with spawned(sandbox, str(file), "--rate", "200", "--undelivered", str(rest)) as process:
        wait_for(lambda: len(texts(sandbox)) >= 5)
        file.write_text(file.read_text().replace("message 190", "another 190"))
        _, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "changed since it was checked: line 191" in err
    assert texts(sandbox) == [f"message {number}" for number in range(190)]
    left = [json.loads(line)["content"] for line in rest.read_text().splitlines()]
    assert left == ["another 190", *(f"message {number}" for number in range(191, 200))]


def test_what_is_added_to_a_file_while_it_is_sent_is_left(sandbox, write, tmp_path):
    """It was not checked, and may be half a line: only the lines that were checked are sent."""
    rest = tmp_path / "rest.jsonl"
    padded = (message(sandbox, number, extra={"pad": "x" * 3_000}) for number in range(400))
    file = pathlib.Path(write(*padded))
    arguments = (str(file), "--rate", "400", "--undelivered", str(rest))
    with spawned(sandbox, *arguments) as process:
        wait_for(lambda: len(texts(sandbox)) >= 5)
        with file.open("a") as more:
            more.write(json.dumps(message(sandbox, 400)) + '\n{"channel')
        _, err = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "grown since it was checked: line 401 and the lines after it were not sent" in err
    assert len(texts(sandbox)) == 400
    first, second = rest.read_text().splitlines()
    assert json.loads(first)["content"] == "message 400"
    assert second == '{"channel'


def test_a_file_that_changes_when_it_has_been_read_is_told(sandbox, write):
    """All checked lines are sent; the file has other lines now."""
    file = pathlib.Path(write(*(message(sandbox, number) for number in range(20))))
    with spawned(sandbox, str(file), "--rate", "20") as process:
        wait_for(lambda: texts(sandbox))
        file.write_text(file.read_text().replace("message", "another"))
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "20 delivered\n")
    assert "warning: the file was changed during the run; the checked lines were sent" in err
    assert texts(sandbox) == [f"message {number}" for number in range(20)]


def test_a_key_that_is_given_twice_on_standard_input_is_sent_once(sandbox, tmp_path):
    """The second one is found when it comes; the others are sent."""
    lines = [json.dumps(message(sandbox, n, order=f"o{n % 3}")) for n in range(4)]
    arguments = ("-", "--key", "order", "--journal", str(tmp_path / "run.sqlite"))
    with spawned(sandbox, *arguments) as process:
        out, err = process.communicate("\n".join(lines), timeout=120)
    assert (process.returncode, out) == (3, "3 delivered, 1 not sent\n")
    assert "line 4: not sent: the key 'o0' was given twice" in err
    assert len(texts(sandbox)) == 3


def test_an_input_that_fails_in_the_middle_is_told(tmp_path):
    """When a disk or a network fails, the batch ends with a sentence."""

    class Failing(io.BytesIO):
        def read(self, *_):
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(30)

    source = FileInput(Failing(b'{"channel_id": "c", "content": "x"}\n' * 2), is_csv=False)
    with pytest.raises(InputError, match="the input cannot be read: Input/output error"):
        list(source.check())


# --- what a pipe still holds ---------------------------------------------------------------------


def piped(*chunks: bytes) -> StreamInput:
    ours, theirs = os.pipe()
    os.write(theirs, b"".join(chunks))
    os.close(theirs)
    return StreamInput(ours, Reading())


LINES = b"".join(b'{"channel_id": "c", "content": "%d"}\n' % number for number in range(50))


async def test_what_a_stopped_pipe_gave_is_left_to_its_rest():
    """No line that was read is lost: each is given once, before or after the stop."""
    source = piped(LINES, b'{"half": ')
    seen = []
    async for line in source.lines():
        seen.append(line)
        if len(seen) == 10:
            source.stop()
    left = list(source.rest(0))
    assert [line.number for line in (*seen, *left)] == list(range(1, 52))
    assert left[-1].source == '{"half":'
    assert list(source.rest(0)) == []


def test_the_rest_of_a_pipe_that_was_never_begun_is_all_of_it():
    """The batch could not begin."""
    source = piped(LINES)
    assert len(list(source.rest(0))) == 50


def test_the_rest_of_a_pipe_that_goes_on_is_what_came(monkeypatch):
    """The rest is read until a pause, not until the end."""
    monkeypatch.setattr(_input, "_PAUSE", 0.05)
    ours, theirs = os.pipe()
    os.write(theirs, LINES + b"half")
    source = StreamInput(ours, Reading())
    assert [line.source for line in source.rest(0)][-1] == "half"
    os.close(theirs)


def test_a_line_is_given_before_the_next_one_comes():
    """It holds for any line end: a line of a stream must not wait."""
    lines = JsonLines(Reading())
    for end in (b"\n", b"\r\n", b"\r"):
        assert len(list(lines.feed(b'{"channel_id": "c", "content": "x"}' + end))) == 1


# --- the options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--encoding", "nonsense"], "'nonsense' is not an encoding"),
        (["--encoding", ""], "'' is not an encoding"),
        (["--delimiter", ";;"], "is not one character, nor one of comma, semicolon, tab, pipe"),
        (["--delimiter", '"'], "is not one character"),
        (["--delimiter", ";", "--format", "jsonl"], "has no effect with --format jsonl"),
        (["--map", "content"], "write COLUMN=FIELD"),
        (["--map", "=content"], "write COLUMN=FIELD"),
        (["--map", "a=contents"], "'contents' is not a field of a draft, but content"),
        (["--map", "a=content", "--map", "b=content"], "--map names 'content' twice"),
        (["--map", "a=content", "--map", "a=sender"], "--map names 'a' twice"),
        (["--key", "order"], "--key needs --journal"),
        (["--key", "", "--journal", "j"], "--key is empty"),
        (["--key", "a", "--map", "a=content", "--journal", "j"], "--map makes it another field"),
    ],
)
def test_options_that_make_no_sense_are_told(sandbox, cli, write, options, said):
    """The status is 64, before anything is read."""
    status, _, err = cli("send-many", write(message(sandbox, 1)), *options)
    assert status == 64
    assert said in " ".join(err.split())
    assert sandbox.requests == []


def test_columns_and_delimiters_can_be_named(sandbox, cli, tmp_path):
    """All of them work together, with a key that allows another order of the rows."""
    path, journal = tmp_path / "people.txt", str(tmp_path / "run.sqlite")
    rows = [f"{sandbox.channel_id}:hello {n}:n{n}:x" for n in range(3)]
    options = ("--delimiter", ":", "--map", "To=channel_id", "--map", "Say=content", "--map", "Z=")
    arguments = (str(path), *options, "--key", "Nr", "--journal", journal)
    path.write_text("\n".join(["To:Say:Nr:Z", *rows]))
    assert cli("send-many", *arguments) == (0, "3 delivered\n", "")
    path.write_text("\n".join(["To:Say:Nr:Z", *reversed(rows)]))
    assert cli("send-many", *arguments) == (0, "3 delivered\n", "")
    assert texts(sandbox) == ["hello 0", "hello 1", "hello 2"]
    listed = cli("journal", journal, "--list", "delivered")[1]
    assert [json.loads(line)["key"] for line in listed.splitlines()] == ["n0", "n1", "n2"]


@pytest.mark.parametrize("delimiter", ["tab", r"\t", "\t"])
def test_a_tab_has_a_name(sandbox, cli, tmp_path, delimiter):
    """A tab is hard to write in a shell."""
    path = tmp_path / "people.txt"
    path.write_text(f"channel_id\tcontent\n{sandbox.channel_id}\thello\n")
    assert cli("send-many", str(path), "--delimiter", delimiter) == (0, "1 delivered\n", "")
