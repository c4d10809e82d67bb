"""Put a board into the state that an earlier upgrade has left, straight into its memories."""

from typing_extensions import assert_never

from pytest_nrf_fota.campaign.case import Package, State
from pytest_nrf_fota.campaign.profile import Profile
from pytest_nrf_fota.firmware.fw_info import INVALIDATION_WORD, VALID_OFFSET_BYTES, find_fw_info
from pytest_nrf_fota.sim.flash import CutMoment, FlashArea, PowerCut
from pytest_nrf_fota.sim.kit import Kit
from pytest_nrf_fota.sim.trailer_area import schedule_swap

_UPLOADED_SHARE = 0.4


async def flash_baseline(kit: Kit, profile: Profile) -> None:
    """The memories of a board that was just flashed."""
    for segment in profile.baseline:
        kit.flash.load(segment.address, segment.data)


async def leave_before_boot(kit: Kit, profile: Profile, state: State, cut_at: int) -> None:
    """What of a state is there before the board boots first.

    `cut_at` is the flash operation of the first boot at which a swap is cut.
    """
    match state:
        case State.CLEAN | State.OTHER_APP_PENDING:
            pass
        case State.OTHER_APP_STORED:
            _store(kit, profile, profile.other_app)
        case State.OTHER_APP_ON_TEST:
            _store(kit, profile, profile.other_app)
            schedule_swap(_secondary(kit), permanent=False)
        case State.SECONDARY_GARBAGE:
            image = profile.files(profile.package(Package.APP))[0].data
            _store(kit, profile, image[: int(len(image) * _UPLOADED_SHARE)])
        case State.SWAP_CUT:
            _store(kit, profile, profile.other_app)
            schedule_swap(_secondary(kit), permanent=True)
            number = len(kit.flash.operations) + cut_at
            kit.flash.power_cut = PowerCut(number, CutMoment.DURING)
            await kit.reset()
            await kit.set_power(on=True, starts=False)
        case State.S1_INVALIDATED:
            _fill_s1(kit, profile)
            place = profile.board.slots.s1
            assert place is not None, "drawn for boards with NSIB"
            info = find_fw_info(kit.flash.read, place.address)
            assert info is not None, "it was just put there"
            word = INVALIDATION_WORD.to_bytes(4, "little")
            kit.flash.load(info.address + VALID_OFFSET_BYTES, word)
        case State.S1_RUNS:
            _fill_s1(kit, profile)
        case _:
            assert_never(state)


async def leave_after_boot(kit: Kit, profile: Profile, state: State) -> None:
    """What of a state would not outlive the first boot."""
    if state is State.OTHER_APP_PENDING:
        _store(kit, profile, profile.other_app)
        schedule_swap(_secondary(kit), permanent=False)


def _store(kit: Kit, profile: Profile, image: bytes) -> None:
    kit.flash.load(profile.board.slots.secondary.address, image)


def _fill_s1(kit: Kit, profile: Profile) -> None:
    place = profile.board.slots.s1
    assert place is not None, "drawn for boards with NSIB"
    kit.flash.load(place.address, profile.s1_mcuboot.data)


def _secondary(kit: Kit) -> FlashArea:
    place = kit.settings.slots.secondary
    return FlashArea(kit.flash, "secondary", place.address, place.size_bytes)
