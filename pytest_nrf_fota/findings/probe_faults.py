"""What goes wrong between a debug probe, its tool and the kit: one word for each, and a remedy.

The texts by which a fault is known stand here as well, so that whoever reads a tool's output, live
or in a log, reads it the same way.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from typing_extensions import assert_never


class ProbeFault(Enum):
    """Why the probe's tool did not do what it was asked for."""

    TOOL_MISSING = "tool missing"
    TOOL_BROKEN = "tool broken"
    TOOL_TOO_OLD = "tool too old"
    TOOL_NOT_READY = "tool wants a download or a license"
    OTHER_NRFUTIL = "another nrfutil"
    JLINK_MISSING = "J-Link library missing"
    NOT_FOUND = "probe not found"
    NOT_REACHABLE = "probe not reachable"
    SEVERAL = "several probes"
    BUSY = "probe busy"
    NO_PERMISSION = "no permission"
    FIRMWARE_UPDATE = "probe wants a firmware update"
    PROBE_LOST = "connection to the probe lost"
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
    WORKER_LOST = "tool's worker died"
    JLINK_TIMED_OUT = "J-Link library timed out"
    TIMED_OUT = "timed out"
    KILLED = "tool killed"
    BAD_OUTPUT = "output not understood"
    OTHER = "flash tool failed"


TRANSIENT = frozenset({ProbeFault.WORKER_LOST, ProbeFault.JLINK_TIMED_OUT})
"""Faults that users saw go away when they did the same once more."""

CURED_BY_RECOVERY = frozenset({ProbeFault.PROTECTED, ProbeFault.NO_CONNECTION})
"""Faults of a kit whose access port may be closed: such kits were reported both ways (devzone
121798, 126965). A recovery opens it, or says better what is wrong.
"""

OF_THE_KIT = frozenset(
    {
        *(ProbeFault.NOT_FOUND, ProbeFault.SEVERAL, ProbeFault.BUSY, ProbeFault.NO_PERMISSION),
        *(ProbeFault.FIRMWARE_UPDATE, ProbeFault.PROBE_LOST, ProbeFault.LOW_VOLTAGE),
        *(ProbeFault.NO_CONNECTION, ProbeFault.PROTECTED, ProbeFault.WRONG_CHIP),
    }
)
"""Faults of a kit or its probe, which another tool would meet as well."""


