"""What firmware can be signed with again: keys that were given, published, or lie in the build."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage
from pytest_nrf_fota.firmware.keys import SigningKey, read_signing_key
from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH, McubootImage, is_named
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.firmware.resign import SigningKeys
from pytest_nrf_fota.firmware.validation_info import (
    find_validation_info,
    provisioned_key_hash,
    raw_public_key,
)

_MCUBOOT_SETTINGS = "CONFIG_BOOT_SIGNATURE_KEY_FILE or SB_CONFIG_BOOT_SIGNATURE_KEY_FILE"
_NSIB_SETTINGS = "CONFIG_SB_SIGNING_KEY_FILE or SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE"


def keys_at_hand(
    given: SigningKeys, packages: Iterable[DfuPackage], key_files: Sequence[Path]
) -> SigningKeys:
    """The given keys; where none was given, those that everybody has, or that the build made.

    Args:
        given: what the user named; it is never replaced.
        packages: what is to be signed again; tells which keys are meant.
        key_files: private keys for NSIB in the build folder, which builds without a key of the
            user's own generate (sdk-nrf subsys/bootloader/cmake/debug_keys.cmake).
    """
    files = [file for package in packages for file in package.files]
    found = given
    for file in files:
        if found.mcuboot is None:
            named = file.image.tlv(TLV_KEYHASH)
            found = replace(found, mcuboot=published_signing_key(named) if named else None)
        if found.nsib is None and file.fw_info is not None:
            hash_of_key = _nsib_key_hash(file.image, file.fw_info.firmware_size_bytes)
            if hash_of_key is not None:
                found = replace(found, nsib=_nsib_key(hash_of_key, key_files))
    return found


def require_fitting(given: SigningKeys, packages: Sequence[DfuPackage]) -> None:
    """Raise `InputError` where a given key signed none of the images that are signed at all."""
    files = [file for package in packages for file in package.files]
    signed = [file.image for file in files if file.image.is_signed]
    mcuboot, nsib = given.mcuboot, given.nsib
    if mcuboot is not None and signed and not any(_is_signer(mcuboot, image) for image in signed):
        raise _strange_key("--mcuboot-key", "MCUboot", _MCUBOOT_SETTINGS, packages)
    named = [_nsib_key_hash(f.image, f.fw_info.firmware_size_bytes) for f in files if f.fw_info]
    wanted = [hash_of_key for hash_of_key in named if hash_of_key is not None]
    if nsib is not None and wanted and not any(_is_nsib_key(nsib, name) for name in wanted):
        raise _strange_key("--nsib-key", "NSIB", _NSIB_SETTINGS, packages)


def _is_signer(key: SigningKey, image: McubootImage) -> bool:
    """Whether the image was signed for MCUboot with this key."""
    named = image.signing_key_hash
    public = key.public_key()
    return is_named(public, named) if named else image.signed_by(public)


def _strange_key(
    option: str, who: str, settings: str, packages: Sequence[DfuPackage]
) -> InputError:
    return InputError(
        f"{option} is not the key that your firmware is signed with for {who}.",
        where=", ".join(str(package.path) for package in packages),
        next_step=f"Give the private key of that build ({settings}); `nrf-fota inspect` names the "
        "key of each image.",
    )


def _nsib_key_hash(image: McubootImage, firmware_size_bytes: int) -> bytes | None:
    payload = image.payload
    validation = find_validation_info(
        lambda address, size_bytes: payload[address : address + size_bytes], firmware_size_bytes
    )
    return None if validation is None else validation.key_hash


def _nsib_key(hash_of_key: bytes, key_files: Sequence[Path]) -> SigningKey | None:
    for path in key_files:
        try:
            key = read_signing_key(path)
        except InputError:
            continue
        if _is_nsib_key(key, hash_of_key):
            return key
    return published_signing_key(hash_of_key)


def _is_nsib_key(key: SigningKey, hash_of_key: bytes) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey) and (
        provisioned_key_hash(raw_public_key(key.public_key())) == hash_of_key
    )
