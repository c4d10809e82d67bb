"""What is worth knowing about a file, in plain words."""

from collections.abc import Iterator

from pytest_nrf_fota.inspection.contents import (
    BOOTLOADER_ROLES,
    Container,
    Contents,
    FoundFirmware,
    FoundImage,
    Remark,
    Role,
    note,
    warning,
)
from pytest_nrf_fota.inspection.images import FOR_ANOTHER_CHIP

# With monotonic counters NSIB stores twice the version in 16 bits (sdk-nrf include/fw_info_bare.h).
HIGHEST_FW_INFO_VERSION = 32766


def remarks_on(contents: Contents) -> tuple[Remark, ...]:
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
    return tuple(sorted(unique, key=lambda remark: remark.level != "warning"))


def _on_images(contents: Contents) -> Iterator[Remark]:
    for image in contents.images:
        yield from _on_integrity(image)
        if image.room_bytes is not None and image.size_bytes > image.room_bytes:
            yield warning(
                image.name,
                f"The image has {image.size_bytes} bytes; its slot leaves {image.room_bytes} "
                "beside what MCUboot keeps there.",
            )
        yield from _on_role(image)
        yield from _on_kind(image)
        if image.key is not None and image.key.published_as is not None:
            yield warning(
                image.name,
                f"Signed with a key that everybody has: {image.key.published_as}. Fine for tests, "
                "not for products.",
            )
        if not _accepted_by_itself(image):
            yield warning(
                image.name,
                "The MCUboot in it does not accept the key that it is signed with: once it runs, "
                "it refuses whatever that key signs.",
            )
        yield from _on_versions(image)


def _on_role(image: FoundImage) -> Iterator[Remark]:
    reason = image.role_reason
    # The heading says what is hidden.
    if not reason or (image.role is Role.UNKNOWN and _hides_its_code(image)):
        return
    if image.role is Role.APPLICATION and not _hides_its_code(image):
        yield warning(
            image.name,
            f"An application {reason}. Give the board file of its layout (--board, --board-dir).",
        )
    elif reason.endswith(FOR_ANOTHER_CHIP):
        yield warning(image.name, f"{reason[0].upper()}{reason[1:]}.")
    elif image.role is Role.UNKNOWN:
        yield warning(
            image.name,
            f"Unknown: {reason}. Is it for another board or another partition layout (--board, "
            "--board-dir)?",
        )
    else:
        yield note(image.name, f"{reason[0].upper()}{reason[1:]}.")


def _on_kind(image: FoundImage) -> Iterator[Remark]:
    """What a MCUboot must be built for to take such an image."""
    if _is_flagged(image, "ENCRYPTED"):
        yield note(
            image.name,
            "Encrypted: hash and signature are over the plain text, so neither is checked here. "
            "Only a MCUboot with CONFIG_BOOT_ENCRYPT_IMAGE and the private key takes it.",
        )
    if _is_flagged(image, "COMPRESSED"):
        yield note(
            image.name,
            "Compressed: hash and signature are over the compressed image. Only a MCUboot with "
            "CONFIG_BOOT_DECOMPRESSION takes it.",
        )
    if "ROM_FIXED" in image.flags:
        yield note(
            image.name,
            f"Made for direct XIP: it runs where it lies, at {image.load_address:#x} (imgtool "
            "--rom-fixed), and a MCUboot that swaps or overwrites ignores that.",
        )
    if image.carries_public_key:
        yield warning(
            image.name,
            "It carries the whole public key (imgtool --public-key-format full). A MCUboot without "
            "CONFIG_BOOT_HW_KEY looks for the key's hash, finds none, and refuses it.",
        )
    if image.signs_content:
        yield note(
            image.name,
            "The signature is over the image itself (imgtool --pure): only a MCUboot with "
            "CONFIG_BOOT_SIGNATURE_TYPE_PURE takes it.",
        )
    elif image.hash_algorithm not in (None, "sha256"):
        yield note(
            image.name,
            f"Hashed by {hash_words(image.hash_algorithm)}: a MCUboot that was built for SHA-256, "
            "the default, refuses it.",
        )


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


def _on_integrity(image: FoundImage) -> Iterator[Remark]:
    if image.hash_is_right is False:
        yield warning(
            image.name,
            "The hash does not fit the content: MCUboot refuses this image."
            if image.hash
            else "The image has no hash: MCUboot refuses it.",
        )
    if image.signature is None:
        yield warning(image.name, "Not signed: only an MCUboot without a key takes it.")
    elif image.signature_is_right is False:
        yield warning(image.name, "The signature is not of the key that the image names.")


def _on_versions(image: FoundImage) -> Iterator[Remark]:
    firmware = image.firmware
    if firmware is None or image.role not in BOOTLOADER_ROLES:
        return
    if image.version == "0.0.0":
        yield warning(
            image.name,
            f"fw_info has version {firmware.version}, the MCUboot header still 0.0.0: an image "
            "list shows every such bootloader alike, and downgrade prevention refuses it. Raise "
            "both (CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION of the bootloader).",
        )
    manifest = image.manifest
    if manifest and manifest.version_b0 and manifest.version_b0 != str(firmware.version):
        yield note(
            image.name,
            f"The manifest says version_B0 {manifest.version_b0}, the image itself "
            f"{firmware.version}: NSIB goes by the image (before NCS 3.0 the manifest takes the "
            "application's number).",
        )


