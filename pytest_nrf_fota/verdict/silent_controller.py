"""A Bluetooth controller that does not answer: the network core is empty, or of another build."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.bootlog.report import Boot

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType

_UNBOUND = LINES["controller_unbound"].regex
_EAGAIN = "-11"
_ERASED = 0xFF
_LOOKED_AT_BYTES = 0x800

FLASH_BOTH_CORES = (
    "Program the network core as well: merged_domains.hex holds both cores (NCS up to 2.6), "
    "merged_CPUNET.hex with merged.hex the network core (NCS 2.7 and later)."
)


def silent_controller_line(boot: Boot) -> str | None:
    """The line that says so; None where the controller answered, or nothing was said."""
    lines = (line.text.strip() for line in boot.lines)
    found = ((text, _UNBOUND.search(text)) for text in lines)
    return next(
        (text for text, match in found if match and match["driver"] and match["code"] == _EAGAIN),
        None,
    )


def network_core_is_empty(board: "BoardType", read: Callable[[int, int], bytes]) -> bool:
    """Whether the network core's flash holds neither b0n nor firmware. Errors of `read` come.

    False for a board without that core.
    """
    core, firmware = board.soc.network, board.network_firmware
    if core is None or firmware is None:
        return False
    places = {core.flash.start, firmware.address}
    return all(read(place, _LOOKED_AT_BYTES).count(_ERASED) == _LOOKED_AT_BYTES for place in places)
