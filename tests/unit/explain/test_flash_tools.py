"""A flash tool's failure in a log of west: the class of what it printed, and its last words."""

import pytest

from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.findings.probe_faults import TOOL_MESSAGES, ProbeFault, Specimen

_SPECIMENS = [
    pytest.param(message.fault, specimen, id=f"{message.fault.value} ({specimen.source})")
    for message in TOOL_MESSAGES
    for specimen in message.specimens
]
# Rules of their own, for messages that a log shows without west's line, too.
_RULES = {
    "another_chip_on_probe": {ProbeFault.WRONG_CHIP, ProbeFault.RECOVER_FAILED},
    "recover_failed": {ProbeFault.RECOVER_FAILED},
    "verify_failed": {ProbeFault.VERIFY_FAILED},
    "debug_port_locked": {ProbeFault.PROTECTED},
    "no_probe": {ProbeFault.NOT_FOUND},
}


def _causes(printed: str) -> dict[str, str]:
    log = (
        f"-- west flash: using runner nrfutil\n{printed}\n"
        "FATAL ERROR: command exited with status 1: nrfutil --json device x-execute-batch\n"
    )
    return {cause.code: cause.cause for cause in explain(case_of_text(log)).causes}


@pytest.mark.parametrize(("fault", "specimen"), _SPECIMENS)
def test_published_outputs(fault: ProbeFault, specimen: Specimen) -> None:
    """Each is known to explain as it is to a run, by a rule of its own or by the fallback."""
    causes = _causes(specimen.text)
    if "flash_tool_failed" in causes:
        cause = causes["flash_tool_failed"]
        assert f"status 1, {fault.value}, last words:" in cause
        assert any(line.strip(" *") in cause for line in specimen.text.splitlines())
    else:
        assert any(fault in faults for name, faults in _RULES.items() if name in causes)


def test_words_that_nobody_knows() -> None:
    """Then the last ones that were printed."""
    cause = _causes("something new\nwent wrong in a new way")["flash_tool_failed"]
    assert cause.endswith("nrfutil, status 1, last words: went wrong in a new way")


def test_tool_that_printed_nothing() -> None:
    assert _causes("")["flash_tool_failed"].endswith("last words: it printed no reason")


def test_what_the_board_printed_is_not_the_tools() -> None:
    boot = "*** Booting nRF Connect SDK v2.7.0 ***\nI: Starting bootloader\nW: Permission denied"
    cause = _causes(boot)["flash_tool_failed"]
    assert cause.endswith("nrfutil, status 1, last words: it printed no reason")
