"""The application's image group back end: list, mark, erase, upload (facts, 6.3 and 6.4)."""

import functools
import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.mcuboot_image import TLV_SHA256, ImageVersion, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Flag, Magic, SwapType
from pytest_nrf_fota.sim.app.image_result import (
    ALREADY_PENDING,
    BAD_HASH,
    BAD_PAGE_OFFSET,
    CANNOT_PEND_RUNNING,
    DATA_OVERRUN,
    DONE,
    HASH_NOT_FOUND,
    TOO_LARGE,
    ImageResult,
)
from pytest_nrf_fota.sim.app.images import ImageEntry, ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import (
    read_trailer,
    schedule_swap,
    write_copy_done,
    write_image_ok,
    write_magic,
    write_swap_info,
)

PAGE = 0x1000
SLOT_BYTES = 24 * PAGE
LAYOUT = MemoryLayout("flash", 0, 2 * SLOT_BYTES + PAGE, PAGE, 4, 0.0, 0.0)

OK, UNKNOWN, INVALID, NO_ENTRY, BAD_STATE = 0, 1, 3, 5, 6


@functools.cache
def image(version: ImageVersion, size_bytes: int = 0x1000) -> bytes:
    payload = build_payload(0x28200, size_bytes, AppDescription(build_time=str(version)))
    return sign_for_mcuboot(payload, version, SlotLayout(SLOT_BYTES), None)


OLD_VERSION = ImageVersion(1, 2, 3, 4)
NEW_VERSION = ImageVersion(1, 3, 0)
OLD = image(OLD_VERSION)
NEW = image(NEW_VERSION, 0x9800)
ABSENT = image(ImageVersion(9, 9, 9))


def hash_of(data: bytes) -> bytes:
    found = McubootImage.parse(data).hash
    assert found is not None
    return found


class Board:
    """The two slots of a running application, and what it logs."""

    def __init__(self, *, secondary: bytes = b"", build: ImageGroupBuild | None = None) -> None:
        self.flash = Flash((LAYOUT,), VirtualClock())
        self.primary = FlashArea(self.flash, "primary", 0, SLOT_BYTES)
        self.secondary = FlashArea(self.flash, "secondary", SLOT_BYTES, SLOT_BYTES)
        put(self.primary, OLD)
        put(self.secondary, secondary)
        # What lies behind the slot must never change.
        self.flash.write(2 * SLOT_BYTES, b"neighbour..!")
        self.log: list[str] = []
        self.images = ImageManager(
            self.primary,
            self.secondary,
            build or ImageGroupBuild(),
            lambda function, text: self.log.append(text),
            lambda word: self.log.append(f"Swap type: {word}"),
        )
        self._operations = len(self.flash.operations)

    @property
    def operations(self) -> int:
        """Changes of flash since the application started."""
        return len(self.flash.operations) - self._operations

    @property
    def neighbour_is_untouched(self) -> bool:
        return self.flash.read(2 * SLOT_BYTES, 12) == b"neighbour..!"

    def begin_test_run(self) -> None:
        """The running image was swapped in for a test."""
        write_swap_info(self.primary, SwapType.TEST, 0)
        write_copy_done(self.primary)
        write_magic(self.primary)

    def upload(self, data: bytes, chunk_bytes: int, sha: bytes | None = None) -> None:
        """Upload everything as a client does, and check every answer."""
        offset = 0
        while offset < len(data):
            chunk = data[offset : offset + chunk_bytes]
            size = len(data) if offset == 0 else None
            offset += len(chunk)
            assert self.images.upload(offset - len(chunk), chunk, size, sha) == (DONE, offset)


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def entry(
    slot: int,
    *,
    pending: bool = False,
    confirmed: bool = False,
    permanent: bool = False,
) -> ImageEntry:
    return ImageEntry(
        slot=slot,
        version=(OLD_VERSION, NEW_VERSION)[slot],
        hash=hash_of((OLD, NEW)[slot]),
        bootable=True,
        pending=pending,
        confirmed=confirmed,
        active=slot == 0,
        permanent=permanent,
    )


