"""The next version of a user's own build, without a build: other numbers, signed again.

An update image is [MCUboot header][firmware with fw_info, NSIB's validation info][MCUboot TLVs]
(sdk-nrf scripts/bootloader): both numbers are raised from the inside out, and each signature is
renewed. Code does not change, so neither does what the firmware prints.
"""

import contextlib
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import InputError, PackageError
from pytest_nrf_fota.firmware.fw_info import FwInfo
from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.known_keys import public_knowledge
from pytest_nrf_fota.firmware.mcuboot_image import (
    ImageVersion,
    McubootImage,
    NotAnImageError,
    is_named,
    key_hash,
)
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.firmware.renewal import NotRenewableError, renew_image
from pytest_nrf_fota.firmware.s_slot import fw_info_of, s_slot_of, s_slot_ranges
from pytest_nrf_fota.firmware.validation_info import (
    SEARCH_BYTES,
    ValidationInfo,
    find_validation_info,
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)
from pytest_nrf_fota.firmware.validation_info import STRUCT as VALIDATION_STRUCT

Raise: TypeAlias = Literal["+1", "keep"]
# With monotonic counters (sdk-nrf include/fw_info_bare.h).
HIGHEST_FW_INFO_VERSION = 32766
HIGHEST_REVISION = 0xFFFF
_VERSION_OFFSET_BYTES = 20

MARKER_NOTE = (
    "The code is the same, so a numbered `Starting bootloader N` line still shows the old number. "
    "NSIB's `Firmware version` and the fw_info in flash show the new one; they are the evidence of "
    "a verdict."
)


@dataclass(frozen=True)
class NewNumbers:
    """What to raise. `fw_info` None: raise it by one where NSIB's choice hangs on it, S0 and S1."""

    fw_info: int | Raise | None = None
    image: ImageVersion | Raise = "+1"


@dataclass(frozen=True)
class SigningKeys:
    """The available keys; `may_differ` allows others than those of the old signatures."""

    nsib: SigningKey | None = None
    mcuboot: SigningKey | None = None
    may_differ: bool = False


@dataclass(frozen=True)
class ResignedImage:
    """An image that was signed again, read back and checked.

    The fw_info numbers are None where it has none; `runs_from_s_slot` tells a MCUboot, whose number
    NSIB compares, from a network core, whose number its own bootloader compares.
    """

    name: str
    data: bytes
    old_version: ImageVersion
    new_version: ImageVersion
    old_fw_info: int | None
    new_fw_info: int | None
    runs_from_s_slot: bool
    notes: tuple[str, ...] = field(default=())


def resign_image(
    data: bytes, name: str, where: str, numbers: NewNumbers, keys: SigningKeys, board: BoardType
) -> ResignedImage:
    """Raise an image's numbers and renew its signatures.

    Args:
        data: an update image; what follows its TLVs (padding, a trailer) is kept in place.
        name: what to call it.
        where: file and, in a package, the entry, for messages.
        numbers: what to raise.
        keys: what to sign with.
        board: whose slots it must fit.

    Raises:
        PackageError: not an image, damaged, or no fw_info to raise.
        InputError: a key is missing or is another one than before, or a number is too large.
    """
    image = _parse(data, where)
    old_info = fw_info_of(image)
    new_fw_info = _wanted_fw_info(image, old_info, numbers, where, board)
    version = _wanted_version(image.version, numbers.image, where)
    mcuboot_key = _mcuboot_key(image, keys, where)
    payload, renewed_for_nsib = image.payload, None
    if old_info is not None and new_fw_info is not None:
        renewed_for_nsib = _validation_of(payload, old_info)
        payload = _raise_fw_info(image, old_info, new_fw_info, keys, where)
    try:
        renewed = renew_image(image, payload, version, mcuboot_key)
    except NotRenewableError as error:
        raise PackageError(
            f"The image cannot be signed again: {error}.",
            where=where,
            next_step="Raise its numbers in the build instead.",
        ) from error
    s_slot = _s_slot(image, board)
    _check_fit(renewed, s_slot, board, where)
    result = renewed + _tail(data, image, renewed)
    _verify(result, version, new_fw_info, mcuboot_key, where)
    return ResignedImage(
        name=name,
        data=result,
        old_version=image.version,
        new_version=version,
        old_fw_info=old_info.version if old_info else None,
        new_fw_info=(old_info.version if new_fw_info is None else new_fw_info)
        if old_info
        else None,
        runs_from_s_slot=s_slot is not None,
        notes=(
            *_notes(image, old_info, version, new_fw_info, is_for_nsib=s_slot is not None),
            *_published_keys_used(image, renewed_for_nsib, keys),
        ),
    )


