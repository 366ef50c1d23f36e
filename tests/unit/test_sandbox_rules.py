"""Rules of the server that the recorded cases show only in part, each on its own."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twake_async.sandbox._http import Request, Response
from twake_async.sandbox._releases import php, php_json
from twake_async.sandbox._releases.php_forms import post_fields
from twake_async.sandbox._releases.server import answer
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.sandbox._world.seeded import seeded_world

GENERAL = DEFAULT_SEED["channels"]["general"]["id"]
RANDOM = DEFAULT_SEED["channels"]["random"]["id"]
ALICE = DEFAULT_SEED["users"]["alice"]["id"]
CAROL = DEFAULT_SEED["users"]["carol"]["id"]
GROUP = DEFAULT_SEED["groups"]["acme"]["id"]
UNKNOWN = "deadbeef-0f99-11eb-9a99-0242ac1b0006"


class Server:
    """A world, and short methods to send it requests."""

    def __init__(self, release: str = "2020", **bounds: int) -> None:
        self.world = seeded_world(DEFAULT_SEED, **bounds)
        self.release = release

    def ask(self, action: str, message: Any, group_id: Any = GROUP) -> Response:
        return self.send(action, json.dumps({"group_id": group_id, "message": message}))

    def send(self, action: str, body: str) -> Response:
        app = DEFAULT_SEED["apps"]["bot"]
        pair = base64.b64encode(f"{app['id']}:{app['key']}".encode()).decode()
        headers = {"authorization": f"Basic {pair}", "content-type": "application/json"}
        asked = Request("POST", f"/api/v1/messages/{action}", headers, body.encode())
        return answer(self.world, asked, release=self.release)

    def save(self, **message: Any) -> dict[str, Any]:
        given = {"channel_id": GENERAL, "content": "x"} | message
        return json.loads(self.ask("save", given).body)["object"]

    def edit(self, message: dict[str, Any], **changes: Any) -> dict[str, Any]:
        given = {"channel_id": GENERAL, "id": message["id"]} | changes
        return json.loads(self.ask("save", given).body)["object"]

    def row(self, message: dict[str, Any]) -> Any:
        return self.world.messages[message["id"]]


# What the database makes of a front_id


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("order-4711", "order-4711"),
        ('it\'s "q" \\ back\\', 'it\'s "q" \\ back\\'),
        ("a\x00b", "a\x00b"),
        ("\xa0x\xc5\xe0\u2003", "\xa0x\xc5\xe0\u2003"),
        ("a  b\n\t\v\f\rc ", "a b c "),
        ("x IS NULL y", "x = NULL y"),
        ("x  IS  NULLS", "x IS NULLS"),
        ("select FROM t WHERE a=1", "select FROM t WHERE  a=1"),
        ("x WHERE from=1, to =2", 'x WHERE  "from" =1, "to" =2'),
        ("send to b FROM a b c b.d", 'send "to" b FROM a  c d'),
        ("(token) or (default)", '("token") or ("default")'),
        ("mail FROM", "mail FROM"),
        ("count", "count"),
    ],
)
def test_a_front_id_is_stored_as_the_rewritten_statement_has_it(sent: str, kept: str) -> None:
    """The answer has the front_id that was sent, and a later edit the one that was stored."""
    server = Server()
    made = server.save(front_id=sent)
    assert made["front_id"] == sent
    assert server.edit(made, content="y")["front_id"] == kept


@pytest.mark.parametrize(
    "front_id",
    [
        "FROM ",
        "mail FROM bob",
        "mail FROM bob 12",
        "FROM a.b c",
        "COUNT(1)",
        "ReCount(",
        12345,
        [1],
    ],
)
def test_a_front_id_that_breaks_the_statement_is_answered_and_stored_nowhere(
    front_id: Any,
) -> None:
    """The thread's first message counts the reply all the same, in another statement."""
    server = Server()
    first = server.save()
    reply = server.save(front_id=front_id, parent_message_id=first["id"])
    assert reply["id"]
    assert reply["front_id"] == front_id
    assert list(server.world.messages) == [first["id"]]
    assert server.row(first).responses_count == 1


