"""Take the picture of the page that the README shows, as `nox -s page -- --picture` does.

Three people and the bot of docs/examples/poll_bot.py: a poll, a vote, and an answer that is lost.

Usage: python picture.py FILE
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

from chromium import open_browser
from selenium.webdriver.common.by import By
from stage import Tab, free_port, wait_for_port

from twake_async import OutcomeUnknownError, RetryPolicy, TwakeSession
from twake_async.sandbox import Sandbox

EXAMPLES = pathlib.Path(__file__).parents[3] / "docs" / "examples"
SIZE = {"width": 1280, "height": 760, "deviceScaleFactor": 1, "mobile": False}
#: Each time of day becomes the same, so that the picture changes only with the page.
ONE_TIME = """
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data
  .replace(/\\d{1,2}:\\d\\d:\\d\\d( [AP]M)?/, "09:41:00").replace(/^\\d{1,2}:\\d\\d( [AP]M)?$/, "09:41")
  .replace(/· \\d+ ms/, "· 2 ms");
"""


@contextlib.contextmanager
def poll_bot(sandbox: Sandbox, port: int):
    """Run the bot of the documentation."""
    env = {**os.environ, **sandbox.environment, "BOT_SECRET": "picture"}
    command = [sys.executable, "-m", "twake_async", "run", "poll_bot:bot", "--port", str(port)]
    process = subprocess.Popen(command, env=env, cwd=EXAMPLES)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait()


async def lose_an_answer(sandbox: Sandbox) -> None:
    """Send a message whose answer is lost."""
    keys = (sandbox.public_id, sandbox.private_api_key)
    where = {"group_id": sandbox.group_id, "base_url": sandbox.url}
    async with TwakeSession(*keys, **where, retry=RetryPolicy.never()) as twake:
        with contextlib.suppress(OutcomeUnknownError):
            await twake.send_message(sandbox.channel_id, "The poll ends at noon.")


def play(tab: Tab, sandbox: Sandbox) -> None:
    """Ask, vote, answer and fail."""
    tab.say("Where do we eat?")
    tab.be("bob")
    tab.say("/bot Lunch today? ; Pizzeria ; Canteen")
    poll = tab.message("Lunch today?")
    tab.press(".tw button[data-action='vote:1']")
    poll = tab.message("1 votes")
    poll.find_element(By.CSS_SELECTOR, ".more").click()
    tab.press("#menu button", "Reply")
    tab.say("The canteen has soup today")
    tab.message("soup today")
    tab.be("alice")
    tab.press(".tw button[data-action='vote:0']")
    tab.message("2 votes")
    tab.say("/bot Dinner?")
    tab.message("with two to six answers")
    tab.press("[data-fault=lost_answer]")
    tab.wait(lambda: "close after storing" in tab.text("#waiting"))
    asyncio.run(lose_an_answer(sandbox))
    tab.message("The poll ends at noon.")
    tab.wait(lambda: "settled" in tab.text("#traffic"))


def take(path: pathlib.Path) -> None:
    """Play, and take the picture."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as profile,
        open_browser(profile) as browser,
        Sandbox(events_url=f"http://127.0.0.1:{port}/picture") as sandbox,
        poll_bot(sandbox, port),
    ):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
        tab = Tab(browser, sandbox)
        tab.open()
        play(tab, sandbox)
        tab.script("document.activeElement.blur()")
        tab.wait(lambda: not tab.script("return document.getAnimations().length"))
        tab.script(ONE_TIME)
        browser.save_screenshot(str(path))
        tab.leave()


if __name__ == "__main__":
    take(pathlib.Path(sys.argv[1]).resolve())
