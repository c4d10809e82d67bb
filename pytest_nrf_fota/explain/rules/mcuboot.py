"""What MCUboot refuses, reverts, or cannot find."""

import difflib

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot, Seen, SwapResult
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.image_fault import fault_of_refused_image
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Find, Match, Rule, found, says, shown_of
from pytest_nrf_fota.explain.rules.cut_swap import unless_cut_in_a_swap
from pytest_nrf_fota.explain.upgrade_story import upgrade_story
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown, Weight
from pytest_nrf_fota.verdict.boots import trailers_without_decision
from pytest_nrf_fota.verdict.ending import Ending


def _is_primary(line: Known) -> bool:
    """Whether a line is about the primary slot, also where the UART lost a character of it."""
    near = difflib.get_close_matches(line.text("slot"), ("primary", "secondary"), n=1)
    return near == ["primary"]


def _refused(code: str) -> Find:
    def find(case: Case) -> Match | None:
        shown = _refusal_of_secondary(case)
        faulty = fault_of_refused_image(case) if shown else None
        if faulty is None or faulty.code != code:
            return None
        return Match((*shown, *faulty.shown), faulty.confidence, {"what": faulty.what})

    return find


def _secondary_invalid(case: Case) -> Match | None:
    shown = _refusal_of_secondary(case)
    if not shown or fault_of_refused_image(case) is not None:
        return None
    return Match(shown, Confidence.LIKELY)


def _refusal_of_secondary(case: Case) -> tuple[Shown, ...]:
    lines = [k for k in case.known("image_invalid") if not _is_primary(k)]
    if not lines:
        return ()
    boot = case.boot_of(lines[0])
    decided = [d.seen for d in (boot.mcuboot.decisions if boot and boot.mcuboot else ())]
    wanted = [seen for seen in decided if seen.line_number < lines[0].seen.line_number]
    return shown_of([*wanted[-1:], *lines])


def _primary_invalid(case: Case) -> Match | None:
    lines = [k for k in case.known("image_invalid") if _is_primary(k)]
    lines += case.known("validation_attempt")
    if lines and (_primary_empty(case) or _primary_no_image(case)):
        return None
    if not lines or _later_boot_is_fine(case, lines[-1]):
        return None
    # Which of the three it is, nothing here tells.
    return found(lines, Confidence.LIKELY)


def _no_header(case: Case, *, empty: bool) -> Match | None:
    """What MCUboot says of the header where it starts nothing: flash as erased, or something else.

    Zephyr's simulated and some external flashes read as zeros where nothing was written.
    """
    nothing = case.known("mcuboot_nothing")
    magics = [k for k in case.known("bad_image_magic") if not _later_boot_is_fine(case, k)]
    blank = [k for k in magics if set(k.text("magic").lower()) in ({"f"}, {"0"})]
    other = [k for k in magics if k not in blank]
    if not empty:
        beside = [k for k in nothing if other and case.same_boot(k, other[-1])]
        return found([*other[-2:], *beside[-1:]], Confidence.LIKELY)
    unread = [
        k
        for k in case.known("headers_unreadable")
        if any(case.same_boot(k, last) for last in nothing) and not _later_boot_is_fine(case, k)
    ]
    if other or not (blank or unread):
        return None
    beside = [k for k in nothing if case.same_boot(k, (blank or unread)[-1])]
    return found([*blank[-2:], *unread[-2:], *beside[-1:]], Confidence.LIKELY)


def _primary_empty(case: Case) -> Match | None:
    return _no_header(case, empty=True)


def _primary_no_image(case: Case) -> Match | None:
    return _no_header(case, empty=False)


def _panicked(case: Case) -> Match | None:
    """Where the network core took no update, MCUboot panics because of that."""
    failed = case.known("netcore_failed")
    lines = [
        line
        for line in case.known("mcuboot_panic")
        if not any(case.same_boot(line, other) for other in failed)
    ]
    return found(lines) if lines else None


def _goes_on_behind_panic(case: Case) -> Match | None:
    panics = case.known("mcuboot_panic")
    again = [
        copy
        for copy in case.known("overwrite_start", "overwrite_copy")
        if any(
            case.same_boot(panic, copy) and panic.seen.line_number < copy.seen.line_number
            for panic in panics[:1]
        )
    ]
    return found([panics[0], again[0], *panics[1:]]) if again else None


