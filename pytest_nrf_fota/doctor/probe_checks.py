"""The tools that drive a debug probe, and SEGGER's library that this package's tools use."""

import re
import shlex
from pathlib import Path

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.boards.traits import ANY_TOOL
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.errors import ProbeError, RigError
from pytest_nrf_fota.farm.claims import KitsTakenError
from pytest_nrf_fota.farm.one_kit import kit_alone
from pytest_nrf_fota.probe.choose import choose_tool, open_probe, probe_tools
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.tool import ProbeTool

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
_QUICKEST = "pynrfjprog"
_ANY_REMEDY = (
    "Quickest is Nordic's Python package. Or get nRF Util from Nordic's download page onto the "
    "PATH and run `nrfutil install device`."
)
_LIBRARY_VERSION = re.compile(r"V\d+[a-z]?")


def probe_tool(runner: str, within_s: float) -> Check:
    """The check for the tool that drives the probe; `auto` is content with any of them.

    `within_s` is how long each may take to tell its version: a first start may download.
    """
    tools = probe_tools()
    wanted = tuple(tools.values()) if runner == ANY_TOOL else (tools[runner],)

    def look(host: Host) -> Look:
        working: list[str] = []
        errors: dict[ProbeTool, ProbeError] = {}
        for tool in wanted:
            try:
                found = tool.find(host, Deadline.after(within_s))
                working.append(f"{found.version} ({found.place})")
            except ProbeError as error:
                errors[tool] = error
        if working:
            return ok(", ".join(working))
        said = "; ".join(f"{tool.name}: {error.what.rstrip()}" for tool, error in errors.items())
        asked = wanted[0] if len(wanted) == 1 else None
        # A program that is there and lacks something is nearer than one that is not there.
        nearest = asked or next((t for t in wanted if host.which(t.name)), tools[_QUICKEST])
        why = errors.get(nearest)
        if isinstance(why, ProbeFaultError) and why.fault is not ProbeFault.TOOL_MISSING:
            # It is there, and something else is wrong than that it is not installed.
            words = f"no tool for the probe works: {said}"
            return Look(Outcome.MISSING, words, remedy=why.next_step)
        return Look(
            Outcome.MISSING,
            f"no tool for the probe works: {said}",
            remedy=asked.remedy if asked else _ANY_REMEDY,
            command=re.sub(r"^pip ", f"{shlex.quote(str(host.python))} -m pip ", nearest.install),
        )

    return Check(
        name="probe tool" if runner == ANY_TOOL else f"probe tool {runner}",
        looks_at=", ".join(tool.name for tool in wanted),
        prevents="flashing, resetting and reading a real kit",
        look=look,
    )


def needs_jlink_library(runner: str) -> bool:
    """Whether the tool works through SEGGER's library; with `auto`, whether any does."""
    tools = probe_tools()
    wanted = tools.values() if runner == ANY_TOOL else (tools[runner],)
    return any(tool.needs_jlink_library for tool in wanted)


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


def asked_probe(runner: str, device_id: str | None, soc: Soc, within_s: float) -> Check:
    """The check that asks the kit's probe who it is; its tool reads the chip's identity by SWD.

    `within_s` is the limit for finding the tool and asking.
    """

    def look(host: Host) -> Look:
        try:
            deadline = Deadline.after(within_s)
            chosen = choose_tool(runner, deadline)
            with kit_alone(device_id):
                # Asking writes no file.
                probe = open_probe(chosen, device_id, host.run_folder, soc, deadline)
                info = probe.info(deadline)
        except KitsTakenError as error:
            return Look(Outcome.MISSING, f"{error.what} {error.where}", remedy="Ask later.")
        except RigError as error:
            return Look(Outcome.MISSING, error.what, remedy=error.next_step)
        return ok(f"{info.serial_number}: {info.target}; {info.runner}, {info.version}")

    return Check(
        name="asked probe",
        looks_at="what the probe and the chip report",
        prevents="flashing, resetting and reading a real kit",
        look=look,
    )


JLINK_LIBRARY = Check(
    name="J-Link library",
    looks_at="SEGGER's folders, and the folder of JLinkExe on the PATH",
    prevents="nrfutil, nrfjprog and pynrfjprog",
    look=_look_at_library,
)
