"""pynrfjprog: the calls against its real classes, the process around them against a stand-in."""

import inspect
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.probe import pynrfjprog
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.pynrfjprog import API_ERRORS, PynrfjprogProbe
from pytest_nrf_fota.probe.pynrfjprog_call import Answer, Request, perform, resume
from pytest_nrf_fota.wires.probe import Core, ResetKind

from .fake_tool import deadline

if TYPE_CHECKING:
    from unittest.mock import MagicMock

_TOOL = Tool("pynrfjprog", (sys.executable, "-m", "pytest_nrf_fota.probe.pynrfjprog_call"))

# Stands for the package: notes its calls, fails as a file beside it says.
_STAND_IN = """
import enum, json, os
from pathlib import Path
from pynrfjprog.APIError import APIError
_HERE = Path(__file__).parent
class _E(enum.IntEnum):
    RESET_NONE = RESET_SYSTEM = ERASE_NONE = ERASE_ALL = CP_APPLICATION = 0
    VERIFY_READ = ERASE_SECTOR = CP_NETWORK = RESET_PIN = 1
EraseAction = ResetAction = VerifyAction = CoProcessor = _E
def ProgramOptions(**options): return options
class API:
    def __init__(self, log): pass
    def open(self): pass
    def close(self): pass
    def get_connected_probes(self): return [683999535, 960130361]
class DebugProbe:
    def __init__(self, api, snr, coprocessor, log):
        self._who = [snr, None if coprocessor is None else int(coprocessor)]
    def __getattr__(self, name):
        def call(*arguments, **options):
            with (_HERE / "calls").open("a") as calls:
                calls.write(json.dumps([*self._who, name, *map(str, arguments)]) + "\\n")
            exec((_HERE / "behaviour").read_text())
            return bytearray(range(arguments[1])) if name == "read" else None
        return call
"""
_STAND_IN_ERROR = """
import enum
class APIError(Exception):
    def __init__(self, code, name):
        super().__init__(f"An error was reported by NRFJPROG DLL: {code} {name}.")
        self.err_code = code
        self.error_enum = enum.Enum("Names", {name: code})[name]
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "stand_in" / "pynrfjprog"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "HighLevel.py").write_text(_STAND_IN)
    (package / "APIError.py").write_text(_STAND_IN_ERROR)
    (package / "behaviour").touch()
    path = [str(package.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    return package


@pytest.fixture
def probe(tmp_path: Path) -> PynrfjprogProbe:
    return PynrfjprogProbe(_TOOL, "000683999535", tmp_path / "work", NRF5340)


def _fault(probe: PynrfjprogProbe, limit: Deadline | None = None) -> ProbeFaultError:
    with pytest.raises(ProbeFaultError) as raised:
        probe.recover(Core.NETWORK, limit or deadline())
    return raised.value


def _calls(package: Path) -> list[list[object]]:
    return [json.loads(line) for line in (package / "calls").read_text().splitlines()]


def test_chip_with_one_core_is_told_no_core(stand_in: Path, tmp_path: Path) -> None:
    """The package takes the only one, and the external flash's own window."""
    probe = PynrfjprogProbe(_TOOL, "683999535", tmp_path / "work", NRF52840)
    probe.recover(Core.APPLICATION, deadline())
    probe.erase_external(deadline())
    called = [call[1:] for call in _calls(stand_in) if call[2] != "close"]
    assert called == [[None, "recover"], [None, "setup_qspi_with_ini"], [None, "erase", "0"]]


def test_operations_reach_the_package(stand_in: Path, probe: PynrfjprogProbe) -> None:
    """Serial number as a number, and the right core, in a process of its own."""
    hex_file = stand_in / "merged.hex"
    write_hex(hex_file, [Segment(0, b"app!"), Segment(0x0100_0000, b"net!")])
    probe.recover(Core.NETWORK, deadline())
    probe.program(hex_file, deadline())
    assert probe.read(0x1000, 16, deadline()) == bytes(range(16))
    network, application = 1, 0
    called = [(call[0], call[1], call[2]) for call in _calls(stand_in) if call[2] != "close"]
    assert len(_calls(stand_in)) == 2 * len(called), "each probe is closed"
    assert called == [
        (683999535, network, "recover"),
        (683999535, network, "program"),
        (683999535, application, "program"),
        (683999535, application, "read"),
    ]
    assert pynrfjprog.listed_probes(_TOOL, deadline()) == ("683999535", "960130361")


