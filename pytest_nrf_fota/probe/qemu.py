"""The SWD wire of a board that runs in QEMU: memory through GDB and QMP, reset through QMP."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import NotSeenError, PackageError, ProbeError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.probe.gdb_remote import GdbRemote
from pytest_nrf_fota.probe.qmp import QmpMonitor
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

_ERASED = b"\xff"
_VECTOR_BYTES = 4


@dataclass(frozen=True)
class QemuFlash:
    """Where the machine's flash lies and how large its erase pages are.

    The defaults are the nRF51 of QEMU's `microbit`: 256 KiB at 0, pages of 1 KiB
    (nRF51 Series Reference Manual, NVMC).
    """

    base_address: int = 0
    size_bytes: int = 256 * 1024
    page_size_bytes: int = 1024

    @property
    def end_address(self) -> int:
        """The first address behind the flash."""
        return self.base_address + self.size_bytes

    def __contains__(self, address: int) -> bool:
        """Whether this address lies in the flash."""
        return self.base_address <= address < self.end_address


class QemuProbe:
    """A `Probe` on a QEMU machine with one core.

    The machine is started with `-S`: nothing runs before the first `reset`. `recover` and
    `program` stop the CPU and leave it stopped; only `reset` lets it run. The flash lives in
    QEMU's memory: it survives every reset and is gone when the process ends.

    Firmware is written through GDB and never with `-device loader`, which would rewrite slot 0 at
    every reset and so falsify swap and revert.

    Args:
        monitor: QMP connection; stays open when the probe is closed.
        gdb_socket: Unix socket of QEMU's GDB stub. Connected to only while the CPU is stopped.
        scratch_directory: where QEMU writes memory that is being read.
        machine: QEMU's name of the machine.
        unit: name of the unit, given as serial number.
        flash: the machine's flash memories; the CPU starts from the vectors at the begin of the
            first. RAM that the firmware uses as flash counts as well.
        discard_unsent_input: called while the machine stands still in its reset state: drops the
            bytes that the host has written to the UART and the old firmware has not taken.
    """

    def __init__(
        self,
        *,
        monitor: QmpMonitor,
        gdb_socket: Path,
        scratch_directory: Path,
        machine: str,
        unit: str,
        flash: Sequence[QemuFlash],
        discard_unsent_input: Callable[[], None],
    ) -> None:
        self._monitor = monitor
        self._gdb_socket = gdb_socket
        self._memory_file = scratch_directory / "memory.bin"
        self._machine = machine
        self._unit = unit
        self._flash = flash
        self._discard_unsent_input = discard_unsent_input
        self._lock = threading.Lock()

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify QEMU and the machine."""
        with self._lock:
            version = _qemu_version(self._monitor.execute("query-version", deadline))
        return ProbeInfo(
            runner="qemu", serial_number=self._unit, target=self._machine, version=version
        )

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Fill the whole flash with 0xFF, as erased flash reads; the CPU stays stopped.

        A new QEMU's flash reads 0x00, which MCUboot takes for bad trailers.
        """
        if core is Core.NETWORK:
            raise ProbeError(
                "This board has no network core.",
                where=self._unit,
                next_step="Recover the application core only.",
            )
        with self._lock, self._stopped_cpu(deadline) as gdb:
            for flash in self._flash:
                gdb.write_memory(flash.base_address, _ERASED * flash.size_bytes, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Erase the pages that an Intel hex file touches, write and verify them.

        The CPU stays stopped.

        Raises:
            PackageError: the file cannot be read or does not fit in the flash; nothing was
                written.
            ProbeError: QEMU fails, or the flash does not read back as written.
        """
        pages = _flash_pages(hex_file, self._flash)
        with self._lock, self._stopped_cpu(deadline) as gdb:
            for address, content in pages.items():
                gdb.write_memory(address, content, deadline)
            for address, content in pages.items():
                read_back = gdb.read_memory(address, len(content), deadline)
                if read_back != content:
                    raise ProbeError(
                        "The flash does not read back as it was written.",
                        where=f"{self._unit}, page at 0x{address:08x}, written from {hex_file}",
                        next_step="This is a fault of QEMU or of this probe; please report it.",
                    )

    def erase_external(self, deadline: Deadline) -> None:
        """Always raises `ProbeError`: the machine has no external flash."""
        del deadline
        raise ProbeError(
            f"The machine {self._machine} has no external flash.",
            where=self._unit,
            next_step="Leave the external flash out of this board's file.",
        )

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory with QMP `memsave`; the firmware runs on meanwhile (about 2 ms)."""
        arguments = {"val": address, "size": size_bytes, "filename": str(self._memory_file)}
        with self._lock:
            try:
                # memsave, not pmemsave: that one gives zeros.
                self._monitor.execute("memsave", deadline, arguments)
                return self._memory_file.read_bytes()
            except OSError as error:
                raise ProbeError(
                    f"The memory that QEMU saved cannot be read: {error}",
                    where=str(self._memory_file),
                    next_step="Is the disk full?",
                ) from error
            finally:
                self._memory_file.unlink(missing_ok=True)

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Nothing to do: a read halts nothing here."""
        del core, deadline

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the machine and let it run; both kinds are the same here.

        Flash without a usable reset vector leaves the CPU stopped: the real core would lock up in
        silence, QEMU 7.2 would abort.
        """
        del kind
        with self._lock:
            self._monitor.execute("stop", deadline)
            # The command is answered before the machine has been reset; the event comes after.
            self._monitor.execute_until_event("system_reset", "RESET", deadline)
            self._discard_unsent_input()
        boot_flash = self._flash[0]
        vectors = self.read(boot_flash.base_address, 2 * _VECTOR_BYTES, deadline)
        reset_vector = int.from_bytes(vectors[_VECTOR_BYTES:], "little")
        is_thumb = bool(reset_vector & 1)
        if is_thumb and reset_vector in boot_flash:
            with self._lock:
                self._monitor.execute("cont", deadline)

    def reset_again_at_write(self, address: int, number: int, deadline: Deadline) -> None:
        """Reset the machine, and once more when the CPU has written `address` so often.

        Raises `NotSeenError` where it has not done so before the deadline.
        """
        with self._lock:
            self._monitor.execute("stop", deadline)
            self._monitor.execute_until_event("system_reset", "RESET", deadline)
            self._discard_unsent_input()
            with self._stopped_cpu(deadline) as gdb:
                done = gdb.run_to_write(address, number, deadline)
        if done < number:
            raise NotSeenError(
                f"The CPU wrote 0x{address:08x} {done} times within {deadline.allowed_s:g} s, not "
                f"{number} times.",
                where=self._unit,
                next_step="Was there anything to do for it, a swap for example?",
            )
        self.reset(ResetKind.SYSTEM, deadline)

    def close(self) -> None:
        """Nothing to let go of: the connections are the unit's or last one call."""

    @contextlib.contextmanager
    def _stopped_cpu(self, deadline: Deadline) -> Iterator[GdbRemote]:
        # Stopped through QMP first: a stub that stops a running CPU sends a stop reply unasked.
        self._monitor.execute("stop", deadline)
        gdb = GdbRemote.connect_unix(self._gdb_socket, deadline)
        try:
            yield gdb
        finally:
            gdb.close()


