"""The unit that this process tests on: checked when it is taken, replaced where its kit is lost."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.errors import ConsoleLostError, RadioLostError, RigError
from pytest_nrf_fota.session_kits import (
    SessionKit,
    attached_to,
    kit_of_session,
    power_of,
    take_spare,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.farm.usability import Examined, KitUnderTest
    from pytest_nrf_fota.providers.provider import Unit


class NoUsableKitError(RigError):
    """The session's kit is of no use, and no other one is free."""


@dataclass
class KitWatch:
    """What this process knows of its kits.

    Args:
        in_use: the claimed kit that it tests on now.
        gone: kits that it takes no more, and why.
        over: why it has no kit any more; empty as long as it has, or may get one.
        news: what the terminal has to hear, and has not.
    """

    in_use: SessionKit | None = None
    gone: dict[str, str] = field(default_factory=dict)
    over: str = ""
    news: list[str] = field(default_factory=list)

    @property
    def number(self) -> str:
        """Serial number of the kit that is tested on; empty without one."""
        return (self.in_use.serial_number or "") if self.in_use else ""


_watch_key: pytest.StashKey[KitWatch] = pytest.StashKey()


def kit_watch(config: pytest.Config) -> KitWatch:
    """This process's."""
    return config.stash.setdefault(_watch_key, KitWatch())


@contextmanager
def usable_unit(config: pytest.Config, board: "BoardType") -> "Iterator[Unit]":
    """A unit of the board; a kit that fails its check is set aside, and the next free one taken.

    Raises:
        NoUsableKitError: no kit is left.
        RigError: there is none, or what is wrong is no kit's fault.
    """
    watch = kit_watch(config)
    with ExitStack() as stack:
        unit = _first_usable(config, board, watch, stack)
        try:
            yield unit
        finally:
            watch.in_use = None
            unit.release()


def set_aside(config: pytest.Config, number: str, why: str, *, is_lost: bool) -> bool:
    """Take a kit no more in this process; one that was lost in a test, nobody takes.

    Returns whether it is quarantined.
    """
    from pytest_nrf_fota.farm.quarantine import add_quarantine
    from pytest_nrf_fota.record.events import KitLost
    from pytest_nrf_fota.report.session import run_folder, session_path

    watch = kit_watch(config)
    watch.gone[number] = why
    becomes, is_noted = "set aside in this run", False
    if is_lost:
        becomes = "quarantined"
        try:
            add_quarantine(number, why, run=str(session_path(config)))
            is_noted = True
        except RigError as error:
            becomes = f"not quarantined, because that cannot be noted: {error.what} {error.where}"
    run_folder(config).recorder.record(
        KitLost(unit=number, why=why, becomes="quarantined" if is_lost else "set aside")
    )
    watch.news.append(f"the kit {number} is {becomes}: {why}")
    return is_noted


def look_at_kit(config: pytest.Config, board: "BoardType", kit: SessionKit) -> "Examined":
    """Whether a kit that nothing of this process has open is lost; its power may be switched."""
    from pytest_nrf_fota.farm.usability import examine

    return examine(_under_test(config, board, kit))


def _first_usable(
    config: pytest.Config, board: "BoardType", watch: KitWatch, stack: ExitStack
) -> "Unit":
    retried: set[str] = set()
    while True:
        with ExitStack() as kit_stack:
            kit = kit_stack.enter_context(kit_of_session(config, board))
            try:
                unit = _taken(config, board, kit)
            except RigError as error:
                if not kit.is_claimed or not is_of_kit(board, kit, error):
                    raise
                failed = error
            else:
                watch.in_use = kit if kit.is_claimed else None
                stack.enter_context(kit_stack.pop_all())
                return unit
            number = kit.serial_number or ""
            found = look_at_kit(config, board, kit)
        if found.found != "lost" and number not in retried:
            retried.add(number)
            continue
        why = found.why or failed.what.splitlines()[0]
        set_aside(config, number, why, is_lost=False)
        if take_spare(config, board, watch.gone) is None:
            watch.over = told_kits(watch)
            raise NoUsableKitError(
                f"No kit is left that can be used: {watch.over}",
                where=failed.where,
                next_step=failed.next_step,
            ) from failed


