"""New messages that their event, and not only the answer, may prove delivered. No I/O.

A server of 2020 posts a new message to the applications that listen to its channel, also to the one
that sent it. It does so after it has stored the message and before it answers (wire/events 03, 11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from twake_async._protocol.exchange import Steps
    from twake_async.messages import Message

    from .encode import EncodedDraft
    from .requests import Save

__all__ = ["EchoedDraft", "Echoes"]


class Echoes(Protocol):
    """The new messages that are under way, and the events about them."""

    def steps_of_create(self, front_id: str, body: bytes, /) -> Steps[Message]:
        """Return the steps of a create whose event is expected from now on.

        Args:
            front_id: The id that was minted for it.
            body: The body of the request.

        """
        ...

    def distrust(self, front_id: str, /) -> None:
        """Stop expecting an event with an id: the caller gave it to another message."""
        ...


@attrs.frozen
class EchoedDraft:
    """An encoded draft; if it is a new message, its event is expected."""

    encoded: EncodedDraft
    echoes: Echoes = attrs.field(repr=False)

    marker = None

    @property
    def front_id(self) -> str | None:
        """The draft's `front_id`, or the one that was minted for it; None for an edit."""
        return self.encoded.front_id

    def fingerprint(self) -> str:
        """Return a hash of what the draft asks for, without its `front_id`."""
        return self.encoded.fingerprint()

    def request(self, front_id: str | None = None, marker: str | None = None) -> Save:
        """Return the request that saves the draft.

        Only an event with an id that was minted now is proof. A `front_id` of the caller's, or of
        an earlier run, may have been given to another message.

        Args:
            front_id: The `front_id` of an earlier run; None for the draft's own.
            marker: Not used: this API has none.

        Raises:
            InvalidDraftError: A field cannot be sent as it is; the error names it.

        """
        save = self.encoded.request(front_id, marker)
        minted = self.encoded.front_id if self.encoded.draft.front_id is None else None
        if save.operation == "create" and minted is not None and save.front_id == minted:
            save.steps = self.echoes.steps_of_create(minted, save.body)
        return save
