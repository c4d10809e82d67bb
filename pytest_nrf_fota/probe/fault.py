"""What goes wrong between a debug probe, its tool and the kit: one word for each, and a remedy.

Every exit code, `APIError` and message of the three tools ends in one of these.
"""

import re
from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.errors import ProbeError


class ProbeFault(Enum):
    """Why the probe's tool did not do what it was asked for."""

    TOOL_MISSING = "tool missing"
    TOOL_BROKEN = "tool broken"
    TOOL_TOO_OLD = "tool too old"
    NOT_FOUND = "probe not found"
    SEVERAL = "several probes"
    BUSY = "probe busy"
    NO_PERMISSION = "no permission"
    FIRMWARE_UPDATE = "probe wants a firmware update"
    LOW_VOLTAGE = "low voltage"
    NO_CONNECTION = "no connection to the chip"
    PROTECTED = "protected"
    WRONG_CHIP = "wrong chip"
    RECOVER_FAILED = "recover failed"
    VERIFY_FAILED = "verify failed"
    FLASH_FAILED = "flash operation failed"
    NO_EXTERNAL_FLASH = "no external flash"
    BAD_FILE = "file not usable"
    NOT_SUPPORTED = "not supported"
    TIMED_OUT = "timed out"
    KILLED = "tool killed"
    BAD_OUTPUT = "output not understood"
    OTHER = "other"


class ProbeFaultError(ProbeError):
    """The probe's tool failed; `fault` says how, the message what to do.

    Args:
        next_step: where it is another than the fault's remedy.
    """

    def __init__(self, fault: ProbeFault, what: str, *, where: str, next_step: str = "") -> None:
        self.fault = fault
        super().__init__(what, where=where, next_step=next_step or remedy(fault))


def remedy(fault: ProbeFault) -> str:
    """What the reader should do now."""
    match fault:
        case ProbeFault.TOOL_MISSING:
            return (
                "Install one of: nrfutil with its command `device` (nrfutil install device), "
                "nrfjprog, or pip install 'pynrfjprog>=10.24'; all three need SEGGER's "
                "J-Link software. Choose with --runner."
            )
        case ProbeFault.TOOL_BROKEN:
            return (
                "Install SEGGER's J-Link software, then the tool again; its own --version must "
                "work. Another tool: --runner nrfutil, nrfjprog or pynrfjprog."
            )
        case ProbeFault.TOOL_TOO_OLD:
            return "Update it: nrfutil upgrade device, or SEGGER's J-Link software."
        case ProbeFault.NOT_FOUND:
            return (
                "Plug in the kit and switch it on; where it is, compare --device-id with the "
                "number on its sticker, and check the udev rules of SEGGER's J-Link software."
            )
        case ProbeFault.SEVERAL:
            return "Name the kit to use: --device-id SERIAL."
        case ProbeFault.BUSY:
            return (
                "End what else holds the probe (J-Link GDB server, RTT viewer, nRF Connect, "
                "another test run), then unplug the kit and plug it in again."
            )
        case ProbeFault.NO_PERMISSION:
            return (
                "Install the udev rules of SEGGER's J-Link software, then unplug the kit and plug "
                "it in again; a container needs the USB device passed in."
            )
        case ProbeFault.FIRMWARE_UPDATE:
            return (
                "Let SEGGER's JLinkExe (J-Link Commander) update the probe's firmware once, by "
                "hand, then run again."
            )
        case ProbeFault.LOW_VOLTAGE:
            return (
                "Switch the kit on, and check its power source: nRF power switch, VDD jumper, "
                "battery, a board at the debug-out connector."
            )
        case ProbeFault.NO_CONNECTION:
            return (
                "Switch the kit off and on, remove what hangs on its debug-out connector, and run "
                "again; `prepare` recovers the network core first."
            )
        case ProbeFault.PROTECTED:
            return (
                "Recover the kit: network core first, then application core. `prepare` does so. "
                "Firmware that keeps its access port closed must be built to leave it open."
            )
        case ProbeFault.WRONG_CHIP:
            return "Is it such a kit? Choose the kit with --device-id, its board with --board."
        case ProbeFault.RECOVER_FAILED:
            return (
                "Switch the kit off and on, and recover again, network core first. A "
                "chip with erase protection cannot be recovered by a probe."
            )
        case ProbeFault.VERIFY_FAILED:
            return (
                "UICR or OTP was written before and only a recover clears it: recover "
                "both cores, then program; `prepare` does both."
            )
        case ProbeFault.FLASH_FAILED:
            return (
                "Recover both cores and program again; a chip that fails again is worn or broken."
            )
        case ProbeFault.NO_EXTERNAL_FLASH:
            return (
                "The tool's settings for the external flash do not fit this board: it needs a "
                "configuration of its own (nrfutil: --x-ext-mem-config-file; nrfjprog: "
                "config.toml), which cannot be given here yet."
            )
        case ProbeFault.BAD_FILE:
            return "Give the build's merged.hex; the tool could not use this file."
        case ProbeFault.NOT_SUPPORTED:
            return "Update the tool (nrfutil upgrade device), or take another: --runner."
        case ProbeFault.TIMED_OUT:
            return (
                "The tool was ended. Unplug the kit and plug it in again; where it was only slow, "
                "raise --flash-timeout."
            )
        case ProbeFault.KILLED:
            return "Something ended the tool from outside (memory, a CI time limit); run again."
        case ProbeFault.BAD_OUTPUT:
            return (
                "Run the command above by hand. If it works, please report its output: this "
                "version of the tool is not known here."
            )
        case ProbeFault.OTHER:
            return "Run the command above by hand; its message is more exact than its exit code."
        case _:
            assert_never(fault)