def _nothing_to_start(case: Case) -> Match | None:
    lines = [*case.known("mcuboot_nothing"), *case.known("bad_image_magic", "headers_unreadable")]
    last = [k for k in lines if k.name == "mcuboot_nothing"] or [
        k for k in lines if k.name == "bad_image_magic"
    ]
    if not last or _later_boot_is_fine(case, last[-1]):
        return None
    # Where the log goes on with another boot, it does not stay there.
    stays = not case.boots_after(last[-1])
    return found(last, Confidence.CERTAIN if stays else Confidence.LIKELY)


def _no_application_yet(case: Case) -> Match | None:
    lines = case.known("mcuboot_nothing")
    if not lines or not _later_boot_is_fine(case, lines[-1]):
        return None
    after = [
        b.mcuboot.jumped or b.mcuboot.decisions[-1].seen
        for b in case.boots_after(lines[-1])
        if b.mcuboot is not None and (b.mcuboot.jumped or b.mcuboot.decisions)
    ]
    return found([lines[-1], *after[-1:]])


def _later_boot_is_fine(case: Case, line: Known) -> bool:
    return any(b.reached_app and not b.faults for b in case.boots_after(line))


def _reverted(case: Case) -> Match | None:
    if upgrade_story(case).ending is not Ending.REVERTED:
        return None
    for boot in reversed(case.boots.boots):
        if boot.mcuboot is None:
            continue
        decided = [d.seen for d in boot.mcuboot.decisions if d.swap_type == "revert"]
        swaps = [
            s.seen
            for s in boot.mcuboot.swaps
            if s.result is SwapResult.REVERTED or s.decided == "revert"
        ]
        if not decided and not swaps:
            continue
        unconfirmed = [
            t.seen
            for t in boot.mcuboot.trailers
            if t.area == "primary" and t.copy_done == 1 and t.image_ok == 3
        ]
        crash = _crash_before(case, boot)
        # Why it was not confirmed comes first.
        weight = Weight.CONSEQUENCE if crash else None
        return found([*crash, *unconfirmed[:1], *decided[:1], *swaps[-1:]], weight=weight)
    return None


def _crash_before(case: Case, boot: Boot) -> list[Seen]:
    """A fault in the boot that the revert follows, or its watchdog: why nothing was confirmed."""
    before = [b for b in case.boots.boots if b.number == boot.number - 1]
    faults = [fault.seen for b in before for fault in b.faults[:1]]
    barks = [
        known.seen
        for known in case.known("reset_cause", "watchdog")
        if (known.text("watchdog") and case.boot_of(known) == boot)
        or (known.name == "watchdog" and case.boot_of(known) in before)
    ]
    return faults or barks[:1]


def _mark_not_seen(case: Case) -> Match | None:
    """The application saw its image pending; MCUboot, on the next boot, did not."""
    queries = [
        q
        for q in case.known("app_swap_type", "swap_type")
        if q.origin is Origin.LOG and case.stage_of(q) is Stage.APP
    ]
    marks = [*queries, *case.known("upgrade_scheduled")]
    if not marks:
        return None
    last = max(marks, key=lambda known: known.seen.line_number)
    if last.name != "upgrade_scheduled" and last.text("swap_type") not in ("test", "perm"):
        return None
    after = case.boots_after(last)
    if not after or after[0].mcuboot is None or after[0].mcuboot.swaps:
        return None
    mcuboot = after[0].mcuboot
    if mcuboot.refusals or any(d.swap_type != "none" for d in mcuboot.decisions):
        return None
    if not mcuboot.decisions or any(r.decision is None for r in mcuboot.rounds):
        return None
    secondary = [t.seen for t in mcuboot.trailers if t.area == "secondary"]
    return found([last, *secondary[:1], mcuboot.decisions[0].seen], Confidence.LIKELY)


def _linked_for_no_pair(case: Case) -> Match | None:
    last = case.boots.last_boot
    pending = [] if last is None else trailers_without_decision(last)
    return found(pending[:1], Confidence.LIKELY)


def _sectors(case: Case) -> Match | None:
    lines = case.known("too_many_sectors")
    if not lines:
        return None
    beside = [k for k in case.known("slots_incompatible") if case.same_boot(k, lines[0])]
    return found([*lines[:2], *beside[:1]], sectors=lines[0].text("sectors"))


def _slots_do_not_fit(case: Case) -> Match | None:
    if case.known("too_many_sectors"):
        return None
    lines = case.known("slots_incompatible")
    return found(lines, what=lines[0].text("what") if lines else "")


def _in_recovery(case: Case) -> Match | None:
    lines = case.known("recovery_entered")
    last = case.boots.last_boot
    # It waits for good where nothing follows; with a time limit it goes on.
    lines += tuple(
        known
        for known in case.known("usb_dfu")
        if known.text("what") == "Waiting for USB DFU"
        and last is not None
        and last.last.line_number == known.seen.line_number
    )
    if not lines or last is None or case.boot_of(lines[-1]) != last or last.reached_app:
        return None
    return found([lines[-1]])


