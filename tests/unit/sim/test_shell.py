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
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
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
ERROR = re.compile(r"\x1b\[1;31m([^\x1b]*)\r\n\x1b\[m")
WARNING = re.compile(r"\x1b\[1;33m(.*)\r\n\x1b\[m")
CONTROLLER = "flash-controller@39000"


PROMPT = "\x1b[1;32muart:~$ \x1b[m"


class Host:
    """A terminal with a shell behind it."""

    def __init__(self, controller: str | None = CONTROLLER) -> None:
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
            ImageGroupBuild(),
            lambda function, text: None,
            lambda word: self._terminal.log("mcuboot_util", "f", f"Swap type: {word}"),
        )
        self.target = ShellTarget(
            self.flash,
            {CONTROLLER: INTERNAL, DEVICE: EXTERNAL},
            images,
            self.clock,
            0.0,
            self._reboot,
            flash_controller=controller,
        )
        self._shell = Shell(self.target, self._terminal)
        self._terminal.show_prompt()

    def run(self, command: str) -> list[str]:
        """Type a command; returns its output up to the next prompt.

        Errors begin with `!`, warnings with `?`.
        """
        echo, *output = self.type(command.encode() + b"\r", PROMPT)
        assert echo == command
        return output

    def type(self, data: bytes, end: str = "") -> list[str]:
        """Send bytes; returns the lines that come back and asserts what follows them."""
        self._sent.clear()
        self._terminal.receive(data)
        text = WARNING.sub("?\\1\r\n", ERROR.sub("!\\1\r\n", self._sent.decode()))
        *lines, rest = text.split("\r\n")
        assert rest == end
        return lines

    def log(self, text: str) -> str:
        """The application logs; returns what was sent."""
        self._sent.clear()
        self._terminal.print(text)
        return self._sent.decode()

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
        assert host.run(f"flash erase{arguments}") == [
            "!erase: wrong parameter count",
            "erase - [<device>] <page address> [<size>]",
            "Subcommands:",
            f"  {CONTROLLER}",
            f"  {DEVICE}          ",
        ]
        assert host.flash.operations == []

    def test_without_a_device_it_is_the_flash_controller(self, host: Host) -> None:
        host.flash.write(INTERNAL.start, bytes(0x1000))

        assert host.run("flash erase 0") == ["Erase success."]
        assert host.flash.is_erased(INTERNAL.start, INTERNAL.size_bytes)

    def test_the_flash_controller_erases_page_by_page(self, host: Host) -> None:
        assert host.run(f"flash erase 0 {INTERNAL.size_bytes:x}") == ["Erase success."]
        pages = INTERNAL.size_bytes // INTERNAL.page_size_bytes
        assert len(host.flash.operations) == pages

    def test_without_a_device_or_a_size_beyond_the_device(self, host: Host) -> None:
        assert host.run(f"flash erase {DEVICE} {SIZE:x}") == [
            "!Could not determine page size, code -22."
        ]


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
        # Line by line: what lies within is shown before.
        assert len(host.run(f"flash read {DEVICE} {SIZE - 20:x} 18")) == 2

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
            ("flash explode", "flash:unknown parameter: explode"),
            ("flash read zzz 0", "Given flash device was not found"),
            ("mcuboot erase 3", "failed to erase bank 3"),
            ("-h", "-h: command not found"),
            (f"flash read {DEVICE} --help", "Please specify a subcommand."),
        ],
    )
    def test_mistakes(self, host: Host, command: str, error: str) -> None:
        assert host.run(command) == [f"!{error}"]
        assert host.flash.operations == []
        assert host.reboots == 0

    def test_a_build_without_a_flash_controller_needs_the_device(self) -> None:
        host = Host(controller=None)

        assert host.run("flash read 0") == ["!No flash device specified (required)"]

    def test_a_wrong_option_is_a_warning(self, host: Host) -> None:
        assert host.run("mcuboot request_upgrade now") == ["?invalid argument!"]

    @pytest.mark.parametrize(
        ("command", "name", "help_text"),
        [
            ("help me", "help", "Prints the help message."),
            ("mcuboot confirm it", "confirm", "confirm"),
            ("mcuboot erase", "erase", "erase <area_id>"),
        ],
    )
    def test_a_wrong_number_of_arguments(
        self, host: Host, command: str, name: str, help_text: str
    ) -> None:
        """As Zephyr 4.4 prints it: the error in red, then the command's help."""
        assert host.run(command) == [f"!{name}: wrong parameter count", f"{name} - {help_text}"]

    @pytest.mark.parametrize("command", ["flash", "flash explode now"])
    def test_a_wrong_number_of_arguments_of_a_parent(self, host: Host, command: str) -> None:
        assert host.run(command)[:3] == [
            "!flash: wrong parameter count", "flash - Flash shell commands", "Subcommands:",
        ]  # fmt: skip

    @pytest.mark.parametrize("command", ["kernel", "kernel explode", "kernel -h", "kernel --help"])
    def test_a_parent_alone_prints_its_help(self, host: Host, command: str) -> None:
        """As Zephyr 4.4 prints it, but for the commands that 2.3 has not."""
        assert host.run(command) == [
            "kernel - Kernel commands",
            "Subcommands:",
            "  cycles   : Kernel cycles.",
            "  reboot   : Reboot.",
            "  uptime   : Kernel uptime.",
            "  version  : Kernel version.",
        ]

    def test_other_parents(self, host: Host) -> None:
        assert host.run("device") == [
            "device - Device commands", "Subcommands:", "  list  : List configured devices",
        ]  # fmt: skip
        assert host.run("kernel reboot") == [
            "reboot - Reboot.", "Subcommands:", "  cold  : Cold reboot.", "  warm  : Warm reboot.",
        ]  # fmt: skip
        assert host.reboots == 0

    def test_what_checks_no_arguments_ignores_them(self, host: Host) -> None:
        assert host.run("kernel version x") == ["Zephyr version 3.2.99"]
        assert mcuboot(host, "explode") == mcuboot(host)

    def test_a_command_has_at_most_20_words(self, host: Host) -> None:
        words = "a " * 17

        assert host.run(f"x y z {words}") == ["!x: command not found"]
        assert host.run(f"x y z {words}b") == ["!Too many arguments in the command.", ""]

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
        assert host.run("device list") == [
            "devices:", f"- {CONTROLLER} (READY)", f"- {DEVICE} (READY)",
        ]  # fmt: skip

    def test_cycles_are_those_of_the_rtc(self, host: Host) -> None:
        host.clock.advance(200_000.0)

        (line,) = host.run("kernel cycles")

        found = re.fullmatch(r"cycles: (\d+) hw cycles", line)
        assert found is not None
        assert 200_000 * 32768 % 2**32 <= int(found[1]) < 200_010 * 32768 % 2**32

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
        written = host.run(f"flash write {DEVICE} 10 11223344 5")

        assert written == ["Write OK.", "Verified."]
        assert host.flash.read(EXTERNAL.start + 0x10, 8).hex() == "4433221105000000"

    def test_into_the_flash_controller(self, host: Host) -> None:
        assert host.run("flash write 10 1") == ["Write OK.", "Verified."]
        assert host.flash.read(INTERNAL.start + 0x10, 4) == b"\x01\0\0\0"

    def test_over_other_data_the_verification_fails(self, host: Host) -> None:
        host.flash.write(EXTERNAL.start, bytes(4))

        assert host.run(f"flash write {DEVICE} 0 ffffffff") == [
            "Write OK.", "!Verification ERROR!",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (f"{DEVICE} 0", "Missing data to be written."),
            (f"{DEVICE} 2 1", "Write internal ERROR!"),
            (f"{DEVICE} {SIZE:x} 1", "Write internal ERROR!"),
        ],
    )
    def test_errors(self, host: Host, arguments: str, error: str) -> None:
        assert host.run(f"flash write {arguments}") == [f"!{error}"]
        assert host.flash.is_erased(EXTERNAL.start, SIZE)

    @pytest.mark.parametrize("arguments", [DEVICE, "0"])
    def test_too_few_arguments(self, host: Host, arguments: str) -> None:
        assert host.run(f"flash write {arguments}")[0] == "!write: wrong parameter count"

    def test_a_device_s_end_is_not_that_of_the_memory_behind_it(self) -> None:
        host = Host()

        assert host.run(f"flash write {INTERNAL.size_bytes:x} 0") == ["!Write internal ERROR!"]
        assert host.run(f"flash read {INTERNAL.size_bytes:x}") == ["!Read ERROR!"]
        assert host.flash.operations == []


