"""What NSIB refuses, and what its choice between S0 and S1 leads to."""

from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot, NsibAttempt, Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Match, Rule, found, says, shown_of
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown, Weight
from pytest_nrf_fota.firmware.fw_info import is_preferred_to_running
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.verdict.boots import copies_for_nsib

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.dfu_package import UpdateFile
    from pytest_nrf_fota.firmware.fw_info import FwInfo

# K_ERR_KERNEL_PANIC of Zephyr (fatal_types.h). What k_panic() prints depends on the build.
_KERNEL_PANIC = 4
_REPROVISION = (
    "recover both cores, `west flash --recover` (clears OTP), and program merged.hex anew"
)


def attempts(case: Case) -> list[tuple[Boot, NsibAttempt]]:
    """All attempts of NSIB, with their boots."""
    return [(b, a) for b in case.boots.boots if b.nsib is not None for a in b.nsib.attempts]


def _in_attempt(case: Case, attempt: NsibAttempt, *names: str) -> list[Seen]:
    """Lines of an attempt by pattern: those among its errors, by their number."""
    numbers = {seen.line_number for seen in attempt.errors}
    return [k.seen for k in case.known(*names) if k.seen.line_number in numbers]


def _signature_failed(case: Case, attempt: NsibAttempt) -> list[Seen]:
    refused = _in_attempt(case, attempt, "nsib_signature_invalid")
    if not refused and attempt.verified is None and attempt.invalidated is not None:
        wrong = [key for key in attempt.keys if key.result == "no match"]
        refused = [attempt.invalidated] if wrong else []
    return refused


def _wrong_key(case: Case) -> Match | None:
    for _, attempt in attempts(case):
        refused = _signature_failed(case, attempt)
        if refused and not any(key.result == "revoked" for key in attempt.keys):
            keys = [key for key in attempt.keys if key.result == "no match"]
            hashes = [key.hash_ends or "" for key in attempt.keys]
            return found(
                [attempt.seen, *(key.seen for key in keys), *refused],
                Confidence.CERTAIN if keys and _is_whole(attempt) else Confidence.LIKELY,
                slot=_name(attempt),
                hashes=", ".join(filter(None, hashes)) or "the provisioned ones",
            )
    # The attempt's other lines may be damaged.
    alone = case.known("nsib_signature_invalid")
    if alone and not attempts(case):
        return found(alone, Confidence.LIKELY, slot="S0 or S1", hashes="the provisioned ones")
    return None


def _revoked_key(case: Case) -> Match | None:
    for _, attempt in attempts(case):
        refused = _signature_failed(case, attempt)
        revoked = [key for key in attempt.keys if key.result == "revoked"]
        if refused and revoked:
            return found(
                [attempt.seen, *(key.seen for key in attempt.keys), *refused],
                Confidence.LIKELY,
                slot=_name(attempt),
                keys=", ".join(str(key.number) for key in revoked),
            )
    return None


def _is_whole(attempt: NsibAttempt) -> bool:
    """Whether the lines of an attempt came as they were sent, its slot's among them."""
    lines = (attempt.seen, *attempt.errors, *(key.seen for key in attempt.keys))
    return attempt.slot is not None and not any(seen.repaired for seen in lines)


_BAD_SIGNATURE, _BAD_HASH = -102, -101


def _validation_error(case: Case, *, with_key: bool) -> Match | None:
    """A code of the check that follows the key's: with keys in the KMU there is one code for both.

    sdk-nrf, subsys/bootloader/bl_crypto/bl_crypto_ed25519.c: bl_ed25519_validate.
    """
    for _, attempt in attempts(case):
        errors = [
            known for known in case.known("nsib_validation_error") if known.seen in attempt.errors
        ]
        if not errors:
            continue
        code = errors[0].number("code")
        verifying = [key.seen for key in attempt.keys if key.result != "revoked"]
        is_of_key = bool(verifying) and code == _BAD_SIGNATURE
        if is_of_key is not with_key:
            continue
        burnt = [attempt.invalidated] if attempt.invalidated is not None else []
        unfit = [
            known.seen for known in case.known("nsib_kmu_unfit") if case.same_boot(known, errors[0])
        ]
        lines = [attempt.seen, *verifying[-1:], *unfit[:1], *(k.seen for k in errors), *burnt]
        return found(lines, Confidence.LIKELY, slot=_name(attempt), code=str(code))
    return None


