"""Pages in headless Chromium, and the tools that make them; a test is skipped where one is missing.

apt install chromium chromium-driver
npm install --prefix .npm allure@3 allure-commandline@2
"""

import contextlib
import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_FOUND = TypeVar("_FOUND")
_ROOT = Path(__file__).parents[2]
_WITHIN_S = 60.0
# A folder for pictures of each page, for people to look at.
_PICTURES = "NRF_FOTA_PICTURES"


def npm_program(name: str) -> str:
    """A program of an npm package, in the repository's `.npm`."""
    path = _ROOT / ".npm" / "node_modules" / name
    if not path.is_file():
        pytest.skip(
            f"{name} is missing: npm install --prefix .npm allure@3 allure-commandline@2 "
            "(needs Node.js; the second one Java)"
        )
    return str(path)


def needed_program(name: str) -> str:
    """A program of this machine."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: apt install chromium chromium-driver default-jre-headless")
    return path


class Browser:
    """One page at a time; whatever is asked for is waited for."""

    def __init__(self, driver: webdriver.Chrome, pictures: Path) -> None:
        self._driver = driver
        self._pictures = pictures

    def open(self, url: str) -> None:
        """Load a page."""
        self._driver.get("about:blank")
        self._driver.get(url)

    def click(self, text: str) -> None:
        """Click on what has this text."""

        def try_to(driver: webdriver.Chrome) -> bool:
            try:
                _with_text(driver, text).click()
            except WebDriverException:
                return False
            return True

        self._wait(try_to, f"nothing to click on: {text}")

    def see(self, *texts: str) -> None:
        """Wait until all these texts are on the page."""
        for text in texts:
            self._wait(lambda driver: text in self.text(), f"not on the page: {text}")  # noqa: B023

    def text(self) -> str:
        """What can be read, in frames as well."""
        read = "return document.body ? document.body.innerText : ''"
        texts = [str(self._driver.execute_script(read))]
        with contextlib.suppress(WebDriverException):  # a frame that was replaced meanwhile
            for frame in self._driver.find_elements(By.TAG_NAME, "iframe"):
                self._driver.switch_to.frame(frame)
                texts.append(str(self._driver.execute_script(read)))
                self._driver.switch_to.default_content()
        self._driver.switch_to.default_content()
        return "\n".join(texts)

    def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def console(self) -> list[str]:
        """What the page complained of since the last time."""
        entries = self._driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries]

    def _wait(self, condition: Callable[[webdriver.Chrome], _FOUND], otherwise: str) -> None:
        WebDriverWait(self._driver, _WITHIN_S).until(condition, f"{otherwise}\n{self.text()}")


@contextmanager
def browser(pictures: Path) -> Iterator[Browser]:
    """Headless Chromium; its processes end with the context.

    Args:
        pictures: where pictures go, unless the environment names a folder.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = needed_program("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1400"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(needed_program("chromedriver")))
    try:
        yield Browser(driver, Path(os.environ.get(_PICTURES, pictures)))
    finally:
        driver.quit()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a folder on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _with_text(driver: webdriver.Chrome, text: str) -> WebElement:
    return driver.find_element(By.XPATH, f'//*[normalize-space(text())="{text}"]')
