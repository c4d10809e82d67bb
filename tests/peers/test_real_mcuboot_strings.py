"""Build options read from a MCUboot that others built."""

from intelhex import IntelHex

from pytest_nrf_fota.firmware.mcuboot_strings import describe_mcuboot
from pytest_nrf_fota.firmware.smpclient_dist import SLOT_0_ADDRESS, qemu_cortex_m0_firmware


def test_real_mcuboot_tells_its_swap_algorithm() -> None:
    memory = IntelHex(str(qemu_cortex_m0_firmware().merged_hex))
    bootloader = memory.tobinstr(start=0, size=SLOT_0_ADDRESS)

    described = describe_mcuboot(bootloader)

    assert described is not None
    assert described.swap == "offset"
    assert described.marker == ""
    assert not described.downgrade_prevention
