"""The names that servers give files: read in all their forms, and made safe."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async.resources._files_names import safe_name, server_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("note.txt", "note.txt"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.exe", "x.exe"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\0b\n", "a_b_"),
        ('a<b>:"|?*', "a_b______"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("con .txt", "_con .txt"),
        ("lpt².txt", "_lpt².txt"),
        ("é" * 200, "é" * 100),
    ],
)
def test_names_that_are_safe(name, safe):
    """They are safe whatever the server sends."""
    assert safe_name(name) == safe


def test_names_of_servers():
    """Both recorded forms are read; PHP writes UTF-8 into a header."""
    assert server_name("attachment; filename*=UTF-8''a%20b.zip") == "a b.zip"
    assert server_name('attachment; filename="é.txt"'.encode().decode("latin-1")) == "é.txt"
    assert server_name("attachment") == "file"


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("filename*=utf-8''a%20b.zip", "a b.zip"),
        ("FileName*=Utf-8'en'%e2%82%ac.txt", "€.txt"),
        ("filename*=iso-8859-1''%e9.txt", "é.txt"),
        ("filename*=x-unknown''a.txt", "a.txt"),
        ("filename*=undefined''%e2%82%ac.txt", "€.txt"),
        ("filename*=", "file"),
        ('filename*=; filename="b.txt"', "b.txt"),
        ('FILENAME="a.txt"', "a.txt"),
        ('filename="a.txt"; size=3', "a.txt"),
        ("filename=a.txt;size=3", "a.txt"),
        ('size=3; filename = "a.txt"', "a.txt"),
        ('filename="a;b.txt"', "a;b.txt"),
        (r'filename="a\"b.txt"', "a_b.txt"),
        ("filename=\"a.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("filename*=UTF-8''..%2f..%5Cup.txt", "up.txt"),
        ("filename*=UTF-8''%00%2e%2e", "_"),
        ("filename*=UTF-8''nul.txt", "_nul.txt"),
        ('xfilename="no.txt"', "file"),
        ('filename*0="a"; filename*1="b.txt"', "ab.txt"),
        ("filename*=a; filename*0=b", "file"),
        (f"filename*{'9' * 5000}=a", "file"),
    ],
)
def test_the_forms_of_a_servers_name(parameters, name):
    """They are those of RFC 6266, in any case and order, and broken ones."""
    assert server_name(f"attachment; {parameters}") == name


PIECES = "attachment|filename|; filename*|; filename=|; filename*0|=|*|*0|;|\"|utf-8''|idna''|%2e|%00|%2F|%ff|\\|..|.| |/|con|AUX|lpt1|.txt|é|a"


@given(
    st.text(st.characters(max_codepoint=255))
    | st.lists(st.sampled_from([*PIECES.split("|"), "|", "\n"])).map(
        lambda parts: "attachment; filename" + "".join(parts)
    )
)
def test_no_header_leads_elsewhere(disposition):
    """Any bytes give a name in one folder, not of a device, and never an error."""
    name = server_name(disposition)
    assert name.isprintable()
    assert not set(name) & set('/\\\0<>:"|?*')
    assert name == name.strip(". ")
    assert 0 < len(name.encode()) <= 201
    assert not re.match(
        r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³])\s*(\.|$)", name, re.IGNORECASE
    )
