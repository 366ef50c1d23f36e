"""The drive of v1 without the content of files: what the recorded answers prove."""

from __future__ import annotations

import json

import httpx
import pytest
import respx
from rest_cases import CASES, object_of, recorded, sent_when_recorded

from twake_async import (
    AuthenticationError,
    ConfigurationError,
    InvalidDraftError,
    InvalidGroupError,
    MissingCapabilityError,
    NotFoundError,
    OutcomeUnknownError,
    RetryPolicy,
    TwakeSession,
)
from twake_async.resources import FileElement

URL = "https://twake.example.org"
GROUP = "2738494b-0f0b-11eb-9a0b-0242ac1b0006"
WORKSPACE = "31425355-0f15-11eb-9a15-0242ac1b0006"
UNKNOWN = "deadbeef-0f99-11eb-9a99-0242ac1b0006"


@pytest.fixture
def server():
    with respx.mock(base_url=URL + "/api/v1", assert_all_called=False) as router:
        yield router


@pytest.fixture
async def twake():
    async with TwakeSession(
        "an-id", "a-key", group_id=GROUP, base_url=URL, transport=httpx.AsyncHTTPTransport()
    ) as session:
        yield session


def sent_by(route: respx.Route) -> object:
    return json.loads(route.calls.last.request.content)


# Reads


async def test_the_root_folder_is_listed(server, twake):
    """The recorded answer is empty: the workspace had no drive yet."""
    route = server.post("/drive/list").mock(recorded("r60-drive-list-root"))
    assert await twake.files.list(WORKSPACE) == ()
    assert sent_by(route) == sent_when_recorded("r60-drive-list-root")


async def test_a_folder_is_listed(server, twake):
    """Its files have a size, which the server gives as a string, and a path."""
    route = server.post("/drive/list").mock(recorded("r81-drive-list-folder"))
    folder = FileElement("f-1", workspace_id=WORKSPACE, is_directory=True)
    (found,) = await twake.files.list(directory_id=folder)
    assert sent_by(route) == sent_when_recorded("r81-drive-list-folder", _0="f-1")
    assert (found.name, found.size, found.is_directory) == ("a.txt", 400, False)
    assert found.workspace_id == WORKSPACE
    assert found.path == ("Folder",)
    assert found.raw["extension"] == "txt"


async def test_an_element_is_found(server, twake):
    """The element has its versions."""
    route = server.post("/drive/find").mock(recorded("r84-drive-find-file"))
    element_id = object_of("r84-drive-find-file")["id"]
    found = await twake.files.find(element_id, workspace_id=WORKSPACE)
    assert sent_by(route) == sent_when_recorded("r84-drive-find-file", _0=element_id)
    assert (found.id, found.size, found.in_trash) == (element_id, 400, False)
    assert [(one.name, one.size) for one in found.versions] == [("note.txt", 400)]


async def test_the_root_is_found_by_its_name(server, twake):
    """The id of the folder is another one."""
    server.post("/drive/find").mock(recorded("r61-drive-find-root"))
    root = await twake.files.find("root", workspace_id=WORKSPACE)
    assert root.id == object_of("r61-drive-find-root")["id"]
    assert (root.is_directory, root.parent_id, root.path) == (True, "", ())


@pytest.mark.parametrize("name", ["r85-drive-find-unknown", "r86-drive-find-malformed"])
async def test_what_is_not_there(server, twake, name):
    """The server answers null."""
    server.post("/drive/find").mock(recorded(name))
    with pytest.raises(NotFoundError, match="knows no element"):
        await twake.files.find(UNKNOWN, workspace_id=WORKSPACE)


async def test_an_unknown_folder_looks_empty(server, twake):
    """The server gives the same answer for both (recorded)."""
    server.post("/drive/list").mock(recorded("r158-drive-list-unknown"))
    assert await twake.files.list(WORKSPACE, UNKNOWN) == ()


# A walk


def row(name: str, *, folder: bool = False) -> dict[str, object]:
    return {"id": name, "name": name, "workspace_id": WORKSPACE, "is_directory": folder}


def tree(server, folders: dict[str, list[dict[str, object]]]) -> list[str]:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        directory = json.loads(request.content)["directory_id"]
        asked.append(directory)
        return httpx.Response(200, json={"data": folders.get(directory, []), "_cookies": []})

    server.post("/drive/list").mock(side_effect=answer)
    return asked


