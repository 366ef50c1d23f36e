"""The fixtures for pytest: in projects of their users, and in this suite."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import pytest
from faults.catalogue import FAULTS, RETRY_AFTER
from places import ROOT

from twake_async import NotSentError, RetryPolicy, TwakeError, TwakeSession
from twake_async.sandbox._faults import names

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --strict-markers --strict-config
xfail_strict = true
filterwarnings = error
"""
SENDS = "await twake_session.send_message(twake_sandbox.channel_id, 'Hello')"


@pytest.fixture
def project(pytester, monkeypatch):
    """Return a user's project in which every warning is an error."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini(SETTINGS)
    pytester.makeconftest('pytest_plugins = ["twake_async.testing"]')
    return pytester


def files_of(page):
    """Return the files that a page of the documentation shows, each with its text."""
    files = {}
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for block in re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        name, source = re.fullmatch(r"# (\S+)\n(.*)", block, re.DOTALL).groups()
        files[name] = f"{files.get(name, '')}\n\n{source}"
    return files


# What the page shows


@pytest.mark.parametrize("processes", ["0", "2"])
def test_every_snippet_of_the_page_runs_also_in_two_processes(pytester, monkeypatch, processes):
    """The files of the page are a project, whose tests all pass, also in parallel."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    files = files_of("testing.md")
    assert {"conftest.py", "pyproject.toml", "orders.py", "test_orders.py"} < files.keys()
    for name, text in files.items():
        (pytester.path / name).write_text(text, encoding="utf-8")
    tests = sum(text.count("def test_") for text in files.values())
    result = pytester.runpytest_subprocess("-n", processes, "-W", "error")
    result.assert_outcomes(passed=tests)


def test_the_page_names_everything_that_can_be_asked_for():
    """The page names every action, form and refusal."""
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    words = {*names.ACTIONS, *names.FORMS, *names.REFUSALS}
    assert {word for word in words if f'"{word}"' not in text} == set()


# In a user's project


def test_each_test_has_a_sandbox_of_its_own_and_leaves_nothing(project, monkeypatch):
    """No message, fault, thread, socket or variable of one test is left for the next."""
    monkeypatch.setenv("TWAKE_BASE_URL", "https://real.invalid")
    project.makepyfile(f"""
        import gc, os, threading
        import pytest

        def names():
            return [one.name for one in threading.enumerate()]

        @pytest.mark.parametrize("turn", range(3))
        async def test_asynchronous(turn, twake_sandbox, twake_session):
            assert twake_sandbox.messages() == []
            assert os.environ["TWAKE_BASE_URL"] == twake_sandbox.url
            {SENDS}
            twake_sandbox.fail_next(after_storing="silent", times=3)
            twake_sandbox.slow(60)
            assert names().count("twake-async-sandbox") == 1

        def test_synchronous(twake_sandbox):
            assert twake_sandbox.messages() == []

        def test_nothing_is_left():
            gc.collect()
            assert "twake-async-sandbox" not in names()
            assert os.environ["TWAKE_BASE_URL"] == "https://real.invalid"
            assert "TWAKE_PRIVATE_API_KEY" not in os.environ
    """)
    project.runpytest_subprocess().assert_outcomes(passed=5)


