"""Shell commands over a terminal, with their literal output."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.sim.app.shell import Shell
from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

DEVICE = "mx25r6435f@0"
SIZE = 0x10000
INTERNAL = MemoryLayout("application flash", 0, 0x2000, 0x1000, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SIZE, 0x1000, 4, 0.0, 0.0)
ERROR = re.compile(r"\x1b\[1;31m(.*)\x1b\[m")


class Host:
    """A terminal with a shell behind it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.flash = Flash((INTERNAL, EXTERNAL), self.clock)
        self.reboots = 0
        self._sent = bytearray()
        self._terminal = Terminal(self._sent.extend, self.clock, self._run)
        self._shell = Shell(self._terminal, self.flash, {DEVICE: EXTERNAL}, self._reboot)
        self._terminal.show_prompt()

    def run(self, command: str) -> list[str]:
        """Type a command; returns its output up to the next prompt. Errors begin with `!`."""
        self._sent.clear()
        self._terminal.receive(command.encode() + b"\r")
        echo, *output, prompt = self._sent.decode().split("\r\n")
        assert echo == command
        assert prompt.endswith("uart:~$ \x1b[m")
        return [ERROR.sub(r"!\1", line) for line in output]

    def _run(self, command: str) -> None:
        self._shell.execute(command)
        self._terminal.show_prompt()

    def _reboot(self) -> None:
        self.reboots += 1


@pytest.fixture
def host() -> Host:
    return Host()


class TestErase:
    def test_a_range(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, bytes(SIZE))

        assert host.run(f"flash erase {DEVICE} 1000 2000") == ["Erase success."]

        assert host.flash.read(EXTERNAL.start, 0x1000) == bytes(0x1000)
        assert host.flash.is_erased(EXTERNAL.start + 0x1000, 0x2000)
        assert host.flash.read(EXTERNAL.start + 0x3000, 4) == bytes(4)

    def test_numbers_may_have_a_prefix(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start + 0x1000, bytes(4))

        assert host.run(f"flash erase {DEVICE} 0x1000 0x1000") == ["Erase success."]
        assert host.flash.is_erased(EXTERNAL.start, SIZE)

    def test_without_a_size_it_is_one_page(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, bytes(0x2000))

        assert host.run(f"flash erase {DEVICE} 0") == ["Erase success."]
        assert host.flash.is_erased(EXTERNAL.start, 0x1000)
        assert host.flash.read(EXTERNAL.start + 0x1000, 4) == bytes(4)

    def test_the_whole_device_is_one_chip_erase_of_52_s(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, bytes(SIZE))
        before_s = host.clock.now_s

        assert host.run(f"flash erase {DEVICE} 0 {SIZE:x}") == ["Erase success."]

        assert host.flash.is_erased(EXTERNAL.start, SIZE)
        assert len(host.flash.operations) == 2
        assert host.clock.now_s - before_s >= 52.0

    @pytest.mark.parametrize(
        "arguments", ["10 1000", "1000 10", f"0 {SIZE + 0x1000:x}", f"{SIZE:x} 1000"]
    )
    def test_what_is_misaligned_or_outside_fails_with_einval(
        self, host: Host, arguments: str
    ) -> None:
        host.flash.write(EXTERNAL.start, bytes(SIZE))

        assert host.run(f"flash erase {DEVICE} {arguments}") == ["!Erase Failed, code -22."]
        assert host.flash.read(EXTERNAL.start, SIZE) == bytes(SIZE)

    def test_an_unknown_device(self, host: Host) -> None:
        assert host.run("flash erase mx25r64 0 1000") == ["!Given flash device was not found"]

    def test_a_missing_address(self, host: Host) -> None:
        assert host.run(f"flash erase {DEVICE}") == ["!Missing address."]

    @pytest.mark.parametrize("arguments", ["", f" {DEVICE} 0 1000 1"])
    def test_a_wrong_number_of_arguments(self, host: Host, arguments: str) -> None:
        assert host.run(f"flash erase{arguments}") == ["!erase: wrong parameter count"]
        assert host.flash.operations == []


class TestRead:
    def test_lines_of_16_bytes_with_a_gap_in_the_middle(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start + 0x40, bytes(range(0x10, 0x30)))

        assert host.run(f"flash read {DEVICE} 40 20") == [
            "00000040: 10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f |........ ........|",
            "00000050: 20 21 22 23 24 25 26 27  28 29 2a 2b 2c 2d 2e 2f | !\"#$%&' ()*+,-./|",
            "",
        ]

    def test_a_short_last_line_is_as_wide_as_the_others(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, b"\x7fELF" + bytes(16))

        assert host.run(f"flash read {DEVICE} 0 11") == [
            "00000000: 7f 45 4c 46 00 00 00 00  00 00 00 00 00 00 00 00 |.ELF.... ........|",
            "00000010: 00                                               |.                |",
            "",
        ]

    def test_one_byte_unless_told(self, host: Host) -> None:
        assert host.run(f"flash read {DEVICE} ABC") == [
            "00000ABC: ff                                               |.                |",
            "",
        ]

    def test_outside_the_device(self, host: Host) -> None:
        assert host.run(f"flash read {DEVICE} {SIZE - 4:x} 8") == ["!Read ERROR!"]

    @given(st.integers(0, SIZE - 64), st.integers(1, 64), st.binary(min_size=64, max_size=64))
    @settings(max_examples=40, deadline=None)
    def test_the_bytes_are_those_of_the_device(
        self, address: int, size_bytes: int, data: bytes
    ) -> None:
        host = Host()
        host.flash.write(EXTERNAL.start + address // 4 * 4, data)

        lines = host.run(f"flash read {DEVICE} {address:x} {size_bytes:x}")

        shown = b"".join(bytes.fromhex(line[10:59]) for line in lines if line)
        assert shown == host.flash.read(EXTERNAL.start + address, size_bytes)
        assert all(len(line) == len(lines[0]) for line in lines[:-1])


class TestOtherCommands:
    def test_unknown(self, host: Host) -> None:
        assert host.run("flahs erase") == ["!flahs: command not found"]

    def test_no_subcommand(self, host: Host) -> None:
        assert host.run("flash") == ["Please specify a subcommand."]

    def test_device_list(self, host: Host) -> None:
        assert host.run("device list") == ["devices:", f"- {DEVICE} (READY)"]

    @pytest.mark.parametrize("kind", ["cold", "warm"])
    def test_reboot(self, host: Host, kind: str) -> None:
        host.run(f"kernel reboot {kind}")

        assert host.reboots == 1

    @given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
    @settings(deadline=None)
    def test_any_line_brings_the_prompt_back(self, line: str) -> None:
        Host().run(line)

    @given(
        st.sampled_from(["erase", "read"]),
        st.lists(st.text("0123456789abcdefxX-_.+ ", max_size=12), max_size=3),
    )
    @settings(deadline=None)
    def test_any_arguments_bring_the_prompt_back(
        self, subcommand: str, arguments: list[str]
    ) -> None:
        host = Host()
        host.run(f"flash {subcommand} {DEVICE} {' '.join(arguments)}"[:60])
        assert host.flash.is_erased(INTERNAL.start, INTERNAL.size_bytes)
