"""The image group over two images: numbering of images and slots, one upload at a time."""

import functools

import cbor2
import pytest
from smp.image_management import (
    ImageEraseRequest,
    ImageStatesReadRequest,
    ImageStatesReadResponse,
    ImageStatesWriteRequest,
    ImageStatesWriteResponse,
    ImageUploadWriteRequest,
)

from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.app.smp_server import ServerSettings, SmpServer
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import read_trailer

SLOT_BYTES = 0x10000
LAYOUT = MemoryLayout("flash", 0, 4 * SLOT_BYTES, 0x1000, 4, 0.0, 0.0)
HEADER_BYTES = 8
CHUNK_BYTES = 1000


@functools.cache
def image(version: int) -> bytes:
    payload = build_payload(0x28200, 0x1000, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=16)
    return sign_for_mcuboot(
        payload, ImageVersion(version, 0, 0), layout, signing_key_for_tests("mcuboot")
    )


def hash_of(data: bytes) -> bytes:
    found = McubootImage.parse(data).hash
    assert found is not None
    return found


class Board:
    """A server over two images, of which the second has an empty primary slot."""

    def __init__(self, *, ncs_is_later: bool = False) -> None:
        self.flash = Flash((LAYOUT,), VirtualClock())
        self.areas = [
            FlashArea(self.flash, f"slot{number}", number * SLOT_BYTES, SLOT_BYTES)
            for number in range(4)
        ]
        self.areas[0].write(0, image(1) + b"\xff" * (-len(image(1)) % 4))
        self.log: list[str] = []
        build = ImageGroupBuild(asks_for_next_boot=ncs_is_later)
        managers = [
            ImageManager(
                self.areas[2 * number],
                self.areas[2 * number + 1],
                build,
                lambda function, text: self.log.append(text),
                lambda word: None,
            )
            for number in (0, 1)
        ]
        self.server = SmpServer(
            ImageGroup(managers), ServerSettings(), lambda: None, 2 if ncs_is_later else 1
        )

    def answer(self, frame: bytes) -> bytes:
        answer = self.server.answer(frame)
        assert answer is not None
        return answer

    def body(self, frame: bytes) -> dict[str, object]:
        content = cbor2.loads(self.answer(frame)[HEADER_BYTES:])
        assert isinstance(content, dict)
        return content

    def images(self) -> list[tuple[int | None, int, str, bool]]:
        """Image, slot, version and whether it is pending."""
        frame = self.answer(bytes(ImageStatesReadRequest()))
        return [
            (entry.image, entry.slot, entry.version, bool(entry.pending))
            for entry in ImageStatesReadResponse.loads(frame).images
        ]

    def send(self, number: int, data: bytes, offset: int) -> dict[str, object]:
        first = offset == 0
        return self.body(
            bytes(
                ImageUploadWriteRequest(
                    off=offset,
                    data=data[offset : offset + CHUNK_BYTES],
                    image=number if first else None,
                    len=len(data) if first else None,
                    sha=hash_of(data) if first else None,
                )
            )
        )

    def upload(self, number: int, data: bytes) -> None:
        for offset in range(0, len(data), CHUNK_BYTES):
            assert self.send(number, data, offset)["off"] == min(offset + CHUNK_BYTES, len(data))

    def holds(self, slot: int, data: bytes) -> bool:
        return self.areas[slot].read(0, len(data)) == data


@pytest.mark.parametrize("ncs_is_later", [False, True])
class TestTwoImages:
    def test_the_list_numbers_the_images(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(1, image(2))

        assert board.images() == [(0, 0, "1.0.0", False), (1, 1, "2.0.0", False)]

    def test_each_upload_goes_into_its_own_secondary_slot(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(1, image(3))
        board.upload(0, image(2))

        assert board.holds(1, image(2))
        assert board.holds(3, image(3))
        assert board.areas[2].is_erased(0, SLOT_BYTES)

    def test_the_hash_says_which_image_is_marked(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(0, image(2))
        board.upload(1, image(3))

        mark = ImageStatesWriteRequest(hash=hash_of(image(3)), confirm=True)
        answer = ImageStatesWriteResponse.loads(board.answer(bytes(mark)))

        assert [(e.image, e.slot, e.pending, e.permanent) for e in answer.images] == [
            (0, 0, False, False),
            (0, 1, False, False),
            (1, 1, True, True),
        ]
        assert read_trailer(board.areas[1]).magic is Magic.UNSET
        assert read_trailer(board.areas[3]).magic is Magic.GOOD

    def test_an_unknown_hash_marks_nothing(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(1, image(3))

        board.answer(bytes(ImageStatesWriteRequest(hash=hash_of(image(4)), confirm=True)))

        assert read_trailer(board.areas[3]).magic is Magic.UNSET

    def test_slot_3_is_erased_by_its_number(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(0, image(2))
        board.upload(1, image(3))

        erased = board.body(bytes(ImageEraseRequest(slot=3)))

        assert not erased.get("rc")
        assert board.areas[3].is_erased(0, SLOT_BYTES)
        assert board.holds(1, image(2))

    def test_a_pending_slot_3_is_not_erased(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.upload(1, image(3))
        board.answer(bytes(ImageStatesWriteRequest(hash=hash_of(image(3)), confirm=False)))

        refusal = board.body(bytes(ImageEraseRequest(slot=3)))

        assert refusal.get("rc") or refusal.get("err")
        assert board.holds(3, image(3))

    def test_slot_4_does_not_exist(self, ncs_is_later: bool) -> None:
        refusal = Board(ncs_is_later=ncs_is_later).body(bytes(ImageEraseRequest(slot=4)))

        assert refusal.get("rc") or refusal.get("err")

    def test_there_is_no_slot_for_a_third_image(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)

        refusal = board.send(2, image(2), 0)

        assert refusal.get("rc") or refusal.get("err")
        assert board.areas[1].is_erased(0, SLOT_BYTES)
        assert board.areas[3].is_erased(0, SLOT_BYTES)

    def test_an_upload_for_the_other_image_ends_the_one_under_way(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.send(0, image(2), 0)
        board.send(0, image(2), CHUNK_BYTES)
        board.send(1, image(3), 0)

        assert board.send(1, image(3), CHUNK_BYTES)["off"] == 2 * CHUNK_BYTES
        # A client that goes on with the first is told where the second is.
        assert board.send(0, image(2), CHUNK_BYTES)["off"] == 2 * CHUNK_BYTES
        # The first begins anew.
        assert board.send(0, image(2), 0)["off"] == CHUNK_BYTES

    def test_an_upload_is_resumed_by_its_name(self, ncs_is_later: bool) -> None:
        board = Board(ncs_is_later=ncs_is_later)
        board.send(1, image(3), 0)
        board.send(1, image(3), CHUNK_BYTES)

        assert board.send(1, image(3), 0)["off"] == 2 * CHUNK_BYTES
