"""What a rehearsal showed, as a table: each gate that an update has to pass, in their order.

Nothing is decided here: a check fails where the rehearsal failed, and says what was read there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.report import NsibAttempt
from pytest_nrf_fota.firmware.dfu_package import PackageKind, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import preferred_s_slot
from pytest_nrf_fota.firmware.image_words import (
    CARRIES_KEY,
    GIVE_ANOTHER_BUILD,
    MCUBOOT_ACCEPTS,
    NOT_SIGNED,
    SIGNED_WITH_KEY,
    installed_already,
)
from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH, key_hash
from pytest_nrf_fota.firmware.provisioning import CounterKind
from pytest_nrf_fota.firmware.trailer import FLAG_SET_BYTE, IMAGE_OK_FROM_END_BYTES, MAGIC
from pytest_nrf_fota.firmware.validation_info import ValidationInfo, find_validation_info
from pytest_nrf_fota.preflight.rehearsal import Rehearsal, Sent
from pytest_nrf_fota.sim.boot.image_check import SlotContent
from pytest_nrf_fota.smp.messages import describe_return_code

FLASH_PROVISIONING = (
    "Recover the board, which erases its OTP as well, and flash the whole build: provisioning data "
    "and NSIB of one release."
)
RAISE_FW_INFO = "Raise CONFIG_FW_INFO_FIRMWARE_VERSION of MCUboot above {version}, and build again."


class Result(Enum):
    """How a gate was passed. NOTE is worth knowing and stops nothing."""

    OK = "ok"
    NO = "NO"
    NOTE = "note"
    NOT_REACHED = "-"


@dataclass(frozen=True)
class Check:
    """One gate.

    Args:
        name: what it is called.
        result: how it ended.
        detail: what was seen there.
        cause: where it ended with NO, why, as a sentence of its own.
        remedy: and what to do about it.
    """

    name: str
    result: Result
    detail: str
    cause: str = ""
    remedy: str = ""


def checks_of(rehearsal: Rehearsal, network_core_file: str = "") -> tuple[Check, ...]:
    """All gates of this update, in the order in which it meets them.

    Args:
        rehearsal: what happened.
        network_core_file: what to do about a network core for which nothing was given.
    """
    rows = [
        _installed(rehearsal),
        *_no_controller(rehearsal, network_core_file),
        *_trial(rehearsal),
        _file(rehearsal),
        *_phone(rehearsal),
    ]
    file = rehearsal.file
    if file is None:
        return tuple(rows)
    rows += [*_own_trailer(file), *_uploads(rehearsal), *_marks(rehearsal)]
    rows += [
        *_mcuboot_accepts(rehearsal),
        _room(rehearsal, file),
        _package_version(rehearsal, file),
    ]
    rows += _dependencies(rehearsal, file)
    rows += _network_core(rehearsal, network_core_file)
    match rehearsal.package.kind:
        case PackageKind.APPLICATION:
            pass
        case PackageKind.MCUBOOT:
            rows += [
                _fw_info(rehearsal, file),
                _counter(rehearsal, file),
                _nsib_accepts(rehearsal, file),
            ]
        case _:
            assert_never(rehearsal.package.kind)
    rows.append(_outcome(rehearsal))
    return tuple(rows)


def _installed(rehearsal: Rehearsal) -> Check:
    installed = rehearsal.installed
    if installed.halted:
        said = "; ".join(dict.fromkeys([*installed.boot.refusals, installed.halted]))
        if installed.foreign_key_word:
            return Check(
                "board boots", Result.NO, said, installed.foreign_key_word, FLASH_PROVISIONING
            )
        return Check(
            "board boots",
            Result.NO,
            said,
            f"the board does not even boot what is installed: {said}",
            "Give a merged.hex that boots, and the board that it is built for (--board); over SMP "
            "nothing can be sent to this one.",
        )
    return Check("board boots", Result.OK, f"{installed.boot.summary()} (NCS {installed.ncs})")


def _no_controller(rehearsal: Rehearsal, network_core_file: str) -> list[Check]:
    if not rehearsal.installed.lacks_network_core:
        return []
    return [
        Check(
            "network core",
            Result.NOTE,
            "none: its flash is erased in what was given, and without it Bluetooth does not start"
            f"{f'. {network_core_file}' if network_core_file else ''}",
        )
    ]


def _trial(rehearsal: Rehearsal) -> list[Check]:
    active = next((image for image in rehearsal.installed.images if image.active), None)
    if rehearsal.installed.halted or active is None or active.confirmed:
        return []
    return [
        Check(
            "running image",
            Result.NOTE,
            f"{active.version} is on trial, not confirmed: the next reset reverts it unless an "
            "update is pending",
        )
    ]


def _file(rehearsal: Rehearsal) -> Check:
    if rehearsal.installed.halted:
        return Check("file", Result.NOT_REACHED, "")
    if rehearsal.choice_problem:
        return Check(
            "file",
            Result.NO,
            rehearsal.choice_problem,
            rehearsal.choice_problem.rstrip("."),
            "Send the file for the slot that does not run; the build's dfu_mcuboot.zip holds both."
            if rehearsal.package.kind is PackageKind.MCUBOOT
            else "Give a package with one image per core, as the build makes it.",
        )
    assert rehearsal.file is not None
    running = rehearsal.installed.boot.nsib_slot
    why = "" if rehearsal.file.s_slot is None else f", because S{running} runs"
    return Check("file", Result.OK, f"{rehearsal.file.name}{why}")


def _phone(rehearsal: Rehearsal) -> list[Check]:
    if len(rehearsal.package.files) < 2 or rehearsal.package.kind is not PackageKind.MCUBOOT:
        return []
    if not rehearsal.phone_refusal:
        return [Check("phone app", Result.OK, "sends all files; the board takes the first as well")]
    name = rehearsal.file.name if rehearsal.file else "the file for the slot that does not run"
    return [
        Check(
            "phone app",
            Result.NOTE,
            "one that sends all files of this zip overwrites one with the other; "
            f"{rehearsal.phone_refusal}. Give it only {name}.",
        )
    ]


def _has_own_trailer(file: UpdateFile) -> bool:
    # Only an image made with `imgtool --pad` ends with a trailer.
    return file.data.endswith(MAGIC)


def _own_trailer(file: UpdateFile) -> list[Check]:
    if not _has_own_trailer(file):
        return []
    is_confirmed = file.data[-IMAGE_OK_FROM_END_BYTES] == FLAG_SET_BYTE
    return [
        Check(
            "padding",
            Result.NOTE,
            f"{file.name} is padded to the whole slot (imgtool --pad"
            f"{' --confirm' if is_confirmed else ''}) and is pending by itself: it takes long to "
            f"send, and a reset takes it{' permanently' if is_confirmed else ''} unasked",
        )
    ]


def _uploads(rehearsal: Rehearsal) -> list[Check]:
    return [
        _upload(sent, _core("upload", sent.file, rehearsal), rehearsal) for sent in rehearsal.sent
    ]


def _core(name: str, file: UpdateFile, rehearsal: Rehearsal) -> str:
    is_second = is_for_network_core(file) and file is not rehearsal.file
    return f"{name}, network core" if is_second else name


def _upload(sent: Sent, name: str, rehearsal: Rehearsal) -> Check:
    result, size_bytes = sent.upload.result, len(sent.file.data)
    if not result.rc:
        return Check(name, Result.OK, f"{size_bytes} bytes")
    said = describe_return_code(result.rc)
    detail = f"{said} after {sent.upload.taken_bytes} of {size_bytes} bytes"
    cause, remedy = f"the board refuses the upload of {sent.file.name}: {detail}", ""
    slot_bytes = rehearsal.installed.update_slot_bytes(sent.file.image_index)
    if size_bytes > slot_bytes:
        cause = (
            f"{sent.file.name} is too large: 0x{size_bytes:x} bytes, and the update slot has "
            f"0x{slot_bytes:x}"
        )
        remedy = "Make the application smaller, or the slots larger (pm_static.yml) on both sides."
    elif sent.file.image_index > rehearsal.installed.network_slots:
        pairs = rehearsal.installed.network_slots + 1
        cause = (
            f"{sent.file.name} is for image {sent.file.image_index}, and the board's application "
            f"knows {pairs} image{'s'[: pairs != 1]}: {said}"
        )
        remedy = (
            "Correct image_index in the manifest, or build the application with "
            "CONFIG_UPDATEABLE_IMAGE_NUMBER=2."
        )
    elif any(image.active and not image.confirmed for image in rehearsal.installed.images):
        cause = (
            "the running application is on trial and not confirmed, so the update slot keeps the "
            f"old one: {said}"
        )
        remedy = "Confirm the running application, or reset the board so that it goes back."
    elif any(image.pending for image in rehearsal.installed.images):
        cause = f"another update is pending in the secondary slot, so the upload is refused: {said}"
        remedy = "Reset the board, so that it takes that one, or erase the external flash."
    return Check(name, Result.NO, detail, cause, remedy)


def _marks(rehearsal: Rehearsal) -> list[Check]:
    return [
        _mark(sent, _core("set pending", sent.file, rehearsal), rehearsal)
        for sent in rehearsal.sent
    ]


def _mark(sent: Sent, name: str, rehearsal: Rehearsal) -> Check:
    if sent.mark is None:
        return Check(name, Result.NOT_REACHED, "")
    if sent.mark.rc:
        said = describe_return_code(sent.mark.rc)
        cause = f"the board refuses to set {sent.file.name} pending: {said}"
        remedy = ""
        if _has_own_trailer(sent.file):
            cause = f"{sent.file.name} is pending by itself, so the client is refused: {said}"
            remedy = "Send the image as signed without imgtool --pad and --confirm."
        installed = rehearsal.installed.app
        of_file = sent.file.image.hash or b""
        if installed is not None and of_file and installed.hash == of_file:
            cause = installed_already(sent.file.name, sent.file.image.version, of_file)
            remedy = GIVE_ANOTHER_BUILD
        is_other_hash = installed is not None and 0 < len(installed.hash) != len(of_file)
        if is_other_hash:
            cause = (
                f"{sent.file.name} is hashed by {sent.file.image.hash_algorithm.upper()}, the "
                f"running application otherwise, and its image list names images by its own: {said}"
            )
            remedy = (
                "Sign with the hash that the installed MCUboot checks (imgtool --sha; MCUboot's "
                "CONFIG_BOOT_IMG_HASH_ALG_SHA256 is the default)."
            )
        if len(rehearsal.sent) > 1 and not rehearsal.installed.network_slots:
            cause = (
                "the board has one update slot, so the package's files overwrite each other, and "
                f"{sent.file.name} is no longer there to be set pending: {said}"
            )
            remedy = "Send one image at a time, or build for network core slots of its own."
        return Check(name, Result.NO, said, cause, remedy)
    if rehearsal.installed.overwrites:
        return Check(name, Result.OK, "pending; MCUboot overwrites, with no way back")
    is_permanent = sent.file.s_slot is not None or is_for_network_core(sent.file)
    return Check(name, Result.OK, f"pending, {'permanent' if is_permanent else 'test'}")


def _met_mcuboot(rehearsal: Rehearsal) -> bool:
    """Whether MCUboot ran with the update pending."""
    main = rehearsal.main
    was_marked = main is not None and main.mark is not None and not main.mark.rc
    return was_marked and any(boot.mcuboot is not None for boot in rehearsal.boots)


def _mcuboot_accepts(rehearsal: Rehearsal) -> list[Check]:
    return [
        _accepts(sent, _core(MCUBOOT_ACCEPTS, sent.file, rehearsal), rehearsal)
        for sent in rehearsal.sent
    ]


def _accepts(sent: Sent, name: str, rehearsal: Rehearsal) -> Check:
    file, check = sent.file, sent.slot_check
    key = file.image.tlv(TLV_KEYHASH)
    signed = f"{SIGNED_WITH_KEY} {key.hex()[:8]}..." if key else NOT_SIGNED
    carried = file.image.carried_key
    if carried is not None:
        signed = f"{CARRIES_KEY} {key_hash(carried).hex()[:8]}..."
    known = rehearsal.installed.mcuboot_keys
    asks = f"known: {', '.join(k.hex()[:8] + '...' for k in known)}" if known else "asks for none"
    detail = f"{signed}; {asks}"
    if check is None or not _met_mcuboot(rehearsal):
        return Check(name, Result.NOT_REACHED, detail)
    if check.content is not SlotContent.VALID:
        if carried is not None and known:
            is_known = "the known" if key_hash(carried) in known else "an unknown"
            return Check(
                name,
                Result.NO,
                detail,
                f"{file.name} is signed with {is_known} key and carries it whole; a MCUboot "
                "without CONFIG_BOOT_HW_KEY looks for the key's hash (KEYHASH), and finds none",
                "Sign it with imgtool --public-key-format hash, which is its default.",
            )
        # The known ones are SHA-256; an image with a longer hash names its key by that.
        if key is not None and known and len(key) == len(known[0]) and key not in known:
            return Check(
                name,
                Result.NO,
                detail,
                f"MCUboot does not know the key that {file.name} is signed with: hash "
                f"{key.hex()[:16]}..., it knows {', '.join(k.hex()[:16] + '...' for k in known)}",
                "Sign with the key that the installed MCUboot was built with.",
            )
        return Check(
            name,
            Result.NO,
            f"{check.reason}; {detail}",
            f"MCUboot refuses the image: {check.reason}",
            "Build and sign the image again, with the key of the installed MCUboot.",
        )
    if file is not rehearsal.file:
        return Check(name, Result.OK, detail)
    wrong_variant = _refused_file(rehearsal, "wrong_s_image")
    if wrong_variant:
        return Check(name, Result.NO, wrong_variant, f"MCUboot refuses the image: {wrong_variant}")
    wrong_place = _refused_file(rehearsal, "wrong_reset_address")
    if wrong_place:
        return Check(
            name,
            Result.NO,
            wrong_place,
            f"{file.name} was sent as image {file.image_index}, and its code is for another slot",
            "Correct image_index in the manifest: 0 is the application, 1 the network core.",
        )
    is_other_refused = any(
        other.slot_check is not None and other.slot_check.content is not SlotContent.VALID
        for other in rehearsal.sent
    )
    if _refused_file(rehearsal, "image_invalid") and not is_other_refused:
        # The check above allows for the whole slot.
        why = "the image reaches into the trailer's sectors"
        return Check(
            name,
            Result.NO,
            f"{why}; {detail}",
            f"MCUboot refuses the image: {why}",
            "Make the application smaller, or the slots larger (pm_static.yml) on both sides.",
        )
    return Check(name, Result.OK, detail)


def _was_accepted(rehearsal: Rehearsal) -> bool:
    if rehearsal.main is None or rehearsal.choice_problem:
        return False
    return _accepts(rehearsal.main, "", rehearsal).result is Result.OK


def _room(rehearsal: Rehearsal, file: UpdateFile) -> Check:
    name = "room in the slot" if rehearsal.installed.overwrites else "room to swap"
    update_bytes = rehearsal.installed.update_slot_bytes(file.image_index)
    slot_bytes = rehearsal.installed.slot_size_bytes
    size = f"0x{len(file.data):x} of 0x{update_bytes:x} bytes"
    unequal = _refused_file(rehearsal, "slots_incompatible")
    if unequal:
        sizes = f"the primary slot has 0x{slot_bytes:x} bytes, the secondary 0x{update_bytes:x}"
        return Check(
            name,
            Result.NO,
            f"{sizes}: {unequal!r}",
            f"MCUboot takes no update into slots of unequal size: {sizes}",
            "Make both slots of one size in the build, and name them as they are in the board "
            "file.",
        )
    refused = _refused_file(rehearsal, "no_room", "too_many_sectors")
    if refused:
        return Check(
            name,
            Result.NO,
            f"{size}: {refused!r}",
            f"the image leaves MCUboot no room to swap: {size}",
            "Make the application smaller: one sector and the trailer must stay free.",
        )
    was_accepted = _was_accepted(rehearsal)
    return Check(name, Result.OK if was_accepted else Result.NOT_REACHED, size)


def _package_version(rehearsal: Rehearsal, file: UpdateFile) -> Check:
    name = "package version"
    installed = rehearsal.installed.app
    guarded = rehearsal.installed.guards_downgrade
    before = ""
    if rehearsal.package.kind is PackageKind.APPLICATION and installed is not None:
        before = f" over {installed.version}"
    guard = "downgrade prevention is on" if guarded else "any version is taken"
    detail = f"{file.image.version}{before}; {guard}"
    refused = _refused_file(rehearsal, "downgrade", "insufficient_version")
    if refused:
        return Check(
            name,
            Result.NO,
            f"{detail}: {refused!r}",
            *_why_downgrade(file, before),
        )
    was_accepted = _was_accepted(rehearsal)
    return Check(name, Result.OK if was_accepted else Result.NOT_REACHED, detail)


def _why_downgrade(file: UpdateFile, before: str) -> tuple[str, str]:
    version = file.image.version
    if file.s_slot is None:
        return (
            f"MCUboot prevents the downgrade: the package's version {version} is older than what "
            f"is installed{before.replace(' over', ':')}",
            "Raise the package version (CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION, or VERSION), and "
            "sign again.",
        )
    return (
        f"MCUboot prevents the downgrade: it compares the package's version {version} with the "
        f"image header in S{file.s_slot}, and a slot without one counts as newer than anything",
        "Build MCUboot without CONFIG_MCUBOOT_DOWNGRADE_PREVENTION, or with NCS 2.8 and later.",
    )


def _dependencies(rehearsal: Rehearsal, file: UpdateFile) -> list[Check]:
    wanted = ", ".join(
        f"image {item.image_index} in {item.lowest_version} or newer"
        for item in file.image.dependencies
    )
    if not wanted:
        return []
    name, detail = "dependencies", f"needs {wanted}"
    if not _met_mcuboot(rehearsal):
        return [Check(name, Result.NOT_REACHED, detail)]
    # MCUboot prints no line for it: the update is dropped and stays pending.
    is_refused = any(boot.refusals for boot in rehearsal.boots)
    if not is_refused and not rehearsal.is_in_place:
        return [
            Check(
                name,
                Result.NO,
                detail,
                f"a dependency of {file.name} is not met: it {detail}. MCUboot says no word of it, "
                "and the update stays pending",
                "Update that image first, or send both in one package.",
            )
        ]
    return [Check(name, Result.NOT_REACHED if is_refused else Result.OK, detail)]


def _network_core(rehearsal: Rehearsal, network_core_file: str) -> list[Check]:
    if rehearsal.network_updated is None:
        return []
    name = "network core"
    if rehearsal.network_updated:
        return [Check(name, Result.OK, "holds its new firmware")]
    if rehearsal.installed.network_core_is_empty:
        return [
            Check(
                name,
                Result.NO,
                "was not given: neither b0n nor a firmware is there",
                "nothing was given for the network core: its flash is erased, so there is no b0n "
                "that could take its update",
                network_core_file
                or "Give the network core's hex file as well (merged_CPUNET.hex, before NCS 2.7 "
                "merged_domains.hex).",
            )
        ]
    failed = [
        line.text.strip()
        for boot in rehearsal.boots
        if boot.network_core is not None
        for line in boot.network_core.failed
    ]
    seen = failed[0] if failed else _refused(rehearsal, "insufficient_version")
    remedy = (
        "The network core's file must be image 1 of a board whose MCUboot has slots for it "
        "(CONFIG_NRF53_MULTI_IMAGE_UPDATE), and be signed like the application."
    )
    if "insufficient version" in seen:
        remedy = "Raise CONFIG_FW_INFO_FIRMWARE_VERSION of the network core's firmware."
    return [
        Check(
            name,
            Result.NO,
            f"keeps its firmware{_quoted(seen)}",
            f"the network core keeps its old firmware{_quoted(seen)}",
            remedy,
        )
    ]


def _fw_info(rehearsal: Rehearsal, file: UpdateFile) -> Check:
    name = "FW_INFO version"
    running = rehearsal.installed.boot.nsib_slot
    info = file.fw_info
    if info is None or running is None:
        return Check(
            name,
            Result.NO,
            "the file has no fw_info",
            f"{file.name} has no fw_info, so NSIB would never start it",
            "Build MCUboot with CONFIG_SECURE_BOOT=y and CONFIG_FW_INFO=y.",
        )
    held = rehearsal.installed.fw_infos[running]
    old = "unknown" if held is None else str(held.version)
    detail = f"{info.version} over {old} in S{running}"
    if not rehearsal.is_in_place:
        return Check(name, Result.NOT_REACHED, detail)
    versions = (info.version, None if held is None else held.version)
    # NSIB's own rule; the last row says what became of it.
    is_kept = preferred_s_slot(versions if file.s_slot == 0 else versions[::-1]) == running
    if is_kept and held is not None:
        return Check(
            name,
            Result.NO,
            f"{detail}: not higher",
            f"NSIB keeps S{running}: FW_INFO version {info.version} is not higher than {old}"
            f"{_below_counter(rehearsal, info.version)}",
            RAISE_FW_INFO.format(version=held.version),
        )
    is_tie = held is not None and info.version == held.version
    return Check(name, Result.OK, f"{detail}: a tie goes to S0" if is_tie else detail)


def _below_counter(rehearsal: Rehearsal, version: int) -> str:
    provisioning = rehearsal.installed.provisioning
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE) if provisioning else None
    stored = counter.value >> 1 if counter else 0
    return f", and below the monotonic counter ({stored})" if version < stored else ""


def _counter(rehearsal: Rehearsal, file: UpdateFile) -> Check:
    name = "monotonic counter"
    provisioning = rehearsal.installed.provisioning
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE) if provisioning else None
    tried = _attempts_at_update(rehearsal, file)
    if counter is None:
        result = Result.OK if tried else Result.NOT_REACHED
        return Check(name, result, "none: NSIB accepts any version")
    free = sum(1 for slot in counter.slots if slot == 0xFFFF)
    stored = counter.value >> 1
    version = file.fw_info.version if file.fw_info else None
    detail = f"{version} against {stored}; {free} of {len(counter.slots)} slots free"
    if any(attempt.below_counter for attempt in tried):
        return Check(
            name,
            Result.NO,
            f"{detail}: below the counter, and burnt by NSIB",
            f"FW_INFO version {version} is below the monotonic counter ({stored}): NSIB burns the "
            "image and keeps the old one",
            RAISE_FW_INFO.format(version=stored),
        )
    if not tried:
        return Check(name, Result.NOT_REACHED, detail)
    if not free and version is not None and version > stored:
        return Check(
            name,
            Result.NOTE,
            f"{detail}: NSIB cannot store the new version (error -12), and starts the image "
            "nevertheless; older ones are no longer refused",
        )
    return Check(name, Result.OK, detail)


def _nsib_accepts(rehearsal: Rehearsal, file: UpdateFile) -> Check:
    name = "NSIB accepts"
    provisioning = rehearsal.installed.provisioning
    keys = [key for key in provisioning.keys if not key.invalidated] if provisioning else []
    known = ", ".join(key.key_hash.hex()[:8] + "..." for key in keys) or "none"
    info = _validation_info(file)
    signed = "no validation info" if info is None else f"key {info.key_hash.hex()[:8]}..."
    detail = f"{signed}; provisioned: {known}"
    tried = [a for a in _attempts_at_update(rehearsal, file) if not a.below_counter]
    refused = [attempt for attempt in tried if attempt.invalidated is not None]
    if refused:
        lines = "; ".join(seen.text.strip() for seen in refused[0].errors[:2])
        cause = f"NSIB refuses the image and burns it: {lines}"
        remedy = "Build MCUboot again, with CONFIG_SB_SIGNING_KEY_FILE naming the provisioned key."
        if info is not None and info.key_hash not in [key.key_hash for key in keys]:
            cause = (
                f"NSIB's key is not provisioned: {file.name} is signed with key "
                f"{info.key_hash.hex()}, the board knows {known}"
            )
            remedy = (
                "Sign with the provisioned key (CONFIG_SB_SIGNING_KEY_FILE): without it, each new "
                "build folder makes a key of its own."
            )
        return Check(name, Result.NO, f"{detail}: {lines}", cause, remedy)
    return Check(name, Result.OK if tried else Result.NOT_REACHED, detail)


def _outcome(rehearsal: Rehearsal) -> Check:
    name = "update runs"
    if not rehearsal.boots:
        return Check(name, Result.NOT_REACHED, "")
    if rehearsal.will_upgrade:
        resets = rehearsal.resets
        return Check(name, Result.OK, f"after {resets} reset{'s'[: resets != 1]}")
    reason = rehearsal.verdict.reason if rehearsal.verdict is not None else ""
    if not reason and rehearsal.is_in_place:
        reason = f"not all of it: {rehearsal.refusal or 'the network core keeps its firmware'}"
    detail = rehearsal.halted or reason or "the old firmware runs on"
    remedy = ""
    if rehearsal.halted:
        remedy = "Do not send it: the board would need a debug probe afterwards."
        if rehearsal.boots[-1].nsib_slot != rehearsal.installed.boot.nsib_slot:
            remedy += (
                " A new MCUboot must know the key of the installed application: send one that "
                "knows both keys first."
            )
    return Check(name, Result.NO, detail, detail, remedy)


def _refused_file(rehearsal: Rehearsal, *patterns: str) -> str:
    """Likewise, unless it cannot have been the file that this is about, which is in place."""
    return "" if rehearsal.is_in_place else _refused(rehearsal, *patterns)


def _refused(rehearsal: Rehearsal, *patterns: str) -> str:
    """The first line with which MCUboot refused for one of these reasons; empty without."""
    return next(
        (
            refusal.seen.text.strip()
            for boot in rehearsal.boots
            if boot.mcuboot is not None
            for refusal in boot.mcuboot.refusals
            # What it says of the primary slot is about the application that was installed.
            if refusal.pattern in patterns and refusal.slot != "primary"
        ),
        "",
    )


def _attempts_at_update(rehearsal: Rehearsal, file: UpdateFile) -> Sequence[NsibAttempt]:
    """NSIB's attempts to start the update, after MCUboot has brought it into its slot.

    On the first boot NSIB still meets what was in the slot before.
    """
    if not rehearsal.is_in_place:
        return ()
    return [
        attempt
        for boot in rehearsal.boots[1:]
        if boot.nsib is not None
        for attempt in boot.nsib.attempts
        if attempt.slot == file.s_slot
    ]


def _quoted(line: str) -> str:
    return f": {line!r}" if line else ""


def _validation_info(file: UpdateFile) -> ValidationInfo | None:
    info = file.fw_info
    if info is None:
        return None
    payload = file.image.payload
    return find_validation_info(lambda a, n: payload[a : a + n], info.firmware_size_bytes)
