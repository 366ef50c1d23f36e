"""The resources of a session: channels, people, files, dialogs and messages.

A session has one object for each: `twake.channels`, `twake.users`, `twake.files`,
`twake.dialogs` and `twake.messages`. Their calls have the deadline, the retry policy and the
errors of a send.
"""

from twake_async._field_texts import show_field_texts as _show_field_texts

from ._channel import Channel
from ._channels import Channels
from ._dialogs import Dialogs, Opener, TokenOwner
from ._files import Files
from ._files_element import FileElement, FileVersion
from ._messages import Messages
from ._users import User, Users

__all__ = [
    "Channel",
    "Channels",
    "Dialogs",
    "FileElement",
    "FileVersion",
    "Files",
    "Messages",
    "Opener",
    "TokenOwner",
    "User",
    "Users",
]

_show_field_texts(__name__)
