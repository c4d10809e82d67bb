"""`nrfutil --json device`: how it is called, and what its messages mean.

Shapes of the messages: NordicSemiconductor/pc-nrfconnect-shared, nrfutil/sandboxTypes.ts and
nrfutil/device/*.ts; sdk-zephyr scripts/west_commands/runners/nrfutil.py.
"""

import json
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.probe import nrfutil
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError, remedy
from pytest_nrf_fota.probe.nrfutil import NrfutilProbe
from pytest_nrf_fota.wires.probe import Core, ResetKind

from .fake_tool import FakeTool, Replay, deadline

_SN = "001050047412"


def _line(kind: str, data: object) -> str:
    return json.dumps({"type": kind, "data": data}) + "\n"


def _task(name: str) -> dict[str, object]:
    return {"id": "1f5c", "description": name, "name": name, "data": {"serialNumber": _SN}}


def _progress(name: str) -> str:
    progress = {"progressPercentage": 50, "description": "Erasing", "step": 1, "amountOfSteps": 3}
    return _line("task_progress", {"task": _task(name), "progress": progress})


def _done(name: str, data: object = None) -> str:
    end = {"task": _task(name), "message": "", "result": "success", "data": data}
    return _line("task_begin", {"task": _task(name)}) + _progress(name) + _line("task_end", end)


def _failed(name: str, message: str, code: int = 1) -> str:
    error = {"code": code, "description": message}
    end = {"task": _task(name), "message": message, "result": "fail", "error": error, "data": None}
    return _line("task_begin", {"task": _task(name)}) + _line("task_end", end)


# Messages that users saw, with the place; the JSON around them is built from the types above.
_SEEN_FAILURES = {
    "protected (devzone 121798)": (
        "Failed to attach to target: The Application core access port is protected (All) "
        "(NotAvailableBecauseProtection)",
        ProbeFault.PROTECTED,
    ),
    "protected, older (devzone 110075)": (
        "[jlink] The operation is unavailable due to readback protection",
        ProbeFault.PROTECTED,
    ),
    "probe does not open (devzone 121798)": (
        "Emulator error: Failed to open connection (Generic)",
        ProbeFault.NO_CONNECTION,
    ),
    "no control port": (
        "Device error: Unable to detect CTRL-AP at 2 (Generic)",
        ProbeFault.NO_CONNECTION,
    ),
    "recover failed (devzone 119641)": (
        "Batch task recover failed, [jlink] RECOVER_FAILED.",
        ProbeFault.RECOVER_FAILED,
    ),
    "read in old versions (devzone 116701)": (
        "[jlink] Memory read is not implemented for this device, code: NotSupported",
        ProbeFault.TOOL_TOO_OLD,
    ),
    "unknown": ("Something new (Generic)", ProbeFault.OTHER),
}


def _probe(tool: FakeTool, tmp_path: Path) -> NrfutilProbe:
    return NrfutilProbe(tool.tool("--json", "device"), _SN, tmp_path / "work", NRF5340)


def _recover_fault(tool: FakeTool, tmp_path: Path) -> ProbeFaultError:
    with pytest.raises(ProbeFaultError) as raised:
        _probe(tool, tmp_path).recover(Core.NETWORK, deadline())
    return raised.value


def test_recover_reset_erase(tmp_path: Path) -> None:
    """Every call names the probe and the core."""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("any")))
    probe = _probe(tool, tmp_path)
    probe.recover(Core.NETWORK, deadline())
    probe.recover(Core.APPLICATION, deadline())
    probe.reset(ResetKind.PIN, deadline())
    probe.reset(ResetKind.SYSTEM, deadline())
    probe.erase_external(deadline())
    probe.resume(Core.NETWORK, deadline())
    device, sn = "--json device", f"--serial-number {_SN}"
    assert tool.call_lines == [
        f"{device} recover {sn} --core Network",
        f"{device} recover {sn} --core Application",
        f"{device} reset {sn} --reset-kind RESET_PIN",
        f"{device} reset {sn} --reset-kind RESET_SYSTEM",
        f"{device} erase {sn} --all-external --core Application",
        f"{device} go {sn} --core Network",
    ]


