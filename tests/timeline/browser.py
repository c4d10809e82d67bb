"""A headless Chromium that opens a page of this host, and tells what it did."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

_PROGRAMS = ("chromium", "chromedriver")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_OWN = ("file:", "data:", "about:", "chrome:", "devtools:")


@dataclass
class Browser:
    """One tab."""

    driver: webdriver.Chrome

    def open(
        self, page: Path, width: int = 1400, scheme: str = "light", media: str = "screen"
    ) -> None:
        """Open a page in a window of so many CSS pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        self.driver.get("about:blank")
        self._log("browser")
        self._log("performance")
        self.driver.get(page.as_uri())

    def complaints(self) -> list[str]:
        """What the console holds, and what was asked of a network, since the page was opened."""
        said = self._log("browser")
        events = [json.loads(entry)["message"] for entry in self._log("performance")]
        urls = [
            str(event["params"]["request"]["url"])
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        assert urls, "the page itself is a request; nothing would be noticed"
        return said + [url for url in urls if not url.startswith(_OWN)]

    def run(self, script: str, *arguments: object) -> object:
        """The value of a script's body."""
        return self.driver.execute_script(script, *arguments)

    def _log(self, kind: str) -> list[str]:
        """What was logged since the last call."""
        entries = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries]

    @property
    def focused(self) -> WebElement:
        """What has the keyboard's focus."""
        return self.driver.switch_to.active_element


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    found = {name: shutil.which(name) for name in _PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        pytest.skip(
            f"{' and '.join(missing)} missing (Debian: apt install chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = str(found["chromium"])
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(found["chromedriver"])))
    try:
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()
