"""Two ports in one capture: only the lines of one of them are a board's boots."""

import pytest

from pytest_nrf_fota.bootlog.catalogue import Stage
from tests.unit.boot_lines import report_of

_OWN = """\
*** Booting MCUboot v2.1.0 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
I: Starting swap using move algorithm.
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting My Application v1.0.0 ***
[00:00:00.010,000] <inf> app: running
""".splitlines()
_OTHER = "I: Starting bootloader\n*** Booting MCUboot v2.2.0 ***\n".splitlines()


@pytest.mark.parametrize("name", ["board-2 | ", "[dut2] ", "ttyACM1: ", "COM5> ", "uart1: "])
def test_other_ports_lines_are_left_out(name: str) -> None:
    """Between the lines of the first one, which has no name or another."""
    for own_name in ("", "board-1 | "):
        lines = [own_name + line for line in _OWN]
        for place in (2, 5, 8):
            lines[place:place] = [name + line for line in _OTHER]
        report = report_of("\n".join(lines) + "\n")
        (boot,) = report.boots
        assert [span.stage for span in boot.stages] == [Stage.MCUBOOT, Stage.APP]
        assert report.two_boards is not None
        assert report.two_boards.signs[0].text.startswith(name)


@pytest.mark.parametrize("name", ["board-2 | ", "[dut2] ", "ttyACM1: "])
def test_one_ports_name_is_taken_off(name: str) -> None:
    """All lines of one port are read as without its name."""
    named = report_of("".join(f"{name}{line}\n" for line in _OWN))
    plain = report_of("".join(f"{line}\n" for line in _OWN))
    assert [b.stages for b in named.boots] == [b.stages for b in plain.boots]
    assert named.two_boards is None


def test_table_of_an_application_is_its_own() -> None:
    """A column is no port."""
    table = ["sensor | value", "temp1  | 20.5", "uart1: 115200 baud"]
    (boot,) = report_of("\n".join([*_OWN, *table]) + "\n").boots
    assert [seen.text for seen in boot.lines[-3:]] == table
