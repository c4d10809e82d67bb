"""What every console must do, whatever is behind it: a kit's VCOM, a virtual kit, QEMU.

`pytest tests/contract --board nrf5340dk` runs it on a kit.
"""

import re

import pytest

from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import ConsoleLostError, NotSeenError
from pytest_nrf_fota.providers.provider import Unit
from pytest_nrf_fota.record.recorder import FlightRecorder


def _boot_count(dut: Dut, since: LogPosition) -> int:
    return len(re.findall(dut.board.boot.app_ready, dut.console.text_since(since)))


def test_boot_is_in_the_log_from_its_first_line(running: Dut) -> None:
    since = running.position("reset")
    boot = running.reset()
    texts = [line.text for line in running.console.lines_since(since)]
    ready = [n for n, text in enumerate(texts) if re.search(running.board.boot.app_ready, text)]
    assert texts.index(boot.lines[0].text) < ready[0]


def test_log_goes_on_over_resets_and_nothing_before_is_lost(running: Dut) -> None:
    """A port that vanishes while the kit resets is the same console afterwards."""
    since = running.position("first")
    before = running.console.text_since(LogPosition(0))
    for _ in range(3):
        running.reset()
    assert running.console.text_since(LogPosition(0)).startswith(before)
    assert _boot_count(running, since) == 3
    assert not running.console.log.closed


def test_lines_carry_times_that_never_go_back(running: Dut) -> None:
    times_s = [line.time_s for line in running.console.lines_since(LogPosition(0))]
    assert times_s == sorted(times_s)
    assert len(times_s) > 1


def test_raw_bytes_are_kept(running: Dut) -> None:
    boot = running.last_boot()
    text = TextCleaner().clean(running.console.raw_log_path.read_bytes())
    assert "\n".join(line.text for line in boot.lines) in text


def test_what_never_comes_is_missed_in_time_and_shows_what_came(running: Dut) -> None:
    since = running.position("reset")
    boot = running.reset()
    with pytest.raises(NotSeenError, match=r"was not seen within 0\.3 s") as refusal:
        running.console.expect("this is never printed", since=since, within_s=0.3)
    assert boot.lines[-1].text in refusal.value.what


@pytest.mark.needs("shell")
def test_typed_commands_arrive_whole_one_after_another(running: Dut) -> None:
    boot_s = running.board.timeouts.boot_s
    answers = {running.shell.run("kernel version", boot_s) for _ in range(10)}
    (answer,) = answers
    assert "Zephyr version" in " ".join(answer)


def test_second_program_is_refused_and_the_log_goes_on(running: Dut) -> None:
    with pytest.raises(ConsoleLostError, match=r"cannot be opened.*\(pid \d+\)"):
        Console(
            running.console.port,
            baudrate=running.board.console.baudrate,
            raw_log_path=running.console.raw_log_path,
            recorder=FlightRecorder(),
        )
    running.reset()


def test_console_can_be_closed_and_opened_again(running: Dut, unit: Unit) -> None:
    port = running.console.port
    running.close()
    again = Dut(running.board, unit.name, unit.open_wires(running.recorder), running.recorder)
    try:
        assert again.console.port == port
        again.reset()
    finally:
        again.close()
