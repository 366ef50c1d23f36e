"""Twacode: what can be built is shown, what would break a message cannot be built, JSON is kept."""

from __future__ import annotations

import copy
import json
import pickle
from collections import ChainMap, UserList
from types import MappingProxyType

import pytest
from encoding import encode_save
from hypothesis import given, reject
from hypothesis import strategies as st
from places import SUPPORT, WIRE

from twake_async import MessageDraft, twacode
from twake_async.errors import InvalidDraftError
from twake_async.twacode import (
    Attachment,
    BlockCode,
    Bold,
    Break,
    Button,
    ChannelMention,
    Content,
    Copiable,
    Email,
    Emoji,
    File,
    Icon,
    Image,
    InlineCode,
    Input,
    Italic,
    Markdown,
    MarkdownLink,
    Marker,
    MultilineQuote,
    Node,
    Nop,
    Option,
    Portable,
    ProgressBar,
    Quote,
    Select,
    Strikethrough,
    System,
    Text,
    TextBlock,
    Underline,
    Unknown,
    Url,
    UserMention,
    UserSpecific,
    decode,
    encode,
    fallback_text,
    hidden_data,
    portable,
    user_specific_update,
)
from twake_async.twacode._nodes.classes import NODE_CLASSES
from twake_async.twacode._nodes.source import source
from twake_async.twacode._portable import with_dicts

STYLES = (Text, TextBlock, Bold, Italic, Underline, Strikethrough, Nop, System)
BLOCKS = (Quote, MultilineQuote, Attachment)


# ---- the client's rules, as TWACODE.md has them, to judge what is sent ---------------------------

STARTS = {
    "text": "text",
    "text_block_parent": "text_block_parent",
    "\n": "br",
    ":": "emoji",
    "@": "user",
    "#": "channel",
    "[": "markdown_link",
    "```": "mcode",
    "`": "icode",
    "__": "underline",
    "~~": "strikethrough",
    "**": "bold",
    "*": "italic",
    "_": "italic",
    ">>>": "mquote",
    ">": "quote",
}
APPS_AND_LINKS = (
    *("nop", "url", "email", "system", "file", "image", "icon", "progress_bar", "attachment"),
    *("button", "copiable", "input", "select"),
)
SHOWN = frozenset((*STARTS.values(), *APPS_AND_LINKS))


class Blank(Exception):  # noqa: N818 - it is what the reader sees
    """The client would show an error in place of the message."""


def js_true(value):
    return isinstance(value, (list, dict)) or bool(value)


def client_shows(content):
    """Walk over content as the client does; raise Blank if its code throws."""
    if isinstance(content, dict):
        forms = [content[form] for form in ("formatted", "prepared") if js_true(content.get(form))]
        content = forms[0] if forms else content
    if not js_true(content) or isinstance(content, str):
        return
    if isinstance(content, dict) and any(js_true(content.get(mark)) for mark in ("type", "start")):
        content = [content]
    if not isinstance(content, list) or None in content:
        raise Blank(content)
    for item in content:
        if isinstance(item, list):
            client_shows(item)
        elif isinstance(item, dict):
            client_shows_node(item)


def client_shows_node(node):
    kind, content = node.get("type"), node.get("content")
    if kind == "compile" and isinstance(content, str):
        return
    if not js_true(kind):
        kind = STARTS.get(node.get("start")) if isinstance(node.get("start"), str) else None
    if isinstance(kind, str) and kind in SHOWN:
        client_shows(content if js_true(content) else "")
        client_shows_attributes(kind, node, content)


def client_shows_attributes(kind, node, content):
    text_only = kind in {"user", "channel", "mcode", "icode"} and js_true(content)
    if (text_only or kind == "markdown_link") and not isinstance(content, str):
        raise Blank(node)
    href = node.get("url", content)
    if kind == "url" and js_true(href) and not isinstance(href, str):
        raise Blank(node)
    if kind == "select":
        values = node.get("values")
        if not isinstance(values, list) or None in values:
            raise Blank(node)
        shown = [value.get("name") for value in values if isinstance(value, dict)]
        if any(isinstance(text, (list, dict)) for text in (node.get("title"), *shown)):
            raise Blank(node)


def client_shows_reader(content, modifiers):
    """Return the content that a reader with such modifiers sees."""
    if isinstance(content, list):
        return [client_shows_reader(item, modifiers) for item in content]
    if not isinstance(content, dict) or not js_true(content.get("content")):
        return content
    child = content["content"]
    if js_true(content.get("key")) and js_true(modifiers.get(content["key"])):
        child, modifiers = modifiers[content["key"]], {}
    return {**content, "content": client_shows_reader(child, modifiers)}


# ---- trees that can be built ---------------------------------------------------------------------

