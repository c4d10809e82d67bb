"""nrfjprog's command line: how it is called, and what each of its endings means."""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.probe import nrfjprog
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, remedy
from pytest_nrf_fota.probe.nrfjprog import EXIT_CODES, NrfjprogProbe
from pytest_nrf_fota.wires.probe import Core, ResetKind

from .fake_tool import FakeTool, Replay, deadline

_SN = "683999535"
_NOTES = (
    "NOTE: For additional output, try running again with logging enabled (--log).\n"
    "NOTE: Any generated log error messages will be displayed.\n"
)
# What nrfjprog printed, its exit code, and where it was seen.
_SEEN_FAILURES = {
    "protected (devzone 98292)": (
        16,
        "[error] [ nRF52] - Access protection is enabled, can't read device version.\n"
        "ERROR: The operation attempted is unavailable due to readback protection in\n"
        "ERROR: your device. Please use --recover to unlock the device.\n",
        ProbeFault.PROTECTED,
    ),
    "verify failed because UICR is written (devzone 108623)": (
        55,
        "[error] [  nRF53] - Failed while performing 'Verify' operation on target address "
        "0x00FF8128.\n"
        "-160: Data does not match in address range [0x00FF8128 - 0x00FF8177] (APP UICR)\n"
        "Expected byte value 0xFF but read 0xFC at address 0x00FF8150.\n"
        "ERROR: Write verify failed.\n",
        ProbeFault.VERIFY_FAILED,
    ),
    "recover failed (devzone 119641)": (
        62,
        "Recovering device. This operation might take 30s.\n"
        "[error] [ Worker] - Could not connect to CPU core. This may indicate that AP protection "
        "is enabled.\nERROR: Recover failed. Please make sure that the correct device family is "
        "given\n",
        ProbeFault.RECOVER_FAILED,
    ),
    "no probe (devzone 81989)": (
        41,
        "ERROR: No debuggers were discovered.\n",
        ProbeFault.NOT_FOUND,
    ),
    "low voltage (b-parasite issue 20)": (
        43,
        "ERROR: Unable to connect to a debugger.\n"
        "ERROR: Low voltage detected at the target. Please make sure the device is\n"
        "ERROR: properly supplied.\n",
        ProbeFault.LOW_VOLTAGE,
    ),
    "library error (devzone 119211)": (
        33,
        "[error] [ Client] - Encountered error -102: Command read_device_info executed for 140 "
        "milliseconds with result -102\n[error] [ Worker] - An unknown error.\n"
        "ERROR: JLinkARM DLL reported an error. Try again. If error condition\n",
        ProbeFault.NO_CONNECTION,
    ),
    "worker died (devzone 107329)": (
        63,
        "Timed out waiting for progress updates.\nDid worker process die?\n"
        "ERROR: An internal error has occurred, please try again.\n",
        ProbeFault.WORKER_LOST,
    ),
    "J-Link library timed out (devzone 114638)": (
        35,
        "[error] [ Client] - Encountered error -105: Command connect_to_emu_with_snr executed for "
        "40 milliseconds with result -105\nERROR: Unable to connect to a debugger.\n",
        ProbeFault.JLINK_TIMED_OUT,
    ),
    "another chip answers": (
        62,
        "[error] [ Client] - Encountered error -21: Command recover executed for 2 milliseconds "
        "with result -21\n[error] [ Worker] - Encountered unexpected debug port ID 2, expected 6\n"
        "ERROR: Recover failed. Please make sure that the correct device family is given\n",
        ProbeFault.WRONG_CHIP,
    ),
    "library is missing (NordicPlayground/nrf-docker#70)": (
        32,
        "[error] [SeggerBackend] - Error in dlopen: libjlinkarm.so: cannot open shared object "
        "file: No such file or directory\n[error] [ Client] - Encountered error -101: Command open "
        "executed for 10 milliseconds with result -101\n",
        ProbeFault.JLINK_MISSING,
    ),
    "external J-Link (OpenEarable/open-earable-2#241)": (
        33,
        "ERROR: J-Link DLL error -256\n",
        ProbeFault.PROBE_LOST,
    ),
    "probe wants new firmware (devzone 46274)": (
        33,
        "A new firmware version is available for the connected emulator.\n",
        ProbeFault.FIRMWARE_UPDATE,
    ),
}


def _probe(tool: FakeTool, tmp_path: Path) -> NrfjprogProbe:
    return NrfjprogProbe(tool.tool(), _SN, tmp_path / "work", NRF5340)


@pytest.fixture
def both_cores(tmp_path: Path) -> Path:
    path = tmp_path / "merged.hex"
    segments = [
        Segment(0x0, b"app" * 8),
        Segment(0xFF8100, b"otp!"),
        Segment(0x0100_0000, b"network" * 4),
        Segment(0x01FF_8000, b"uicr"),
        Segment(0x1000_0000, b"external"),
    ]
    write_hex(path, segments)
    return path


