"""Whether a kit can be used now, and what may be done about one that cannot."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.power import RETURN_S, is_on_usb, wait_for_return

Found: TypeAlias = Literal["well", "came back", "lost"]

_INTERVAL_S = 0.1
CHECK_S = 60.0
"""How long the probe's tool may take for one check of a kit that may be lost."""


class KitGoneError(RigError):
    """A kit is not on USB any more."""


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
    try:
        was_there = is_on_usb(kit.serial_number, kit.look())
        _require_usable(kit)
    except RigError as error:
        if not kit.tells_of_kit(error):
            return Examined("well")
        return _after_cycle(kit, _headline(error))
    # One that left and came by itself took its test's result with it.
    return Examined("well" if was_there else "came back")


def _after_cycle(kit: KitUnderTest, why: str) -> Examined:
    if kit.cycle is None:
        return Examined("lost", why)
    try:
        kit.cycle()
        wait_for_return(kit.serial_number, kit.look, Deadline.after(RETURN_S))
    except RigError as error:
        return Examined("lost", f"{why} {_headline(error)}")
    try:
        _require_usable(kit)
    except RigError as error:
        return Examined("lost", f"{why} After its power was switched: {_headline(error)}")
    return Examined("came back")


def _require_usable(kit: KitUnderTest) -> None:
    deadline = Deadline.after(kit.returns_s)
    while not is_on_usb(kit.serial_number, kit.look()):
        if deadline.expired:
            raise KitGoneError("It is not on USB any more.", where="USB: serial ports of J-Links")
        time.sleep(min(_INTERVAL_S, deadline.remaining_s))
    kit.check()


def _headline(error: RigError) -> str:
    return error.what.splitlines()[0]