def told_kits(watch: KitWatch) -> str:
    """Which kits are gone, and why."""
    return "; ".join(f"{number}: {why}" for number, why in watch.gone.items())


def _taken(config: pytest.Config, board: "BoardType", kit: SessionKit) -> "Unit":
    """Take it, and try its wires. Raises `RigError`; then nothing of it is held."""
    from pytest_nrf_fota.providers.choose import take_unit
    from pytest_nrf_fota.providers.provider import CheckedUnit
    from pytest_nrf_fota.record.recorder import FlightRecorder
    from pytest_nrf_fota.report.session import run_folder, worker_name, worker_path

    folder = worker_path(config) / "unit"
    recorder = run_folder(config).recorder
    unit = take_unit(board, worker_name(), folder, kit.serial_number, kit.radio, recorder)
    if not (kit.is_claimed and isinstance(unit, CheckedUnit)):
        return unit
    # The test's own recorder would show a boot that its firmware has no part in.
    own = FlightRecorder()
    try:
        own.open(folder / "check" / "recorder.jsonl", f"check of {unit.name}")
        unit.check(own, with_radio=kit.has_own_radio)
    except BaseException:
        unit.release()
        raise
    finally:
        own.close()
    return unit


def _under_test(config: pytest.Config, board: "BoardType", kit: SessionKit) -> "KitUnderTest":
    from pytest_nrf_fota.farm.usability import CHECK_S, KitUnderTest

    assert kit.serial_number is not None
    number = kit.serial_number
    limit_s = min(CHECK_S, board.timeouts.probe_s)
    hasty = board.with_timeouts(probe_s=limit_s, boot_s=None)
    return KitUnderTest(
        serial_number=number,
        look=attached_to(board),
        check=lambda: _taken(config, hasty, kit).release(),
        tells_of_kit=_tells_of_kit(kit),
        cycle=_recorded_cycle(config, number),
        returns_s=board.console.reopen_s,
    )


def _recorded_cycle(config: pytest.Config, number: str) -> Callable[[], None] | None:
    """Switches the kit's power; told in the recorder and in the terminal."""
    from pytest_nrf_fota.record.events import PowerCycled
    from pytest_nrf_fota.report.session import run_folder

    power = power_of(config, number)
    if power is None:
        return None

    def cycle() -> None:
        began_s, error = time.monotonic(), ""
        try:
            power.cycle()
        except RigError as failed:
            error = failed.what
            raise
        finally:
            took_s = time.monotonic() - began_s
            run_folder(config).recorder.record(
                PowerCycled(unit=number, how=power.how, duration_s=took_s, error=error)
            )
            kit_watch(config).news.append(
                f"the power of the kit {number} could not be switched ({power.how}): {error}"
                if error
                else f"the power of the kit {number} was switched off and on ({power.how}) in "
                f"{took_s:.1f} s"
            )

    return cycle


def _tells_of_kit(kit: SessionKit) -> Callable[[RigError], bool]:
    """Which errors are this kit's: not those that another kit of the host would meet as well."""
    from pytest_nrf_fota.console.port_holder import PortHeldError
    from pytest_nrf_fota.farm.usability import KitGoneError
    from pytest_nrf_fota.probe.fault import tells_of_loss

    def tells(error: RigError) -> bool:
        if isinstance(error, PortHeldError):
            return False
        if isinstance(error, RadioLostError):
            return kit.has_own_radio
        return isinstance(error, ConsoleLostError | KitGoneError) or tells_of_loss(error)

    return tells


def may_be_lost(config: pytest.Config, board: "BoardType", error: BaseException) -> bool:
    """Whether a test's failure may be its kit's: by what it says, or because the kit is away."""
    kit = kit_watch(config).in_use
    return kit is not None and is_of_kit(board, kit, error)


def is_of_kit(board: "BoardType", kit: SessionKit, error: BaseException) -> bool:
    """Whether an error says that a claimed kit may be lost, or the kit is away."""
    from pytest_nrf_fota.farm.power import is_on_usb

    if isinstance(error, RigError) and _tells_of_kit(kit)(error):
        return True
    try:
        return not is_on_usb(kit.serial_number or "", attached_to(board)())
    except RigError:
        return False
