"""MCUboot images: header, TLVs, hash and signature (MCUboot bootutil/image.h)."""

import hashlib
import struct
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from typing_extensions import assert_never

# Apart from this module, so that who only asks for the kind of a file loads no cryptography.
from pytest_nrf_fota.firmware.image_magic import IMAGE_MAGIC as IMAGE_MAGIC

HEADER = struct.Struct("<IIHHIIBBHI4x")
TLV_INFO = struct.Struct("<HH")
TLV_ENTRY = struct.Struct("<HH")
# The first two words of an Arm vector table: initial stack pointer, then the reset handler.
RESET_VECTOR = struct.Struct("<4xI")
# struct image_dependency (bootutil/image.h): image number, version.
_DEPENDENCY = struct.Struct("<B3xBBHI")
TLV_INFO_MAGIC = 0x6907
PROTECTED_TLV_INFO_MAGIC = 0x6908

TLV_KEYHASH = 0x01
TLV_PUBKEY = 0x02
TLV_SHA256 = 0x10
TLV_SHA384 = 0x11
TLV_SHA512 = 0x12
TLV_RSA2048 = 0x20
TLV_ECDSA = 0x22
TLV_RSA3072 = 0x23
TLV_ED25519 = 0x24
TLV_SIG_PURE = 0x25
TLV_DEPENDENCY = 0x40
TLV_SECURITY_COUNTER = 0x50
SIGNATURE_TLVS = frozenset({TLV_RSA2048, TLV_ECDSA, TLV_RSA3072, TLV_ED25519})

# hashlib's names. One MCUboot asks for one of them (bootutil/crypto/sha.h, EXPECTED_HASH_TLV).
HASH_TLVS = {TLV_SHA256: "sha256", TLV_SHA384: "sha384", TLV_SHA512: "sha512"}

FLAG_NON_BOOTABLE = 0x10
FLAG_ROM_FIXED = 0x100
# bootutil/image.h of MCUboot 2.2: ENCRYPTIONFLAGS, COMPRESSIONFLAGS.
ENCRYPTION_FLAGS = 0x0004 | 0x0008
COMPRESSION_FLAGS = 0x0200 | 0x0400 | 0x0800

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class NotAnImageError(ValueError):
    """The bytes hold no complete MCUboot image; the message says what is wrong."""


@dataclass(frozen=True, order=True)
class ImageVersion:
    """MCUboot's version: `imgtool --version`, compared field by field."""

    major: int
    minor: int
    revision: int
    build: int = 0

    def __str__(self) -> str:
        """As imgtool writes it, build number only where it is not 0: `1.2.3+4`."""
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}+{self.build}" if self.build else text

    @property
    def as_smp_reports(self) -> str:
        """As the image list of an SMP server spells it: `1.2.3` or `1.2.3.4`."""
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}.{self.build}" if self.build else text

    @property
    def as_mcuboot_logs(self) -> str:
        """As MCUboot's `Image version: v%d.%d.%d` shows it: without the build number."""
        return f"{self.major}.{self.minor}.{self.revision}"


def parsed_version(text: str) -> ImageVersion | None:
    """A version as an SMP server spells it: `1.2.3` or `1.2.3.4`; None where it is none."""
    numbers = text.split(".")
    if len(numbers) not in (3, 4) or not all(n.isascii() and n.isdecimal() for n in numbers):
        return None
    return ImageVersion(*(int(number) for number in numbers))


@dataclass(frozen=True)
class ImageHeader:
    """The 32-byte header at the start of an image."""

    load_address: int
    header_size_bytes: int
    protected_tlv_size_bytes: int
    image_size_bytes: int
    flags: int
    version: ImageVersion

    @classmethod
    def parse(cls, data: bytes) -> "ImageHeader":
        """Parse the first 32 bytes of `data`. Raises `NotAnImageError`."""
        if len(data) < HEADER.size:
            raise NotAnImageError(f"only {len(data)} bytes, an image header has {HEADER.size}")
        magic, load, header_size, protected_size, size, flags, major, minor, revision, build = (
            HEADER.unpack_from(data)
        )
        if magic != IMAGE_MAGIC:
            raise NotAnImageError(f"magic is 0x{magic:08x}, not 0x{IMAGE_MAGIC:08x}")
        return cls(
            load,
            header_size,
            protected_size,
            size,
            flags,
            ImageVersion(major, minor, revision, build),
        )

    @property
    def hashed_size_bytes(self) -> int:
        """Size of what the image hash covers: header, payload and protected TLVs."""
        return self.header_size_bytes + self.image_size_bytes + self.protected_tlv_size_bytes


