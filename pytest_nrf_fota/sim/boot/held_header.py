"""An image header as MCUboot holds it in RAM: whatever lay where it read it.

It decides by these copies, also where the flash has changed since (`struct boot_loader_state`).
"""

from dataclasses import dataclass

from pytest_nrf_fota.firmware.mcuboot_image import HEADER, IMAGE_MAGIC, ImageVersion

NO_VERSION = ImageVersion(0, 0, 0)
_ERASED_WORD = 0xFFFFFFFF
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class HeldHeader:
    """The fields of `struct image_header`, with or without the magic of an image."""

    magic: int = 0
    load_address: int = 0
    header_size_bytes: int = 0
    protected_tlv_size_bytes: int = 0
    image_size_bytes: int = 0
    flags: int = 0
    version: ImageVersion = NO_VERSION

    @classmethod
    def unpack(cls, data: bytes) -> "HeldHeader":
        """The first 32 bytes of a slot, whatever they are."""
        magic, load, header_size, protected, size, flags, major, minor, revision, build = (
            HEADER.unpack(data)
        )
        version = ImageVersion(major, minor, revision, build)
        return cls(magic, load, header_size, protected, size, flags, version)

    @property
    def is_image(self) -> bool:
        """Whether it has the magic of an image."""
        return self.magic == IMAGE_MAGIC

    @property
    def is_erased(self) -> bool:
        """Whether the magic is erased; boot_check_header_erased looks no further."""
        return self.magic == _ERASED_WORD

    @property
    def tlv_offset_bytes(self) -> int:
        """Where the TLVs begin, protected ones included (BOOT_TLV_OFF)."""
        return self.header_size_bytes + self.image_size_bytes & _WORD

    @property
    def used_bytes(self) -> int:
        """What swap using offset counts of an image, in 32 bits."""
        return self.hashed_size_bytes & _WORD

    @property
    def hashed_size_bytes(self) -> int:
        """Header, payload and protected TLVs, without the wrap of 32 bits."""
        return self.header_size_bytes + self.image_size_bytes + self.protected_tlv_size_bytes


NOTHING_READ = HeldHeader()
