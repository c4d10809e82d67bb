"""The tools that drive a debug probe, and SEGGER's library that they all use."""

import re
import shlex
from pathlib import Path

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import ProbeRunner
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.probe import nrfjprog, nrfutil
from pytest_nrf_fota.probe.choose import TOOL_NAMES, ToolName, choose_tool, open_probe
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFaultError

_VERSION_S = 20.0
_ASK_S = 30.0
# Where SEGGER's packages put it, which is where Nordic's tools look (docs.nordicsemi.com, nRF
# pynrfjprog, "Installing pynrfjprog"), and where distributions do, for `dlopen`.
_LIBRARIES = {
    "linux": (
        "opt/SEGGER/JLink*/libjlinkarm.so*",
        "usr/lib/libjlinkarm.so*",
        "usr/lib/*/libjlinkarm.so*",
        "usr/local/lib/libjlinkarm.so*",
    ),
    "darwin": ("Applications/SEGGER/JLink*/libjlinkarm*.dylib",),
    "win32": (
        "Program Files/SEGGER/JLink*/JLink_x64.dll",
        "Program Files (x86)/SEGGER/JLink*/JLinkARM.dll",
    ),
}
_COMMANDER = {"linux": "JLinkExe", "darwin": "JLinkExe", "win32": "JLink.exe"}
_LIBRARY_VERSION = re.compile(r"V\d+[a-z]?")


def probe_tool(runner: ProbeRunner) -> Check:
    """The check for the tool that drives the probe; `auto` is content with any of the three."""
    wanted = TOOL_NAMES if runner == "auto" else (runner,)

    def look(host: Host) -> Look:
        states = [_state(host, name) for name in wanted]
        working = [words for works, words in states if works]
        if working:
            return ok(", ".join(working))
        return Look(
            Outcome.MISSING,
            f"no tool for the probe works: {'; '.join(words for _, words in states)}",
            remedy=_remedy(wanted),
            command=_command(host, wanted),
        )

    return Check(
        name="probe tool" if runner == "auto" else f"probe tool {runner}",
        looks_at="nrfutil and its command `device`, nrfjprog, the package pynrfjprog",
        prevents="flashing, resetting and reading a real kit",
        look=look,
    )


def _state(host: Host, name: ToolName) -> tuple[bool, str]:
    """Whether it works, and its version or why it does not."""
    if name == "pynrfjprog":
        package = host.distribution(name)
        if package is None:
            return False, "pynrfjprog is not installed"
        return True, f"pynrfjprog {package.version}"
    program = host.which(name)
    if program is None:
        return False, f"{name} is not on the PATH"
    deadline = Deadline.after(_VERSION_S)
    try:
        match name:
            case "nrfutil":
                tool = Tool(name, (str(program), "--json", "device"))
                return True, f"nrfutil device {nrfutil.tool_version(tool, deadline)} ({program})"
            case "nrfjprog":
                version = nrfjprog.tool_version(Tool(name, (str(program),)), deadline)
                return True, f"{version or 'nrfjprog'} ({program})"
            case _:
                assert_never(name)
    except ProbeFaultError as error:
        return False, error.what.rstrip()


def _remedy(wanted: tuple[ToolName, ...]) -> str:
    if wanted == ("nrfjprog",):
        return "Install nRF Command Line Tools, from Nordic's download page."
    if wanted == ("pynrfjprog",):
        return "Install the package."
    if wanted == ("nrfutil",):
        return "Get nRF Util from Nordic's download page onto the PATH, then its command `device`."
    return (
        "Quickest is Nordic's Python package. Or get nRF Util from Nordic's download page onto the "
        "PATH and run `nrfutil install device`."
    )


def _command(host: Host, wanted: tuple[ToolName, ...]) -> str:
    if "nrfutil" in wanted and (wanted == ("nrfutil",) or host.which("nrfutil") is not None):
        return "nrfutil install device"
    if wanted == ("nrfjprog",):
        return "sudo apt install ./nrf-command-line-tools_*_amd64.deb"
    return f"{shlex.quote(str(host.python))} -m pip install 'pynrfjprog>=10.24'"


def _look_at_library(host: Host) -> Look:
    libraries = _libraries(host)
    if not libraries:
        package = "arm64" if host.machine in ("aarch64", "arm64") else "x86_64"
        commands = {
            "linux": f"sudo apt install ./JLink_Linux_V*_{package}.deb",
            "darwin": "brew install --cask segger-jlink",
        }
        return Look(
            Outcome.MISSING,
            "no J-Link library in the usual places",
            remedy="Get the J-Link software pack from SEGGER's download page, and install it.",
            command=commands.get(host.system, ""),
        )
    library = libraries[0]
    version = _LIBRARY_VERSION.search(library.resolve().parent.name)
    shown = f"/{library.relative_to(host.root)}" if library.is_relative_to(host.root) else library
    return ok(f"{version[0] if version else 'found'} ({shown})")


def _libraries(host: Host) -> list[Path]:
    patterns = _LIBRARIES.get(host.system, ())
    found = [path for pattern in patterns for path in sorted(host.root.glob(pattern))]
    commander = host.which(_COMMANDER.get(host.system, "JLinkExe"))
    if commander is not None:
        # A J-Link that was unpacked somewhere else, with a link on the PATH.
        found += sorted(commander.resolve().parent.glob("libjlinkarm*"))
    return found


def asked_probe(runner: ProbeRunner, device_id: str | None, soc: Soc) -> Check:
    """The check that asks the kit's probe who it is; its tool reads the chip's identity by SWD."""

    def look(host: Host) -> Look:
        try:
            chosen = choose_tool(runner)
            # Asking writes no file.
            probe = open_probe(chosen, device_id, host.run_folder, soc)
            info = probe.info(Deadline.after(_ASK_S))
        except ProbeFaultError as error:
            return Look(Outcome.MISSING, error.what, remedy=error.next_step)
        return ok(f"{info.serial_number}: {info.target}; {info.runner}, {info.version}")

    return Check(
        name="asked probe",
        looks_at="what the probe and the chip say of themselves",
        prevents="flashing, resetting and reading a real kit",
        look=look,
    )


JLINK_LIBRARY = Check(
    name="J-Link library",
    looks_at="SEGGER's folders, and beside JLinkExe on the PATH",
    prevents="every tool for the probe",
    look=_look_at_library,
)