def holds_fw_info(data: bytes) -> bool:
    """Whether an update image has a firmware that NSIB vouches for."""
    try:
        image = McubootImage.parse(data)
    except NotAnImageError:
        return False
    info = fw_info_of(image)
    return info is not None and _validation_of(image.payload, info) is not None


def _s_slot(image: McubootImage, board: BoardType) -> int | None:
    try:
        return s_slot_of(image, s_slot_ranges(board))
    except NotAnImageError:
        return None


def _parse(data: bytes, where: str) -> McubootImage:
    try:
        image = McubootImage.parse(data)
    except NotAnImageError as error:
        raise PackageError(
            f"It is no MCUboot image: {error}.",
            where=where,
            next_step="Give an update file that was signed: app_update.bin, "
            "signed_by_mcuboot_and_b0_*.bin, or the DFU package that holds it.",
        ) from error
    # Of an encrypted image that cannot be said; it is refused for what it is.
    if not image.is_encrypted and image.hash is not None and not image.hash_is_right:
        raise PackageError(
            "The image's hash does not fit its content: it is damaged.",
            where=where,
            next_step="Build it again; a damaged image is not signed again.",
        )
    return image


def _wanted_fw_info(
    image: McubootImage, info: FwInfo | None, numbers: NewNumbers, where: str, board: BoardType
) -> int | None:
    wanted = numbers.fw_info
    if wanted is None:
        wanted = "keep" if _s_slot(image, board) is None else "+1"
    elif info is None or _validation_of(image.payload, info) is None:
        # Asked for by number: meant for the images of a package that have one.
        return None
    if wanted == "keep" or info is None:
        return None
    number = info.version + 1 if isinstance(wanted, str) else wanted
    if not 0 <= number <= HIGHEST_FW_INFO_VERSION:
        raise InputError(
            f"fw_info version {number} does not fit: NSIB's counters hold 0 to "
            f"{HIGHEST_FW_INFO_VERSION}.",
            where=where,
            next_step="Give another number: --fw-version N",
        )
    return number


def no_fw_info(where: str) -> PackageError:
    """The refusal for a file without anything that NSIB checks."""
    return PackageError(
        "The file holds no fw_info with a signature of NSIB, so there is no version that NSIB "
        "would compare.",
        where=where,
        next_step="fw_info is in MCUboot's updates (dfu_mcuboot.zip) of builds with "
        "CONFIG_SECURE_BOOT; for an application raise --version alone.",
    )


def _wanted_version(old: ImageVersion, wanted: ImageVersion | Raise, where: str) -> ImageVersion:
    if isinstance(wanted, ImageVersion):
        return wanted
    if wanted == "keep":
        return old
    if old.revision == HIGHEST_REVISION:
        raise InputError(
            f"Version {old} cannot be raised: its last number is the greatest there is.",
            where=where,
            next_step=f"Give a version: --version {old.major}.{old.minor + 1}.0",
        )
    return ImageVersion(old.major, old.minor, old.revision + 1, old.build)


def _mcuboot_key(image: McubootImage, keys: SigningKeys, where: str) -> SigningKey | None:
    """What the image is to be signed with: the given key, or a published one; None for unsigned."""
    if not image.is_signed:
        return None
    old_hash = image.signing_key_hash
    if keys.mcuboot is None:
        published = published_signing_key(old_hash) if old_hash else None
        if published is not None:
            return published
        of_key = f" with the key of hash {_named(old_hash)}" if old_hash else ""
        raise InputError(
            f"The image is signed for MCUboot{of_key}, and no key was given to sign it again.",
            where=where,
            next_step="Give the private key: --mcuboot-key FILE.pem (the build's "
            "CONFIG_BOOT_SIGNATURE_KEY_FILE or SB_CONFIG_BOOT_SIGNATURE_KEY_FILE).",
        )
    public_key = keys.mcuboot.public_key()
    fits = is_named(public_key, old_hash) if old_hash else image.signed_by(public_key)
    if not fits and not keys.may_differ:
        given = key_hash(public_key, image.hash_algorithm)
        raise _other_key("MCUboot", "--mcuboot-key", old_hash, given, where)
    return keys.mcuboot


