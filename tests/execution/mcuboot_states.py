"""States of two slots in which MCUboot decides one way or another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa

from pytest_nrf_fota.sim.flash import Flash
from tests.execution.mcuboot_board import (
    COPY_DONE_AT,
    IMAGE_OK_AT,
    MAGIC,
    board_with,
    boot,
    mark,
    small_image,
)
from tests.execution.smpclient_builds import PRIMARY, SECONDARY, SLOT_BYTES, Build

SWAP_INFO_AT = SLOT_BYTES - 40
_NO_MAGIC = bytes(range(16))
_ERASED = b"\xff"
_PAYLOAD, _TLV_AT = 0x700, 0x200 + 4608


@dataclass(frozen=True)
class Images:
    """Signed images of small applications: of 2 pages, but for two of them."""

    a: bytes
    b: bytes
    five_pages: bytes
    one_page: bytes
    other_key: bytes

    @classmethod
    def make(cls) -> "Images":
        """Sign them."""
        return cls(
            small_image("1.0.0"),
            small_image("2.0.0"),
            small_image("3.0.0", 18000),
            small_image("4.0.0", 1000),
            small_image("2.0.0", key=rsa.generate_private_key(65537, 2048)),
        )


Step: TypeAlias = Callable[[Flash, Images], None]


@dataclass(frozen=True)
class State:
    """Images in the slots, and what happened to them since."""

    primary: Callable[[Images], bytes] = lambda images: images.a
    secondary: Callable[[Images], bytes] = lambda images: images.b
    steps: tuple[Step, ...] = ()

    def on_board(self, build: Build, images: Images) -> Flash:
        """A board in this state."""
        flash = board_with(build, self.primary(images), self.secondary(images))
        for step in self.steps:
            step(flash, images)
        return flash


def _write(address: int, data: bytes) -> Step:
    return lambda flash, images: flash.load(address, data)


def _flip(address: int) -> Step:
    return lambda flash, images: flash.load(address, bytes([flash.read(address, 1)[0] ^ 1]))


def _mark(slot: int, magic: bytes = MAGIC, image_ok: int | None = None) -> Step:
    return lambda flash, images: mark(flash, slot, magic, image_ok)


def _boot(flash: Flash, images: Images) -> None:
    boot(flash)


def _none(images: Images) -> bytes:
    return b""


def _a(images: Images) -> bytes:
    return images.a


def _five(images: Images) -> bytes:
    return images.five_pages


def _one(images: Images) -> bytes:
    return images.one_page


_TEST, _PERMANENT = _mark(SECONDARY), _mark(SECONDARY, image_ok=1)
_CONFIRM = _write(PRIMARY + IMAGE_OK_AT, b"\x01")
_TRIED = (_TEST, _boot)
_BAD_A, _BAD_B = _flip(PRIMARY + 0x800), _flip(SECONDARY + _PAYLOAD)

STATES: Mapping[str, State] = {
    "no update": State(secondary=_none),
    "update without a mark": State(),
    "test": State(steps=(_TEST,)),
    "permanent": State(steps=(_PERMANENT,)),
    "revert": State(steps=_TRIED),
    "confirmed": State(steps=(*_TRIED, _CONFIRM)),
    "corrupt update": State(steps=(_TEST, _BAD_B)),
    "update signed with another key": State(secondary=lambda i: i.other_key, steps=(_TEST,)),
    "bad magic": State(steps=(_mark(SECONDARY, _NO_MAGIC),)),
    "nothing bootable": State(secondary=_none, steps=(_BAD_A,)),
}
"""Those that a quick run looks at."""

MORE_STATES: Mapping[str, State] = {
    "image_ok 0": State(steps=(_mark(SECONDARY, image_ok=0),)),
    "image_ok bad": State(steps=(_mark(SECONDARY, image_ok=0x5A),)),
    "image_ok without magic": State(steps=(_mark(SECONDARY, _ERASED * 16, 1),)),
    "bad magic, permanent": State(steps=(_mark(SECONDARY, _NO_MAGIC, 1),)),
    "half a magic": State(steps=(_mark(SECONDARY, MAGIC[:8] + _ERASED * 8),)),
    "magic of zeros": State(steps=(_mark(SECONDARY, bytes(16)),)),
    "copy_done in secondary": State(steps=(_TEST, _write(SECONDARY + COPY_DONE_AT, b"\1"))),
    "bad copy_done": State(steps=(_TEST, _write(SECONDARY + COPY_DONE_AT, b"\x11"))),
    "swap info in secondary": State(steps=(_TEST, _write(SECONDARY + SWAP_INFO_AT, b"\3"))),
    **{
        f"update with another {name}": State(steps=(_TEST, _flip(SECONDARY + at)))
        for name, at in {
            "magic": 0,
            "header size": 9,
            "image size": 12,
            "flag": 16,
            "version": 20,
            "TLV magic": _TLV_AT,
            "signature": _TLV_AT + 800,
        }.items()
    },
    "empty secondary, marked": State(secondary=_none, steps=(_TEST,)),
    "empty secondary, permanent": State(secondary=_none, steps=(_PERMANENT,)),
    "marked rubbish": State(secondary=lambda i: b"\x11" * 3000, steps=(_TEST,)),
    "marked zeros": State(secondary=lambda i: bytes(3000), steps=(_TEST,)),
    "same image twice": State(secondary=_a, steps=(_TEST,)),
    "larger update": State(secondary=_five, steps=(_TEST,)),
    "smaller update": State(primary=_five, secondary=_one, steps=(_TEST,)),
    "both slots empty": State(_none, _none),
    "empty primary": State(primary=_none),
    "empty primary, test": State(primary=_none, steps=(_TEST,)),
    "empty primary, permanent": State(primary=_none, steps=(_PERMANENT,)),
    "corrupt primary, test": State(steps=(_TEST, _BAD_A)),
    "no image in primary, test": State(steps=(_TEST, _flip(PRIMARY))),
    "both corrupt": State(steps=(_TEST, _BAD_A, _BAD_B)),
    "corrupt primary, nothing marked": State(secondary=_none, steps=(_TEST, _BAD_A)),
    "primary confirmed by hand": State(secondary=_none, steps=(_mark(PRIMARY, image_ok=1),)),
    "primary with a magic alone": State(steps=(_mark(PRIMARY),)),
    "primary with a bad magic": State(steps=(_mark(PRIMARY, _NO_MAGIC),)),
    "bad magic in primary, test": State(steps=(_mark(PRIMARY, _NO_MAGIC), _TEST)),
    "confirmed, test": State(steps=(_mark(PRIMARY, image_ok=1), _TEST)),
    "unconfirmed, test": State(steps=(_mark(PRIMARY), _TEST)),
    "tried, confirmed, marked": State(steps=(*_TRIED, _CONFIRM, _TEST)),
    "taken back": State(steps=(*_TRIED, _boot)),
    "permanent, booted": State(steps=(_PERMANENT, _boot)),
    "revert of a corrupt image": State(steps=(*_TRIED, _BAD_B)),
    "revert from a corrupt image": State(steps=(*_TRIED, _BAD_A)),
    "revert with both corrupt": State(steps=(*_TRIED, _BAD_A, _BAD_B)),
    "revert to nothing": State(steps=(*_TRIED, _write(SECONDARY, _ERASED * SLOT_BYTES))),
    "revert, bad image_ok": State(steps=(*_TRIED, _write(PRIMARY + IMAGE_OK_AT, b"\x55"))),
    "revert, image_ok 0": State(steps=(*_TRIED, _write(PRIMARY + IMAGE_OK_AT, b"\0"))),
    "revert over an unmarked upload": State(
        steps=(*_TRIED, lambda flash, images: flash.load(SECONDARY, images.five_pages))
    ),
    "revert, bad magic in secondary": State(steps=(*_TRIED, _mark(SECONDARY, _NO_MAGIC))),
    "revert of a larger one": State(secondary=_five, steps=_TRIED),
    "revert of a smaller one": State(_five, _one, _TRIED),
}
"""The rest."""
