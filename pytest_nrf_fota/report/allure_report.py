"""Steps and attachments in Allure results, where allure-pytest writes any."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import allure

from pytest_nrf_fota.record.events import Measurement
from pytest_nrf_fota.record.run import TestFiles


def allure_step(name: str, detail: str) -> AbstractContextManager[None]:
    """An Allure step for a step of the harness."""
    return cast(
        "AbstractContextManager[None]", allure.step(f"{name}: {detail}" if detail else name)
    )


def attach_files(files: TestFiles) -> None:
    """Attach what a test left behind to its Allure result."""
    _attach(files.uart, "UART log", allure.attachment_type.TEXT, "log")
    _attach(files.recorder, "flight recorder", allure.attachment_type.TEXT, "jsonl")
    if files.images_before is not None:
        _attach(files.images_before, "image list before", allure.attachment_type.JSON, "json")
    if files.images_after is not None:
        _attach(files.images_after, "image list after", allure.attachment_type.JSON, "json")
    _tell_measurements(files.measurements)
    for explained in files.explanations:
        allure.attach(explained.text, "explanation", allure.attachment_type.TEXT, "txt")
    for preflight in files.preflights:
        allure.attach(
            preflight.model_dump_json(indent=2), "preflight", allure.attachment_type.JSON, "json"
        )
    for verdict in files.verdicts:
        allure.attach(
            verdict.model_dump_json(indent=2), "verdict", allure.attachment_type.JSON, "json"
        )


def _tell_measurements(measurements: Sequence[Measurement]) -> None:
    """One parameter for each name, with all values in their order.

    They are excluded from the test's identity: its history is that of a test, not of a speed.
    """
    names = dict.fromkeys(one.name for one in measurements)
    for name in names:
        values = ", ".join(one.text for one in measurements if one.name == name)
        allure.dynamic.parameter(name, values, excluded=True)


def attach_time_line(page: Path) -> None:
    """Attach a test's time line."""
    _attach(page, "time line", allure.attachment_type.HTML, "html")


def _attach(path: Path, name: str, kind: object, extension: str) -> None:
    allure.attach.file(str(path), name, kind, extension)  # type: ignore[no-untyped-call]