words = st.text(min_size=1).filter(lambda text: text.strip())
names = st.from_regex(r"[A-Za-z][A-Za-z0-9 ._-]{0,8}", fullmatch=True)
ids = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
keys = st.none() | st.sampled_from(["vote", "map", "a key"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values = st.recursive(
    scalars,
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(), kids, max_size=3),
    max_leaves=6,
)
contexts = st.none() | st.dictionaries(st.text(), json_values, max_size=3)
addresses = st.sampled_from(["https://e.org/a?b=c", "http://e.org", "e.org/path", "e.org:8080"])
options = st.builds(Option, words, st.text())

leaves = st.one_of(
    st.text(),
    st.builds(InlineCode, words),
    st.builds(BlockCode, words),
    st.builds(UserMention, names, ids),
    st.builds(ChannelMention, names, ids),
    st.builds(Emoji, st.sampled_from(["tada", "+1", "flag_fr"])),
    st.builds(Email, st.just("bob@example.org")),
    st.builds(Url, addresses, user_identifier=st.booleans()),
    st.builds(MarkdownLink, words.filter(lambda text: "](" not in text), addresses),
    st.builds(Markdown, words),
    st.builds(Image, st.sampled_from(["https://e.org/i.png", "data:image/png;base64,AA=="])),
    st.builds(Icon, st.sampled_from(["https://e.org/i.png", ":tada:"])),
    st.builds(File, ids, mode=st.sampled_from([None, "mini"])),
    st.builds(ProgressBar, st.integers(0, 100) | st.floats(0, 100)),
    st.builds(Copiable, words),
    st.builds(
        Input, ids, content=st.none() | st.text(), placeholder=st.none() | st.text(),
        full_width=st.booleans(), interactive_context=contexts,
    ),
    st.builds(
        lambda values, **named: Select(*values, **named),
        st.lists(options, min_size=1, max_size=3), title=st.none() | st.text(), action_id=ids,
        passive_id=st.none() | ids, full_width=st.booleans(), interactive_context=contexts,
    ),
)  # fmt: skip


def parents(children):
    many = st.lists(children, max_size=3)
    return st.one_of(
        st.builds(
            lambda cls, kids, key: cls(*kids, key=None if kids in ([""], [Content("")]) else key),
            st.sampled_from(STYLES + BLOCKS), many, keys,
        ),
        st.builds(lambda kids: Break(*kids), many),
        st.builds(lambda kids: Content(*kids), many),
        st.builds(
            lambda url, kid, kids, button, key: Url(url, kid, "x", *kids, button=button, key=key),
            addresses, children, many, st.booleans(), keys,
        ),
        st.builds(
            lambda kids, **named: Button("x", *kids, **named), many, action_id=ids, key=keys,
            style=st.sampled_from([None, "default", "primary", "danger"]), inline=st.booleans(),
            interactive_context=contexts,
        ),
    )  # fmt: skip


trees = st.recursive(leaves, parents, max_leaves=12)

kinds = st.sampled_from([*sorted(SHOWN), "compile", "carousel", "constructor", "", 5])
starts = st.sampled_from([*STARTS, "?", "toString", None])


def raw_nodes(content):
    attributes = {
        "url": content | addresses | st.just(""), "key": words, "id": ids, "values": st.lists(st.none() | st.dictionaries(st.just("name"), content)), "title": content,
        "progress": scalars, "src": st.text(), "style": st.text(), "inline": scalars,
        "action_id": st.text(), "mode": st.text(), "name": content, "end": st.text(),
        "prepared": content, "formatted": content, "interactive_context": content,
    }  # fmt: skip
    return st.one_of(
        st.lists(content, max_size=3),
        st.fixed_dictionaries({"type": kinds, "content": content}),
        st.fixed_dictionaries(
            {}, optional={"type": kinds, "start": starts, "content": content, **attributes}
        ),
    )


raw_contents = st.recursive(scalars, raw_nodes, max_leaves=8)


# ---- the properties ------------------------------------------------------------------------------


@given(trees)
def test_every_tree_that_can_be_built_decodes_to_itself(tree):
    """Encoding a tree and decoding the JSON gives an equal tree."""
    assert decode(json.loads(json.dumps(encode(tree)))) == tree


@given(trees)
def test_no_tree_that_can_be_built_is_blanked_by_the_client(tree):
    """The client's rules show every message that is made of nodes."""
    client_shows(portable(tree))


@given(trees, st.dictionaries(st.sampled_from(["vote", "map"]), leaves.filter(bool), max_size=3))
def test_no_reader_sees_a_blank_message_after_an_update(tree, modifiers):
    """The client shows the replacement of keyed children, too."""
    update = user_specific_update([UserSpecific("u", modifiers, replace_all=True)])
    seen = client_shows_reader(portable(tree)["prepared"], update["modifiers"])
    client_shows(seen)


@given(
    st.sampled_from([*STYLES, *BLOCKS]),
    st.lists(trees, max_size=2),
    trees.filter(lambda tree: tree != ""),
)
def test_a_keyed_node_shows_its_reader_the_replacement(cls, children, replacement):
    """The client finds every keyed node and shows the replacement."""
    if children == [""]:
        return
    try:
        update = user_specific_update([UserSpecific("u", {"k": replacement})])
    except InvalidDraftError:  # a key inside the replacement
        reject()
    seen = client_shows_reader(encode(cls(*children, key="k")), update["modifiers"])
    assert seen["content"] == encode(replacement)


@given(trees)
def test_the_fallback_text_is_what_print_shows(tree):
    """`str`, `fallback_text` and the portable form have the same text."""
    sent = portable(tree)
    assert sent["fallback_string"] == sent["original_str"] == fallback_text(tree)
    assert isinstance(tree, str) or str(tree) == fallback_text(tree)


@given(trees, trees)
def test_plus_is_the_sequence_of_both_sides(left, right):
    """`+` returns one flat `Content`."""
    if isinstance(left, str) and isinstance(right, str):
        return
    items = [
        *(left if isinstance(left, Content) else [left]),
        *(right if isinstance(right, Content) else [right]),
    ]
    assert left + right == Content(*items)


@given(trees)
def test_trees_pickle_and_copy(tree):
    """A pickled tree and a copied tree equal the first."""
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert copy.deepcopy(tree) == tree


@given(raw_contents)
def test_nothing_is_lost_of_any_json(content):
    """JSON that is decoded and encoded is the same JSON, down to the type of each number."""
    assert json.dumps(encode(decode(content)), sort_keys=True) == json.dumps(
        content, sort_keys=True
    )


@given(st.lists(raw_contents, max_size=3))
def test_raw_json_is_refused_exactly_where_the_client_would_show_an_error(content):
    """`portable` refuses raw JSON if, and only if, the client would show an error."""
    blank = False
    try:
        client_shows(content)
    except Blank:
        blank = True
    if "constructor" in (text := json.dumps(content)) or "toString" in text:
        return
    try:
        portable(content)
    except InvalidDraftError:
        assert blank
    else:
        assert not blank


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_a_type_that_every_javascript_object_has_is_refused(name):
    """The client takes the member of the object for a node type, and throws."""
    for node in ({"type": name}, {"start": name}):
        with pytest.raises(InvalidDraftError, match=name):
            portable([node])


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "url", "content": ["x"]},
        {"type": "url", "url": 5, "content": "x"},
        {"type": "markdown_link"},
        {"type": "icode", "content": ["x"]},
        {"start": "`", "content": ["x"]},
        {"start": "text", "content": 5},
        {"type": "select"},
        {"type": "select", "values": [None]},
        {"type": "select", "values": [], "title": ["x"]},
        {"type": "select", "values": [{"name": {}}]},
        {"type": "bold", "content": {"a": 1}},
        {"type": "bold", "content": True},
        {"type": "bold", "content": ["a", ["b", None]]},
        {"type": "bold", "content": {"prepared": 5}},
    ],
)
def test_what_blanks_a_message_is_refused_wherever_it_stands(raw):
    """JSON that makes the client's code throw is refused at any depth."""
    with pytest.raises(Blank):
        client_shows([raw])
    with pytest.raises(InvalidDraftError, match="the client would show an error"):
        portable(["before", Bold(Unknown(raw))])


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "carousel", "content": 5},
        {"type": "bold"},
        {"type": "url", "url": "", "content": ["x"]},
        {"type": "url", "url": None, "content": ["x"]},
        {"type": "bold", "content": {"prepared": "x"}},
        {"type": "compile", "content": "x"},
        {"type": "compile", "content": 5},
        {"a": 1},
        5,
    ],
)
def test_what_the_client_leaves_out_is_sent(raw):
    """JSON that this client does not show may be shown by another."""
    client_shows([raw])
    assert portable(["x", raw])["prepared"] == ["x", raw]


