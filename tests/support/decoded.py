"""The types of the fields of a message, whichever API it came over."""

from __future__ import annotations

import datetime

import attrs

from twake_async.messages import Message, Reaction

__all__ = ["FIELDS", "TYPES", "check_types"]

FIELDS = {field.name for field in attrs.fields(Message)} - {"extra", "maybe_duplicated"}

#: The one type of each field, whatever PHP made of it.
TYPES = {
    **dict.fromkeys(("id", "front_id", "channel_id", "parent_message_id", "workspace_id"), (str,)),
    **dict.fromkeys(("sender", "application_id", "ephemeral_id"), (str, type(None))),
    **dict.fromkeys(("edited", "pinned"), (bool,)),
    **dict.fromkeys(("hidden_data", "reactions", "user_specific_content", "override"), (dict,)),
    **dict.fromkeys(("responses_count", "message_type", "increment_at_time"), (int,)),
    **dict.fromkeys(("creation_date", "modification_date"), (datetime.datetime, type(None))),
    "content": (object,),
}


def check_types(message):
    """Assert that each field has its one type, and that dates know that they are in UTC."""
    for name, kinds in TYPES.items():
        value = getattr(message, name)
        assert isinstance(value, kinds), name
        assert not (kinds == (int,) and isinstance(value, bool))
        if isinstance(value, datetime.datetime):
            assert value.tzinfo is datetime.UTC
    for reaction in message.reactions.values():
        assert type(reaction) is Reaction
        assert type(reaction.users) is tuple
        assert all(type(user) is str for user in reaction.users)
        assert type(reaction.count) is int
    assert all(type(seen) is dict for seen in message.user_specific_content.values())
