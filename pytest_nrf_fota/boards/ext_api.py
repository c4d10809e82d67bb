"""EXT_APIs: what one firmware offers to those after it (sdk-nrf include/fw_info_bare.h)."""

from dataclasses import dataclass

# sdk-nrf subsys/bootloader/bl_crypto/Kconfig, bl_validation/Kconfig, subsys/fw_info/Kconfig.
_NAMES = {
    0x1001: "BL_ROT_VERIFY",
    0x1002: "BL_SHA256",
    0x1003: "BL_SECP256R1",
    0x1101: "BL_VALIDATE_FW",
    0x1200: "EXT_API_PROVIDE",
}


@dataclass(frozen=True)
class ExtApi:
    """One of them, as its header names it."""

    id: int
    flags: int
    version: int

    @property
    def name(self) -> str:
        """As Kconfig spells it, CONFIG_<name>_EXT_API_ENABLED; the number of an unknown one."""
        return _NAMES.get(self.id, f"EXT_API 0x{self.id:x}")


NSIB_PROVIDES = (
    ExtApi(0x1001, 2, 1),
    ExtApi(0x1002, 0, 1),
    ExtApi(0x1003, 1, 1),
    ExtApi(0x1101, 3, 1),
    ExtApi(0x1200, 0, 1),
)
"""What NSIB offers unless a build turns it off (sdk-nrf samples/bootloader/prj.conf)."""