# ---- what the real server and the real client wrote ----------------------------------------------


def wire_contents():
    """Return every value of `content` in the recorded requests and answers."""
    found = []
    for line in (WIRE / "cases.jsonl").read_text().splitlines():
        work = [json.loads(line)]
        while work:
            value = work.pop()
            if isinstance(value, dict):
                found += [value["content"]] if "content" in value else []
                work += [parsed(item) if key == "body" else item for key, item in value.items()]
            elif isinstance(value, list):
                work += value
    return found


def parsed(body):
    """Return the JSON in a body, with or without PHP's warnings before it."""
    start = body.find('{"') if isinstance(body, str) else -1
    try:
        return json.JSONDecoder().raw_decode(body, start)[0] if start >= 0 else None
    except json.JSONDecodeError:
        return None


def test_every_recorded_content_survives():
    """Each content of the recorded cases decodes, reads as text, and encodes to the same JSON."""
    contents = wire_contents()
    assert len(contents) > 700
    for content in contents:
        tree = decode(content)
        assert encode(tree) == content
        assert isinstance(str(tree), str)


@pytest.mark.parametrize(
    "case",
    json.loads((WIRE / "twacode_compile.json").read_text())["cases"],
    ids=lambda c: c["input"][:20],
)
def test_what_the_client_compiles_survives(case):
    """Each tree that the real client compiled decodes without loss, and can be sent again."""
    tree = decode(case["output"])
    assert encode(tree) == case["output"]
    assert portable(tree) == case["output"]


def test_compiled_nodes_decode_into_the_same_classes():
    """A node of the markdown compiler becomes the class of its type, and remembers its marker."""
    compiled = [
        {"start": "**", "content": ["b ", {"start": "_", "content": "i", "end": "_"}], "end": "**"},
        {"start": "\n", "content": [], "end": ""},
        {"start": ">", "content": " quote"},
        {"start": "@", "content": "alice:42"},
        {"start": "[", "content": "title](https://e.org", "end": ")"},
        {"start": ":", "content": "tada", "end": ":"},
        {"start": "```", "content": "code", "end": "\n```"},
    ]
    assert decode(compiled) == Content(
        Bold("b ", Italic("i", marker=Marker("_", "_")), marker=Marker("**", "**")),
        Break(marker=Marker("\n", "")),
        Quote(" quote", marker=Marker(">")),
        UserMention("alice", "42", marker=Marker("@")),
        MarkdownLink("title", "https://e.org", marker=Marker("[", ")")),
        Emoji("tada", marker=Marker(":", ":")),
        BlockCode("code", marker=Marker("```", "\n```")),
    )
    assert encode(decode(compiled)) == compiled


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "bold"},
        {"type": "bold", "content": "x", "extra": 1},
        {"type": "bold", "content": "x", "start": "**"},
        {"type": "br", "content": []},
        {"type": "button", "content": "no action"},
        {"type": "button", "content": "x", "action_id": "a", "inline": "true"},
        {"type": "progress_bar", "progress": 101},
        {"type": "select", "action_id": "a"},
        {"type": "select", "action_id": "a", "values": [{"name": "x"}]},
        {"type": "select", "action_id": "a", "values": [{"name": "x", "value": "y", "z": 1}]},
        {"type": "url", "content": ["x"]},
        {"type": "url", "content": "ftp://e.org"},
        {"type": "user", "content": "bob"},
        {"type": "user", "content": "bob:1", "id": "2"},
        {"type": "carousel", "content": "new"},
        {"start": "@", "content": "bob"},
        {"start": "text", "content": "x"},
        {"start": "**", "content": "x", "end": None},
        {"a": 1},
        None,
        5,
        True,
        "a lone surrogate \ud83d",
    ],
)
def test_what_is_no_node_of_ours_is_kept_as_it_came(raw):
    """JSON that no class can encode again becomes an `Unknown`, which encodes to it."""
    assert decode(raw) == Unknown(raw)
    assert encode(decode([raw])) == [raw]


