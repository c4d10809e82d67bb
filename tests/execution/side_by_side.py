"""One flash state, booted by the real MCUboot and by this project's model of it."""

from dataclasses import dataclass

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Place, SlotMap
from pytest_nrf_fota.sim.flash import Flash, PowerLostError
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


def executed(flash: Flash) -> Outcome:
    """By the real machine code."""
    seen = boot(flash)
    return _outcome(flash, seen.starts, seen.lines)


def modelled(flash: Flash) -> Outcome:
    """By the model. Raises `PowerLostError`."""
    lines: list[str] = []
    hardware = Hardware(
        flash,
        _MAP,
        lines.append,
        keep_last_line=True,
        ram=SOC.application.ram,
        reveals_all=True,
    )
    end = BootChain(hardware, RELEASES["2.6"], MAX_SECTORS).run()
    return _outcome(flash, not isinstance(end, Halt), lines)


def cut_modelled(flash: Flash) -> None:
    """The model's boot, whose power is cut as the flash says."""
    try:
        modelled(flash)
    except PowerLostError:
        flash.has_power = True


def differences(one: Outcome, other: Outcome) -> list[str]:
    """In words: decision, lines, and the first byte of each slot that differs."""
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
    return found


def _outcome(flash: Flash, starts: bool, lines: list[str]) -> Outcome:
    return Outcome(
        starts, tuple(lines), flash.read(PRIMARY, SLOT_BYTES), flash.read(SECONDARY, SLOT_BYTES)
    )