def _flash_pages(hex_file: Path, memories: Sequence[QemuFlash]) -> dict[int, bytes]:
    """The new content of every page that the file touches, by page address."""
    pages: dict[int, bytearray] = {}
    for segment in read_hex(hex_file):
        page_size = _flash_around(segment, memories, hex_file).page_size_bytes
        for page_address in range(segment.address // page_size * page_size, segment.end, page_size):
            page = pages.setdefault(page_address, bytearray(_ERASED * page_size))
            first = max(segment.address, page_address)
            last = min(segment.end, page_address + page_size)
            page[first - page_address : last - page_address] = segment.data[
                first - segment.address : last - segment.address
            ]
    return {address: bytes(page) for address, page in sorted(pages.items())}


def _flash_around(segment: Segment, memories: Sequence[QemuFlash], hex_file: Path) -> QemuFlash:
    for flash in memories:
        if segment.address in flash and segment.end <= flash.end_address:
            return flash
    present = ", ".join(f"0x{f.base_address:08x}..0x{f.end_address - 1:08x}" for f in memories)
    raise PackageError(
        "The hex file has data outside the flash of this board.",
        where=f"{hex_file}: 0x{segment.address:08x}..0x{segment.end - 1:08x}; flash is {present}",
        next_step="Is it a build for this board?",
    )


def _qemu_version(answer: object) -> str:
    match answer:
        case {"qemu": {"major": major, "minor": minor, "micro": micro}}:
            return f"{major}.{minor}.{micro}"
        case _:
            return "unknown"
