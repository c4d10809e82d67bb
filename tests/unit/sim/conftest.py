"""Whatever the virtual kit's bootloaders print in these tests is known to the catalogue."""

from collections.abc import Callable, Iterator

import pytest

from pytest_nrf_fota.bootlog.catalogue import CATALOGUE
from pytest_nrf_fota.bootlog.matching import LineMatcher
from pytest_nrf_fota.sim.boot.stage import Hardware


@pytest.fixture(autouse=True)
def known_bootloader_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fails a test in which a bootloader printed a line that the catalogue does not know."""
    printed: list[str] = []
    as_it_is = Hardware.__init__

    def listening(hardware: Hardware, *arguments: object, **named: object) -> None:
        as_it_is(hardware, *arguments, **named)  # type: ignore[arg-type]
        object.__setattr__(hardware, "print_line", _also_to(printed, hardware.print_line))

    monkeypatch.setattr(Hardware, "__init__", listening)
    yield printed
    matcher = LineMatcher(CATALOGUE)
    unknown = {line for line in printed if line.strip() and not matcher.facts(line).hits}
    assert not unknown, f"the catalogue in bootlog/catalogue does not know {sorted(unknown)}"


def _also_to(printed: list[str], print_line: Callable[[str], None]) -> Callable[[str], None]:
    def both(text: str) -> None:
        printed.append(text)
        print_line(text)

    return both
