"""What a reader sees of a content: as Twake's client shows it, and safe whatever stands in it."""

from __future__ import annotations

import datetime
import html.parser
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SUPPORT

from twake_async import Message, Reaction
from twake_async.twacode import (
    BlockCode,
    Bold,
    Button,
    Content,
    Option,
    Portable,
    UserMention,
    decode,
    encode,
)
from twake_async.twacode._nodes.client import KNOWN_TYPES
from twake_async.twacode._rendering.content import ERROR, problem, shown
from twake_async.twacode._rendering.elements import (
    ATTRIBUTES,
    TAGS,
    Element,
    element,
    to_data,
    to_html,
)
from twake_async.twacode._rendering.links import client_link, is_picture, is_safe, mail_link
from twake_async.twacode._rendering.markdown import compiled
from twake_async.twacode._rendering.nodes import DRAWINGS
from twake_async.twacode._rendering.page import block, whole_page

PICTURE = "data:image/png;base64,iVBORw0KGgo="
SAFE_LINK = 'target="_blank" rel="noopener noreferrer"'


def seen(content, **options) -> str:
    """Return what a reader sees, as HTML."""
    return to_html(shown(content, **options))


# ---- the table of TWACODE.md --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "text", "content": "a"}, "a"),
        ({"type": "text_block_parent", "content": ["a", "b"]}, "ab"),
        ({"type": "nop", "content": {"type": "bold", "content": "a"}}, "<b>a</b>"),
        ({"type": "br"}, "<br>"),
        ({"type": "br", "content": "a"}, "<br>a"),
        ({"type": "bold", "content": "a"}, "<b>a</b>"),
        ({"type": "italic", "content": "a"}, "<i>a</i>"),
        ({"type": "underline", "content": "a"}, "<u>a</u>"),
        ({"type": "strikethrough", "content": "a"}, "<s>a</s>"),
        ({"type": "quote", "content": "a"}, '<blockquote class="tw-quote">a</blockquote>'),
        ({"type": "mquote", "content": "a"}, '<blockquote class="tw-quote">a</blockquote>'),
        ({"type": "system", "content": "a"}, '<small class="tw-system">a</small>'),
        ({"type": "attachment", "content": "a"}, '<div class="tw-attachment">a</div>'),
        ({"type": "icode", "content": " a "}, "<code>a</code>"),
        ({"type": "mcode", "content": "\na\n"}, '<pre class="tw-code"><code>a</code></pre>'),
        ({"type": "user", "content": "bob:1"}, '<span class="tw-mention" title="1">@bob</span>'),
        ({"type": "user", "content": "bob:1", "id": "2"}, '<span class="tw-mention" title="2">@bob</span>'),
        ({"type": "channel", "content": "x"}, '<span class="tw-mention">#x</span>'),
        ({"type": "emoji", "content": "tada"}, '<span class="tw-emoji" role="img" aria-label="tada" title=":tada:">🎉</span>'),
        ({"type": "emoji", "content": "own"}, '<span class="tw-emoji">:own:</span>'),
        ({"type": "url", "url": "a.org", "content": "a"}, f'<a href="https://a.org" {SAFE_LINK}>a</a>'),
        ({"type": "url", "content": "http://a.org"}, f'<a href="http://a.org" {SAFE_LINK}>http://a.org</a>'),
        ({"type": "url", "url": "a.org"}, f'<a href="https://a.org" {SAFE_LINK}>a.org</a>'),
        ({"type": "url", "url": "", "content": "a"}, '<span class="tw-link" title="this link leads nowhere">a</span>'),
        (
            {"type": "url", "url": "a.org", "content": {"type": "button", "content": "a", "style": "danger"}},
            f'<a class="tw-button tw-danger" href="https://a.org" {SAFE_LINK}>a</a>',
        ),
        (
            {"type": "url", "url": "a.org", "content": [{"type": "url", "url": "b.org", "content": "b"}]},
            f'<a href="https://a.org" {SAFE_LINK}><span class="tw-link">b</span></a>',
        ),
        ({"type": "markdown_link", "content": "a](b.org"}, f'<a href="https://b.org" {SAFE_LINK}>a</a>'),
        ({"type": "email", "content": "a@b.org"}, f'<a href="mailto:a@b.org" {SAFE_LINK}>a@b.org</a>'),
        ({"type": "image", "src": PICTURE}, f'<img class="tw-image" src="{PICTURE}" alt="picture">'),
        (
            {"type": "image", "src": "https://a.org/x.png"},
            f'<a class="tw-elsewhere" href="https://a.org/x.png" {SAFE_LINK}>picture: a.org</a>',
        ),
        (
            {"type": "image", "src": "x.png"},
            '<span class="tw-elsewhere" title="this link leads nowhere">picture: of an address that shows nothing</span>',
        ),
        ({"type": "icon", "src": PICTURE}, f'<img class="tw-icon" src="{PICTURE}" alt="icon">'),
        ({"type": "icon", "src": ":own:"}, '<span class="tw-emoji">:own:</span>'),
        ({"type": "icon", "src": "x"}, "x"),
        (
            {"type": "icon", "src": "http://a.org/"},
            f'<a class="tw-elsewhere" href="http://a.org/" {SAFE_LINK}>icon: a.org</a>',
        ),
        ({"type": "file", "content": "f"}, '<span class="tw-file">📄 <code>f</code></span>'),
        ({"type": "file", "content": "f", "mode": "mini"}, '<span class="tw-file tw-mini">📄 <code>f</code></span>'),
        (
            {"type": "copiable", "content": "a"},
            '<span class="tw-copiable"><input aria-label="text to copy" readonly="" type="text" value="a"></span>',
        ),
        ({"type": "button", "content": "a", "action_id": "x"}, '<button class="tw-button" type="button" data-action="x">a</button>'),
        (
            {"type": "button", "content": "a", "style": "primary", "inline": True},
            '<button class="tw-button tw-primary tw-inline" type="button" title="without an action_id, a click does nothing">a</button>',
        ),
        (
            {"type": "button", "action_id": "x", "content": {"type": "button", "action_id": "y", "content": "b"}},
            '<button class="tw-button" type="button" data-action="x"><span class="tw-button">b</span></button>',
        ),
        (
            {"type": "input", "passive_id": "p", "content": "a", "placeholder": "b", "full_width": True},
            '<input class="tw-input tw-wide" type="text" value="a" placeholder="b" aria-label="b" data-name="p">',
        ),
        ({"type": "input"}, '<input class="tw-input" type="text" value="" aria-label="input">'),
        (
            {"type": "select", "title": "t", "values": [{"name": "a", "value": "b"}], "action_id": "x"},
            '<select class="tw-select" aria-label="t" data-action="x" data-name="x"><option value="" selected="" disabled="">t</option><option value="b">a</option></select>',
        ),
        (
            {"type": "select", "values": [{"name": "a", "value": "b", "selected": True}, 7], "passive_id": "p"},
            '<select class="tw-select" aria-label="p" data-name="p"><option value="b" selected="">a</option></select>',
        ),
        ({"type": "compile", "content": "**a** b"}, "<b>a</b> b"),
        ({"type": "compile", "content": []}, ""),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_node_is_shown_as_the_client_shows_it(node, expected):
    """Each row of the table of node types, by the attributes that the client reads."""
    assert seen(node) == expected


