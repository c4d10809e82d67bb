"""Signs in a firmware's own bytes that it was not built for a board's SoC."""

from pytest_nrf_fota.boards.soc import MODEM_DEVICE_NAMES, MODEM_FAMILY, SOCS, Soc
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
    others = [other for other in SOCS.values() if other.family != soc.family]
    names = [(other.device_names, other.device_families) for other in others]
    for devices, families in ((MODEM_DEVICE_NAMES, MODEM_FAMILY), *names):
        device = devices.search(data)
        if device is not None:
            return f"its device {device[0].decode()} is of an {families}"
    return None
