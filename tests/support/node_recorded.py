"""What the real Node servers answered (tests/support/data/wire/node), as requests of ours."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import attrs
from places import WIRE

from twake_async._arguments import Credentials
from twake_async._protocol.exchange import LATE, LOST, Answer, Failure
from twake_async._protocol.node.api import FRONT_ID, Api
from twake_async._protocol.node.reads import Ask, join
from twake_async._protocol.node.requests import Place, Remove, Save
from twake_async.messages import MessageDraft

__all__ = ["CASES", "LEFT_OUT", "OURS", "WORLD", "WRITES", "Recorded"]

WORLD: dict[str, dict[str, Any]] = json.loads((WIRE / "node" / "world.json").read_text("utf-8"))
#: The id that our request has, where the recorded one has none.
OURS = "minted-by-us"

_THREADS = re.compile(
    r"/+(?:api|internal/services)/messages/v1/companies/([^/]+)/threads"
    r"(?:/([^/?]+)(/messages(?:/([^/?]+)(?:/(delete|reaction|pin))?)?)?)?(?:\?.*)?"
)

#: The writes that are no request of ours, and the reasons.
LEFT_OUT = {
    "reaction": "there is no call for reactions",
    "reaction-off": "there is no call for reactions",
    "ev-user-reaction": "there is no call for reactions",
    "ev-user-pin": "there is no call that pins",
    "method-patch": "no request of ours is a PATCH",
    "php-list-content": "PHP asked, and only the number of rows was recorded",
    "edit-subtype": "an edit of ours names no subtype, which the server does not change",
    "size-1040k": "the recording holds only the beginning of the answer",
}


@attrs.frozen(repr=False)
class Recorded:
    """One line of cases.jsonl that asks the service of messages to write."""

    case: dict[str, Any]

    @property
    def name(self) -> str:
        return self.case["name"]

    @property
    def server(self) -> str:
        return self.case["server"]

    @property
    def path(self) -> str:
        return self.case["request"]["path"]

    @functools.cached_property
    def place(self) -> tuple[str, str, str, str]:
        """The company, the thread, the message and the action on it, as the path says."""
        found = _THREADS.fullmatch(self.path)
        return tuple(part or "" for part in found.group(1, 2, 4, 5))  # type: ignore[return-value]

    @property
    def is_thread(self) -> bool:
        """Whether it changes the participants of a thread."""
        return bool(self.place[1]) and "/messages" not in self.path.partition("/threads")[2]

    @functools.cached_property
    def body(self) -> dict[str, Any]:
        """The body; {} where it is no JSON object."""
        try:
            found = json.loads(self.case["request"]["body"] or "")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @functools.cached_property
    def fields(self) -> dict[str, Any]:
        """The message in the request; {} where it has none."""
        body = self.body
        if self.place[1] and not self.is_thread:
            found = body.get("resource")
        else:
            options = body.get("options")
            found = options.get("message") if isinstance(options, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def application(self) -> str:
        """The id of the sender: an application, or a user in the place of one."""
        token = (self.case["request"]["headers"] or {}).get("Authorization", "")
        whose = token.partition("access:")[2].removesuffix("}}")
        world = WORLD.get(self.server, {})
        return world.get(whose) or world.get("U", {}).get(whose, whose)

    @property
    def operation(self) -> str:
        """The name of the operation in our requests."""
        _, thread, message, what = self.place
        if what == "delete" or self.case["request"]["method"] == "DELETE":
            return "remove"
        if self.is_thread and "participants" in self.body.get("options", {}):
            return "join"
        if message or (thread and "id" in self.fields):
            return "edit"
        return "ephemeral" if self.fields.get("ephemeral") else "create"

    @property
    def request(self) -> Save | Remove | Ask[bool]:
        """The request as ours: with an id in its context, which a new message always has."""
        company, thread, message, _ = self.place
        api = Api(credentials=Credentials(self.application, "a key"))
        operation, message = self.operation, message or str(self.fields.get("id", ""))
        place = Place(company, "channel", "workspace", thread)
        if operation == "remove":
            return Remove(self.path, message, api)
        if operation == "join":
            return join(place, api)
        fields = self.fields
        draft = MessageDraft("channel", "hello", id=message if operation == "edit" else None)
        if operation != "edit":
            if self.is_thread:
                place = attrs.evolve(place, thread="")
            fields = fields | {"context": self._ours}
        return Save(self.path, b"", operation, draft, fields, place, api)  # type: ignore[arg-type]

    @property
    def _ours(self) -> dict[str, Any]:
        given = self.fields.get("context")
        return {**(given if isinstance(given, dict) else {}), FRONT_ID: OURS}

    @property
    def answer(self) -> Answer | Failure:
        """The answer, which echoes the context of ours where it echoed the request's."""
        response = self.case["response"]
        if response.get("status") is None:
            return LOST if self.name == "close-mid-body" else LATE
        headers = [(k.encode(), v.encode("latin-1")) for k, v in response["headers"].items()]
        return Answer(response["status"], headers, self._echo(response["body"]).encode())

    def _echo(self, body: str) -> str:
        if self.operation in ("remove", "join", "edit"):
            return body
        try:
            document = json.loads(body)
        except ValueError:
            return body
        message, sent = self.message_of(document), self.fields
        if message and (sent.get("text") or "", sent.get("context")) == (
            message.get("text") or "",
            message.get("context"),
        ):
            message["context"] = self._ours
        return json.dumps(document)

    def message_of(self, document: Any) -> dict[str, Any]:
        """Return the message in an answer; {} where it has none."""
        found = document.get("resource") if isinstance(document, dict) else None
        if isinstance(found, dict) and (not self.place[1] or self.is_thread):
            found = found.get("message")
        return found if isinstance(found, dict) else {}

    @property
    def added(self) -> list[dict[str, Any]]:
        """The rows of messages that were added."""
        return self.case["rows"]["messages"].get("added", [])

    @property
    def removed(self) -> list[str]:
        """The keys of the rows of messages that were removed."""
        return self.case["rows"]["messages"].get("removed", [])

    @property
    def applied(self) -> list[dict[str, Any]]:
        """The rows of messages in which more than `updated_at` changed, as they are then."""
        changed = self.case["rows"]["messages"].get("changed", [])
        return [
            one["after"]
            for one in changed
            if {**one["before"], "updated_at": 0} != {**one["after"], "updated_at": 0}
        ]


def _load() -> list[dict[str, Any]]:
    with (WIRE / "node" / "cases.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


CASES = _load()
#: Every write to the service of messages, but for those that are left out.
WRITES = [
    Recorded(case)
    for case in CASES
    if case["request"]["method"] != "GET"
    and _THREADS.fullmatch(case["request"]["path"])
    and case["name"] not in LEFT_OUT
]