def test_an_unknown_child_leaves_its_parent_known():
    """Only the child is unknown, not its parent."""
    assert decode({"type": "bold", "content": 5}) == Bold(Unknown(5))
    assert decode({"type": "bold", "content": ["a", None]}) == Bold("a", Unknown(None))


def test_a_link_that_is_a_button_has_its_label_as_children():
    """The button within a link, which needs no action, is a flag of the link."""
    raw = {
        "type": "url",
        "url": "https://e.org",
        "content": {"type": "button", "content": ["Join ", {"type": "bold", "content": "us"}]},
    }
    assert decode(raw) == Url("https://e.org", "Join ", Bold("us"), button=True)
    assert encode(decode(raw)) == raw


def test_a_button_of_its_own_within_a_link_stays_one():
    """A button that does more than open the link is a child of the link."""
    button = {"type": "button", "content": "Join", "action_id": "join"}
    raw = {"type": "url", "url": "https://e.org", "content": button}
    assert decode(raw) == Url("https://e.org", Button("Join", action_id="join"))
    assert encode(decode(raw)) == raw


# ---- JSON of each node ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "json_of_it"),
    [
        (Bold("hi ", Italic("you")), {"type": "bold", "content": ["hi ", {"type": "italic", "content": "you"}]}),
        (Bold("hi"), {"type": "bold", "content": "hi"}),
        (Bold(), {"type": "bold", "content": []}),
        (Text("x", key="k"), {"type": "text", "content": "x", "key": "k"}),
        (Break(), {"type": "br"}),
        (Break("x"), {"type": "br", "content": "x"}),
        (MultilineQuote("x"), {"type": "mquote", "content": "x"}),
        (InlineCode("x"), {"type": "icode", "content": "x"}),
        (BlockCode("x"), {"type": "mcode", "content": "x"}),
        (UserMention("bob", "1"), {"type": "user", "content": "bob:1"}),
        (ChannelMention("general", "2"), {"type": "channel", "content": "general:2"}),
        (Emoji("tada"), {"type": "emoji", "content": "tada"}),
        (Url("e.org"), {"type": "url", "content": "e.org"}),
        (Url("e.org", "x", user_identifier=True), {"type": "url", "url": "e.org", "content": "x", "user_identifier": True}),
        (Url("e.org", "x", button=True), {"type": "url", "url": "e.org", "content": {"type": "button", "content": "x"}}),
        (MarkdownLink("t", "e.org"), {"type": "markdown_link", "content": "t](e.org"}),
        (Email("a@b.org"), {"type": "email", "content": "a@b.org"}),
        (Markdown("**hi** @bob"), {"type": "compile", "content": "**hi** @bob"}),
        (Image("https://e.org/i.png"), {"type": "image", "src": "https://e.org/i.png"}),
        (Icon(":tada:"), {"type": "icon", "src": ":tada:"}),
        (File("f", mode="mini"), {"type": "file", "content": "f", "mode": "mini"}),
        (ProgressBar(42), {"type": "progress_bar", "progress": 42}),
        (Copiable("x"), {"type": "copiable", "content": "x"}),
        (
            Button("Vote", action_id="v", style="danger", inline=True, interactive_context={"n": 1}, key="k"),
            {"type": "button", "content": "Vote", "action_id": "v", "style": "danger", "inline": True, "interactive_context": {"n": 1}, "key": "k"},
        ),
        (
            Input("name", content="x", placeholder="y", full_width=True),
            {"type": "input", "passive_id": "name", "content": "x", "placeholder": "y", "full_width": True},
        ),
        (
            Select("a", Option("b", "2", selected=True), title="Pick", passive_id="p"),
            {"type": "select", "values": [{"name": "a", "value": "a"}, {"name": "b", "value": "2", "selected": True}], "title": "Pick", "passive_id": "p"},
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)  # fmt: skip
def test_a_node_is_sent_with_the_attributes_of_the_table(node, json_of_it):
    """Each class encodes to the type and the attributes that the client reads, and back."""
    assert encode(node) == json_of_it
    assert decode(json_of_it) == node


RECORDED = [
    json.loads(line)
    for line in (SUPPORT / "data" / "twacode_trees.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["tree"][:40])
def test_the_json_of_each_tree_is_the_recorded_one(case):
    """JSON and text are those recorded before the nodes had a base class; `repr` is one line."""
    tree = eval(case["tree"], dict(vars(twacode)))
    assert json.dumps(encode(tree)) == case["json"]
    made = eval(source(tree), dict(vars(twacode)))
    assert str(made) == case["text"]
    assert made == tree or "marker=" in case["tree"]  # how markdown wrote it is not in the source
    assert len(repr(tree)) <= 100
    assert source(tree).startswith(repr(tree).removesuffix("…"))
    assert str(tree) == case["text"]
    assert pickle.loads(pickle.dumps(tree)) == tree == decode(json.loads(case["json"]))


def test_every_node_class_is_recorded():
    """Otherwise a change of its JSON would not be seen."""
    text = " ".join(case["tree"] for case in RECORDED)
    missing = [cls.__name__ for cls in NODE_CLASSES.values() if f"{cls.__name__}(" not in text]
    assert missing == []


# ---- what is a node -----------------------------------------------------------------------------


def public_nodes():
    """Return the classes that `twake_async.twacode` offers as nodes."""
    classes = [getattr(twacode, name) for name in twacode.__all__]
    return {cls for cls in classes if isinstance(cls, type) and issubclass(cls, Node)} - {Node}


def test_every_node_class_is_known_to_decode():
    """`decode` returns every class for its type; a list is a `Content`, all else `Unknown`."""
    assert public_nodes() == {*NODE_CLASSES.values(), Content, Unknown}


@pytest.mark.parametrize("cls", sorted(public_nodes(), key=lambda cls: cls.__name__))
def test_a_node_class_is_slotted(cls):
    """A node has room for its fields only."""
    assert cls.__dictoffset__ == 0


@pytest.mark.parametrize("base", [Node, Bold, Content, Unknown])
def test_a_node_class_of_a_users_is_refused_where_it_is_defined(base):
    """The error names `Unknown`, which holds any JSON."""
    with pytest.raises(TypeError, match=r"^Mine: .*Unknown"):
        type("Mine", (base,), {"reading": lambda self: ("x",)})


def test_what_only_looks_like_a_node_is_refused():
    """A class with the methods of a node is not a node; the error names field and class."""

    class Mine:
        def reading(self):
            return ("x",)

    with pytest.raises(InvalidDraftError, match=r"^Bold\.children: item 0 is Mine, "):
        Bold(Mine())
    with pytest.raises(TypeError, match="unsupported operand"):
        Bold("x") + Mine()


def test_the_base_class_itself_is_no_node():
    """`Node` is there for annotations and `isinstance`."""
    assert isinstance(Bold("x"), Node)
    with pytest.raises(TypeError, match="abstract"):
        Node()


# ---- refusals ------------------------------------------------------------------------------------


CYCLE = {}
CYCLE["itself"] = CYCLE

REFUSED = [
    ("Bold.children", lambda: Bold(3)),
    ("Bold.children", lambda: Bold(["x"])),
    ("Bold.children", lambda: Bold("\ud83d")),
    ("Bold.children", lambda: Bold(Bold)),
    ("Bold.children", lambda: Bold(Portable("x"))),
    ("Bold.children", lambda: Bold(Option("a", "b"))),
    ("Bold.key", lambda: Bold("x", key="")),
    ("Bold.key", lambda: Bold("x", key=5)),
    ("Bold.key", lambda: Bold("x", key="0")),
    ("Bold.key", lambda: Bold("", key="k")),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"12": "x"})),
    ("Bold.key", lambda: Bold("x", key="toString")),
    ("Bold.marker", lambda: Bold("x", marker=Marker("_"))),
    ("Content.items", lambda: Content(None)),
    ("InlineCode.content", lambda: InlineCode("")),
    ("BlockCode.content", lambda: BlockCode(["x"])),
    ("BlockCode.content", lambda: BlockCode(" \n")),
    ("UserMention.id", lambda: UserMention("bob", "")),
    ("UserMention.id", lambda: UserMention("bob", None)),
    ("UserMention.name", lambda: UserMention("b:ob", "1")),
    ("ChannelMention.id", lambda: ChannelMention("general", "1:2")),
    ("ChannelMention.name", lambda: ChannelMention("a\nb", "1")),
    ("Emoji.content", lambda: Emoji(":tada:")),
    ("Url.url", lambda: Url("")),
    ("Url.url", lambda: Url("ftp://e.org")),
    ("Url.url", lambda: Url("HTTPS://e.org")),
    ("Url.url", lambda: Url("mailto:bob@e.org")),
    ("Url.url", lambda: Url("/path")),
    ("Url.url", lambda: Url("https://e.org/a b")),
    ("Url.url", lambda: Url("https://e.org/?to=http://e.com")),
    ("Url.url", lambda: Url(None)),
    ("Url.children", lambda: Url("e.org", button=True)),
    ("Url.children", lambda: Url("e.org", key="k")),
    ("Url.button", lambda: Url("e.org", "x", button="yes")),
    ("MarkdownLink.title", lambda: MarkdownLink("a](b", "e.org")),
    ("MarkdownLink.url", lambda: MarkdownLink("a", "e.org/](")),
    ("Email.content", lambda: Email("bob")),
    ("Email.content", lambda: Email("mailto:bob@e.org")),
    ("Markdown.content", lambda: Markdown("")),
    ("Image.src", lambda: Image("photo.png")),
    ("Icon.src", lambda: Icon("tada")),
    ("Icon.src", lambda: Icon(":<b>:")),
    ("Icon.src", lambda: Icon("<img>")),
    ("File.content", lambda: File("")),
    ("File.mode", lambda: File("f", mode="large")),
    ("ProgressBar.progress", lambda: ProgressBar(101)),
    ("ProgressBar.progress", lambda: ProgressBar(-1)),
    ("ProgressBar.progress", lambda: ProgressBar(float("nan"))),
    ("ProgressBar.progress", lambda: ProgressBar(progress=True)),
    ("ProgressBar.progress", lambda: ProgressBar("42")),
    ("Copiable.content", lambda: Copiable("")),
    ("Button.children", lambda: Button(action_id="a")),
    ("Button.children", lambda: Button(" ", action_id="a")),
    ("Button.action_id", lambda: Button("x", action_id="")),
    ("Button.style", lambda: Button("x", action_id="a", style="red")),
    ("Button.inline", lambda: Button("x", action_id="a", inline=1)),
    ("Button.interactive_context", lambda: Button("x", action_id="a", interactive_context={"n": float("inf")})),
    ("Button.interactive_context", lambda: Button("x", action_id="a", interactive_context={"n": "\ud83d"})),
    ("Button.interactive_context", lambda: Button("x", action_id="a", interactive_context=CYCLE)),
    ("Button.interactive_context", lambda: Button("x", action_id="a", interactive_context={"n": {1}})),
    ("Button.interactive_context", lambda: Button("x", action_id="a", interactive_context=["n"])),
    ("Input.passive_id", lambda: Input("")),
    ("Input.content", lambda: Input("p", content=5)),
    ("Select.values", lambda: Select(action_id="a")),
    ("Select.values", lambda: Select(5, action_id="a")),
    ("Select.values", lambda: Select(Option("a", "1", selected=True), Option("b", "2", selected=True), action_id="a")),
    ("Select.action_id", lambda: Select("a")),
    ("Select.passive_id", lambda: Select("a", passive_id="")),
    ("Option.name", lambda: Option("", "1")),
    ("Option.value", lambda: Option("a", 1)),
    ("UserSpecific.user_id", lambda: UserSpecific("", {"k": "x"})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", ["k"])),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"": "x"})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"k": 5})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"k": ""})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"k": Unknown(5)})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"k": Bold("x", key="inner")})),
    ("UserSpecific.modifiers", lambda: UserSpecific("u", {"k": "a" + Bold(Nop("x", key="inner"))})),
    ("hidden_data.allow_delete", lambda: hidden_data(allow_delete="nobody")),
    ("hidden_data.custom_title", lambda: hidden_data(custom_title=" ")),
    ("hidden_data.custom_icon", lambda: hidden_data(custom_icon=":tada:")),
    ("hidden_data.own", lambda: hidden_data(votes={1, 2})),
    ("content", lambda: portable(5)),
    ("content", lambda: portable(Unknown(None))),
    ("content", lambda: portable(Bold(Unknown(5)))),
    ("content", lambda: portable([{"type": "select"}])),
    ("content", lambda: portable([{"type": "carousel", "n": float("nan")}])),
    ("content", lambda: portable(["\ud83d"])),
    ("content", lambda: portable({"prepared": ["x"], "files": {1, 2}})),
    ("fallback", lambda: portable("x", fallback="\ud83d")),
    ("content", lambda: portable("\ud83d")),
    ("user_specific", lambda: user_specific_update(["x"])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "make"), REFUSED, ids=[f"{field}-{at}" for at, (field, _) in enumerate(REFUSED)]
)
def test_what_breaks_a_message_or_does_nothing_is_refused_by_name(field, make):
    """The error is an `InvalidDraftError` that names the node and the field."""
    with pytest.raises(InvalidDraftError) as refused:
        make()
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")


@pytest.mark.parametrize("other", [3, None, ["x"], Portable("x")])
def test_plus_takes_only_text_and_nodes(other):
    """Adding anything else is a `TypeError`, from either side."""
    with pytest.raises(TypeError):
        Bold("x") + other
    with pytest.raises(TypeError):
        other + Bold("x")


@pytest.mark.parametrize("key", ["values", "at", "map"])
def test_a_key_that_lists_have_is_no_trap(key):
    """The client looks for keys in an empty list inside a replacement, which has none."""
    assert encode(Nop(key=key)) == {"type": "nop", "content": [], "key": key}


def nest(depth):
    """Return a tree of `depth` nested lists and objects, with the list around it."""
    tree = "x"
    for _ in range(depth - 1):
        tree = Nop(tree)
    return tree


def test_nesting_is_refused_past_the_servers_limit():
    """A tree of 500 levels is sent and read; one of 501 is refused."""
    sent = portable(nest(500))
    assert sent["fallback_string"] == "x"
    assert encode(decode(sent)) == sent
    with pytest.raises(InvalidDraftError, match="500 levels"):
        portable(nest(501))


def test_json_that_is_nested_without_end_is_kept():
    """JSON that is too deep for a message is decoded without recursion, and encoded again."""
    deep = "x"
    for _ in range(509):
        deep = [deep]
    assert encode(decode(deep)) == deep


def test_a_list_that_holds_itself_is_refused():
    """It is an error, and not an endless loop."""
    endless = []
    endless.append(endless)
    with pytest.raises(InvalidDraftError, match="500 levels"):
        portable(endless)


# ---- as a reader reads ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ("plain", "plain"),
        (Content(), ""),
        ("hi " + Bold("you ", Italic("there")) + "!", "hi you there!"),
        ("a" + Break() + "b" + Break("c"), "a\nb\nc"),
        ("say" + Quote("so") + "he" + MultilineQuote("a", Break(), "b"), "say\nso\nhe\na\nb"),
        (Attachment("a") + Break() + Attachment("b"), "a\nb"),
        (Attachment("a", Break(), Break()) + "b", "a\n\nb"),
        (InlineCode(" x ") + BlockCode("\ny\n") + "z", "x\ny\nz"),
        ("ask " + UserMention("bob", "1") + "or " + UserMention("eve", "2") + " there", "ask @bob or @eve there"),
        (ChannelMention("general", "1") + "now", "#general now"),
        ("well " + Emoji("tada") + Icon(":tada:") + Icon("https://e.org/i.png"), "well :tada::tada:"),
        (Url("https://e.org", "site") + ", " + Url("e.org") + ", " + MarkdownLink("t", "e.org"), "site, e.org, t"),
        (Url("https://e.org", "Join", button=True), "Join"),
        (Email("a@b.org"), "a@b.org"),
        (Markdown("**hi**"), "**hi**"),
        ("see" + Image("https://e.org/i.png") + File("f"), "see\n[image]\n[file]"),
        (Bold("Pizza") + ProgressBar(42) + ProgressBar(12.5) + "of 3", "Pizza\n42%\n12.5%\nof 3"),
        (ProgressBar(42) + Button("Go", action_id="g"), "42%\n[Go]"),
        (Copiable("https://e.org"), "https://e.org"),
        ("Go" + Button("Yes", action_id="y") + Button("No", action_id="n"), "Go [Yes] [No]"),
        (Input("p", placeholder="Name"), "[Name]"),
        (Input("p", content="Bob", placeholder="Name"), "[Bob]"),
        (Select("a", "b", title="Pick", action_id="a"), "[Pick]"),
        (Select("a", Option("b", "2", selected=True), title="Pick", action_id="a"), "[Pick: b]"),
        (Select("a", Option("b", "2", selected=True), action_id="a"), "[b]"),
        (Select("a", "b", action_id="a"), "[a]"),
        (Text("a") + TextBlock("b") + Nop("c") + System("d"), "abcd"),
        (Underline("a") + Strikethrough("b"), "ab"),
    ],
    ids=str,
)  # fmt: skip
def test_a_tree_reads_as_the_client_shows_it(tree, text):
    """Buttons by labels, links by text, mentions by name, breaks and blocks as lines."""
    assert str(tree) == text
    assert fallback_text(tree) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"type": "bold", "content": ["a", {"type": "br"}, "b"], "extra": 1}, "a\nb"),
        ({"type": "br", "content": "b", "extra": 1}, "\nb"),
        ({"start": "@", "content": "bob"}, "@bob"),
        ({"type": "user", "content": "bob:1", "id": "2"}, "@bob"),
        ({"type": "channel", "content": "general"}, "#general"),
        ({"type": "image", "src": "x"}, ""),
        ({"type": "file", "content": "an id", "extra": 1}, ""),
        ({"type": "carousel", "content": "never shown"}, ""),
        ({"type": 5, "content": "never shown"}, ""),
        ({"content": "never shown"}, ""),
        ({"start": 5, "content": "never shown"}, ""),
        (["a", None, 5], "a"),
        (None, ""),
    ],
)  # fmt: skip
def test_what_is_unknown_reads_as_the_client_shows_it(raw, text):
    """Unknown attributes do not hide the text; unknown types do, as in the client."""
    assert str(Unknown(raw)) == text.strip("\n")
    assert str("<" + Unknown(raw) + ">") == f"<{text}>"


