"""What a user gave as the log: a file, the folder of a test or a run, or firmware by mistake."""

from pathlib import Path

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.file_kind import FIRST_BYTES, firmware_kind

UART_LOG = "uart.log"
RECORDING = "recorder.jsonl"


def tests_in(folder: Path) -> tuple[Path, ...]:
    """The folders of the tests in the folder of a run; none in that of one test."""
    if (folder / UART_LOG).is_file() or (folder / RECORDING).is_file():
        return ()
    # Below a folder for each worker under xdist.
    found = (*folder.glob(f"*/{RECORDING}"), *folder.glob(f"*/*/{RECORDING}"))
    return tuple(sorted(recording.parent for recording in found))


def logs_in(folder: Path) -> tuple[Path, Path | None]:
    """The log in a test's folder, and what the flight recorder adds to it.

    Raises `InputError` for a folder that holds neither.
    """
    log, recording = folder / UART_LOG, folder / RECORDING
    if log.is_file():
        return log, recording if recording.is_file() else None
    if recording.is_file():
        return recording, None
    raise InputError(
        f"The folder holds no {UART_LOG} and no {RECORDING}.",
        where=str(folder),
        next_step="Give a UART log, or a folder in nrf_fota_runs/: of a run, or of one test.",
    )


def refuse_firmware_file(path: Path) -> None:
    """Raise `InputError` where a file is firmware, `OSError` where it cannot be read.

    A hex file is text, and text without a known line would only be no evidence.
    """
    with path.open("rb") as stream:
        refuse_firmware(stream.read(FIRST_BYTES), str(path))


def refuse_firmware(first_bytes: bytes, where: str) -> None:
    """Likewise, by the first bytes of an input. Raises `InputError`."""
    kind = firmware_kind(first_bytes)
    if kind is None:
        return
    raise InputError(
        f"This is {kind}, no log.",
        where=where,
        next_step="`nrf-fota inspect FILE` shows what a firmware file holds; give a UART log here, "
        "and the DFU zip that was sent with --package.",
    )
