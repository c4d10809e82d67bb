"""Why an upgrade did not happen, asked of explain's rules where the recorder does not say."""

from pathlib import Path

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.explain.case import case_of_recording
from pytest_nrf_fota.explain.explanation import Status, explain
from pytest_nrf_fota.explain.text import short_text
from pytest_nrf_fota.record.events import FailureExplained, UnitTaken
from pytest_nrf_fota.timeline.recorded_board import recorded_board

# The rules hold all events in memory; a test writes less than a tenth of this.
_LARGEST_BYTES = 16 * 1024 * 1024


def diagnosis(recorder: Path, unit: UnitTaken | None) -> FailureExplained | None:
    """What explain's rules find; None where they find nothing, or the recorder is too large.

    `unit` is whose board type the remedies are for. Raises `OSError`.
    """
    if recorder.stat().st_size > _LARGEST_BYTES:
        return None
    try:
        explanation = explain(case_of_recording(recorder), board=recorded_board(unit))
    except FotaError:
        return None
    if explanation.status is not Status.CAUSE_FOUND or not explanation.causes:
        return None
    return FailureExplained(
        ending=explanation.ending,
        causes=explanation.causes,
        text="\n".join(short_text(explanation)),
    )