# ---- the portable form ---------------------------------------------------------------------------


def test_the_portable_form_has_a_list_and_a_text():
    """Text, a node and a sequence are sent in the form that every release accepts."""
    assert portable("hi") == {"fallback_string": "hi", "original_str": "hi", "prepared": ["hi"]}
    assert portable(Bold("hi"))["prepared"] == [{"type": "bold", "content": "hi"}]
    assert portable("a" + Bold("b"))["prepared"] == ["a", {"type": "bold", "content": "b"}]


def test_the_fallback_text_can_be_given_by_hand():
    """Notifications can show another text than the tree's."""
    sent = portable(Image("https://e.org/i.png"), fallback="A cat")
    assert sent == {
        "fallback_string": "A cat",
        "original_str": "A cat",
        "prepared": [{"type": "image", "src": "https://e.org/i.png"}],
    }


def test_json_of_other_mappings_goes_out_as_dicts():
    """Other mappings are nodes as dicts are, at any depth, and in the fields beside the tree."""
    inner = MappingProxyType({"type": "italic", "content": "i"})
    outer = MappingProxyType({"type": "bold", "content": [inner, "t", inner]})
    plain = {"type": "bold", "content": [dict(inner), "t", dict(inner)]}
    assert portable(outer)["prepared"] == [plain]
    assert portable(UserList([outer, Italic("x")]))["prepared"][0] == plain
    around = MappingProxyType({"prepared": [outer], "more": ChainMap({"a": inner})})
    sent = portable(around)
    assert (sent["prepared"], sent["more"]) == ([plain], {"a": dict(inner)})
    assert json.loads(json.dumps(sent)) == sent
    assert str(decode(plain)) == sent["fallback_string"] == "iti"


