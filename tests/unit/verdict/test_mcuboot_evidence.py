"""What UART, SMP and flash say about which MCUboot NSIB starts."""

from dataclasses import dataclass, replace

import pytest

from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Says, Source
from pytest_nrf_fota.firmware.fw_info import INVALIDATION_WORD, VALID, FwInfo
from pytest_nrf_fota.firmware.validation_info import ValidationInfo
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.mcuboot_evidence import (
    McubootTarget,
    SlotState,
    nsib_prefers,
    read_slot,
    smp_evidence,
    swd_evidence,
    uart_evidence,
)
from tests.unit.boot_lines import APP_LINES, boot_of, mcuboot_lines, nsib_lines

_S0, _S1 = Slot(address=0x8000, size=0xC200), Slot(address=0x18000, size=0xC200)
_HASH = b"\x02" * 32
_TARGET = McubootTarget(
    s_slot=1,
    version=15,
    firmware=b"",
    image_hash=_HASH,
    version_before=14,
    marker=15,
    marker_before=14,
)


def _fw_info(version: int, slot: Slot = _S1, valid_word: int = VALID) -> FwInfo:
    start = slot.address + 0x200
    return FwInfo(start, 60, 0x100, version, start, start, valid_word)


def _state(version: int | None, *, holds_update: bool = False, burnt: bool = False) -> SlotState:
    if version is None:
        return SlotState(None, holds_update)
    return SlotState(_fw_info(version, valid_word=0 if burnt else VALID), holds_update)


def _boot(
    slot: int | None,
    version: int | None,
    bootloader: int | None = None,
    *,
    swapped: bool = False,
) -> Boot:
    nsib = [] if slot is None else nsib_lines(slot, version)
    return boot_of(*nsib, *mcuboot_lines(swaps=swapped, marker=bootloader), *APP_LINES)


def _uart(*boots: Boot, target: McubootTarget = _TARGET) -> list[Says]:
    evidence = uart_evidence(boots, target)
    assert {item.source for item in evidence} == {Source.UART}
    assert all(item.detail for item in evidence)
    return [item.says for item in evidence]


@pytest.mark.parametrize(
    ("boot", "says"),
    [
        (_boot(1, 15), [Says.NEW]),
        (_boot(1, 15, 15), [Says.NEW, Says.NEW]),
        (_boot(0, 14, 14), [Says.OLD, Says.OLD]),
        (_boot(1, 14), [Says.OLD]),
        (_boot(0, 15), [Says.OLD]),
        (_boot(1, 15, 14), [Says.NEW, Says.OLD]),
        (_boot(1, 15, 3), [Says.NEW, Says.UNKNOWN]),
        (_boot(None, None), [Says.UNKNOWN]),
        (_boot(None, None, 15), [Says.UNKNOWN, Says.NEW]),
        (_boot(1, None), [Says.UNKNOWN]),
    ],
)
def test_slot_and_version_of_the_last_boot_decide(boot: Boot, says: list[Says]) -> None:
    assert _uart(boot) == says
    assert _uart(_boot(0, 14, 14), boot) == says


def test_on_the_first_reset_the_old_one_still_runs() -> None:
    assert _uart(_boot(0, 14, 14, swapped=True)) == [Says.OLD, Says.OLD]
    assert _uart(_boot(0, 14, 14, swapped=True), _boot(1, 15, 15)) == [Says.NEW, Says.NEW]


def test_update_that_prints_the_old_number_is_proven_without_it() -> None:
    signed_anew = replace(_TARGET, marker=14)
    assert _uart(_boot(1, 15, 14), target=signed_anew) == [Says.NEW, Says.UNKNOWN]
    assert _uart(_boot(0, 14, 14), target=signed_anew) == [Says.OLD, Says.UNKNOWN]


def test_number_proves_nothing_where_the_update_does_not_show_its_own() -> None:
    unnumbered = replace(_TARGET, marker=None)
    assert _uart(_boot(1, 15, 15), target=unnumbered) == [Says.NEW, Says.UNKNOWN]


def test_without_a_boot_the_uart_knows_nothing() -> None:
    assert _uart() == [Says.UNKNOWN]


def _image(image_hash: bytes, slot: int, *, pending: bool = False, image: int = 0) -> ImageState:
    return ImageState(
        image=image,
        slot=slot,
        version="0.0.0",
        hash=image_hash,
        bootable=True,
        pending=pending,
        confirmed=False,
        active=slot == 0,
        permanent=False,
    )