def _raise_fw_info(
    image: McubootImage, info: FwInfo, version: int, keys: SigningKeys, where: str
) -> bytes:
    payload = image.payload
    validation = _validation_of(payload, info)
    if validation is None:
        raise PackageError(
            "The firmware has fw_info, but no NSIB signature was found behind it.",
            where=where,
            next_step="Only firmware that NSIB checks can be signed again for it; for all others "
            "leave out --fw-version.",
        )
    if not validation.signature_is_right(payload[: info.firmware_size_bytes]):
        raise PackageError(
            "NSIB's signature in the file is not right already.",
            where=where,
            next_step="Build it again; a damaged firmware is not signed again.",
        )
    key = _nsib_key(validation, keys, where)
    at = info.address - image.header.header_size_bytes + _VERSION_OFFSET_BYTES
    firmware = bytearray(payload[: info.firmware_size_bytes])
    firmware[at : at + 4] = version.to_bytes(4, "little")
    renewed = sign_for_nsib(bytes(firmware), validation.firmware_address, key).pack()
    position = _validation_position(payload, info)
    gap = payload[info.firmware_size_bytes : position]
    return bytes(firmware) + gap + renewed + payload[position + len(renewed) :]


def _nsib_key(
    validation: ValidationInfo, keys: SigningKeys, where: str
) -> ec.EllipticCurvePrivateKey:
    published = published_signing_key(validation.key_hash)
    if keys.nsib is None and isinstance(published, ec.EllipticCurvePrivateKey):
        return published
    if keys.nsib is None:
        raise InputError(
            f"The firmware is signed for NSIB with the key of hash {_named(validation.key_hash)}, "
            "and no key was given to sign it again.",
            where=where,
            next_step="Give the private key: --nsib-key FILE.pem (the build's "
            "CONFIG_SB_SIGNING_KEY_FILE; without it the build made "
            "zephyr/GENERATED_NON_SECURE_SIGN_KEY_PRIVATE.pem). Or leave fw_info as it is: "
            "nrf-fota resign --fw-version keep",
        )
    if not isinstance(keys.nsib, ec.EllipticCurvePrivateKey):
        raise InputError(
            "NSIB takes ECDSA P-256 keys only.", where="--nsib-key", next_step="Give such a key."
        )
    given = provisioned_key_hash(raw_public_key(keys.nsib.public_key()))
    if given != validation.key_hash and not keys.may_differ:
        raise _other_key("NSIB", "--nsib-key", validation.key_hash, given, where)
    return keys.nsib


def _other_key(
    who: str, option: str, old_hash: bytes | None, given: bytes, where: str
) -> InputError:
    old = _named(old_hash) if old_hash else "not in the image"
    return InputError(
        f"The given key is not the one that the old image was signed with for {who}:\n"
        f"    old image: {old}\n"
        f"    {option}: {_named(given)}",
        where=where,
        next_step=f"Give the old key; a kit refuses another one unless its {who} knows that key. "
        "If it does: nrf-fota resign --new-key",
    )


def _named(hash_of_key: bytes) -> str:
    known = public_knowledge(hash_of_key)
    return f"{hash_of_key.hex()} ({known})" if known else hash_of_key.hex()


def _validation_of(payload: bytes, info: FwInfo) -> ValidationInfo | None:
    return find_validation_info(
        lambda address, size_bytes: payload[address : address + size_bytes],
        info.firmware_size_bytes,
    )


def _validation_position(payload: bytes, info: FwInfo) -> int:
    end = info.firmware_size_bytes
    return next(
        end + offset_bytes
        for offset_bytes in range(SEARCH_BYTES + 1)
        if ValidationInfo.unpack(
            payload[end + offset_bytes : end + offset_bytes + VALIDATION_STRUCT.size]
        )
    )


