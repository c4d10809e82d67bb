"""How the last runs went on each kit of this host: a short history, for people and suspicions."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_nrf_fota.farm.state_files import (
    change_state,
    kits_with,
    read_state,
    state_file,
    state_folder,
)
from pytest_nrf_fota.farm.told_moment import told_moment

RunOutcome: TypeAlias = Literal["passed", "failed", "error"]

_KIND = "results"
_RUNS = 8
# Of each run; a nightly run has more tests, and the first ones tell as much.
_TESTS = 120
_NAME_CHARS = 160


class KitRun(BaseModel):
    """What one run saw on one kit.

    Args:
        run: its folder.
        when: its end, with its time zone.
        board: the board type's name.
        passed, failed, errors: names of tests, the first ones.
        firmware: what ran on the kit at the end, as far as the run read it; may be empty.
        firmware_id: the same for runs that were given the same firmware; empty where not known.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    when: datetime
    board: str
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    firmware: str = ""
    firmware_id: str = ""

    @property
    def outcome(self) -> RunOutcome:
        """A failure outweighs an error: the firmware was judged."""
        if self.failed:
            return "failed"
        return "error" if self.errors else "passed"

    @property
    def bad(self) -> tuple[str, ...]:
        """Tests that did not pass."""
        return (*self.failed, *self.errors)

    def __str__(self) -> str:
        """For people."""
        return f"{self.outcome} at {told_moment(self.when)} in {self.run}"


class KitHistory(BaseModel):
    """The last runs on one kit, the latest last.

    Args:
        runs: all that are kept.
        repaired: when a person last looked at the kit; None where nobody did.
    """

    model_config = ConfigDict(frozen=True)

    runs: tuple[KitRun, ...] = ()
    repaired: datetime | None = None

    @property
    def runs_since_repair(self) -> tuple[KitRun, ...]:
        """Those that tell of the kit as it is now."""
        repaired = self.repaired
        return tuple(run for run in self.runs if repaired is None or run.when > repaired)

    @property
    def last(self) -> KitRun | None:
        """The latest run; None where none is known."""
        return self.runs[-1] if self.runs else None

    @property
    def firmware(self) -> str:
        """What ran on it as it was last read; empty where no run did."""
        return next((run.firmware for run in reversed(self.runs) if run.firmware), "")


def add_run(kit: str, run: KitRun, folder: Path | None = None) -> None:
    """Note a run; a second note of the same run is added to the first. Raises `RigError`.

    One folder may be given to run after run, with other firmware.
    """
    path = state_file(folder or state_folder(), kit, _KIND)

    def change(before: bytes) -> bytes:
        history = _read(before)
        runs = [*history.runs]
        if runs and (runs[-1].run, runs[-1].firmware_id) == (run.run, run.firmware_id):
            runs[-1] = _together(runs[-1], run)
        else:
            runs.append(_short(run))
        return _written(history.model_copy(update={"runs": tuple(runs[-_RUNS:])}))

    change_state(path, change)


def note_repair(kit: str, folder: Path | None = None) -> None:
    """The runs so far tell no more of how the kit is. Raises `RigError`."""
    path = state_file(folder or state_folder(), kit, _KIND)
    if not read_state(path):
        return
    now = datetime.now().astimezone()

    def change(before: bytes) -> bytes:
        return _written(_read(before).model_copy(update={"repaired": now}))

    change_state(path, change)


def history_of(kit: str, folder: Path | None = None) -> KitHistory:
    """How the last runs went; damaged notes are none. Raises `RigError`."""
    return _read(read_state(state_file(folder or state_folder(), kit, _KIND)))


def all_histories(folder: Path | None = None) -> Mapping[str, KitHistory]:
    """Those of all kits that had a run on this host. Raises `RigError`."""
    return {name: history_of(name, folder) for name in kits_with(folder or state_folder(), _KIND)}


def _read(text: bytes) -> KitHistory:
    try:
        return KitHistory.model_validate_json(text or b"{}")
    except ValidationError:
        return KitHistory()


def _written(history: KitHistory) -> bytes:
    return history.model_dump_json().encode()


def _together(first: KitRun, second: KitRun) -> KitRun:
    return _short(
        second.model_copy(
            update={
                "passed": (*first.passed, *second.passed),
                "failed": (*first.failed, *second.failed),
                "errors": (*first.errors, *second.errors),
                "firmware": second.firmware or first.firmware,
            }
        )
    )


def _short(run: KitRun) -> KitRun:
    def names(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name[-_NAME_CHARS:] for name in given))[:_TESTS]

    return run.model_copy(
        update={
            "passed": names(run.passed),
            "failed": names(run.failed),
            "errors": names(run.errors),
        }
    )
