"""Updates of MCUboot itself, through the secondary slot that it shares with the application."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.client_side import ClientStep, Operation, Problem
from pytest_nrf_fota.bootlog.report import Boot, ImageRound, Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Match, Rule, found, says
from pytest_nrf_fota.explain.rules.cut_swap import unless_cut_in_a_swap
from pytest_nrf_fota.explain.upgrade_story import (
    last_query_before,
    signs_of_an_attempt,
    upgrade_story,
)
from pytest_nrf_fota.findings.finding import Confidence, Weight
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.verdict.boots import copies_for_nsib
from pytest_nrf_fota.verdict.ending import Ending

# An S0/S1 slot of NCS 2.3 with its pad, rounded up to a page; newer layouts have 80 KiB.
# Applications with an SMP server over Bluetooth are larger.
_LARGEST_S_IMAGE_BYTES = 0x14000
# The first packet of an upload asks for the swap type twice (Zephyr img_mgmt.c).
_PAIR_WITHIN_S = 0.005
_UPLOAD_TAKES_S = 1.0
_ERASE_WITHIN_S = 10.0
_NOT_DONE = (Ending.NOT_PENDING, Ending.NOT_MARKED, Ending.UPLOADED, Ending.NOT_TAKEN)


def _is_s_sized(erase: Known) -> bool:
    size_bytes = erase.number("size", 16)
    return size_bytes is not None and 0 < size_bytes <= _LARGEST_S_IMAGE_BYTES


def _query_pairs(queries: Sequence[Known]) -> list[tuple[Known, Known]]:
    pairs: list[tuple[Known, Known]] = []
    place = 0
    while place + 1 < len(queries):
        one, two = queries[place], queries[place + 1]
        first, second = one.seen.uptime_s, two.seen.uptime_s
        if first is not None and second is not None and 0 <= second - first <= _PAIR_WITHIN_S:
            pairs.append((one, two))
            place += 2
        else:
            place += 1
    return pairs


def _uploads_in_log(case: Case, erase: Known) -> list[Known]:
    """The query pairs of two uploads: one into an empty slot, then the one that erased it."""
    boot = case.boot_of(erase)
    queries = [
        q
        for q in case.known("app_swap_type")
        if case.boot_of(q) == boot and q.seen.line_number < erase.seen.line_number
    ]
    pairs = _query_pairs(queries)
    erased_at = erase.seen.uptime_s
    if len(pairs) < 2 or erased_at is None:
        return []
    second = pairs[-1]
    started_at = second[0].seen.uptime_s or 0.0
    if erased_at - started_at > _ERASE_WITHIN_S:
        return []
    earlier = [
        pair
        for pair in pairs[:-1]
        if started_at - (pair[0].seen.uptime_s or 0.0) >= _UPLOAD_TAKES_S
    ]
    return [*earlier[-1], *second] if earlier else []


def _both_files(case: Case) -> Match | None:
    return _both_files_by_client(case) or _both_files_by_log(case)


def _both_files_by_client(case: Case) -> Match | None:
    uploads: list[ClientStep] = []
    for step in case.client.steps:
        if step.operation is Operation.RESET and len(_distinct(uploads)) < 2:
            uploads = []
        elif step.operation is Operation.UPLOAD:
            uploads.append(step)
    different = _distinct(uploads)
    if len(different) < 2 or len({step.image or 0 for step in different}) > 1:
        return None
    refused = [
        step
        for step in case.client.failed(Problem.INVALID, Problem.HASH_NOT_FOUND)
        if step.operation in (Operation.TEST, Operation.CONFIRM)
    ]
    bootloaders = case.has_nsib or _is_bootloader_package(case)
    if not (bootloaders or refused) or upgrade_story(case).ending in (
        Ending.UPGRADED,
        Ending.TESTED,
        Ending.ON_TRIAL,
        Ending.REVERTED,
    ):
        return None
    lines: list[Seen] = [step.seen for step in different]
    lines += [step.problem_seen or step.seen for step in refused]
    confidence = Confidence.CERTAIN if refused else Confidence.LIKELY
    return found(
        lines,
        confidence,
        origin=case.client_origin,
        uploads=len(different),
        wanted=_wanted_file(case),
    )


def _distinct(uploads: Sequence[ClientStep]) -> list[ClientStep]:
    """Uploads of different files, as far as names, hashes and sizes tell."""
    kept: dict[tuple[object, ...], ClientStep] = {}
    for step in uploads:
        kept.setdefault((step.file or step.hash or step.seen.line_number,), step)
    return list(kept.values())


def _is_bootloader_package(case: Case) -> bool:
    return case.sent_package is not None and case.sent_package.kind is PackageKind.MCUBOOT


def _both_files_by_log(case: Case) -> Match | None:
    erases = [e for e in case.known("erased_slot") if _is_s_sized(e)]
    if not erases or not (case.has_nsib or _is_bootloader_package(case)):
        return None
    if upgrade_story(case).ending not in _NOT_DONE:
        return None
    erase = erases[-1]
    uploads = _uploads_in_log(case, erase)
    trailer_erase = [
        t for t in case.known("erased_trailer") if t.seen.line_number > erase.seen.line_number
    ]
    after = [_boot_without_mark(boot) for boot in case.boots_after(erase)[:1]]
    lines: list[Known | Seen] = [
        *uploads,
        erase,
        *trailer_erase[:1],
        *(seen for seen in after if seen is not None),
    ]
    confidence = Confidence.LIKELY if uploads else Confidence.POSSIBLE
    return found(
        lines,
        confidence,
        uploads="two" if uploads else "at least one, probably two",
        wanted=_wanted_file(case),
    )


def _wanted_file(case: Case) -> str:
    """Which file of dfu_mcuboot.zip fits, by the slot that NSIB starts."""
    names = {
        0: "S0 runs here, so the s1 file: signed_by_mcuboot_and_b0_s1_image_update.bin",
        1: "S1 runs here, so the s0 file: signed_by_mcuboot_and_b0_s0_image_update.bin",
    }
    booted = [b.nsib.booted for b in case.boots.boots if b.nsib is not None and b.nsib.booted]
    slot = booted[-1].slot if booted and booted[-1] is not None else None
    if slot in names:
        return names[slot]
    return "`Attempting to boot slot 0.` -> the s1 file, and the other way round"


def _boot_without_mark(boot: Boot) -> Seen | None:
    for trailer in boot.mcuboot.trailers if boot.mcuboot is not None else ():
        if trailer.area == "secondary" and trailer.magic == "unset":
            return trailer.seen
    booted = boot.nsib.booted if boot.nsib is not None else None
    return booted.seen if booted is not None else None


def _silent_rounds(boot: Boot) -> list[ImageRound]:
    """The application's image pair without a decision, before one that was decided as none.

    The other way round - MCUboot's own pair without a decision - an application lies in the
    secondary slot, as after every swap.
    """
    if boot.mcuboot is None or boot.mcuboot.swaps or len(boot.mcuboot.rounds) < 2:
        return []
    first, *others = boot.mcuboot.rounds
    if first.decision is not None or first.is_resume or not first.trailers:
        return []
    decided = [r.decision for r in others if r.decision is not None]
    if not decided or any(d.swap_type != "none" or d.image == 0 for d in decided):
        return []
    return [first]


def _s_image_waits(case: Case) -> Match | None:
    for boot in case.boots.boots:
        silent = _silent_rounds(boot)
        if not silent or boot.mcuboot is None or boot.nsib is None:
            continue
        decided = [d.seen for d in boot.mcuboot.decisions]
        usual = any(
            b.mcuboot is not None and len(b.mcuboot.decisions) > len(boot.mcuboot.decisions)
            for b in case.boots.boots
        )
        lines = [*(t.seen for t in silent[0].trailers), *decided]
        confidence = Confidence.CERTAIN if usual else Confidence.LIKELY
        return found(lines, confidence, sign="MCUboot prints no `Swap type` for image 0 then")
    return _s_image_uploaded(case)


def _s_image_uploaded(case: Case) -> Match | None:
    """Without MCUboot's lines: what was uploaded on a board with NSIB has the size of MCUboot."""
    erases = [e for e in case.known("erased_slot") if _is_s_sized(e)]
    silent = not any(b.mcuboot and b.mcuboot.trailers for b in case.boots.boots)
    if not erases or not case.has_nsib or not silent:
        return None
    if upgrade_story(case).ending not in _NOT_DONE:
        return None
    after = [_boot_without_mark(boot) for boot in case.boots_after(erases[-1])[:1]]
    lines: list[Known | Seen] = [erases[-1], *(s for s in after if s is not None)]
    return found(lines, Confidence.LIKELY, sign="what was erased for the upload has its size")


