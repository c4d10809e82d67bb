"""As preparing.py, for swap using offset (sdk-mcuboot v2.1.0-ncs5).

Where headers are looked for, the swap type is asked for and its line printed. Compared with logs of
real MCUboot under QEMU.
"""

from pytest_nrf_fota.firmware.trailer import SwapType
from pytest_nrf_fota.sim.boot.decision import decide
from pytest_nrf_fota.sim.boot.image_check import read_header
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.performing import resume_swap
from pytest_nrf_fota.sim.boot.slot_compatibility import slots_are_compatible
from pytest_nrf_fota.sim.boot.slot_validation import secondary_is_valid
from pytest_nrf_fota.sim.boot.swap_source import ask_swap_type, read_swap_source
from pytest_nrf_fota.sim.boot.unusable_secondary import SecondaryUses
from pytest_nrf_fota.sim.trailer_area import read_swap_size


def prepare_with_offset(setup: McubootSetup, pair: ImagePair, uses: SecondaryUses) -> None:
    """Settle the pair's swap type. Raises `NetworkCoreSilentError`."""
    find_update(setup, pair)
    if not slots_are_compatible(setup, pair):
        return
    source_type = read_swap_source(setup, pair)
    is_known_revert = source_type is SwapType.REVERT
    if not pair.unfinished_offset.is_fresh:
        for _ in () if is_known_revert else ("primary", "secondary"):
            ask_swap_type(setup, pair)
        resume_swap(setup, pair, source_type, read_swap_size(pair.primary))
        if not is_known_revert and _header_is_found_after_resuming(setup, pair):
            ask_swap_type(setup, pair)
        return
    if not is_known_revert:
        ask_swap_type(setup, pair)
    if read_header(pair.primary) is None:
        setup.log(f"W: Failed reading image headers; Image={pair.number}")
        return
    find_update(setup, pair, is_known_revert=is_known_revert)
    if source_type is SwapType.NONE:
        pair.swap_type = decide(setup, pair, uses)
    # The first sector may hold the old image already: its header is no mistake of an upload.
    elif secondary_is_valid(setup, pair, SwapType.NONE):
        pair.swap_type = source_type
    else:
        pair.swap_type = SwapType.FAIL


def find_update(setup: McubootSetup, pair: ImagePair, *, is_known_revert: bool = False) -> None:
    """Note in the pair in which sector of the secondary slot the update begins."""
    second_sector = pair.secondary.page_size_bytes
    reverting = is_known_revert or ask_swap_type(setup, pair) is SwapType.REVERT
    offset_bytes = 0 if reverting else second_sector
    if read_header(pair.secondary, offset_bytes) is None:
        reverting = ask_swap_type(setup, pair) is SwapType.REVERT
        offset_bytes = second_sector if reverting else 0
    pair.update_offset_bytes = offset_bytes


def _header_is_found_after_resuming(setup: McubootSetup, pair: ImagePair) -> bool:
    if ask_swap_type(setup, pair) is SwapType.REVERT:
        return read_header(pair.secondary, pair.secondary.page_size_bytes) is not None
    return read_header(pair.primary) is not None