def test_chip_with_one_core_is_told_no_core(tmp_path: Path) -> None:
    """UICR beside the external flash's window is no part of it."""
    hex_file = tmp_path / "merged.hex"
    write_hex(hex_file, [Segment(0, b"app!"), Segment(0x1000_1080, b"uicr")])
    tool = FakeTool(tmp_path / "bin", "nrfutil", Replay(stdout=_done("any")))
    probe = NrfutilProbe(tool.tool("--json", "device"), _SN, tmp_path / "work", NRF52840)
    probe.recover(Core.APPLICATION, deadline())
    probe.program(hex_file, deadline())
    probe.erase_external(deadline())
    device, sn = "--json device", f"--serial-number {_SN}"
    assert tool.call_lines == [
        f"{device} recover {sn}",
        f"{device} program {sn} --firmware {hex_file} --options "
        "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE,verify=VERIFY_READ,reset=RESET_NONE",
        f"{device} erase {sn} --all-external",
    ]


def test_hex_file_is_split_by_core(tmp_path: Path) -> None:
    """Network core first; external flash is erased where its part of the file lies."""
    merged = tmp_path / "merged.hex"
    segments = [Segment(0, b"app!"), Segment(0x0100_0000, b"net!"), Segment(0x1000_0000, b"ext!")]
    write_hex(merged, segments)
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("program")))
    _probe(tool, tmp_path).program(merged, deadline())
    touched = "ERASE_RANGES_TOUCHED_BY_FIRMWARE"
    end = "verify=VERIFY_READ,reset=RESET_NONE"
    start = f"--json device program --serial-number {_SN} --firmware {tmp_path / 'work'}"
    assert tool.call_lines == [
        f"{start}/network_merged.hex --core Network --options chip_erase_mode={touched},{end}",
        f"{start}/application_merged.hex --core Application "
        f"--options chip_erase_mode={touched},ext_mem_erase_mode={touched},{end}",
    ]


def test_read(tmp_path: Path) -> None:
    """The bytes come from the file that nrfutil writes, which is gone afterwards."""
    hex_file = tmp_path / "dump.hex"
    write_hex(hex_file, [Segment(0x0100_0000, bytes(range(32)))])
    then = f"""
import shutil
shutil.copy({str(hex_file)!r}, arguments[arguments.index("--to-file") + 1])
"""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("read"), then=then))
    probe = _probe(tool, tmp_path)
    assert probe.read(0x0100_0004, 4, deadline()) == bytes([4, 5, 6, 7])
    memory_file = tmp_path / "work" / "memory.hex"
    assert tool.call_lines == [
        f"--json device read --serial-number {_SN} --address 0x01000004 --bytes 4 "
        f"--to-file {memory_file} --core Network"
    ]
    assert not memory_file.exists()
    with pytest.raises(ProbeFaultError, match="gave 0x1000000-0x1000020") as raised:
        probe.read(0x0100_0010, 32, deadline())
    assert raised.value.fault is ProbeFault.BAD_OUTPUT


def test_read_without_a_file(tmp_path: Path) -> None:
    """Saying success is not enough."""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("read")))
    with pytest.raises(ProbeFaultError) as raised:
        _probe(tool, tmp_path).read(0, 4, deadline())
    assert raised.value.fault is ProbeFault.BAD_OUTPUT


@pytest.mark.parametrize("name", _SEEN_FAILURES)
def test_seen_failures(tmp_path: Path, name: str) -> None:
    """From the JSON, and from plain text on standard error alone."""
    message, fault = _SEEN_FAILURES[name]
    text = f"Error: One or more recover tasks failed:\n * {_SN}: {message}\n"
    for replay in (
        Replay(stdout=_failed("recover", message), stderr=text, exit_code=1),
        Replay(stderr=text, exit_code=1),
    ):
        error = _recover_fault(FakeTool(tmp_path, "nrfutil", replay), tmp_path)
        assert error.fault is fault
        assert message in error.what
        assert error.next_step == remedy(fault)
        assert "recover" in error.where and _SN in error.where


@pytest.mark.parametrize(
    ("code", "fault"), [(24, ProbeFault.PROTECTED), (25, ProbeFault.VERIFY_FAILED)]
)
def test_codes(tmp_path: Path, code: int, fault: ProbeFault) -> None:
    """The two codes that Zephyr's runner knows, whatever the message says."""
    replay = Replay(stdout=_failed("program", "no known words", code), exit_code=1)
    assert _recover_fault(FakeTool(tmp_path, "nrfutil", replay), tmp_path).fault is fault


def test_fault_that_is_not_known(tmp_path: Path) -> None:
    """The message says whose it is, and quotes it."""
    replay = Replay(stdout=_failed("recover", "Something new (Generic)"), exit_code=7)
    error = _recover_fault(FakeTool(tmp_path, "nrfutil", replay), tmp_path)
    assert error.fault is ProbeFault.OTHER
    assert error.what == (
        "The flash tool failed: nrfutil, status 7, its last words: Something new (Generic)"
    )


