"""Shell commands over a terminal, with their literal output."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.app.images import ImageManager
from pytest_nrf_fota.sim.app.shell import CapturedOutput, Shell, ShellTarget
from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import write_copy_done, write_magic, write_swap_info

DEVICE = "mx25r6435f@0"
SIZE = 0x10000
INTERNAL = MemoryLayout("application flash", 0, 0x2000, 0x1000, 4, 0.0, 0.0)
SLOT_BYTES = 0x10000
SLOTS = MemoryLayout("slots", 0x100000, 2 * SLOT_BYTES, 0x1000, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SIZE, 0x1000, 4, 0.0, 0.0)
ERROR = re.compile(r"\x1b\[1;31m(.*)\x1b\[m")


class Host:
    """A terminal with a shell behind it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.flash = Flash((INTERNAL, SLOTS, EXTERNAL), self.clock)
        self.primary = FlashArea(self.flash, "primary", SLOTS.start, SLOT_BYTES)
        self.secondary = FlashArea(self.flash, "secondary", SLOTS.start + SLOT_BYTES, SLOT_BYTES)
        self.reboots = 0
        self._sent = bytearray()
        self._terminal = Terminal(self._sent.extend, self.clock, self._run)
        images = ImageManager(
            self.primary,
            self.secondary,
            256,
            lambda function, text: None,
            lambda word: self._terminal.log("mcuboot_util", "f", f"Swap type: {word}"),
        )
        self.target = ShellTarget(
            self.flash, {DEVICE: EXTERNAL}, images, self.clock, 0.0, self._reboot
        )
        self._shell = Shell(self.target, self._terminal)
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
        self._shell.execute(command.split())
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

    @pytest.mark.parametrize(
        ("command", "error"),
        [
            ("flash", "flash: wrong parameter count"),
            ("flash explode", "flash:unknown parameter: explode"),
            ("flash explode now", "flash: wrong parameter count"),
            ("flash read 0", "No flash device specified (required)"),
            ("flash read zzz 0", "Given flash device was not found"),
            ("kernel", "Please specify a subcommand."),
            ("kernel reboot", "Please specify a subcommand."),
            ("kernel reboot cold now", "cold: wrong parameter count"),
            ("kernel uptime now", "uptime: wrong parameter count"),
            ("device", "Please specify a subcommand."),
            ("help me", "help: wrong parameter count"),
            ("mcuboot explode", "mcuboot: wrong parameter count"),
            ("mcuboot confirm it", "confirm: wrong parameter count"),
            ("mcuboot erase", "erase: wrong parameter count"),
            ("mcuboot erase 3", "failed to erase bank 3"),
            ("mcuboot request_upgrade now", "invalid argument!"),
        ],
    )
    def test_mistakes(self, host: Host, command: str, error: str) -> None:
        assert host.run(command) == [f"!{error}"]
        assert host.flash.operations == []
        assert host.reboots == 0

    def test_a_command_has_at_most_20_words(self, host: Host) -> None:
        words = "a " * 17

        assert host.run(f"x y z {words}") == ["!x: command not found"]
        assert host.run(f"x y z {words}b") == ["!Too many arguments in the command."]

    def test_help_names_all_commands(self, host: Host) -> None:
        lines = host.run("help")

        assert lines[0] == "Please press the <Tab> button to see all available commands."
        assert [line.split()[0] for line in lines[lines.index("Available commands:") + 1 :]] == [
            "device", "flash", "help", "kernel", "mcuboot",
        ]  # fmt: skip

    def test_version(self, host: Host) -> None:
        assert host.run("kernel version") == ["Zephyr version 3.2.99"]

    def test_uptime_counts_the_kits_time(self, host: Host) -> None:
        host.clock.advance(4000)

        (line,) = host.run("kernel uptime")

        found = re.fullmatch(r"Uptime: (\d+) ms", line)
        assert found is not None and int(found[1]) >= 4_000_000

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


class TestWrite:
    def test_words_are_little_endian(self, host: Host) -> None:
        assert host.run(f"flash write {DEVICE} 10 11223344 5") == ["Write OK."]
        assert host.flash.read(EXTERNAL.start + 0x10, 8).hex() == "4433221105000000"

    def test_verified(self, host: Host) -> None:
        assert host.run(f"flash write {DEVICE} 10 -v 11223344") == ["Write OK.", "Verified."]

    def test_over_other_data_the_verification_fails(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, bytes(4))

        assert host.run(f"flash write {DEVICE} 0 -v ffffffff") == [
            "Write OK.", "!Verification ERROR!",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ("0", "Missing data to be written."),
            ("0 -v", "Missing data to be written."),
            ("2 1", "Write internal ERROR!"),
            (f"{SIZE:x} 1", "Write internal ERROR!"),
            ("", "write: wrong parameter count"),
        ],
    )
    def test_errors(self, host: Host, arguments: str, error: str) -> None:
        assert host.run(f"flash write {DEVICE} {arguments}") == [f"!{error}"]
        assert host.flash.is_erased(EXTERNAL.start, SIZE)