async def test_a_walk_goes_through_all_folders(server, twake):
    """It goes in order; a folder is read when its turn comes."""
    asked = tree(
        server,
        {
            "root": [row("a", folder=True), row("z.txt")],
            "a": [row("b", folder=True), row("a1.txt")],
            "b": [row("b1.txt")],
        },
    )
    found = [one.name async for one in twake.files.walk(WORKSPACE)]
    assert found == ["a", "b", "b1.txt", "a1.txt", "z.txt"]
    assert asked == ["root", "a", "b"]


async def test_a_walk_ends_in_folders_that_hold_each_other(server, twake):
    """Each element comes once."""
    tree(
        server,
        {
            "a": [row("b", folder=True)],
            "b": [row("a", folder=True), row("b", folder=True), row("c")],
        },
    )
    assert [one.name async for one in twake.files.walk(WORKSPACE, "a")] == ["b", "c"]


async def test_a_walk_has_a_depth(server, twake):
    """Deeper folders are shown, but not entered."""
    asked = tree(
        server, {"root": [row("a", folder=True)], "a": [row("b", folder=True)], "b": [row("c")]}
    )
    found = [one.name async for one in twake.files.walk(WORKSPACE, max_depth=2)]
    assert found == ["a", "b"]
    assert asked == ["root", "a"]


# Edits


async def test_a_folder_is_made(server, twake):
    """The request and the answer are as recorded."""
    route = server.post("/drive/save").mock(recorded("r63-drive-folder"))
    folder = await twake.files.make_folder("Folder", workspace_id=WORKSPACE)
    expected = sent_when_recorded("r63-drive-folder")
    del expected["object"]["front_id"]
    assert sent_by(route) == expected
    assert (folder.name, folder.is_directory) == ("Folder", True)
    await twake.files.make_folder("Folder", parent_id=folder)
    assert sent_by(route)["object"]["parent_id"] == folder.id
    assert sent_by(route)["object"]["workspace_id"] == WORKSPACE


async def test_a_link_is_saved(server, twake):
    """The server keeps the address of the link."""
    answer = row("Site") | {"url": "https://example.org", "extension": "url"}
    route = server.post("/drive/save").respond(json={"object": answer, "_cookies": []})
    link = await twake.files.save_link("Site", "https://example.org", workspace_id=WORKSPACE)
    assert link.url == "https://example.org"
    assert sent_by(route)["object"]["url"] == "https://example.org"


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("r74-drive-rename", lambda files, element: files.rename(element, "other.txt")),
        ("r76-drive-trash", lambda files, element: files.trash(element)),
        ("r77-drive-untrash", lambda files, element: files.trash(element, trash=False)),
        ("r75-drive-move", lambda files, element: files.move(element, "folder-1")),
    ],
)
async def test_an_edit(server, twake, name, edit):
    """Each edit sends what was recorded, and returns the element as it is now."""
    route = server.post("/drive/save").mock(recorded(name))
    answer = object_of(name)
    element = FileElement(answer["id"], "note.txt", workspace_id=WORKSPACE)
    ids = {"_0": "folder-1", "_1": element.id} if name.endswith("move") else {"_0": element.id}
    found = await edit(twake.files, element)
    assert sent_by(route) == sent_when_recorded(name, **ids)
    assert (found.id, found.name, found.in_trash) == (
        element.id,
        answer["name"],
        name == "r76-drive-trash",
    )


async def test_an_element_is_removed(server, twake):
    """The server answers with the element as it was."""
    route = server.post("/drive/remove").mock(recorded("r144-drive-remove-across"))
    element_id = object_of("r144-drive-remove-across")["id"]
    found = await twake.files.remove(element_id)
    assert sent_by(route) == sent_when_recorded("r144-drive-remove-across", _0=element_id)
    assert found.name == "Hi"


def test_a_message_shows_a_file():
    """The message has one line for the file."""
    from twake_async.twacode import File

    twake = TwakeSession("an-id", "a-key", group_id=GROUP)
    assert twake.files.show(FileElement("f-1")) == twake.files.show("f-1") == File("f-1")


# Bad answers