def _on_firmwares(contents: Contents) -> Iterator[Remark]:
    inside = ((image.name, image.firmware) for image in contents.images if image.firmware)
    alone = ((f"fw_info at 0x{one.offset_bytes:x}", one) for one in contents.firmwares)
    for place, firmware in (*inside, *alone):
        yield from _on_firmware(place, firmware)


def _on_firmware(place: str, firmware: FoundFirmware) -> Iterator[Remark]:
    who = checker_of(firmware)
    if not firmware.is_valid:
        yield warning(place, f"{who} has invalidated this firmware: it will not boot again.")
    if firmware.version > HIGHEST_FW_INFO_VERSION:
        yield warning(
            place,
            f"fw_info version {firmware.version} is above {HIGHEST_FW_INFO_VERSION}, the greatest "
            "that NSIB's counters can hold.",
        )
    if firmware.key is None:
        if firmware.role in BOOTLOADER_ROLES:
            yield warning(place, "No NSIB signature behind this firmware: NSIB refuses it.")
        return
    if firmware.hash_is_right is False:
        yield warning(place, f"{who}'s hash does not fit the firmware: {who} refuses it.")
    if firmware.signature_is_right is False:
        yield warning(place, f"{who}'s signature is not of the key beside it: {who} refuses it.")
    if firmware.provisioned is False:
        yield warning(
            place,
            f"Signed for NSIB with key {firmware.key.hash}, which is not in this file's "
            "provisioning data: NSIB refuses it. Was the signing key generated anew by the build "
            "(set CONFIG_SB_SIGNING_KEY_FILE)?",
        )
    if firmware.key.published_as is not None:
        yield note(place, f"{who} key is public: {firmware.key.published_as}.")


def _on_provisioning(contents: Contents) -> Iterator[Remark]:
    bootloaders = [one for one in contents.firmwares if one.role in BOOTLOADER_ROLES]
    if contents.container is Container.HEX and bootloaders and contents.provisioning is None:
        yield warning(
            "provisioning",
            "It holds a MCUboot for an S slot and no provisioning data, without which NSIB knows "
            "no key: a kit that was erased completely does not boot this. The build's merged.hex "
            "has both.",
        )
    provisioning = contents.provisioning
    if provisioning is None:
        return
    if not any(not key.invalidated for key in provisioning.keys):
        yield warning("provisioning", "It holds no valid key: NSIB boots nothing.")
    for counter in provisioning.counters:
        if counter.slots and counter.used_slots == counter.slots:
            yield warning(
                "provisioning", "All slots of a monotonic counter are used: no newer version fits."
            )


def _on_trailers(contents: Contents) -> Iterator[Remark]:
    for trailer in contents.trailers:
        yield note(f"{trailer.slot} trailer", f"{trailer.meaning[0].upper()}{trailer.meaning[1:]}.")


def _on_bootloader_variants(contents: Contents) -> Iterator[Remark]:
    images = [image for image in contents.images if image.role in BOOTLOADER_ROLES]
    roles = {image.role for image in images}
    place = contents.path.rsplit("/", 1)[-1]
    if contents.container is Container.PACKAGE and len(roles) == 1:
        (only,) = roles
        slot = _slot_word(only)
        yield note(place, f"Only the variant for {slot}: it fits a kit that runs the other slot.")
    if len(roles) == 2 and contents.container is Container.PACKAGE:
        yield note(
            place,
            "Both S variants are in it: send only the one for the slot that is NOT running "
            "(`Attempting to boot slot 0.` -> the S1 file). Sent one after the other, the second "
            "overwrites the first.",
        )
        fw_versions = {image.firmware.version for image in images if image.firmware}
        if len(fw_versions) > 1 or len({image.version for image in images}) > 1:
            yield warning(place, "The two S variants have different versions.")
    alone = {one.role: one for one in contents.firmwares if one.role in BOOTLOADER_ROLES}
    if len(alone) == 2 and contents.container is Container.HEX:
        s0, s1 = alone[Role.MCUBOOT_S0], alone[Role.MCUBOOT_S1]
        starts = "S0" if s0.version >= s1.version else "S1"
        yield note(
            place,
            f"Both S slots hold a firmware, versions {s0.version} and {s1.version}: NSIB starts "
            f"{starts}.",
        )


def _slot_word(role: Role) -> str:
    return "S0" if role is Role.MCUBOOT_S0 else "S1"


def checker_of(firmware: FoundFirmware) -> str:
    """Which bootloader reads its fw_info: NSIB, or b0n on the network core."""
    return "b0n" if firmware.role is Role.NETWORK_CORE else "NSIB"
