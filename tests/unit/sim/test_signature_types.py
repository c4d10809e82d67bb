"""MCUboot of each signature type: it finds its own key in its binary, and takes that key only."""

import functools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import (
    ImageVersion,
    McubootImage,
    encode_public_key,
    find_embedded_keys,
)
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import schedule_swap

SLOT_BYTES = 24 * 0x1000
INTERNAL = MemoryLayout("application flash", 0, 0x40000, 0x1000, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, 0x1000, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
)
KINDS = ("rsa-2048", "rsa-3072", "ecdsa-p256", "ed25519")


@functools.cache
def key(kind: str, name: str = "mine") -> SigningKey:
    match kind:
        case "rsa-2048" | "rsa-3072":
            return rsa.generate_private_key(65537, int(kind[4:]))
        case "ecdsa-p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            raise AssertionError(kind)


def image(version: int, signed_by: SigningKey | None) -> bytes:
    payload = build_payload(0x28200, 0x1000, AppDescription(build_time=str(version)))
    layout = SlotLayout(SLOT_BYTES, max_sectors=24)
    return sign_for_mcuboot(payload, ImageVersion(version, 0, 0), layout, signed_by)


class Board:
    """A kit whose MCUboot carries the public half of one key."""

    def __init__(self, kind: str, running: bytes) -> None:
        self.lines: list[str] = []
        flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        self._hardware = Hardware(flash, SLOTS, self.lines.append)
        self.primary = self._hardware.primary_area()
        mcuboot = build_payload(
            0x8200, 0x4000, McubootDescription(), keys=(key(kind).public_key(),)
        )
        self._build = McubootBuild(
            McubootDescription(), find_embedded_keys(mcuboot), self._hardware.s_area(1), 24
        )
        self.primary.write(0, running + b"\xff" * (-len(running) % 4))

    def upgrade(self, update: bytes) -> Jump | Halt:
        secondary = self._hardware.secondary_area()
        secondary.write(0, update + b"\xff" * (-len(update) % 4))
        schedule_swap(secondary, permanent=False)
        end = run_mcuboot(self._hardware, self._build, RELEASES["2.3"])
        assert isinstance(end, (Jump, Halt))
        return end


@pytest.mark.parametrize("kind", KINDS)
class TestEachKind:
    def test_the_key_is_found_in_the_binary(self, kind: str) -> None:
        public = key(kind).public_key()
        mcuboot = build_payload(0x8200, 0x4000, McubootDescription(), keys=(public,))

        (found,) = find_embedded_keys(mcuboot)

        assert encode_public_key(found) == encode_public_key(public)

    def test_an_upgrade_passes(self, kind: str) -> None:
        new = image(2, key(kind))
        board = Board(kind, image(1, key(kind)))

        assert board.upgrade(new) == Jump(0x28200)
        assert board.primary.read(0, len(new)) == new

    def test_the_wrong_key_of_the_same_kind_is_refused(self, kind: str) -> None:
        old = image(1, key(kind))
        board = Board(kind, old)

        assert board.upgrade(image(2, key(kind, "another"))) == Jump(0x28200)
        assert "E: Image in the secondary slot is not valid!" in board.lines
        assert board.primary.read(0, len(old)) == old

    def test_a_key_of_another_kind_is_refused(self, kind: str) -> None:
        board = Board(kind, image(1, key(kind)))
        other_kind = KINDS[(KINDS.index(kind) + 2) % len(KINDS)]

        board.upgrade(image(2, key(other_kind)))

        assert "E: Image in the secondary slot is not valid!" in board.lines

    def test_a_hash_alone_is_refused(self, kind: str) -> None:
        board = Board(kind, image(1, key(kind)))

        board.upgrade(image(2, None))

        assert "E: Image in the secondary slot is not valid!" in board.lines

    def test_a_changed_signature_is_refused(self, kind: str) -> None:
        new = image(2, key(kind))
        # The signature is the last TLV of an image.
        changed = new[:-9] + bytes([new[-9] ^ 1]) + new[-8:]
        assert McubootImage.parse(changed).hash_is_right
        board = Board(kind, image(1, key(kind)))

        board.upgrade(changed)

        assert "E: Image in the secondary slot is not valid!" in board.lines

    def test_a_running_application_with_the_wrong_key_does_not_start(self, kind: str) -> None:
        board = Board(kind, image(1, key(kind, "another")))

        end = board.upgrade(image(2, key(kind, "another")))

        assert isinstance(end, Halt)
        assert "E: Image in the primary slot is not valid!" in board.lines