# PHP's values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (1e17, "1.0e+17"),
        (1.2345678901234567e19, "1.2345678901234567e+19"),
        (0.0001, "0.0001"),
        (0.00001, "1.0e-5"),
        ("a/b", '"a\\/b"'),
        ("é😀\x00\x7f", '"\\u00e9\\ud83d\\ude00\\u0000\x7f"'),
        ([], "[]"),
        ({}, "{}"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_json_is_written_as_php_writes_it(value: Any, text: str) -> None:
    """Whole floats have no fraction; the slash, and all that is not ASCII, is escaped."""
    assert php_json.encode(value) == text.encode()


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "\ud83d", {"\ud83d": 1}])
def test_what_json_cannot_hold_is_not_written(value: Any) -> None:
    """`json_encode` returns false."""
    assert php_json.encode(value) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", []),
        ('{"0":1,"1":2}', [1, 2]),
        ('{"1":1}', {"1": 1}),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("-0", 0),
        ("NaN", None),
        ('"\\ud83d"', None),
        ('"\\\\ud83d"', "\\ud83d"),
        ("\ufeff1", None),
        ("[1,]", None),
        ("", None),
        ("[" * 512 + "]" * 512, "deep"),
        ("[" * 513 + "]" * 513, None),
        ("[" * 100_000, None),
    ],
)
def test_json_is_read_as_php_reads_it(text: str, value: Any) -> None:
    """Objects are arrays, large integers are floats, and what PHP refuses is null."""
    read = php_json.decode(text.encode())
    if value == "deep":
        assert read is not None
    else:
        assert (type(read), read) == (type(value), value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner, min_size=1).map(php.array),
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    """Only the types of numbers change; Python reads the same."""
    text = php_json.encode(value)
    assert text is not None
    assert php_json.decode(text) == value
    assert php.array(php.items(json.loads(text))) == value or not isinstance(value, list | dict)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("1", "01", True),
        ("1e1", "10", True),
        ("abc", 0, False),
        ("1", 1, True),
        (None, "", True),
        (None, [], True),
        (None, "0", False),
        (True, "x", True),
        (False, "0", True),
        ([1, 2], {"1": 2, "0": 1}, True),
        ([1], ["1"], True),
        ([1], [2], False),
        ([], "", False),
        ({"a": None}, {"b": None}, False),
    ],
)
def test_values_are_compared_as_php_8_compares_them(left: Any, right: Any, equal: bool) -> None:
    """`==` decides whether an edit changes the content."""
    assert php.loosely_equal(left, right) is equal
    assert php.loosely_equal(right, left) is equal


def test_form_fields_nest_by_their_brackets() -> None:
    """`a[b][]=1` is nested as in PHP, and bytes that are not UTF-8 stay unchanged."""
    body = b"a[b][]=1&a[b][]=2&a[c]=x+y&d.e=%FF&=lost&f"
    assert post_fields("application/x-www-form-urlencoded", body) == {
        "a": {"b": ["1", "2"], "c": "x y"},
        "d_e": "\udcff",
        "f": "",
    }
    assert post_fields("text/plain", body) == []


# Saving


def test_a_reply_is_counted_and_its_parent_cannot_be_removed() -> None:
    """Once the reply is removed, its parent can be removed."""
    server = Server()
    parent = server.save()
    reply = server.save(parent_message_id=parent["id"])
    assert reply["parent_message_id"] == parent["id"]
    assert server.edit(parent, pinned=True)["responses_count"] == 1
    server.ask("remove", parent)
    assert len(server.world.messages) == 2
    server.ask("remove", reply)
    server.ask("remove", parent)
    assert server.world.messages == {}


@pytest.mark.parametrize("parent", [UNKNOWN, "abc", 5])
def test_a_reply_to_nothing_lands_at_the_root(parent: Any) -> None:
    """Only the empty parent in the answer shows it."""
    assert Server().save(parent_message_id=parent)["parent_message_id"] == ""


def test_a_reply_to_a_message_of_another_channel_lands_at_the_root() -> None:
    """A parent in another channel counts as none."""
    server = Server()
    foreign = server.save(channel_id=RANDOM)
    assert server.save(parent_message_id=foreign["id"])["parent_message_id"] == ""
    assert server.row(foreign).responses_count == 0


def test_an_edit_in_the_wrong_channel_changes_nothing() -> None:
    """The id alone does not find a message."""
    server = Server()
    message = server.save()
    response = server.ask("save", {"channel_id": RANDOM, "id": message["id"], "content": "y"})
    assert b"unknown error or malformed query." in response.body
    assert server.row(message).content == "x"