class TestTest:
    def test_erases_and_writes_as_often_as_told(self, host: Host) -> None:
        assert host.run(f"flash test {DEVICE} 1000 1000 2") == [
            "Erase OK.", "Write OK.", "Erase OK.", "Write OK.", "Erase-Write test done.",
        ]  # fmt: skip
        assert host.flash.read(EXTERNAL.start + 0x10FF, 2) == b"\xff\x00"

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ("0 1001 1", "<size> must be at most 0x1000."),
            ("10 1000 1", "Erase Failed, code -22."),
            ("0 1000", "test: wrong parameter count"),
        ],
    )
    def test_errors(self, host: Host, arguments: str, error: str) -> None:
        assert host.run(f"flash test {DEVICE} {arguments}") == [f"!{error}"]
        assert host.flash.operations == []


class TestPageInfo:
    def test_of_an_address_within_a_page(self, host: Host) -> None:
        assert host.run(f"flash page_info {DEVICE} 2abc") == [
            "Page for address 0x2abc:", "start offset: 0x2000", "size: 4096", "index: 2",
        ]  # fmt: skip

    def test_outside(self, host: Host) -> None:
        assert host.run(f"flash page_info {DEVICE} {SIZE:x}") == [
            "!Could not determine page size, code -22."
        ]


def signed(version: ImageVersion) -> bytes:
    payload = build_payload(0x28200, 0x1000, AppDescription(build_time=str(version)))
    data = sign_for_mcuboot(payload, version, SlotLayout(SLOT_BYTES), None)
    return data + b"\xff" * (-len(data) % 4)


class TestMcuboot:
    """Log lines of the swap type lie between the output's lines, as on the board."""

    def test_without_any_image(self, host: Host) -> None:
        assert mcuboot(host) == [
            "swap type: none", "confirmed: 1",
            "", "!failed to read primary area (1) header: -5",
            "", "!failed to read secondary area (2) header: -5",
        ]  # fmt: skip

    @pytest.mark.parametrize(("option", "word"), [("", "test"), (" permanent", "perm")])
    def test_from_the_request_to_the_erase(self, host: Host, option: str, word: str) -> None:
        host.primary.write(0, signed(ImageVersion(1, 0, 0)))
        host.secondary.write(0, signed(ImageVersion(1, 1, 0, 4)))

        assert host.run(f"mcuboot request_upgrade{option}") == []
        lines = mcuboot(host)
        assert lines[:4] == [f"swap type: {word}", "confirmed: 1", "", "primary area (1):"]
        assert lines[4] == "  version: 1.0.0+0"
        assert lines[6:11] == [
            "  magic: unset", "  swap type: none", "  copy done: unset", "  image ok: unset", "",
        ]  # fmt: skip
        image_ok = "set" if option else "unset"
        assert lines[11:13] == ["secondary area (2):", "  version: 1.1.0+4"]
        assert lines[14:] == [
            "  magic: good",
            f"  swap type: {word}",
            "  copy done: unset",
            f"  image ok: {image_ok}",
        ]

        assert host.run("mcuboot erase 0x2") == []
        assert host.secondary.is_erased(0, SLOT_BYTES)
        assert mcuboot(host)[0] == "swap type: none"

    def test_confirm_keeps_the_running_test(self, host: Host) -> None:
        host.primary.write(0, signed(ImageVersion(1, 1, 0)))
        write_swap_info(host.primary, SwapType.TEST, 0)
        write_copy_done(host.primary)
        write_magic(host.primary)
        assert mcuboot(host)[:2] == ["swap type: revert", "confirmed: 0"]

        assert host.run("mcuboot confirm") == []

        assert mcuboot(host)[:2] == ["swap type: none", "confirmed: 1"]


def mcuboot(host: Host) -> list[str]:
    lines = host.run("mcuboot")
    assert "mcuboot_util: f: Swap type: " in lines[0]
    return lines[1:]


def test_output_can_be_captured(host: Host) -> None:
    output = CapturedOutput()
    shell = Shell(host.target, output)

    assert shell.execute(["kernel", "version"]) == 0
    assert shell.execute(["flash", "erase", "x"]) == -19
    assert output.text == "Zephyr version 3.2.99\r\nGiven flash device was not found\r\n"
