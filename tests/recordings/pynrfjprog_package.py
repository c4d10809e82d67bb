"""A package `pynrfjprog` that drives a virtual kit, with the names that are used of it."""

from pathlib import Path

_HIGH_LEVEL = """
import enum
from types import SimpleNamespace
from pynrfjprog.APIError import APIError
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError

class EraseAction(enum.IntEnum):
    ERASE_NONE = 0
    ERASE_ALL = 1
    ERASE_SECTOR = 2
class ResetAction(enum.IntEnum):
    RESET_NONE = 0
    RESET_SYSTEM = 1
    RESET_PIN = 4
class VerifyAction(enum.IntEnum):
    VERIFY_READ = 1
class CoProcessor(enum.IntEnum):
    CP_APPLICATION = 0
    CP_NETWORK = 2
def ProgramOptions(**options): return options

class API:
    def __init__(self, log): pass
    def open(self): pass
    def close(self): pass
    def get_connected_probes(self): return [{serial_number}]
    def dll_version(self): return (10, 24, 2)

class DebugProbe:
    def __init__(self, api, snr, coprocessor, log):
        assert snr == {serial_number}
        self._kit = KitControl({control!r})
        self._core = "network" if coprocessor is CoProcessor.CP_NETWORK else "application"
        self._limit = Deadline.after(60)
    def close(self): self._kit.close()
    def get_device_info(self):
        self._kit.state(self._limit)
        return SimpleNamespace(device_type=SimpleNamespace(name="NRF5340_xxAA_REV1"))
    def recover(self): self._kit.recover(self._core, self._limit)
    def setup_qspi_with_ini(self): pass
    def program(self, hex_path, options):
        try:
            self._kit.program(hex_path, self._limit)
        except KitRefusedError:
            raise APIError(-160, "VERIFY_ERROR")
    def erase(self, action, start_address): self._kit.erase_external(self._limit)
    def read(self, address, data_len):
        memory = self._kit.read(address, data_len, self._limit)
        return int.from_bytes(memory, "little") if data_len == 4 else bytearray(memory)
    def reset(self, action):
        names = {{ResetAction.RESET_SYSTEM: "system", ResetAction.RESET_PIN: "pin"}}
        self._kit.reset(names[action], self._limit)
"""
_API_ERROR = """
import enum
class APIError(Exception):
    def __init__(self, code, name):
        super().__init__(f"An error was reported by NRFJPROG DLL: {code} {name}.")
        self.err_code = code
        self.error_enum = enum.Enum("Names", {name: code})[name]
"""


def write_package(folder: Path, control_address: str, serial_number: str) -> None:
    """Write the package into `folder`, for the kit with this control socket."""
    package = folder / "pynrfjprog"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    high_level = _HIGH_LEVEL.format(control=control_address, serial_number=serial_number)
    (package / "HighLevel.py").write_text(high_level)
    (package / "APIError.py").write_text(_API_ERROR)
