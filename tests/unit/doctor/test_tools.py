"""Probe tools, the J-Link library, QEMU, 32-bit programs, folders."""

import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.soc import NRF5340
from pytest_nrf_fota.doctor.check import Look, Outcome
from pytest_nrf_fota.doctor.emulator_checks import PROGRAMS_32_BIT, QEMU
from pytest_nrf_fota.doctor.folder_checks import CACHE, POSIX, RUN_FOLDER
from pytest_nrf_fota.doctor.probe_checks import JLINK_LIBRARY, asked_probe, probe_tool
from pytest_nrf_fota.firmware.smpclient_dist import ARCHIVE_NAME

from .machine import NRFUTIL, Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")

LONG_S = 30.0
# Answers as nrfutil does; `list` and `device-info` in the form of the probe's own tests.
NRFUTIL_WITH_A_KIT = """#!/bin/sh
case "$*" in
*--version*) echo '{"type":"info","data":{"version":"2.7.16"}}' ;;
*device-info*) cat <<END
{"type":"task_end","data":{"result":"success","data":{"deviceInfo":{"jlink":\
{"deviceVersion":"NRF5340_xxAA_REV1","jlinkObFirmwareVersion":"J-Link OB-nRF5340 V1"}}}}}
END
;;
*list*) cat <<END
{"type":"task_end","data":{"result":"success","data":{"devices":\
[{"serialNumber":"001050012345","traits":{"jlink":true}}]}}}
END
;;
esac
"""


def tool(machine: Machine, runner: str = "auto") -> Look:
    return probe_tool(runner, LONG_S).look(machine.host())


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """No Python package but one that does not matter."""
    machine.add_package("other", "1.0")
    return machine


def test_no_tool(bare: Machine) -> None:
    """All three are named, and the quickest way to one."""
    look = tool(bare)
    assert look.outcome is Outcome.MISSING
    assert "nrfutil: not on the PATH; nrfjprog: not on the PATH; pynrfjprog: " in look.found
    assert look.command.endswith("-m pip install 'pynrfjprog>=10.24'")


def test_nrfutil(bare: Machine) -> None:
    """It works when its command `device` tells a version."""
    bare.add_program("nrfutil", NRFUTIL)
    assert tool(bare).outcome is Outcome.OK
    assert "nrfutil device 2.7.16" in tool(bare).found


def test_nrfutil_without_its_device_command(bare: Machine) -> None:
    """The one command that is missing."""
    bare.add_program("nrfutil", "#!/bin/sh\necho 'error: subcommand not found' >&2\nexit 1\n")
    look = tool(bare)
    assert look.outcome is Outcome.MISSING
    assert "has no command `device`" in look.found
    assert look.command == "nrfutil install device"


def test_pips_nrfutil(bare: Machine) -> None:
    """It is there; to install its command `device` would not help."""
    bare.add_program("nrfutil", "#!/bin/sh\necho 'Error: No such option: --json' >&2\nexit 2\n")
    look = tool(bare)
    assert look.outcome is Outcome.MISSING
    assert "old Python program" in look.found
    assert "has the same name" in look.remedy
    assert look.command == ""


def test_tool_that_hangs(bare: Machine) -> None:
    """It is not said to be missing."""
    bare.add_program("nrfutil", "#!/bin/sh\nexec sleep 1000\n")
    look = probe_tool("nrfutil", 1.0).look(bare.host())
    assert look.outcome is Outcome.MISSING
    assert "not done after 1 s" in look.found
    assert look.command == ""


def test_nrfjprog_and_the_tool_that_was_asked_for(bare: Machine) -> None:
    """`auto` is content with nrfjprog; a named tool is not replaced by another."""
    bare.add_program(
        "nrfjprog",
        "#!/bin/sh\necho 'nrfjprog version: 10.24.2 external'\n"
        "echo 'JLinkARM.dll version: 7.94i'\n",
    )
    assert "10.24.2" in tool(bare).found
    assert tool(bare, "nrfjprog").outcome is Outcome.OK
    assert tool(bare, "nrfutil").outcome is Outcome.MISSING
    assert tool(bare, "pynrfjprog").outcome is Outcome.MISSING


def test_pynrfjprog(bare: Machine) -> None:
    """A Python package."""
    bare.add_package("pynrfjprog", "10.24.2")
    assert tool(bare, "pynrfjprog").found == "pynrfjprog 10.24.2 (Python package)"


