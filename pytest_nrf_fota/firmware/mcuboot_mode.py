"""How a build updates, in the words of board files, of MCUboot, and of the application."""

from collections.abc import Mapping

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board import BootloaderMode as BoardMode
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    BootloaderMode,
    McubootDescription,
    advertised_name_on,
)
from pytest_nrf_fota.firmware.mcuboot_strings import SwapAlgorithm

_ALGORITHMS: Mapping[BoardMode, SwapAlgorithm] = {
    "swap_move": "move",
    "swap_offset": "offset",
    "swap_scratch": "scratch",
    "overwrite_only": "overwrite",
}
_APP_MODES: Mapping[SwapAlgorithm, BootloaderMode] = {
    "move": "swap_without_scratch",
    "offset": "swap_using_offset",
    "scratch": "swap_scratch",
    "overwrite": "overwrite_only",
}


def mcuboot_of(board: BoardType) -> McubootDescription:
    """A MCUboot as the board file says that it was built.

    With image slots for the network core it updates them, too (CONFIG_NRF53_MULTI_IMAGE_UPDATE).
    Raises `BoardFileError` for a mode that the virtual kit does not know.
    """
    mode = board.boot.bootloader_mode
    swap = _ALGORITHMS.get(mode)
    if swap is None:
        raise BoardFileError(
            f"The virtual kit knows no MCUboot of the kind {mode!r}.",
            where=f"boot.bootloader_mode of {board.name}",
            next_step=f"It knows: {', '.join(_ALGORITHMS)}.",
        )
    return McubootDescription(
        swap=swap,
        network_core="multi" if board.slots.secondary_network else "none",
        updates_itself=board.boot.updates_mcuboot,
    )


def app_for(
    mcuboot: McubootDescription, soc: Soc, *, private_address: bool = False
) -> AppDescription:
    """An application that stores updates as this MCUboot needs them, named after its chip."""
    return AppDescription(
        bootloader_mode=_APP_MODES[mcuboot.swap],
        advertised_name=advertised_name_on(soc),
        private_address=private_address,
    )


def app_of(board: BoardType) -> AppDescription:
    """An application for the board's MCUboot, with the name that the harness searches for.

    Without one it is named after the chip. Its address on the air is a private one where the board
    file or the build says so. It has no Bluetooth where they say that, and SMP has another wire.
    """
    radio = board.radio
    app = app_for(mcuboot_of(board), board.soc, private_address=radio.private_address is True)
    if radio.kind != "ble" and radio.bluetooth is False:
        return app.model_copy(update={"bluetooth": False})
    name = radio.name
    return app if name is None else app.model_copy(update={"advertised_name": name})
