"""The Chromium of this machine, headless: how it is started, set up, and listened to."""

from __future__ import annotations

import json
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
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
    """Return the requests of the page to places other than the site."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    return [url for url in urls if not url.startswith((home, "data:", "blob:", "chrome:"))]