def test_the_marker_and_the_settings_choose_release_and_seed(project):
    """The closest marker wins, then those around it, then the settings."""
    project.makeini(f"{SETTINGS}\ntwake_release = 2021\ntwake_seed = data/seed.json\n")
    project.mkdir("data")
    from twake_async.sandbox._seed import DEFAULT_SEED

    channel = {**DEFAULT_SEED["channels"]["random"], "id": "0" * 32}
    seed = {**DEFAULT_SEED, "channels": {"only": channel}, "channel_members": []}
    (project.path / "data" / "seed.json").write_text(json.dumps(seed))
    project.makepyfile("""
        import pytest
        from twake_async.sandbox._seed import DEFAULT_SEED

        def test_of_the_settings(twake_sandbox):
            assert (twake_sandbox.release, twake_sandbox.channel_id) == ("2021", "0" * 32)

        @pytest.mark.twake(release="2020", seed=None)
        class TestMarked:
            def test_of_the_class(self, twake_sandbox):
                assert (twake_sandbox.release, twake_sandbox.channel_id[:2]) == ("2020", "7a")

            @pytest.mark.twake(release="2021")
            def test_of_the_function_and_the_class(self, twake_sandbox):
                assert (twake_sandbox.release, twake_sandbox.channel_id[:2]) == ("2021", "7a")

        @pytest.mark.twake(seed="data/seed.json")
        def test_a_file_beside_this_one(twake_sandbox):
            assert twake_sandbox.channel_id == "0" * 32

        @pytest.mark.twake(seed=DEFAULT_SEED)
        def test_a_mapping(twake_sandbox):
            assert twake_sandbox.channel_id[:2] == "7a"
    """)
    project.runpytest_subprocess().assert_outcomes(passed=5)


@pytest.mark.parametrize(("scope", "ends"), [("module", "passed"), ("function", "failed")])
def test_strict_mode_and_a_shared_loop(project, scope, ends):
    """Marked tests run; tests that share a loop must share it with the fixture, as the page says."""
    project.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = {scope}")
    project.makepyfile(f"""
        import pytest

        @pytest.mark.asyncio(loop_scope="module")
        async def test_it(twake_sandbox, twake_session):
            {SENDS}
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(**{ends: 1})
    if ends == "failed":
        result.stdout.fnmatch_lines(["*WrongEventLoopError*another event loop*"])


def test_misuse_is_told_in_one_sentence(project):
    """An unknown word, a positional argument, an unknown release and an unknown fault are errors."""
    project.makepyfile("""
        import pytest

        @pytest.mark.twake(relase="2021")
        def test_a_typing_error(twake_sandbox): pass

        @pytest.mark.twake("2021")
        def test_a_positional_argument(twake_sandbox): pass

        @pytest.mark.twake(release="2019")
        def test_an_unknown_release(twake_sandbox): pass

        @pytest.mark.xfail(raises=ValueError)
        def test_a_fault_that_is_none(twake_sandbox):
            twake_sandbox.fail_next(after_storing="explode")
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=3, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.twake takes release= and seed=, not 'relase'",
            "@pytest.mark.twake takes release= and seed=, not '2021'",
            "*unknown release '2019': use one of 2020, 2021, 2022, 2023",
        ]
    )


