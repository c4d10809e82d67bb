"""Probe tools, and captures that hold more or less than one board's log."""

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Match, Rule, found, says, shown_of
from pytest_nrf_fota.explain.sent_package import signs_of_another_package
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown, Weight
from pytest_nrf_fota.findings.probe_faults import fault_in


def _recover_failed(case: Case) -> Match | None:
    if case.known("probe_wrong_chip"):
        return None
    lines = [known for known in case.known("probe_recover_failed") if not _is_of_board(case, known)]
    coded = [known for known in lines if known.text("code")]
    return found(
        lines,
        Confidence.LIKELY if coded else Confidence.POSSIBLE,
        code=" (-102)" if coded else "",
    )


def _wrong_chip(case: Case) -> Match | None:
    lines = [k for k in case.known("probe_wrong_chip") if not _is_of_board(case, k)]
    told = [k for k in lines if k.text("found")]
    ids = (
        f" (debug port ID {told[0].text('found')}, expected {told[0].text('wanted')})"
        if told
        else ""
    )
    return found(lines, Confidence.LIKELY if told else Confidence.POSSIBLE, ids=ids)


def _is_of_board(case: Case, line: Known) -> bool:
    """Whether the boot that a line lies in prints such lines: a probe's output has none."""
    stage = case.stage_of(line)
    return stage is not None and stage is not Stage.APP


_KNOWN_FAILURES = (
    *("probe_recover_failed", "probe_verify_failed", "probe_protected", "probe_missing"),
    "probe_wrong_chip",
)

# West's own words, and a shell's prompt.
_NOT_PRINTED = ("-- ", "$ ")


def _flash_tool_failed(case: Case) -> Match | None:
    """Whatever else a flash tool says: who failed, how, and its last words."""
    ended = case.known("flash_tool_failed")
    if case.known(*_KNOWN_FAILURES):
        return None
    said = [k for k in case.known("flash_tool_said") if case.boot_of(k) is None]
    workers = [k for k in said if k.text("worker")]
    if not ended and not workers:
        return None
    last = ended[-1] if ended else workers[-1]
    before = [k for k in said if k.seen.line_number <= last.seen.line_number]
    worded = [k for k in before if k.text("words") or k.text("worker")] or before
    output = [seen for seen in case.lines.tool_output if ended and case.boot_of(seen) is None]
    texts = [k.seen.text for k in before] + [seen.text for seen in output]
    fault = fault_in("\n".join(texts))
    named = [seen for seen in output if fault_in(seen.text) is fault is not None]
    printed = [seen for seen in output if not seen.text.startswith(_NOT_PRINTED)]
    best = named or [k.seen for k in worded] or printed
    return found(
        [*before[-3:], *named[-1:], last],
        Confidence.CERTAIN if ended else Confidence.LIKELY,
        tool=last.text("tool") or "nrfutil",
        status=f"status {last.text('status')}" if last.text("status") else "no status",
        kind=f", {fault.value}" if fault else "",
        words=best[-1].text.strip(" *") if best else "it printed no reason",
    )


def _verify_failed(case: Case) -> Match | None:
    signature = {k.seen.line_number for k in case.known("nsib_signature_invalid", "crypto_failed")}
    lines: list[Known] = [
        known
        for known in case.known("probe_verify_failed")
        if known.seen.line_number not in signature and case.boot_of(known) is None
    ]
    return found(lines, Confidence.LIKELY)


def _two_boards(case: Case) -> Match | None:
    boards = case.boots.two_boards
    if boards is None:
        return None
    return found(
        boards.signs,
        Confidence.LIKELY if boards.interleaved else Confidence.POSSIBLE,
        addresses=", ".join(boards.addresses) or "no addresses",
    )


def _another_package(case: Case) -> Match | None:
    if case.package is None:
        return None
    signs = signs_of_another_package(case.client, case.package)
    if not signs:
        return None
    held = tuple(
        Shown(Origin.PACKAGE, None, f"{file.name}: hash {file.image.hash.hex()}")
        for file in case.package.files
        if file.image.hash is not None
    )
    shown = (*shown_of(signs, case.client_origin), *held)
    return Match(shown, Confidence.CERTAIN, {"package": case.package.path.name})


RULES = (
    Rule(
        "recover_failed",
        "The probe could not recover a core{code}: its access port is locked or hangs.",
        "Switch the kit off and on, then recover it: {recover}.",
        _recover_failed,
    ),
    Rule(
        "another_chip_on_probe",
        "Another chip answers on SWD than the tool was told{ids}: a debug switch or cable leads to "
        "another board, or the device family is wrong.",
        "Check the kit's SWD switch and debug-out connector, the serial number (`nrfutil device "
        "list`) and the family (`nrfjprog -f`); leave out the family to let the tool ask the chip.",
        _wrong_chip,
    ),
    Rule(
        "flash_tool_failed",
        "The flash tool failed: {tool}, {status}{kind}, last words: {words}",
        "Run the same command alone and read its log; close what else holds the probe, switch the "
        "kit off and on, and try another cable or USB port. What was on the board before may still "
        "be there.",
        _flash_tool_failed,
    ),
    Rule(
        "verify_failed",
        "What was programmed does not read back (exit 55): UICR or OTP was already written.",
        "Erase it first: `west flash --recover` (network core, then application core).",
        _verify_failed,
        gentle="Read the address back that the tool names. Only where it lies in UICR or OTP "
        "(0x00FF8000 and above) the board has to be erased first.",
    ),
    Rule(
        "debug_port_locked",
        "The board's debug port is locked (readback protection).",
        "{recover}: erases the board and opens it.",
        says("probe_protected"),
        gentle="What runs on it goes on. To open the port costs all that is on the board: "
        "{recover}.",
    ),
    Rule(
        "no_probe",
        "No debug probe answered.",
        "Check cable and switch of the kit, `nrfjprog --ids` or `nrfutil device list`, and that "
        "nothing else holds the probe.",
        says("probe_missing"),
    ),
    Rule(
        "two_boards_in_one_log",
        "The log holds the text of two boards ({addresses}), so versions and boots may be mixed "
        "up.",
        "Capture one board alone, by its own /dev/serial/by-id/... path.",
        _two_boards,
        weight=Weight.ADVICE,
    ),
    Rule(
        "package_was_not_sent",
        "The package {package} is not what the client sent: none of its hashes is among the "
        "client's. Nothing here is concluded from it.",
        "Give the zip that was sent with --package: `nrf-fota inspect ZIP` shows the hashes in it.",
        _another_package,
        weight=Weight.ADVICE,
    ),
)
