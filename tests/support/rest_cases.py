"""The recorded exchanges with the routes of v1 beside the messages."""

from __future__ import annotations

import json
from typing import Any

import httpx
from places import WIRE

CASES: dict[str, Any] = {
    case["name"]: case
    for case in map(
        json.loads, (WIRE / "rest" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    )
}


def recorded(name: str) -> httpx.Response:
    """Return a recorded answer."""
    answer = CASES[name]["response"]
    headers = {key: value for key, value in answer["headers"].items() if key != "all-cookies"}
    return httpx.Response(answer["status"], headers=headers, content=answer["body"].encode())


def object_of(name: str) -> dict[str, Any]:
    """Return the element of a recorded answer."""
    found: dict[str, Any] = json.loads(CASES[name]["response"]["body"])["object"]
    return found


def sent_when_recorded(name: str, **ids: str) -> Any:
    """Return the document of a recorded request, with ids in the place of its variables."""
    body: str = CASES[name]["request"]["body"]
    for variable, value in ids.items():
        body = body.replace("{{" + variable.removeprefix("_") + ".object.id}}", value)
    return json.loads(body)