class TestList:
    def test_nothing_pending(self) -> None:
        board = Board(secondary=NEW)

        assert board.images.list_images() == (entry(0, confirmed=True), entry(1))
        assert board.log == ["Swap type: none"] * 2

    def test_an_empty_slot_is_not_listed_and_costs_no_query(self) -> None:
        board = Board()

        assert board.images.list_images() == (entry(0, confirmed=True),)
        assert board.log == ["Swap type: none"]

    def test_a_damaged_image_is_still_listed_while_header_and_hash_are_there(self) -> None:
        board = Board(secondary=NEW)
        board.secondary.write(0x900, bytes(64))

        assert board.images.list_images()[1] == entry(1)

    def test_a_truncated_image_is_not_listed(self) -> None:
        board = Board(secondary=NEW[:0x8000])

        assert len(board.images.list_images()) == 1

    def test_an_image_with_two_hashes_is_not_listed(self) -> None:
        """img_mgmt.c, img_mgmt_read_info: IMG_MGMT_ERR_TLV_MULTIPLE_HASHES_FOUND."""
        header_and_payload = NEW[: 0x200 + McubootImage.parse(NEW).header.image_size_bytes]
        tlv = struct.pack("<HH", TLV_SHA256, 32) + hash_of(NEW)
        info = struct.pack("<HH", 0x6907, 4 + 2 * len(tlv))
        board = Board(secondary=header_and_payload + info + 2 * tlv)

        assert len(board.images.list_images()) == 1

    def test_pending_for_a_test(self) -> None:
        board = Board(secondary=NEW)
        schedule_swap(board.secondary, permanent=False)

        assert board.images.list_images() == (entry(0, confirmed=True), entry(1, pending=True))
        assert board.log == ["Swap type: test"] * 2

    def test_pending_for_good(self) -> None:
        board = Board(secondary=NEW)
        schedule_swap(board.secondary, permanent=True)

        assert board.images.list_images() == (
            entry(0, confirmed=True),
            entry(1, pending=True, permanent=True),
        )
        assert board.log == ["Swap type: perm"] * 2

    def test_under_test_the_old_image_is_the_confirmed_one(self) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()

        assert board.images.list_images() == (entry(0), entry(1, confirmed=True))
        assert board.log == ["Swap type: revert"] * 2

    def test_after_its_confirmation_the_running_image_is(self) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()
        write_image_ok(board.primary)

        assert board.images.list_images() == (entry(0, confirmed=True), entry(1))


