"""The drive of the sandbox: the recorded cases replayed, its bounds and its faults."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from itertools import count
from pathlib import Path

import httpx
import pytest
from places import WIRE
from rest_cases import CASES

from twake_async import (
    EmptyFileWarning,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    RetryPolicy,
    TwakeSession,
)
from twake_async.events import ButtonClick
from twake_async.sandbox import Sandbox
from twake_async.sandbox._http import Request
from twake_async.sandbox._releases.server import answer
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.sandbox._world.contents import Contents
from twake_async.sandbox._world.drive import Drive, Element
from twake_async.sandbox._world.seeded import seeded_world

SEED = json.loads((WIRE / "rest" / "world.json").read_text(encoding="utf-8"))
PDF = b"%PDF-1.4 hello file\n" * 20
DRIVE = [name for name, case in CASES.items() if "/drive/" in case["request"]["path"]]


#: What the server fetched during the recording: both files had 400 bytes.
PUBLISHED = dict.fromkeys(
    url
    for url in re.findall(
        r"http://[^\\\s\"]+", "".join(json.dumps(case) for case in CASES.values())
    )
    if url.endswith((".txt", ".pdf")) and ":8797" in url
)


def ask(world, request, answers):
    """Make a recorded request, with the ids of the answers before it."""

    def fill(place: re.Match[str]) -> str:
        index, *keys = place[1].split(".")
        value = answers[int(index)]
        for key in keys:
            value = value[key]
        return value

    body = re.sub(r"\{\{([^}]*)\}\}", fill, request.get("body") or "")
    asked = Request(request["method"], request["path"], request["headers"], body.encode())
    return answer(world, asked, release="2020")


_VARIES = [
    (re.compile(r"\d{10}-[0-9a-f]{32}"), "TOKEN"),
    (re.compile(r"\d{10}[0-9a-f]{40}"), "FRONT"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
]


def normalised(text: str) -> object:
    """Return an answer whose ids are numbered in order, and whose times are one."""
    text = re.sub(r'("identifier":)"[^"]*"', r'\1 ""', text)
    for pattern, word in _VARIES:
        seen: dict[str, str] = {}
        numbers = count()
        text = pattern.sub(
            lambda one, word=word, seen=seen, numbers=numbers: seen.setdefault(
                one[0], f"{word}-{next(numbers)}"
            ),
            text,
        )
    text = re.sub(r'("(?:added|modified)":)\d+', r"\1 0", text)
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("name", DRIVE)
def test_a_recorded_case(name):
    """The sandbox gives the answer of the real server, with its own ids and times."""
    case, world = CASES[name], seeded_world(SEED)
    world.drive.published = dict.fromkeys(PUBLISHED, PDF)
    answers = []
    for step in case["setup"]:
        answers.append(json.loads(ask(world, step["request"], answers).body))
    got, expected = ask(world, case["request"], answers), case["response"]
    assert got.status == expected["status"]
    for header in ("content-type", "content-disposition"):
        assert got.headers.get(header) == expected["headers"].get(header)
    if got.headers["content-type"] == "application/x-zip":
        names = [one.filename for one in zipfile.ZipFile(io.BytesIO(got.body)).filelist]
        assert set(names) == set(re.findall(r"note(?:-1)?\.txt", expected["body"]))
    elif expected["body"].startswith("string("):
        assert got.body.startswith(b"string(")
    else:
        assert normalised(got.body.decode()) == normalised(expected["body"])


# A session uses it


def session(sandbox: Sandbox, **given) -> TwakeSession:
    given = {"retry": RetryPolicy(initial_wait=0.01)} | given
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        **given,
    )


ALICE = DEFAULT_SEED["users"]["alice"]["id"]
WORKSPACE = "7a1c0e20-5b1d-11eb-9c02-0242ac130002"
CONTENT = bytes(range(256)) * 1000


@pytest.mark.parametrize("release", ["2020", "2021", "2022"])
async def test_a_file_goes_up_and_comes_down(tmp_path, release):
    """It comes back byte for byte; all other calls are made in between."""
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        files = twake.files
        folder = await files.make_folder("Reports", workspace_id=WORKSPACE)
        first = await files.upload(CONTENT, name="a.bin", parent_id=folder)
        again = await files.upload(b"again", name="a.bin", parent_id=folder)
        assert (first.name, first.size, again.name) == ("a.bin", len(CONTENT), "a-1.bin")
        path = await files.download(first, tmp_path / "a.bin")
        assert path.read_bytes() == CONTENT
        changed = await files.new_version(first, b"second")
        assert [one.size for one in changed.versions] == [len(CONTENT), 6]
        target = io.BytesIO()
        await files.download(first, target)
        assert target.getvalue() == b"second"
        link = await files.save_link("Site", "https://example.org", parent_id=folder)
        assert (link.url, link.raw["extension"]) == ("https://example.org", "url")
        renamed = await files.rename(again, "b.bin")
        assert (await files.move(renamed, "root")).parent_id == folder.parent_id
        walked = [one.name async for one in files.walk(WORKSPACE)]
        assert walked == ["Reports", "a.bin", "Site", "b.bin"]
        assert (await files.trash(renamed)).in_trash
        assert not (await files.trash(renamed, trash=False)).in_trash
        await files.download(folder, tmp_path / "all.zip")
        assert zipfile.ZipFile(tmp_path / "all.zip").namelist() == ["Reports/Site", "Reports/a.bin"]
        assert (await files.remove(folder)).name == "Reports"
        with pytest.raises(NotFoundError):
            await files.find(first)


async def test_what_a_server_of_2020_refuses():
    """The errors have the recorded words, if there are any."""
    async with Sandbox() as sandbox, session(sandbox, retry=RetryPolicy.never()) as twake:
        file = await twake.files.upload(b"x", name="a", workspace_id=WORKSPACE)
        with pytest.raises(NotFoundError, match="another workspace"):
            await twake.files.download(file, io.BytesIO(), workspace_id="another")
        for call in (
            twake.files.remove("unknown"),
            twake.files.remove(await twake.files.find("root", workspace_id=WORKSPACE)),
            twake.files.remove(await twake.files.find("trash", workspace_id=WORKSPACE)),
            twake.files.move(file, "unknown"),
            twake.files.download("unknown", io.BytesIO(), workspace_id=WORKSPACE),
            twake.call("drive/download", {"workspace_id": WORKSPACE}),
            twake.call("drive/save", {"object": {"workspace_id": WORKSPACE, "sender": "x"}}),
            twake.call("drive/remove", {"object": {}}),
        ):
            with pytest.raises(OutcomeUnknownError):
                await call


async def test_the_sender_of_a_file():
    """A person of the company becomes its creator."""
    async with Sandbox() as sandbox, session(sandbox) as twake:
        fields = {"workspace_id": WORKSPACE, "name": "a", "sender": ALICE}
        found = await twake.call("drive/save", {"object": fields})
    assert found["object"]["creator"] == ALICE


@pytest.mark.parametrize("release", ["2020", "2021", "2022"])
async def test_an_address_is_fetched_where_a_test_published_it(release):
    """The sandbox fetches nothing: any other address gives an empty file, like a failed fetch."""
    url = "https://example.org/a.txt"
    async with Sandbox(release=release) as sandbox, session(sandbox) as twake:
        place = {"workspace_id": WORKSPACE, "file_url": url, "name": "a.txt"}
        with pytest.warns(EmptyFileWarning, match="fetched nothing"):
            empty = await twake.files.upload(**place)
        assert empty.size == 0
        sandbox.publish(url, b"published")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            full = await twake.files.upload(**place)
        assert (full.name, full.size) == ("a-1.txt", 9)
        content = io.BytesIO()
        await twake.files.download(full, content)
        assert content.getvalue() == b"published"
        sandbox.reset()
        with pytest.warns(EmptyFileWarning):
            await twake.files.upload(**place)


READS = {
    "users": lambda twake: twake.users.get(ALICE),
    "channels": lambda twake: twake.channels.of_workspace(WORKSPACE, ALICE),
    "direct": lambda twake: twake.channels.direct(ALICE),
    "list": lambda twake: twake.files.list(WORKSPACE),
    "find": lambda twake: twake.files.find("root", workspace_id=WORKSPACE),
    "token": lambda twake: twake.dialogs.user_of_token("tok"),
}


@pytest.mark.parametrize("name", READS)
async def test_reads_meet_faults(name):
    """A write does not meet the faults of a read."""
    async with Sandbox() as sandbox, session(sandbox, retry=RetryPolicy.never()) as twake:
        sandbox.fail_next(before_storing=502, on="read")
        await twake.send_message(sandbox.channel_id, "hello")
        with pytest.raises(OutcomeUnknownError) as caught:
            await READS[name](twake)
        assert caught.value.status == 502


@pytest.mark.parametrize("fault", ["close", "cut", "cut_chunked", "cut_reset", "bad_gzip", 502])
async def test_a_download_meets_faults_and_begins_anew(tmp_path, fault):
    """The file is whole, or not there, over both APIs."""
    for release in ("2020", "2023"):
        async with Sandbox(release=release) as sandbox:
            async with session(sandbox, api=sandbox.api) as twake:
                place = {} if sandbox.api == "node" else {"workspace_id": WORKSPACE}
                file = await twake.files.upload(CONTENT, name="a", **place)
                path = tmp_path / release
                sandbox.fail_next(after_storing=fault, on="read")
                with pytest.raises(OutcomeUnknownError):
                    await twake.files.download(file, path, retry=RetryPolicy.never())
                assert list(tmp_path.glob(f"*{release}*")) == []
                if fault != "bad_gzip":
                    sandbox.fail_next(after_storing=fault, on="read")
                await twake.files.download(file, path)
                assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_the_answer_to_another_request_delivers_nothing(release):
    """It does not deliver an empty file either, although such an answer has the size 0."""
    async with Sandbox(release=release) as sandbox, session(sandbox, api=sandbox.api) as twake:
        place = {} if sandbox.api == "node" else {"workspace_id": WORKSPACE}
        sandbox.fail_next(before_storing="other_message")
        with pytest.raises(OutcomeUnknownError) as caught:
            await twake.files.upload(b"", name="a", **place)
        assert caught.value.reason == "mismatch"


@pytest.mark.parametrize("release", ["2020", "2023"])
async def test_dialogs_and_uploads_meet_the_faults_of_writes(release):
    """They meet them like messages: a lost answer to an upload leaves a file."""
    async with Sandbox(release=release) as sandbox:
        async with session(sandbox, api=sandbox.api) as twake:
            place = {} if sandbox.api == "node" else {"workspace_id": WORKSPACE}
            sandbox.fail_next(after_storing="close")
            with pytest.raises(OutcomeUnknownError):
                await twake.files.upload(CONTENT, name="a", **place)
            sandbox.fail_next(before_storing=502)
            click = ButtonClick(user_id=ALICE, connection_id="c", message=None)
            with pytest.raises(OutcomeUnknownError):
                await twake.dialogs.open(click, "form", retry=RetryPolicy.never())


async def test_a_body_that_is_too_large_is_refused():
    """Nothing is stored; the bound can be raised."""
    async with Sandbox(max_body=1000) as sandbox, session(sandbox) as twake:
        with pytest.raises(RefusedError) as caught:
            await twake.files.upload(CONTENT, name="a", workspace_id=WORKSPACE)
        assert caught.value.status == 413
        assert await twake.files.list(WORKSPACE) == ()


@pytest.mark.parametrize("fault", [502, "close", "cut"])
async def test_a_fault_may_follow_the_store(fault):
    """The upload is unknown, and the file is there once: it is not sent again."""
    async with Sandbox() as sandbox, session(sandbox) as twake:
        sandbox.fail_next(after_storing=fault)
        with pytest.raises(OutcomeUnknownError):
            await twake.files.upload(b"x", name="a", workspace_id=WORKSPACE)
        assert [one.name for one in await twake.files.list(WORKSPACE)] == ["a"]


# Over Node


@pytest.mark.parametrize("release", ["2022", "2023"])
async def test_a_file_goes_up_and_comes_down_over_node(tmp_path, release):
    """It comes back byte for byte; then another content replaces it."""
    async with (
        Sandbox(release=release) as sandbox,
        session(sandbox, api="node", workspace_id=WORKSPACE) as twake,
    ):
        file = await twake.files.upload(CONTENT, name="a b.bin")
        assert (file.name, file.size, file.group_id) == ("a b.bin", len(CONTENT), sandbox.group_id)
        path = await twake.files.download(file, tmp_path, use_server_name=True)
        assert path == tmp_path / "a bbin"
        assert path.read_bytes() == CONTENT
        await twake.files.new_version(file, b"second")
        assert (await twake.files.find(file)).size == 6
        with pytest.raises(NotFoundError):
            await twake.files.find("unknown")
        with pytest.raises(NotFoundError):
            await twake.files.download("unknown", tmp_path / "x")
        with pytest.raises(NotFoundError):
            await twake.files.new_version("unknown", b"x", name="x")


async def test_the_proxy_of_node_makes_empty_files():
    """They are empty as recorded, so the SDK does not use the proxy."""
    async with (
        Sandbox(release="2023") as sandbox,
        session(sandbox, api="node", workspace_id=WORKSPACE) as twake,
    ):
        await twake.files.upload(b"x", name="a")
        form = {"file": ("a.txt", b"content")}
        headers = {"Authorization": twake._sender.api.api.token.header[1].decode()}
        path = f"/api/files/v1/companies/{sandbox.group_id}/files?filename=a.txt"
        async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
            found = (await client.post(path, files=form, headers=headers)).json()["resource"]
    assert (found["metadata"]["name"], found["upload_data"]["size"]) == ("a.txt", 0)


# Bounds


def test_the_contents_are_bounded_and_go_with_the_world(tmp_path):
    """Past the total the oldest are removed; at the end the folder is removed."""
    contents = Contents(max_bytes=10)
    assert contents.get("a") == b""
    contents.put("a", b"12345")
    contents.put("b", b"123456")
    assert (contents.get("a"), contents.get("b")) == (b"", b"123456")
    contents.put("c", b"1" * 20)
    assert (contents.get("b"), len(contents.get("c"))) == (b"", 20)
    contents.drop("unknown")
    folder = contents._folder
    assert isinstance(folder, Path)
    assert [one.name for one in folder.iterdir()] == ["c"]
    del contents
    assert not folder.exists()


def test_the_elements_are_bounded():
    """The oldest file is removed, never a folder nor the newest file."""
    drive = Drive(max_elements=2)

    def add(name: str, *, folder: bool) -> None:
        drive.add(Element(name, name, "w", "", folder, 0, 0))

    add("f", folder=True)
    add("a", folder=False)
    add("b", folder=False)
    assert list(drive.elements) == ["f", "b"]
    add("g", folder=True)
    add("h", folder=True)
    assert list(drive.elements) == ["f", "g", "h"]
    add("c", folder=False)
    assert list(drive.elements) == ["f", "g", "h", "c"]
