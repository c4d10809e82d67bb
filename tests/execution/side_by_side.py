"""One flash state, booted by the real MCUboot and by this project's model of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Place, SlotMap
from pytest_nrf_fota.sim.flash import Flash, Operation, OperationKind, PowerLostError
from tests.execution.mcuboot_board import boot
from tests.execution.smpclient_builds import PRIMARY, SECONDARY, SLOT_BYTES, SOC

MAX_SECTORS = 128
_MAP = SlotMap(Place(PRIMARY, SLOT_BYTES), Place(SECONDARY, SLOT_BYTES), network=None)


@dataclass(frozen=True)
class Outcome:
    """What one boot came to."""

    starts: bool
    lines: tuple[str, ...]
    primary: bytes
    secondary: bytes
    operations: tuple[tuple[str, int], ...]


def executed(flash: Flash) -> Outcome:
    """By the real machine code."""
    first = len(flash.operations)
    seen = boot(flash)
    return _outcome(flash, seen.starts, seen.lines, first)


def modelled(flash: Flash) -> Outcome:
    """By the model. Raises `PowerLostError`."""
    lines: list[str] = []
    first = len(flash.operations)
    hardware = Hardware(
        flash,
        _MAP,
        lines.append,
        keep_last_line=True,
        ram=SOC.application.ram,
        reveals_all=True,
    )
    end = BootChain(hardware, RELEASES["2.6"], MAX_SECTORS).run()
    return _outcome(flash, not isinstance(end, Halt), lines, first)


def cut_modelled(flash: Flash) -> None:
    """The model's boot, whose power is cut as the flash says."""
    try:
        modelled(flash)
    except PowerLostError:
        flash.has_power = True


def differences(one: Outcome, other: Outcome) -> list[str]:
    """In words: decision, lines, where each slot differs, and the first other flash operation."""
    found = []
    if one.starts != other.starts:
        found.append(f"starts an application: {one.starts}, {other.starts}")
    if one.lines != other.lines:
        found.append(f"lines: {one.lines}\n       {other.lines}")
    for name in ("primary", "secondary"):
        left, right = getattr(one, name), getattr(other, name)
        offsets = [at for at in range(SLOT_BYTES) if left[at] != right[at]]
        if offsets:
            at = offsets[0] & ~0xF
            found.append(
                f"{name}: {len(offsets)} bytes from 0x{offsets[0]:x} to 0x{offsets[-1]:x}: "
                f"{left[at : at + 16].hex()} {right[at : at + 16].hex()}"
            )
    if one.operations != other.operations:
        pairs = zip_longest(one.operations, other.operations)
        at, (left, right) = next((at, pair) for at, pair in enumerate(pairs) if pair[0] != pair[1])
        found.append(f"operation {at}: {left}, {right}")
    return found


def _outcome(flash: Flash, starts: bool, lines: list[str], first_operation: int) -> Outcome:
    return Outcome(
        starts,
        tuple(lines),
        flash.read(PRIMARY, SLOT_BYTES),
        flash.read(SECONDARY, SLOT_BYTES),
        tuple(_words(flash.operations[first_operation:])),
    )


def _words(operations: Iterable[Operation]) -> Iterator[tuple[str, int]]:
    """Each erase, and each word written: the model writes many at once."""
    for operation in operations:
        step = 4 if operation.kind is OperationKind.WRITE else operation.size_bytes
        for offset in range(0, operation.size_bytes, step):
            yield operation.kind.value, operation.address + offset