def _sector_layout(case: Case) -> Match | None:
    """A size that the sectors divide is no matter of alignment."""
    lines = case.known("sector_layout")
    if not lines:
        return None
    size, sector = lines[0].number("size", 16), lines[0].number("sector", 16)
    if size is not None and sector and size % sector:
        what = f"its size {size:#x} is no multiple of the sector size {sector:#x}"
        return found(lines, Confidence.LIKELY, what=what)
    what = "MCUboot cannot make out the flash's sectors"
    return found(lines, Confidence.POSSIBLE, what=what)


def _crypto(case: Case) -> Match | None:
    lines = [k for k in case.known("crypto_failed") if case.stage_of(k) is Stage.MCUBOOT]
    return found(lines, Confidence.LIKELY, code=lines[0].text("code") if lines else "")


_REFUSED_AND_ERASED = "MCUboot refused the image in the secondary slot and erased it: "
_SIGN_WITH_ITS_KEY = (
    "Sign with the key that MCUboot was built with (`SB_CONFIG_BOOT_SIGNATURE_KEY_FILE`, up to "
    "NCS 2.6 `CONFIG_BOOT_SIGNATURE_KEY_FILE`) and upload again; "
    "`nrf-fota inspect merged.hex` and `nrf-fota inspect dfu_application.zip` show both keys."
)