TELLS_OF_LOSS = frozenset(
    {
        *(ProbeFault.NOT_FOUND, ProbeFault.PROBE_LOST, ProbeFault.LOW_VOLTAGE),
        *(ProbeFault.NO_CONNECTION, ProbeFault.WRONG_CHIP, ProbeFault.FIRMWARE_UPDATE),
        *(ProbeFault.WORKER_LOST, ProbeFault.JLINK_TIMED_OUT, ProbeFault.TIMED_OUT),
        *(ProbeFault.RECOVER_FAILED, ProbeFault.FLASH_FAILED, ProbeFault.OTHER),
    }
)
"""Faults behind which the kit or its probe may be lost: not those of a tool, a file or a user's
rights, which other kits would meet as well, nor those that firmware can cause alone.
"""


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
                "Install the tool again, and SEGGER's J-Link software; its own --version must "
                "work. Another tool: --runner nrfutil, nrfjprog or pynrfjprog."
            )
        case ProbeFault.TOOL_TOO_OLD:
            return "Update it: nrfutil upgrade device, or SEGGER's J-Link software."
        case ProbeFault.TOOL_NOT_READY:
            return (
                "Start it once by hand where it has network access: nrfutil downloads its core "
                "and its command `device` (behind a proxy: HTTPS_PROXY, and the proxy's "
                "certificate). "
                "Where SEGGER's J-Link Commander (JLinkExe) asks for a license, accept it there."
            )
        case ProbeFault.OTHER_NRFUTIL:
            return (
                "Nordic's present tool has the same name: get nRF Util from Nordic's download "
                "page, put it on the PATH before this one, and run `nrfutil install device`. Or "
                "take another tool: --runner nrfjprog or pynrfjprog."
            )
        case ProbeFault.JLINK_MISSING:
            return (
                "Install SEGGER's J-Link software, which the tool works through; `nrf-fota doctor` "
                "shows where it is looked for."
            )
        case ProbeFault.NOT_FOUND:
            return (
                "Plug in the kit and switch it on; where it is, compare --device-id with the "
                "number on its sticker, and check the udev rules of SEGGER's J-Link software."
            )
        case ProbeFault.NOT_REACHABLE:
            return (
                "Install SEGGER's J-Link software, or update it: without it the tool sees the kit "
                "on USB and cannot use it. `nrf-fota doctor` shows where it is looked for."
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
        case ProbeFault.PROBE_LOST:
            return (
                "Unplug the J-Link and plug it in again, without a hub; end what else holds it. "
                "With an external J-Link try another version of SEGGER's J-Link software."
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
            return (
                "Another chip answers on SWD than the board has. Remove what hangs on the "
                "debug-out connector, check the jumpers of the chip's supply and SWD, choose the "
                "kit with --device-id and its board with --board."
            )
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
        case ProbeFault.WORKER_LOST:
            return (
                "Unplug the kit, plug it in again, and recover it (`prepare` does so). If that "
                "does not help, update the tool and SEGGER's J-Link software, or take another: "
                "--runner."
            )
        case ProbeFault.JLINK_TIMED_OUT:
            return (
                "Unplug the kit and plug it in again, without a hub; end what else holds its "
                "probe; then update SEGGER's J-Link software."
            )
        case ProbeFault.TIMED_OUT:
            return (
                "The tool was ended. Unplug the kit and plug it in again; where it was only slow "
                "(a first download, an update of the probe's firmware), raise --flash-timeout."
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


@dataclass(frozen=True)
class Specimen:
    """What a tool printed, and where it was published."""

    text: str
    source: str


@dataclass(frozen=True)
class ToolMessage:
    """How a tool's output shows a fault.

    Args:
        fault: what it means.
        expression: the regular expression, searched anywhere, upper and lower case alike.
        specimens: outputs that users published; none where the expression is worded from a manual.
    """

    fault: ProbeFault
    expression: str
    specimens: tuple[Specimen, ...] = ()

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The expression, compiled when it is first needed."""
        return re.compile(self.expression, re.IGNORECASE | re.MULTILINE)


TOOL_MESSAGES: tuple[ToolMessage, ...] = (
    # The first that fits counts: what names a cause stands before what says that something failed.
    ToolMessage(
        ProbeFault.OTHER_NRFUTIL,
        # click's message of a program that knows no --json, and the Python package's own traces.
        r"no such option: ?['\"]?--json|nordicsemi[./\\]+__main__|^nrfutil version [1-6]\.",
        (
            Specimen("nrfutil version 6.1.1", "devzone 79214"),
            Specimen(
                "    from nordicsemi.__main__ import cli", "NordicSemiconductor/pc-nrfutil#350"
            ),
            Specimen('  File "nordicsemi\\__main__.py", line 1545, in <module>', "devzone 80373"),
        ),
    ),
    ToolMessage(
        ProbeFault.TOOL_NOT_READY,
        r"HTTP Transport Error|on package index|tls connection init failed|error sending request"
        r"|could not resolve host|(accept|agree to) .{0,30}(licen[sc]e|terms of use)"
        r"|licen[sc]e .{0,30}(not accepted|missing|required)",
        (
            Specimen(
                "Failed to query for package 'nrfutil-device' on package index - aborting before "
                "uninstall",
                "nordicsemi/pc-nrfconnect-launcher#1189",
            ),
            Specimen(
                "0: HTTP Transport Error https://files.nordicsemi.com/artifactory/swtools/external/"
                "nrfutil/index/aarch64-apple-darwin/nrfutil-device: Connection Failed: tls "
                "connection init failed: invalid peer certificate: UnknownIssuer",
                "nordicsemi/pc-nrfconnect-launcher#1189",
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.WRONG_CHIP,
        r"unexpected debug port ID|The --family option given|invalid family argument"
        r"|WRONG_FAMILY_FOR_DEVICE",
        (
            Specimen(
                "ERROR: invalid family argument, a problem with your device, or nrfjprog may\n"
                "ERROR: not yet support your device.",
                "devzone 67181",
            ),
            Specimen(
                "[error] [ Worker] - Encountered unexpected debug port ID 0, expected 6\n"
                "ERROR: The --family option given with the command (or the default from\n"
                "ERROR: nrfjprog.ini) does not match the device connected.",
                "a university lab page on GitHub: a kit without its jumper on P22",
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.LOW_VOLTAGE,
        r"low[ _]?voltage",
        (Specimen("ERROR: Low voltage detected at the target.", "rbaron/b-parasite#20"),),
    ),
    ToolMessage(
        ProbeFault.JLINK_MISSING,
        r"JLINKARM_DLL_(NOT_FOUND|COULD_NOT_BE_OPENED)|libjlinkarm.{0,20}cannot open"
        r"|JLinkARM DLL load failed|CouldNotFindJprogDLL|CouldNotOpenDLL"
        r"|JLinkARM.{0,20}(not|could not be) found|unable to find or open the JLinkARM dll",
        (
            Specimen(
                "[error] [SeggerBackend] - Error in dlopen: libjlinkarm.so: cannot open shared "
                "object file: No such file or directory\n[error] [ Worker] - Dll failed to open.",
                "NordicPlayground/nrf-docker#70",
            ),
            Specimen(
                "ERROR: JLinkARM DLL load failed. Try again. If it keeps failing, please\n"
                "ERROR: reinstall latest JLinkARM from Segger webpage.",
                "NordicPlayground/nrf-docker#70",
            ),
            Specimen(
                "Errorcode: CouldNotOpenDLL (0x7) Lowlevel error: JLINKARM_DLL_NOT_FOUND "
                "(ffffff9c)",
                "nordicsemi/pc-nrfconnect-programmer#110",
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.WORKER_LOST,
        r"Timed out waiting for (a )?response from worker|Did (the )?worker process die",
        (
            Specimen(
                " * 1051290792: Timed out waiting for response from worker. (Generic)",
                "devzone 125634",
            ),
            Specimen(
                "Timed out waiting for progress updates.\nDid worker process die?", "devzone 107329"
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.JLINK_TIMED_OUT,
        r"JLINKARM_DLL_TIME_OUT|JLinkARM DLL timed out|(error|result) -105\b",
        (
            Specimen(
                "ERROR: The JLinkARM DLL timed out while communicating to the J-Link probe.",
                "devzone 114638, 90510",
            ),
            Specimen(
                "[error] [ Client] - Encountered error -105: Command connect_to_emu_with_snr "
                "executed for 40 milliseconds with result -105",
                "devzone 114638",
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.PROBE_LOST,
        # JLinkGlobalErrors EMU_NO_CONNECTION and EMU_COMM_ERROR (square/pylink, pylink/enums.py).
        r"DLL error -25[67]\b|JLinkARM\.dll reported \"-25[67]\"|error code ?= ?-25[67]\b"
        r"|EMU_(NO_CONNECTION|COMM_ERROR)",
        (Specimen("J-Link DLL error -256", "OpenEarable/open-earable-2#241"),),
    ),
    ToolMessage(
        ProbeFault.FIRMWARE_UPDATE,
        r"new firmware ver\w+ is available|firmware of the (emulator|probe|J-Link).{0,20}old"
        r"|(probe|J-Link|emulator) firmware .{0,30}(outdated|too old|update)"
        r"|Firmware update failed|Can ?not execute firmware update",
        (
            Specimen(
                "A new firmware verison is available for the connected emulator.", "devzone 46274"
            ),
            Specimen("ERROR: Firmware update failed.", "devzone 46274"),
            Specimen(
                "FAILED: Communication timed out - Can not execute firmware update",
                "devzone 33986",
            ),
        ),
    ),
    ToolMessage(
        ProbeFault.SEVERAL,
        r"multiple (devices|debug probes|emulators)|more than one (device|debugger)"
        r"|several (devices|probes)",
    ),
    ToolMessage(
        ProbeFault.NO_PERMISSION,
        r"permission denied|LIBUSB_ERROR_ACCESS|insufficient permissions|PERMISSION_ERROR",
        (
            Specimen(
                "Failed to open device: LIBUSB_ERROR_ACCESS.",
                "sandeepmistry/arduino-nRF5#209 (OpenOCD; the same USB library)",
            ),
        ),
    ),
    ToolMessage(ProbeFault.BUSY, r"resource busy|already in use|already open|in use by another"),
    ToolMessage(
        ProbeFault.NOT_FOUND,
        r"No devices with requested serial number|No devices found|No debuggers were discovered"
        r"|There is no debugger connected|NO_EMULATOR_CONNECTED|EMULATOR_NOT_CONNECTED",
        (
            Specimen(
                "Error: No devices with requested serial number(s) or trait(s) found",
                "devzone 123853",
            ),
            Specimen("ERROR: No debuggers were discovered.", "devzone 81989"),
            Specimen("ERROR: There is no debugger connected to the PC.", "devzone 51944"),
        ),
    ),
    ToolMessage(
        ProbeFault.VERIFY_FAILED,
        r"Write verify failed|VerifyError|VERIFY_ERROR|Data does not match|verification failed",
        (
            Specimen(
                "-160: Data does not match in address range [0x00FF8128 - 0x00FF8177] (APP UICR)",
                "devzone 108623",
            ),
            Specimen("ERROR: Write verify failed.", "devzone 114638"),
        ),
    ),
    ToolMessage(
        ProbeFault.RECOVER_FAILED,
        # Not `Batch task recover failed, REASON`, where the reason counts.
        r"(?<!task )Recover failed|RECOVER_FAILED",
        (
            Specimen(
                "[error] [ Client] - Encountered error -21: Command recover executed for 30178 "
                "milliseconds with result -21\n"
                "ERROR: Recover failed. Please make sure that the correct device family is given",
                "devzone 121798",
            ),
            Specimen("Batch task recover failed, [jlink] RECOVER_FAILED.", "devzone 119641"),
        ),
    ),
    ToolMessage(
        ProbeFault.PROTECTED,
        r"NotAvailableBecause(Secure)?(Ap)?Protection|NOT_AVAILABLE_BECAUSE_PROTECTION"
        r"|access port is protected|readback protection|ap-protection is enabled"
        r"|access protection is enabled|memory protection (issue|mechanism)",
        (
            Specimen(
                "Failed to attach to target: The Application core access port is protected (All) "
                "(NotAvailableBecauseProtection)",
                "devzone 121798",
            ),
            Specimen(
                "[jlink] The operation is unavailable due to readback protection",
                "devzone 110075",
            ),
            Specimen(
                "[Probe] Device error: Memory access error at 0x00000000. Probably a memory "
                "protection issue. Probe access is Secure, code: Generic",
                "devzone 121614",
            ),
            Specimen(
                "[error] [SeggerBackend] - This typically indicates the read was blocked by a "
                "memory protection mechanism.",
                "devzone 98041",
            ),
            Specimen(
                "Lowlevel error: NOT_AVAILABLE_BECAUSE_PROTECTION (ffffffa6)", "devzone 74775"
            ),
            Specimen(
                "Access protection is enabled, can't read device version.",
                "devzone 98292",
            ),
        ),
    ),
    ToolMessage(ProbeFault.NO_EXTERNAL_FLASH, r"external (memory|flash).{0,40}(not|no|missing) "),
    ToolMessage(
        ProbeFault.TOOL_TOO_OLD,
        r"is not implemented for this device|DLL_TOO_OLD|unexpected argument"
        r"|unrecognized subcommand",
        (
            Specimen(
                "[jlink] Memory read is not implemented for this device, code: NotSupported",
                "devzone 116701",
            ),
        ),
    ),
    ToolMessage(ProbeFault.NOT_SUPPORTED, r"NotSupported|NOT_IMPLEMENTED|not supported yet"),
    ToolMessage(ProbeFault.TOOL_BROKEN, r"DLL_NOT_FOUND|COULD_NOT_BE_OPENED"),
    ToolMessage(
        ProbeFault.NO_CONNECTION,
        r"Failed to open connection|Unable to detect CTRL-AP|CANNOT_CONNECT|Unable to connect"
        r"|JLINKARM_DLL_ERROR|Could not connect to CPU core|power sys and debug region"
        r"|Failed to (read|write) DebugPort register|does not have an ARM debug port"
        r"|JLinkARM DLL reported an error|Failed to read device memories",
        (
            Specimen("Emulator error: Failed to open connection (Generic)", "devzone 121798"),
            Specimen(
                "Device error: A timeout occured while handling debug power: Timed out trying to "
                "power sys and debug region (Generic)",
                "devzone 121180",
            ),
            Specimen(
                "[Probe] Device error: Failed to write DebugPort register 2: Unknown Error in "
                "J-Link DLL (error code = -1)",
                "devzone 120718",
            ),
            Specimen(
                "[error] [ nRFXX] - Device does not have an ARM debug port.", "devzone 121180"
            ),
            Specimen(
                "ERROR: JLinkARM DLL reported an error. Try again. If error condition",
                "devzone 106295",
            ),
        ),
    ),
)


def fault_in(text: str) -> ProbeFault | None:
    """The fault that a tool's message names, or None."""
    for message in TOOL_MESSAGES:
        if message.regex.search(text):
            return message.fault
    return None