@pytest.mark.parametrize(
    ("told", "share"),
    [(50, "50"), ("12.5", "12.5"), (-1, "0"), (200, "100"), ("x", "0"), (None, "0"), ("nan", "0")],
)
def test_a_progress_bar_shows_its_share(told, share):
    """A value that is no percentage shows an empty bar or a full one."""
    assert f'max="100" value="{share}"' in seen({"type": "progress_bar", "progress": told})


def test_every_node_type_of_the_client_is_shown():
    """A type that the client learns must be drawn, too."""
    assert DRAWINGS.keys() | {"compile"} == KNOWN_TYPES


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("**verbatim** <b>", "**verbatim** &lt;b&gt;"),
        ("", ""),
        (None, ""),
        (["a", ["b", {"type": "bold", "content": "c"}]], "ab<b>c</b>"),
        ({"prepared": ["a"], "formatted": ["b"]}, "b"),
        ({"prepared": ["a"], "formatted": None}, "a"),
        ({"start": "**", "content": "a", "end": "**"}, "<b>a</b>"),
        ({"type": "bold", "start": "*", "content": "a"}, "<b>a</b>"),
        (["a", {"type": "unknown", "content": "b"}, {"start": "?", "content": "c"}], "a"),
        ([{"type": "bold", "content": 0}], "<b></b>"),
        (["a", 7, True], "a"),
        (["a", {"prepared": ["b"]}], "a"),
        ({"type": "bold", "content": {"prepared": ["b"]}}, "<b>b</b>"),
    ],
)
def test_a_content_is_shown_in_each_of_its_forms(content, expected):
    """Text is not compiled, `formatted` wins, and what the client does not know is left out."""
    assert seen(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        {"type": "select"},
        {"type": "icode", "content": ["a"]},
        {"type": "bold", "content": {"no": "content"}},
        [None],
    ],
)
def test_where_the_client_shows_an_error_so_does_this(content):
    """If the client's code throws at one node, the error replaces the whole message."""
    assert ERROR in seen(["before", content])
    assert problem(["before", content])
    assert problem("fine") is None


# ---- single readers -----------------------------------------------------------------------------


