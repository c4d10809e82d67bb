"""One operation of Nordic's `pynrfjprog`, in a process of its own: `python -m ... REQUEST`.

Its functions block in a C library that cannot be interrupted; a process can. The request is a
`Request` as JSON, the answer an `Answer` as JSON on the last line of standard output.

Signatures: pynrfjprog 10.24.2, HighLevel.py and docs/highlevelnrfjprogdll.h; for a resume, which
HighLevel can do only from a given address, LowLevel.py and docs/nrfjprogdll.h.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel
from typing_extensions import assert_never

from pytest_nrf_fota.wires.probe import Core, ResetKind

ANSWER_MARK = "pytest-nrf-fota answer: "


class Request(BaseModel):
    """What to do; `serial_number` for all but `list`, the other fields where they are needed.

    `core` is None where the chip has only one. `address` lies in the external flash's window for
    `erase_external`.
    """

    operation: Literal[
        "list", "info", "recover", "program", "erase_external", "read", "resume", "reset"
    ]
    serial_number: int = 0
    core: Core | None = Core.APPLICATION
    hex_file: str = ""
    has_external: bool = False
    address: int = 0
    size_bytes: int = 0
    reset: ResetKind = ResetKind.SYSTEM


class Answer(BaseModel):
    """What came of it. `error_code` is that of an `APIError`, 0 where there was none."""

    serial_numbers: tuple[int, ...] = ()
    target: str = ""
    version: str = ""
    memory_hex: str = ""
    error_code: int = 0
    error_name: str = ""
    error_text: str = ""


class _DeviceInfo(Protocol):
    @property
    def device_type(self) -> "_Named": ...


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Api(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...
    def get_connected_probes(self) -> Sequence[int]: ...
    def dll_version(self) -> Sequence[object]: ...


class _Probe(Protocol):
    def close(self) -> None: ...
    def get_device_info(self) -> _DeviceInfo: ...
    def recover(self) -> None: ...
    def program(self, hex_path: str, program_options: object) -> None: ...
    def setup_qspi_with_ini(self) -> None: ...
    def erase(self, erase_action: object, start_address: int) -> None: ...
    def read(self, address: int, data_len: int) -> "int | bytearray": ...
    def reset(self, reset_action: object) -> None: ...


class _Actions(Protocol):
    ERASE_ALL: object
    ERASE_SECTOR: object
    ERASE_NONE: object


class _Resets(Protocol):
    RESET_NONE: object
    RESET_SYSTEM: object
    RESET_PIN: object


class _Verifies(Protocol):
    VERIFY_READ: object


class _Coprocessors(Protocol):
    CP_APPLICATION: object
    CP_NETWORK: object


class _MakeApi(Protocol):
    def __call__(self, log: bool) -> _Api: ...


class _MakeProbe(Protocol):
    def __call__(self, api: _Api, snr: int, coprocessor: object, log: bool) -> _Probe: ...


class _MakeOptions(Protocol):
    def __call__(
        self, verify: object, erase_action: object, qspi_erase_action: object, reset: object
    ) -> object: ...


class HighLevel(Protocol):
    """What is used of the module `pynrfjprog.HighLevel`."""

    @property
    def API(self) -> _MakeApi: ...  # noqa: N802
    @property
    def DebugProbe(self) -> _MakeProbe: ...  # noqa: N802
    @property
    def ProgramOptions(self) -> _MakeOptions: ...  # noqa: N802
    @property
    def EraseAction(self) -> _Actions: ...  # noqa: N802
    @property
    def ResetAction(self) -> _Resets: ...  # noqa: N802
    @property
    def VerifyAction(self) -> _Verifies: ...  # noqa: N802
    @property
    def CoProcessor(self) -> _Coprocessors: ...  # noqa: N802


class _LowLevelApi(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...
    def connect_to_emu_with_snr(self, serial_number: int) -> None: ...
    def select_coprocessor(self, coprocessor: object) -> None: ...
    def go(self) -> None: ...


class _MakeLowLevelApi(Protocol):
    def __call__(self) -> _LowLevelApi: ...


class LowLevel(Protocol):
    """What is used of the module `pynrfjprog.LowLevel`."""

    @property
    def API(self) -> _MakeLowLevelApi: ...  # noqa: N802
    @property
    def CoProcessor(self) -> _Coprocessors: ...  # noqa: N802


_U32_BYTES = 4


def perform(request: Request, high_level: HighLevel) -> Answer:
    """Do what is asked for. Lets pynrfjprog's `APIError` through."""
    # Its logger would start a thread of its own and print.
    api = high_level.API(log=False)
    api.open()
    try:
        if request.operation == "list":
            return Answer(serial_numbers=tuple(api.get_connected_probes()))
        probe = high_level.DebugProbe(
            api,
            request.serial_number,
            coprocessor=_coprocessor(request.core, high_level.CoProcessor),
            log=False,
        )
        try:
            return _with_probe(request, probe, api, high_level)
        finally:
            probe.close()
    finally:
        api.close()


