"""Puts the messages of errors into the words of the command line. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twake_async.errors import ConfigurationError, TwakeError

if TYPE_CHECKING:
    from twake_async.deliveries import Delivery

__all__ = ["of_delivery", "of_error", "of_text"]

#: The arguments of the library, and the options of the command line for them.
_OPTIONS = {
    "base_url": "--base-url (TWAKE_BASE_URL)",
    "channel_id": "--channel",
    "deadline": "--deadline",
    "user_id": "the user's id",
    "ephemeral_to": "--ephemeral-to",
    "group_id": "--group (TWAKE_GROUP_ID)",
    "parent_message_id": "--reply-to",
    "text_form": "--text-form",
}
#: The field `id` at the beginning of a message; elsewhere, "id" is a word of English.
_ID = re.compile(r"^id(?= (is|must)\b)")
#: The arguments that every command has; the others are fields of a line for `send-many`.
_COMMON = ("base_url", "group_id", "text_form")
#: A name that stands alone, and is not part of an address, a path or a quotation.
_NAME = r"(?<![\w/?&=.'\"-]){}(?![\w/='\"-])(?: \({}\))?"
#: How a message names its outcome, which is printed before it.
_RESTATED = (
    "the message was not sent: ",
    "it is not known whether the message arrived: ",
    "the request was not sent: ",
    "the call was not sent: ",
    "it is not known whether the call arrived: ",
    "the file was not sent: ",
    "it is not known whether the file arrived: ",
    "the request for the file was not sent: ",
    "the server answered, and stored nothing: ",
)
#: Other words of Python, and the words of JSON or a shell for them.
_PHRASES = (
    (", or give allow_plain_http=True", ""),
    (", or edit the Message that a send returned, which has its content", ""),
    ("a workspace_id", "--workspace"),
    ("give overwrite=True", "give --overwrite"),
    ("to is a folder", "PATH is a folder"),
    ("give use_server_name=True", "give --server-name"),
    ("to is not a regular file", "PATH is not a regular file"),
    ("api must be one of", "--api (TWAKE_API) must be one of"),
    ('to send it again, give resume="resend"', "--resend sends it again"),
    (
        "the draft differs from the one that the journal has",
        "it differs from the message in the journal",
    ),
    ("is a field of MessageDraft: give it there", "is a field of the message itself"),
    ("without ephemeral=True", 'without "ephemeral": true'),
    ("must be True or False", "must be true or false"),
    ("must be a dict", "must be a JSON object"),
)
_TYPES = {
    "NoneType": "null",
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "int": "a number",
    "list": "a list",
    "str": "a string",
}
#: The API of a session, and the option for it.
_API = re.compile(r'(over )?api="(v1|node)"')
_NO_WORKSPACE = (
    "there is no workspace, or it is not an id: with --api node the server would store a message "
    "that nobody sees. Give --workspace, set TWAKE_WORKSPACE_ID, or write workspace_id into the "
    "configuration file or the line; it is direct for a direct channel"
)
_NO_GROUP = (
    "there is no group, or it is not an id: give --group, set TWAKE_GROUP_ID, or write group_id "
    "into the configuration file"
)
#: Messages for a line of a batch that was ended early, by the reason.
_ENDED = {
    "cancelled": "it was cancelled while it was in flight",
    "stopped": "the run ended before it began",
}


def of_error(error: TwakeError, *, send: bool = False) -> str:
    """Return the message of an error.

    Args:
        error: The error.
        send: Whether the fields of a message are options, as they are for `send`.

    """
    if isinstance(error, ConfigurationError) and error.field == "group_id":
        return _NO_GROUP
    if isinstance(error, ConfigurationError) and error.field == "workspace_id":
        return _NO_WORKSPACE
    text = str(error)
    for restated in _RESTATED:
        text = text.removeprefix(restated)
    return of_text(text, send=send)


def of_delivery(delivery: Delivery) -> str:
    """Return the message of a delivery's error; empty where it has none."""
    error = delivery.error
    if error is None:
        return ""
    return _ENDED.get(error.reason) or of_error(error)


def of_text(text: str, *, send: bool = False) -> str:
    """Return a message of the library with options and JSON in place of arguments and Python.

    Args:
        text: The message.
        send: Whether the fields of a message are options, as they are for `send`.

    """
    for words, better in _PHRASES:
        text = text.replace(words, better)
    text = _API.sub(lambda found: f"{'with ' if found[1] else ''}--api {found[2]}", text)
    text = re.sub(rf"\bnot ({'|'.join(_TYPES)})\b", lambda found: f"not {_TYPES[found[1]]}", text)
    if send:
        text = _ID.sub("MESSAGE_ID", text)
    for name, option in _OPTIONS.items():
        if send or name in _COMMON:
            pattern = _NAME.format(name, f"TWAKE_{name.upper()}")
            text = re.sub(pattern, lambda _, option=option: option, text)  # type: ignore[misc]
    return text
