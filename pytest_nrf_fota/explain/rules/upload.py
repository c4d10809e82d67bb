"""What goes wrong between a client and the SMP server: uploads, setting pending, connections."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.client_side import ClientStep, Operation, Problem
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found, says
from pytest_nrf_fota.explain.rules.cut_swap import unless_cut_in_a_swap
from pytest_nrf_fota.explain.rules.lost_upload import RULES as LOST_UPLOAD_RULES
from pytest_nrf_fota.explain.rules.lost_upload import lost_uploads
from pytest_nrf_fota.explain.upgrade_story import upgrade_story
from pytest_nrf_fota.findings.finding import Confidence, Origin, Weight
from pytest_nrf_fota.verdict.ending import Ending

_MARKS = (Operation.TEST, Operation.CONFIRM)


def _failed(case: Case, problem: Problem, *operations: Operation) -> list[ClientStep]:
    return [s for s in case.client.failed(problem) if not operations or s.operation in operations]


def _lines(steps: Sequence[ClientStep]) -> list[Seen]:
    """Request and answer of each step."""
    lines: list[Seen] = []
    for step in steps:
        lines.append(step.seen)
        if step.problem_seen is not None:
            lines.append(step.problem_seen)
    return list(dict.fromkeys(lines))


def _by_steps(case: Case, steps: Sequence[ClientStep], confidence: Confidence) -> Match | None:
    return found(_lines(steps), confidence, origin=case.client_origin)


def _hash_not_found(case: Case) -> Match | None:
    named = _failed(case, Problem.HASH_NOT_FOUND)
    if named:
        return _by_steps(case, named, Confidence.CERTAIN)
    invalid = _failed(case, Problem.INVALID, *_MARKS)
    if invalid:
        return _by_steps(case, invalid, Confidence.LIKELY)
    return _by_steps(case, _failed(case, Problem.INVALID, Operation.UNKNOWN), Confidence.POSSIBLE)


def _header_refused(case: Case) -> Match | None:
    """The header is in the first packet: what got further is refused for something else."""
    first = [s for s in _failed(case, Problem.INVALID, Operation.UPLOAD) if not s.offset]
    return _by_steps(case, first, Confidence.LIKELY)


_NOT_REFUSED = (Problem.TIMEOUT, Problem.DISCONNECTED, Problem.BROKEN_OFF, Problem.NEEDS_PAIRING)


def _refused_later(case: Case, *, at_end: bool) -> Match | None:
    """An upload that the server refused when a part of it was there."""
    steps = [
        step
        for step in case.client.steps_of(Operation.UPLOAD)
        if step.problem not in (None, *_NOT_REFUSED, Problem.OFFSET, Problem.NO_MEMORY)
        and step.offset
        and step.got_far is at_end
        and not _succeeded_later(case, step)
    ]
    if not steps:
        return None
    step = steps[-1]
    code = "" if step.code is None else f"rc {step.code}, "
    done = f"{code}at {100 * (step.offset or 0) // (step.size_bytes or 1)} %"
    return found(_lines([step]), Confidence.POSSIBLE, origin=case.client_origin, place=done)


def _refused_midway(case: Case) -> Match | None:
    return _refused_later(case, at_end=False)


def _refused_at_end(case: Case) -> Match | None:
    return _refused_later(case, at_end=True)


def _no_memory(case: Case) -> Match | None:
    steps = case.client.failed(Problem.NO_MEMORY)
    named = [s for s in steps if s.operation is not Operation.UNKNOWN]
    return _by_steps(case, steps, Confidence.LIKELY if named else Confidence.POSSIBLE)


def _file_refused(case: Case) -> Match | None:
    steps = case.client.failed(Problem.FILE_REFUSED)
    said = steps[-1].problem_seen if steps else None
    text = said.text.strip() if said is not None else ""
    return found(_lines(steps), origin=case.client_origin, said=text)


def _needs_pairing(case: Case) -> Match | None:
    steps = case.client.failed(Problem.NEEDS_PAIRING)
    if steps:
        return _by_steps(case, steps, Confidence.LIKELY)
    lines = case.known("client_needs_pairing")
    hang = [
        s
        for s in _failed(case, Problem.TIMEOUT, Operation.CONNECT)
        if not _succeeded_later(case, s)
    ]
    if lines:
        # In a board's log it may be another connection's.
        by_client = all(case.boot_of(line) is None for line in lines)
        boot = case.boot_of(lines[-1])
        by_new_image = boot is not None and bool(boot.swaps)
        sure = by_client or by_new_image
        return found(lines, Confidence.LIKELY if sure else Confidence.POSSIBLE)
    return _by_steps(case, hang, Confidence.POSSIBLE)


def _succeeded_later(case: Case, failed: ClientStep) -> bool:
    return any(
        step.seen.line_number > failed.seen.line_number
        and step.problem is None
        and step.operation not in (Operation.CONNECT, Operation.UNKNOWN)
        for step in case.client.steps
    )


def _zip_not_supported(case: Case) -> Match | None:
    steps = [
        s
        for s in case.client.failed(Problem.NOT_SUPPORTED)
        if s.operation is not Operation.PARAMETERS
    ]
    if not steps:
        return None
    about_zip = any("zip" in (s.file or "") or "zip" in s.seen.text for s in steps)
    return _by_steps(case, steps, Confidence.LIKELY if about_zip else Confidence.POSSIBLE)


def _parameters_not_supported(case: Case) -> Match | None:
    steps = _failed(case, Problem.NOT_SUPPORTED, Operation.PARAMETERS)
    return _by_steps(case, steps, Confidence.CERTAIN)


def _slot_in_use(case: Case) -> Match | None:
    steps = [
        *_failed(case, Problem.BAD_STATE),
        *_failed(case, Problem.ALREADY_PENDING),
    ]
    waiting = [i.seen for i in case.listed if not i.active and (i.pending or i.confirmed)]
    named = [s for s in steps if s.operation is not Operation.UNKNOWN]
    sure = Confidence.CERTAIN if waiting else Confidence.LIKELY
    return found(
        [*_lines(steps), *(waiting if steps else ())],
        sure if named else Confidence.POSSIBLE,
        origin=case.client_origin,
    )


def _no_free_slot(case: Case) -> Match | None:
    lines = [k for k in case.known("upload_refused") if k.number("code") in (5, 9)]
    named = _failed(case, Problem.NO_FREE_SLOT)
    first = [s for s in _failed(case, Problem.NO_ENTRY, Operation.UPLOAD) if not s.offset]
    if lines:
        return found(lines)
    return _by_steps(case, [*named, *first], Confidence.CERTAIN if named else Confidence.LIKELY)


def _upload_refused(case: Case) -> Match | None:
    lines = [k for k in case.known("upload_refused") if k.number("code") not in (5, 9, 6, 27)]
    return found(lines, code=lines[0].text("code") if lines else "")


def _not_newer(case: Case) -> Match | None:
    lines = [k for k in case.known("upload_refused") if k.number("code") in (6, 27)]
    steps = _failed(case, Problem.CURRENT_IS_NEWER)
    # 6 is also "bad state": an image is pending.
    plain = [k for k in lines if k.number("code") == 27]
    return found(lines, Confidence.CERTAIN if plain else Confidence.LIKELY) or _by_steps(
        case, steps, Confidence.CERTAIN
    )


def _stalls_at_end(case: Case) -> Match | None:
    bad_offsets = case.known("slot_bad_offset")
    if bad_offsets:
        return found(bad_offsets, Confidence.LIKELY)
    stalled = [
        s
        for s in case.client.steps_of(Operation.UPLOAD)
        if s.got_far
        and s.offset != s.size_bytes
        and s.problem in (Problem.TIMEOUT, Problem.DISCONNECTED, Problem.OTHER)
        and s.board_booted is None
    ]
    # A link that broke says so; it may break anywhere.
    lost = any(step in lost_uploads(case) for step in stalled)
    return _by_steps(case, stalled, Confidence.POSSIBLE if lost else Confidence.LIKELY)


def _stalls_at_start(case: Case) -> Match | None:
    """The server erases the whole slot before it answers the first packet."""
    stalled = [
        s
        for s in case.client.steps_of(Operation.UPLOAD, Operation.ERASE)
        if not s.got_far
        and s.problem in (Problem.TIMEOUT, Problem.DISCONNECTED)
        and s not in lost_uploads(case)
        and s.board_booted is None
    ]
    if case.known("smp_fragment_dropped"):
        return None
    return found(
        _lines(stalled),
        Confidence.LIKELY if case.known("erased_slot") else Confidence.POSSIBLE,
        origin=case.client_origin,
    )


def _fragment_dropped(case: Case) -> Match | None:
    lines = case.known("smp_fragment_dropped")
    return found(lines, kind=lines[0].text("kind").lower() if lines else "")


def _resumed_wrongly(case: Case) -> Match | None:
    said = case.client.failed(Problem.OFFSET)
    if said:
        return _by_steps(case, said, Confidence.LIKELY)
    erased = False
    for step in case.client.steps:
        if step.operation is Operation.ERASE and step.problem is None:
            erased = True
        elif step.operation is Operation.UPLOAD and step.first_offset is not None:
            # The first packet holds some hundred bytes; more were there before.
            if erased and step.first_offset > 8192:
                return _by_steps(case, [step], Confidence.LIKELY)
            erased = False
    return None


def _write_failed(case: Case) -> Match | None:
    lines = case.known("upload_write_failed")
    steps = _failed(case, Problem.FLASH_FAILED)
    if lines:
        return found(lines, Confidence.LIKELY, code=lines[0].text("code"))
    code = str(steps[0].code) if steps and steps[0].code is not None else "no code"
    return found(_lines(steps), Confidence.LIKELY, origin=case.client_origin, code=code)


def _mark_refused(case: Case) -> Match | None:
    steps = _failed(case, Problem.OTHER, *_MARKS)
    if not steps or case.known("mark_failed"):
        return None
    code = "no code" if steps[0].code is None else f"rc {steps[0].code}"
    return found(_lines(steps), Confidence.LIKELY, origin=case.client_origin, code=code)


def _confirm_ignored(case: Case) -> Match | None:
    """A confirm while another image was pending: the server says yes and writes nothing."""
    pending: ClientStep | None = None
    for step in case.client.steps:
        match step.operation:
            case Operation.TEST if step.problem is None:
                pending = step
            case Operation.RESET | Operation.ERASE | Operation.UPLOAD:
                pending = None
            case Operation.CONFIRM if step.problem is None:
                waits = bool(step.pending_was) and step.hash not in step.pending_was
                of_another = pending is not None and (
                    step.hash is None or step.hash != pending.hash
                )
                if waits or (of_another and _stays_unconfirmed(case, step)):
                    lines = [*([pending.seen] if pending else []), step.seen]
                    return found(lines, Confidence.LIKELY, origin=case.client_origin)
            case _:
                pass
    return None


def _stays_unconfirmed(case: Case, confirm: ClientStep) -> bool:
    if upgrade_story(case).ending in (Ending.REVERTED, Ending.NOT_RESET):
        return True
    return any(
        not image.permanent and image.pending and image.seen.line_number > confirm.seen.line_number
        for image in case.listed
    )


def _uploaded_not_pending(case: Case) -> Match | None:
    story = upgrade_story(case)
    if story.ending is not Ending.NOT_MARKED or not case.listed:
        return None
    waiting = [image for image in case.listed if not image.active]
    if not waiting:
        return None
    return found(
        [image.seen for image in waiting],
        origin=case.client_origin,
        slot=waiting[0].slot,
        hash=waiting[0].hash or "its hash",
    )


def _pending_not_reset(case: Case) -> Match | None:
    if upgrade_story(case).ending is not Ending.NOT_RESET:
        return None
    pending = [i for i in case.listed if i.pending]
    # A list has no time: a reset may be in no log.
    return found([i.seen for i in pending], Confidence.LIKELY, origin=case.client_origin)


def _same_image(case: Case) -> Match | None:
    """Two slots of one image pair; a hash that is not shown whole may hide a difference."""
    hashes: dict[tuple[int, str], Seen] = {}
    for image in case.listed:
        if not image.hash or len(image.hash) < _WHOLE_DIGITS:
            continue
        first = hashes.setdefault((image.image, image.hash), image.seen)
        if first is not image.seen:
            return found([first, image.seen], origin=case.client_origin)
    return None


# Some clients print only the beginning.
_WHOLE_DIGITS = 64


def _download_failed(case: Case) -> Match | None:
    lines = [k for k in case.known("download_failed") if not case.boots_after(k)]
    told = [k for k in lines if k.text("status")] or lines
    return found(lines, Confidence.LIKELY, said=told[0].seen.text.strip() if told else "")


def _unanswered(case: Case) -> Match | None:
    """A request other than an upload that got no answer, and none like it later."""
    steps = [
        s
        for s in case.client.failed(Problem.TIMEOUT)
        if s.operation in (Operation.TEST, Operation.CONFIRM, Operation.LIST, Operation.RESET)
        and not _succeeded_later(case, s)
    ]
    # A board that resets answers late, or not at all.
    steps = [s for s in steps if s.operation is not Operation.RESET]
    what = steps[-1].operation.value if steps else ""
    return found(_lines(steps), Confidence.POSSIBLE, origin=case.client_origin, what=what)


def _confirm_failed(case: Case) -> Match | None:
    lines = [k for k in case.known("confirm_failed") if k.origin is Origin.LOG]
    return found(lines, Confidence.LIKELY, said=lines[-1].seen.text.strip() if lines else "")


def _transport_error(case: Case) -> Match | None:
    lines = [k for k in case.known("smp_transport_error") if k.text("buffers")]
    return found(lines, Confidence.POSSIBLE)


RULES = (
    *LOST_UPLOAD_RULES,
    Rule(
        "hash_not_found",
        'The server refused to set the image pending ("In Value (3)"): no image with this hash is '
        "in the slot.",
        "Read the list and set the hash that it shows pending: `smpmgr ... image state-read`. With "
        "dfu_mcuboot.zip upload only the file for the MCUboot slot (S0/S1) that does not run; its "
        "two files overwrite each other.",
        _hash_not_found,
    ),
    Rule(
        "upload_header_refused",
        "The server refused the first packet (rc 3): the file does not begin with an MCUboot "
        "header.",
        "Send the signed update file (app_update.bin, zephyr.signed.bin), not zephyr.bin, a .hex "
        "or the whole zip; `nrf-fota inspect FILE` shows what it is.",
        _header_refused,
    ),
    Rule(
        "pairing_required",
        'The SMP characteristic demands a paired link, so the client hangs on "Connecting" or is '
        "refused.",
        "Build with `CONFIG_MCUMGR_SMP_BT_AUTHEN=n` (NCS 2.3; later "
        "`CONFIG_MCUMGR_TRANSPORT_BT_AUTHEN=n`, from Zephyr 4.0 on "
        "`CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW=y`), or pair first; remove a stale bond on the phone.",
        _needs_pairing,
    ),
    Rule(
        "zip_not_supported",
        "The client or server does not support what was sent: NOT_SUPPORTED (8), as old tools "
        "answer to dfu_mcuboot.zip.",
        "Upload the plain .bin out of the zip (app_update.bin, or the s1 file of dfu_mcuboot.zip), "
        "or update the phone app. On the board `CONFIG_MCUMGR_GRP_IMG=y` must be set.",
        _zip_not_supported,
    ),
    Rule(
        "parameters_not_supported",
        "NOT_SUPPORTED (8) on the parameters command is harmless: it is optional.",
        "Ignore it, or set `CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS=y` for faster uploads.",
        _parameters_not_supported,
        weight=Weight.NOTE,
    ),
    Rule(
        "slot_in_use",
        "The slot is in use (rc 6): an image in it is pending or confirmed, so it cannot be erased "
        "or overwritten.",
        "Read the list first: `smpmgr ... image state-read`. If what runs is not confirmed, "
        "confirm it, for a reset would revert it; if an image is pending, reset to let it swap: "
        "`smpmgr ... os reset`.",
        unless_cut_in_a_swap(_slot_in_use),
    ),
    Rule(
        "no_free_slot",
        "The server has no free slot for the upload (code 5; 9 with SMP version 2).",
        "Erase slot 1 first: `smpmgr ... image erase 1` or `mcumgr image erase`; if that is "
        "answered with rc 6, reset so that the pending swap ends.",
        _no_free_slot,
    ),
    Rule(
        "update_not_newer",
        "The server takes newer images only, and this one is not newer than the running one.",
        "Raise `CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION`, or send it without the upgrade-only flag "
        "(`mcumgr image upload` without -u).",
        _not_newer,
    ),
    Rule(
        "upload_refused",
        "The server refused the first packet of the upload (code {code}).",
        "Check that the file is a signed image for this board and fits the slot: "
        "`nrf-fota inspect FILE`; erase slot 1 and try again.",
        _upload_refused,
    ),
    Rule(
        "upload_too_large",
        "The upload stops near its end: the image is larger than the slot, which the server does "
        "not check.",
        "Compare the file's size with the slot's (`nrf-fota inspect FILE`, partitions.yml) before "
        "sending; make the image smaller or the slot larger.",
        _stalls_at_end,
        asks_for="the package (`--package ZIP`) and partitions.yml: is the file larger than "
        "mcuboot_secondary?",
    ),
    Rule(
        "upload_refused_at_end",
        "The server refused the upload near its end ({place}): the image is larger than its slot, "
        "or the check of the whole image or the request that follows the upload failed.",
        "Compare the file's size with the slot's (`nrf-fota inspect FILE`, partitions.yml), and "
        "read the list: `smpmgr ... image state-read` shows whether the image is there.",
        _refused_at_end,
        asks_for="the board's UART log during the upload: the server names its reason there",
    ),
    Rule(
        "upload_refused_midway",
        "The server refused a packet in the middle of the upload ({place}): it could not store it, "
        "or it had lost the upload.",
        "Read the board's UART log at that moment; reset the board and upload again from offset 0.",
        _refused_midway,
        asks_for="the board's UART log during the upload: the server names its reason there",
    ),
    Rule(
        "server_out_of_memory",
        "The SMP server has no memory for the request (rc 2): its buffers or its heap are too "
        "small for packets of this size.",
        "Raise `CONFIG_MCUMGR_TRANSPORT_NETBUF_COUNT`, `CONFIG_HEAP_MEM_POOL_SIZE` and the stack "
        "of the SMP work queue, or send smaller packets.",
        _no_memory,
    ),
    Rule(
        "file_refused_by_client",
        "The client refused the file before it sent anything: {said}",
        "Send the signed update file (app_update.bin, zephyr.signed.bin), not zephyr.bin, a .hex "
        "or a zip; `nrf-fota inspect FILE` shows what it is.",
        _file_refused,
    ),
    Rule(
        "upload_stalled",
        "The server stopped answering during the upload: it erases the slot before it answers the "
        "first packet, or the link broke.",
        "Erase slot 1 first and allow 60 s for the first answer (`smpmgr --timeout 60`), or build "
        "with `CONFIG_IMG_ERASE_PROGRESSIVELY=y`.",
        _stalls_at_start,
        asks_for="the board's UART log during the upload",
    ),
    Rule(
        "upload_resumed_wrongly",
        "The upload went on at an old offset although the slot was erased: the server still held "
        "the earlier upload.",
        "Reset the board, then upload from offset 0 with the file's own sha; a changed file has "
        "another sha and starts anew.",
        _resumed_wrongly,
    ),
    Rule(
        "upload_write_failed",
        "The upload could not be written to flash (code {code}): the flash was busy, not erased, "
        "or the write was not aligned.",
        "Erase the slot before the upload (`CONFIG_IMG_ERASE_PROGRESSIVELY=n` or "
        "`smpmgr ... image erase 1`), and keep other writers off the same flash.",
        _write_failed,
    ),
    Rule(
        "mark_failed",
        "The board could not set the image pending (boot_set_next code {code}): the secondary slot "
        "in external flash is not set up as MCUboot has it.",
        "Fix the partition (pm_static.yml) and `chosen { nordic,pm-ext-flash = {flash_node}; };` "
        "in the application's and MCUboot's overlay; erase the slot and upload again.",
        says("mark_failed", confidence=Confidence.LIKELY),
    ),
    Rule(
        "mark_refused",
        "The upload ended, but the server refused to set the image pending ({code}): it could "
        "not write the slot's trailer, or the application holds no boot utilities.",
        "Read the board's UART while it is set pending: `boot_set_next` names the reason. Build "
        "the application with `CONFIG_BOOTLOADER_MCUBOOT=y` and the same slot layout as MCUboot.",
        _mark_refused,
        asks_for="the board's UART log while the image is set pending",
    ),
    Rule(
        "confirm_ignored",
        "The confirm was ignored: another image was pending, and the server then answers ok "
        "without writing anything.",
        "Reset between test and confirm: test, reset, connect, check the list, confirm.",
        _confirm_ignored,
    ),
    Rule(
        "uploaded_not_pending",
        "The image in slot {slot} is neither pending nor confirmed, so a reset does not apply it.",
        "Set it pending, then reset: `smpmgr ... image state-write {hash}` or `mcumgr image test "
        "{hash}`.",
        _uploaded_not_pending,
    ),
    Rule(
        "pending_not_reset",
        "The image is pending, and no line shows a reset since: only that is missing.",
        "Reset the board: `smpmgr ... os reset`, `mcumgr reset` or `nrfjprog --pinreset`.",
        _pending_not_reset,
    ),
    Rule(
        "same_image",
        "Both slots hold the same image: the file that was uploaded is the one that runs.",
        "Upload the new build: compare the hash with `nrf-fota inspect FILE`.",
        _same_image,
    ),
    Rule(
        "request_unanswered",
        "The server did not answer the request ({what}) in time: it was busy, out of reach, or had "
        "stopped.",
        "Read the board's UART at that moment, and send the request again; then read the list: "
        "`smpmgr ... image state-read`.",
        _unanswered,
        asks_for="the board's UART log at the time of that request",
    ),
    Rule(
        "confirm_failed",
        "The application could not confirm itself, so the next reset reverts it: {said}",
        "Look the code up: the flash or its partition is not open to the application, or the image "
        "was not started by a swap. Until then confirm it over SMP: `smpmgr ... image state-write "
        "--confirm`.",
        _confirm_failed,
    ),
    Rule(
        "download_failed",
        "The application's own update client failed: {said}",
        "Look at address, credentials and certificate of the download (401 and 403: the server "
        "knows neither key nor token; 404: no such file), and at the client's lines in front of "
        "it.",
        _download_failed,
    ),
    Rule(
        "smp_buffers_exhausted",
        "The SMP server runs out of buffers.",
        "Raise `CONFIG_MCUMGR_TRANSPORT_NETBUF_COUNT` and `CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE` "
        "(512 or more with two images), or send smaller packets.",
        _transport_error,
    ),
    Rule(
        "smp_fragment_dropped",
        "The SMP server's UART dropped a part of a message, so the request was never answered: "
        "{kind}.",
        "A serial line of a message needs a buffer of its own until the message is whole: raise "
        "`CONFIG_UART_MCUMGR_RX_BUF_COUNT`, keep `CONFIG_MCUMGR_TRANSPORT_UART_MTU` equal to "
        "`CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE`, or send smaller packets. If it comes seldom, the "
        "board was too busy to read its UART: send the request again.",
        _fragment_dropped,
    ),
)
