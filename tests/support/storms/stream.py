"""The traffic of one connection, as its server sees it: which request reads which answer.

Pure: no I/O. A client reads the answers of a connection in order, one for each request. So the
server knows which answer each request gets, and whether a right client could tell that it is
another's.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import attrs

Kind = Literal["create", "edit", "ephemeral", "remove"]
Says = Literal["good", "refusal", "later", "other"]
#: The cause of an inherent wrong claim: a foreign answer that reads so, or a gateway that repeats.
Excuse = Literal["refusal", "later", "good", "repeated"]


@attrs.define(eq=False)
class Asked:
    """One request: one attempt of a send."""

    token: str
    """The send that it belongs to."""
    kind: Kind
    front_id: str
    id: str
    """The id that its own good answer names."""
    target: str
    """The id that the request itself names; empty for a new message."""
    content: Any = None
    copies: int = 0
    """How often it was stored or applied."""
    excuses: set[Excuse] = attrs.field(factory=set)
    """The possible causes of an inherent wrong claim about it."""
    history: str = ""
    """The acts on it, for a person."""


@attrs.frozen(eq=False)
class Said:
    """One whole answer."""

    name: str
    data: bytes = attrs.field(repr=False)
    says: Says
    about: Asked | None = None
    """The request that it answers; None for an unsolicited answer."""
    form: Literal["", "object", "result"] = ""
    """The content of a good answer."""
    id: str = ""
    front_id: str = ""
    content: Any = None

    def fits(self, asked: Asked) -> bool:
        """Say whether a client must take it for a good answer to this request."""
        if self.says != "good" or self.form != ("result" if asked.kind == "remove" else "object"):
            return False
        if asked.kind in ("edit", "remove"):
            return self.id == asked.target
        if self.front_id == asked.front_id:
            return True
        return asked.kind == "ephemeral" and asked.target in (self.id, self.front_id)


@attrs.define(eq=False)
class Stream:
    """One connection, and the rules that the client keeps on it."""

    number: int = 0
    requests: int = 0
    trusted: bool = True
    """Whether all its answers proved their requests, and nothing else was certainly seen."""
    remembered: str = ""
    """The id that its last answer named."""
    breach: str = ""
    """The first request that a right client would not have put on this connection."""
    _unanswered: deque[Asked] = attrs.field(factory=deque, init=False)
    _ahead: deque[tuple[Said, bool]] = attrs.field(factory=deque, init=False)

    @property
    def idle(self) -> bool:
        """Whether each request has its answer, and nothing more was sent."""
        return not self._unanswered and not self._ahead

    def ask(self, asked: Asked) -> None:
        """Record a request that was read."""
        self.requests += 1
        if self.requests > 1 and (wrong := self._wrong_reuse(asked)):
            asked.history += f", on a connection used again {wrong}"
            if not self.breach:
                self.breach = f"{asked.token}: connection {self.number} was used again {wrong}"
            self.trusted = False
        if self._ahead:
            said, seen = self._ahead.popleft()
            self._meet(asked, said, seen=seen)
        else:
            self._unanswered.append(asked)

    def say(self, said: Said, *, seen: bool = False) -> None:
        """Record an answer that is sent.

        Args:
            said: The answer.
            seen: Whether the client certainly sees it before it writes its next request.

        """
        if self._unanswered:
            self._meet(self._unanswered.popleft(), said, seen=False)
        else:
            self._ahead.append((said, seen))

    def spoil(self) -> None:
        """Record that the last bytes are no whole answer."""
        self.trusted = False
        if self._unanswered:
            self._unanswered.popleft()

    def left_over(self) -> str:
        """Return the id of a good answer that may have met a request which never came whole.

        The client wrote the request before it could see that answer. Where both are about the
        same message, the client cannot tell that the answer is not its own. Empty for none.
        """
        if not (self.trusted and self._ahead):
            return ""
        said, seen = self._ahead[0]
        unseen = said.says == "good" and not seen and said.id != self.remembered
        return said.id if unseen else ""

    def _wrong_reuse(self, asked: Asked) -> str:
        if not self.trusted:
            return "after an answer that did not prove its request"
        if self._unanswered:
            return "before its last request was answered"
        if self._ahead and self._ahead[0][1]:
            return "though more had come than the answer"
        if asked.target and asked.target == self.remembered:
            return "for the message that its last answer named"
        return ""

    def _meet(self, asked: Asked, said: Said, *, seen: bool) -> None:
        fits = said.fits(asked) and not (asked.kind == "create" and said.id == self.remembered)
        if said.about is not asked:
            asked.history += f", which reads {said.name}"
            if said.about is not None:
                asked.history += f" of {said.about.token}"
            if self.trusted and not seen:
                self._excuse(asked, said, fits=fits)
        # If an edit's answer shows other content, its connection is not used again.
        same = asked.kind != "edit" or said.content == asked.content
        self.trusted = self.trusted and fits and same and not seen and asked.kind != "remove"
        self.remembered = said.id if fits else ""

    def _excuse(self, asked: Asked, said: Said, *, fits: bool) -> None:
        if said.says in ("refusal", "later"):
            asked.excuses.add(said.says)  # type: ignore[arg-type]
        elif fits:
            asked.excuses.add("good")
