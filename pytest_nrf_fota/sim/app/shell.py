"""The shell commands of the application (Zephyr flash_shell.c).

Texts, parameter counts and return codes as in Zephyr's flash_shell.c, mcuboot_shell.c,
kernel_service.c and device_service.c. Inferred, because no log of a kit shows it: which
commands the application has.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pytest_nrf_fota.firmware.mcuboot_image import ImageHeader, NotAnImageError
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.app.images import ImageManager
from pytest_nrf_fota.sim.app.shell_command import (
    EINVAL,
    Command,
    ShellOutput,
    execute_line,
    print_list,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, FlashError, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import read_trailer

# MX25R6435F: a chip erase takes 52 s typical, 64 KiB blocks 480 ms, 4 KiB sectors 48 ms.
CHIP_ERASE_S = 52.0
# The nRF's system timer is its RTC.
CYCLES_PER_S = 32768
EIO = -5
EFAULT = -14
ENODEV = -19
MOST_TEST_BYTES = 0x1000
MOST_WORDS = 18
LOAD_BUFFER_BYTES = 256
READ_BYTES = 16
# `struct device` of the QSPI flash, printed with %p; made up.
DEVICE_ADDRESS = 0x3A1C8
WORD = struct.Struct("<I")
HEADER_BYTES = 32
_HEXADECIMAL = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)")

HELP = (
    "Please press the <Tab> button to see all available commands.",
    "You can also use the <Tab> button to prompt or auto-complete all commands or its subcommands.",
    "You can try to call commands with <-h> or <--help> parameter for more information.",
    "",
    "Shell supports following meta-keys:",
    "  Ctrl + (a key from: abcdefklnpuw)",
    "  Alt  + (a key from: bf)",
    "Please refer to shell documentation for more details.",
    "",
    "Available commands:",
)


@dataclass(frozen=True)
class McubootAreas:
    """Flash area numbers of image 0's slots, as `mcuboot` prints them.

    Inferred: 1, and 2 as in `Failed to open flash area ID 2 (image 0 slot 1)`
    (MCUboot without a QSPI driver).
    """

    primary: int = 1
    secondary: int = 2


@dataclass(frozen=True)
class ShellTarget:
    """What the commands work on.

    Args:
        flash: the kit's memories.
        flash_devices: shell device name -> the memory behind it.
        flash_controller: which of them is devicetree's `zephyr,flash-controller`, the device of
            commands that name none; None for a build without it. It erases page by page, the
            others have a chip erase.
        images: the slots, for `mcuboot`.
        clock: for `kernel uptime`, which counts from `started_at_s` of the clock on.
        on_reboot: called by `kernel reboot`.
        zephyr_version: as `kernel version` prints it.
        areas: the slots' numbers.
    """

    flash: Flash
    flash_devices: dict[str, MemoryLayout]
    images: ImageManager
    clock: VirtualClock
    started_at_s: float
    on_reboot: Callable[[], None]
    zephyr_version: str = "3.2.99"
    flash_controller: str | None = None
    areas: McubootAreas = McubootAreas()


class Shell:
    """Executes command lines.

    Args:
        target: what the commands work on.
        output: where they print.
    """

    def __init__(self, target: ShellTarget, output: ShellOutput) -> None:
        self._target = target
        self._output = output
        self._commands = (
            Command("device", "Device commands", subcommands=self._device_commands()),
            Command("flash", "Flash shell commands", self._flash, 2, 0, self._flash_commands()),
            Command("help", "Prints the help message.", self._help, 1),
            Command("kernel", "Kernel commands", subcommands=self._kernel_commands()),
            Command("mcuboot", "MCUboot commands", self._mcuboot, 0, 0, self._mcuboot_commands()),
        )

    def execute(self, arguments: list[str]) -> int:
        """Run one command; its output is printed before this returns.

        Returns what the handler returns, 0 or a negative errno, or 1 where help was printed.
        """
        return execute_line(self._commands, arguments, self._output)

    def _device_commands(self) -> tuple[Command, ...]:
        return (Command("list", "List configured devices", self._device_list),)

    def _kernel_commands(self) -> tuple[Command, ...]:
        reboot = (
            Command("cold", "Cold reboot.", self._reboot),
            Command("warm", "Warm reboot.", self._reboot),
        )
        return (
            Command("cycles", "Kernel cycles.", self._kernel_cycles),
            Command("reboot", "Reboot.", subcommands=reboot),
            Command("uptime", "Kernel uptime.", self._kernel_uptime),
            Command("version", "Kernel version.", self._kernel_version),
        )

    def _flash_commands(self) -> tuple[Command, ...]:
        devices = tuple(Command(name, None) for name in self._target.flash_devices)
        return (
            Command(
                "erase", "[<device>] <page address> [<size>]", self._flash_erase, 2, 2, devices
            ),
            Command(
                "read", "[<device>] <address> [<Dword count>]", self._flash_read, 2, 2, devices
            ),
            Command(
                "test",
                "[<device>] <address> <size> <repeat count>",
                self._flash_test,
                4,
                1,
                devices,
            ),
            Command(
                "write",
                "[<device>] <address> <dword> [<dword>...]",
                self._flash_write,
                3,
                MOST_WORDS,
                devices,
            ),
            Command("load", "[<device>] <address> <size>", self._flash_load, 3, 1, devices),
            Command("page_info", "[<device>] <address>", self._flash_page_info, 2, 1, devices),
        )

    def _mcuboot_commands(self) -> tuple[Command, ...]:
        return (
            Command("confirm", "confirm", self._mcuboot_confirm, 1),
            Command("erase", "erase <area_id>", self._mcuboot_erase, 2),
            Command("request_upgrade", "request_upgrade [permanent]", self._request_upgrade, 1, 1),
        )

    def _fail(self, text: str, code: int) -> int:
        self._output.error(text)
        return code

    def _help(self, _arguments: list[str]) -> int:
        for line in HELP:
            self._output.print(line)
        print_list(self._commands, self._output)
        return 0

    def _device_list(self, _arguments: list[str]) -> int:
        self._output.print("devices:")
        for name in self._target.flash_devices:
            self._output.print(f"- {name} (READY)")
        return 0

    @property
    def _uptime_s(self) -> float:
        return self._target.clock.now_s - self._target.started_at_s

    def _kernel_cycles(self, _arguments: list[str]) -> int:
        self._output.print(f"cycles: {int(self._uptime_s * CYCLES_PER_S) & 0xFFFFFFFF} hw cycles")
        return 0

    def _kernel_uptime(self, _arguments: list[str]) -> int:
        self._output.print(f"Uptime: {int(self._uptime_s * 1000)} ms")
        return 0

    def _kernel_version(self, _arguments: list[str]) -> int:
        self._output.print(f"Zephyr version {self._target.zephyr_version}")
        return 0

    def _reboot(self, _arguments: list[str]) -> int:
        self._target.on_reboot()
        return 0

    def _flash(self, arguments: list[str]) -> int:
        return self._fail(f"flash:unknown parameter: {arguments[0]}", EINVAL)

    def _flash_erase(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        if place.words:
            size_bytes = _hexadecimal(place.words[0])
        elif place.address < place.device.size_bytes:
            size_bytes = place.device.page_size_bytes
        else:
            return self._fail(f"Could not determine page size, code {EINVAL}.", EINVAL)
        try:
            self._erase(place, size_bytes)
        except FlashError:
            return self._fail(f"Erase Failed, code {EINVAL}.", EINVAL)
        self._output.print("Erase success.")
        return 0

    def _erase(self, place: "_Place", size_bytes: int) -> None:
        if size_bytes == 0:
            return
        device = place.device
        is_whole = place.address == 0 and size_bytes == device.size_bytes
        if is_whole and not place.is_flash_controller:
            self._target.flash.erase_memory(device.name, CHIP_ERASE_S)
        else:
            place.check(size_bytes)
            self._target.flash.erase(device.start + place.address, size_bytes)

    def _flash_read(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        size_bytes = _hexadecimal(place.words[0]) if place.words else 1
        for offset in range(0, size_bytes, READ_BYTES):
            count = min(READ_BYTES, size_bytes - offset)
            try:
                place.check(offset + count)
            except FlashError:
                return self._fail("Read ERROR!", EIO)
            address = place.address + offset
            data = self._target.flash.read(place.device.start + address, count)
            self._output.print(_hex_line(address, data))
        self._output.print("")
        return 0

    def _flash_write(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        if not place.words:
            return self._fail("Missing data to be written.", EINVAL)
        data = b"".join(WORD.pack(_hexadecimal(word) & 0xFFFFFFFF) for word in place.words)
        if not self._write(place, 0, data):
            return self._fail("Write internal ERROR!", EIO)
        self._output.print("Write OK.")
        # `Verification read ERROR!` cannot occur: what was written can be read.
        if self._target.flash.read(place.device.start + place.address, len(data)) != data:
            return self._fail("Verification ERROR!", EIO)
        self._output.print("Verified.")
        return 0

    def _write(self, place: "_Place", offset_bytes: int, data: bytes) -> bool:
        try:
            place.check(offset_bytes + len(data))
            self._target.flash.write(place.device.start + place.address + offset_bytes, data)
        except FlashError:
            return False
        return True

    def _flash_test(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        # A missing repeat count is 0 (inferred: the C code reads a null pointer then).
        size_bytes, repeats = (_hexadecimal(text) for text in [*place.words, "", ""][:2])
        if size_bytes > MOST_TEST_BYTES:
            return self._fail(f"<size> must be at most 0x{MOST_TEST_BYTES:x}.", EINVAL)
        data = bytes(index & 0xFF for index in range(size_bytes))
        for _ in range(repeats):
            try:
                self._erase(place, size_bytes)
            except FlashError:
                return self._fail(f"Erase Failed, code {EINVAL}.", EINVAL)
            self._output.print("Erase OK.")
            if not self._write(place, 0, data):
                return self._fail("Write internal ERROR!", EINVAL)
            self._output.print("Write OK.")
        self._output.print("Erase-Write test done.")
        return 0

    def _flash_load(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        size_bytes = _number(place.words[0]) if place.words else 0
        unit = place.device.write_size_bytes
        if size_bytes % unit:
            return self._fail(f"Size must be {unit} bytes aligned", EIO)
        self._output.print(f"Loading {size_bytes} bytes starting at address {place.address:x}")
        self._output.print("Loading...")
        load = _Load(size_bytes)
        self._output.bypass(lambda data: self._take_load(place, load, data))
        return 0

    def _take_load(self, place: "_Place", load: "_Load", data: bytes) -> bool:
        """Take what arrives for `flash load`; False when it is complete."""
        load.buffer += data[: load.size_bytes - load.written_bytes - len(load.buffer)]
        while len(load.buffer) >= LOAD_BUFFER_BYTES or load.is_last_chunk:
            chunk = load.buffer[:LOAD_BUFFER_BYTES]
            written = self._write(place, load.written_bytes, chunk)
            if not written:
                address = place.address + load.written_bytes
                self._output.error(f"Write to addr {address:x} on dev 0x{DEVICE_ADDRESS:x} ERROR!")
                if len(chunk) < LOAD_BUFFER_BYTES:
                    return False
            self._output.print(f"Written chunk {load.chunks}")
            load.buffer = load.buffer[LOAD_BUFFER_BYTES:]
            load.written_bytes += len(chunk)
            load.chunks += 1
        if load.written_bytes < load.size_bytes:
            return True
        self._output.print("Read all")
        return False

    def _flash_page_info(self, arguments: list[str]) -> int:
        place = self._place_of(arguments)
        if isinstance(place, int):
            return place
        if place.address >= place.device.size_bytes:
            return self._fail(f"Could not determine page size, error code {EINVAL}.", EINVAL)
        page = place.device.page_size_bytes
        index = place.address // page
        self._output.print(f"Page for address 0x{place.address:x}:")
        self._output.print(f"start offset: 0x{index * page:x}")
        self._output.print(f"size: {page}")
        self._output.print(f"index: {index}")
        return 0

    def _place_of(self, arguments: list[str]) -> "_Place | int":
        """Device and address that the arguments name, or the errno of the printed error.

        A first argument that is a number is an address in the flash controller.
        """
        if _HEXADECIMAL.fullmatch(arguments[0]):
            name = self._target.flash_controller
            if name is None:
                return self._fail("No flash device specified (required)", ENODEV)
            address, *words = arguments
        else:
            name = arguments[0]
            if name not in self._target.flash_devices:
                return self._fail("Given flash device was not found", ENODEV)
            if len(arguments) < 2:
                return self._fail("Missing address.", EINVAL)
            address, *words = arguments[1:]
        return _Place(
            self._target.flash_devices[name],
            _hexadecimal(address) & 0xFFFFFFFF,
            words,
            name == self._target.flash_controller,
        )

    def _mcuboot_confirm(self, _arguments: list[str]) -> int:
        if self._target.images.confirm_running():
            return 0
        return self._fail(f"failed to confirm: {EIO}", EIO)

    def _slots(self) -> tuple[tuple[str, int, FlashArea], tuple[str, int, FlashArea]]:
        primary, secondary = self._target.images.slots
        areas = self._target.areas
        return ("primary", areas.primary, primary), ("secondary", areas.secondary, secondary)

    def _mcuboot(self, _arguments: list[str]) -> int:
        swap_type = self._target.images.query_swap_type()
        self._output.print(f"swap type: {swap_type.log_word}")
        self._output.print(f"confirmed: {int(self._target.images.is_running_confirmed)}")
        for name, number, area in self._slots():
            self._output.print("")
            self._area_info(name, number, area)
        return 0

    def _area_info(self, name: str, number: int, area: FlashArea) -> None:
        start = self._target.images.image_start(0 if name == "primary" else 1)
        try:
            header = ImageHeader.parse(area.read(start, HEADER_BYTES))
        except NotAnImageError:
            self._output.error(f"failed to read {name} area ({number}) header: {EIO}")
            return
        version = header.version
        trailer = read_trailer(area)
        swap_types = {member.value: member.name.lower() for member in SwapType}
        swap_type = swap_types.get(trailer.swap_type & 0x0F, "none")
        for line in (
            f"{name} area ({number}):",
            f"  version: {version.major}.{version.minor}.{version.revision}+{version.build}",
            f"  image size: {header.image_size_bytes}",
            f"  magic: {trailer.magic.value}",
            f"  swap type: {swap_type}",
            f"  copy done: {trailer.copy_done.name.lower()}",
            f"  image ok: {trailer.image_ok.name.lower()}",
        ):
            self._output.print(line)

    def _mcuboot_erase(self, arguments: list[str]) -> int:
        number = _number(arguments[0])
        for _, area_number, area in self._slots():
            if area_number == number:
                area.erase_all()
                return 0
        return self._fail(f"failed to erase bank {number}", EINVAL)

    def _request_upgrade(self, arguments: list[str]) -> int:
        if arguments and arguments != ["permanent"]:
            self._output.warn("invalid argument!")
            return EINVAL
        if self._target.images.request_upgrade(permanent=bool(arguments)):
            return 0
        return self._fail(f"failed to request upgrade: {EFAULT}", EFAULT)


@dataclass(frozen=True)
class _Place:
    """Where a flash command works, and the words behind its address."""

    device: MemoryLayout
    address: int
    words: list[str]
    is_flash_controller: bool

    def check(self, size_bytes: int) -> None:
        """Raises `FlashError` where so many bytes do not lie in the device."""
        if self.address + size_bytes > self.device.size_bytes:
            raise FlashError(f"0x{size_bytes:x} bytes from 0x{self.address:x} on leave the device")


@dataclass
class _Load:
    """A `flash load` under way."""

    size_bytes: int
    written_bytes: int = 0
    chunks: int = 0
    buffer: bytes = b""

    @property
    def is_last_chunk(self) -> bool:
        """Whether the buffer holds all that is left."""
        return bool(self.buffer) and self.written_bytes + len(self.buffer) >= self.size_bytes


class CapturedOutput:
    """Keeps what commands print, for SMP's shell group.

    Plain text with CR LF line ends (inferred: Zephyr's shell_dummy.c keeps what the shell core
    sends; whether with colours depends on the build).
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def print(self, text: str) -> None:
        """Keep a line."""
        self._lines.append(f"{text}\r\n")

    def error(self, text: str) -> None:
        """Keep an error's line."""
        self.print(text)

    def warn(self, text: str) -> None:
        """Keep a warning's line."""
        self.print(text)

    def bypass(self, receiver: Callable[[bytes], bool]) -> None:
        """Nobody types into this shell."""

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return "".join(self._lines)


def _hexadecimal(text: str) -> int:
    """As C's strtoul with base 16: reads as far as it can, 0 where it cannot."""
    found = _HEXADECIMAL.match(text)
    return int(found[1], 16) if found else 0


def _number(text: str) -> int:
    """As C's strtoul with base 0."""
    if text[:2].lower() == "0x":
        return _hexadecimal(text)
    found = re.match(r"[0-7]+" if text.startswith("0") else r"[0-9]+", text, re.ASCII)
    return int(found[0], 8 if text.startswith("0") else 10) if found else 0


def _hex_line(address: int, data: bytes) -> str:
    # shell.c, shell_hexdump_line: always as wide as 16 bytes, with a gap in the middle.
    numbers = [f"{byte:02x} " for byte in data] + ["   "] * (16 - len(data))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data).ljust(16)
    return f"{address:08X}: {''.join(numbers[:8])} {''.join(numbers[8:])}|{text[:8]} {text[8:]}|"
