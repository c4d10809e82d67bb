"""What is worth knowing about a file, in plain words."""

from collections.abc import Iterator

from pytest_nrf_fota.boards.nsib_release import KeyState, history_of_key_word, is_key_word
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.inspection.contents import (
    BOOTLOADER_ROLES,
    Container,
    Contents,
    FoundFirmware,
    FoundImage,
    FoundProvisionedKey,
    Role,
)
from pytest_nrf_fota.inspection.remark import remark

# With monotonic counters NSIB stores twice the version in 16 bits (sdk-nrf include/fw_info_bare.h).
HIGHEST_FW_INFO_VERSION = 32766


def remarks_on(contents: Contents) -> tuple[Finding, ...]:
    """All remarks on one file, warnings first; those that its reader made come with them."""
    found = [
        *contents.remarks,
        *_on_images(contents),
        *_on_firmwares(contents),
        *_on_provisioning(contents),
        *_on_trailers(contents),
        *_on_bootloader_variants(contents),
    ]
    unique = list(dict.fromkeys(found))
    return tuple(sorted(unique, key=lambda one: one.weight is Weight.NOTE))


def _on_images(contents: Contents) -> Iterator[Finding]:
    for image in contents.images:
        name, key = image.name, image.key
        yield from _on_integrity(image)
        if image.room_bytes is not None and image.size_bytes > image.room_bytes:
            yield remark("image_too_large", name, size=image.size_bytes, room=image.room_bytes)
        yield from _on_role(image)
        yield from _on_kind(image)
        if key is not None and key.published_as is not None:
            yield remark("key_is_public", name, key=key.published_as)
        if not _accepted_by_itself(image):
            yield remark("own_key_not_accepted", name)
        yield from _on_versions(image)


def _on_role(image: FoundImage) -> Iterator[Finding]:
    reason, hides = image.role_reason, _hides_its_code(image)
    # The heading says what is hidden.
    if not reason or (image.role is Role.UNKNOWN and hides):
        return
    sentence = f"{reason[0].upper()}{reason[1:]}"
    if image.role is Role.APPLICATION and not hides:
        yield remark("application_of_another_layout", image.name, reason=reason)
    elif image.other_chip:
        yield remark("image_of_another_chip", image.name, reason=sentence)
    elif image.role is Role.UNKNOWN:
        yield remark("image_unknown", image.name, reason=reason)
    else:
        yield remark("role_doubtful", image.name, reason=sentence)


def _on_kind(image: FoundImage) -> Iterator[Finding]:
    """What a MCUboot must be built for to take such an image."""
    name = image.name
    if _is_flagged(image, "ENCRYPTED"):
        yield remark("image_encrypted", name)
    if _is_flagged(image, "COMPRESSED"):
        yield remark("image_compressed", name)
    if "ROM_FIXED" in image.flags:
        yield remark("image_for_direct_xip", name, address=f"{image.load_address:#x}")
    if image.carries_public_key:
        yield remark("image_carries_whole_key", name)
    if image.signs_content:
        yield remark("image_signed_as_a_whole", name)
    elif image.hash_algorithm not in (None, "sha256"):
        yield remark("image_with_long_hash", name, algorithm=hash_words(image.hash_algorithm))


def hash_words(algorithm: str) -> str:
    """`SHA-512` for hashlib's `sha512`."""
    return algorithm.upper().replace("SHA", "SHA-")


def _hides_its_code(image: FoundImage) -> bool:
    return _is_flagged(image, "ENCRYPTED") or _is_flagged(image, "COMPRESSED")


def _is_flagged(image: FoundImage, beginning: str) -> bool:
    return any(flag.startswith(beginning) for flag in image.flags)


def _accepted_by_itself(image: FoundImage) -> bool:
    # Bootloader and updates are signed with one key; if not, this may be the last update.
    key = image.key
    return key is None or not image.accepts or key.hash in {one.hash for one in image.accepts}


def _on_integrity(image: FoundImage) -> Iterator[Finding]:
    if image.hash_is_right is False:
        yield remark("image_damaged" if image.hash else "image_without_hash", image.name)
    if image.signature is None:
        yield remark("image_not_signed", image.name)
    elif image.signature_is_right is False:
        yield remark("signature_of_another_key", image.name)


def _on_versions(image: FoundImage) -> Iterator[Finding]:
    firmware = image.firmware
    if firmware is None or image.role not in BOOTLOADER_ROLES:
        return
    version = firmware.version
    if image.version == "0.0.0":
        yield remark("mcuboot_version_not_set", image.name, version=version)
    named = image.manifest.version_b0 if image.manifest else ""
    if named and named != str(version):
        yield remark("manifest_version_differs", image.name, manifest=named, image=version)