@pytest.mark.parametrize(
    ("code", "name", "fault"),
    [
        (-90, "NOT_AVAILABLE_BECAUSE_PROTECTION", ProbeFault.PROTECTED),
        (-12, "LOW_VOLTAGE", ProbeFault.LOW_VOLTAGE),
        (-160, "VERIFY_ERROR", ProbeFault.VERIFY_FAILED),
        (-102, "JLINKARM_DLL_ERROR", ProbeFault.NO_CONNECTION),
        (-105, "JLINKARM_DLL_TIME_OUT_ERROR", ProbeFault.JLINK_TIMED_OUT),
        (-100, "JLINKARM_DLL_NOT_FOUND", ProbeFault.JLINK_MISSING),
        (-999, "SOMETHING_NEW", ProbeFault.OTHER),
    ],
)
def test_api_errors(
    stand_in: Path, probe: PynrfjprogProbe, code: int, name: str, fault: ProbeFault
) -> None:
    """They come back from the process with code and name."""
    (stand_in / "behaviour").write_text(f"raise APIError({code}, {name!r})")
    error = _fault(probe)
    assert error.fault is fault
    assert f"{code} {name}" in error.what


def test_library_that_hangs_crashes_or_talks(stand_in: Path, probe: PynrfjprogProbe) -> None:
    """None of it reaches pytest's process."""
    behaviour = stand_in / "behaviour"
    behaviour.write_text("import time; time.sleep(1000)")
    assert _fault(probe, Deadline.after(3.0)).fault is ProbeFault.TIMED_OUT
    behaviour.write_text("os.kill(os.getpid(), 11)")
    assert _fault(probe).fault is ProbeFault.KILLED
    behaviour.write_text("raise RuntimeError('unexpected')")
    error = _fault(probe)
    assert error.fault is ProbeFault.BAD_OUTPUT and "unexpected" in error.what
    behaviour.write_text("os.write(1, b'library: \\xff\\n')")
    probe.recover(Core.NETWORK, deadline())