@dataclass(frozen=True)
class Tlv:
    """One type-length-value record behind an image."""

    kind: int
    value: bytes


@dataclass(frozen=True)
class Dependency:
    """An image that another image needs: its number and its lowest version."""

    image_index: int
    lowest_version: ImageVersion


@dataclass(frozen=True)
class McubootImage:
    """A complete image: header, payload, TLVs.

    `data` is exactly the image, from the header's first byte to the last TLV's last.
    """

    header: ImageHeader
    tlvs: tuple[Tlv, ...]
    data: bytes

    @classmethod
    def parse(cls, data: bytes) -> "McubootImage":
        """Parse an image at the start of `data`; what follows it is ignored.

        Raises `NotAnImageError` with the reason: no magic, truncated, TLV area damaged.
        """
        header = ImageHeader.parse(data)
        offset = header.header_size_bytes + header.image_size_bytes
        tlvs, end = parse_tlvs(header, data, offset)
        return cls(header, tlvs, data[:end])

    @property
    def version(self) -> ImageVersion:
        """The header's version."""
        return self.header.version

    @property
    def payload(self) -> bytes:
        """The firmware itself, without header and TLVs."""
        start = self.header.header_size_bytes
        return self.data[start : start + self.header.image_size_bytes]

    @property
    def reset_vector(self) -> int:
        """Address of the reset handler, second word of the vector table.

        Raises `NotAnImageError` where the payload is too short to hold one.
        """
        if self.header.image_size_bytes < RESET_VECTOR.size:
            raise NotAnImageError(f"{self.header.image_size_bytes} bytes hold no vector table")
        (address,) = RESET_VECTOR.unpack_from(self.payload)
        return int(address)

    def tlv(self, kind: int) -> bytes | None:
        """Value of the first TLV of this kind."""
        return next((tlv.value for tlv in self.tlvs if tlv.kind == kind), None)

    @property
    def security_counter(self) -> int | None:
        """Value of the SEC_CNT TLV, None where there is none or where it is no 4-byte number."""
        value = self.tlv(TLV_SECURITY_COUNTER)
        return int.from_bytes(value, "little") if value is not None and len(value) == 4 else None

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """All DEPENDENCY TLVs that have the right size."""
        return tuple(
            Dependency(index, ImageVersion(major, minor, revision, build))
            for index, major, minor, revision, build in (
                _DEPENDENCY.unpack(tlv.value)
                for tlv in self.tlvs
                if tlv.kind == TLV_DEPENDENCY and len(tlv.value) == _DEPENDENCY.size
            )
        )

    @property
    def hash_tlv(self) -> Tlv | None:
        """The first SHA-256, SHA-384 or SHA-512 TLV."""
        return next((tlv for tlv in self.tlvs if tlv.kind in HASH_TLVS), None)

    @property
    def hash(self) -> bytes | None:
        """The value of `hash_tlv`: the identity of the image in every SMP image list."""
        return None if self.hash_tlv is None else self.hash_tlv.value

    @property
    def hash_algorithm(self) -> str:
        """hashlib's name for `hash_tlv`; SHA-256 for an image without one."""
        return "sha256" if self.hash_tlv is None else HASH_TLVS[self.hash_tlv.kind]

    @property
    def computed_hash(self) -> bytes:
        """Hash over header, payload and protected TLVs, by `hash_algorithm`."""
        return hashlib.new(self.hash_algorithm, self._signed_content).digest()

    @property
    def hash_is_right(self) -> bool:
        """Whether there is a hash TLV that matches the content as it lies here.

        Of an encrypted image it never does: imgtool hashes the plain text.
        """
        return self.hash == self.computed_hash

    @property
    def is_encrypted(self) -> bool:
        """Whether the header says that the payload is cipher text."""
        return bool(self.header.flags & ENCRYPTION_FLAGS)

    @property
    def is_compressed(self) -> bool:
        """Whether the header says that the payload is compressed."""
        return bool(self.header.flags & COMPRESSION_FLAGS)

    @property
    def shows_its_code(self) -> bool:
        """Whether the payload is the code as it runs, so that its vector table can be read."""
        return not (self.is_encrypted or self.is_compressed)

    @property
    def signs_content(self) -> bool:
        """Whether the signature is over the image itself and not over its hash (SIG_PURE)."""
        return self.tlv(TLV_SIG_PURE) is not None

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature TLV, whoever made it."""
        return any(tlv.kind in SIGNATURE_TLVS for tlv in self.tlvs)

    @property
    def carried_key(self) -> PublicKey | None:
        """The whole public key of a PUBKEY TLV (imgtool --public-key-format full)."""
        value = self.tlv(TLV_PUBKEY)
        return None if value is None else _load_key(value)

    @property
    def signing_key_hash(self) -> bytes | None:
        """The name of the key that it is said to be signed with: KEYHASH, or that of PUBKEY."""
        named, carried = self.tlv(TLV_KEYHASH), self.carried_key
        if named is None and carried is not None:
            return key_hash(carried)
        return named

    def signed_by(self, key: PublicKey) -> bool:
        """Whether one of the signature TLVs was made with the private half of `key`.

        Of an encrypted image that cannot be said: False.
        """
        message = self._signed_content if self.signs_content else self.computed_hash
        return any(
            tlv.kind in SIGNATURE_TLVS and signature_fits(tlv, key, message) for tlv in self.tlvs
        )

    @property
    def _signed_content(self) -> bytes:
        return self.data[: self.header.hashed_size_bytes]


def key_hash(key: PublicKey, algorithm: str = "sha256") -> bytes:
    """Hash of a public key as the KEYHASH TLV holds it (imgtool, `get_public_bytes`).

    imgtool hashes the key by the algorithm that it hashes the image by.
    """
    return hashlib.new(algorithm, encode_public_key(key)).digest()


def is_named(key: PublicKey, named: bytes) -> bool:
    """Whether a KEYHASH TLV of this value, whatever its algorithm, names the key."""
    return any(key_hash(key, algorithm) == named for algorithm in HASH_TLVS.values())


def encode_public_key(key: PublicKey) -> bytes:
    """DER as MCUboot embeds it: PKCS#1 for RSA, SubjectPublicKeyInfo for the others."""
    match key:
        case rsa.RSAPublicKey():
            public_format = serialization.PublicFormat.PKCS1
        case ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey():
            public_format = serialization.PublicFormat.SubjectPublicKeyInfo
        case _:
            assert_never(key)
    return key.public_bytes(serialization.Encoding.DER, public_format)