def loaded(host: Host, data: bytes, piece_bytes: int) -> list[str]:
    """Send data piece by piece; returns all lines up to the prompt."""
    lines: list[str] = []
    for start in range(0, len(data), piece_bytes):
        is_last = start + piece_bytes >= len(data)
        lines += host.type(data[start : start + piece_bytes], PROMPT if is_last else "")
    return lines


class TestLoad:
    """flash_shell.c, cmd_load and bypass_cb."""

    @pytest.mark.parametrize("piece_bytes", [1, 16, 60, 64])
    @pytest.mark.parametrize("size_bytes", [4, 256, 260, 600, 1024])
    def test_what_is_typed_is_written(self, size_bytes: int, piece_bytes: int) -> None:
        host = Host()
        # Line ends, backspaces and escape codes are data like any other.
        data = bytes(index * 7 & 0xFF for index in range(size_bytes))

        assert host.type(f"flash load {DEVICE} 1000 {size_bytes}\r".encode()) == [
            f"flash load {DEVICE} 1000 {size_bytes}",
            f"Loading {size_bytes} bytes starting at address 1000",
            "Loading...",
        ]
        assert loaded(host, data, piece_bytes) == [
            *[f"Written chunk {index}" for index in range(-(-size_bytes // 256))],
            "Read all",
        ]
        assert host.flash.read(EXTERNAL.start + 0x1000, size_bytes) == data
        assert host.flash.is_erased(EXTERNAL.start + 0x1000 + size_bytes, 16)
        assert host.run("kernel version") == ["Zephyr version 3.2.99"]

    def test_the_size_is_decimal_unless_it_has_a_prefix(self, host: Host) -> None:
        assert host.type(b"flash load 0 0x10\r")[1] == "Loading 16 bytes starting at address 0"
        assert loaded(host, bytes(16), 16)[-1] == "Read all"
        assert host.flash.read(INTERNAL.start, 16) == bytes(16)

    def test_what_does_not_fit_into_the_ring_is_lost(self, host: Host) -> None:
        host.type(f"flash load {DEVICE} 0 128\r".encode())

        assert host.type(bytes(128)) == []
        assert host.type(bytes(64), PROMPT) == ["Written chunk 0", "Read all"]

    def test_of_the_last_piece_the_rest_is_lost_and_what_follows_is_a_command(
        self, host: Host
    ) -> None:
        host.type(f"flash load {DEVICE} 0 4\r".encode())

        # 16 bytes are read at once: 4 of data, 12 that nobody gets.
        lines = host.type(bytes(4) + b"lost in here" + b"kernel version\r", PROMPT)

        assert lines == [
            "Written chunk 0", "Read all", f"{PROMPT}kernel version", "Zephyr version 3.2.99",
        ]  # fmt: skip

    def test_the_log_goes_on_meanwhile_without_a_prompt(self, host: Host) -> None:
        host.type(f"flash load {DEVICE} 0 4\r".encode())

        assert host.log("Connected") == "Connected\r\n"
        assert host.type(bytes(4), PROMPT) == ["Written chunk 0", "Read all"]

    @pytest.mark.parametrize(
        ("arguments", "lines"),
        [
            (f"{DEVICE} 0 6", ["!Size must be 4 bytes aligned"]),
            ("zzz 0 4", ["!Given flash device was not found"]),
        ],
    )
    def test_errors(self, host: Host, arguments: str, lines: list[str]) -> None:
        assert host.run(f"flash load {arguments}") == lines

    def test_what_cannot_be_written(self, host: Host) -> None:
        """A whole chunk is counted all the same, a last short one ends the load."""
        host.type(f"flash load {DEVICE} {SIZE:x} 260\r".encode())

        lines = loaded(host, bytes(260), 64)

        error = "!Write to addr {:x} on dev 0x3a1c8 ERROR!"
        assert lines == [error.format(SIZE), "Written chunk 0", error.format(SIZE + 256)]


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
        ],
    )
    def test_errors(self, host: Host, arguments: str, error: str) -> None:
        assert host.run(f"flash test {DEVICE} {arguments}") == [f"!{error}"]
        assert host.flash.operations == []

    def test_no_bytes_are_easily_written(self, host: Host) -> None:
        assert host.run(f"flash test {DEVICE} 0 0 1") == [
            "Erase OK.", "Write OK.", "Erase-Write test done.",
        ]  # fmt: skip

    def test_too_few_arguments(self, host: Host) -> None:
        assert host.run(f"flash test {DEVICE} 0")[0] == "!test: wrong parameter count"
        assert host.run(f"flash test {DEVICE} 0 1000") == ["Erase-Write test done."]
        assert host.flash.operations == []


class TestPageInfo:
    def test_of_an_address_within_a_page(self, host: Host) -> None:
        assert host.run(f"flash page_info {DEVICE} 2abc") == [
            "Page for address 0x2abc:", "start offset: 0x2000", "size: 4096", "index: 2",
        ]  # fmt: skip

    def test_outside(self, host: Host) -> None:
        assert host.run(f"flash page_info {DEVICE} {SIZE:x}") == [
            "!Could not determine page size, error code -22."
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

    def test_a_bad_magic_is_an_error_of_both(self, host: Host) -> None:
        """Facts, 4.2: a confirmation fails; a mark costs the image."""
        for area in (host.primary, host.secondary):
            area.write(0, signed(ImageVersion(1, 1, 0)))
            area.write(SLOT_BYTES - 16, b"stale magic.....")
        assert mcuboot(host)[:2] == ["swap type: none", "confirmed: 0"]

        assert host.run("mcuboot confirm") == ["!failed to confirm: -5"]
        assert host.run("mcuboot request_upgrade") == ["!failed to request upgrade: -14"]

        assert host.secondary.is_erased(0, SLOT_BYTES)
        assert not host.primary.is_erased(0, SLOT_BYTES)


def mcuboot(host: Host, *arguments: str) -> list[str]:
    lines = host.run(" ".join(["mcuboot", *arguments]))
    assert "mcuboot_util: f: Swap type: " in lines[0]
    return lines[1:]


def test_output_can_be_captured(host: Host) -> None:
    output = CapturedOutput()
    shell = Shell(host.target, output)

    assert shell.execute(["kernel", "version"]) == 0
    assert shell.execute(["flash", "erase", "x"]) == -19
    assert output.text == "Zephyr version 3.2.99\r\nGiven flash device was not found\r\n"
