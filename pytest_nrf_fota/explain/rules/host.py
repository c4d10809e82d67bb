"""Probe tools, and captures that hold more or less than one board's log."""

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Match, Rule, found, says, shown_of
from pytest_nrf_fota.explain.sent_package import signs_of_another_package
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown, Weight


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
        "The probe could not recover a core (-102): its access port is locked or hangs.",
        "Switch the kit off and on, then recover it: {recover}.",
        says("probe_recover_failed", confidence=Confidence.LIKELY),
    ),
    Rule(
        "verify_failed",
        "What was programmed does not read back (exit 55): UICR or OTP was already written.",
        "Erase it first: `west flash --recover` (network core, then application core).",
        _verify_failed,
    ),
    Rule(
        "debug_port_locked",
        "The board's debug port is locked (readback protection).",
        "{recover}: erases the board and opens it.",
        says("probe_protected"),
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
