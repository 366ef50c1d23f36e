"""What a session needs of a generation of servers: its API, as requests that judge their answers.

Each generation has its own folder next to this module. It defines its requests, the place of its
credentials, and what its answers prove; it knows nothing of sessions, retries and connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twake_async.messages import Message

from .exchange import Request

if TYPE_CHECKING:
    from collections.abc import Generator

    from twake_async.check import Check
    from twake_async.errors import TwakeError
    from twake_async.messages import MessageDraft, MessageRef

__all__ = ["EncodedDraft", "Generation", "SaveRequest"]


class SaveRequest(Request[Message], Protocol):
    """A request that saves a message."""

    def text_was_cut(self, message: Message) -> bool:
        """Say whether the answer shows that the server kept only the start of a plain text."""
        ...

    def landed_at_root(self, message: Message) -> bool:
        """Say whether the answer shows that a reply has lost its parent."""
        ...


class EncodedDraft(Protocol):
    """A draft as JSON: encoded once, for its request and its fingerprint."""

    @property
    def front_id(self) -> str | None:
        """The `front_id` of the message, the caller's or a minted one; None where it has none."""
        ...

    @property
    def marker(self) -> str | None:
        """The id that was minted in addition to the caller's `front_id`; None if there is none."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of what the draft asks for, without its `front_id`.

        Raises:
            InvalidDraftError: A field cannot be sent as it is (outcome `NOT_SENT`).

        """
        ...

    def request(self, front_id: str | None = None, marker: str | None = None) -> SaveRequest:
        """Return the request that sends the draft, or edits the message whose id it has.

        Args:
            front_id: The `front_id` of an earlier run; None for the draft's own.
            marker: The `marker` of that run.

        Raises:
            InvalidDraftError: A field cannot be sent as it is (outcome `NOT_SENT`).

        """
        ...


class Generation(Protocol):
    """The API of a generation of servers, with the credentials of one session."""

    @property
    def name(self) -> str:
        """Its name, as the caller of a session gives it."""
        ...

    @property
    def edit_replaces(self) -> bool:
        """Whether an edit deletes the fields that it does not name."""
        ...

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft:
        """Return the encoded draft.

        Args:
            draft: The draft.
            group_id: The group (company) of its channel.

        Raises:
            ConfigurationError: There is no group (outcome `NOT_SENT`).
            InvalidDraftError: A field cannot be sent as it is (outcome `NOT_SENT`).

        """
        ...

    def remove(self, ref: MessageRef, group_id: str | None) -> Request[None]:
        """Return the request that removes a message.

        Args:
            ref: The message.
            group_id: The group (company) of its channel.

        Raises:
            ConfigurationError: There is no group (outcome `NOT_SENT`).

        """
        ...

    def check(self, group_id: str | None) -> Generator[Request[Check], Check | TwakeError, Check]:
        """Yield the requests of a check, receive what each proved, and return the final result.

        No server stores anything for them.

        Args:
            group_id: The group (company) to ask about.

        Raises:
            ConfigurationError: There is no group (outcome `NOT_SENT`).

        """
        ...