ELEMENT = FileElement("f-1", "note.txt", workspace_id=WORKSPACE)
READS = {
    "drive/list": lambda twake: twake.files.list(WORKSPACE),
    "drive/find": lambda twake: twake.files.find(ELEMENT),
}
WRITES = {
    "make_folder": lambda twake: twake.files.make_folder("F", workspace_id=WORKSPACE),
    "save_link": lambda twake: twake.files.save_link("L", "https://a.b", workspace_id=WORKSPACE),
    "rename": lambda twake: twake.files.rename(ELEMENT, "n"),
    "move": lambda twake: twake.files.move(ELEMENT, "f"),
    "trash": lambda twake: twake.files.trash(ELEMENT),
}
ROUTES = READS | {
    "drive/save": WRITES["make_folder"],
    "drive/remove": lambda twake: twake.files.remove(ELEMENT),
}
ERRORS = {
    "unknown_application_or_bad_private_key": AuthenticationError,
    "you_need_to_provide_a_valid_group_id_field_in_any_api_request": InvalidGroupError,
    "you_do_not_have_this_set_of_required_capabilities": MissingCapabilityError,
    "you_do_not_have_this_set_of_required_privileges": MissingCapabilityError,
    "unknown error or malformed query.": OutcomeUnknownError,
}


def errors_recorded() -> list[tuple[str, str, type[Exception]]]:
    found = []
    for name, case in CASES.items():
        route = case["request"]["path"].removeprefix("/api/v1/")
        body = case["response"]["body"]
        if route in ROUTES and case["response"]["status"] == 200 and '"error"' in body[:10]:
            found.append((name, route, ERRORS[json.loads(body)["error"]]))
    return found


def test_enough_errors_were_recorded():
    """Otherwise the next test would prove little."""
    assert len(errors_recorded()) > 15
    assert {route for _, route, _ in errors_recorded()} == set(ROUTES)


@pytest.mark.parametrize(("name", "route", "kind"), errors_recorded())
async def test_a_recorded_error_is_one(server, twake, name, route, kind):
    """Refusals come before any write; the "unknown error" may come after it."""
    server.post(f"/{route}").mock(recorded(name))
    with pytest.raises(kind):
        await ROUTES[route](twake)


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
async def test_a_lost_answer_is_not_asked_for_again(server, twake, call):
    """The server adds a number to a name that is taken, so a repeat would make a second element."""
    route = server.post("/drive/save").respond(502)
    with pytest.raises(OutcomeUnknownError):
        await call(twake)
    assert route.call_count == 1


@pytest.mark.parametrize("route", [*READS, "drive/remove"])
async def test_what_may_be_asked_twice_is_asked_again(server, twake, route):
    """A gateway's answer does not count as an answer."""
    calls = server.post(f"/{route}").respond(502)
    with pytest.raises(OutcomeUnknownError):
        await ROUTES[route](twake)
    assert calls.call_count > 1


@pytest.mark.parametrize("call", [*ROUTES.values(), *WRITES.values()])
@pytest.mark.parametrize(
    "document",
    [{}, {"object": 1, "data": {}}, {"object": {"id": 5}}, {"object": {}, "data": None}],
)
async def test_an_answer_about_nothing_proves_nothing(server, twake, call, document):
    """It holds whatever the answer contains."""
    server.post(path__startswith="/drive/").respond(json=document)
    twake._sender.retry = RetryPolicy.never()
    with pytest.raises(OutcomeUnknownError) as caught:
        await call(twake)
    assert caught.value.reason == "mismatch"


async def test_an_answer_about_another_element_proves_nothing(server, twake):
    """Its connection is not used again."""
    server.post("/drive/save").respond(json={"object": row("another")})
    with pytest.raises(OutcomeUnknownError, match="another element"):
        await twake.files.trash(ELEMENT)


async def test_rows_that_are_no_elements_are_left_out(server, twake):
    """Entries that are no versions or no parts of a path are left out, too."""
    rows = ["x", {"name": "no id"}, row("a") | {"versions": [1, {}], "path": [1, {"name": ""}]}]
    server.post("/drive/list").respond(json={"data": rows})
    (found,) = await twake.files.list(WORKSPACE)
    assert (found.id, found.versions, found.path) == ("a", (), ())


