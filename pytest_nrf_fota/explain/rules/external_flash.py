"""External flash that does not answer, or is not the one that the build expects."""

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import Match, Rule, found
from pytest_nrf_fota.findings.finding import Confidence

_SILENT_IDS = ("ff ff ff", "00 00 00")


def _ids(case: Case) -> list[tuple[Known, str, str]]:
    """The lines that name the ID that was read and the one that the build expects."""
    ids = [
        (
            known,
            (known.text("found") or known.text("read")).strip(),
            (known.text("expected") or known.text("wanted")).strip(),
        )
        for known in case.known("flash_driver")
    ]
    return [(known, read, expected) for known, read, expected in ids if read]


def _silent(case: Case) -> Match | None:
    ids = [one for one in _ids(case) if one[1] in _SILENT_IDS]
    if not ids:
        return None
    return found([one[0] for one in ids], found=ids[0][1], expected=ids[0][2])


def _another(case: Case) -> Match | None:
    ids = [one for one in _ids(case) if one[1] not in _SILENT_IDS and one[1] != one[2]]
    if not ids:
        return None
    return found([one[0] for one in ids], Confidence.LIKELY, found=ids[0][1], expected=ids[0][2])


# Zephyr's -EIO for an image header without its magic (boot_read_bank_header), and -ETIMEDOUT.
_NO_HEADER, _NO_TIME = -5, -116


def _no_time(case: Case) -> Match | None:
    """The radio has the CPU; the flash itself is sound."""
    waits = case.known("flash_waits_for_radio")
    failed = [k for k in case.known("slot_erase_failed") if k.number("code") == _NO_TIME]
    if not waits:
        return found(failed, Confidence.LIKELY)
    return found([*waits, *failed])


def _driver_failed(case: Case) -> Match | None:
    lines = [
        known
        for known in case.known("flash_driver")
        if not any(known.text(group) for group in ("found", "read", "device"))
    ]
    lines += [known for known in case.known("shell_failed") if known.text("flash")]
    lines += [k for k in case.known("slot_erase_failed") if k.number("code") != _NO_TIME]
    lines += [k for k in case.known("shell_area_unreadable") if k.number("code") != _NO_HEADER]
    lines += case.known("slot_not_bound")
    return found(lines, Confidence.LIKELY)


RULES = (
    Rule(
        "external_flash_silent",
        "The external flash does not answer (ID {found}, expected {expected}): missing, unpowered, "
        "or its pins are taken. A slot in it is unusable, even if the application runs.",
        "Check power and pins of the flash and its devicetree node (on kits the board "
        "configuration); nothing else may use its SPI pins or chip select.",
        _silent,
    ),
    Rule(
        "external_flash_is_another",
        "The external flash is not the one that the build expects (ID {found}, expected "
        "{expected}), or its ID is read wrongly.",
        "Set `jedec-id`, `size` and `sfdp-bfp` of the flash node in the overlay to the fitted "
        "part, for the application and for MCUboot. An ID that is only shifted is a matter of SPI "
        "mode, speed or wiring.",
        _another,
    ),
    Rule(
        "external_flash_failed",
        "The flash that holds the secondary slot fails or is not set up.",
        'Check that its node is `status = "okay"` and its driver enabled '
        "(`CONFIG_NORDIC_QSPI_NOR=y` or `CONFIG_SPI_NOR=y`), in the application and in MCUboot; "
        "`device list` in the shell shows whether it is ready.",
        _driver_failed,
    ),
    Rule(
        "flash_found_no_time",
        "A flash operation found no gap in the radio's schedule (-116): the internal flash waits "
        "for the radio, and is not broken.",
        "Erase the slot before there is a connection, or ask for a longer connection interval; "
        "`CONFIG_SOC_FLASH_NRF_PARTIAL_ERASE=y` and `CONFIG_IMG_ERASE_PROGRESSIVELY=y` make the "
        "erases short.",
        _no_time,
    ),
)