def resume(request: Request, low_level: LowLevel) -> Answer:
    """Let a core go on from where it was halted. Lets pynrfjprog's `APIError` through."""
    api = low_level.API()
    api.open()
    try:
        api.connect_to_emu_with_snr(request.serial_number)
        coprocessor = _coprocessor(request.core, low_level.CoProcessor)
        if coprocessor is not None:
            api.select_coprocessor(coprocessor)
        api.go()
    finally:
        api.close()
    return Answer()


def _with_probe(request: Request, probe: _Probe, api: _Api, high_level: HighLevel) -> Answer:
    match request.operation:
        case "list" | "resume":
            raise AssertionError("needs no probe of HighLevel")
        case "info":
            version = ".".join(str(part) for part in api.dll_version())
            return Answer(target=probe.get_device_info().device_type.name, version=version)
        case "recover":
            probe.recover()
        case "program":
            _program(request, probe, high_level)
        case "erase_external":
            probe.setup_qspi_with_ini()
            # An address in its window makes `erase` erase it (highlevelnrfjprogdll.h).
            probe.erase(high_level.EraseAction.ERASE_ALL, start_address=request.address)
        case "read":
            if request.has_external:
                probe.setup_qspi_with_ini()
            memory = probe.read(request.address, request.size_bytes)
            # Four bytes are given as a number.
            if isinstance(memory, int):
                memory = bytearray(memory.to_bytes(_U32_BYTES, "little"))
            return Answer(memory_hex=memory.hex())
        case "reset":
            probe.reset(_reset_action(request.reset, high_level))
        case _:
            assert_never(request.operation)
    return Answer()


def _program(request: Request, probe: _Probe, high_level: HighLevel) -> None:
    erase = high_level.EraseAction
    if request.has_external:
        probe.setup_qspi_with_ini()
    options = high_level.ProgramOptions(
        verify=high_level.VerifyAction.VERIFY_READ,
        erase_action=erase.ERASE_SECTOR,
        qspi_erase_action=erase.ERASE_SECTOR if request.has_external else erase.ERASE_NONE,
        reset=high_level.ResetAction.RESET_NONE,
    )
    probe.program(request.hex_file, options)


def _coprocessor(core: Core | None, names: _Coprocessors) -> object:
    match core:
        case None:
            return None
        case Core.APPLICATION:
            return names.CP_APPLICATION
        case Core.NETWORK:
            return names.CP_NETWORK
        case _:
            assert_never(core)


def _reset_action(kind: ResetKind, high_level: HighLevel) -> object:
    match kind:
        case ResetKind.SYSTEM:
            return high_level.ResetAction.RESET_SYSTEM
        case ResetKind.PIN:
            return high_level.ResetAction.RESET_PIN
        case _:
            assert_never(kind)


def main(arguments: Sequence[str]) -> int:
    """Answer one request; the exit code is 0 also where pynrfjprog reported an error."""
    request = Request.model_validate_json(arguments[0])
    with warnings.catch_warnings():
        # HighLevel announces that it will be deprecated in version 11.
        warnings.simplefilter("ignore")
        from pynrfjprog import HighLevel as HighLevelModule
        from pynrfjprog.APIError import APIError
    try:
        if request.operation == "resume":
            from pynrfjprog import LowLevel as LowLevelModule

            answer = resume(request, LowLevelModule)
        else:
            answer = perform(request, HighLevelModule)
    except APIError as error:
        answer = Answer(
            error_code=int(error.err_code),
            error_name=error.error_enum.name,
            error_text=str(error),
        )
    print(f"\n{ANSWER_MARK}{answer.model_dump_json()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
