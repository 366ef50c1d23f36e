"""The documentation is right: its code runs, its outputs come, its links lead to something."""

from __future__ import annotations

import importlib.util
import inspect
import pathlib
import re

import pytest
from pages import PAGES, ROOT, Page, same

import twake_async
from twake_async import bot, events, sandbox, twacode


def name(path: pathlib.Path) -> str:
    """The path of a page inside the project."""
    return str(path.relative_to(ROOT))


# One is a project of several files: test_testing.py writes them and runs pytest there. The other
# needs a PostgreSQL: test_many_machines_page.py has one.
RUN_ELSEWHERE = {
    ROOT / "docs" / "testing.md",
    ROOT / "docs" / "howto" / "many-machines.md",
}


@pytest.mark.parametrize("path", [page for page in PAGES if page not in RUN_ELSEWHERE], ids=name)
def test_a_page_runs_and_prints_what_it_shows(path, tmp_path):
    """A reader who copies the code of a page, from top to bottom, sees what the page shows."""
    Page(path, tmp_path).run()


DOCS = ROOT / "docs"
#: Pages of one API each: requests by hand, a release for each block, and calls that only v1 has.
OF_NAMED_RELEASES = [
    DOCS / "howto" / f"{page}.md"
    for page in ("from-requests", "keys", "people", "releases", "to-node")
]
OF_BOTH = [
    *(DOCS / f"{page}.md" for page in ("quickstart", "tutorial", "batches", "twacode", "journal")),
    *(
        path
        for path in sorted((DOCS / "howto").glob("*.md"))
        if path not in {*OF_NAMED_RELEASES, *RUN_ELSEWHERE}
    ),
]


@pytest.mark.parametrize("path", OF_BOTH, ids=name)
def test_a_page_works_on_a_server_of_2023_with_another_environment(path, tmp_path):
    """The code of a page sends over the API that the environment names, and prints the same."""
    Page(path, tmp_path, "2023").run()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_block_of_a_page_is_of_a_kind_that_is_checked(path):
    """No code hides from the tests in a block of another language."""
    kinds = re.findall(
        r"^[ \t]*(?:```+|~~~+)[ \t]*([^\s`]+)", path.read_text("utf-8"), re.MULTILINE
    )
    known = {
        "python",
        "text",
        "console",
        "powershell",
        "toml",
        "json",
        "sql",
        "nginx",
        "ini",
        "yaml",
        "cron",
    }
    known.add("postgresql")  # tests/unit/test_postgres_store.py compares these
    assert [kind for kind in kinds if kind not in known and not kind.startswith("{")] == []
    assert "{code" not in " ".join(kinds)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_block_of_a_page_is_found(path, tmp_path):
    """No block is skipped silently: not an indented one, not the last one, not one in a comment."""
    text = path.read_text("utf-8")
    kinds = "python|text|console|powershell|toml|json|sql|nginx|ini|yaml|cron"
    shown = re.findall(rf"^[ ]*```(?:{kinds})$", text, re.MULTILINE)
    hidden = re.findall(r"invisible-code", text)
    assert len(Page(path, tmp_path).document.regions) == len(shown) + len(hidden)


@pytest.mark.parametrize(
    "block",
    [
        "```python\nraise RuntimeError\n```",
        "```python\nawait twake.nothing()\n```",
        "```python\nprint('more than is shown')\n```",
        "```python\nprint(1)\n```\n\n```text\n2\n```",
        "```text\nprinted by nobody\n```",
        "```console\n$ echo 1\n2\n```",
        "```console\n$ twake-async send --no-such-option\n```",
        "```toml\n= 1\n```",
        "```json\n{1}\n```",
        "```sql\nSELECT FROM;\n```",
        "```ini\nExecStart=true\n```",
        "```yaml\n- one\n```",
        "```cron\n15 6 * * true\n```",
        "```powershell\ntwake-async no-such-command\n```",
        "<!-- invisible-code-block: python\nraise RuntimeError\n-->\n",
    ],
)
def test_a_page_that_is_wrong_is_found_out(block, tmp_path):
    """The check can fail: each way in which a page can be wrong is seen."""
    page = tmp_path / "wrong.md"
    page.write_text(f"# Wrong\n\n{block}\n")
    with pytest.raises(BaseException):  # noqa: B017, PT011 - each kind fails in its own way
        Page(page, tmp_path).run()


