"""The shell commands of the application (facts/dual-stage-boot.md, section 7).

Texts, parameter counts and return codes as in Zephyr's flash_shell.c, mcuboot_shell.c and shell.c.
Inferred, because the thread shows none of it: which commands the application has, the help texts,
and that a parent command without a handler says `Please specify a subcommand.`.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pytest_nrf_fota.firmware.mcuboot_image import ImageHeader, NotAnImageError
from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.app.images import ImageManager
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, FlashError, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import read_trailer

# MX25R6435F: a chip erase takes 52 s typical, 64 KiB blocks 480 ms, 4 KiB sectors 48 ms.
CHIP_ERASE_S = 52.0
EIO = -5
ENOEXEC = -8
ENODEV = -19
EINVAL = -22
MOST_ARGUMENTS = 20
MOST_TEST_BYTES = 0x1000
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
COMMANDS = {
    "device": "Device commands",
    "flash": "Flash shell commands",
    "help": "Prints the help message.",
    "kernel": "Kernel commands",
    "mcuboot": "MCUboot commands",
}


class ShellOutput(Protocol):
    """Where a command prints."""

    def print(self, text: str) -> None:
        """Print a line."""

    def error(self, text: str) -> None:
        """Print a line that reports an error."""


@dataclass(frozen=True)
class McubootAreas:
    """Flash area numbers of image 0's slots, as `mcuboot` prints them.

    Inferred: 1, and 2 as in `Failed to open flash area ID 2 (image 0 slot 1)`
    (facts/dual-stage-boot.md, section 9, row 17).
    """

    primary: int = 1
    secondary: int = 2


@dataclass(frozen=True)
class ShellTarget:
    """What the commands work on.

    Args:
        flash: the kit's memories.
        flash_devices: shell device name -> the memory behind it.
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

    def execute(self, arguments: list[str]) -> int:
        """Run one command; its output is printed before this returns.

        Returns what the handler returns: 0, or a negative errno.
        """
        if len(arguments) > MOST_ARGUMENTS:
            return self._fail("Too many arguments in the command.", ENOEXEC)
        match arguments:
            case ["flash", *rest]:
                return self._flash(rest)
            case ["mcuboot", *rest]:
                return self._mcuboot(rest)
            case ["kernel", *rest]:
                return self._kernel(rest)
            case ["device", *rest]:
                return self._device(rest)
            case ["help", *rest]:
                return self._help() if not rest else self._wrong_count("help")
            case [first, *_]:
                return self._fail(f"{first}: command not found", ENOEXEC)
            case _:
                return 0

    def _fail(self, text: str, code: int) -> int:
        self._output.error(text)
        return code

    def _wrong_count(self, command: str) -> int:
        return self._fail(f"{command}: wrong parameter count", EINVAL)

    def _help(self) -> int:
        for line in HELP:
            self._output.print(line)
        width = max(len(name) for name in COMMANDS)
        for name, text in COMMANDS.items():
            self._output.print(f"  {name.ljust(width)}  :{text}")
        return 0

    def _device(self, arguments: list[str]) -> int:
        match arguments:
            case ["list"]:
                self._output.print("devices:")
                for name in self._target.flash_devices:
                    self._output.print(f"- {name} (READY)")
                return 0
            case ["list", *_]:
                return self._wrong_count("list")
            case _:
                return self._fail("Please specify a subcommand.", ENOEXEC)

    def _kernel(self, arguments: list[str]) -> int:
        match arguments:
            case ["uptime"]:
                uptime_ms = int((self._target.clock.now_s - self._target.started_at_s) * 1000)
                self._output.print(f"Uptime: {uptime_ms} ms")
                return 0
            case ["version"]:
                self._output.print(f"Zephyr version {self._target.zephyr_version}")
                return 0
            case ["reboot", "cold" | "warm"]:
                self._target.on_reboot()
                return 0
            case ["uptime" | "version" as command, *_]:
                return self._wrong_count(command)
            case ["reboot", "cold" | "warm" as command, *_]:
                return self._wrong_count(command)
            case _:
                return self._fail("Please specify a subcommand.", ENOEXEC)

    def _flash(self, arguments: list[str]) -> int:
        match arguments:
            case []:
                return self._wrong_count("flash")
            case ["erase", *rest]:
                return self._flash_erase(rest)
            case ["read", *rest]:
                return self._flash_read(rest)
            case ["write", *rest]:
                return self._flash_write(rest)
            case ["test", *rest]:
                return self._flash_test(rest)
            case ["page_info", *rest]:
                return self._flash_page_info(rest)
            case [other]:
                return self._fail(f"flash:unknown parameter: {other}", EINVAL)
            case _:
                return self._wrong_count("flash")

    def _flash_erase(self, arguments: list[str]) -> int:
        if not 1 <= len(arguments) <= 3:
            return self._wrong_count("erase")
        device = self._device_of(arguments)
        if isinstance(device, int):
            return device
        address = _hexadecimal(arguments[1])
        size_bytes = _hexadecimal(arguments[2]) if len(arguments) > 2 else device.page_size_bytes
        try:
            self._erase(device, address, size_bytes)
        except FlashError:
            return self._fail(f"Erase Failed, code {EINVAL}.", EINVAL)
        self._output.print("Erase success.")
        return 0

    def _erase(self, device: MemoryLayout, address: int, size_bytes: int) -> None:
        if size_bytes == 0:
            return
        if address == 0 and size_bytes == device.size_bytes:
            self._target.flash.erase_memory(device.name, CHIP_ERASE_S)
        else:
            self._target.flash.erase(device.start + address, size_bytes)

    def _flash_read(self, arguments: list[str]) -> int:
        if not 1 <= len(arguments) <= 3:
            return self._wrong_count("read")
        device = self._device_of(arguments)
        if isinstance(device, int):
            return device
        address = _hexadecimal(arguments[1])
        size_bytes = _hexadecimal(arguments[2]) if len(arguments) > 2 else 1
        try:
            data = self._target.flash.read(device.start + address, size_bytes)
        except FlashError:
            return self._fail("Read ERROR!", EIO)
        for offset in range(0, len(data), 16):
            self._output.print(_hex_line(address + offset, data[offset : offset + 16]))
        self._output.print("")
        return 0

    def _flash_write(self, arguments: list[str]) -> int:
        if len(arguments) < 2:
            return self._wrong_count("write")
        device = self._device_of(arguments)
        if isinstance(device, int):
            return device
        address = _hexadecimal(arguments[1])
        verifies = arguments[2:3] == ["-v"]
        words = arguments[3:] if verifies else arguments[2:]
        if not words:
            return self._fail("Missing data to be written.", EINVAL)
        data = b"".join(WORD.pack(_hexadecimal(word) & 0xFFFFFFFF) for word in words)
        try:
            self._target.flash.write(device.start + address, data)
        except FlashError:
            return self._fail("Write internal ERROR!", EIO)
        self._output.print("Write OK.")
        if not verifies:
            return 0
        if self._target.flash.read(device.start + address, len(data)) != data:
            return self._fail("Verification ERROR!", EIO)
        self._output.print("Verified.")
        return 0

    def _flash_test(self, arguments: list[str]) -> int:
        if len(arguments) != 4:
            return self._wrong_count("test")
        device = self._device_of(arguments)
        if isinstance(device, int):
            return device
        address, size_bytes, repeats = (_hexadecimal(text) for text in arguments[1:])
        if size_bytes > MOST_TEST_BYTES:
            return self._fail(f"<size> must be at most 0x{MOST_TEST_BYTES:x}.", EINVAL)
        data = bytes(index & 0xFF for index in range(size_bytes))
        for _ in range(repeats):
            try:
                self._erase(device, address, size_bytes)
            except FlashError:
                return self._fail(f"Erase Failed, code {EINVAL}.", EINVAL)
            self._output.print("Erase OK.")
            try:
                self._target.flash.write(device.start + address, data)
            except FlashError:
                return self._fail("Write internal ERROR!", EINVAL)
            self._output.print("Write OK.")
        self._output.print("Erase-Write test done.")
        return 0

    def _flash_page_info(self, arguments: list[str]) -> int:
        if not 1 <= len(arguments) <= 2:
            return self._wrong_count("page_info")
        device = self._device_of(arguments)
        if isinstance(device, int):
            return device
        address = _hexadecimal(arguments[1])
        if address >= device.size_bytes:
            return self._fail(f"Could not determine page size, code {EINVAL}.", EINVAL)
        index, _ = divmod(address, device.page_size_bytes)
        self._output.print(f"Page for address 0x{address:x}:")
        self._output.print(f"start offset: 0x{index * device.page_size_bytes:x}")
        self._output.print(f"size: {device.page_size_bytes}")
        self._output.print(f"index: {index}")
        return 0

    def _device_of(self, arguments: list[str]) -> MemoryLayout | int:
        """The device that the first argument names, or the errno of the error that was printed.

        A first argument that is a number is an address in the default device, which this
        application has not.
        """
        device = self._target.flash_devices.get(arguments[0])
        if device is None:
            if _HEXADECIMAL.fullmatch(arguments[0]):
                return self._fail("No flash device specified (required)", ENODEV)
            return self._fail("Given flash device was not found", ENODEV)
        if len(arguments) < 2:
            return self._fail("Missing address.", EINVAL)
        return device

    def _mcuboot(self, arguments: list[str]) -> int:
        match arguments:
            case ["confirm"]:
                self._target.images.confirm_running()
                return 0
            case ["erase", area_id]:
                return self._mcuboot_erase(area_id)
            case ["request_upgrade"]:
                return self._request_upgrade(permanent=False)
            case ["request_upgrade", "permanent"]:
                return self._request_upgrade(permanent=True)
            case ["request_upgrade", _]:
                return self._fail("invalid argument!", EINVAL)
            case ["confirm" | "erase" | "request_upgrade" as command, *_]:
                return self._wrong_count(command)
            case []:
                return self._mcuboot_info()
            case _:
                return self._wrong_count("mcuboot")

    def _slots(self) -> tuple[tuple[str, int, FlashArea], tuple[str, int, FlashArea]]:
        primary, secondary = self._target.images.slots
        areas = self._target.areas
        return ("primary", areas.primary, primary), ("secondary", areas.secondary, secondary)

    def _mcuboot_info(self) -> int:
        swap_type = self._target.images.query_swap_type()
        self._output.print(f"swap type: {swap_type.log_word}")
        self._output.print(f"confirmed: {int(self._target.images.is_running_confirmed)}")
        for name, number, area in self._slots():
            self._output.print("")
            self._area_info(name, number, area)
        return 0

    def _area_info(self, name: str, number: int, area: FlashArea) -> None:
        try:
            header = ImageHeader.parse(area.read(0, HEADER_BYTES))
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

    def _mcuboot_erase(self, text: str) -> int:
        number = _number(text)
        for _, area_number, area in self._slots():
            if area_number == number:
                area.erase_all()
                return 0
        return self._fail(f"failed to erase bank {number}", EINVAL)

    def _request_upgrade(self, *, permanent: bool) -> int:
        if self._target.images.request_upgrade(permanent=permanent):
            return 0
        return self._fail(f"failed to request upgrade: {EIO}", EIO)


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