def test_recover_is_per_core(tmp_path: Path) -> None:
    """As Zephyr's runner does."""
    tool = FakeTool(tmp_path, "nrfjprog", Replay())
    probe = _probe(tool, tmp_path)
    probe.recover(Core.NETWORK, deadline())
    probe.recover(Core.APPLICATION, deadline())
    assert tool.call_lines == [
        f"--recover --coprocessor CP_NETWORK -f NRF53 --snr {_SN}",
        f"--recover --coprocessor CP_APPLICATION -f NRF53 --snr {_SN}",
    ]


def test_hex_file_is_split_by_core(tmp_path: Path, both_cores: Path) -> None:
    """Network core first, with the other halted; QSPI is erased by sectors, for its part only."""
    tool = FakeTool(tmp_path, "nrfjprog", Replay())
    _probe(tool, tmp_path).program(both_cores, deadline())
    work = tmp_path / "work"
    net, app = work / "network_merged.hex", work / "application_merged.hex"
    assert tool.call_lines == [
        f"--halt --coprocessor CP_APPLICATION -f NRF53 --snr {_SN}",
        f"--program {net} --sectorerase --verify --coprocessor CP_NETWORK -f NRF53 --snr {_SN}",
        f"--program {app} --sectorerase --qspisectorerase --verify "
        f"--coprocessor CP_APPLICATION -f NRF53 --snr {_SN}",
    ]
    assert [s.address for s in read_hex(net)] == [0x0100_0000, 0x01FF_8000]
    assert [s.address for s in read_hex(app)] == [0x0, 0xFF8100, 0x1000_0000]
    assert sorted(read_hex(net) + read_hex(app), key=lambda s: s.address) == list(
        read_hex(both_cores)
    )


def test_chip_with_one_core_is_told_no_core(tmp_path: Path) -> None:
    """And its own family; external flash and UICR go with the rest of the file."""
    hex_file = tmp_path / "merged.hex"
    segments = [Segment(0, b"app!"), Segment(0x1000_1080, b"uicr"), Segment(0x1200_0000, b"ext!")]
    write_hex(hex_file, segments)
    tool = FakeTool(tmp_path / "bin", "nrfjprog", Replay())
    probe = NrfjprogProbe(tool.tool(), _SN, tmp_path / "work", NRF52840)
    probe.recover(Core.APPLICATION, deadline())
    probe.program(hex_file, deadline())
    assert tool.call_lines == [
        f"--recover -f NRF52 --snr {_SN}",
        f"--program {hex_file} --sectorerase --qspisectorerase --verify -f NRF52 --snr {_SN}",
    ]


def test_file_for_one_core_is_used_as_it_is(tmp_path: Path) -> None:
    """Nothing is written beside it."""
    hex_file = tmp_path / "app.hex"
    write_hex(hex_file, [Segment(0x28200, b"app!")])
    tool = FakeTool(tmp_path / "bin", "nrfjprog", Replay())
    _probe(tool, tmp_path).program(hex_file, deadline())
    assert tool.call_lines == [
        f"--program {hex_file} --sectorerase --verify "
        f"--coprocessor CP_APPLICATION -f NRF53 --snr {_SN}"
    ]
    assert not (tmp_path / "work").exists()


def test_external_erase_and_resets(tmp_path: Path) -> None:
    """The remaining verbs."""
    tool = FakeTool(tmp_path, "nrfjprog", Replay())
    probe = _probe(tool, tmp_path)
    probe.erase_external(deadline())
    probe.reset(ResetKind.SYSTEM, deadline())
    probe.reset(ResetKind.PIN, deadline())
    probe.resume(Core.NETWORK, deadline())
    verbs = [line.split()[0] for line in tool.call_lines]
    assert verbs == ["--qspieraseall", "--reset", "--pinreset", "--run"]
    assert "--coprocessor CP_NETWORK" in tool.call_lines[-1]


def test_read_is_little_endian(tmp_path: Path) -> None:
    """Words are printed as numbers.

    Line format: sdk-nrf tests, `0x10001210: FFFF00FF`; nRF51 DFU readme, `FFFFFF10 51B1E5DB`.
    """
    output = "\n0x01001000: FFFFFF10 51B1E5DB 00016000 FFFF004F   |....Q..`....|\n\n"
    tool = FakeTool(tmp_path, "nrfjprog", Replay(when=("--memrd",), stdout=output))
    memory = _probe(tool, tmp_path).read(0x0100_1000, 16, deadline())
    assert memory == bytes.fromhex("10ffffff dbe5b151 00600100 4f00ffff")
    assert tool.call_lines == [
        f"--memrd 0x01001000 --n 16 --coprocessor CP_NETWORK -f NRF53 --snr {_SN}"
    ]


