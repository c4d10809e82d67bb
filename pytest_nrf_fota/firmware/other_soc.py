"""Signs in a firmware's own bytes that it was not built for the nRF5340."""

import re
from collections.abc import Sequence

from pytest_nrf_fota.firmware.foreign_fw_info import foreign_chips_in

_NRF5340 = "nrf5340"
_SAME_FAMILY = "nRF53"
# Zephyr keeps the name of each device, which is its devicetree node's. On the nRF52 that has the
# whole address (zephyr dts/arm/nordic/nrf52840.dtsi: clock@40000000); on the nRF5340's application
# core it counts from peripheral@50000000 (nrf5340_cpuapp_peripherals.dtsi: clock@5000), on its
# network core it begins with 41 (nrf5340_cpunet.dtsi: clock@41005000).
_DEVICE_OF_NRF52 = re.compile(rb"(?:clock|flash-controller)@400[0-9a-f]{5}(?=\x00)")


def is_nrf5340(socs: Sequence[str]) -> bool:
    """Whether a board's `manifest_socs` are an nRF5340's."""
    return any(_NRF5340 in name.lower() for name in socs)


def sign_of_other_soc(data: bytes) -> str | None:
    """What shows that these bytes are for another SoC, in words; None where nothing does."""
    chip = next((chip for chip in foreign_chips_in(data) if _SAME_FAMILY not in chip), None)
    if chip is not None:
        return f"its fw_info is for {chip}"
    device = _DEVICE_OF_NRF52.search(data)
    return None if device is None else f"its device {device[0].decode()} is an nRF52's"
