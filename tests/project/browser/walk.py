"""Walk the built documentation in a real browser, as `nox -s docs-browser` does.

Every page is opened in headless Chromium at desktop and phone width, light and dark. There must be no
message of an error in the console, no request that leaves this machine, and nothing wider than the
window. Then a word is searched for.

Usage: python walk.py SITE [PICTURES]; the pictures of the main pages go into that folder.
"""

from __future__ import annotations

import functools
import http.server
import json
import pathlib
import shutil
import sys
import tempfile
import threading

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
MAIN = ("index", "quickstart", "tutorial", "twacode", "reference", "failures", "cli", "why")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: What stands out of the window, but for what scrolls by itself.
OVERFLOW = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("article *")]
  .filter(e => e.getBoundingClientRect().right > wide + 1)
  .map(e => e.tagName + " " + (e.className || "") + ": " + e.textContent.slice(0, 60));
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing about it."""

    def log_message(self, *_: object) -> None:
        """Keep silent."""


def serve(site: pathlib.Path) -> str:
    """Serve the site on loopback, and return its address."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def open_browser(profile: str) -> webdriver.Chrome:
    """Start the Chromium of this machine with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or sys.exit("chromium is not installed")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = shutil.which("chromedriver") or sys.exit("chromedriver is not installed")
    return webdriver.Chrome(options=options, service=Service(driver))


def dress(browser: webdriver.Chrome, width: int, scheme: str) -> None:
    """Give the browser a width in pixels, and the reader's wish for light or dark."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)


def asked(browser: webdriver.Chrome, home: str) -> list[str]:
    """Return what the page asked other places than the site for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    return [url for url in urls if not url.startswith((home, "data:", "blob:", "chrome:"))]


def look(browser: webdriver.Chrome, home: str, page: str) -> list[str]:
    """Open a page and return what is wrong with it."""
    browser.get(f"{home}/{page}")
    wrong = [f"console: {entry['message']}" for entry in browser.get_log("browser")]
    wrong += [f"asks elsewhere: {url}" for url in asked(browser, home)]
    wrong += [f"too wide: {what}" for what in browser.execute_script(OVERFLOW)[:5]]
    if page != "search.html" and not browser.find_elements(By.CSS_SELECTOR, "article h1"):
        wrong.append("has no heading")
    return wrong


def search(browser: webdriver.Chrome, home: str, word: str, page: str) -> list[str]:
    """Search for a word, as a reader does, and expect a page among the results."""
    browser.get(home)
    field = browser.find_element(By.CSS_SELECTOR, "input[name=q]")
    browser.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].form.submit()", field, word
    )
    found = f"ul.search a[href*='{page}']"
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, found))
    return [f"console: {entry['message']}" for entry in browser.get_log("browser")]


def walk(site: pathlib.Path, pictures: pathlib.Path | None) -> int:
    """Look at every page in every dress; print what is wrong, and return how much that is."""
    pages = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    home, problems = serve(site), 0
    with tempfile.TemporaryDirectory() as profile, open_browser(profile) as browser:
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                dress(browser, width, scheme)
                for page in pages:
                    problems_here = look(browser, home, page)
                    problems += len(problems_here)
                    for one in problems_here:
                        print(f"{page} ({name}, {scheme}): {one}")
                    stem = page.removesuffix(".html")
                    if pictures and (stem in MAIN or stem.startswith("howto/")):
                        picture = pictures / f"{stem.replace('/', '-')}-{name}-{scheme}.png"
                        browser.save_screenshot(str(picture))
        problems += len(search(browser, home, "idempotency", "why"))
    print(f"{len(pages)} pages, {len(WIDTHS)} widths, {len(SCHEMES)} schemes: {problems} problems")
    return problems


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    sys.exit(1 if walk(pathlib.Path(sys.argv[1]), folder) else 0)
