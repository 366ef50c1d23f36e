"""Each recorded exchange beside the messages of v1, compared with the claim of a call about it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import respx
from rest_cases import CASES, recorded

from twake_async import (
    InvalidDraftError,
    MessageDraft,
    MessageRef,
    NotFoundError,
    Outcome,
    RetryPolicy,
    TwakeError,
    TwakeSession,
)
from twake_async.events import ButtonClick

URL = "https://twake.example.org"
GROUP = "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
APPLICATION = "45566769-0f29-11eb-9a29-0242ac1b0006"

Fields = dict[str, Any]
Call = Callable[[TwakeSession, Fields], Awaitable[object]]


def route_of(name: str) -> str:
    return str(CASES[name]["request"]["path"]).removeprefix("/api/v1/")


def changed(name: str) -> bool:
    """Return whether the real server changed a table, or told a browser of something."""
    case = CASES[name]
    return bool(case.get("tables") or case.get("pushed"))


def fields_of(name: str) -> Fields | None:
    """Return the fields of a recorded request in JSON, with the ids of the answers before it."""
    case = CASES[name]
    before = [json.loads(step["response"]["body"] or "null") for step in case["setup"]]

    def fill(place: re.Match[str]) -> str:
        index, *keys = place[1].split(".")
        value: Any = before[int(index)]
        for key in keys:
            value = value[int(key) if isinstance(value, list) else key]
        return str(value)

    try:
        found = json.loads(re.sub(r"\{\{([^}]*)\}\}", fill, case["request"]["body"] or ""))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def outcome_of(name: str, call: Callable[[TwakeSession], Awaitable[object]]) -> Outcome | str:
    """Return the outcome of a call that gets a recorded answer; "not found" for that refusal."""
    with respx.mock(base_url=URL) as router:
        router.route().mock(recorded(name))
        async with TwakeSession(
            APPLICATION,
            "a-key",
            group_id=GROUP,
            base_url=URL,
            transport=httpx.AsyncHTTPTransport(),
            retry=RetryPolicy.never(),
        ) as twake:
            try:
                await call(twake)
            except NotFoundError:
                return "not found"
            except TwakeError as exc:
                assert router.calls, "it never left"
                return exc.outcome
    return Outcome.DELIVERED


def said(name: str) -> Outcome:
    """Return what an answer says by itself."""
    answer = CASES[name]["response"]
    if answer["status"] != 200:
        return Outcome.UNKNOWN
    try:
        document = json.loads(answer["body"])
    except ValueError:
        # PHP writes a trace before its JSON; other bodies are files.
        text = answer["body"].rpartition("\n")[2]
        document = json.loads(text) if text.startswith("{") else None
    if not isinstance(document, dict):
        return Outcome.UNKNOWN
    if "error" not in document:
        return Outcome.DELIVERED
    sick = document["error"] == "unknown error or malformed query."
    return Outcome.UNKNOWN if sick else Outcome.REFUSED


@pytest.mark.parametrize("name", CASES)
async def test_the_answer_to_any_route_is_judged_by_its_words(name):
    """`call` says REFUSED only if nothing was changed, and returns no answer that is an error."""
    found = await outcome_of(name, lambda twake: twake.call(route_of(name), {}))
    assert found is said(name)
    if found is Outcome.REFUSED:
        assert not changed(name)


# Calls that know what they ask for


def the_object(given: Fields) -> Fields:
    found: Fields = given["object"]
    return found


def save_element(twake: TwakeSession, given: Fields) -> Awaitable[object]:
    fields = the_object(given)
    files, place = twake.files, {"workspace_id": fields["workspace_id"]}
    parent = {"parent_id": fields["parent_id"]} if fields.get("parent_id") else {}
    if "id" in fields:
        if "name" in fields:
            return files.rename(fields["id"], fields["name"], **place)
        if "trash" in fields:
            return files.trash(fields["id"], fields["trash"], **place)
        return files.move(fields["id"], fields["parent_id"], **place)
    if "file_url" in given:
        url = given["file_url"]
        return files.upload(file_url=url, name=fields["name"], **place, **parent)
    if "url" in fields:
        return files.save_link(fields["name"], fields["url"], **place, **parent)
    return files.make_folder(fields["name"], **place, **parent)


def opener(given: Fields) -> ButtonClick:
    ids = {name: given[name] for name in ("user_id", "connection_id")}
    return ButtonClick(**ids, message=None)


def ref(given: Fields) -> MessageRef:
    fields = given["message"]
    parent = fields.get("parent_message_id") or ""
    return MessageRef(fields["channel_id"], fields["id"], parent)


#: The calls, made as the recorded requests were.
TYPED: dict[str, Call] = {
    "users/get": lambda twake, given: twake.users.get(given["user_id"]),
    "channels/get_direct_channel": lambda twake, given: twake.channels.direct(given["user_id"]),
    "channels/get_by_workspace": lambda twake, given: twake.channels.of_workspace(
        given["workspace_id"], given["user_id"]
    ),
    "general/configure": lambda twake, given: twake.dialogs.open(opener(given), "form"),
    "general/configure_close": lambda twake, given: twake.dialogs.close(opener(given)),
    "core/token": lambda twake, given: twake.dialogs.user_of_token(given["token"]),
    "drive/list": lambda twake, given: twake.files.list(
        given["workspace_id"], given["directory_id"]
    ),
    "drive/find": lambda twake, given: twake.files.find(
        given["element_id"], workspace_id=given["workspace_id"]
    ),
    "drive/remove": lambda twake, given: twake.files.remove(the_object(given)["id"]),
    "drive/download": lambda twake, given: twake.files.download(
        given["file_id"], io.BytesIO(), workspace_id=given["workspace_id"]
    ),
    "drive/save": save_element,
    "messages/remove": lambda twake, given: twake.remove_message(ref(given)),
    "messages/save": lambda twake, given: twake.send(
        MessageDraft(
            given["message"]["channel_id"],
            given["message"]["content"],
            id=given["message"].get("id"),
        )
    ),
}
#: Routes that can be reached by `call` alone.
BY_CALL = {name for name in CASES if route_of(name).startswith(("calendar/", "tasks/"))} | {
    name for name in CASES if route_of(name) == "users/notifications"
}
#: The arguments of a call where the recorded request has another form or lacks the field.
SOME = {
    "group_id": GROUP,
    **dict.fromkeys(("user_id", "workspace_id", "connection_id", "token"), "an-id"),
    **dict.fromkeys(("directory_id", "element_id", "file_id"), "an-id"),
    "object": {"id": "an-id", "workspace_id": "an-id", "name": "a name"},
    "message": {"channel_id": "an-id", "id": "an-id", "content": "a text"},
}


async def make(twake: TwakeSession, name: str) -> object:
    """Make the call of a case as it was recorded, as far as a call can ask so."""
    call, given = TYPED[route_of(name)], fields_of(name)
    try:
        return await call(twake, given or SOME)
    except (KeyError, InvalidDraftError):
        return await call(twake, SOME)


def test_each_case_is_asked_for():
    """Each is made by a call of its own or by `call`."""
    assert {name for name in CASES if route_of(name) in TYPED} | BY_CALL == set(CASES)
    assert len(CASES) == 208


#: The result of a call for a good answer that says less than it seems to.
NOT_AS_SAID: dict[str, tuple[Outcome | str, str]] = {
    **dict.fromkeys(
        (
            *("r05-channels-get_direct_channel-nothing-granted", "r08-users-get-bare"),
            *("r06-channels-get_direct_channel-other-company-app", "r24-users-get-empty"),
            *("r05-users-get-nothing-granted", "r85-drive-find-unknown"),
            "r86-drive-find-malformed",
        ),
        ("not found", "the object is null"),
    ),
    **dict.fromkeys(
        ("r57-readback", "r59-readback-reply", "r166-messages-save-direct-foreign"),
        (Outcome.UNKNOWN, "a message with another `front_id` than the one of this send"),
    ),
    **dict.fromkeys(
        ("r98-drive-save-no-front-id", "r99-drive-multipart-brackets"),
        (Outcome.UNKNOWN, "about another element: no call changes one without a name"),
    ),
    "r05-messages-remove-nothing-granted": (Outcome.UNKNOWN, "it names no message"),
    **dict.fromkeys(
        ("r87-drive-download", "r89-drive-download-folder", "r99c-drive-multipart-download"),
        (Outcome.DELIVERED, "a file"),
    ),
    "r148-drive-download-two": (Outcome.DELIVERED, "a zip"),
}


@pytest.mark.filterwarnings("ignore::twake_async.EmptyFileWarning")
@pytest.mark.parametrize("name", sorted(set(CASES) - BY_CALL))
async def test_what_a_call_claims_is_true(name):
    """REFUSED changed nothing; DELIVERED is no error, and concerns the request."""
    found = await outcome_of(name, lambda twake: make(twake, name))
    expected, _ = NOT_AS_SAID.get(name, (said(name), ""))
    assert found == expected
    if found in (Outcome.REFUSED, "not found"):
        assert not changed(name)