@pytest.mark.parametrize(
    ("images", "says", "words"),
    [
        (None, Says.UNKNOWN, "no image list"),
        ((), Says.UNKNOWN, "left the secondary slot"),
        ((_image(b"\x01", 0),), Says.UNKNOWN, "left the secondary slot"),
        ((_image(b"\x01", 0), _image(_HASH, 1)), Says.OLD, "was not taken"),
        ((_image(b"\x01", 0), _image(_HASH, 1, pending=True)), Says.OLD, "pending"),
        ((_image(b"\x01", 0), _image(b"\x03", 1, pending=True)), Says.UNKNOWN, "another image"),
        ((_image(b"\x01", 0), _image(_HASH, 0, image=1)), Says.UNKNOWN, "left the secondary slot"),
    ],
    ids=["no answer", "empty", "left", "waits", "pending", "another", "listed where it belongs"],
)
def test_the_image_list_only_knows_what_still_waits(
    images: tuple[ImageState, ...] | None, says: Says, words: str
) -> None:
    evidence = smp_evidence(images, _TARGET)
    assert (evidence.source, evidence.says) == (Source.SMP, says)
    assert words in evidence.detail


@pytest.mark.parametrize(
    ("mine", "other", "slot", "prefers"),
    [
        (_state(15), _state(14), 1, True),
        (_state(14), _state(15), 1, False),
        (_state(15), _state(15), 1, False),
        (_state(15), _state(15), 0, True),
        (_state(None), _state(14), 1, False),
        (_state(None), _state(None), 0, False),
        (_state(1), _state(None), 1, True),
        (_state(15, burnt=True), _state(14), 1, False),
        (_state(14), _state(15, burnt=True), 1, True),
    ],
)
def test_nsib_prefers_the_higher_version_and_s0_on_a_tie(
    mine: SlotState, other: SlotState, slot: int, prefers: bool
) -> None:
    assert nsib_prefers(mine, other, slot) is prefers


_COPIED = _state(15, holds_update=True)


@pytest.mark.parametrize(
    ("target_slot", "other_slot", "boots", "says", "words"),
    [
        (_COPIED, _state(14), [_boot(1, 15)], Says.NEW, "NSIB starts S1"),
        (_COPIED, _state(14), [], Says.NEW, "NSIB starts S1"),
        (
            _COPIED,
            _state(14),
            [_boot(0, 14, swapped=True)],
            Says.UNKNOWN,
            "NSIB starts S1 at the next reset",
        ),
        (_COPIED, _state(14), [_boot(0, 14, swapped=True), _boot(1, 15)], Says.NEW, "S1"),
        (_COPIED, _state(15), [_boot(0, 15)], Says.OLD, "NSIB starts S0"),
        (_COPIED, _state(16), [_boot(0, 16)], Says.OLD, "NSIB starts S0"),
        (_state(13), _state(14), [_boot(0, 14)], Says.OLD, "S1: version 13, S0: version 14"),
        (_state(None), _state(14), [_boot(0, 14)], Says.OLD, "S1: no fw_info"),
        (
            _state(15, holds_update=True, burnt=True),
            _state(14),
            [_boot(0, 14)],
            Says.OLD,
            "S1: version 15, invalidated by NSIB",
        ),
    ],
)
def test_the_slots_tell_what_nsib_starts(
    target_slot: SlotState, other_slot: SlotState, boots: list[Boot], says: Says, words: str
) -> None:
    evidence = swd_evidence(target_slot, other_slot, boots, _TARGET)
    assert (evidence.source, evidence.says) == (Source.SWD, says)
    assert words in evidence.detail


@pytest.mark.parametrize(
    ("boots", "outcome"),
    [
        ([_boot(0, 14, 14, swapped=True), _boot(1, 15, 15)], Outcome.UPGRADED),
        ([_boot(0, 14, 14, swapped=True)], Outcome.NOT_UPGRADED),
        ([_boot(0, 14, 14, swapped=True), _boot(0, 14, 14)], Outcome.CONTRADICTION),
    ],
    ids=["two resets", "one reset", "NSIB does not follow its own rule"],
)
def test_the_verdict_after_the_copy(boots: list[Boot], outcome: Outcome) -> None:
    evidence = (
        *uart_evidence(boots, _TARGET),
        smp_evidence((), _TARGET),
        swd_evidence(_COPIED, _state(14), boots, _TARGET),
    )
    assert Verdict("MCUboot", evidence).outcome is outcome