# The first that fits counts. Sources: messages of nrfutil-device 2.3 to 2.11 and nrfjprog 10.13 to
# 10.24 in support threads (devzone 98292, 108623, 110075, 116701, 119641, 121798, 123853, 81989,
# 46274; ZSWatch issue 114; b-parasite issue 20), names of NrfjprogdllErr in pynrfjprog 10.24.2.
# SEVERAL, BUSY and NO_PERMISSION are worded from the tools' documentation, not from a seen output.
_MESSAGES: tuple[tuple[ProbeFault, str], ...] = (
    (
        ProbeFault.PROTECTED,
        r"NotAvailableBecause(Secure)?(Ap)?Protection|NOT_AVAILABLE_BECAUSE_PROTECTION"
        r"|access port is protected|readback protection|ap-protection is enabled"
        r"|access protection is enabled",
    ),
    (ProbeFault.LOW_VOLTAGE, r"low[ _]?voltage"),
    (
        ProbeFault.FIRMWARE_UPDATE,
        r"new firmware version is available|firmware of the (emulator|probe|J-Link).{0,20}old"
        r"|(probe|J-Link|emulator) firmware .{0,30}(outdated|too old|update)",
    ),
    (
        ProbeFault.SEVERAL,
        r"multiple (devices|debug probes|emulators)|more than one (device|debugger)"
        r"|several (devices|probes)",
    ),
    (
        ProbeFault.NO_PERMISSION,
        r"permission denied|LIBUSB_ERROR_ACCESS|insufficient permissions|PERMISSION_ERROR",
    ),
    (ProbeFault.BUSY, r"resource busy|already in use|already open|in use by another"),
    (
        ProbeFault.NOT_FOUND,
        r"No devices with requested serial number|No devices found|No debuggers were discovered"
        r"|NO_EMULATOR_CONNECTED|EMULATOR_NOT_CONNECTED",
    ),
    (
        ProbeFault.VERIFY_FAILED,
        r"Write verify failed|VerifyError|VERIFY_ERROR|Data does not match|verification failed",
    ),
    (ProbeFault.RECOVER_FAILED, r"Recover failed|RECOVER_FAILED"),
    (ProbeFault.NO_EXTERNAL_FLASH, r"external (memory|flash).{0,40}(not|no|missing) "),
    (
        ProbeFault.TOOL_TOO_OLD,
        r"is not implemented for this device|DLL_TOO_OLD|unexpected argument"
        r"|unrecognized subcommand",
    ),
    (
        ProbeFault.NOT_SUPPORTED,
        # The third is how clap, which nrfutil is built with, refuses a command that it lacks.
        r"NotSupported|NOT_IMPLEMENTED|unrecognized subcommand|not supported yet",
    ),
    (ProbeFault.TOOL_BROKEN, r"DLL_NOT_FOUND|COULD_NOT_BE_OPENED|JLinkARM.{0,20}not found"),
    (
        ProbeFault.NO_CONNECTION,
        r"Failed to open connection|Unable to detect CTRL-AP|CANNOT_CONNECT|Unable to connect"
        r"|JLINKARM_DLL_ERROR|Could not connect to CPU core",
    ),
)


def fault_in(text: str) -> ProbeFault | None:
    """The fault that a tool's message names, or None."""
    for fault, pattern in _MESSAGES:
        if re.search(pattern, text, re.IGNORECASE):
            return fault
    return None
