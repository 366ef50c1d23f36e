"""Walk the page of the sandbox in a real browser, as `nox -s page` does.

Somebody types, clicks, changes who they are, restarts the bot, injects faults and builds messages, in
headless Chromium, at desktop and phone width, light and dark. Hostile content stands in each attribute
of each node. There must be no error in the console, no request to anywhere else, nothing wider than the
window, no control without a name, and no text that is too faint.

Usage: python sandbox_page.py [PICTURES]; pictures go into that folder.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import pathlib
import statistics
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import attrs
from chromium import SCHEMES, WIDTHS, asked, dress, open_browser
from page_checks import FAINT, NAMELESS, TIMED, WIDE
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from stage import OUTAGE, BotProcess, Tab, free_port

from twake_async import Message, OutcomeUnknownError, RetryPolicy, TwakeSession
from twake_async.sandbox import Sandbox
from twake_async.sandbox._page.builder import EXAMPLES
from twake_async.sandbox._seed import DEFAULT_SEED
from twake_async.twacode._nodes.client import KNOWN_TYPES
from twake_async.twacode._rendering.content import shown
from twake_async.twacode._rendering.page import block, whole_page

#: Where the focus is: the part of the page.
PLACE = """
const at = document.activeElement;
return at.className === "skip" ? "skip" : (at.closest("#people, #views, #rooms, #list, #say, aside") || {}).id || at.tagName;
"""
ORDER = ("skip", "people", "views", "rooms", "list", "say")
FAST = 100
"""Milliseconds within which a message must appear, in the median."""


def session(sandbox: Sandbox) -> TwakeSession:
    """Return a session on the sandbox that tries once."""
    return TwakeSession(
        sandbox.public_id,
        sandbox.private_api_key,
        group_id=sandbox.group_id,
        base_url=sandbox.url,
        api=sandbox.api,
        workspace_id=sandbox.workspace_id,
        retry=RetryPolicy.never(),
    )


@attrs.define(eq=False)
class Walk:
    """One walk, and what was wrong in it."""

    browser: webdriver.Chrome
    pictures: pathlib.Path | None
    dress: str = ""
    problems: list[str] = attrs.field(factory=list)

    def expect(self, what: str, holds: Any) -> None:
        """Note a problem, if something does not hold."""
        if not holds:
            self.problems.append(f"{self.dress}: {what}")
            print("PROBLEM", self.problems[-1])

    def look(self, tab: Tab, name: str, *, expected: str = "") -> None:
        """Look at the page as it is, and take a picture of it."""
        for told in tab.complaints(expected=expected):
            self.expect(f"{name}: {told}", holds=False)
        for what, script in (("too wide", WIDE), ("without a name", NAMELESS), ("faint", FAINT)):
            for told in tab.script(script):
                self.expect(f"{name}: {what}: {told}", holds=False)
        if self.pictures:
            path = self.pictures / f"{name}-{self.dress.replace(' ', '-')}.png"
            self.browser.save_screenshot(str(path))

    # What somebody does

    def talk(self, tab: Tab, bot: BotProcess) -> None:
        """Type, click, choose, and change to another person."""
        tab.open()
        tab.say("Good morning")
        tab.message("Good morning")
        tab.say("/bot ask Lunch today?")
        form = tab.message("Lunch today?")
        form.find_element(By.CSS_SELECTOR, "input").send_keys("no onions")
        Select(form.find_element(By.CSS_SELECTOR, "select")).select_by_visible_text("Green")
        tab.message("You chose Green")
        form = tab.message("Lunch today?")
        written = form.find_element(By.CSS_SELECTOR, "input").get_property("value")
        self.expect("what was written is gone", written == "no onions")
        self.look(tab, "form")
        form.find_element(By.CSS_SELECTOR, "button[data-action=yes]").click()
        changed = tab.message("Noted: no onions")
        self.expect("an edit does not flash", "flash" in changed.get_attribute("class"))
        self.expect("it is not edited", "edited" in changed.text)
        tab.say("/bot whisper")
        whisper = tab.message("only for you")
        self.expect("nobody says who sees it", "only you see this" in whisper.text)
        tab.be("bob")
        tab.message("Noted: no onions")
        self.expect("bob sees what is for alice", "only for you" not in "".join(tab.texts()))
        self.change(tab)
        self.window(tab)
        tab.be("carol")
        rooms = [one.text for one in tab.all("#rooms button")]
        self.expect(f"carol sees {rooms}", rooms == ["# General"])
        tab.be("alice")
        tab.sandbox.say("elsewhere", channel_id=DEFAULT_SEED["channels"]["random"]["id"])
        tab.press("#rooms button", "Random, new messages")
        tab.message("elsewhere")
        tab.press("#rooms button", "General")
        tab.message("Good morning")
        self.look(tab, "talk")
        bot.end()
        tab.say("ping")
        tab.show("traffic")
        tab.wait(lambda: "no answer" in tab.text("#traffic li summary"))
        bot.start()
        tab.say("ping")
        tab.message("pong")

    def keyboard(self, tab: Tab) -> None:
        """Go through the page by Tab, in the visible order, and write without a mouse."""
        tab.open()
        places = []
        for _ in range(12):
            ActionChains(self.browser).send_keys(Keys.TAB).perform()
            places.append(tab.script(PLACE))
        order = [one for one in ORDER if one in places]
        self.expect(
            f"the focus goes {places}",
            order == list(dict.fromkeys(p for p in places if p in ORDER)),
        )
        self.expect(
            f"not all can be reached: {places}",
            {"skip", "people", "rooms", "list", "say"} <= set(places),
        )
        tab.script("document.activeElement.blur(); document.querySelector('.skip').focus()")
        keys = ActionChains(self.browser)
        keys.send_keys(Keys.ENTER).perform()
        tab.wait(lambda: tab.script("return document.activeElement.id") == "text")
        ActionChains(self.browser).send_keys("by keyboard", Keys.ENTER).perform()
        tab.message("by keyboard")
        self.expect("nothing is announced", tab.wait(lambda: "by keyboard" in tab.text("#news")))

    def change(self, tab: Tab) -> None:
        """React, answer, edit, pin and remove, by keyboard as well."""
        tab.say("I am bob")
        self.menu(tab, "I am bob", "React with 🎉")
        tab.wait(lambda: "🎉 1" in tab.message("I am bob").text)
        self.menu(tab, "I am bob", "Reply")
        tab.say("and this is a reply")
        reply = tab.message("and this is a reply")
        self.expect("a reply is no reply", "reply" in reply.get_attribute("class"))
        self.menu(tab, "I am bob", "Pin")
        tab.wait(lambda: "pinned" in tab.message("I am bob").text)
        self.menu(tab, "and this is a reply", "Edit")
        field = tab.one("#text")
        tab.wait(lambda: field.get_property("value") == "and this is a reply")
        field.send_keys(", edited", Keys.ENTER)
        tab.message("and this is a reply, edited")
        self.menu(tab, "and this is a reply, edited", "Remove")
        tab.wait(lambda: "and this is a reply, edited" not in tab.texts())

    def menu(self, tab: Tab, text: str, label: str) -> None:
        """Choose in the menu of a message."""
        message = tab.message(text)
        tab.script("arguments[0].scrollIntoView({block: 'center'})", message)
        message.find_element(By.CSS_SELECTOR, ".more").send_keys(Keys.ENTER)
        tab.press("#menu button", label)

    def window(self, tab: Tab) -> None:
        """Ask to configure the bot, and answer in its window."""
        tab.press("#apps .configure")
        tab.wait(lambda: tab.one("#window input").is_displayed())
        tab.one("#window input").send_keys("Bob")
        self.look(tab, "window")
        tab.press("#window button[data-action=save]")
        tab.wait(lambda: "Saved Bob" in tab.text("#window .tw"))
        tab.press("#window [data-close]")

    def faults(self, tab: Tab, sandbox: Sandbox) -> None:
        """Lose an answer: the outcome is unknown, and a second evidence settles it."""
        tab.show("traffic")
        tab.press("[data-fault=lost_answer]")
        tab.wait(lambda: "close after storing" in tab.text("#waiting"))

        async def send() -> str:
            async with session(sandbox) as twake:
                try:
                    await twake.send_message(sandbox.channel_id, "Did it arrive?")
                except OutcomeUnknownError:
                    return "UNKNOWN"
                return "DELIVERED"

        outcome = asyncio.run(send())
        expected = "UNKNOWN" if sandbox.api == "v1" else "DELIVERED"  # the second look finds it
        self.expect(f"the outcome is {outcome}", outcome == expected)
        unknown = tab.wait(
            lambda: [one for one in tab.all("#traffic details") if "UNKNOWN" in one.text]
        )[0]
        tab.wait(lambda: [one for one in tab.all("#traffic .settled") if "DELIVERED" in one.text])
        tab.script("arguments[0].scrollIntoView({block: 'center'})", unknown)
        tab.wait(lambda: [one for one in tab.all("#traffic details") if "UNKNOWN" in one.text])[
            0
        ].find_element(By.CSS_SELECTOR, "summary").click()
        self.look(tab, "unknown")
        tab.press("#traffic details[open] button", "Copy as a test")
        copied = tab.one("#copy textarea").get_property("value")
        self.expect("it is no test", 'fail_next(after_storing="close")' in copied.replace("'", '"'))
        tab.press("#copy [data-close]")
        told = tab.text("#traffic")
        self.expect("a key is shown", sandbox.private_api_key not in told)
        tab.show("chat")
        tab.message("Did it arrive?")

    def outage(self, tab: Tab, sandbox: Sandbox) -> None:
        """Make the server unreachable for a while: the page comes back, and misses nothing."""
        before = tab.texts()
        tab.show("traffic")
        tab.press("[data-fault=unreachable]")
        tab.wait(lambda: "reconnecting" in tab.text("#link"))
        sandbox.say("said meanwhile")
        tab.wait(lambda: tab.text("#link") == "live")
        tab.show("chat")
        tab.message("said meanwhile")
        self.expect("messages are missing", tab.texts()[: len(before)] == before)
        self.look(tab, "outage", expected=OUTAGE)

    def build(self, tab: Tab) -> None:
        """Show each example, an error, and copy."""
        tab.show("builder")
        example = Select(tab.one("#example"))
        for name, _ in EXAMPLES:
            example.select_by_visible_text(name)
            tab.wait(lambda name=name: tab.script("return built.source === $('source').value"))
            self.expect(f"{name} shows nothing", tab.one("#shown").get_attribute("innerHTML"))
            self.expect(f"{name} has a problem", not tab.text("#problems"))
        example.select_by_visible_text("A card")
        tab.wait(lambda: "Build 51" in tab.text("#shown"))
        self.expect("no fallback", "12 tests failed" in tab.text("#fallback"))
        self.look(tab, "builder")
        for label, beginning in (("#as-python", "Attachment("), ("#as-json", "{")):
            tab.press(label)
            copied = tab.one("#copy textarea").get_property("value")
            self.expect(f"{label} copies {copied[:20]}", copied.startswith(beginning))
            tab.press("#copy [data-close]")
        field = tab.one("#source")
        for typed, told in (
            ("Button('Yes')", "action_id"),
            ("__import__('os').system('true')", "is not read here"),
            ('[{"type": "select"}]', "needs a list of values"),
        ):
            field.clear()
            field.send_keys(typed)
            tab.wait(lambda told=told: told in tab.text("#problems"))
        self.look(tab, "builder-problem")
        tab.show("chat")


# ---- hostile content ----------------------------------------------------------------------------

RAN = "window.ran = 1; alert(1)"
TEXTS = (
    f"<script>{RAN}</script>",
    f'"><img src=x onerror="{RAN}">',
    f"javascript:{RAN}",
    "https://elsewhere.invalid/x.png",
    'http://elsewhere.invalid/" onmouseover="window.ran = 1',
    "data:text/html,<script>top.ran = 1</script>",
    "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciPjwvc3ZnPg==",
    "url(https://elsewhere.invalid/)",
    "__proto__",
)
ATTRIBUTES = (
    *("content", "url", "src", "id", "title", "placeholder", "passive_id", "action_id", "style"),
    *("mode", "progress", "key", "onclick", "href", "class", "inline", "full_width", "name"),
)


def hostile_nodes() -> list[dict[str, Any]]:
    """Return each node type with each text in all of its attributes."""
    return [
        dict.fromkeys(ATTRIBUTES, text)
        | {"type": name, "values": [{"name": text, "value": text, "selected": text}]}
        for name in sorted(KNOWN_TYPES)
        for text in TEXTS
    ]


def hostile_seed() -> dict[str, Any]:
    """Return a seed in which also the names are hostile."""
    seed = json.loads(json.dumps(dict(DEFAULT_SEED)))
    seed["users"]["bob"]["username"] = TEXTS[1]
    seed["channels"]["random"]["name"] = TEXTS[0]
    seed["apps"]["bot"]["name"] = TEXTS[1]
    return seed


def save(sandbox: Sandbox, message: dict[str, Any], path: str = "/api/v1/messages/save") -> None:
    """Save a message as no SDK would."""
    pair = f"{sandbox.public_id}:{sandbox.private_api_key}".encode()
    body = json.dumps({"group_id": sandbox.group_id, "message": message}).encode()
    headers = {
        "Authorization": "Basic " + base64.b64encode(pair).decode(),
        "Content-Type": "application/json",
    }
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(sandbox.url + path, body, headers)).close()


def attack(walk: Walk) -> None:
    """Show hostile content wherever somebody else's text is shown: nothing runs, nothing loads."""
    with Sandbox(hostile_seed()) as sandbox:
        tab = Tab(walk.browser, sandbox)
        for node in hostile_nodes():
            save(sandbox, {
                "channel_id": sandbox.channel_id,
                "content": [node],
                "hidden_data": {"custom_title": node["content"], "custom_icon": node["content"]},
            })  # fmt: skip
        save(
            sandbox,
            {"channel_id": sandbox.channel_id, "content": "x"},
            f"/api/v1/{urllib.parse.quote(TEXTS[0])}",
        )
        tab.open()
        tab.press("#older")
        count = len(hostile_nodes())
        tab.wait(lambda: len(tab.all("#list .message")) == count)
        for details in tab.all("#traffic details")[:20]:
            tab.script("arguments[0].open = true", details)
        for name in ("builder", "chat"):
            tab.show(name)
        for text in TEXTS:
            tab.script(
                "$('source').value = arguments[0]",
                json.dumps([dict(n, content=text) for n in hostile_nodes()[:9]]),
            )
            tab.script("build()")
        links = tab.script(
            "return [...document.querySelectorAll('#list a')].map(one => one.protocol)"
        )
        walk.expect(f"links to {set(links)}", set(links) <= {"http:", "https:", "mailto:"})
        inline = tab.script(
            "return [...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
        )
        walk.expect(f"handlers: {inline}", not inline)
        walk.expect("something ran", not tab.script("return window.ran"))
        walk.expect(
            "elements came of text",
            not tab.all("#list script, #list iframe, #list svg, #list object, #list embed"),
        )
        walk.look(tab, "hostile")
        tab.leave()
    attack_preview(walk)