def find_embedded_keys(binary: bytes) -> tuple[PublicKey, ...]:
    """Public keys that a bootloader binary carries in DER, in the order of their addresses.

    MCUboot compiles its keys in as plain DER, so a user's own bootloader shows which keys it
    accepts without any help from its build.
    """
    found: list[tuple[int, PublicKey]] = []
    for prefix, size_bytes in _DER_PREFIXES:
        position = binary.find(prefix)
        while position >= 0:
            key = _load_key(binary[position : position + size_bytes])
            if key is not None:
                found.append((position, key))
            position = binary.find(prefix, position + 1)
    return tuple(key for _, key in sorted(found, key=lambda entry: entry[0]))


# DER up to the first byte of the key itself, and the size of the whole encoding: ECDSA P-256 and
# Ed25519 SubjectPublicKeyInfo (RFC 5480, RFC 8410), RSA-2048 and RSA-3072 RSAPublicKey (RFC 8017).
_DER_PREFIXES = (
    (bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"), 91),
    (bytes.fromhex("302a300506032b6570032100"), 44),
    (bytes.fromhex("3082010a0282010100"), 270),
    (bytes.fromhex("3082018a0282018100"), 398),
)


def parse_tlvs(header: ImageHeader, data: bytes, offset: int) -> tuple[tuple[Tlv, ...], int]:
    """The TLVs that begin at `offset` in `data`, and the offset behind the last one.

    Raises `NotAnImageError`.
    """
    tlvs: list[Tlv] = []
    if header.protected_tlv_size_bytes:
        tlvs, end = _parse_tlv_area(data, offset, PROTECTED_TLV_INFO_MAGIC)
        if end - offset != header.protected_tlv_size_bytes:
            raise NotAnImageError("the protected TLV area's size differs from the header's")
        offset = end
    unprotected, end = _parse_tlv_area(data, offset, TLV_INFO_MAGIC)
    return tuple(tlvs + unprotected), end


def _load_key(der: bytes) -> PublicKey | None:
    try:
        key = serialization.load_der_public_key(der)
    except ValueError:
        return None
    match key:
        case ec.EllipticCurvePublicKey() | rsa.RSAPublicKey() | ed25519.Ed25519PublicKey():
            return key
        case _:
            return None


def _parse_tlv_area(data: bytes, offset: int, magic: int) -> tuple[list[Tlv], int]:
    if offset + TLV_INFO.size > len(data):
        raise NotAnImageError(
            f"truncated: the TLV area should begin at {offset}, the data ends at {len(data)}"
        )
    found_magic, total_bytes = TLV_INFO.unpack_from(data, offset)
    if found_magic != magic:
        raise NotAnImageError(f"no TLV area at {offset}: magic 0x{found_magic:04x}")
    if total_bytes < TLV_INFO.size:
        raise NotAnImageError(f"the TLV area at {offset} claims to have {total_bytes} bytes")
    end = offset + total_bytes
    if end > len(data):
        raise NotAnImageError(f"truncated: the TLV area ends at {end}, the data at {len(data)}")
    tlvs: list[Tlv] = []
    offset += TLV_INFO.size
    while offset < end:
        if offset + TLV_ENTRY.size > end:
            raise NotAnImageError(f"the TLV area ends inside a record at {offset}")
        kind, size_bytes = TLV_ENTRY.unpack_from(data, offset)
        offset += TLV_ENTRY.size
        if offset + size_bytes > end:
            raise NotAnImageError(f"TLV 0x{kind:02x} at {offset} is longer than its area")
        tlvs.append(Tlv(kind, data[offset : offset + size_bytes]))
        offset += size_bytes
    return tlvs, end


_SHA256_BYTES = 32
# By the digest's size; imgtool signs the image's own digest, whichever it is.
_ECDSA_OF_DIGEST = {
    _SHA256_BYTES: ec.ECDSA(Prehashed(hashes.SHA256())),
    48: ec.ECDSA(Prehashed(hashes.SHA384())),
    64: ec.ECDSA(Prehashed(hashes.SHA512())),
}


def signature_fits(tlv: Tlv, key: PublicKey, message: bytes) -> bool:
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                if tlv.kind != TLV_ECDSA:
                    return False
                scheme = _ECDSA_OF_DIGEST.get(len(message))
                if scheme is None:
                    return False
                key.verify(_without_padding(tlv.value), message, scheme)
            case rsa.RSAPublicKey():
                if tlv.kind not in (TLV_RSA2048, TLV_RSA3072) or len(message) != _SHA256_BYTES:
                    return False
                key.verify(
                    tlv.value,
                    message,
                    padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32),
                    Prehashed(hashes.SHA256()),
                )
            case ed25519.Ed25519PublicKey():
                if tlv.kind != TLV_ED25519:
                    return False
                key.verify(tlv.value, message)
            case _:
                assert_never(key)
    except InvalidSignature:
        return False
    return True


def _without_padding(signature: bytes) -> bytes:
    # Older imgtool pads DER signatures with zeros to a fixed length; DER knows its own.
    if len(signature) >= 2 and signature[0] == 0x30:
        return signature[: signature[1] + 2]
    return signature