def test_a_context_of_other_mappings_is_kept_as_dicts():
    """The node keeps a copy with dicts at any depth."""
    context = MappingProxyType({"a": [ChainMap({"b": 1})]})
    button = Button("x", action_id="y", interactive_context=context)
    assert button.interactive_context == {"a": [{"b": 1}]}
    assert type(button.interactive_context["a"][0]) is dict


def test_a_mapping_within_itself_is_refused_as_a_dict_would_be():
    """Nothing recurses until the stack is full."""
    inner: dict[str, object] = {}
    inner["content"] = [MappingProxyType(inner)]
    with pytest.raises(InvalidDraftError, match="nested deeper"):
        portable(inner)


@pytest.mark.parametrize("thing", [b"x", {1}, object()])
def test_what_is_neither_json_nor_a_mapping_is_refused(thing):
    """It is refused inside an `Unknown`, too."""
    with pytest.raises(InvalidDraftError, match="JSON cannot hold it"):
        portable({"type": "nop", "content": [thing]})


@given(json_values)
def test_json_without_other_mappings_is_not_copied(value):
    """Dicts stay where they are."""
    assert with_dicts(value) is value


def test_json_and_lists_of_both_go_out_as_well():
    """Dicts can be sent alone or among nodes."""
    node = {"type": "bold", "content": "b"}
    assert portable(node)["prepared"] == [node]
    assert portable(MappingProxyType(node))["prepared"] == [node]
    assert portable([node, Italic("i"), "t"])["prepared"] == [
        node,
        {"type": "italic", "content": "i"},
        "t",
    ]
    assert portable((node,))["fallback_string"] == "b"