class TestMarking:
    @pytest.mark.parametrize(
        ("confirm", "swap_type", "image_ok"),
        [(False, SwapType.TEST, Flag.UNSET), (True, SwapType.PERM, Flag.SET)],
    )
    def test_the_uploaded_image(self, confirm: bool, swap_type: SwapType, image_ok: Flag) -> None:
        board = Board(secondary=NEW)

        assert board.images.set_state(hash_of(NEW), confirm=confirm).rc == OK

        trailer = read_trailer(board.secondary)
        assert (trailer.magic, trailer.swap_type) == (Magic.GOOD, swap_type)
        assert trailer.image_ok is image_ok

    def test_twice_changes_nothing_more(self) -> None:
        board = Board(secondary=NEW)
        board.images.set_state(hash_of(NEW), confirm=False)
        operations = board.operations

        assert board.images.set_state(hash_of(NEW), confirm=True).rc == OK
        assert board.operations == operations

    @pytest.mark.parametrize(
        ("image_hash", "confirm"),
        [
            pytest.param(None, False, id="test without hash"),
            pytest.param(hash_of(ABSENT), False, id="test of an unknown hash"),
            pytest.param(hash_of(ABSENT), True, id="confirm of an unknown hash"),
            pytest.param(hash_of(NEW)[:31], False, id="short hash"),
            pytest.param(hash_of(NEW) + b"\x00", True, id="long hash"),
        ],
    )
    def test_what_cannot_be_found_is_invalid(self, image_hash: bytes | None, confirm: bool) -> None:
        board = Board(secondary=NEW)

        assert board.images.set_state(image_hash, confirm=confirm).rc == INVALID
        assert board.operations == 0
        assert board.log == []

    def test_a_test_of_the_running_image_is_refused(self) -> None:
        board = Board(secondary=NEW)

        assert board.images.set_state(hash_of(OLD), confirm=False).rc == UNKNOWN
        assert board.operations == 0

    @pytest.mark.parametrize("confirm", [False, True])
    def test_the_image_to_fall_back_to_cannot_be_marked(self, confirm: bool) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()
        operations = board.operations

        assert board.images.set_state(hash_of(NEW), confirm=confirm).rc == BAD_STATE
        assert board.operations == operations

    @pytest.mark.parametrize("image_hash", [None, hash_of(OLD)])
    def test_confirming_a_test_run_writes_image_ok(self, image_hash: bytes | None) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()

        assert board.images.set_state(image_hash, confirm=True).rc == OK

        assert read_trailer(board.primary).image_ok is Flag.SET
        assert read_trailer(board.secondary).magic is Magic.UNSET

    @pytest.mark.parametrize("permanent", [False, True])
    def test_confirming_while_an_update_is_pending_writes_nothing(self, permanent: bool) -> None:
        board = Board(secondary=NEW)
        write_magic(board.primary)  # an unconfirmed image that was flashed with its trailer
        schedule_swap(board.secondary, permanent=permanent)
        operations = board.operations

        assert board.images.set_state(None, confirm=True).rc == OK
        assert board.operations == operations
        assert read_trailer(board.primary).image_ok is Flag.UNSET

    def test_confirming_without_a_trailer_writes_nothing(self) -> None:
        board = Board()

        assert board.images.set_state(None, confirm=True).rc == OK
        assert board.operations == 0

    def test_an_application_that_confirms_itself_does_so_once(self) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()
        operations = board.operations

        board.images.confirm_running()
        board.images.confirm_running()

        assert board.operations == operations + 1
        assert read_trailer(board.primary).image_ok is Flag.SET


class TestErase:
    def test_an_unused_image_goes_completely(self) -> None:
        board = Board(secondary=NEW)
        board.secondary.write(SLOT_BYTES - 4, bytes(4))

        assert board.images.erase_slot(1).rc == OK
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.neighbour_is_untouched
        assert board.primary.read(0, len(OLD)) == OLD

    def test_an_empty_slot_is_left_alone(self) -> None:
        board = Board()

        assert board.images.erase_slot(1).rc == OK
        assert board.operations == 0

    @pytest.mark.parametrize("permanent", [False, True])
    def test_a_pending_image_stays(self, permanent: bool) -> None:
        board = Board(secondary=NEW)
        schedule_swap(board.secondary, permanent=permanent)

        assert board.images.erase_slot(1).rc == BAD_STATE
        assert board.secondary.read(0, len(NEW)) == NEW

    def test_the_image_to_fall_back_to_stays(self) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()

        assert board.images.erase_slot(1).rc == BAD_STATE

    def test_a_marked_slot_without_image_can_be_erased(self) -> None:
        board = Board()
        schedule_swap(board.secondary, permanent=False)

        assert board.images.erase_slot(1).rc == OK
        assert board.secondary.is_erased(0, SLOT_BYTES)

    def test_the_running_image_is_in_use(self) -> None:
        board = Board()

        assert board.images.erase_slot(0).rc == BAD_STATE
        assert board.primary.read(0, len(OLD)) == OLD

    @pytest.mark.parametrize("slot", [-1, 2, 3])
    def test_other_slots_do_not_exist(self, slot: int) -> None:
        assert Board().images.erase_slot(slot).rc == UNKNOWN