def test_asked_probe(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chip and J-Link firmware, as the tool says them; a refusal with the tool's remedy."""
    program = machine.add_program("nrfutil", NRFUTIL_WITH_A_KIT)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    look = asked_probe("nrfutil", None, NRF5340, LONG_S).look(machine.host())
    assert look.outcome is Outcome.OK, look
    assert "NRF5340_xxAA_REV1" in look.found and "J-Link OB-nRF5340 V1" in look.found
    look = asked_probe("nrfutil", "77", NRF5340, LONG_S).look(machine.host())
    assert look.outcome is Outcome.MISSING
    assert "77" in look.found and "--device-id" in look.remedy


def test_jlink_library(machine: Machine) -> None:
    """In SEGGER's folder, with its version; nowhere: the package to install."""
    look = JLINK_LIBRARY.look(machine.host())
    assert look.outcome is Outcome.MISSING
    assert look.command == "sudo apt install ./JLink_Linux_V*_x86_64.deb"
    machine.machine = "aarch64"
    assert JLINK_LIBRARY.look(machine.host()).command.endswith("_arm64.deb")
    machine.write("/opt/SEGGER/JLink_V794e/libjlinkarm.so.7.94.5", "")
    machine.path("/opt/SEGGER/JLink").symlink_to("JLink_V794e")
    look = JLINK_LIBRARY.look(machine.host())
    assert look.outcome is Outcome.OK
    assert look.found.startswith("V794e (/opt/SEGGER/JLink")


def test_jlink_library_beside_a_program_elsewhere(machine: Machine) -> None:
    """JLinkExe on the PATH is a link into the folder where the library is."""
    library = machine.folder / "elsewhere" / "JLink_V810" / "libjlinkarm.so"
    library.parent.mkdir(parents=True)
    library.write_text("")
    program = library.parent / "JLinkExe"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (machine.folder / "bin" / "JLinkExe").symlink_to(program)
    assert JLINK_LIBRARY.look(machine.host()).found.startswith("V810")


def test_jlink_library_on_a_mac(machine: Machine) -> None:
    """Homebrew has it."""
    machine.system = "darwin"
    assert JLINK_LIBRARY.look(machine.host()).command == "brew install --cask segger-jlink"
    machine.write("/Applications/SEGGER/JLink_V794e/libjlinkarm.dylib", "")
    assert JLINK_LIBRARY.look(machine.host()).outcome is Outcome.OK


def test_qemu(machine: Machine) -> None:
    """Missing, broken, there."""
    assert QEMU.look(machine.host()).command == "sudo apt install qemu-system-arm"
    machine.system = "darwin"
    assert QEMU.look(machine.host()).command == "brew install qemu"
    machine.add_program(
        "qemu-system-arm", "#!/bin/sh\necho 'cannot open libfoo.so' >&2\nexit 127\n"
    )
    look = QEMU.look(machine.host())
    assert look.outcome is Outcome.MISSING and "does not start" in look.found
    machine.add_program("qemu-system-arm", "#!/bin/sh\necho 'QEMU emulator version 8.2.0'\n")
    assert "8.2.0" in QEMU.look(machine.host()).found


def test_32_bit_programs(machine: Machine) -> None:
    """The loader on x86, and what it finds; nothing helps elsewhere."""
    install = "sudo apt install libc6-i386 lib32gcc-s1"
    look = PROGRAMS_32_BIT.look(machine.host())
    assert "no C library" in look.found and look.command == install
    machine.write("/lib/ld-linux.so.2", "#!/bin/sh\nexit 1\n", 0o755)
    look = PROGRAMS_32_BIT.look(machine.host())
    assert "no libgcc_s.so.1" in look.found and look.command == install
    machine.write("/lib/ld-linux.so.2", "#!/bin/sh\nexit 0\n", 0o755)
    assert PROGRAMS_32_BIT.look(machine.host()).outcome is Outcome.OK
    machine.write("/lib/ld-linux.so.2", "no program")
    look = PROGRAMS_32_BIT.look(machine.host())
    assert (look.outcome, look.command) == (Outcome.MISSING, "pytest --board qemu_cortex_m0")
    machine.machine = "aarch64"
    assert "Linux on x86" in PROGRAMS_32_BIT.look(machine.host()).found


def test_windows_has_no_boards_without_hardware(machine: Machine) -> None:
    """It says so instead of failing later."""
    machine.system = "win32"
    assert POSIX.look(machine.host()).outcome is Outcome.MISSING


def test_run_folder(machine: Machine) -> None:
    """Room, little room, and a folder that cannot be made."""
    assert RUN_FOLDER.look(machine.host()).outcome is Outcome.OK
    machine.free_bytes = 20_000_000
    look = RUN_FOLDER.look(machine.host())
    assert look.outcome is Outcome.WARNING and look.found.startswith("20 MB free")
    (machine.folder / "work").rmdir()
    (machine.folder / "work").write_text("a file")
    assert RUN_FOLDER.look(machine.host()).outcome is Outcome.MISSING


def test_cache_folder(machine: Machine) -> None:
    """It is made later where its parent can be written; the firmware may be there already."""
    assert "downloads" in CACHE.look(machine.host()).found
    cache = machine.folder / "cache"
    archive = cache / ARCHIVE_NAME.removesuffix(".tar.gz") / ARCHIVE_NAME
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"")
    assert "holds the firmware" in CACHE.look(machine.host()).found
    archive.unlink()
    archive.parent.rmdir()
    cache.rmdir()
    cache.write_text("a file")
    look = CACHE.look(machine.host())
    assert look.outcome is Outcome.MISSING and str(Path(cache)) in look.found
