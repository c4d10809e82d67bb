"""A probe that writes every operation into the flight recorder and passes it on."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.probe.tool_call import ToolCall
from pytest_nrf_fota.record.events import Kept, KeptFile, ProbeOperation, ToolCalled
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind


class RecordingProbe:
    """A `Probe` around another one."""

    def __init__(self, inner: Probe, recorder: FlightRecorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify probe and target."""
        with self._operation("info"):
            return self._inner.info(deadline)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        name = f"{core.value} core"
        with self._watched("recover", name, deadline), self._operation("recover", name):
            self._inner.recover(core, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify a hex file."""
        name = hex_file.name
        with self._watched("program", name, deadline), self._operation("program", name):
            self._inner.program(hex_file, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash."""
        with self._operation("erase external flash"):
            self._inner.erase_external(deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""
        detail = f"{size_bytes} bytes at 0x{address:x}"
        with self._operation("read", detail, address=address, size_bytes=size_bytes):
            memory = self._inner.read(address, size_bytes, deadline)
        self._recorder.secrets.know_bonds_in(memory)
        return memory

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on."""
        with self._operation("resume", f"{core.value} core"):
            self._inner.resume(core, deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board."""
        with self._operation("reset", kind.value):
            self._inner.reset(kind, deadline)

    def close(self) -> None:
        """Let go of the probe."""
        self._inner.close()

    def _watched(self, name: str, detail: str, deadline: Deadline) -> AbstractContextManager[None]:
        return self._recorder.watched(LongStep(name, detail, at_most_s=deadline.remaining_s))

    @contextmanager
    def _operation(
        self,
        operation: str,
        detail: str = "",
        *,
        address: int | None = None,
        size_bytes: int | None = None,
    ) -> Iterator[None]:
        started_at_s = time.monotonic()
        error = fault = ""
        try:
            yield
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            fault = raised.fault.value if isinstance(raised, ProbeFaultError) else ""
            raise
        finally:
            self._recorder.record(
                ProbeOperation(
                    operation=operation,
                    detail=detail,
                    duration_s=round(time.monotonic() - started_at_s, 6),
                    error=error,
                    address=address,
                    size_bytes=size_bytes,
                    fault=fault,
                )
            )


def tool_recorder(recorder: FlightRecorder) -> Callable[[ToolCall], None]:
    """What a tool's `observe` takes, so that its calls are in the flight recorder."""

    def record(call: ToolCall) -> None:
        files = (
            KeptFile(
                path=file.path,
                use=file.use,
                # What it was given is a firmware, of which nobody needs another copy.
                content=_without_content(file.content)
                if file.use == "read"
                else recorder.keep(file.content),
            )
            for file in call.files
        )
        event = ToolCalled(
            tool=call.tool,
            command=call.command,
            exit_code=call.exit_code,
            fault=call.fault,
            stdout=recorder.keep(call.stdout.encode()),
            stderr=recorder.keep(call.stderr.encode()),
            files=tuple(files),
            duration_s=round(call.duration_s, 6),
        )
        recorder.record(event, call.ended_at_s)

    return record


def _without_content(content: bytes) -> Kept:
    return Kept(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