def attack_preview(walk: Walk) -> None:
    """Open what `preview --html` writes, and what a notebook shows, of the same content."""
    shown_alone = whole_page(block(shown(hostile_nodes())), TEXTS[0])
    message = Message(id="m", sender=TEXTS[1], content=hostile_nodes())
    notebook = f"<!doctype html><meta charset=utf-8>{message._repr_html_()}"
    with tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate((shown_alone, notebook)):
            path = pathlib.Path(folder) / f"{number}.html"
            path.write_text(page, encoding="utf-8")
            walk.browser.get(path.as_uri())
            walk.expect(
                "a preview runs something", not walk.browser.execute_script("return window.ran")
            )
            walk.expect(
                "a preview is empty", walk.browser.find_elements(By.CSS_SELECTOR, ".tw-button")
            )
            for told in [entry["message"] for entry in walk.browser.get_log("browser")]:
                walk.expect(f"a preview: {told}", holds=False)
            for url in asked(walk.browser, path.as_uri()):
                walk.expect(f"a preview asks for {url}", holds=False)


# ---- many messages ------------------------------------------------------------------------------


def many(walk: Walk) -> float:
    """Return how many milliseconds a message takes to appear among 5,000, in the median of 20."""
    with Sandbox() as sandbox:
        for number in range(5000):
            sandbox.say(f"message number {number}")
        tab = Tab(walk.browser, sandbox)
        tab.open()
        times = [
            walk.browser.execute_async_script(TIMED, f"timed message {number}")
            for number in range(20)
        ]
        walk.look(tab, "many")
        tab.leave()
    median = statistics.median(times)
    walk.expect(f"a message takes {median:.0f} ms", median <= FAST)
    return median


