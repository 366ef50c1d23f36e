"""A sandbox, a bot in a process of its own, and one tab in which somebody uses the page."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import attrs
from chromium import asked
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from twake_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium import webdriver
    from selenium.webdriver.remote.webelement import WebElement

HERE = pathlib.Path(__file__).parent
PATIENCE = 20
"""Seconds to wait for something."""
OUTAGE = "net::ERR_"
"""The console's message about a server that is not there."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens on a port."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, f"nobody listens on port {port}"
            time.sleep(0.1)
        else:
            return


@attrs.define(eq=False)
class BotProcess:
    """The bot, which can be ended and started again."""

    sandbox: Sandbox
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        env = {**os.environ, **self.sandbox.environment, "PYTHONPATH": str(HERE.parents[2])}
        command = [sys.executable, str(HERE / "page_bot.py"), str(self.port)]
        self.process = subprocess.Popen(command, env=env)
        wait_for_port(self.port)

    def end(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None


@attrs.define(eq=False)
class Tab:
    """The page in the browser, as somebody uses it."""

    browser: webdriver.Chrome
    sandbox: Sandbox

    def open(self) -> None:
        """Open the page, and wait until everything is there."""
        self.browser.get(f"{self.sandbox.url}/")
        self.wait(lambda: self.text("#link") == "live")

    def leave(self) -> None:
        """Leave the page, before its sandbox ends."""
        self.browser.get("about:blank")
        self.complaints()

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds, and return it."""
        return WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: self._tried(condition))

    def _tried(self, condition: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException

        try:
            return condition()
        except (StaleElementReferenceException, IndexError):
            return False

    def all(self, css: str) -> list[WebElement]:
        """Return the elements."""
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """Return an element, when it is there."""
        return self.wait(lambda: self.all(css)[0])

    def text(self, css: str) -> str:
        """Return the text of an element."""
        return str(self.one(css).get_attribute("textContent"))

    def script(self, source: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.browser.execute_script(source, *arguments)

    def press(self, css: str, label: str | None = None) -> None:
        """Click on the element with that text, when it can be clicked on."""

        def pressed() -> bool:
            for found in self.all(css):
                if (
                    label is None
                    or found.text == label
                    or found.get_attribute("aria-label") == label
                ):
                    found.click()
                    return True
            return False

        self.wait(pressed)

    def show(self, view: str) -> None:
        """Show the messages, the traffic or the builder."""
        if self.one(f'#views [data-view="{view}"]').is_displayed():
            self.press(f'#views [data-view="{view}"]')

    def be(self, name: str) -> None:
        """Become a person."""
        self.press(f'#people input[value="{name}"]')
        self.wait(
            lambda: self.script("return state.me") == name and self.script("return state.ready")
        )

    def say(self, text: str) -> None:
        """Type a line."""
        self.show("chat")
        self.one("#text").send_keys(text)
        self.press("#say .main-act")

    def texts(self) -> list[str]:
        """Return the texts of the messages that are shown."""
        return [one.get_attribute("textContent") for one in self.all("#list .message .tw")]

    def message(self, text: str) -> WebElement:
        """Return the newest message with that text, when it is there."""

        def found() -> Any:
            of = [
                one
                for one in self.all("#list .message")
                if text in one.get_attribute("textContent")
            ]
            return of[-1] if of else False

        return self.wait(found)

    def complaints(self, *, expected: str = "") -> list[str]:
        """Return the messages of the console, and the requests to other places."""
        said = [entry["message"] for entry in self.browser.get_log("browser")]
        said = [one for one in said if not (expected and expected in one)]
        return said + [f"asks elsewhere: {url}" for url in asked(self.browser, self.sandbox.url)]