def test_the_same_content_again_is_no_edit() -> None:
    """PHP's `==` decides; other content is an edit, and so is an empty string."""
    server = Server()
    message = server.save(content="1")
    assert server.edit(message, content="01")["edited"] is False
    assert server.edit(message, content="2")["edited"] is True


def test_pinned_is_shown_as_given_and_kept_as_a_boolean() -> None:
    """A string is true unless it is empty or "0"."""
    server = Server()
    message = server.save(pinned="false")
    assert message["pinned"] == "false"
    assert server.edit(message, content="y")["pinned"] is True


def test_ids_may_be_in_upper_case() -> None:
    """The answer has the channel's id as it was sent; the row has it in lower case."""
    server = Server()
    message = server.save(channel_id=GENERAL.upper())
    assert message["channel_id"] == GENERAL.upper()
    assert server.edit({"id": message["id"].upper()}, content="y")["channel_id"] == GENERAL


@pytest.mark.parametrize("name", ["channel_id", "id", "parent_message_id"])
def test_a_list_in_place_of_an_id_is_a_500(name: str) -> None:
    """PHP 8 fails before anything is stored."""
    server = Server()
    given = {"channel_id": GENERAL, "content": "x"} | {name: [GENERAL]}
    assert server.ask("save", given).status == 500
    assert server.world.messages == {}


def test_a_sender_outside_the_channel_is_stored_and_answered_with_a_500() -> None:
    """Every create does so; an edit does not."""
    server = Server()
    given = {"channel_id": RANDOM, "content": "x", "sender": CAROL}
    assert [server.ask("save", given).status for _ in range(2)] == [500, 500]
    assert len(server.world.messages) == 2
    [first, _] = server.world.messages
    assert server.ask("save", {**given, "id": first, "content": "y"}).status == 200


def test_a_message_that_opens_a_channel_needs_no_member() -> None:
    """With hidden_data of type init_channel the membership is not checked."""
    given = {"channel_id": RANDOM, "content": "x", "sender": CAROL}
    hidden = {"type": "init_channel"}
    assert Server().ask("save", {**given, "hidden_data": hidden}).status == 200


@pytest.mark.parametrize(
    ("given", "kept"), [("0", []), ("1e999", []), ('""', ""), ("false", False), ("{}", [])]
)
def test_hidden_data_of_odd_kinds(given: str, kept: Any) -> None:
    """Zero, and what cannot be JSON, become an empty array."""
    message = f'{{"channel_id": "{GENERAL}", "hidden_data": {given}}}'
    response = Server().send("save", f'{{"group_id": "{GROUP}", "message": {message}}}')
    assert json.loads(response.body)["object"]["hidden_data"] == kept


def test_a_reaction_comes_changes_and_goes() -> None:
    """Each user has one; without any, `reactions` is an empty list again."""
    server = Server()
    message = server.save()
    one = server.edit(message, sender=ALICE, _user_reaction=":+1:")
    assert one["reactions"] == {":+1:": {"users": [ALICE], "count": 1}}
    other = server.edit(message, sender=ALICE, _user_reaction=":heart:")
    assert other["reactions"] == {":heart:": {"users": [ALICE], "count": 1}}
    assert server.edit(message, sender=ALICE, _user_reaction="")["reactions"] == []


def test_user_specific_content_is_merged_or_replaced() -> None:
    """The request has one update, or a list of them."""
    server = Server()
    one = {"user_id": ALICE, "modifiers": {"a": 1}}
    other = {"user_id": CAROL, "modifiers": {"b": 2}}
    message = server.save(_once_user_specific_update=[one, other])
    assert message["user_specific_content"] == {ALICE: {"a": 1}, CAROL: {"b": 2}}
    more = {"user_id": ALICE, "modifiers": {"c": 3}}
    merged = server.edit(message, _once_user_specific_update=more)["user_specific_content"]
    assert merged[ALICE] == {"a": 1, "c": 3}
    replaced = server.edit(message, _once_user_specific_update={**more, "replace_all": True})
    assert replaced["user_specific_content"][ALICE] == {"c": 3}


def test_a_message_moves_with_its_replies() -> None:
    """Under a root message, it and its replies become replies of that message."""
    server = Server()
    target, moved = server.save(), server.save()
    reply = server.save(parent_message_id=moved["id"])
    move = {"parent_message_id": target["id"], "_once_replace_message_parent_message": ""}
    assert server.edit(moved, **move)["parent_message_id"] == target["id"]
    assert server.row(reply).parent_message_id == target["id"]
    assert server.row(target).responses_count == 2