def _signature_damaged(case: Case) -> Match | None:
    return _validation_error(case, with_key=True)


def _signature_unfit(case: Case) -> Match | None:
    return _validation_error(case, with_key=False)


def _burnt_earlier(case: Case) -> Match | None:
    """It explains an update of MCUboot that does not run, and no update of an application."""
    lines = case.known("nsib_was_invalidated")
    if not lines:
        return None
    last = case.boots.last_boot
    runs = last is not None and last.nsib is not None and last.nsib.booted is not None
    is_asked = bool(copies_for_nsib(case.boots.boots)) or (
        case.sent_package is not None and case.sent_package.kind is PackageKind.MCUBOOT
    )
    return found(lines, weight=Weight.NOTE if runs and not is_asked else None)


def _name(attempt: NsibAttempt) -> str:
    return "S0 or S1" if attempt.slot is None else f"S{attempt.slot}"


def _key_changed(case: Case) -> Match | None:
    return _key_changed_between_boots(case) or _key_of_package_is_another(case)


def _key_changed_between_boots(case: Case) -> Match | None:
    first: dict[int, tuple[str, Seen]] = {}
    for _, attempt in attempts(case):
        for key in attempt.keys:
            if key.number is None or key.hash_ends is None:
                continue
            hash_ends, seen = first.setdefault(key.number, (key.hash_ends, key.seen))
            if hash_ends != key.hash_ends:
                # Two boards in one log look the same.
                refused = any(a.invalidated for _, a in attempts(case))
                return found(
                    [seen, key.seen],
                    Confidence.LIKELY,
                    weight=None if refused else Weight.ADVICE,
                    number=key.number,
                    old=hash_ends,
                    new=key.hash_ends,
                )
    return None


def _key_of_package_is_another(case: Case) -> Match | None:
    tried = {k.hash_ends: k for _, a in attempts(case) for k in a.keys if k.hash_ends}
    if case.sent_package is None or not tried:
        return None
    for file in case.sent_package.files:
        ends = _key_of(file)
        if ends is not None and ends not in tried:
            last = list(tried.values())[-1]
            shown = Shown(
                Origin.PACKAGE, None, f"{file.name}: signed for NSIB with key {ends} (hash ends)"
            )
            return Match(
                (*shown_of([last.seen]), shown),
                Confidence.CERTAIN,
                {"number": str(last.number), "old": last.hash_ends or "", "new": ends},
            )
    return None


def _key_of(file: "UpdateFile") -> str | None:
    from pytest_nrf_fota.firmware.validation_info import find_validation_info

    info = file.fw_info
    if info is None:
        return None
    start = file.image.header.header_size_bytes

    def read(address: int, size_bytes: int) -> bytes:
        return file.data[address : address + size_bytes]

    validation = find_validation_info(read, start + info.firmware_size_bytes)
    if validation is None:
        return None
    text = validation.key_hash.hex()
    return f"{text[:2]}...{text[-2:]}"


def _counter_full(case: Case) -> Match | None:
    lines = [k for k in case.known("nsib_counter_failed") if k.number("code") == -12]
    return found(lines)


def _counter_failed(case: Case) -> Match | None:
    lines = [k for k in case.known("nsib_counter_failed") if k.number("code") != -12]
    lines += case.known("nsib_counter_slots_unreadable")
    return found(lines, code=lines[0].text("code") if lines else "")