def test_two_outputs_that_differ_in_volatile_values_only_are_the_same():
    """Ids, ports, dates and durations differ from run to run; nothing else may."""
    ran = "95f46b55-e69a-11f1-9910-2505e0a61597 at 127.0.0.1:38513 in 0.25 s\n"
    assert same(ran, "429abcc2-e6a0-11f1-a681-c918573ad26f at 127.0.0.1:1 in 12 s")
    assert not same(ran, ran.replace("at", "on"))
    assert same("a ... c", "a b c")
    assert not same("a", "a\nb")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the places that show Markdown make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def dead_links(path: pathlib.Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    dead = []
    for target in re.findall(r"\]\(([^)\s]*)\)|src=\"([^\"]+)\"", path.read_text("utf-8")):
        link = target[0] or target[1]
        if re.match(r"https?:|mailto:", link) or not link:
            continue
        file, _, anchor = link.partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in anchors(found.read_text("utf-8"))):
            dead.append(link)
    return dead


PAPERS = [ROOT / f"{paper}.md" for paper in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]


@pytest.mark.parametrize("path", PAPERS, ids=name)
def test_the_links_of_the_papers_lead_somewhere(path):
    """Sphinx checks the links of docs/; these papers are outside of it."""
    assert dead_links(path) == []


def test_a_dead_link_is_found_out(tmp_path):
    """A file that is not there and a heading that is not there are both dead ends."""
    page = tmp_path / "page.md"
    page.write_text("# One head\n[a](nowhere.md) [b](#one-head) [c](#two) [d](page.md#one-head)\n")
    assert dead_links(page) == ["nowhere.md", "#two"]


def missing_files(text: str) -> list[str]:
    """Return the files and folders of the project that a text names and that do not exist."""
    code = " ".join(
        re.findall(
            r"`([^`]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
        )
    )
    named = re.findall(r"(?<![\w./-])(?:twake_async|tests|docs|\.ci)/[\w./-]*", code)
    return [file for file in named if not (ROOT / file).exists()]


@pytest.mark.parametrize("path", sorted({*PAPERS, *PAGES}), ids=name)
def test_the_files_that_a_page_names_exist(path):
    """A reader finds each file and folder under the name that the page gives."""
    assert missing_files(path.read_text("utf-8")) == []


def test_a_file_that_does_not_exist_is_found_out():
    """Only names of this project's files are checked, also inside a command."""
    text = (
        "`tests/docs/` `python tests/none.py` `twake_async/none/` `.nox/tests/bin` [a](docs/none)"
    )
    assert missing_files(text) == ["tests/none.py", "twake_async/none/"]


def test_a_claim_of_the_readme_names_the_test_that_shows_it():
    """Each test that the README names is in the file that it links to."""
    text = (ROOT / "README.md").read_text("utf-8")
    claims = re.findall(r"\[`(test_\w+)`\]\((\S+?)\)", text)
    assert len(claims) >= 5
    for test, file in claims:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), test


def test_the_picture_of_the_demo_is_what_the_demo_shows():
    """The picture in the README is made by the demo, and names no host to fetch anything from."""
    place = ROOT / "docs" / "picture.py"
    spec = importlib.util.spec_from_file_location("picture", place)
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    stands = picture.PICTURE.read_text("utf-8")
    assert picture.render() == stands, "run: python docs/picture.py"
    assert re.findall(r"url\([^#]|@import|@font-face", stands) == []


PUBLIC = {
    "twake_async": twake_async,
    "twacode": twacode,
    "sandbox": sandbox,
    "events": events,
    "bot": bot,
}


@pytest.mark.parametrize("room", PUBLIC)
def test_every_public_name_is_in_the_reference(room):
    """What can be imported can be looked up; pages are made from its docstring."""
    pages = "\n".join(path.read_text("utf-8") for path in PAGES)
    documented = set(re.findall(r"^\.\. auto\w+:: (?:[\w.]+\.)?(\w+)$", pages, re.MULTILINE))
    names = {one for one in PUBLIC[room].__all__ if inspect.isclass(vars(PUBLIC[room])[one])}
    names |= {one for one in PUBLIC[room].__all__ if inspect.isfunction(vars(PUBLIC[room])[one])}
    assert names
    assert names - documented == set()


def test_every_environment_variable_is_on_its_page():
    """Each variable that the code reads from the environment under our name is documented."""
    sources = [path.read_text("utf-8") for path in (ROOT / "twake_async").rglob("*.py")]
    read = set(re.findall(r"\b_?TWAKE_[A-Z_]*[A-Z]\b", "\n".join(sources)))
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    assert len(read) >= 6
    assert {name for name in read if f"`{name}`" not in page} == set()