def test_a_reader_sees_their_own_content_of_a_keyed_node():
    """Others see the content of the node; the replacement is not searched for keys again."""
    content = {
        "prepared": [
            {"type": "nop", "key": "k", "content": ["all"]},
            {"type": "nop", "key": "k"},
            "",
        ]
    }
    specific = {"ALICE": {"k": [{"type": "bold", "key": "k", "content": "only you"}]}, "bob": []}
    assert seen(content, reader_id="alice", specific=specific) == "<b>only you</b>"
    assert seen(content, reader_id="bob", specific=specific) == "all"
    assert seen(content, specific=specific) == "all"
    assert seen(content, reader_id="alice", specific=[]) == "all"
    assert content["prepared"][0]["content"] == ["all"]


def test_a_link_that_asks_for_it_names_its_reader():
    """The client adds the id of the reader to the address."""
    node = {"type": "url", "url": "a.org", "user_identifier": True}
    assert 'href="https://a.org?twake_user=u%261"' in seen(node, reader_id="u&1")
    assert 'href="https://a.org"' in seen(node)
    assert client_link("a.org?b=c", reader_id="u") == "https://a.org?b=c&twake_user=u"


# ---- safety -------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    'https://a.org/" onmouseover="alert(1)',
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zz4=",
    " http://a.org",
    "\x00\u202e\ud800",
    "https://[::1",
    "mailto:",
)
_ATTRIBUTES = (
    *("content", "url", "src", "id", "title", "placeholder", "passive_id", "action_id", "style"),
    *("mode", "progress", "key", "onclick", "href", "inline", "full_width", "user_identifier"),
)