class TestFirstPacket:
    @pytest.mark.parametrize(
        ("data", "size_bytes", "sha"),
        [
            pytest.param(NEW[:31], len(NEW), None, id="shorter than a header"),
            pytest.param(b"", len(NEW), None, id="empty"),
            pytest.param(NEW[:64], None, None, id="len missing"),
            pytest.param(NEW[:64], -1, None, id="len negative"),
            pytest.param(b"\x00" + NEW[1:64], len(NEW), None, id="bad magic"),
            pytest.param(NEW[:64], len(NEW), bytes(33), id="sha too long"),
        ],
    )
    def test_what_is_malformed_changes_nothing(
        self, data: bytes, size_bytes: int | None, sha: bytes | None
    ) -> None:
        board = Board(secondary=OLD)

        assert board.images.upload(0, data, size_bytes, sha)[0].rc == INVALID
        assert board.operations == 0
        assert board.log == []

    @pytest.mark.parametrize("permanent", [False, True])
    def test_a_pending_slot_is_no_target(self, permanent: bool) -> None:
        board = Board(secondary=NEW)
        schedule_swap(board.secondary, permanent=permanent)
        operations = board.operations

        assert board.images.upload(0, NEW[:64], len(NEW), None)[0].rc == NO_ENTRY
        assert board.operations == operations

    def test_the_image_to_fall_back_to_is_no_target(self) -> None:
        board = Board(secondary=NEW)
        board.begin_test_run()

        assert board.images.upload(0, NEW[:64], len(NEW), None)[0].rc == NO_ENTRY

    def test_an_empty_slot_is_not_erased(self) -> None:
        board = Board()

        assert board.images.upload(0, NEW[:64], len(NEW), None) == (DONE, 64)
        assert board.log == ["Swap type: none"] * 2
        assert board.operations == 1

    def test_anything_in_the_slot_costs_its_size_and_the_trailer(self) -> None:
        board = Board()
        board.secondary.write(0xB000, bytes(4))
        board.secondary.write(SLOT_BYTES - 32, bytes(4))

        assert 0x9001 <= len(NEW) <= 0xA000
        assert board.images.upload(0, NEW[:64], len(NEW), None) == (DONE, 64)
        assert board.log == [
            "Swap type: none",
            "Swap type: none",
            "Erased 0xa000 bytes of image slot",
            "Erased 0x1000 bytes of image slot trailer",
        ]
        # Between both nothing was erased.
        assert board.secondary.read(0xB000, 4) == bytes(4)
        assert board.secondary.is_erased(SLOT_BYTES - PAGE, PAGE)

    def test_the_trailer_is_not_erased_twice(self) -> None:
        board = Board(secondary=OLD)

        assert board.images.upload(0, NEW[:64], SLOT_BYTES - PAGE + 1, None) == (DONE, 64)
        assert board.log[2:] == [f"Erased 0x{SLOT_BYTES:x} bytes of image slot"]

    def test_one_page_of_the_trailer_is_erased_however_long_it_is(self) -> None:
        """The application knows where copy_done lies, not where MCUboot's status bytes begin."""
        board = Board(secondary=OLD)
        board.secondary.write(SLOT_BYTES - 2 * PAGE, bytes(2 * PAGE))

        board.images.upload(0, NEW[:64], len(NEW), None)

        assert board.log[-1] == "Erased 0x1000 bytes of image slot trailer"
        assert board.secondary.is_erased(SLOT_BYTES - PAGE, PAGE)
        assert board.secondary.read(SLOT_BYTES - 2 * PAGE, PAGE) == bytes(PAGE)

    def test_a_stale_mark_of_a_lost_image_goes_with_the_erase(self) -> None:
        board = Board()
        board.secondary.write(SLOT_BYTES - 16, b"stale magic.....")

        board.images.upload(0, NEW[:64], len(NEW), None)

        assert read_trailer(board.secondary).magic is Magic.UNSET

    @pytest.mark.parametrize(
        ("version", "rc"),
        [
            (ImageVersion(1, 2, 2, 99), BAD_STATE),
            (ImageVersion(1, 2, 3, 99), BAD_STATE),
            (ImageVersion(1, 2, 4), OK),
            (ImageVersion(2, 0, 0), OK),
        ],
    )
    def test_upgrades_only_compares_versions_without_build_number(
        self, version: ImageVersion, rc: int
    ) -> None:
        board = Board(secondary=ABSENT)
        data = image(version)

        answer = board.images.upload(0, data[:64], len(data), None, only_newer=True)

        assert answer[0].rc == rc
        assert (board.operations > 0) == (rc == OK)


