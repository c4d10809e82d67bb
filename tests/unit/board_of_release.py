"""The virtual kit as a release of the nRF Connect SDK builds for it."""

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board


def board_of_release(ncs: str) -> BoardType:
    """nrf5340dk_sim with its bootloaders."""
    board = load_board("nrf5340dk_sim")
    return board.model_copy(update={"boot": board.boot.model_copy(update={"ncs": ncs})})