@pytest.mark.parametrize("slot", ["prepared", "formatted"])
def test_the_portable_form_comes_back_as_such(slot):
    """An answer decodes to a tree and the fields beside it, and can be sent again."""
    answer = {
        "fallback_string": "hi",
        "original_str": "**hi**",
        slot: [{"type": "bold", "content": "hi"}],
        "files": [],
    }
    tree = decode(answer)
    assert tree == Portable(
        Content(Bold("hi")), {"fallback_string": "hi", "original_str": "**hi**", "files": []}, slot
    )
    assert str(tree) == "hi"
    assert encode(tree) == answer
    sent = portable(tree)
    assert (sent["prepared"], sent["original_str"], sent["files"]) == (answer[slot], "**hi**", [])
    assert portable(tree, fallback="new") == {
        "fallback_string": "new",
        "original_str": "new",
        "prepared": answer[slot],
    }


@pytest.mark.parametrize("text", [None, "", 5])
def test_a_portable_form_without_a_text_reads_as_its_tree(text):
    """A server of 2021 answers null for texts that were not sent."""
    assert str(decode({"fallback_string": text, "prepared": ["a", {"type": "br"}, "b"]})) == "a\nb"


def test_a_portable_form_without_a_tree_is_unknown():
    """A server of 2021 answers null for a tree that it did not store."""
    raw = {"fallback_string": "hi", "original_str": "hi", "prepared": None}
    assert decode(raw) == Unknown(raw)


