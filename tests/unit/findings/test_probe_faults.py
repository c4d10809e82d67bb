"""What users published of tools that failed is told apart, and each kind has a remedy."""

import pytest

from pytest_nrf_fota.findings.probe_faults import (
    CURED_BY_RECOVERY,
    OF_THE_KIT,
    TOOL_MESSAGES,
    TRANSIENT,
    ProbeFault,
    Specimen,
    fault_in,
    remedy,
)

_SPECIMENS = [
    pytest.param(message.fault, specimen, id=f"{message.fault.value} ({specimen.source})")
    for message in TOOL_MESSAGES
    for specimen in message.specimens
]
# As the manuals of the tools have them; nobody seems to have published one.
_WITHOUT_A_SPECIMEN = {
    *(ProbeFault.SEVERAL, ProbeFault.BUSY, ProbeFault.NO_EXTERNAL_FLASH),
    *(ProbeFault.NOT_SUPPORTED, ProbeFault.TOOL_BROKEN),
}
# Told by something else than a text: an exit code, a trait, the end of a process.
_WITHOUT_A_MESSAGE = {
    *(ProbeFault.TOOL_MISSING, ProbeFault.NOT_REACHABLE, ProbeFault.FLASH_FAILED),
    *(ProbeFault.BAD_FILE, ProbeFault.TIMED_OUT, ProbeFault.KILLED, ProbeFault.BAD_OUTPUT),
    ProbeFault.OTHER,
}
# In the shape of reports: the lines that west and nrfjprog printed, with other names and numbers.
_WEST_WORKER = """\
-- west flash: using runner nrfutil
-- runners.nrfutil: reset after flashing requested
-- runners.nrfutil: Flashing file: /ci/build/merged.hex
Error: One or more batch tasks failed:
 * 1050012345: Timed out waiting for response from worker. (Generic)

FATAL ERROR: command exited with status 1: nrfutil --json device x-execute-batch --batch-path \
/ci/build/generated_nrfutil_batch.json --serial-number 1050012345
"""
_RECOVER_WRONG_CHIP = """\
Recovering device. This operation might take 30s.
[error] [ Client] - Encountered error -21: Command recover executed for 2 milliseconds with result \
-21
[error] [ Worker] - Encountered unexpected debug port ID 2, expected 6
ERROR: Recover failed. Please make sure that the correct device family is given
ERROR: and try again.
"""


@pytest.mark.parametrize(("fault", "specimen"), _SPECIMENS)
def test_published_outputs(fault: ProbeFault, specimen: Specimen) -> None:
    assert fault_in(specimen.text) is fault
    assert fault_in(f"before\n{specimen.text}\nafter") is fault
    assert specimen.source


def test_each_fault_is_seen_or_known_not_to_be() -> None:
    """A new one needs a specimen, or its place in one of the two lists above."""
    with_message = {message.fault for message in TOOL_MESSAGES}
    with_specimen = {message.fault for message in TOOL_MESSAGES if message.specimens}
    assert set(ProbeFault) - with_message == _WITHOUT_A_MESSAGE
    assert with_message - with_specimen == _WITHOUT_A_SPECIMEN


@pytest.mark.parametrize(
    ("log", "fault"),
    [(_WEST_WORKER, ProbeFault.WORKER_LOST), (_RECOVER_WRONG_CHIP, ProbeFault.WRONG_CHIP)],
)
def test_whole_logs(log: str, fault: ProbeFault) -> None:
    """The line that names the cause counts, not the one that says that something failed."""
    assert fault_in(log) is fault


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "nrfjprog version: 10.24.2 external\nJLinkARM.dll version: 7.94i",
        "nrfutil version 7.11.1",
        "[ #################### ]   0.387s | Erase file - Done erasing",
        "Write done after 1105 ms, 256 KiB of 105 pages",
        "J-Link OB-nRF5340-NordicSemi compiled Apr 11 2024",
    ],
)
def test_words_that_are_no_failure(harmless: str) -> None:
    assert fault_in(harmless) is None


def test_a_recovery_that_failed_for_another_reason() -> None:
    """`Batch task recover failed` alone says nothing; what follows does."""
    begin = "Batch task recover failed, [Probe] Emulator error:"
    assert fault_in(f"{begin} Failed to open connection") is ProbeFault.NO_CONNECTION


def test_remedies_and_groups() -> None:
    assert all(len(remedy(fault)) > 30 for fault in ProbeFault)
    assert OF_THE_KIT >= CURED_BY_RECOVERY
    assert not TRANSIENT & (OF_THE_KIT | CURED_BY_RECOVERY)
    assert "--flash-timeout" in remedy(ProbeFault.TIMED_OUT)
