"""Updates of which no preflight can say what the board makes of them."""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile
from pytest_nrf_fota.firmware.s_slot import Hiding, hiding_of


def why_not_predictable(package: DfuPackage) -> str:
    """Why nothing can be predicted of a package; empty where something can."""
    return next((why for file in package.files if (why := _why_not(file))), "")


def _why_not(file: UpdateFile) -> str:
    hiding = hiding_of(file.image)
    match hiding:
        case None:
            return ""
        case Hiding.ENCRYPTED:
            return (
                f"{file.name} is encrypted: whether MCUboot takes it hangs on a private key that "
                "only the board has"
            )
        case Hiding.COMPRESSED:
            return (
                f"{file.name} is compressed: whether MCUboot unpacks it "
                "(CONFIG_BOOT_DECOMPRESSION) cannot be read from its binary"
            )
        case _:
            assert_never(hiding)
