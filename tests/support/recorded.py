"""The answers of the real server (tests/support/data/wire), for the tests of several modules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import attrs

from twake_async._protocol.exchange import Answer
from twake_async._protocol.v1.api import REMOVE, SAVE
from twake_async._protocol.v1.requests import Remove, Save

CASES = Path(__file__).parent / "data" / "wire" / "cases.jsonl"

#: The value that our SDK sends where the recorded request had a front_id that it never sends.
MINTED = "minted-by-us"


def last_line(body: str) -> Any:
    """Return the JSON of an answer, without PHP's noise in front of it; None for no JSON."""
    try:
        return json.loads(body[body.rfind("\n{") + 1 :])
    except ValueError:
        return None


@attrs.frozen(repr=False)
class Recorded:
    """One line of cases.jsonl."""

    case: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.case['server'].split('.')[0]}-php{self.case['php']}-{self.case['name']}"

    @property
    def path(self) -> str:
        return self.case["request"]["path"]

    @property
    def body(self) -> str:
        """The request's body, with the values of the setup's answers in it."""

        def fill(place: re.Match[str]) -> str:
            index, *keys = place[1].split(".")
            value = json.loads(self.case["setup"][int(index)]["response"]["body"])
            for key in keys:
                value = value[key]
            return value

        return re.sub(r"\{\{([^}]*)\}\}", fill, self.case["request"]["body"] or "")

    @property
    def message(self) -> dict[str, Any]:
        """The request's message; {} where it had none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            pairs = parse_qsl(self.body)
            return {key[8:-1]: text for key, text in pairs if key.startswith("message[")}
        found = found.get("message") if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def operation(self) -> str:
        message = self.message
        if self.path == REMOVE:
            return "remove"
        if message.get("_once_ephemeral_message") or message.get("ephemeral_id"):
            return "ephemeral"
        return "create" if message.get("id") is None else "edit"

    @property
    def object(self) -> dict[str, Any]:
        """The answer's object; {} where it has none."""
        found = last_line(self.case["response"]["body"] or "")
        found = found.get("object") if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def front_id(self) -> str:
        """The front_id as our SDK would have sent it: it always sends one, and a good one."""
        given = self.message.get("front_id")
        if given is None:
            given = self.object.get("front_id", MINTED)
        good = isinstance(given, str) and given not in ("", "0")
        return given if good else MINTED

    @property
    def request(self) -> Save | Remove:
        """The request as our SDK would have made it."""
        operation = self.operation
        target = self.message.get("ephemeral_id" if operation == "ephemeral" else "id")
        if operation == "remove":
            return Remove(self.body.encode(), target)
        return Save(self.body.encode(), operation, self.front_id, target)

    @property
    def answer(self) -> Answer | None:
        """The answer, or None where the connection was lost."""
        response = self.case["response"]
        if response["status"] is None:
            return None
        headers = [(k.encode(), v.encode("latin-1")) for k, v in response["headers"].items()]
        return Answer(response["status"], headers, (response["body"] or "").encode())

    @property
    def changed(self) -> bool | None:
        """Whether anything in the server's store changed; None where only PHP was real."""
        rows = self.case.get("rows")
        if rows is None:
            return None
        return bool(rows["changed"] or rows["removed"] or rows["before"] != rows["after"])

    @property
    def handed_on(self) -> bool | None:
        """For 2023: whether PHP handed something to the Node service to be stored."""
        calls = self.case.get("node_calls")
        return None if calls is None else any(call["method"] == "POST" for call in calls)


def load_cases() -> list[Recorded]:
    """Return every recorded case."""
    with CASES.open(encoding="utf-8") as lines:
        return [Recorded(json.loads(line)) for line in lines]


ALL = load_cases()
SAVES = [one for one in ALL if one.path.lower().strip("/") == SAVE.strip("/").lower()]
REMOVES = [one for one in ALL if one.path == REMOVE]