def _check_fit(renewed: bytes, s_slot: int | None, board: BoardType, where: str) -> None:
    size_bytes, name = board.slots.primary.size, "primary"
    if s_slot is not None:
        size_bytes, name = len(s_slot_ranges(board)[s_slot]), f"S{s_slot}"
    if len(renewed) > size_bytes:
        raise PackageError(
            f"The result has {len(renewed)} bytes, the {name} slot of {board.name} {size_bytes}.",
            where=where,
            next_step="Is it the right --board? Compare its slots with partitions.yml.",
        )


def _tail(data: bytes, image: McubootImage, renewed: bytes) -> bytes:
    """What followed the image, at the same distance from the file's end."""
    tail = data[len(image.data) :]
    if not tail.strip(b"\xff"):
        return b"\xff" * max(0, len(data) - len(renewed)) if tail else b""
    grown = len(renewed) - len(image.data)
    if grown <= 0:
        return b"\xff" * -grown + tail
    return tail[grown:] if not tail[:grown].strip(b"\xff") else tail


def _verify(
    data: bytes, version: ImageVersion, fw_info: int | None, key: SigningKey | None, where: str
) -> None:
    image = McubootImage.parse(data)
    info = fw_info_of(image)
    problems: list[str] = []
    if image.version != version:
        problems.append(f"version {image.version} instead of {version}")
    if image.is_signed and not (key and image.signed_by(key.public_key())):
        problems.append("MCUboot's signature is not right")
    if fw_info is not None:
        validation = _validation_of(image.payload, info) if info else None
        if info is None or validation is None or info.version != fw_info:
            problems.append("fw_info is not as wanted")
        elif not validation.signature_is_right(image.payload[: info.firmware_size_bytes]):
            problems.append("NSIB's signature is not right")
    verdict = imgtool_verdict(image.data, key)
    if verdict != "OK":
        problems.append(f"imgtool verify reports {verdict}")
    if problems:
        raise PackageError(
            f"The result was read again and is not right: {'; '.join(problems)}.",
            where=where,
            next_step="Nothing was written. Please report this with the output of "
            "`nrf-fota inspect` for the input.",
        )


def imgtool_verdict(image: bytes, key: SigningKey | None) -> str:
    """What `imgtool verify` says: the name of imgtool's VerifyResult, `OK` for a good image."""
    from cryptography.hazmat.primitives import serialization
    from imgtool import keys as imgtool_keys
    from imgtool.image import Image

    with (
        tempfile.TemporaryDirectory(prefix="nrf-fota-") as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        path = Path(folder) / "image.bin"
        path.write_bytes(image)
        imgtool_key = None
        if key is not None:
            # Only the public half is written.
            pem = Path(folder) / "key.pem"
            pem.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
            imgtool_key = imgtool_keys.load(str(pem))
        return str(Image.verify(str(path), imgtool_key)[0].name)


def _published_keys_used(
    image: McubootImage, validation: ValidationInfo | None, keys: SigningKeys
) -> tuple[str, ...]:
    """What was signed with keys that nobody gave. `validation`: where NSIB's part was renewed."""
    notes: list[str] = []
    named = image.signing_key_hash
    if keys.mcuboot is None and image.is_signed and named is not None:
        notes.append(f"signed for MCUboot with {_published(named)}")
    if keys.nsib is None and validation is not None:
        notes.append(f"signed for NSIB with {_published(validation.key_hash)}")
    return tuple(notes)


def _published(hash_of_key: bytes) -> str:
    return f"{public_knowledge(hash_of_key)}, a key that everybody has; none was given."


def _notes(
    image: McubootImage,
    info: FwInfo | None,
    version: ImageVersion,
    fw_info: int | None,
    *,
    is_for_nsib: bool,
) -> tuple[str, ...]:
    notes: list[str] = []
    if is_for_nsib and info is not None and fw_info is None:
        notes.append(
            f"fw_info stays {info.version}: NSIB of a kit that runs this version keeps it."
        )
    if is_for_nsib and info is not None and fw_info is not None and fw_info <= info.version:
        notes.append(
            f"fw_info goes from {info.version} to {fw_info}: NSIB keeps a firmware that is newer "
            "or as new."
        )
    if version < image.version:
        notes.append(f"version {version} is older than {image.version}: a downgrade.")
    if image.security_counter is not None:
        notes.append(f"the security counter stays {image.security_counter}.")
    return tuple(notes)
