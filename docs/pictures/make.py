"""Make the pictures of README and manual from real runs: `make pictures`.

A time line of an update that a virtual kit refused, the page of a simulated night, and what the
terminal showed of a proven upgrade, as text. They are to be made again when what they show has
changed; a test says so of the terminal's text.
"""

import base64
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from docs.pictures.terminal import SESSION, record_session
from pytest_nrf_fota.nights.collect import make_report
from pytest_nrf_fota.nights.page import write_page
from tests.unit.nights.chromium import Opened, browser, chromium, opened
from tests.unit.nights.month import THREE_TROUBLES, Farm, write_month

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
LARGEST_BYTES = 150_000

# README's column is about 900 px wide on GitHub.
_WIDTH = 1060
_MARGIN = 14
_COLOURS = 64
_WITHIN_S = 300.0
_REFUSED = """
from pytest_nrf_fota import Dut, FirmwareSource, Variant, assert_upgraded


def test_boots(dut: Dut, firmware: FirmwareSource) -> None:
    dut.prepare(firmware.baseline)


def test_app_upgrade(dut: Dut, firmware: FirmwareSource) -> None:
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.variant(Variant.APP_WRONG_KEY)))
"""


def main() -> None:
    """Make all of them."""
    if chromium() is None:
        sys.exit("The pictures need a browser: apt install chromium")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        refused, night = _refused_update(folder / "run"), _night(folder / "farm")
        parts = (
            ("time-line.png", refused, "header", "#timeline"),
            ("night.png", night, "header", "nav"),
            ("night-matrix.png", night, "#matrix", ".matrix tbody tr:nth-child(9)"),
        )
        with browser(folder) as connection:
            for name, page, first, last in parts:
                with opened(connection, page, width=_WIDTH) as tab:
                    _save(tab, first, last, HERE / name)
    record_session(HERE / SESSION)
    _into_readme((HERE / SESSION).read_text(encoding="utf-8"))
    for path in sorted(HERE.glob("*.png")):
        print(f"{path.name}: {path.stat().st_size // 1000} kB")
    print(f"{SESSION}: {len((HERE / SESSION).read_text().splitlines())} lines")


def _refused_update(folder: Path) -> Path:
    """The time line of a test whose update is signed with a key that the board does not have."""
    folder.mkdir()
    (folder / "test_fota.py").write_text(_REFUSED, encoding="utf-8")
    command = ("pytest", "--board", "nrf5340dk_sim", "--run-dir=run", "test_fota.py")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
    )
    found = [*folder.glob("run/*/timeline.html")]
    if len(found) != 1:
        sys.exit(f"The run left no time line:\n{done.stdout}{done.stderr}")
    return found[0]


def _night(folder: Path) -> Path:
    """The page of a farm's night, at the end of a month with three troubles."""
    write_month(Farm(injected=THREE_TROUBLES), folder)
    made = make_report([folder])
    return write_page(made.report, folder / "report", made.store_folder)


def _save(tab: Opened, first: str, last: str, path: Path) -> None:
    """A picture from the begin of an element to the end of another one, in few colours.

    Exits where it is too large for a README.
    """
    place = "document.querySelector({!r}).getBoundingClientRect()"
    top = max(0, tab.value(place.format(first) + ".top + scrollY") - _MARGIN)
    bottom = tab.value(place.format(last) + ".bottom + scrollY") + 2
    clip = {"x": 0, "y": top, "width": _WIDTH, "height": bottom - top, "scale": 1}
    taken = tab.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    picture = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        sys.exit(f"{path} has {path.stat().st_size} bytes; at most {LARGEST_BYTES} go into README")


def _into_readme(session: str) -> None:
    """Put what the terminal showed where README has such a recording."""
    text = README.read_text(encoding="utf-8")
    block = "".join(f"    {line}\n" for line in session.splitlines())
    parts = re.split(r"(?m)(?:^    \$ pytest --board .*\n(?:    .*\n)+)", text)
    if len(parts) != 2:
        sys.exit(f"{README.name} has {len(parts) - 1} recordings that begin with `$ pytest`, not 1")
    README.write_text(block.join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