def test_probe_that_is_not_there(tmp_path: Path) -> None:
    """devzone 123853."""
    text = "Error: No devices with requested serial number(s) or trait(s) found\n"
    tool = FakeTool(tmp_path, "nrfutil", Replay(stderr=text, exit_code=1))
    assert _recover_fault(tool, tmp_path).fault is ProbeFault.NOT_FOUND


def test_failed_task_with_exit_code_0(tmp_path: Path) -> None:
    """A task's word counts, too."""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_failed("recover", "low voltage")))
    assert _recover_fault(tool, tmp_path).fault is ProbeFault.LOW_VOLTAGE


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"Recovered 1050047412\n",
        b'{"type":"task_begin","data":{}}\n',
        b'{"type":"task_end"',
        b"\xff\xfe\x00garbage\n[1, 2]\nnull\n",
    ],
)
def test_success_must_be_said(tmp_path: Path, output: bytes) -> None:
    """Exit code 0 with no message that a task ended well is no success."""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=output))
    assert _recover_fault(tool, tmp_path).fault is ProbeFault.BAD_OUTPUT


def test_messages_between_other_lines(tmp_path: Path) -> None:
    """Log messages, plain text and unknown kinds disturb nothing."""
    log = _line("log", {"level": "INFO", "message": "hello"})
    odd = _line("batch_update", {"batch": {}}) + "\nplain \u2603\n"
    end = _line("task_end", {"task": _task("recover")})
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=log + odd + end + log))
    _probe(tool, tmp_path).recover(Core.NETWORK, deadline())
    assert len(tool.calls) == 1


def test_slow_and_hung(tmp_path: Path) -> None:
    """A slow answer within the deadline is an answer; beyond it the tool is ended."""
    slow = FakeTool(tmp_path, "slow", Replay(then=f"time.sleep(0.3); print({_done('r')!r})"))
    _probe(slow, tmp_path).recover(Core.NETWORK, deadline())
    hung = FakeTool(tmp_path, "hung", Replay(stdout=_progress("r"), then="time.sleep(1000)"))
    with pytest.raises(ProbeFaultError) as raised:
        _probe(hung, tmp_path).recover(Core.NETWORK, Deadline.after(0.5))
    assert raised.value.fault is ProbeFault.TIMED_OUT


def test_listed_probes(tmp_path: Path) -> None:
    """J-Links only; both places where versions put the devices (a bench log of nrfutil 8.2.1)."""
    devices = {
        "devices": [
            {"serialNumber": "1051159862", "id": 1, "traits": {"jlink": True, "usb": True}},
            {"serialNumber": "001051810810", "traits": {"jlink": True, "broken": False}},
            {"serialNumber": "UART", "traits": {"serialPorts": True}},
            {"serialNumber": None, "traits": {"jlink": True}},
        ]
    }
    for output in (_done("list", devices), _done("list") + _line("info", devices)):
        tool = FakeTool(tmp_path, "nrfutil", Replay(when=("list",), stdout=output))
        found = nrfutil.listed_probes(tool.tool("--json", "device"), deadline())
        assert found == ("1051159862", "001051810810")


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_pretty_printed(tmp_path: Path, indent: int | None) -> None:
    """Line breaks between tokens are JSON as well; so is no line break between two messages."""
    devices = {"devices": [{"serialNumber": _SN, "traits": {"jlink": True}}]}
    lines = (_progress("list") + _done("list", devices)).splitlines()
    messages = [json.dumps(json.loads(line), indent=indent) for line in lines]
    for output in ("\n".join(messages), " ".join(messages), "\r\n".join(["word", *messages])):
        tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=output))
        assert nrfutil.listed_probes(tool.tool("--json", "device"), deadline()) == (_SN,)


@pytest.mark.parametrize("cut", [1, 10, 60, 150])
def test_object_that_was_cut_off(tmp_path: Path, cut: int) -> None:
    """What it holds is no message, though it looks like one."""
    inner = {"type": "task_end", "data": {"result": "success"}}
    whole = json.dumps({"type": "batch_update", "data": [inner, inner, inner]}, indent=0)
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=whole[:-cut]))
    assert _recover_fault(tool, tmp_path).fault is ProbeFault.BAD_OUTPUT


