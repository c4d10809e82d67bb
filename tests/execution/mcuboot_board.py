"""An nRF52832 with a real MCUboot, whose slots hold what a test wants."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.execution.ends import CoreEnd, Jumped, Reset
from pytest_nrf_fota.sim.flash import Flash, Operation, PowerCut, PowerLostError
from pytest_nrf_fota.sim.memories import program
from tests.execution.chip_run import Chip, new_flash
from tests.execution.smpclient_builds import (
    PRIMARY,
    SECONDARY,
    SLOT_BYTES,
    SLOTS,
    SOC,
    Build,
)
from tests.unit.imgtool_specimens import imgtool_sign

MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
HEADER_BYTES = 0x200
# MCUboot's trailer, from its end: magic, image_ok, copy_done, swap info (bootutil_public.c), each
# flag in a field of its own of 8 bytes (CONFIG_MCUBOOT ... BOOT_MAX_ALIGN).
MAGIC_AT, IMAGE_OK_AT, COPY_DONE_AT = (SLOT_BYTES - distance for distance in (16, 24, 32))
# MCUboot's public test key (mcu-tools/mcuboot, root-rsa-2048.pem): for anybody to sign with.
_KEY_FILE = Path(__file__).with_name("root-rsa-2048.pem")


def signing_key() -> rsa.RSAPrivateKey:
    """The key that the real MCUboot was built with."""
    key = serialization.load_pem_private_key(_KEY_FILE.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def small_image(
    version: str, size_bytes: int = 4608, key: rsa.RSAPrivateKey | None = None
) -> bytes:
    """An application of this size without its header, which nothing executes."""
    payload = Random(version).randbytes(size_bytes - 8)
    vectors = (0x2000_4000).to_bytes(4, "little")
    vectors += (PRIMARY + HEADER_BYTES + 0x101).to_bytes(4, "little")
    return imgtool_sign(
        vectors + payload, key or signing_key(), version=version, slot_size_bytes=SLOT_BYTES
    )


@dataclass(frozen=True)
class Boot:
    """What was seen from power-on until the application's start, or the end of it."""

    end: CoreEnd
    lines: list[str]
    output: bytes
    operations: list[Operation]

    @property
    def starts(self) -> bool:
        """Whether an application was started."""
        return isinstance(self.end, Jumped)


def board_with(build: Build, primary: bytes, secondary: bytes = b"") -> Flash:
    """A board that has booted once: its first boot writes UICR."""
    flash = new_flash(SOC)
    program(flash, (build.mcuboot,))
    flash.load(PRIMARY, primary)
    boot(flash)
    flash.load(SECONDARY, secondary)
    return flash


def copy_of(flash: Flash) -> Flash:
    """A second board in the same state, whose operations count from 1."""
    copy = Flash(flash.layouts, VirtualClock())
    for layout in flash.layouts:
        copy.load(layout.start, flash.read(layout.start, layout.size_bytes))
    return copy


def boot(flash: Flash) -> Boot:
    """Boot, over the resets that the bootloader asks for. Raises `PowerLostError`."""
    chip = Chip(flash, SOC)
    first = len(flash.operations)
    end: CoreEnd = Reset()
    for _ in range(4):
        end = chip.run(SLOTS)
        if not isinstance(end, Reset):
            break
    return Boot(end, chip.lines, bytes(chip.output), flash.operations[first:])


def boot_with_cut(flash: Flash, cut: PowerCut) -> Boot | None:
    """Boot until power is cut, then once more, unless the update was done by then."""
    flash.power_cut = cut
    try:
        seen = boot(flash)
    except PowerLostError:
        flash.has_power = True
        is_done = flash.read(PRIMARY + COPY_DONE_AT, 1) == b"\x01"
        return None if is_done else boot(flash)
    raise AssertionError(f"nothing was cut at {cut}: {seen.end}")


def slots_of(flash: Flash) -> bytes:
    """What both slots hold, trailers too."""
    return flash.read(SLOTS.start, len(SLOTS))


def running(flash: Flash, images: dict[str, bytes]) -> str:
    """Which of these images lies in the primary slot."""
    held = flash.read(PRIMARY, SLOT_BYTES)
    return next((name for name, image in images.items() if held.startswith(image)), "none")


def mark(flash: Flash, slot: int, magic: bytes = MAGIC, image_ok: int | None = None) -> None:
    """Write a slot's trailer, as an application or a debug port does."""
    flash.load(slot + MAGIC_AT, magic)
    if image_ok is not None:
        flash.load(slot + IMAGE_OK_AT, bytes([image_ok]))
