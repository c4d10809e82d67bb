"""Whether a kit can be used now, and what may be done about one that cannot: pure decisions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.power import RETURN_S, PowerError, is_on_usb, wait_for_return

Found: TypeAlias = Literal["well", "came back", "lost"]

CHECK_S = 60.0
"""How long the probe's tool may take for one check of a kit that may be lost."""


@dataclass(frozen=True)
class Examined:
    """What a look at a kit that may be lost has found, and why where it is lost."""

    found: Found
    why: str = ""


@dataclass(frozen=True)
class KitUnderTest:
    """How one kit is looked at.

    Args:
        serial_number: of its probe.
        look: lists the kits on USB.
        check: tries its wires; raises `RigError`.
        tells_of_kit: whether an error of `check` is the kit's, and not the host's.
        cycle: switches its power off and on, raises `RigError`; None where nobody said how.
        returns_s: how long it may be away from USB by itself.
    """

    serial_number: str
    look: Callable[[], Sequence[AttachedKit]]
    check: Callable[[], None]
    tells_of_kit: Callable[[RigError], bool]
    cycle: Callable[[], None] | None
    returns_s: float


def examine(kit: KitUnderTest) -> Examined:
    """Look whether a kit is lost; where it is, switch its power off and on, and look again."""
    was_there = is_on_usb(kit.serial_number, kit.look())
    why = why_unusable(kit)
    if not why:
        # One that left and came by itself took its test's result with it.
        return Examined("well" if was_there else "came back")
    if kit.cycle is None:
        return Examined("lost", why)
    try:
        kit.cycle()
        wait_for_return(kit.serial_number, kit.look, Deadline.after(RETURN_S))
    except PowerError as error:
        return Examined("lost", f"{why} {error.what}")
    after = why_unusable(kit)
    if after:
        return Examined("lost", f"{why} After its power was switched off and on: {after}")
    return Examined("came back")


def why_unusable(kit: KitUnderTest) -> str:
    """Why a kit cannot be used; empty where it can, or where that is not the kit's fault."""
    try:
        try:
            wait_for_return(kit.serial_number, kit.look, Deadline.after(kit.returns_s))
        except PowerError:
            return "It is not on USB any more."
        kit.check()
    except RigError as error:
        if kit.tells_of_kit(error):
            return error.what.splitlines()[0]
    return ""
