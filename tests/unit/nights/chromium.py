"""A page in a headless Chromium, driven by its own protocol: what it logs, asks for, and shows.

Chrome DevTools Protocol, domains Page, Runtime, Log, Network, Emulation and Input
(chromedevtools.github.io/devtools-protocol).
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from pytest_nrf_fota.deadline import Deadline

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--remote-debugging-port=0", "--remote-allow-origins=*"),
)
_WITHIN_S = 60.0


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass
class Opened:
    """A page that was loaded."""

    connection: ClientConnection
    session: str
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _number: int = 0

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its answer; events meanwhile are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.connection.send(json.dumps(message))
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def load(self, page: Path) -> None:
        """Go to a page, until it is complete."""
        url = page.resolve().as_uri()
        self.ask("Page.navigate", url=url)
        deadline = Deadline.after(_WITHIN_S)
        state = "document.readyState == 'complete' && location.href"
        while self.value(state) != url:
            assert not deadline.expired, f"{url} does not become complete"

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is; the page's policy does not hold for it."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as a person presses it."""
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}),
            )

    def picture(self, path: Path, *, is_whole: bool = True) -> None:
        """A screenshot, of the whole page or of what is seen first."""
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=is_whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=_WITHIN_S))
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled":
                self.said.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                self.said.append(str(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(f"{params['entry']['level']}: {params['entry']['text']}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case _:
                pass
        return message


@contextmanager
def browser(folder: Path) -> Iterator[ClientConnection]:
    """A browser with a profile of its own in `folder`; it has ended afterwards."""
    program = chromium()
    assert program is not None
    profile = folder / "profile"
    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = _url(process.stderr, Deadline.after(_WITHIN_S))
        with connect(url, max_size=64 * 1024 * 1024, compression=None) as connection:
            yield connection
    finally:
        process.terminate()
        process.communicate(timeout=_WITHIN_S)


def _url(lines: Iterator[str], deadline: Deadline) -> str:
    for line in lines:
        if line.startswith("DevTools listening on "):
            return line.removeprefix("DevTools listening on ").strip()
        assert not deadline.expired, "the browser did not say where it listens"
    raise AssertionError("the browser ended at once")


@contextmanager
def opened(
    connection: ClientConnection, page: Path, *, width: int, is_dark: bool = False
) -> Iterator[Opened]:
    """A page, loaded in a tab of its own."""
    whole = Opened(connection, "")
    target = whole.ask("Target.createTarget", url="about:blank")["targetId"]
    session = whole.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    tab = Opened(connection, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.ask(f"{domain}.enable")
    tab.ask(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    scheme = "dark" if is_dark else "light"
    tab.ask(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": scheme}],
    )
    tab.load(page)
    try:
        yield tab
    finally:
        whole.ask("Target.closeTarget", targetId=target)


def shown_texts(tab: Opened, selector: str) -> Sequence[str]:
    """The texts of all elements of a selector."""
    script = f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)"
    texts: list[str] = tab.value(script)
    return texts