def _nothing_pending(case: Case) -> Match | None:
    """An upload, and then a boot in which MCUboot had nothing to do."""
    story = upgrade_story(case)
    if story.ending is not Ending.NOT_PENDING or not story.shown:
        return None
    uploads = signs_of_an_attempt(case)
    after = case.boots_after(uploads[-1]) if uploads else ()
    asked = last_query_before(case, after[0]) if after else None
    if asked is not None and asked.text("swap_type") in ("test", "perm"):
        # It was marked; that MCUboot did not see it is another cause.
        return None
    # Only MCUboot's own word is about the reset itself.
    decided = after and after[0].mcuboot is not None and after[0].mcuboot.decisions
    return Match(story.shown, Confidence.CERTAIN if decided else Confidence.LIKELY)


def _stale_external_flash(case: Case) -> Match | None:
    if upgrade_story(case).ending not in _NOT_DONE:
        return None
    # What an upload erased is gone; only what is still there can disturb.
    lay_there: list[Known | Seen] = [e for e in case.known("erased_slot") if _is_s_sized(e)]
    if not case.has_nsib and not _is_bootloader_package(case):
        lay_there = []
    lay_there += [
        t.seen
        for boot in case.boots.boots[-1:]
        for t in (boot.mcuboot.trailers if boot.mcuboot is not None else ())
        if t.area == "secondary" and t.magic == "bad"
    ]
    lay_there += [r.trailers[-1].seen for boot in case.boots.boots for r in _silent_rounds(boot)]
    recovered = case.known("probe_recover_command")
    if not lay_there:
        return None
    return found(
        [*recovered[:1], *lay_there], Confidence.LIKELY if recovered else Confidence.POSSIBLE
    )