def test_package_that_is_not_installed(
    probe: PynrfjprogProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is named."""
    (tmp_path / "pynrfjprog.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'pynrfjprog'\")"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    error = _fault(probe)
    assert error.fault is ProbeFault.TOOL_MISSING
    assert "pip install 'pynrfjprog" in error.next_step


# The tests below need the real package; it needs no kit, and no J-Link software.


@pytest.fixture
def high_level() -> Iterator[ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pytest.importorskip("pynrfjprog.HighLevel")


class _Rig:
    """The real module's names, with autospecced API and DebugProbe classes."""

    def __init__(self, real: ModuleType) -> None:
        self.api_class: MagicMock = create_autospec(real.API)
        self.probe_class: MagicMock = create_autospec(real.DebugProbe)
        self.probe: MagicMock = self.probe_class.return_value
        self.real = real
        names = ("ProgramOptions", "EraseAction", "ResetAction", "VerifyAction", "CoProcessor")
        self.module = SimpleNamespace(
            API=self.api_class,
            DebugProbe=self.probe_class,
            **{name: getattr(real, name) for name in names},
        )

    def perform(self, request: Request) -> Answer:
        answer = perform(request, self.module)
        # Whatever happened, both were closed.
        self.api_class.return_value.close.assert_called_once_with()
        return answer


@pytest.fixture
def rig(high_level: ModuleType) -> _Rig:
    return _Rig(high_level)


def test_real_recover(rig: _Rig) -> None:
    """Connects to the network core and recovers it."""
    rig.perform(Request(operation="recover", serial_number=1, core=Core.NETWORK))
    api = rig.api_class.return_value
    network = rig.real.CoProcessor.CP_NETWORK
    rig.probe_class.assert_called_once_with(api, 1, coprocessor=network, log=False)
    rig.probe.recover.assert_called_once_with()
    rig.probe.close.assert_called_once_with()


def test_real_program(rig: _Rig) -> None:
    """The options are a real ProgramOptions: erase touched sectors, read back, do not start."""
    request = Request(operation="program", serial_number=1, hex_file="/m.hex", has_external=True)
    rig.perform(request)
    rig.probe.setup_qspi_with_ini.assert_called_once_with()
    (path, options), _ = rig.probe.program.call_args
    assert path == "/m.hex"
    real = rig.real
    assert isinstance(options, real.ProgramOptions)
    assert options.verify == real.VerifyAction.VERIFY_READ
    assert options.erase_action == options.qspi_erase_action == real.EraseAction.ERASE_SECTOR
    assert options.reset == real.ResetAction.RESET_NONE
    rig = _Rig(real)
    rig.perform(request.model_copy(update={"has_external": False}))
    rig.probe.setup_qspi_with_ini.assert_not_called()
    assert rig.probe.program.call_args[0][1].qspi_erase_action == real.EraseAction.ERASE_NONE


def test_real_erase_read_reset(rig: _Rig) -> None:
    """Arguments that the real methods accept; a read of four bytes comes as a number."""
    rig.perform(Request(operation="erase_external", serial_number=1, address=0x12000000))
    rig.probe.erase.assert_called_once_with(
        rig.real.EraseAction.ERASE_ALL, start_address=0x12000000
    )
    for size_bytes, value, expected in (
        (4, 0x20001000, "00100020"),
        (3, bytearray(b"abc"), "616263"),
    ):
        rig = _Rig(rig.real)
        rig.probe.read.return_value = value
        answer = rig.perform(
            Request(operation="read", serial_number=1, address=8, size_bytes=size_bytes)
        )
        rig.probe.read.assert_called_once_with(8, size_bytes)
        assert answer.memory_hex == expected
    rig = _Rig(rig.real)
    rig.perform(Request(operation="reset", serial_number=1, reset=ResetKind.PIN))
    rig.probe.reset.assert_called_once_with(rig.real.ResetAction.RESET_PIN)


@pytest.mark.parametrize("core", [Core.APPLICATION, Core.NETWORK, None])
def test_real_resume(high_level: ModuleType, core: Core | None) -> None:
    """HighLevel starts a core at an address only; LowLevel lets it go on."""
    low_level = pytest.importorskip("pynrfjprog.LowLevel")
    api_class: MagicMock = create_autospec(low_level.API)
    api = api_class.return_value
    module = SimpleNamespace(API=api_class, CoProcessor=low_level.CoProcessor)
    resume(Request(operation="resume", serial_number=1, core=core), module)
    called = [call[0] for call in api.method_calls]
    chosen = [] if core is None else ["select_coprocessor"]
    assert called == ["open", "connect_to_emu_with_snr", *chosen, "go", "close"]
    if core is not None:
        (name,) = api.select_coprocessor.call_args[0]
        assert name.name == f"CP_{core.name}"


def test_real_info(rig: _Rig) -> None:
    """Names and numbers, as the real classes have them."""
    device = rig.probe.get_device_info.return_value = create_autospec(rig.real.DeviceInfo)
    device.device_type = rig.real.DeviceVersion["NRF5340_xxAA_REV1"]
    rig.api_class.return_value.dll_version.return_value = (10, 24, 2)
    answer = rig.perform(Request(operation="info", serial_number=1))
    assert (answer.target, answer.version) == ("NRF5340_xxAA_REV1", "10.24.2")


def test_probe_is_closed_after_an_error(rig: _Rig) -> None:
    """Also where the library raises."""
    error = rig.real.APIError(rig.real.NrfjprogdllErr.LOW_VOLTAGE)
    rig.probe.recover.side_effect = error
    with pytest.raises(rig.real.APIError):
        rig.perform(Request(operation="recover", serial_number=1))
    rig.probe.close.assert_called_once_with()
    rig.api_class.return_value.close.assert_called_once_with()
    assert str(error).startswith("An error was reported by NRFJPROG DLL: -12 LOW_VOLTAGE")


def test_every_real_error_has_a_fault(high_level: ModuleType) -> None:
    """The whole enumeration of the installed version, but for success."""
    names = {error.name for error in high_level.NrfjprogdllErr} - {"SUCCESS"}
    assert names == set(API_ERRORS)
    assert "data_len" in inspect.signature(high_level.Probe.read).parameters


def test_real_library_without_a_kit(high_level: ModuleType) -> None:
    """Its C library loads in the process, and lists nothing or says what is missing."""
    del high_level
    try:
        assert all(number.isdecimal() for number in pynrfjprog.listed_probes(_TOOL, deadline()))
    except ProbeFaultError as error:
        assert error.fault in (
            ProbeFault.TOOL_BROKEN,
            ProbeFault.JLINK_MISSING,
            ProbeFault.NOT_FOUND,
            ProbeFault.TOOL_TOO_OLD,
        )


def test_real_library_with_a_probe_that_is_not_there(
    high_level: ModuleType, tmp_path: Path
) -> None:
    """A real APIError travels through the process."""
    del high_level
    probe = PynrfjprogProbe(_TOOL, "1", tmp_path, NRF5340)
    with pytest.raises(ProbeFaultError, match="NRFJPROG DLL") as raised:
        probe.reset(ResetKind.PIN, deadline())
    assert raised.value.fault is not ProbeFault.OTHER
