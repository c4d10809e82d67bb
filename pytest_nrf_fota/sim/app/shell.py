"""The shell commands of the application (facts/dual-stage-boot.md, section 7)."""

from collections.abc import Callable

from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.flash import Flash, FlashError, MemoryLayout

# MX25R6435F: a chip erase takes 52 s typical, 64 KiB blocks 480 ms, 4 KiB sectors 48 ms.
CHIP_ERASE_S = 52.0
BLOCK_BYTES = 64 * 1024
EINVAL = -22


class Shell:
    """Executes command lines.

    Args:
        terminal: where output goes.
        flash: the kit's memories.
        flash_devices: shell device name -> the memory behind it.
        on_reboot: called by `kernel reboot`.
    """

    def __init__(
        self,
        terminal: Terminal,
        flash: Flash,
        flash_devices: dict[str, MemoryLayout],
        on_reboot: Callable[[], None],
    ) -> None:
        self._terminal = terminal
        self._flash = flash
        self._flash_devices = flash_devices
        self._on_reboot = on_reboot

    def execute(self, command: str) -> None:
        """Run one command line; its output is printed before this returns."""
        match command.split():
            case ["flash", "erase", *arguments]:
                self._flash_erase(arguments)
            case ["flash", "read", *arguments]:
                self._flash_read(arguments)
            case ["flash"]:
                self._terminal.print("Please specify a subcommand.")
            case ["kernel", "reboot", "cold" | "warm"]:
                self._on_reboot()
            case ["device", "list"]:
                self._terminal.print("devices:")
                for name in self._flash_devices:
                    self._terminal.print(f"- {name} (READY)")
            case [first, *_]:
                self._terminal.error(f"{first}: command not found")
            case _:
                pass

    def _flash_erase(self, arguments: list[str]) -> None:
        parsed = self._parse_range("erase", arguments)
        if parsed is None:
            return
        device, address, size_bytes = parsed
        size_bytes = size_bytes or device.page_size_bytes
        try:
            if address == 0 and size_bytes == device.size_bytes:
                self._flash.erase_memory(device.name, CHIP_ERASE_S)
            else:
                self._flash.erase(device.start + address, size_bytes)
        except FlashError:
            self._terminal.error(f"Erase Failed, code {EINVAL}.")
            return
        self._terminal.print("Erase success.")

    def _flash_read(self, arguments: list[str]) -> None:
        parsed = self._parse_range("read", arguments)
        if parsed is None:
            return
        device, address, size_bytes = parsed
        try:
            data = self._flash.read(device.start + address, size_bytes or 1)
        except FlashError:
            self._terminal.error("Read ERROR!")
            return
        for offset in range(0, len(data), 16):
            self._terminal.print(_hex_line(address + offset, data[offset : offset + 16]))
        self._terminal.print("")

    def _parse_range(
        self, subcommand: str, arguments: list[str]
    ) -> tuple[MemoryLayout, int, int] | None:
        if not 1 <= len(arguments) <= 3:
            self._terminal.error(f"{subcommand}: wrong parameter count")
            return None
        device = self._flash_devices.get(arguments[0])
        if device is None:
            self._terminal.error("Given flash device was not found")
            return None
        if len(arguments) < 2:
            self._terminal.error("Missing address.")
            return None
        try:
            numbers = [int(text, 16) for text in arguments[1:3]]
        except ValueError:
            # strtoul stops at what it cannot read and gives what it has: 0.
            numbers = [0, 0]
        return device, numbers[0], numbers[1] if len(numbers) > 1 else 0


def _hex_line(address: int, data: bytes) -> str:
    # shell.c, shell_hexdump_line: always as wide as 16 bytes, with a gap in the middle.
    numbers = [f"{byte:02x} " for byte in data] + ["   "] * (16 - len(data))
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data).ljust(16)
    return f"{address:08X}: {''.join(numbers[:8])} {''.join(numbers[8:])}|{text[:8]} {text[8:]}|"