def test_deeply_nested_output(tmp_path: Path) -> None:
    """A flood of brackets is no message, and no crash."""
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout='{"a":\n' * 20_000))
    assert _recover_fault(tool, tmp_path).fault is ProbeFault.BAD_OUTPUT


@pytest.mark.parametrize(
    "entry",
    [
        {"serialNumber": 683999535, "traits": {"jlink": True}},
        {"serialNumber": "7", "traits": None},
        {"serialNumber": "7", "traits": {"jlink": "perhaps"}},
        {"serialNumber": ["7"]},
        "7",
        None,
        [],
    ],
)
def test_entry_that_does_not_fit_hides_no_other(tmp_path: Path, entry: object) -> None:
    good = {"serialNumber": _SN, "traits": {"jlink": True, "seggerUsb": True}}
    for devices in ([entry, good], [good, entry]):
        replay = Replay(stdout=_done("list", {"devices": devices}))
        tool = FakeTool(tmp_path, "nrfutil", replay)
        assert nrfutil.listed_probes(tool.tool("--json", "device"), deadline()) == (_SN,)


def test_kit_on_usb_that_nrfutil_cannot_talk_to(tmp_path: Path) -> None:
    """`seggerUsb` without `jlink`: that is said, not that no J-Link is attached."""
    on_usb = {"serialNumber": _SN, "traits": {"seggerUsb": True, "usb": True}}
    usable = {"serialNumber": "7", "traits": {"seggerUsb": True, "jlink": True}}
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("list", {"devices": [on_usb]})))
    with pytest.raises(ProbeFaultError, match=f"{_SN}.*cannot talk to it") as raised:
        nrfutil.listed_probes(tool.tool("--json", "device"), deadline())
    assert raised.value.fault is ProbeFault.NOT_REACHABLE
    assert "J-Link software" in raised.value.next_step
    both = Replay(stdout=_done("list", {"devices": [on_usb, usable]}))
    tool = FakeTool(tmp_path, "nrfutil", both)
    assert nrfutil.listed_probes(tool.tool("--json", "device"), deadline()) == ("7",)


@pytest.mark.parametrize(
    ("said", "fault", "told"),
    [
        # click 7 and 8, which pc-nrfutil is made with.
        ("Error: no such option: --json", ProbeFault.OTHER_NRFUTIL, "old Python program"),
        ("Error: No such option: --json", ProbeFault.OTHER_NRFUTIL, "drives no probe"),
        # NordicSemiconductor/pc-nrfutil#350
        (
            "    from nordicsemi.__main__ import cli\nTypeError: __init__() got an unexpected "
            "keyword argument 'serialized_options'",
            ProbeFault.OTHER_NRFUTIL,
            "serialized_options",
        ),
        # nordicsemi/pc-nrfconnect-launcher#1189
        (
            "Failed to query for package 'nrfutil-device' on package index\ninvalid peer "
            "certificate: UnknownIssuer.",
            ProbeFault.TOOL_NOT_READY,
            "UnknownIssuer",
        ),
        ("error: command 'device' not found", ProbeFault.TOOL_MISSING, "no command `device`"),
    ],
)
def test_nrfutil_that_does_not_tell_its_version(
    tmp_path: Path, said: str, fault: ProbeFault, told: str
) -> None:
    tool = FakeTool(tmp_path, "nrfutil", Replay(stderr=f"{said}\n", exit_code=2))
    with pytest.raises(ProbeFaultError) as raised:
        nrfutil.tool_version(tool.tool("--json", "device"), deadline())
    assert raised.value.fault is fault
    assert told in raised.value.what


def test_info(tmp_path: Path) -> None:
    """Chip and firmware of the probe, where nrfutil tells them."""
    jlink = {
        "serialNumber": _SN,
        "jlinkObFirmwareVersion": "J-Link OB-nRF5340-NordicSemi compiled Apr 11 2024",
        "deviceFamily": "NRF53_FAMILY",
        "deviceVersion": "NRF5340_xxAA_REV1",
        "protectionStatus": "NRFDL_PROTECTION_STATUS_NONE",
    }
    data = {"name": "device-info", "deviceInfo": {"jlink": jlink, "hwInfo": {"romSize": 1048576}}}
    tool = FakeTool(tmp_path, "nrfutil", Replay(stdout=_done("device-info", data)))
    info = _probe(tool, tmp_path).info(deadline())
    assert (info.runner, info.serial_number, info.target) == ("nrfutil", _SN, "NRF5340_xxAA_REV1")
    assert info.version.startswith("J-Link OB-nRF5340")
