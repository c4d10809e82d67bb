"""Whether a hex file boots MCUboot from address 0, without NSIB before it."""

from pytest_nrf_fota.firmware.mcuboot_image import RESET_VECTOR, find_embedded_keys
from pytest_nrf_fota.firmware.mcuboot_strings import describe_mcuboot
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

# No bootloader is larger; what follows is taken for its application.
LARGEST_BOOTLOADER_BYTES = 0x20000
_BLANK_WORD = 0xFFFFFFFF
# sdk-nrf samples/bootloader/src/main.c: what NSIB prints before each try.
_NSIB_TEXT = b"Attempting to boot slot"


def code_at_0(memory: SparseMemory, end: int) -> bytes:
    """What lies from address 0 up to `end`; empty where nothing boots from there."""
    if not memory.holds(0, RESET_VECTOR.size):
        return b""
    (reset_vector,) = RESET_VECTOR.unpack(memory.read(0, RESET_VECTOR.size))
    end = min(end, LARGEST_BOOTLOADER_BYTES)
    if reset_vector == _BLANK_WORD or not 0 < reset_vector < end:
        return b""
    return memory.read(0, end)


def is_mcuboot_alone(code: bytes, *, has_application: bool) -> bool:
    """Whether the code at 0 is MCUboot.

    Args:
        code: as `code_at_0` gives it, up to the first image or S0/S1 slot.
        has_application: whether an image follows that only a MCUboot can start.
    """
    if not code or _NSIB_TEXT in code:
        return False
    return has_application or describe_mcuboot(code) is not None or bool(find_embedded_keys(code))
