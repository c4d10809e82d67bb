"""What a look at a kit finds, and when its power is switched."""

from collections.abc import Callable

import pytest

from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.errors import ConsoleLostError, RigError
from pytest_nrf_fota.farm.power import PowerError
from pytest_nrf_fota.farm.usability import Examined, KitGoneError, KitUnderTest, examine

HERE, AWAY = (AttachedKit("7", ()),), ()
HOST_S = RigError("the tool is missing")
KIT_S = ConsoleLostError("no port")


class Desk:
    """One kit: whether it is on USB, and what its check says, time after time."""

    def __init__(self, *, usb: bool = True, checks: tuple[RigError | None, ...] = ()) -> None:
        self.is_there = usb
        self._checks = list(checks)
        self.cycles = 0

    def look(self) -> tuple[AttachedKit, ...]:
        return HERE if self.is_there else AWAY

    def check(self) -> None:
        error = self._checks.pop(0) if self._checks else None
        if error is not None:
            raise error

    def cycle(self) -> None:
        self.cycles += 1
        self.is_there = True

    def examine(self, cycle: Callable[[], None] | None = None) -> Examined:
        def is_of_kit(error: RigError) -> bool:
            return isinstance(error, ConsoleLostError | KitGoneError)

        return examine(KitUnderTest("7", self.look, self.check, is_of_kit, cycle, returns_s=0.0))


def test_a_kit_that_is_well() -> None:
    desk = Desk()
    assert desk.examine(desk.cycle) == Examined("well") and desk.cycles == 0


def test_what_is_the_host_s_fault_is_not_the_kit_s() -> None:
    """Nothing is switched for it, and no kit is quarantined."""
    desk = Desk(checks=(HOST_S,))
    assert desk.examine(desk.cycle) == Examined("well") and desk.cycles == 0


@pytest.mark.parametrize("desk", [Desk(usb=False), Desk(checks=(KIT_S,))])
def test_a_kit_that_is_lost(desk: Desk) -> None:
    """With why; where its power can be switched, it is, once."""
    found = desk.examine()
    assert found.found == "lost"
    assert found.why in ("It is not on USB any more.", "no port")


def test_power_brings_it_back() -> None:
    desk = Desk(usb=False)
    assert desk.examine(desk.cycle) == Examined("came back") and desk.cycles == 1
    desk = Desk(checks=(KIT_S, KIT_S))
    found = desk.examine(desk.cycle)
    assert (found.found, desk.cycles) == ("lost", 1)
    assert found.why == "no port After its power was switched: no port"


def test_a_switch_that_fails() -> None:
    def fails() -> None:
        raise PowerError("No compatible devices")

    assert Desk(usb=False).examine(fails).why.endswith("No compatible devices")


def test_one_that_came_back_by_itself() -> None:
    """The test's result is of no use, the kit is."""
    desk = Desk(usb=False)
    looks = iter([AWAY, HERE])
    kit = KitUnderTest("7", lambda: next(looks, HERE), desk.check, lambda error: True, None, 30.0)
    assert examine(kit) == Examined("came back")
