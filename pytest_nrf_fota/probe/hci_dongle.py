"""Make a kit or a dongle an HCI controller: which firmware, and how it gets there.

The firmware is Zephyr's sample hci_usb or hci_uart, as PyPI's `zephyr-4-4-0-hci` ships it for
Nordic's kits. Never run on hardware: docs/hardware.md.
"""

from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import InputError, ProbeError
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, fault_in, tool_failed
from pytest_nrf_fota.probe.hci_target import HciTarget
from pytest_nrf_fota.probe.nrfutil import NRFUTIL, device_command, read_answer
from pytest_nrf_fota.probe.tool import ThisMachine
from pytest_nrf_fota.wires.probe import Core, Probe, ResetKind

DONGLE_APPLICATION_START = 0x1000
"""Below lies the MBR of its USB bootloader (Zephyr documentation, board nrf52840dongle)."""

DONGLE_APPLICATION_END = 0xE0000
"""From here on lies its USB bootloader (the same page)."""


@dataclass(frozen=True)
class HciFirmware:
    """A hex file and what it is."""

    path: Path
    title: str


def packaged_firmware(target: HciTarget, variant: str) -> HciFirmware:
    """The firmware that the PyPI packages ship, its SHA-256 checked.

    Raises `InputError`: the packages are not installed, have no such firmware, or are damaged.
    """
    if target is HciTarget.NRF52840DONGLE:
        # Said before anything has to be installed: the packages would not help.
        raise InputError(
            "The nRF52840 dongle needs a build of your own. There is no packaged firmware for it: "
            "those for the kit start at 0x0, and the dongle's USB bootloader takes only what "
            f"starts at 0x{DONGLE_APPLICATION_START:x}.",
            where=target.value,
            next_step="Build it (west build -b nrf52840dongle/nrf52840 "
            "samples/bluetooth/hci_usb) and give it: --hex=build/zephyr/zephyr.hex. Or use a kit.",
        )
    try:
        from zephyr_4_4_0_hci import firmware
    except ModuleNotFoundError as error:
        raise InputError(
            "The packages with the HCI firmware are not installed.",
            where="zephyr-4-4-0-hci",
            next_step="pip install 'zephyr-4-4-0-hci>=0.1.3,<1', or give your own build: --hex.",
        ) from error
    known = firmware._asdict()
    module = known.get(f"{target.value}_{variant}")
    if module is None:
        raise InputError(
            f"There is no firmware {variant!r} for {target.value}.",
            where="zephyr-4-4-0-hci",
            next_step=f"There are: {', '.join(known)}.",
        )
    try:
        module.read_firmware_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"The packaged firmware is damaged: {error}",
            where=str(module.HEX_PATH),
            next_step="Install the package anew.",
        ) from error
    title = f"Zephyr {module.ZEPHYR_REVISION} {module.APP}, {module.BOARD}, {module.OPTIONS}"
    return HciFirmware(module.HEX_PATH, title)


def require_runner(target: HciTarget, runner: str) -> None:
    """Raise `InputError` where this tool cannot flash that target here."""
    if runner not in target.runners:
        raise InputError(
            f"{runner} does not flash an {target.value} here.",
            where=f"--runner={runner}",
            next_step=f"Choose one of: {', '.join(target.runners)}.",
        )


def nrfutil_for_nrf52(deadline: Deadline) -> Tool:
    """`nrfutil device`, the one tool that flashes an nRF52 kit here.

    Raises:
        ProbeError: it does not work; where it is missing, the message offers no other tool.
    """
    try:
        NRFUTIL.find(ThisMachine(), deadline)
        return device_command(ThisMachine())
    except ProbeFaultError as error:
        if error.fault is not ProbeFault.TOOL_MISSING:
            raise
        raise ProbeError(
            f"nrfutil is missing: {error.what}.",
            where=error.where,
            next_step="Install nrfutil, its command `device` (nrfutil install device) and SEGGER's "
            "J-Link software: no other tool flashes an nRF52 kit here.",
        ) from error


def require_dongle_layout(hex_file: Path) -> None:
    """Raise `InputError` where a hex file is not linked for the dongle's USB bootloader."""
    segments = read_hex(hex_file)
    start, end = min(s.address for s in segments), max(s.end for s in segments)
    if start < DONGLE_APPLICATION_START or end > DONGLE_APPLICATION_END:
        raise InputError(
            f"The firmware lies at 0x{start:x} to 0x{end:x}; the dongle's USB bootloader takes "
            f"0x{DONGLE_APPLICATION_START:x} to 0x{DONGLE_APPLICATION_END:x}.",
            where=str(hex_file),
            next_step="Build for nrf52840dongle/nrf52840 without /bare.",
        )


def flash_nrf5340(probe: Probe, hex_file: Path, deadline: Deadline) -> None:
    """Put firmware for both cores on a second nRF5340 DK."""
    for core in (Core.NETWORK, Core.APPLICATION):
        probe.recover(core, deadline)
    probe.program(hex_file, deadline)
    probe.reset(ResetKind.PIN, deadline)


def flash_nrf52(nrfutil: Tool, serial_number: str, hex_file: Path, deadline: Deadline) -> None:
    """Put firmware on an nRF52 kit through its J-Link, with `nrfutil device`.

    Raises `ProbeFaultError`.
    """
    kit = ("--serial-number", serial_number)
    options = "chip_erase_mode=ERASE_ALL,verify=VERIFY_READ,reset=RESET_SYSTEM"
    for arguments in (
        ("recover", *kit),
        ("program", *kit, "--firmware", str(hex_file), "--options", options),
    ):
        read_answer(nrfutil.run(arguments, deadline))


def flash_dongle(
    nrf5sdk_tools: Tool, port: str, hex_file: Path, folder: Path, deadline: Deadline
) -> None:
    """Put firmware on an nRF52840 dongle through its own USB bootloader.

    Its red LED must pulse: press the reset button, which lies sidewards.

    Args:
        nrf5sdk_tools: `nrfutil nrf5sdk-tools`.
        port: serial port of the bootloader.
        hex_file: linked for the dongle; see `require_dongle_layout`.
        folder: gets the DFU package.
        deadline: for everything together.

    Raises `InputError` where the file does not fit, and `ProbeFaultError` where nrfutil fails.
    """
    require_dongle_layout(hex_file)
    package = folder / "hci_dongle.zip"
    application = ("--application", str(hex_file), "--application-version", "1")
    hardware = ("--hw-version", "52", "--sd-req", "0x00")
    for arguments in (
        ("pkg", "generate", *hardware, *application, str(package)),
        ("dfu", "usb-serial", "--package", str(package), "--port", port),
    ):
        result = nrf5sdk_tools.run(arguments, deadline)
        if result.exit_code != 0:
            fault = fault_in(result.last_words) or ProbeFault.OTHER
            status = f"status {result.exit_code}"
            raise tool_failed(fault, "nrfutil", status, result.last_words, where=result.command)
