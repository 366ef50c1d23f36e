"""Walk the built documentation in a real browser, as `nox -s docs-browser` does.

Every page is opened in headless Chromium at desktop and phone width, light and dark. There must be no
message of an error in the console, no request that leaves this machine, and nothing wider than the
window. Then a word is searched for.

Usage: python walk.py SITE [PICTURES]; the pictures of the main pages go into that folder.
"""

from __future__ import annotations

import functools
import http.server
import pathlib
import sys
import tempfile
import threading

from chromium import SCHEMES, WIDTHS, asked, dress, open_browser
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

MAIN = ("index", "quickstart", "tutorial", "twacode", "reference", "failures", "cli", "why")
#: The elements that are wider than the window, except those that scroll by themselves.
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


def look(browser: webdriver.Chrome, home: str, page: str) -> list[str]:
    """Open a page and return its problems."""
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
    """Look at every page at each width and colour scheme; print and count the problems."""
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