def _version_not_raised(case: Case) -> Match | None:
    for boot, swap in copies_for_nsib(case.boots.boots):
        before = boot.nsib.booted if boot.nsib else None
        after = [b for b in case.boots.boots if b.number > boot.number and b.nsib is not None]
        if before is None or not after or after[0].nsib is None:
            continue
        now = after[0].nsib.booted
        refused = any(a.errors for b in after for a in (b.nsib.attempts if b.nsib else ()))
        if (
            now is not None
            and not refused
            and (now.slot, now.firmware_version) == (before.slot, before.firmware_version)
        ):
            version = "the same" if now.firmware_version is None else str(now.firmware_version)
            versions = [
                k
                for k in case.known("nsib_firmware_version")
                if case.boot_of(k) in (boot, after[0])
            ]
            lines: list[Known | Seen] = [swap.seen, now.seen, *versions]
            return found(lines, Confidence.LIKELY, version=version, slot=_name(now))
    return _package_not_newer(case)


def _package_not_newer(case: Case) -> Match | None:
    if case.sent_package is None or case.sent_package.kind is not PackageKind.MCUBOOT:
        return None
    booted = [a for _, a in attempts(case) if a.verified and a.firmware_version is not None]
    if not booted:
        return None
    running = booted[-1]
    assert running.firmware_version is not None
    infos: list[tuple[UpdateFile, FwInfo]] = [
        (f, f.fw_info) for f in case.sent_package.files if f.fw_info is not None
    ]
    old = [
        (f, info)
        for f, info in infos
        if not is_preferred_to_running(
            info.version, f.s_slot, running.firmware_version, running.slot
        )
    ]
    # The upgrade may have happened already: then the package's version is the one that runs.
    was = {a.firmware_version for a in booted}
    if not old or len(old) != len(infos) or len(was) > 1:
        return None
    shown = [
        Shown(Origin.PACKAGE, None, f"{f.name}: FW_INFO version {info.version}") for f, info in old
    ]
    return Match(
        (*shown_of([running.seen]), *shown),
        Confidence.CERTAIN,
        {"version": str(running.firmware_version), "slot": _name(running)},
    )


def _second_reset(case: Case) -> Match | None:
    copies = copies_for_nsib(case.boots.boots)
    last = case.boots.last_boot
    if not copies or last is None or copies[-1][0].number != last.number:
        return None
    boot, swap = copies[-1]
    started = [a.seen for a in (boot.nsib.attempts if boot.nsib else ())]
    return found([*started[-1:], swap.seen], Confidence.LIKELY)


def _fault_before_first_line(case: Case) -> Match | None:
    """A fault directly behind a banner, before NSIB tried a slot."""
    for boot in case.boots.boots:
        for fault in boot.faults:
            if boot.nsib is not None and boot.nsib.attempts:
                continue
            if boot.mcuboot is not None or boot.start_is_missing:
                continue
            banners = [b.seen for span in boot.stages for b in span.banners]
            if not banners or _said_between(boot, banners[-1], fault.seen):
                continue
            if not case.has_nsib and not _is_nordic(boot):
                continue
            confidence = Confidence.LIKELY if case.has_nsib else Confidence.POSSIBLE
            return found([banners[-1], fault.seen, fault.last], confidence)
    return None


def _stops_before_verifying(case: Case) -> Match | None:
    """The last line of a boot is NSIB's choice, in a release that can panic at a key's word."""
    stopped = [boot for boot in case.boots.boots if _ends_with_choice(boot)]
    if not stopped:
        return None
    first, *others = stopped
    # A capture that was ended there looks the same.
    is_followed = first is not case.boots.boots[-1]
    confidence = Confidence.LIKELY if others or is_followed else Confidence.POSSIBLE
    return found([*_banner_lines(first), first.last], confidence)


