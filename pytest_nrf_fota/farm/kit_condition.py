"""What this host knows of a kit beside who holds it: set aside, suspect, last result, firmware."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.farm.kit_results import KitHistory, RunOutcome, all_histories
from pytest_nrf_fota.farm.quarantine import Quarantine, quarantined_kits
from pytest_nrf_fota.farm.suspicion import suspects
from pytest_nrf_fota.farm.told_moment import told_moment


class LastResult(BaseModel):
    """How the last run on a kit went, and its folder."""

    model_config = ConfigDict(frozen=True)

    outcome: RunOutcome
    when: datetime
    run: str
    board: str
    passed: int
    failed: int
    errors: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.outcome} at {told_moment(self.when)}, {self.run}"


class KitCondition(BaseModel):
    """What is known of one kit.

    Args:
        quarantine: why it is set aside; None where it is not.
        suspect: why it is a suspect; empty where it is none.
        last_result: None where no run on this host is known.
        firmware: what ran on it, as the last run read it; may be empty.
    """

    model_config = ConfigDict(frozen=True)

    quarantine: Quarantine | None = None
    suspect: str = ""
    last_result: LastResult | None = None
    firmware: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """For people, without the quarantine."""
        told = (
            self.suspect,
            f"last run: {self.last_result}" if self.last_result else "",
            f"ran: {self.firmware}" if self.firmware else "",
        )
        return tuple(line for line in told if line)


class KitConditions:
    """Of all kits that this host knows something of.

    Args:
        folder: of the notes; None takes this host's.

    Raises:
        RigError: they cannot be read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.quarantined: Mapping[str, Quarantine] = quarantined_kits(folder)
        self._histories = all_histories(folder)
        self._suspects = {one.kit: str(one) for one in suspects(self._histories)}

    def of(self, *names: str) -> KitCondition:
        """Of one kit, under its serial number and its place's name."""
        notes = (self.quarantined.get(name) for name in names)
        history = next((self._histories[n] for n in names if n in self._histories), KitHistory())
        return KitCondition(
            quarantine=next((note for note in notes if note is not None), None),
            suspect=next((self._suspects[n] for n in names if n in self._suspects), ""),
            last_result=_last(history),
            firmware=history.firmware,
        )


def _last(history: KitHistory) -> LastResult | None:
    run = history.last
    if run is None:
        return None
    return LastResult(
        outcome=run.outcome,
        when=run.when,
        run=run.run,
        board=run.board,
        passed=len(run.passed),
        failed=len(run.failed),
        errors=len(run.errors),
    )
