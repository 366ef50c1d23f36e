"""The readers of answers to the calls beside the messages: any JSON is read, or is no answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import JSON

from twake_async import MessageRef
from twake_async.resources import _channel, _dialogs, _files_node, _files_reads, _files_room
from twake_async.resources import _messages as messages
from twake_async.resources import _users as users
from twake_async.resources._values import number

NAMES = st.sampled_from(
    re.findall(
        r"\w+",
        "id object data resource resources result status name size versions path trash url members "
        "direct visibility workspace_id company_id user user_id app_id group_id metadata blocks "
        "next_page_token context thread_id text upload_data files reactions pinned_info stats",
    )
)
VALUES = JSON | st.sampled_from(["id", "1", "9" * 5000, "true", "direct", 10**400])
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)
READERS = {
    "user": users._reader("object", "id"),
    "channel": _channel.channel_reader("id"),
    "direct": _channel.direct_reader("id"),
    "channels": _channel.rows_of("data", _channel.read_channel),
    "page": _channel.page_of(_channel.read_member),
    "token": _dialogs._token_reader("id"),
    "success": _dialogs._succeeded,
    "element": _files_room.element_reader("id"),
    "elements": _files_reads._read_rows,
    "found": _files_reads._finder("root"),
    "file": _files_node.node_reader("id"),
    "message": messages._message_reader(MessageRef("c", "id")),
    "messages": messages._read_page,
}


@pytest.mark.parametrize("name", READERS)
@given(DOCUMENTS)
def test_any_answer_is_read_or_is_an_error(name, document):
    """A reader that raises would end a call with an error of Python's."""
    READERS[name](document)


def test_numbers_of_servers():
    """Digits are a number; more digits than a size has are none."""
    assert [number(one) for one in (5, "5", "", "-5", "5.0", True, None, "9" * 5000)] == [
        *(5, 5),
        *[None] * 6,
    ]