@pytest.mark.parametrize(
    "output",
    [
        "",
        "garbage \u2603\n",
        "0x00001000: FFFFFF10\n",
        "0x00001000: FFFFFF10 51B1E5DB\n0x00002000: 00000000 00000000\n",
        "0x00001000: FFFFFF1 51B1E5DB 00000000 00000000\n",
        "0x00001000: FFFFFF10 51B1E5DB 00000000 00000000\n0x00001010: 00000000\n",
    ],
)
def test_read_never_makes_up_bytes(tmp_path: Path, output: str) -> None:
    """Output with gaps, too little or too much is an error, not memory."""
    tool = FakeTool(tmp_path, "nrfjprog", Replay(stdout=output))
    with pytest.raises(ProbeFaultError) as raised:
        _probe(tool, tmp_path).read(0x1000, 16, deadline())
    assert raised.value.fault is ProbeFault.BAD_OUTPUT


@pytest.mark.parametrize("name", _SEEN_FAILURES)
def test_seen_failures(tmp_path: Path, name: str) -> None:
    """The error names the exit code, quotes the tool and says what to do."""
    exit_code, output, fault = _SEEN_FAILURES[name]
    replay = Replay(stdout=output, stderr=_NOTES, exit_code=exit_code)
    tool = FakeTool(tmp_path, "nrfjprog", replay)
    with pytest.raises(ProbeFaultError) as raised:
        _probe(tool, tmp_path).recover(Core.NETWORK, deadline())
    assert raised.value.fault is fault
    assert f"exit code {exit_code} ({EXIT_CODES[exit_code][0]})" in raised.value.what
    assert raised.value.next_step == remedy(fault)
    assert "--recover" in raised.value.where and _SN in raised.value.where


def test_every_exit_code_has_a_fault(tmp_path: Path) -> None:
    """All that nrfjprog.h of 10.19 lists, by number; one that it does not list is no surprise."""
    documented = {1, 2, 3, *range(11, 40), *range(40, 44), *range(51, 66), *range(70, 75)}
    assert set(EXIT_CODES) == documented
    tool = FakeTool(tmp_path, "nrfjprog", Replay(exit_code=98))
    with pytest.raises(ProbeFaultError, match="unknown exit code") as raised:
        _probe(tool, tmp_path).recover(Core.NETWORK, deadline())
    assert raised.value.fault is ProbeFault.OTHER


def test_listed_probes(tmp_path: Path) -> None:
    """One number per line; 0 is a probe that another program holds."""
    tool = FakeTool(
        tmp_path, "nrfjprog", Replay(when=("--ids",), stdout="683999535\r\n960130361\n")
    )
    assert nrfjprog.listed_probes(tool.tool(), deadline()) == ("683999535", "960130361")
    for output, fault in (("0\n", ProbeFault.BUSY), ("oops\n", ProbeFault.BAD_OUTPUT)):
        tool = FakeTool(tmp_path, "nrfjprog", Replay(stdout=output))
        with pytest.raises(ProbeFaultError) as raised:
            nrfjprog.listed_probes(tool.tool(), deadline())
        assert raised.value.fault is fault


def test_info(tmp_path: Path) -> None:
    """Chip and versions, as nrfjprog prints them (devzone 81989)."""
    version = "nrfjprog version: 10.24.2 external\nJLinkARM.dll version: 7.94i\n"
    tool = FakeTool(
        tmp_path,
        "nrfjprog",
        Replay(when=("--deviceversion",), stdout="NRF5340_xxAA_REV1\n"),
        Replay(when=("--version",), stdout=version),
    )
    info = _probe(tool, tmp_path).info(deadline())
    assert info.target == "NRF5340_xxAA_REV1"
    assert re.fullmatch(
        r"nrfjprog version: 10.24.2 external, JLinkARM.dll version: 7.94i", info.version
    )


@pytest.mark.parametrize(
    "library", ["", "JLinkARM.dll version: not found\n", "JLinkARM.dll version: \n"]
)
def test_nrfjprog_without_the_jlink_library_does_not_work(tmp_path: Path, library: str) -> None:
    """It tells its own version, and drives no probe."""
    output = f"nrfjprog version: 10.24.2 external\n{library}"
    tool = FakeTool(tmp_path, "nrfjprog", Replay(stdout=output))
    with pytest.raises(ProbeFaultError, match="no J-Link library") as raised:
        nrfjprog.tool_version(tool.tool(), deadline())
    assert raised.value.fault is ProbeFault.JLINK_MISSING


def test_fault_that_is_not_known(tmp_path: Path) -> None:
    """The message says whose it is, and quotes it."""
    tool = FakeTool(tmp_path, "nrfjprog", Replay(stdout="Something new\n", exit_code=63))
    with pytest.raises(ProbeFaultError) as raised:
        _probe(tool, tmp_path).recover(Core.NETWORK, deadline())
    assert raised.value.what == (
        "The flash tool failed: nrfjprog, exit code 63 (InternalError), its last words: "
        "Something new"
    )
