"""External flash that does not answer, or is not the one that the build expects."""

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Confidence, Finding, Rule, found

_SILENT_IDS = ("ff ff ff", "00 00 00")


def _ids(case: Case) -> list[Known]:
    return [known for known in case.known("flash_driver") if known.text("found")]


def _silent(case: Case) -> Finding | None:
    lines = [known for known in _ids(case) if known.text("found").strip() in _SILENT_IDS]
    if not lines:
        return None
    return found(lines, found=lines[0].text("found"), expected=lines[0].text("expected"))


def _another(case: Case) -> Finding | None:
    lines = [
        known
        for known in _ids(case)
        if known.text("found").strip() not in _SILENT_IDS
        and known.text("found").strip() != known.text("expected").strip()
    ]
    if not lines:
        return None
    return found(lines, found=lines[0].text("found"), expected=lines[0].text("expected"))


def _driver_failed(case: Case) -> Finding | None:
    lines = [
        known
        for known in case.known("flash_driver")
        if not known.text("found") and not known.text("device")
    ]
    lines += [
        known
        for known in case.known("shell_failed")
        if "flash d" in known.text("what") or "Erase Failed" in known.text("what")
    ]
    lines += case.known("slot_not_bound", "slot_erase_failed", "shell_area_unreadable")
    return found(lines, Confidence.LIKELY)


RULES = (
    Rule(
        "external_flash_silent",
        (17,),
        "The external flash does not answer (ID {found}, expected {expected}): missing, unpowered, "
        "or its pins are taken. A slot in it is unusable, even if the application runs.",
        "Check power and pins of the flash and its devicetree node (on kits the board "
        "configuration); nothing else may use its SPI pins or chip select.",
        _silent,
    ),
    Rule(
        "external_flash_is_another",
        (16, 17),
        "The external flash is not the one that the build expects (ID {found}, expected "
        "{expected}).",
        "Set `jedec-id`, `size` and `sfdp-bfp` of the flash node in the overlay to the fitted "
        "part, "
        "for the application and for MCUboot.",
        _another,
    ),
    Rule(
        "external_flash_failed",
        (16, 25),
        "The flash that holds the secondary slot fails or is not set up.",
        'Check that its node is `status = "okay"` and its driver enabled '
        "(`CONFIG_NORDIC_QSPI_NOR=y` or `CONFIG_SPI_NOR=y`), then "
        "`flash erase mx25r6435f@0 0 800000`.",
        _driver_failed,
    ),
)
