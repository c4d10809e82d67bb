"""Whether MCUboot swaps between two slots at all: it refuses slots of unequal size.

Source: boot_slots_compatible in boot/bootutil/src/swap_move.c, swap_offset.c and swap_scratch.c of
sdk-mcuboot v1.9.99-ncs4, v2.0.99-ncs1, v2.1.0-ncs3 and v2.1.0-ncs5; the last of them is also that
of builds that overwrite. Slots are compared by their sectors:

- move: as many in both, or one more in the primary slot, for the sector that is kept free. From
  v2.1.0-ncs1 on also so many fewer in the secondary slot as the trailer and that sector take.
- offset: as many in both, or one more in the secondary slot.
- scratch and overwriting: as many in both.

Under NSIB (PM_S1_ADDRESS) all but offset skip the comparison, as the S0/S1 slots and the secondary
slot that they share are never equal. The application's slots are then not compared either: each of
them limits only what is written to it. A refused pair is left as it is, and the application in the
primary slot is started.
"""

from typing_extensions import assert_never

from pytest_nrf_fota.firmware.trailer import STATUS_STATES, trailer_size_bytes
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.boot.swap_offset import STATES as OFFSET_STATES

_UNEQUAL = "not a compatible amount of sectors"
_LAYOUT = "not same sector layout"


def slots_are_compatible(setup: McubootSetup, pair: ImagePair) -> bool:
    """Whether the pair can be updated; where not, MCUboot's line is printed."""
    problem = _problem(setup, pair)
    if problem is None:
        return True
    setup.log(f"W: Cannot upgrade: {problem}")
    return False


def _problem(setup: McubootSetup, pair: ImagePair) -> str | None:
    primary, secondary = pair.primary.num_sectors, pair.secondary.num_sectors
    has_nsib = setup.build.other_s_slot is not None
    match setup.build.description.swap:
        case "move":
            if has_nsib:
                return None
            fitting = {primary, primary - 1}
            if setup.profile.compares_usable_sectors:
                fitting.add(primary - _trailer_sectors(setup, pair, STATUS_STATES) - 1)
            return None if secondary in fitting else _UNEQUAL
        case "offset":
            usable = primary - _trailer_sectors(setup, pair, OFFSET_STATES) + 1
            if secondary not in (primary, primary + 1, usable + 1):
                return _UNEQUAL
            # Each sector of the primary slot is compared with one of the secondary slot.
            return _LAYOUT if secondary < primary else None
        case "scratch" | "overwrite":
            if has_nsib or primary == secondary:
                return None
            if abs(primary - secondary) == 1:
                return "slots are not compatible"
            # It reads on behind its table of sectors; that it ends like this is inferred.
            return "slots have non-compatible sectors"
        case never:
            assert_never(never)


def _trailer_sectors(setup: McubootSetup, pair: ImagePair, states: int) -> int:
    area = pair.primary
    size_bytes = trailer_size_bytes(setup.build.max_sectors, area.write_size_bytes, states)
    return -(-size_bytes // area.page_size_bytes)
