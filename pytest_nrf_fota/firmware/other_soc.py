"""Signs in a firmware's own bytes that it was not built for a board's SoC."""

from pytest_nrf_fota.boards.soc import SOCS, Soc
from pytest_nrf_fota.firmware.foreign_fw_info import foreign_chips_in


def sign_of_other_soc(data: bytes, soc: Soc) -> str | None:
    """What shows that these bytes are for another SoC, in words; None where nothing does.

    Nothing does for a board whose SoC is not known.
    """
    if not soc.cores:
        return None
    chip = next((chip for chip in foreign_chips_in(data) if soc.family not in chip), None)
    if chip is not None:
        return f"its fw_info is for {chip}"
    for other in SOCS.values():
        device = other.device_names.search(data) if other.family != soc.family else None
        if device is not None:
            return f"its device {device[0].decode()} is an {other.family}'s"
    return None