def test_ids_sort_as_the_messages_were_made() -> None:
    """They are time UUIDs of one node."""
    server = Server()
    ids = [server.save()["id"] for _ in range(50)]
    stamps = [(one[14:18], one[9:13], one[:8]) for one in ids]
    assert stamps == sorted(stamps)
    assert len(set(ids)) == 50


# The release of 2021


@pytest.mark.parametrize(
    ("content", "prepared", "text"),
    [
        ("Hello", "H", "H"),
        ("0 and more", "0 and more", "0"),
        ({"original_str": "a", "prepared": ["a"]}, ["a"], "a"),
        ({"formatted": ["f"], "prepared": ["p"], "fallback_string": "t"}, ["f"], "t"),
        (None, None, None),
    ],
)
def test_2021_cuts_plain_text_and_keeps_the_portable_form(
    content: Any, prepared: Any, text: Any
) -> None:
    """On PHP 7.1 an offset of a string is its first byte; "0" is false."""
    shown = Server("2021").save(content=content)["content"]
    assert shown == {"fallback_string": text, "original_str": text, "prepared": prepared}


def test_2021_answers_an_unknown_id_with_a_null_id() -> None:
    """200, with dates of zero, and nothing stored."""
    server = Server("2021")
    shown = server.edit({"id": UNKNOWN}, content="x")
    assert (shown["id"], shown["creation_date"], server.world.messages) == (None, 0, {})


def test_2021_replies_edits_and_removes() -> None:
    """A reply is found under its parent; an edit without text keeps the text in the answer."""
    server = Server("2021")
    parent = server.save(content={"original_str": "p"})
    reply = server.save(content={"original_str": "r"}, parent_message_id=parent["id"])
    assert reply["parent_message_id"] == parent["id"]
    edited = server.edit(reply, parent_message_id=parent["id"], pinned=True)
    assert (edited["pinned"], edited["text"]) == (True, "r")
    assert server.edit(reply)["id"] is None
    server.ask("remove", reply)
    assert [one.content["original_str"] for one in server.world.messages.values()] == ["p"]


PORTABLE = {"original_str": "v1", "fallback_string": "v1", "prepared": ["v1"]}
WIPED = {"original_str": None, "fallback_string": None, "prepared": None}


def test_2021_an_edit_keeps_nothing_that_it_does_not_give() -> None:
    """Content and hidden data are lost, and the message is unpinned; 2020 keeps all three."""
    for release, content, data, pinned in (
        ("2020", PORTABLE, {"k": 1}, True),
        ("2021", WIPED, {"_front_id": None}, False),
    ):
        server = Server(release)
        message = server.save(content=PORTABLE, hidden_data={"k": 1})
        server.edit(message, content=PORTABLE, hidden_data={"k": 1}, pinned=True)
        assert server.row(message).pinned is True
        server.edit(message)
        row = server.row(message)
        assert (row.content, row.hidden_data, row.pinned) == (content, data, pinned)


def test_2021_answers_an_edit_without_content_with_the_old_text_and_no_elements() -> None:
    """The answer was recorded so; a second such edit has no old text left."""
    server = Server("2021")
    message = server.save(content=PORTABLE)
    assert server.edit(message, pinned=True)["content"] == {**PORTABLE, "prepared": None}
    assert server.edit(message, pinned=True)["content"] == WIPED


def test_2021_a_reaction_unpins_and_changes_nothing_else() -> None:
    """PHP forwards `pinned` before it looks for a reaction."""
    server = Server("2021")
    message = server.save(content=PORTABLE, hidden_data={"k": 1})
    server.edit(message, content=PORTABLE, hidden_data={"k": 1}, pinned=True)
    server.edit(message, _user_reaction=":+1:")
    row = server.row(message)
    assert (row.content, row.pinned) == (PORTABLE, False)
    assert row.hidden_data == {"k": 1, "_front_id": None}


def test_2021_fails_without_a_company() -> None:
    """An unknown company, and none at all, lead to an empty 500."""
    for group_id in (None, UNKNOWN, [GROUP]):
        assert Server("2021").ask("save", {"channel_id": GENERAL}, group_id).status == 500
