"""The board type that a recorder belongs to."""

from pydantic import ValidationError

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.record.events import UnitTaken


def recorded_board(unit: UnitTaken | None) -> BoardType | None:
    """The board type; None where no board was taken, or another version recorded it."""
    if unit is None or not unit.settings:
        return None
    try:
        return BoardType.model_validate(unit.settings)
    except ValidationError:
        return None