def test_a_failed_test_shows_what_its_sandbox_received(project):
    """The report has a line for each request, with its fault, and no key."""
    project.makepyfile(f"""
        async def test_it(twake_sandbox, twake_session):
            twake_sandbox.answer_next("gzip")
            {SENDS}
            assert False
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Twake sandbox*", 'POST /api/v1/messages/save "Hello" -> 200*(fault: gzip)']
    )
    result.stdout.no_fnmatch_line("*sandbox-key*")


@pytest.mark.parametrize("release", ["2022", "2023"])
def test_the_fixtures_serve_the_node_api(project, release):
    """The session and the environment name the API and the workspace."""
    project.makeini(f"{SETTINGS}\ntwake_release = {release}\n")
    project.makepyfile("""
        from twake_async import TwakeSession

        async def test_it(twake_sandbox, twake_session):
            sent = await twake_session.send_message(twake_sandbox.channel_id, "Hello")
            async with TwakeSession.from_env() as twake:
                await twake.edit_message(sent, "Hello again")
            assert [one["content"] for one in twake_sandbox.messages()] == ["Hello again"]
            assert twake_sandbox.logins == 2
    """)
    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("release", ["2020", "2021"])
def test_a_failed_test_shows_no_check_as_a_refused_message(project, release):
    """The requests of a check are marked as such."""
    project.makeini(f"{SETTINGS}\ntwake_release = {release}\n")
    project.makepyfile("""
        async def test_it(twake_session):
            assert (await twake_session.check()).ok
            assert False
    """)
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Twake sandbox*", *["POST /api/v1/messages/save (check) -> *"] * 2]
    )
    result.stdout.no_fnmatch_line("*refused:*")


def test_without_pytest_asyncio_the_session_says_what_to_install(project):
    """The error is one sentence, and the sandbox works without pytest-asyncio."""
    project.makeini("[pytest]\nfilterwarnings = error")
    project.makeconftest("""
        import sys
        sys.modules["pytest_asyncio"] = None
        pytest_plugins = ["twake_async.testing"]
    """)
    project.makepyfile("""
        def test_synchronous(twake_sandbox): pass
        def test_with_a_session(twake_session): pass
    """)
    result = project.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["the twake_session fixture needs pytest-asyncio: pip install 'twake-async?testing?'"]
    )


def test_the_fixtures_and_the_marker_are_listed_with_what_they_are(project):
    """`--fixtures` and `--markers` describe them."""
    result = project.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(["twake_sandbox --*", "*fresh `Sandbox`*"])
    result.stdout.fnmatch_lines(["twake_session --*", "*`TwakeSession` on*"])
    result = project.runpytest_subprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.twake(release=..., seed=...):*"])


# In this suite


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch, request):
    """No session of a test leaves loopback, whatever the variables of the developer's shell."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "intranet")
    box = request.getfixturevalue("twake_sandbox")
    async with TwakeSession.from_env() as twake:
        await twake.send_message(box.channel_id, "Hello")
    assert len(box.messages()) == 1


async def test_unreachable_is_not_sent_and_passes(twake_sandbox, twake_session):
    """Nothing listens inside the block; afterwards the same session sends on the same port."""
    url = twake_sandbox.url
    await twake_session.send_message(twake_sandbox.channel_id, "before")
    with twake_sandbox.unreachable(), pytest.raises(NotSentError):
        await twake_session.send_message(twake_sandbox.channel_id, "during", deadline=0.3)
    await twake_session.send_message(twake_sandbox.channel_id, "after")
    assert [one["content"] for one in twake_sandbox.messages()] == ["before", "after"]
    assert twake_sandbox.url == url
    assert len([one for one in threading.enumerate() if "twake" in one.name]) == 1


BELOW = "below HTTP: bytes that a proper server does not write, or a request that is not read"
LIKE = "the same to a caller as one that can be asked for"
OWN = "a bound of the SDK itself, whose own tests hold it"
LEFT_OUT = {
    BELOW: {
        *("close_at_accept", "reset_at_accept", "silent_at_accept", "close_before_reading"),
        *("close_at_first_byte", "close_mid_head", "reset_mid_head", "close_mid_body"),
        *("reset_mid_body", "silent_mid_body", "refuses_413_early", "refuses_413_early_reset"),
        *("bad_chunk_size", "drip_head", "garbage", "good_after_100", "good_after_103"),
        *("good_http10", "good_until_close"),
    },
    LIKE: {
        *("500_fatal_html", "500_good_json", "payload_error", "error_with_persist", "json_null"),
        *("json_list", "json_empty", "list_object", "zero_id", "empty_id", "head_then_silent"),
        *("head_then_close", "gzip_cut", "gzip_corrupt", "br", "good_after_php_dump", "php_dump"),
        *("good_then_close_on_reuse", "good_then_close_on_read", "403_json"),
        *("refuses_authentication_warnings", "refuses_group_warnings"),
        *("refuses_capability_warnings", "refuses_privileges_warnings"),
        *(f"refuses_node_{n}{where}" for n in (400, 403, 404, 415) for where in ("", "_in_200")),
        *("refuses_301_to_tls", "refuses_308_to_tls", "302_to_tls", "307_to_tls"),
        *("refuses_404_no_v1", "404_no_v1_html", "node_500_in_200", "refusal_behind_others_words"),
        *map(str, (402, 406, 408, 409, 410, 412, 415, 418, 421, 422, 451, 499, 300, 303, 304)),
    },
    OWN: {"gzip_bomb", "big_declared", "big_chunked", "endless_headers"},
}


def stem(name):
    """Return the name of a fault without the moment at which it happens."""
    return re.sub("^(stores|loses)_", "", name)


COVERED = sorted(name for name in FAULTS if stem(name) not in set().union(*LEFT_OUT.values()))


def ask(sandbox, fault):
    """Ask the sandbox for a fault of the fault server, by the same name."""
    name = stem(fault.name)
    if fault.name.startswith("refuses_429_"):
        value = RETRY_AFTER[fault.name.removeprefix("refuses_429_")]
        sandbox.refuse_next(429, retry_after=value() if callable(value) else value)
    elif fault.name.startswith("refuses_"):
        word = fault.name.removeprefix("refuses_")
        sandbox.refuse_next(int(word) if word.isdigit() else word)
    elif name.removeprefix("good_") in names.FORMS:
        sandbox.answer_next(name.removeprefix("good_"))
    elif name == "good_late":
        sandbox.slow_next(0.05)
    elif name != "good":
        moment = "after_storing" if fault.stores else "before_storing"
        action = name.removesuffix("_retry_after")
        header = None if action == name else "1"
        action = int(action) if action.isdigit() else action
        sandbox.fail_next(**{moment: action}, retry_after=header)


def test_what_is_left_out_exists():
    """A fault that the catalogue no longer has is not left out."""
    known = {stem(name) for name in FAULTS}
    assert set().union(*LEFT_OUT.values()) - known == set()


def test_the_sandbox_and_the_fault_server_use_the_same_names():
    """Every fault that the sandbox offers has the same name in the catalogue of the tests."""
    known = {stem(name) for name in FAULTS}
    asked = {*names.ACTIONS, *(f"good_{form}" for form in names.FORMS)}
    asked |= {f"refuses_{word}" for word in names.REFUSALS}
    assert asked - known == set()


@pytest.mark.parametrize("name", COVERED)
async def test_what_the_fault_server_does_the_sandbox_does(name, twake_sandbox, twake_session):
    """Each fault at the level of HTTP leads to the same claim and stores the same here."""
    fault = FAULTS[name]
    ask(twake_sandbox, fault)
    endless = stem(name) in {"silent", "cut_silent", "drip"}
    claim = "delivered"
    try:
        await twake_session.send_message(
            twake_sandbox.channel_id,
            "Hello",
            retry=RetryPolicy.never(),
            deadline=0.5 if endless else 5,
        )
    except TwakeError as error:
        claim = error.outcome.name.lower()
    assert claim in fault.allowed
    assert len(twake_sandbox.messages()) == fault.stores
    async with TwakeSession.from_env() as another:  # one that no refusal told to wait
        await another.send_message(twake_sandbox.channel_id, "all is well again")


NOISE = """
import asyncio, sys
from twake_async import TwakeError, TwakeSession
from twake_async.sandbox import Sandbox

async def meet(action, slow, leave):
    async with Sandbox() as box:
        box.slow(slow)
        box.fail_next(after_storing=action)
        keys = (box.public_id, box.private_api_key)
        async with TwakeSession(*keys, group_id=box.group_id, base_url=box.url) as twake:
            deadline = 5 if leave else 0.1
            sending = asyncio.ensure_future(
                twake.send_message(box.channel_id, "Hello", deadline=deadline)
            )
            while not (box.messages() or sending.done()):
                await asyncio.sleep(0.001)
            if leave:
                box.__exit__(None, None, None)
            try:
                await sending
            except TwakeError:
                pass
        if slow:
            await asyncio.sleep(0.1)  # the fault strikes when the client has gone

async def main():
    for action in ("silent", "close", "reset", "cut", "cut_silent"):
        for slow in (0, 0.15):
            for leave in (True, False):
                await meet(action, slow, leave)

asyncio.run(main())
print("done")
"""


def test_a_sandbox_that_ends_while_a_fault_is_pending_prints_nothing():
    """A sandbox whose client left before the fault prints nothing either: uvicorn logs nothing."""
    command = [sys.executable, "-W", "error", "-c", NOISE]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("done\n", "")
