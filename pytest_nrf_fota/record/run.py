"""One pytest session's folder: a flight recorder and a UART log per test, unit logs beside."""

import contextlib
import getpass
import importlib.metadata
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from pytest_nrf_fota.record.events import (
    FailureExplained,
    Measurement,
    PreflightDone,
    ProbeReadsTried,
    ProbeRetried,
    SmpMessage,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.record.recorded_facts import RecordedFacts, facts_of
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.record.secrets import Secrets

_UART_LOG = "uart.log"
_VERSIONS_OF = ("pytest-nrf-fota", "pytest", "smpclient", "bumble", "bleak", "pyserial")


@dataclass(frozen=True)
class TestFiles:
    """What one test left behind; image lists are None where none was read.

    `unit` is the board that it ran on, None where it got none.
    """

    __test__ = False

    folder: Path
    recorder: Path
    uart: Path
    images_before: Path | None
    images_after: Path | None
    verdicts: tuple[VerdictReached, ...]
    preflights: tuple[PreflightDone, ...] = ()
    explanations: tuple[FailureExplained, ...] = ()
    retries: tuple[ProbeRetried, ...] = ()
    probe_reads: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    facts: RecordedFacts = field(default_factory=RecordedFacts)
    unit: UnitTaken | None = None


class RunFolder:
    """Opens and closes the recorder around each test; `has_test` is whether one is under way.

    Args:
        path: the folder of this session, of this worker under xdist.
        secrets: what is masked in all that is written; None takes those of the environment.
    """

    def __init__(self, path: Path, secrets: Secrets | None = None) -> None:
        self.path = path
        self.recorder = FlightRecorder(secrets)
        self.has_test = False
        self._unit: UnitTaken | None = None
        self._versions = installed_versions()

    def start_test(self, node_id: str) -> None:
        """Events go to this test's file from now on."""
        self.has_test = True
        folder = self._new_folder(node_id)
        self.recorder.open(
            folder / "recorder.jsonl",
            node_id,
            self._versions,
            whose_machine(),
            uart_log=folder / _UART_LOG,
        )

    def finish_test(self) -> TestFiles | None:
        """Close the test's files and derive its image lists from the recorder's."""
        path = self.recorder.path
        self.has_test = False
        self.recorder.close()
        if path is None:
            return None
        recorded = read_recording(path)
        events = [one.event for one in recorded]
        lists = [
            event
            for event in events
            if isinstance(event, SmpMessage)
            and event.direction == "answer"
            and "images" in event.payload
        ]
        for event in events:
            if isinstance(event, UnitTaken):
                # Of the fixtures: where one lives longer than a test, the next one says nothing.
                self._unit = event
        return TestFiles(
            folder=path.parent,
            recorder=path,
            uart=path.parent / _UART_LOG,
            images_before=_write_images(path.parent / "images-before.json", lists[:1]),
            images_after=_write_images(path.parent / "images-after.json", lists[1:][-1:]),
            verdicts=tuple(event for event in events if isinstance(event, VerdictReached)),
            preflights=tuple(event for event in events if isinstance(event, PreflightDone)),
            explanations=tuple(e for e in events if isinstance(e, FailureExplained)),
            retries=tuple(event for event in events if isinstance(event, ProbeRetried)),
            probe_reads=tuple(e.found for e in events if isinstance(e, ProbeReadsTried)),
            measurements=tuple(event for event in events if isinstance(event, Measurement)),
            facts=facts_of(recorded),
            # A test that was skipped used none.
            unit=self._unit if len(events) > 1 else None,
        )

    def _new_folder(self, node_id: str) -> Path:
        # A test that is run again, or whose name differs in left-out characters only, must not
        # overwrite what the other one left.
        name = _folder_name(node_id)
        folder = self.path / name
        number = 2
        while folder.exists():
            folder = self.path / f"{name}--{number}"
            number += 1
        return folder


def _write_images(path: Path, lists: list[SmpMessage]) -> Path | None:
    if not lists:
        return None
    path.write_text(lists[0].model_dump_json(indent=2), encoding="utf-8")
    return path


def _folder_name(node_id: str) -> str:
    # Readable, and safe on every file system; long parameters are cut.
    name = re.sub(r"[^\w.\-\[\]=]+", "_", node_id.replace("::", "--").replace("/", "-"), flags=re.A)
    return name[-120:].strip("_")


def whose_machine() -> dict[str, str]:
    """User, host, home and working folder, so that a recording for others can leave them out."""
    whose = {"host": platform.node(), "home": str(Path.home()), "folder": str(Path.cwd())}
    # A container's user often has a number only.
    with contextlib.suppress(KeyError, OSError, ImportError):
        whose["user"] = getpass.getuser()
    return whose


def installed_versions() -> dict[str, str]:
    """Python, the operating system, and the packages that a run depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