def _on_firmwares(contents: Contents) -> Iterator[Finding]:
    inside = ((image.name, image.firmware) for image in contents.images if image.firmware)
    alone = ((f"fw_info at 0x{one.offset_bytes:x}", one) for one in contents.firmwares)
    for place, firmware in (*inside, *alone):
        yield from _on_firmware(place, firmware)


def _on_firmware(place: str, firmware: FoundFirmware) -> Iterator[Finding]:
    who, version, highest = checker_of(firmware), firmware.version, HIGHEST_FW_INFO_VERSION
    if not firmware.is_valid:
        yield remark("firmware_invalidated", place, who=who)
    if version > highest:
        yield remark("fw_info_version_too_high", place, version=version, highest=highest)
    if firmware.key is None:
        if firmware.role in BOOTLOADER_ROLES:
            yield remark("not_signed_for_nsib", place)
        return
    if firmware.hash_is_right is False:
        yield remark("firmware_damaged", place, who=who)
    if firmware.signature_is_right is False:
        yield remark("firmware_of_another_key", place, who=who)
    if firmware.key_revoked:
        yield remark("nsib_key_revoked", place, key=firmware.key.hash)
    elif firmware.provisioned is False:
        yield remark("nsib_wrong_key", place, key=firmware.key.hash)
    if firmware.key.published_as is not None:
        yield remark("nsib_key_is_public", place, who=who, key=firmware.key.published_as)


def _on_provisioning(contents: Contents) -> Iterator[Finding]:
    bootloaders = [one for one in contents.firmwares if one.role in BOOTLOADER_ROLES]
    if contents.container is Container.HEX and bootloaders and contents.provisioning is None:
        yield remark("not_provisioned", "provisioning")
    provisioning = contents.provisioning
    if provisioning is None:
        return
    if not any(_is_usable(key) for key in provisioning.keys):
        yield remark("nsib_keys_unusable", "provisioning")
    for index, key in enumerate(provisioning.keys):
        yield from _on_key_word(index, key, provisioning.ncs)
    for counter in provisioning.counters:
        if counter.slots and counter.used_slots == counter.slots:
            yield remark("nsib_counter_full", "provisioning")


def _is_usable(key: FoundProvisionedKey) -> bool:
    return not key.invalidated if key.read_as is None else key.read_as is KeyState.VALID


def _on_key_word(index: int, key: FoundProvisionedKey, ncs: str | None) -> Iterator[Finding]:
    place, history = f"provisioned key {index}", history_of_key_word(index, key.word)
    capital = f"{history[0].upper()}{history[1:]}"
    # No release writes it: those up to 2.6 take any word, the others panic.
    is_nobodys = key.read_as is None and not is_key_word(index, key.word)
    if key.read_as is KeyState.UNKNOWN or is_nobodys:
        nsib = "NCS 2.7 and later" if ncs is None else f"NCS {ncs}"
        yield remark("nsib_key_word_wrong", place, history=capital, nsib=nsib)
    elif key.read_as is KeyState.VALID and key.invalidated:
        yield remark("nsib_key_not_revoked_here", place, history=capital, nsib=f"NCS {ncs}")


def _on_trailers(contents: Contents) -> Iterator[Finding]:
    for trailer in contents.trailers:
        meaning = f"{trailer.meaning[0].upper()}{trailer.meaning[1:]}"
        yield remark("trailer", f"{trailer.slot} trailer", meaning=meaning)


def _on_bootloader_variants(contents: Contents) -> Iterator[Finding]:
    images = [image for image in contents.images if image.role in BOOTLOADER_ROLES]
    roles = {image.role for image in images}
    place = contents.path.rsplit("/", 1)[-1]
    if contents.container is Container.PACKAGE and len(roles) == 1:
        (only,) = roles
        yield remark("one_variant", place, slot=_slot_word(only))
    if len(roles) == 2 and contents.container is Container.PACKAGE:
        yield remark("both_variants", place)
        fw_versions = {image.firmware.version for image in images if image.firmware}
        if len(fw_versions) > 1 or len({image.version for image in images}) > 1:
            yield remark("variants_differ", place)
    alone = {one.role: one for one in contents.firmwares if one.role in BOOTLOADER_ROLES}
    if len(alone) == 2 and contents.container is Container.HEX:
        s0, s1 = alone[Role.MCUBOOT_S0].version, alone[Role.MCUBOOT_S1].version
        yield remark("both_s_slots", place, s0=s0, s1=s1, starts="S0" if s0 >= s1 else "S1")


def _slot_word(role: Role) -> str:
    return "S0" if role is Role.MCUBOOT_S0 else "S1"


def checker_of(firmware: FoundFirmware) -> str:
    """Which bootloader reads its fw_info: NSIB, or b0n on the network core."""
    return "b0n" if firmware.role is Role.NETWORK_CORE else "NSIB"