@pytest.mark.parametrize(
    ("call", "kind", "field"),
    [
        (lambda files: files.list(), ConfigurationError, "workspace_id"),
        (lambda files: files.list(5), InvalidDraftError, "workspace_id"),
        (lambda files: files.list(WORKSPACE, ""), InvalidDraftError, "directory_id"),
        (lambda files: files.find("f-1"), ConfigurationError, "workspace_id"),
        (lambda files: files.find(5, workspace_id="w"), InvalidDraftError, "element_id"),
        (lambda files: files.make_folder("F"), ConfigurationError, "workspace_id"),
        (lambda files: files.make_folder(" ", workspace_id="w"), InvalidDraftError, "name"),
        (lambda files: files.make_folder("a\nb", workspace_id="w"), InvalidDraftError, "name"),
        (
            lambda files: files.make_folder("a", parent_id=5, workspace_id="w"),
            InvalidDraftError,
            "parent_id",
        ),
        (lambda files: files.save_link("a", "file:///x"), InvalidDraftError, "url"),
        (lambda files: files.save_link("a", 5), InvalidDraftError, "url"),
        (lambda files: files.rename(ELEMENT, ""), InvalidDraftError, "name"),
        (lambda files: files.trash(ELEMENT, "no"), InvalidDraftError, "trash"),
        (lambda files: files.remove(""), InvalidDraftError, "element"),
        (lambda files: anext(files.walk(WORKSPACE, max_depth=0)), ConfigurationError, "max_depth"),
    ],
)
async def test_what_cannot_work_is_said_before_a_byte_leaves(server, twake, call, kind, field):
    """The error names the field."""
    with pytest.raises(kind) as caught:
        await call(twake.files)
    assert caught.value.field == field
    assert not server.calls


# Over Node

NODE_FILES = "/internal/services/files/v1/companies/c-1/files"


@pytest.fixture
async def node():
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        token = {"value": "t", "time": 0, "expiration": 9e9, "refresh_expiration": 9e9}
        token |= {"refresh": "r", "type": "Bearer"}
        router.post("/api/console/v1/login").respond(json={"resource": {"access_token": token}})
        async with TwakeSession(
            *("an-id", "a-key"),
            group_id="c-1",
            base_url=URL,
            api="node",
            transport=httpx.AsyncHTTPTransport(),
        ) as session:
            yield session, router


NODE_FILE = {
    "company_id": "c-1",
    "id": "f-1",
    "metadata": {"name": "a.txt", "mime": "text/plain"},
    "upload_data": {"size": 14, "chunks": 1},
}


async def test_a_file_is_found_over_node(node):
    """The id is enough: the file belongs to the company."""
    twake, router = node
    router.get(f"{NODE_FILES}/f-1").respond(json={"resource": NODE_FILE})
    found = await twake.files.find("f-1")
    assert (found.id, found.name, found.size, found.group_id) == ("f-1", "a.txt", 14, "c-1")


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"resource": None}, NotFoundError),
        ({}, OutcomeUnknownError),
        ({"resource": {"id": "another"}}, OutcomeUnknownError),
        ({"resource": "x"}, OutcomeUnknownError),
    ],
)
async def test_no_file_over_node(node, document, kind):
    """The server answers null for an unknown id."""
    twake, router = node
    router.get(f"{NODE_FILES}/f-1").respond(json=document)
    with pytest.raises(kind):
        await twake.files.find("f-1", retry=RetryPolicy.never())


OF_V1 = {
    "list": lambda twake: twake.files.list(),
    "walk": lambda twake: anext(twake.files.walk()),
    "make_folder": lambda twake: twake.files.make_folder("F"),
    "save_link": lambda twake: twake.files.save_link("L", "https://a.b"),
    "rename": lambda twake: twake.files.rename("f-1", "n"),
    "move": lambda twake: twake.files.move("f-1", "f-2"),
    "trash": lambda twake: twake.files.trash("f-1"),
    "remove": lambda twake: twake.files.remove("f-1"),
    "upload with file_url": lambda twake: twake.files.upload(file_url="https://a.b", name="n"),
}


@pytest.mark.parametrize("name", OF_V1)
async def test_the_drive_is_v1s(node, name):
    """The error names the call and the API that has it, whatever else is missing."""
    twake, _ = node
    with pytest.raises(ConfigurationError, match='needs api="v1"') as caught:
        await OF_V1[name](twake)
    assert caught.value.field == "api"
    assert str(caught.value).startswith(f"files.{name} ")