class TestUpload:
    @given(chunk_bytes=st.integers(32, 3000), extra_bytes=st.integers(0, 7))
    @settings(max_examples=40, deadline=None)
    def test_the_slot_holds_what_was_sent(self, chunk_bytes: int, extra_bytes: int) -> None:
        board = Board(secondary=ABSENT)
        data = NEW + bytes(range(extra_bytes))

        board.upload(data, chunk_bytes)

        assert board.secondary.read(0, len(data)) == data
        assert board.images.list_images()[1] == entry(1)

    def test_a_wrong_offset_is_answered_with_the_right_one(self) -> None:
        board = Board()
        board.images.upload(0, NEW[:64], len(NEW), None)
        operations = board.operations

        for offset in (1, 32, 60, 68, 5000):
            assert board.images.upload(offset, NEW[offset : offset + 64], None, None) == (DONE, 64)
        assert board.operations == operations
        assert board.images.upload(64, NEW[64:128], None, None) == (DONE, 128)

    def test_without_an_upload_the_beginning_is_wanted(self) -> None:
        board = Board()

        assert board.images.upload(64, NEW[64:128], None, None) == (DONE, 0)
        assert board.operations == 0

    def test_the_same_sha_resumes(self) -> None:
        board = Board()
        sha = hashlib.sha256(NEW).digest()
        board.images.upload(0, NEW[:64], len(NEW), sha)
        board.images.upload(64, NEW[64:128], None, None)
        operations, log = board.operations, len(board.log)

        assert board.images.upload(0, NEW[:64], len(NEW), sha) == (DONE, 128)
        assert (board.operations, len(board.log)) == (operations, log)

    @pytest.mark.parametrize("sha", [None, b"", bytes(32)])
    def test_any_other_sha_begins_again(self, sha: bytes | None) -> None:
        board = Board()
        first_sha = b"" if sha == b"" else hashlib.sha256(NEW).digest()
        board.images.upload(0, NEW[:64], len(NEW), first_sha)

        assert board.images.upload(0, NEW[:100], len(NEW), sha) == (DONE, 100)
        assert "Erased 0xa000 bytes of image slot" in board.log

    def test_a_finished_upload_is_not_resumed(self) -> None:
        board = Board()
        sha = hashlib.sha256(OLD).digest()
        board.upload(OLD, 1000, sha)

        assert board.images.upload(0, OLD[:64], len(OLD), sha) == (DONE, 64)
        assert board.log[-2].startswith("Erased ")

    def test_an_erase_ends_the_upload(self) -> None:
        board = Board()
        sha = hashlib.sha256(NEW).digest()
        board.images.upload(0, NEW[:64], len(NEW), sha)

        assert board.images.erase_slot(1).rc == OK
        assert board.images.upload(0, NEW[:64], len(NEW), sha) == (DONE, 64)

    def test_a_refused_first_packet_does_not_end_the_upload(self) -> None:
        board = Board()
        board.images.upload(0, NEW[:64], len(NEW), None)

        assert board.images.upload(0, b"garbage" * 8, 56, None)[0].rc == INVALID
        assert board.images.upload(64, NEW[64:128], None, None) == (DONE, 128)

    def test_an_image_larger_than_the_slot_fails_where_the_slot_ends(self) -> None:
        board = Board()
        chunk = bytes(PAGE)
        first = NEW[:PAGE]
        assert board.images.upload(0, first, SLOT_BYTES + 64, None) == (DONE, PAGE)
        for offset in range(PAGE, SLOT_BYTES, PAGE):
            assert board.images.upload(offset, chunk, None, None) == (DONE, offset + PAGE)

        assert board.images.upload(SLOT_BYTES, bytes(64), None, None)[0].rc == UNKNOWN
        assert board.neighbour_is_untouched

    def test_no_more_than_the_slot_is_erased(self) -> None:
        board = Board(secondary=OLD)

        assert board.images.upload(0, NEW[:64], SLOT_BYTES + 1, None)[0].rc == UNKNOWN
        assert board.log[2:] == [
            f"image slot erase of 0x{SLOT_BYTES + PAGE:x} bytes failed (err -22)"
        ]
        assert board.operations == 0
        assert board.neighbour_is_untouched

    @pytest.mark.parametrize("size_bytes", [LAYOUT.size_bytes - SLOT_BYTES + 1, 1 << 30])
    def test_a_size_beyond_the_memory_is_a_bad_offset(self, size_bytes: int) -> None:
        board = Board(secondary=OLD)

        assert board.images.upload(0, NEW[:64], size_bytes, None)[0] == BAD_PAGE_OFFSET
        assert board.log[2:] == [f"bad offset (0x{SLOT_BYTES + size_bytes - 1:x})"]
        assert board.operations == 0

    def test_in_an_empty_slot_2_3_notices_nothing_before_its_end(self) -> None:
        board = Board()

        assert board.images.upload(0, NEW[:64], 1 << 30, None) == (DONE, 64)


