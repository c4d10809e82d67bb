"""Recorded boots of NSIB (nsib/FORMAT.md), and the same boots on the virtual kit."""

import base64
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainValidator

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import (
    Halt,
    Hardware,
    Jump,
    NsibSlots,
    Place,
    SlotMap,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashError, MemoryLayout, Operation

FOLDER = Path(__file__).parent / "nsib"
_APP_FLASH = MemoryLayout("application flash", 0x0, 0x100000, 0x1000, 4, 0.0, 0.0)
_UICR = MemoryLayout("application UICR", 0xFF8000, 0x800, 0x800, 4, 0.0, 0.0, False, True)
_SLOT_BYTES = 0xC200
_S0, _S1 = Place(0x8000, _SLOT_BYTES), Place(0x18000, _SLOT_BYTES)
_SLOTS = SlotMap(
    primary=Place(0x28000, 0x10000),
    secondary=Place(0x38000, 0x10000),
    nsib=NsibSlots(_S0, _S1, 0xFF8100),
)


def _unpacked(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("packed bytes are a text")
    return zlib.decompress(base64.b64decode(value))


Packed: TypeAlias = Annotated[bytes, PlainValidator(_unpacked)]


class Recorded(BaseModel):
    """A part of a vector file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NsibBoot(Recorded):
    """One boot: how it ended, what it printed, which words it changed."""

    decision: str
    address: int | None
    lines: tuple[str, ...]
    writes: tuple[tuple[int, str, str], ...]


class NsibOptions(Recorded):
    """What a build of that release was configured with."""

    rollback_protection: bool


class NsibState(Recorded):
    """One state of a board's flash, and its boots."""

    id: str
    release: str
    kind: str
    about: str = ""
    options: NsibOptions | None = None
    memory: tuple[tuple[int, Packed], ...]
    boots: tuple[NsibBoot, ...]


def recorded_states(name: str) -> Iterator[NsibState]:
    """All states of one file."""
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield NsibState.model_validate_json(line)


def boots_on_kit(state: NsibState, profile: Release) -> Iterator[NsibBoot]:
    """The same boots on the virtual kit, in the same form."""
    flash = Flash((_APP_FLASH, _UICR), VirtualClock())
    for address, data in state.memory:
        flash.load(address, data)
    for _ in state.boots:
        boot = _boot(flash, profile)
        yield boot
        if boot.decision in ("panic", "fault"):
            return


def _boot(flash: Flash, profile: Release) -> NsibBoot:
    lines: list[str] = []
    touched: dict[int, None] = {}

    def note(operation: Operation) -> None:
        words = range(operation.address, operation.address + operation.size_bytes, 4)
        touched.update(dict.fromkeys(words))

    flash.on_operation = note
    before = {layout.name: flash.read(layout.start, layout.size_bytes) for layout in flash.layouts}
    hardware = Hardware(flash, _SLOTS, lines.append, keep_last_line=True)
    address = None
    try:
        end = run_nsib(hardware, profile)
    except FlashError:
        decision = "fault"
    else:
        match end:
            case Jump():
                address = end.address
                decision = "s0" if address < _S1.address else "s1"
            case Halt(panicked=True):
                decision = "panic"
            case _:
                decision = "none"
    writes = []
    for place in touched:
        layout = flash.layout_at(place)
        old = before[layout.name][place - layout.start : place - layout.start + 4]
        new = flash.read(place, 4)
        if old != new:
            writes.append((place, _word(old), _word(new)))
    printed = tuple(lines[len(profile.nsib_banner) :])
    return NsibBoot(decision=decision, address=address, lines=printed, writes=tuple(writes))


def _word(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):08x}"
