"""Recorded boots of MCUboot (mcuboot/FORMAT.md), and the same boots on the virtual kit."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import (
    BoardReset,
    Halt,
    Hardware,
    Jump,
    NsibSlots,
    Place,
    SlotMap,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import CutMoment, Flash, MemoryLayout, PowerCut, PowerLostError
from tests.vectors.recorded_nsib import Packed, Recorded

FOLDER = Path(__file__).parent / "mcuboot"
_INTERNAL = MemoryLayout("application flash", 0x0, 0x200000, 0x1000, 4, 0.0, 0.0)
_EXTERNAL = MemoryLayout("external flash", 0x10000000, 0x200000, 0x1000, 4, 0.0, 0.0)


class McubootOptions(Recorded):
    """How the recorded MCUboot was built, and where its slots lie."""

    downgrade_prevention: bool
    under_nsib: bool
    max_sectors: int
    slot_size: int
    primary: int
    secondary: int
    s0: int
    s1: int
    s_size: int
    scratch: tuple[int, int] | None
    public_key: str | None = None


class McubootBoot(Recorded):
    """One boot, on what the one before left behind."""

    changed_before: dict[str, Packed] = Field(default_factory=dict)
    cut: tuple[int, Literal["before", "during", "after"]] | None
    decision: str
    address: int | None
    lines: tuple[str, ...]
    swap_types: tuple[str, ...]
    operations: int
    sha256: dict[str, str]
    changed_after: dict[str, Packed]


class McubootState(Recorded):
    """One state of a board's flash, and its boots."""

    id: str
    release: str
    algorithm: Literal["move", "overwrite", "offset", "scratch"]
    kind: str
    about: str = ""
    setup: McubootOptions
    memory: dict[str, Packed]
    boots: tuple[McubootBoot, ...]


@dataclass(frozen=True)
class BootOnKit:
    """What the virtual kit did in one boot."""

    decision: str
    address: int | None
    lines: tuple[str, ...]
    operations: int
    memory: dict[str, bytes]

    def sha256(self) -> dict[str, str]:
        """Of each area, afterwards."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.memory.items()}


def recorded_states(name: str) -> Iterator[McubootState]:
    """All states of one file."""
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield McubootState.model_validate_json(line)


def boots_on_kit(state: McubootState, profile: Release) -> Iterator[tuple[McubootBoot, BootOnKit]]:
    """Each recorded boot beside the kit's, which starts from what the recorded one before left."""
    memory = dict(state.memory)
    for boot in state.boots:
        memory.update(boot.changed_before)
        yield boot, _boot(state, memory, boot, profile)
        memory.update(boot.changed_after)


def _places(state: McubootState) -> dict[str, Place]:
    setup = state.setup
    places = {
        "primary": Place(setup.primary, setup.slot_size),
        "secondary": Place(setup.secondary, setup.slot_size),
    }
    if setup.scratch is not None:
        places["scratch"] = Place(*setup.scratch)
    if setup.under_nsib:
        places["s1"] = Place(setup.s1, setup.s_size)
    return places


def _boot(
    state: McubootState, memory: dict[str, bytes], boot: McubootBoot, profile: Release
) -> BootOnKit:
    setup, places = state.setup, _places(state)
    flash = Flash((_INTERNAL, _EXTERNAL), VirtualClock())
    for name, data in memory.items():
        flash.load(places[name].address, data)
    if boot.cut is not None:
        flash.power_cut = PowerCut(boot.cut[0], CutMoment(boot.cut[1]))
    nsib = None
    if setup.under_nsib:
        s0, s1 = Place(setup.s0, setup.s_size), Place(setup.s1, setup.s_size)
        nsib = NsibSlots(s0, s1, 0x1FF100)
    slots = SlotMap(
        primary=places["primary"],
        secondary=places["secondary"],
        nsib=nsib,
        scratch=places.get("scratch"),
    )
    lines: list[str] = []
    hardware = Hardware(flash, slots, lines.append, keep_last_line=True)
    build = McubootBuild(
        description=McubootDescription(
            swap=state.algorithm, downgrade_prevention=setup.downgrade_prevention
        ),
        keys=() if setup.public_key is None else (_public_key(setup.public_key),),
        other_s_slot=hardware.s_area(1) if setup.under_nsib else None,
        max_sectors=setup.max_sectors,
        own_version=ImageVersion(1, 0, 0),
    )
    address = None
    try:
        end = run_mcuboot(hardware, build, profile)
    except PowerLostError:
        decision = "cut"
    else:
        match end:
            case Jump():
                decision, address = "jump", end.address
            case BoardReset():
                decision = "reset"
            case Halt(panicked=True):
                decision = "panic"
            case Halt():
                decision = "halt"
    flash.has_power = True
    return BootOnKit(
        decision=decision,
        address=address,
        lines=tuple(lines[len(profile.mcuboot_banner) :]),
        operations=len(flash.operations),
        memory={name: flash.read(at.address, at.size_bytes) for name, at in places.items()},
    )


def _public_key(digits: str) -> ec.EllipticCurvePublicKey:
    x, y = int(digits[:64], 16), int(digits[64:], 16)
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