def _bricked_after_clean_up(case: Case) -> Match | None:
    """The secondary slot was cleaned up behind an S update, and no boot reaches MCUboot since."""
    cleaned = case.known("cleaned_up")
    copies = copies_for_nsib(case.boots.boots)
    if not cleaned or not copies:
        return None
    after = case.boots_after(cleaned[-1])
    dead = [b for b in after if not b.reached_app and b.mcuboot is None and b.nsib is not None]
    if not after or len(dead) != len(after):
        return None
    return found(
        [copies[-1][1].seen, cleaned[-1], dead[-1].first, dead[-1].last], Confidence.LIKELY
    )


def _cleaned_up(case: Case) -> Match | None:
    if copies_for_nsib(case.boots.boots):
        return None
    return says("cleaned_up", "clean_up_failed")(case)


def _wrong_s_file(case: Case) -> Match | None:
    lines = case.known("wrong_s_image")
    if lines:
        attempts = [a.seen for b in case.boots.boots if b.nsib for a in b.nsib.attempts[-1:]]
        return found([*attempts[-1:], *lines])
    return None


def _taken_for_network_core(case: Case) -> Match | None:
    """Beside NSIB image 1 is MCUboot, unless the network core has image slots of its own."""
    for line in case.known("wrong_reset_address"):
        boot = case.boot_of(line)
        if boot is None or boot.nsib is None or boot.mcuboot is None:
            continue
        before = [d for d in boot.mcuboot.decisions if d.seen.line_number < line.seen.line_number]
        if [decision.image for decision in before[-1:]] == [1]:
            return found([before[-1].seen, line], Confidence.LIKELY)
    return None


