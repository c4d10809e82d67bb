"""What pytest's header says of this host's kits: which are taken, and which are not and why."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.run_settings import BOARD_KEY
from pytest_nrf_fota.session_kits import (
    choice_of,
    claimed_kits,
    fitting_kits_of,
    passed_over_of,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.farm.desk import Kit


def kit_lines(config: pytest.Config) -> list[str]:
    """For the header: which kits are this session's, and which it might have had."""
    claimed = claimed_kits(config)
    if not claimed:
        return []
    numbers = [kit.serial_number for kit in claimed]
    powerless = {
        kit.serial_number: program
        for kit in claimed
        if kit.power is not None and (program := kit.power.missing_program)
    }
    return [
        f"kit{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}",
        *(f"{kits} not taken: {why}" for kits, why in _grouped(_passed_over(config, numbers))),
        *_nameless(config),
        *(
            f"the power of {kits} not switchable: {program!r} is not on the PATH"
            for kits, program in _grouped(powerless)
        ),
    ]


def _nameless(config: pytest.Config) -> list[str]:
    """Entries of the hardware map that name no kit."""
    from pytest_nrf_fota.farm.hardware_map import entries_without_kit

    path = choice_of(config).map_file
    places = [str(place) for place in entries_without_kit(path)] if path is not None else []
    if not places:
        return []
    entries = f"entry {places[0]}" if len(places) == 1 else f"entries {', '.join(places)}"
    is_or_are, has = ("is", "it has") if len(places) == 1 else ("are", "they have")
    return [f"{entries} of the hardware map {is_or_are} passed over: {has} no id"]


def _passed_over(config: pytest.Config, claimed: "Sequence[str]") -> "Mapping[str, str]":
    """Kits that the run might have had, and why it has not."""
    from pytest_nrf_fota.farm.kit_lock import state_of

    board = config.stash[BOARD_KEY]
    reasons = passed_over_of(config, board)
    if config.getoption("dist", "no") != "no":
        # Who has a kit each might have had more workers.
        states = {kit.serial_number: state_of(kit.serial_number) for kit in _there(config, board)}
        reasons |= {n: str(state) for n, state in states.items() if state.is_held}
    return {number: why for number, why in reasons.items() if number not in claimed}


def _grouped(reasons: "Mapping[str, str]") -> list[tuple[str, str]]:
    """`kit 1 is`, or `kits 1, 2 are`, and what is the same of them."""
    by_reason: dict[str, list[str]] = {}
    for number, why in sorted(reasons.items()):
        by_reason.setdefault(why, []).append(number)
    return [
        (f"kit {numbers[0]} is" if len(numbers) == 1 else f"kits {', '.join(numbers)} are", why)
        for why, numbers in by_reason.items()
    ]


def _there(config: pytest.Config, board: "BoardType") -> "Sequence[Kit]":
    """Those of this host that fit; none where all of them are of no use by now."""
    from pytest_nrf_fota.errors import RigError

    try:
        return fitting_kits_of(config, board, choice_of(config))
    except RigError:
        return ()