def _ends_with_choice(boot: Boot) -> bool:
    if boot.nsib is None or not boot.nsib.attempts:
        return False
    if any(fault.fatal_error and fault.fatal_error[0] != _KERNEL_PANIC for fault in boot.faults):
        return False
    last = boot.nsib.attempts[-1]
    was_verified = last.keys or last.errors or last.verified or last.firmware_version is not None
    if was_verified or last.address is None or any(s.stage is not Stage.NSIB for s in boot.stages):
        return False
    return _panics_at_unknown_words(boot)


def _panics_at_unknown_words(boot: Boot) -> bool:
    """Since NCS 2.7 (key_is_valid in bl_storage.c), when banners began to name Zephyr beside it."""
    products = [banner.product for span in boot.stages for banner in span.banners]
    return len(products) > 1 and products[0].startswith("nRF Connect SDK")


def _banner_lines(boot: Boot) -> list[Seen]:
    return [banner.seen for span in boot.stages for banner in span.banners]


def _is_nordic(boot: Boot) -> bool:
    """Whether a banner names Nordic's SDK; no other has NSIB."""
    return any(
        "nRF Connect" in banner.product or "-ncs" in banner.version
        for span in boot.stages
        for banner in span.banners
    )


def _said_between(boot: Boot, banner: Seen, fault: Seen) -> bool:
    """Whether anything was printed between the last banner and the fault: an application ran."""
    if fault.line_number - banner.line_number > 3:
        return True
    return any(
        banner.line_number < seen.line_number < fault.line_number and seen.text.strip()
        for seen in (boot.app.said if boot.app is not None else ())
    )