def _wrong_address(case: Case) -> Match | None:
    lines = ("wrong_reset_address", "image_wrong_offset")
    if _taken_for_network_core(case) is not None:
        return None
    return says(*lines, also=("erases_secondary", "cleaned_up"))(case)


RULES = (
    Rule(
        "nothing_pending",
        "Nothing was pending at the reset: an upload went into the secondary slot, but no image "
        "was set pending, so MCUboot had nothing to do.",
        "After the upload set the image pending by the hash that the list shows, check "
        "`pending: true`, and only then reset: `smpmgr ... image state-write HASH`, `mcumgr image "
        "test HASH`.",
        _nothing_pending,
        weight=Weight.CONSEQUENCE,
        asks_for="the client's log from upload to reset (`--smp LOG`): its answer to test or "
        "confirm shows why nothing was set pending",
    ),
    Rule(
        "both_s_files_uploaded",
        "Both files of dfu_mcuboot.zip went into the one secondary slot ({uploads} uploads): the "
        "second erased the first, and setting the first one's hash pending is refused (rc 3).",
        "Upload only the file for the MCUboot slot (S0/S1) that does not run ({wanted}), then set "
        "it pending by its own hash.",
        _both_files,
        asks_for="the client's log (`--smp LOG`) and the package (`--package dfu_mcuboot.zip`)",
    ),
    Rule(
        "wrong_s_file",
        "The file for the MCUboot slot (S0/S1) that is running was uploaded; MCUboot refuses it.",
        "Upload the other file of dfu_mcuboot.zip: NSIB's line `Attempting to boot slot N.` names "
        "the slot that runs.",
        _wrong_s_file,
    ),
    Rule(
        "mcuboot_taken_for_network_core",
        "This MCUboot refuses every update of itself: it overwrites, was built beside firmware for "
        "the network core, and looks for the code of image 1 in that core's flash (NCS up to 2.7).",
        "Build MCUboot with `CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS=n`, or with swap using move "
        "(`CONFIG_BOOT_SWAP_USING_MOVE=y`), and program it once by a probe.",
        _taken_for_network_core,
    ),
    Rule(
        "wrong_load_address",
        "The image in the secondary slot is linked for another address than the slot it is meant "
        "for, so MCUboot erased it.",
        "Build with the partitions of the bootloader that is on the board (partitions.yml, "
        "pm_static.yml), and send the file for the right image index and slot (S0/S1).",
        _wrong_address,
    ),
    Rule(
        "s_image_in_secondary",
        "An image for S0 or S1 (MCUboot itself) is in the secondary slot: {sign}. It is not "
        "pending, so it does nothing.",
        "Normal until a MCUboot update is set pending. Otherwise erase the update slot: "
        "`smpmgr ... image erase 1`.",
        unless_cut_in_a_swap(_s_image_waits),
        weight=Weight.CONSEQUENCE,
    ),
    Rule(
        "secondary_cleaned_up",
        "MCUboot erased the image in the secondary slot: it fits neither slot of this board.",
        "Send the file for the MCUboot slot (S0/S1) that does not run, or the application built "
        "for this partition layout.",
        _cleaned_up,
    ),
    Rule(
        "bricked_by_clean_up",
        "No boot reaches MCUboot since it cleaned up behind an update of itself: a known bug of "
        "builds that mix parent and child images erases the wrong slot.",
        "Recover with `west flash --recover`, and update the SDK to one with the fixes "
        "sdk-mcuboot 300 and 338 before the next MCUboot update.",
        _bricked_after_clean_up,
    ),
    Rule(
        "stale_external_flash",
        "The update slot holds old content: `west flash --recover` does not clear external flash, "
        "and it can disturb the next update.",
        "Erase the update slot: `smpmgr ... image erase 1`. If that is refused, `{erase_flash}` in "
        "the shell erases the whole external flash, with all that lies in it (a chip erase takes "
        "52 s and more).",
        unless_cut_in_a_swap(_stale_external_flash),
        weight=Weight.ADVICE,
    ),
)