@dataclass(frozen=True)
class Memory:
    """An S slot with a struct 0x200 behind its start, as the build lays it out."""

    slot: Slot
    content: bytes

    def read(self, address: int, size_bytes: int) -> bytes:
        offset = address - self.slot.address
        assert offset >= 0
        assert offset + size_bytes <= self.slot.size, "read outside of the slot"
        return self.content.ljust(self.slot.size, b"\xff")[offset : offset + size_bytes]


def _firmware(version: int, slot: Slot = _S1, valid_word: int = VALID) -> bytes:
    """What NSIB verifies, as it lies at the slot's firmware address."""
    return _fw_info(version, slot, valid_word).pack().ljust(0x100, b"\x5a")


def _in_slot(firmware: bytes) -> bytes:
    return b"\xff" * 0x200 + firmware + b"validation info"


def test_a_slot_that_holds_the_update_is_known_by_its_bytes() -> None:
    target = replace(_TARGET, firmware=_firmware(15) + b"validation info and padding")
    held = read_slot(Memory(_S1, _in_slot(_firmware(15))).read, _S1, target)
    assert (held.version, held.holds_update) == (15, True)
    rebuilt = _firmware(15)[:-1] + b"\x00"
    other = read_slot(Memory(_S1, _in_slot(rebuilt)).read, _S1, target)
    assert (other.version, other.holds_update) == (15, False)
    old = read_slot(Memory(_S1, _in_slot(_firmware(14))).read, _S1, target)
    assert (old.version, old.holds_update) == (14, False)


def test_a_burnt_slot_has_no_version() -> None:
    burnt = VALID & INVALIDATION_WORD
    firmware = _firmware(15, valid_word=burnt)
    state = read_slot(Memory(_S1, _in_slot(firmware)).read, _S1, _TARGET)
    assert state.fw_info is not None
    assert state.version is None


def test_a_burnt_slot_holds_the_update_that_was_burnt() -> None:
    """MCUboot copied it there, and NSIB refused it: that is not "nothing was copied"."""
    burnt = _in_slot(_firmware(15, valid_word=VALID & INVALIDATION_WORD))
    target = replace(_TARGET, firmware=_firmware(15))
    assert read_slot(Memory(_S1, burnt).read, _S1, target).holds_update
    rebuilt = replace(_TARGET, firmware=_firmware(15)[:-1] + b"\x00")
    assert not read_slot(Memory(_S1, burnt).read, _S1, rebuilt).holds_update


def test_the_same_code_signed_with_another_key_is_another_update() -> None:
    one, other = (ValidationInfo(0x18200, b"h" * 32, key * 64, b"s" * 64) for key in (b"a", b"b"))
    held = b"\xff" * 0x200 + _firmware(15) + one.pack()
    for signed, holds in ((one, True), (other, False)):
        target = replace(_TARGET, firmware=_firmware(15) + signed.pack())
        assert read_slot(Memory(_S1, held).read, _S1, target).holds_update is holds


def test_an_empty_slot_holds_nothing() -> None:
    assert read_slot(Memory(_S1, b"").read, _S1, _TARGET) == SlotState(None, False)


def test_a_struct_that_points_elsewhere_is_not_followed() -> None:
    target = replace(_TARGET, firmware=_firmware(15, _S0))
    state = read_slot(Memory(_S1, _in_slot(_firmware(15, _S0))).read, _S1, target)
    assert (state.version, state.holds_update) == (15, False)


def test_nsib_knows_nothing_of_what_a_silent_mcuboot_does_behind_it() -> None:
    """MCUboot of NCS 2.6 that overwrites starts its new self without a reset."""
    silent = boot_of(*nsib_lines(0, 14), *APP_LINES)
    two_resets = replace(_TARGET, resets_needed=2)
    assert _uart(silent, target=two_resets) == [Says.UNKNOWN]
    # Near misses: NSIB had its chance, and a MCUboot that says which one it is.
    assert _uart(silent, silent, target=two_resets) == [Says.OLD]
    assert _uart(silent) == [Says.OLD]
    assert _uart(_boot(0, 14, 14), target=two_resets) == [Says.OLD, Says.OLD]
