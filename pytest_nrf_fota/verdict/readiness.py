"""Whether an application that was started can be used, from what it said."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.verdict.silent_controller import silent_controller_line


def not_ready_reason(boots: Sequence[Boot]) -> str:
    """Why the application of the last boot cannot be used; empty where it became ready."""
    if not boots or boots[-1].app_ready:
        return ""
    crashes = [fault for boot in boots if (fault := _fault(boot)) is not None]
    if len(crashes) > 1:
        return f"the application crashes in each boot, {len(crashes)} times so far: {crashes[-1]!r}"
    failure = app_failure(boots[-1])
    return f"the application {failure}" if failure else ""


def app_failure(boot: Boot) -> str:
    """How an application that was started failed, as what it did; empty where it did not."""
    fault = _fault(boot)
    if fault is not None:
        return f"crashed: {fault!r}"
    said = [text for line in boot.lines if (text := line.text.strip())]
    if boot.app_ready or not boot.reached_app or not said:
        return ""
    silent = silent_controller_line(boot)
    if silent is not None:
        return f"runs without Bluetooth, because the network core does not answer: {silent!r}"
    return f"started and never became ready; its last line was {said[-1]!r}"


def _fault(boot: Boot) -> str | None:
    """The line that names a fault, as Zephyr's fault handlers print it."""
    faults = (one for one in boot.faults if one.fatal_error is not None or "FAULT" in one.kind)
    return next((fault.seen.text.strip() for fault in faults), None)
