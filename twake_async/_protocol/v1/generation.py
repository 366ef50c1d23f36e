"""The generation of v1 servers, as a session uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from twake_async._protocol.subjects import CALL

from .calls import Call, encode_call
from .echoed import EchoedDraft
from .encode import encode_draft, encode_remove
from .probes import examine

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from twake_async._protocol.subjects import Subject
    from twake_async.check import Check
    from twake_async.errors import TwakeError
    from twake_async.messages import MessageDraft, MessageRef

    from .api import Api
    from .echoed import Echoes
    from .encode import EncodedDraft
    from .probes import Probe
    from .requests import Remove

__all__ = ["V1", "EchoedV1"]

T = TypeVar("T")


@attrs.frozen
class V1:
    """The API of Twake 2020 to 2022, with the credentials of one session."""

    api: Api
    text_form: Literal["plain", "portable"] = "portable"

    name = "v1"
    edit_replaces = True

    def encode(self, draft: MessageDraft, group_id: str | None) -> EncodedDraft | EchoedDraft:
        """Return the encoded draft, for the request that sends it."""
        return encode_draft(draft, group_id=group_id, text_form=self.text_form, api=self.api)

    def remove(self, ref: MessageRef, group_id: str | None) -> Remove:
        """Return the request that removes a message."""
        return encode_remove(ref, group_id=group_id, api=self.api)

    def call(
        self,
        route: str,
        document: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], T | TwakeError],
        *,
        repeatable: bool = True,
        target: str | None = None,
        crash: str | None = None,
        subject: Subject = CALL,
    ) -> Call[T]:
        """Return the request to any other route; see `encode_call`."""
        return encode_call(
            route,
            document,
            read,
            self.api,
            repeatable=repeatable,
            target=target,
            crash=crash,
            subject=subject,
        )

    def check(self, group_id: str | None) -> Generator[Probe, Check | TwakeError, Check]:
        """Yield the requests of a check, receive what each proved, and return the final result."""
        return examine(group_id, self.api)


@attrs.frozen
class EchoedV1(V1):
    """The same API with observed events, which may also prove new messages delivered."""

    echoes: Echoes = attrs.field(kw_only=True, repr=False)

    def encode(self, draft: MessageDraft, group_id: str | None) -> EchoedDraft:
        """Return the encoded draft, for the request that sends it."""
        if draft.front_id is not None:
            self.echoes.distrust(draft.front_id)
        encoded = encode_draft(draft, group_id=group_id, text_form=self.text_form, api=self.api)
        return EchoedDraft(encoded, self.echoes)