RULES = (
    Rule(
        "nsib_revoked_key",
        "NSIB refused the firmware in {slot}: it is signed with a key that was revoked (key "
        "{keys}) or that was never provisioned, and NSIB invalidated the slot.",
        "Sign with a key that is still valid: `CONFIG_SB_SIGNING_KEY_FILE`, and raise "
        "`CONFIG_FW_INFO_FIRMWARE_VERSION`. Firmware signed with a later key revokes the earlier "
        "ones permanently; only a recover clears that.",
        _revoked_key,
    ),
    Rule(
        "nsib_wrong_key",
        "NSIB refused the firmware in {slot}: it is signed with a key that is not provisioned on "
        "this board (provisioned: {hashes}).",
        "Sign with the provisioned key: set `CONFIG_SB_SIGNING_KEY_FILE` to its PEM file. If that "
        f"key is lost, {_REPROVISION}.",
        _wrong_key,
        gentle="Sign with the provisioned key: set `CONFIG_SB_SIGNING_KEY_FILE` to its PEM file, "
        "raise `CONFIG_FW_INFO_FIRMWARE_VERSION`, and send the update again. The board goes on "
        "with the other slot.",
    ),
    Rule(
        "nsib_key_changed",
        "NSIB's signing key is another one: key {number} was {old}, now {new}. A pristine build "
        "makes a new key, and every update signed with it is refused by boards that hold the old.",
        'Fix the key: `CONFIG_SB_SIGNING_KEY_FILE="<absolute path>/nsib_key.pem"` (keep a copy of '
        f"build/zephyr/GENERATED_NON_SECURE_SIGN_KEY_PRIVATE.pem); then {_REPROVISION}.",
        _key_changed,
        gentle='Fix the key: `CONFIG_SB_SIGNING_KEY_FILE="<absolute path>/nsib_key.pem"` (keep a '
        "copy of build/zephyr/GENERATED_NON_SECURE_SIGN_KEY_PRIVATE.pem), and sign updates with "
        "the key that the board shows.",
    ),
    Rule(
        "ext_api_missing",
        "The image asks the bootloader before it for an interface (EXT_API) that it does not have.",
        "Build both stages with the same EXT_API options (`CONFIG_BL_..._EXT_API_ENABLED` where it "
        "is provided, `..._REQUIRED` where it is asked for), and flash them together: merged.hex, "
        "with `west flash --recover` where NSIB has counted the version already.",
        says("nsib_ext_api", "ext_api_missing", "ext_apis_not_provided"),
        gentle="Build both stages with the same EXT_API options (`CONFIG_BL_..._EXT_API_ENABLED` "
        "where it is provided, `..._REQUIRED` where it is asked for), and send the next update "
        "from that build.",
    ),
    Rule(
        "nsib_rollback",
        "NSIB refused firmware version {version}: the monotonic counter is {counter}; the "
        "slot is invalidated.",
        "Raise `CONFIG_FW_INFO_FIRMWARE_VERSION` above {counter} and build again. To go back on a "
        "development kit clear the counter in OTP with `west flash --recover`.",
        says("nsib_below_counter", also=("nsib_invalidated",)),
        gentle="Raise `CONFIG_FW_INFO_FIRMWARE_VERSION` above {counter} and build again.",
    ),
    Rule(
        "nsib_version_not_raised",
        "The new MCUboot was copied, or waits to be, but NSIB keeps {slot} with version {version}: "
        "the update's FW_INFO version is not higher, and a tie goes to S0.",
        "Raise `CONFIG_FW_INFO_FIRMWARE_VERSION` (NSIB compares only that) together with "
        "`CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION`, or: `nrf-fota resign dfu_mcuboot.zip --fw-version "
        "+1 --nsib-key PEM --mcuboot-key PEM --output next.zip`, with the keys that signed it.",
        _version_not_raised,
    ),
    Rule(
        "nsib_second_reset",
        "The new MCUboot is in its slot (S0/S1), but NSIB had chosen before it was copied.",
        "Reset once more: `nrfjprog --pinreset` or `smpmgr ... os reset`. Up to NCS 2.6 a MCUboot "
        "update takes two resets.",
        _second_reset,
    ),
    Rule(
        "nsib_counter_full",
        "All slots of NSIB's monotonic counter are used up (-12): no higher version can be stored.",
        "`west flash --recover` clears OTP on a development kit; provision more slots with "
        "`CONFIG_SB_NUM_VER_COUNTER_SLOTS` (an even number).",
        _counter_full,
        gentle="Provision more slots in the next board with `CONFIG_SB_NUM_VER_COUNTER_SLOTS` (an "
        "even number); until then keep `CONFIG_FW_INFO_FIRMWARE_VERSION` as it is.",
    ),
    Rule(
        "nsib_counter_failed",
        "NSIB could not read or raise its monotonic counter (error {code}).",
        "Provision the board again with `CONFIG_SB_MONOTONIC_COUNTER=y`: "
        "`west flash --recover` and program merged.hex.",
        _counter_failed,
        gentle="Provision the next board with `CONFIG_SB_MONOTONIC_COUNTER=y`; this one goes on "
        "without the counter.",
    ),
    Rule(
        "nsib_signature_damaged",
        "NSIB knows the key that the firmware in {slot} names, but the signature does not fit "
        "(error {code}): the slot's content is damaged or was changed after signing.",
        "Build and sign again, then program or upload the whole file; do not edit a signed image.",
        _signature_damaged,
    ),
    Rule(
        "nsib_signature_unfit",
        "NSIB refused the firmware in {slot}: its signature or hash fits nothing that NSIB accepts "
        "(error {code}). It is signed with a key that the board does not hold, or it was changed "
        "after signing; with keys in the KMU (nRF54L) both give this code.",
        "Compare `CONFIG_SB_SIGNING_KEY_FILE` with the keys that were provisioned (`nrfutil device "
        "x-provision-keys`, `west ncs-provision`), build and sign again, and send the whole file.",
        _signature_unfit,
        asks_for="which keys were provisioned, and the file that was sent (`--package ZIP`)",
    ),
    Rule(
        "nsib_burnt_earlier",
        "The slot's firmware was refused on an earlier boot and invalidated; it can never "
        "boot again.",
        "Program or upload the slot anew, with a higher `CONFIG_FW_INFO_FIRMWARE_VERSION` and the "
        "provisioned key.",
        _burnt_earlier,
    ),
    Rule(
        "nsib_malformed",
        "NSIB finds no usable firmware in the slot: {what}",
        "Program the file that the build signed for this slot (signed_by_b0_s0_image.hex or "
        "..._s1_image.hex), or merged.hex; an unsigned or moved image cannot boot.",
        says("nsib_malformed", also=("nsib_invalidated",)),
    ),
    Rule(
        "nsib_keys_unusable",
        "NSIB's provisioned keys cannot be used, so it refuses every image.",
        "Provision again with keys whose hashes hold no 0xFFFF: `west flash --recover`, then "
        "program merged.hex.",
        says("nsib_key_read_failed", "nsib_bad_key", "nsib_crypto_failed"),
        gentle="Compare the provisioned keys with the build's: `nrfjprog --memrd {first_key} --n "
        "64`. A key's hash must not hold 0xFFFF.",
    ),
    Rule(
        "nsib_protection_failed",
        "A bootloader cannot lock its own flash and stops.",
        "Align the partition to the lock granule (0x4000 on nRF5340, pm_static.yml), and keep it "
        "within what can be locked (62 KB on nRF54L: a larger bootloader needs "
        "`CONFIG_FPROTECT=n`, or must shrink); check that no debugger script has locked the region "
        "before; then program merged.hex.",
        says("nsib_protect_failed", "protect_failed"),
    ),
    Rule(
        "nsib_life_cycle",
        "The board's provisioned life cycle state does not allow NSIB to boot.",
        "Provision the life cycle state again (provision.hex of the build) after "
        "`west flash --recover`.",
        says("nsib_unbootable"),
        gentle="Read the life cycle state that was provisioned, before anything is erased.",
    ),
    Rule(
        "fault_before_nsib_lines",
        "The board crashes right behind the first banner, before NSIB names a slot: S0 holds no "
        "firmware information (fixed in NCS of February 2026).",
        "Program S0 too: flash merged.hex, not the S1 file alone.",
        _fault_before_first_line,
        asks_for="`nrfjprog --memrd {s0_fw_info} --n 64`: S0's fw_info begins with 281EE6DE there",
    ),
    Rule(
        "provisioned_by_another_sdk",
        "NSIB stops between its choice of a slot and verifying it: it panics at a provisioned key "
        "whose word is of another release, as in OTP of a build for NCS 2.6 or before.",
        gentle="Read the provisioned word first: `nrfjprog --memrd {first_key} --n 4`. Only where "
        "it is of another release, OTP has to be cleared by a recover.",
        remedy="Clear OTP and program this build's provisioning data: {recover}, then merged.hex. "
        "OTP outlives every new NSIB that is programmed without a recover.",
        find=_stops_before_verifying,
        asks_for="`nrfjprog --memrd {first_key} --n 4`: NSIB of NCS 2.7 and later wants 50FAFFFF "
        "there, or 50FA0000 for a revoked key",
    ),
    Rule(
        "nsib_nothing_to_start",
        "NSIB found no firmware that it may start; the board stays in NSIB.",
        f"S0 and S1 are both empty or invalidated: {_REPROVISION}.",
        says("nsib_nothing", also=("nsib_no_fw_info", "nsib_invalidated")),
        gentle="Program S0 or S1 again: build/merged.hex, signed with the provisioned key.",
        weight=Weight.CONSEQUENCE,
    ),
    Rule(
        "nsib_burnt_slot",
        "NSIB invalidated the slot it refused: this file can never boot from there again.",
        "Upload or program a corrected file; the invalidated one stays refused even with the right "
        "key.",
        says("nsib_invalidated"),
        weight=Weight.CONSEQUENCE,
    ),
)