SINCE_3_5 = ImageGroupBuild(asks_for_next_boot=True)
TRIAL, PENDING_TRIAL, PENDING_FOR_GOOD, NOTHING = "trial", "test", "permanent", "nothing"


def board_in(situation: str) -> Board:
    board = Board(secondary=NEW, build=SINCE_3_5)
    match situation:
        case "trial":
            board.begin_test_run()
        case "test" | "permanent":
            schedule_swap(board.secondary, permanent=situation == "permanent")
        case _:
            pass
    return board


class TestSinceZephyr35:
    """What NCS 2.6 and later do otherwise (img_mgmt_state.c, img_mgmt_set_next_boot_slot)."""

    @pytest.mark.parametrize(
        ("situation", "image", "confirm", "result"),
        [
            (NOTHING, NEW, False, DONE),
            (NOTHING, NEW, True, DONE),
            (NOTHING, OLD, True, DONE),
            (NOTHING, None, True, DONE),
            (NOTHING, OLD, False, CANNOT_PEND_RUNNING),
            (PENDING_TRIAL, NEW, False, DONE),
            (PENDING_TRIAL, NEW, True, ALREADY_PENDING),
            (PENDING_TRIAL, OLD, True, ALREADY_PENDING),
            (PENDING_TRIAL, OLD, False, CANNOT_PEND_RUNNING),
            (PENDING_FOR_GOOD, NEW, True, DONE),
            (PENDING_FOR_GOOD, NEW, False, ALREADY_PENDING),
            (PENDING_FOR_GOOD, None, True, ALREADY_PENDING),
            (TRIAL, NEW, True, DONE),
            (TRIAL, NEW, False, ALREADY_PENDING),
            (TRIAL, None, True, DONE),
            (TRIAL, OLD, False, CANNOT_PEND_RUNNING),
            (NOTHING, ABSENT, False, HASH_NOT_FOUND),
            (NOTHING, None, False, BAD_HASH),
        ],
    )
    def test_marking(
        self, situation: str, image: bytes | None, confirm: bool, result: ImageResult
    ) -> None:
        board = board_in(situation)
        before = board.operations
        image_hash = None if image is None else hash_of(image)

        assert board.images.set_state(image_hash, confirm=confirm) == result

        marks = situation == NOTHING and image == NEW
        confirms_trial = situation == TRIAL and image is None
        assert (board.operations > before) == (marks or confirms_trial)
        if marks:
            wanted = SwapType.PERM if confirm else SwapType.TEST
            assert read_trailer(board.secondary).swap_type == wanted
        if confirms_trial:
            assert read_trailer(board.primary).image_ok is Flag.SET

    def test_a_bad_magic_costs_the_image(self) -> None:
        board = Board(secondary=NEW, build=SINCE_3_5)
        board.secondary.write(SLOT_BYTES - 16, b"stale magic.....")

        result = board.images.set_state(hash_of(NEW), confirm=True)

        assert (result.translated_rc, result.group_rc) == (UNKNOWN, 23)
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.log == [
            "Swap type: none",
            "Faled boot_set_next with code 3, for slot 1, with active slot 0 and confirm 1",
        ]

    def test_a_list_costs_one_query(self) -> None:
        board = board_in(PENDING_FOR_GOOD)

        assert board.images.list_images() == (
            entry(0, confirmed=True),
            entry(1, pending=True, permanent=True),
        )
        assert board.log == ["Swap type: perm"]

    @pytest.mark.parametrize(
        ("size_bytes", "result"), [(SLOT_BYTES, DONE), (SLOT_BYTES + 1, TOO_LARGE)]
    )
    def test_the_size_is_compared_with_the_slot(self, size_bytes: int, result: ImageResult) -> None:
        board = Board(build=SINCE_3_5)

        assert board.images.upload(0, NEW[:64], size_bytes, None)[0] == result
        assert board.log[2:] == ([] if result == DONE else ["Image upload inspect failed: 30"])

    def test_more_data_than_announced_is_refused(self) -> None:
        board = Board(build=SINCE_3_5)
        board.images.upload(0, NEW[:64], 100, None)
        before = board.operations

        assert board.images.upload(64, NEW[64:101], None, None) == (DATA_OVERRUN, 0)
        assert board.operations == before
        assert board.images.upload(64, NEW[64:100], None, None) == (DONE, 100)

    def test_refusals_are_logged(self) -> None:
        board = Board(build=SINCE_3_5)

        for data, size_bytes in ((NEW[:31], 100), (NEW[:64], None), (bytes(64), 100)):
            board.images.upload(0, data, size_bytes, None)

        assert board.log == [f"Image upload inspect failed: {code}" for code in (22, 21, 23)]

    @pytest.mark.parametrize("reverts", [False, True])
    def test_an_unfinished_trial_beside_a_bad_magic(self, reverts: bool) -> None:
        build = ImageGroupBuild(asks_for_next_boot=True, reverts_over_any_magic=reverts)
        board = Board(secondary=NEW, build=build)
        board.begin_test_run()
        board.secondary.write(SLOT_BYTES - 16, b"stale magic.....")

        assert board.images.query_swap_type() is (SwapType.REVERT if reverts else SwapType.NONE)


class TestBadMagic:
    """Facts, 4.2: a bad magic is an error for a confirmation and for a mark."""

    def test_of_the_running_image(self) -> None:
        board = Board(secondary=NEW)
        board.primary.write(SLOT_BYTES - 16, b"stale magic.....")
        before = board.operations

        assert not board.images.confirm_running()
        assert not board.images.is_running_confirmed
        # Its answer to the client is ok all the same: 2.3 drops the error (img_mgmt_state.c).
        assert board.images.set_state(None, confirm=True) == DONE
        assert board.operations == before

    @pytest.mark.parametrize("confirm", [False, True])
    def test_of_the_update_costs_the_image(self, confirm: bool) -> None:
        board = Board(secondary=NEW)
        board.secondary.write(SLOT_BYTES - 16, b"stale magic.....")

        assert board.images.set_state(hash_of(NEW), confirm=confirm).rc == UNKNOWN
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.neighbour_is_untouched