def play(walk: Walk, release: str) -> None:
    """Walk once through all of it."""
    port = free_port()
    with Sandbox(release=release, events_url=f"http://127.0.0.1:{port}/of-the-page") as sandbox:
        bot, tab = BotProcess(sandbox, port), Tab(walk.browser, sandbox)
        try:
            bot.start()
            walk.keyboard(tab)
            walk.talk(tab, bot)
            walk.faults(tab, sandbox)
            walk.outage(tab, sandbox)
            walk.build(tab)
            tab.leave()
        finally:
            bot.end()


def main(pictures: pathlib.Path | None) -> int:
    """Walk at each width and colour scheme; print the problems, and return their number."""
    with tempfile.TemporaryDirectory() as profile, open_browser(profile) as browser:
        browser.set_script_timeout(30)
        walk = Walk(browser, pictures)
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                dress(browser, width, scheme)
                release = "2020" if scheme == "light" else "2023"
                walk.dress = f"{name} {scheme}"
                play(walk, release)
        attack(walk)
        median = many(walk)
    print(f"a message appears among 5,000 within {median:.0f} ms (median of 20)")
    print(f"{len(WIDTHS)} widths, {len(SCHEMES)} schemes: {len(walk.problems)} problems")
    return len(walk.problems)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    sys.exit(1 if main(folder) else 0)