RULES = (
    Rule(
        "image_damaged",
        f"{_REFUSED_AND_ERASED}the file is damaged, its hash differs from its content ({{what}}).",
        "Take the file from the build again and upload it: `nrf-fota inspect dfu_application.zip` "
        "must show its hash without WRONG. Whatever changes a signed file damages it.",
        _refused("image_damaged"),
    ),
    Rule(
        "image_not_signed",
        f"{_REFUSED_AND_ERASED}it is not signed ({{what}}).",
        "Send the file that the build signed, dfu_application.zip or app_update.bin, with the "
        "key that MCUboot was built with: `SB_CONFIG_BOOT_SIGNATURE_KEY_FILE`, up to NCS 2.6 "
        "`CONFIG_BOOT_SIGNATURE_KEY_FILE`.",
        _refused("image_not_signed"),
        asks_for="MCUboot's keys: `nrf-fota inspect merged.hex`",
    ),
    Rule(
        "image_carries_whole_key",
        f"{_REFUSED_AND_ERASED}it carries the whole public key ({{what}}), and a MCUboot without "
        "CONFIG_BOOT_HW_KEY looks for the key's hash.",
        "Sign it with the key's hash in it, as imgtool does without `--public-key-format full`.",
        _refused("image_carries_whole_key"),
    ),
    Rule(
        "image_of_another_key",
        f"{_REFUSED_AND_ERASED}it is signed with a key that this MCUboot does not have ({{what}}).",
        _SIGN_WITH_ITS_KEY,
        _refused("image_of_another_key"),
        asks_for="MCUboot's keys: `nrf-fota inspect merged.hex`",
    ),
    Rule(
        "image_damaged_on_the_way",
        f"{_REFUSED_AND_ERASED}{{what}} is right, this MCUboot accepted it in the preflight, so it "
        f"was "
        "damaged on its way or in the flash.",
        "Erase slot 1 (`smpmgr ... image erase 1`) and upload again; if it comes again, check the "
        "flash that holds the slot, and what else writes to it.",
        _refused("image_damaged_on_the_way"),
    ),
    Rule(
        "secondary_image_invalid",
        f"{_REFUSED_AND_ERASED}it is not signed with the key in this MCUboot, or the file is "
        "damaged or cut.",
        f"Look for WRONG in `nrf-fota inspect dfu_application.zip`: such a file is damaged. "
        f"{_SIGN_WITH_ITS_KEY}",
        unless_cut_in_a_swap(_secondary_invalid),
        asks_for="the package: `--package dfu_application.zip`",
    ),
    Rule(
        "primary_image_invalid",
        "The image in the primary slot is not valid: unsigned, signed with another key, or "
        "damaged.",
        "Flash build/merged.hex (or zephyr/app_signed.hex, never zephyr.hex), built with the key "
        "of the MCUboot on the board: `west flash`.",
        unless_cut_in_a_swap(_primary_invalid),
    ),
    Rule(
        "primary_slot_empty",
        "The primary slot is empty: MCUboot finds no image header where the application should be.",
        "Flash the signed application (build/merged.hex or zephyr/app_signed.hex) to the slot that "
        "this MCUboot was built for; compare partitions.yml of both.",
        unless_cut_in_a_swap(_primary_empty),
    ),
    Rule(
        "primary_not_an_image",
        "What lies in the primary slot is no MCUboot image: it has no header, as an application "
        "that was not signed or lies at another address.",
        "Flash build/merged.hex or zephyr/app_signed.hex, never zephyr.hex, built for the slots of "
        "this MCUboot (partitions.yml).",
        unless_cut_in_a_swap(_primary_no_image),
    ),
    Rule(
        "too_few_sectors",
        "MCUboot cannot read the slots' sectors (limit {sectors}), so no upgrade is possible: the "
        "limit is too low, or MCUboot has no driver for the flash that holds the slot.",
        "For a slot in external flash enable its driver in the MCUboot image "
        "(`CONFIG_NORDIC_QSPI_NOR=y`, `CONFIG_BOOT_MAX_IMG_SECTORS=256` or 512 in "
        "child_image/mcuboot.conf or sysbuild/mcuboot.conf), with the application's partitions.",
        _sectors,
    ),
    Rule(
        "slots_do_not_fit",
        "The two slots do not fit each other ({what}), so MCUboot upgrades nothing.",
        "Give both slots the same size and sector layout (pm_static.yml), and upload a network "
        "core image as image 1, not as image 0: `image_index` in the manifest.",
        _slots_do_not_fit,
    ),
    Rule(
        "no_room_to_swap",
        "The image leaves no free sector that swap using move needs; it stays pending, and erase "
        "is always answered with rc 6.",
        "Make the image smaller by at least one page (4 KiB) plus the trailer, and erase the "
        "secondary slot from outside: `nrfjprog --qspieraseall` or `{erase_flash}`.",
        unless_cut_in_a_swap(says("no_room", also=("no_room_bytes",))),
        gentle="Make the image smaller by at least one page (4 KiB) plus the trailer. The old one "
        "stays pending until its slot, and nothing else, is erased from outside.",
    ),
    Rule(
        "secondary_flash_missing",
        "MCUboot has no driver for the flash of a slot, or it does not answer.",
        "Enable it in the MCUboot image: `CONFIG_NORDIC_QSPI_NOR=y` (or `CONFIG_SPI_NOR=y`) and "
        "`CONFIG_FLASH=y` in child_image/mcuboot.conf or sysbuild/mcuboot.conf, and "
        "`chosen { nordic,pm-ext-flash = {flash_node}; };` in its overlay.",
        says(
            *("area_not_opened", "scratch_not_opened", "secondary_unreachable"),
            confidence=Confidence.LIKELY,
        ),
    ),
    Rule(
        "mark_not_seen",
        "The application set the image pending, but MCUboot saw nothing pending: the two look for "
        "the secondary slot in different places.",
        "Build both with the same partitions: pm_static.yml for the parent and MCUboot, and "
        "`chosen { nordic,pm-ext-flash = {flash_node}; };` in both overlays; compare "
        "partitions.yml.",
        _mark_not_seen,
    ),
    Rule(
        "linked_for_no_image_pair",
        "MCUboot saw a pending image and decided nothing about it: its code is linked for no slot "
        "that this MCUboot updates.",
        "For an update of MCUboot itself the one on the board has to be built for two images: "
        "`CONFIG_UPDATEABLE_IMAGE_NUMBER=2`, which sdk-nrf sets (subsys/bootloader/image/"
        "multi_image_mcuboot.conf) unless child_image/mcuboot.conf says otherwise; a board without "
        "it needs a probe once. An application has to be linked for this layout's primary slot.",
        _linked_for_no_pair,
    ),
    Rule(
        "not_confirmed",
        "The new image ran once as a test, was not confirmed, and the next reset reverted it.",
        "Confirm before the next reset: `boot_write_img_confirmed()` in the application once it "
        "works, or `smpmgr ... image state-write --confirm` / `mcumgr image confirm` / the phone's "
        'mode "Confirm only".',
        unless_cut_in_a_swap(_reverted),
    ),
    Rule(
        "downgrade_prevented",
        "Downgrade prevention: the update's version or security counter is lower than that of the "
        "running image, so MCUboot erased it.",
        "Raise `CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION` (or the security counter, "
        "`imgtool sign --security-counter`) above the running one, or build MCUboot without "
        "`CONFIG_MCUBOOT_DOWNGRADE_PREVENTION`.",
        says("downgrade", "insufficient_version"),
    ),
    Rule(
        "security_counter_failed",
        "The image was taken, but its security counter could not be stored.",
        "Check the counter's provisioned slots (`CONFIG_SB_NUM_VER_COUNTER_SLOTS`, "
        "`CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION_COUNTER_SLOTS`); when all are used a development "
        "kit needs `west flash --recover`.",
        says("security_counter_failed"),
        gentle="Check the counter's provisioned slots (`CONFIG_SB_NUM_VER_COUNTER_SLOTS`, "
        "`CONFIG_MCUBOOT_HW_DOWNGRADE_PREVENTION_COUNTER_SLOTS`); the image runs all the same.",
    ),
    Rule(
        "wrong_upload_address",
        "Swap using offset wants the update one sector into the slot; it was uploaded to the "
        "start.",
        "Build the application and MCUboot with the same mode (`SB_CONFIG_MCUBOOT_MODE_SWAP_USING_"
        "OFFSET`) and upload again.",
        says("wrong_upload_address", confidence=Confidence.LIKELY),
    ),
    Rule(
        "partition_does_not_fit_flash",
        "A slot's partition does not fit the flash that it lies in: {what}.",
        "Align address and size of the slots to the flash's erase size (pm_static.yml), and see "
        "that the driver knows its pages: `CONFIG_FLASH_PAGE_LAYOUT=y`, and "
        "`CONFIG_SPI_NOR_FLASH_LAYOUT_PAGE_SIZE=4096` for external flash.",
        _sector_layout,
    ),
    Rule(
        "load_failed",
        "MCUboot loaded no image: no slot holds one that it may load, or it does not fit its RAM.",
        "Check load address and size of the image (`imgtool dumpinfo`), and flash a signed image.",
        says("no_slot_to_load", "ram_load_failed"),
    ),
    Rule(
        "decompression_failed",
        "A compressed update cannot be unpacked.",
        "Build the update with the compression that the board's MCUboot supports "
        "(`SB_CONFIG_MCUBOOT_COMPRESSED_IMAGE_SUPPORT`), or send the uncompressed image.",
        says("decompression_failed"),
    ),
    Rule(
        "bootloader_crypto_failed",
        "MCUboot's cryptography failed (error {code}): the key's type or the crypto driver does "
        "not fit the image.",
        "Build image and MCUboot with the same signature type "
        "(`SB_CONFIG_BOOT_SIGNATURE_TYPE_...`), and flash both from one build.",
        _crypto,
    ),
    Rule(
        "swap_status_damaged",
        "The swap status in the trailer is damaged or could not be written.",
        "Erase both slots' trailers by flashing merged.hex with `west flash --recover` and "
        "`nrfjprog --qspieraseall`; check the flash if it comes again.",
        says("inconsistent_status", "status_unreadable"),
        gentle="Let the board boot once more and read the lines of that boot; if they come again, "
        "check the flash that holds the trailer, and upload the update anew.",
    ),
    Rule(
        "bootloader_panicked",
        "MCUboot met a state that it cannot handle and stopped.",
        "Flash merged.hex with `west flash --recover`, erase the external flash "
        "(`nrfjprog --qspieraseall`), and keep this log for a report.",
        _panicked,
        gentle="Keep this log for a report, reset the board once, and read what MCUboot says then.",
    ),
    Rule(
        "panic_does_not_stop",
        "MCUboot goes on behind `panic!` and copies the image again and again, which wears the "
        "flash: without CONFIG_ASSERT picolibc's assert returns (Zephyr issue 84824).",
        "Hold the board or switch it off, then flash merged.hex with `west flash --recover`. Build "
        "MCUboot with CONFIG_ASSERT=y, or on a Zephyr that has pull request 84827.",
        _goes_on_behind_panic,
        weight=Weight.CONSEQUENCE,
    ),
    Rule(
        "in_serial_recovery",
        "MCUboot waits for an image in serial recovery or USB DFU and starts no application.",
        "Release the button or pin that enters it, or send an image: `mcumgr --conntype serial "
        "--connstring dev=/dev/ttyACM0 image upload app.bin`; then reset.",
        _in_recovery,
    ),
    Rule(
        "nothing_to_start",
        "MCUboot found no image that it may start; the board stays in MCUboot.",
        "Flash a signed application: `west flash` with build/merged.hex.",
        _nothing_to_start,
        weight=Weight.CONSEQUENCE,
    ),
    Rule(
        "no_application_yet",
        "On an earlier boot there was no application yet; a later one starts it.",
        "Nothing to do: that is how a board looks between flashing MCUboot and the application.",
        _no_application_yet,
        weight=Weight.NOTE,
    ),
)