# ---- composing -----------------------------------------------------------------------------------


def test_a_content_is_a_sequence():
    """A `Content` is iterated, measured and indexed like its items."""
    content = Bold("a") + "b"
    assert list(content) == [Bold("a"), "b"]
    assert (len(content), content[1], bool(Content())) == (2, "b", False)


def test_a_context_is_the_nodes_own():
    """A change of the mapping that was given, or of the encoded JSON, changes no node."""
    context = {"n": [1]}
    button = Button("x", action_id="a", interactive_context=context)
    context["n"].append(2)
    encode(button)["interactive_context"]["n"].append(3)
    assert encode(button)["interactive_context"] == {"n": [1]}


def test_an_empty_context_is_none():
    """The client treats both alike, and the server turns `{}` into `[]`."""
    assert Button("x", action_id="a", interactive_context={}) == Button("x", action_id="a")
    assert Input("p", interactive_context={}) == Input("p")


def test_nodes_are_frozen_and_can_stand_in_a_set():
    """A node cannot be changed, takes no other attributes, and can be hashed."""
    button = Button("x", action_id="a", interactive_context={"n": 1})
    with pytest.raises(AttributeError):
        button.style = "danger"
    with pytest.raises(AttributeError):
        object.__setattr__(button, "color", "red")
    assert {button, Button("x", action_id="a", interactive_context={"n": 1})} == {button}


# ---- what one reader sees ------------------------------------------------------------------------


def test_one_update_is_an_object_and_several_are_a_list():
    """The server accepts both; one update has the form of the recorded cases 17d and 17e."""
    voted = UserSpecific("alice", {"vote": "You voted " + Bold("yes"), "note": Content()})
    forget = UserSpecific("bob", {}, replace_all=True)
    one = {
        "user_id": "alice",
        "modifiers": {"vote": ["You voted ", {"type": "bold", "content": "yes"}], "note": []},
    }
    other = {"user_id": "bob", "modifiers": {}, "replace_all": True}
    assert user_specific_update([voted]) == one
    assert user_specific_update([voted, forget]) == [one, other]
    assert user_specific_update([MappingProxyType(one), forget]) == [one, other]


def test_a_reader_sees_the_replacement_and_others_the_message():
    """Only the reader with an update for the key sees the replacement."""
    message = portable(Attachment("Lunch?", Nop(Button("Yes", action_id="y"), key="vote")))
    update = user_specific_update([UserSpecific("alice", {"vote": "You voted"})])
    assert (
        str(decode(client_shows_reader(message["prepared"], update["modifiers"])))
        == "Lunch?You voted"
    )
    assert str(decode(client_shows_reader(message["prepared"], {}))) == "Lunch? [Yes]"


def test_an_empty_keyed_node_is_shown_to_its_reader_alone():
    """The client visits a keyed node without children, as a list is never false."""
    message = portable(Nop(key="vote"))
    assert message["fallback_string"] == ""
    assert str(decode(client_shows_reader(message["prepared"], {"vote": "for you"}))) == "for you"


# ---- what the hidden data says -------------------------------------------------------------------


def test_hidden_data_holds_what_was_given():
    """It contains the settings for the client and the application's own data."""
    votes = {"alice": [1]}
    given = hidden_data(
        allow_delete="administrators",
        custom_title="CI",
        custom_icon="https://e.org/i.png",
        votes=votes,
    )
    votes["alice"].append(2)
    assert given == {
        "allow_delete": "administrators",
        "custom_title": "CI",
        "custom_icon": "https://e.org/i.png",
        "votes": {"alice": [1]},
    }
    assert hidden_data() == {}


# ---- through a draft -----------------------------------------------------------------------------


def message_of(draft):
    """Return the `message` of the request that saves a draft."""
    return json.loads(encode_save(draft, group_id="g").body)["message"]


@pytest.mark.parametrize(
    "content",
    [
        Bold("hi"),
        Content(Bold("hi")),
        [Bold("hi")],
        {"type": "bold", "content": "hi"},
        [{"type": "bold", "content": "hi"}],
        decode(portable(Bold("hi"))),
    ],
)
def test_a_draft_sends_rich_content_in_the_portable_form(content):
    """Rich content in any form is sent with a text beside it."""
    sent = {
        "fallback_string": "hi",
        "original_str": "hi",
        "prepared": [{"type": "bold", "content": "hi"}],
    }
    assert message_of(MessageDraft("c", content))["content"] == sent


def test_a_draft_sends_plain_text_as_it_stands():
    """A string is plain text: its markup is not compiled."""
    kept = {"original_str": "*hi*", "fallback_string": "*hi*", "prepared": ["*hi*"]}
    assert message_of(MessageDraft("c", "*hi*"))["content"] == kept


@pytest.mark.parametrize("content", [Content(), [], {}])
def test_a_new_message_needs_content(content):
    """A create without content is refused before any byte leaves, as empty text is."""
    with pytest.raises(InvalidDraftError, match="content is empty"):
        message_of(MessageDraft("c", content))


def test_a_draft_sends_updates_for_its_readers():
    """One update is an object, two are a list, and none is left out."""
    one, other = UserSpecific("u", {"k": "you"}), UserSpecific("v", {"k": Bold("you")})
    field = "_once_user_specific_update"
    assert field not in message_of(MessageDraft("c", "x"))
    assert message_of(MessageDraft("c", "x", user_specific=[one]))[field] == user_specific_update(
        [one]
    )
    both = message_of(MessageDraft("c", "x", user_specific=(one, other)))[field]
    assert both == user_specific_update([one, other])