class Reading(html.parser.HTMLParser):
    """Collects the tags and the attributes of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.named: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.named += attrs


@pytest.mark.parametrize("name", sorted(KNOWN_TYPES))
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_any_attribute_of_any_node_stays_text(name, text):
    """It makes no tag, no attribute and no address that could run or load something."""
    node = dict.fromkeys(_ATTRIBUTES, text) | {"type": name}
    node |= {"values": [{"name": text, "value": text, "selected": text}]}
    reading = Reading()
    reading.feed(seen(node) + seen({**node, "url": {}, "src": [text], "progress": {}}))
    assert reading.tags <= TAGS
    for attribute, value in reading.named:
        assert not attribute.startswith("on")
        assert attribute != "style"
        if attribute == "href":
            assert re.match(r"https?://|mailto:", value)
        if attribute == "src":
            assert value.startswith("data:image/png")
    json.dumps(to_data(shown(node))).encode()


_TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
_VALUES = st.one_of(
    _TEXTS, st.none(), st.booleans(), st.integers(), st.floats(), st.just([]), st.just({})
)
_NODES = st.deferred(
    lambda: st.builds(
        lambda kind, content, more: {"type": kind, "content": content, **more},
        st.sampled_from(sorted(KNOWN_TYPES)),
        _CONTENTS,
        st.dictionaries(
            st.sampled_from((*_ATTRIBUTES[1:], "values", "start", "passive_id")), _VALUES
        ),
    )
)
_CONTENTS = st.one_of(
    _VALUES,
    st.lists(st.one_of(_TEXTS, _NODES), max_size=4),
    _NODES,
    st.fixed_dictionaries({"prepared": st.lists(_NODES, max_size=3)}),
)


@given(_CONTENTS, st.dictionaries(_TEXTS, _VALUES))
@settings(max_examples=400)
def test_every_content_is_shown_or_is_an_error(content, own):
    """No JSON makes the renderer fail, and each address in the result is safe."""
    pieces = shown(content, reader_id="r", specific={"r": own})
    data = json.dumps(to_data(pieces))
    assert "javascript:" not in "".join(re.findall(r'"(?:href|src)": "([^"]*)"', data))
    reading = Reading()
    reading.feed(to_html(pieces))
    assert reading.tags <= TAGS
    assert not [name for name, _ in reading.named if name not in ATTRIBUTES]


@pytest.mark.parametrize(
    "wrong",
    [
        {"tag": "script"},
        {"tag": "a", "onclick": "x"},
        {"tag": "a", "href": "javascript:x"},
        {"tag": "img", "src": "https://a.org/x.png"},
    ],
)
def test_no_element_can_be_made_that_does_harm(wrong):
    """The list of tags, attributes and addresses holds for every element, whoever makes it."""
    tag = wrong.pop("tag")
    with pytest.raises(ValueError, match=r"."):
        Element(tag, wrong)


def test_addresses_are_safe_or_are_none():
    """Only http, https and mailto, with a host or an address, and without invisible characters."""
    assert all(map(is_safe, ("http://a", "https://a.org/b?c#d", "mailto:a@b")))
    assert not any(
        map(is_safe, ("", "a", "//a", "http:", "http://a:b", "ftp://a", "mailto:a", "http://a b"))
    )
    assert is_picture(PICTURE)
    assert mail_link("mailto:a@b.org") == "mailto:a@b.org"
    assert mail_link("nobody") is None
    assert client_link("x http://a.org") is None
    assert client_link("javascript:alert(1)") is None


def test_what_is_nested_too_deep_is_cut_and_said_so():
    """The caller may already be deep in the stack."""
    content = "end"
    for _ in range(300):
        content = {"type": "bold", "content": [content]}
    found = seen(content)
    assert "nested deeper than 100 levels" in found
    assert "end" not in found


# ---- markdown -----------------------------------------------------------------------------------

CASES = json.loads((SUPPORT / "data" / "wire" / "twacode_compile.json").read_text(encoding="utf-8"))


def flat(value):
    """Return a compiled content with neighbouring texts as one, and no lists in lists."""
    items: list = []
    for item in value if isinstance(value, list) else [value]:
        for one in flat(item) if isinstance(item, list) else [item]:
            if isinstance(one, str) and items and isinstance(items[-1], str):
                items[-1] += one
            elif isinstance(one, dict) and "content" in one:
                items.append({**one, "content": flat(one["content"])})
            else:
                items.append(one)
    return items


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["input"][:30])
def test_markdown_is_compiled_as_the_client_does(case):
    """The recorded results, except ids of names and emojis, which the client has to look up."""
    if case["input"].startswith(("@me", "😀", "👍")):
        pytest.skip("the client looks it up")
    expected = re.sub(r":[0-9a-f]{8}-[0-9a-f-]{27}\"", '"', json.dumps(case["output"]["prepared"]))
    assert flat(compiled(case["input"])) == flat(json.loads(expected))


def test_markdown_in_markdown_ends_somewhere():
    """Markers nested without end stay text from some depth on."""
    assert seen({"type": "compile", "content": ">" * 200}).count("<blockquote") == 20
    assert compiled("*" * 100_001) == ["*" * 100_001]


@pytest.mark.parametrize("text", ["[", "[a](", "`a\n", "[x] **a\n", "[a] (b) "])
def test_markers_without_an_end_stay_text(text):
    """Each marker is checked once on its line, so a long message cannot make a reader wait."""
    nodes = [one for one in flat(compiled(text * 2000)) if not isinstance(one, str)]
    assert {node["start"] for node in nodes} <= {"\n"}


# ---- a notebook, and a page ---------------------------------------------------------------------


def test_a_tree_and_a_message_show_themselves_in_a_notebook():
    """The same HTML, with the style that it needs, and with what stands around a message."""
    tree = Content(Bold("<x>"), UserMention("bob", "1"))
    for one in (tree, decode({"prepared": encode(tree)}), Bold("<x>")):
        assert "<style>" in one._repr_html_()
        assert "<b>&lt;x&gt;</b>" in one._repr_html_()
    assert isinstance(decode({"prepared": encode(tree)}), Portable)
    message = Message(
        id="m",
        sender="<u>",
        content={"prepared": encode(tree)},
        edited=True,
        creation_date=datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
        reactions={"👍": Reaction(("a", "b"), 2)},
    )
    told = message._repr_html_()
    for part in ("&lt;u&gt;", "2026-01-02 03:04 UTC", "edited", "<b>&lt;x&gt;</b>", "👍 2"):
        assert part in told
    titled = Message(
        id="m", application_id="app", content="a", hidden_data={"custom_title": "Title"}
    )
    assert "<b>Title</b>" in titled._repr_html_()
    assert 'tw-reactions"' not in titled._repr_html_()


def test_a_page_of_its_own_loads_and_runs_nothing():
    """Its policy says so, and it contains no script."""
    page = whole_page(block(shown(encode(Button("a", action_id="x")))), "<title>")
    assert "default-src 'none'" in page
    assert "<title>&lt;title&gt;</title>" in page
    assert "<script" not in page


def test_elements_as_data_have_their_tag_their_attributes_and_their_children():
    """The page makes elements of it again; text stays text."""
    made = element("a", "button", "x\x00", href="https://a.org", title=None)
    assert to_data([made, "<b>"]) == [
        ["a", {"class": "tw-button", "href": "https://a.org"}, ["x\ufffd"]],
        "<b>",
    ]


# ---- reprs --------------------------------------------------------------------------------------


def test_the_repr_of_a_node_is_the_python_that_makes_it():
    """In one short line: a long one is cut."""
    assert repr(Content("a", Bold("b"))) == "Content('a', Bold('b'))"
    assert repr(Option("a", "b")) == "Option('a', 'b')"
    assert repr(BlockCode("a\nb")) == r"BlockCode('a\nb')"
    long = repr(Content(*["word"] * 100))
    assert len(long) == 100
    assert long.endswith("…")
