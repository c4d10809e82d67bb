"""Steps and attachments in Allure results, where allure-pytest writes any."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import allure
import allure_commons
import pytest
from allure_commons.logger import AllureFileLogger

from pytest_nrf_fota.record.run import TestFiles
from pytest_nrf_fota.report.allure_border import AllureBorder
from pytest_nrf_fota.report.ci_job import ci_job
from pytest_nrf_fota.report.facts import TestFacts
from pytest_nrf_fota.report.hiding import mask_of, pseudonyms_of

_border_key: pytest.StashKey[AllureBorder] = pytest.StashKey()


def allure_step(name: str, detail: str) -> AbstractContextManager[None]:
    """An Allure step for a step of the harness."""
    return cast(
        "AbstractContextManager[None]", allure.step(f"{name}: {detail}" if detail else name)
    )


def begin_allure(config: pytest.Config, run_path: Path) -> None:
    """Let all that Allure writes pass the border, until the session is over."""
    plugins = allure_commons.plugin_manager
    inner = next((one for one in plugins.get_plugins() if isinstance(one, AllureFileLogger)), None)
    if inner is None:
        return
    pseudonyms = pseudonyms_of(config)
    border = AllureBorder(
        inner,
        mask_of(config),
        # What the harness wrote is without secrets already, but not without names.
        own_folder=run_path if pseudonyms is None else None,
        job=ci_job(),
        host=str if pseudonyms is None else pseudonyms.host,
    )
    config.stash[_border_key] = border
    plugins.unregister(inner)
    plugins.register(border)

    def leave() -> None:
        # Allure's own clean-up wants to find its logger.
        plugins.unregister(border)
        plugins.register(inner)

    config.add_cleanup(leave)


def tell_facts(config: pytest.Config, facts: TestFacts) -> None:
    """Tell the result that comes next what is known of it."""
    border = config.stash.get(_border_key, None)
    if border is not None:
        border.facts = facts


def leave_out_arguments(config: pytest.Config, fixture: "pytest.FixtureDef[object]") -> None:
    """Let the argument of a parametrized test be no row; it is a parameter already."""
    border = config.stash.get(_border_key, None)
    if border is not None and fixture.func.__module__.startswith("_pytest."):
        border.silent.add(fixture.argname)


def attach_files(files: TestFiles) -> None:
    """Attach what a test left behind to its Allure result."""
    _attach(files.uart, "UART log", allure.attachment_type.TEXT, "log")
    _attach(files.recorder, "flight recorder", allure.attachment_type.TEXT, "jsonl")
    if files.images_before is not None:
        _attach(files.images_before, "image list before", allure.attachment_type.JSON, "json")
    if files.images_after is not None:
        _attach(files.images_after, "image list after", allure.attachment_type.JSON, "json")
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


def attach_time_line(config: pytest.Config, page: Path) -> str:
    """Attach a test's time line; returns the name of Allure's copy, empty where there is none."""
    _attach(page, "time line", allure.attachment_type.HTML, "html")
    border = config.stash.get(_border_key, None)
    return "" if border is None else border.last_file


def _attach(path: Path, name: str, kind: object, extension: str) -> None:
    allure.attach.file(str(path), name, kind, extension)  # type: ignore[no-untyped-call]
