"""Everything that allure-pytest writes passes here: facts are added, secrets are left out.

Allure's listener tells results, groups of fixtures and attachments to a logger that writes files.
This one stands before it, so nothing that a test or a plugin attaches gets around it.
"""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from allure_commons import hookimpl
from allure_commons.model2 import (
    Label,
    Link,
    Parameter,
    StatusDetails,
    TestResult,
    TestResultContainer,
)
from allure_commons.types import LabelType
from allure_commons.utils import md5

from pytest_nrf_fota.report.ci_job import CiJob
from pytest_nrf_fota.report.facts import TestFacts, in_words
from pytest_nrf_fota.report.fixture_rows import name_rows
from pytest_nrf_fota.report.masking import Mask

# pytest-repeat's own parameter: which repetition it is.
_REPETITION = "__pytest_repeat_step_number"
_LARGEST_MASKED_BYTES = 256 * 1024 * 1024
_FAILED, _BROKEN = "failed", "broken"


class FileLogger(Protocol):
    """Allure's own, which writes the files."""

    def report_result(self, result: TestResult) -> None: ...
    def report_container(self, container: TestResultContainer) -> None: ...
    def report_attached_file(self, source: str, file_name: str) -> None: ...
    def report_attached_data(self, body: str | bytes, file_name: str) -> None: ...
    def report_globals(self, globals_item: object) -> None: ...


class AllureBorder:
    """Stands before Allure's logger.

    Args:
        inner: writes the files.
        mask: what each text goes through.
        own_folder: what is attached from there is masked already; None where it is not.
        job: the CI job that this is; None where there is none.
        host: what the host's name becomes.
    """

    def __init__(
        self,
        inner: FileLogger,
        mask: Mask,
        own_folder: Path | None = None,
        job: CiJob | None = None,
        host: Mask = str,
    ) -> None:
        self.inner = inner
        self._mask = mask
        self._own_folder = own_folder
        self._job = job
        self._host = host
        self.facts: TestFacts | None = None
        """Of the test whose result comes next."""
        self.last_file = ""
        """Name of the last file that was attached."""
        self.silent: set[str] = set()
        """Fixtures whose rows say nothing."""

    @hookimpl
    def report_result(self, result: TestResult) -> None:
        """One execution of a test."""
        facts, self.facts = self.facts, None
        if facts is not None:
            _tell_facts(result, facts)
            if self._job is not None:
                result.links.append(Link(type="link", url=self._job.url, name=self._job.name))
        for label in result.labels:
            if label.name == LabelType.HOST:
                label.value = self._host(label.value)
        _mask_texts(result, self._mask)
        self.inner.report_result(result)

    @hookimpl
    def report_container(self, container: TestResultContainer) -> None:
        """What a fixture did before and after."""
        name_rows(container, self.silent)
        if container.befores or container.afters:
            _mask_texts(container, self._mask)
            self.inner.report_container(container)

    @hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        """A file that was attached."""
        self.last_file = file_name
        path = Path(source)
        is_own = self._own_folder is not None and path.is_relative_to(self._own_folder)
        if is_own or path.stat().st_size > _LARGEST_MASKED_BYTES:
            self.inner.report_attached_file(source, file_name)
        else:
            self.report_attached_data(path.read_bytes(), file_name)

    @hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """A text, or bytes, that was attached."""
        if isinstance(body, bytes):
            try:
                body = body.decode()
            except UnicodeDecodeError:
                self.inner.report_attached_data(body, file_name)
                return
        self.inner.report_attached_data(self._mask(body), file_name)

    @hookimpl
    def report_globals(self, globals_item: object) -> None:
        """What belongs to no test."""
        _mask_texts(globals_item, self._mask)
        self.inner.report_globals(globals_item)


def _tell_facts(result: TestResult, facts: TestFacts) -> None:
    _add_labels(result, facts)
    _add_parameters(result, facts)
    # The listener makes it of the test and its parameters; what was added counts as well.
    result.historyId = md5(  # type: ignore[no-untyped-call]
        result.fullName,
        *(
            f"{one.name}={one.value}"
            for one in sorted(result.parameters, key=lambda one: str(one.name))
            if not one.excluded
        ),
    )
    result.description = _description(result.description or "", facts)
    if facts.failure is not None and result.status in (_FAILED, _BROKEN):
        result.status = _BROKEN if facts.failure.category.is_no_result else _FAILED
        trace = result.statusDetails.trace if result.statusDetails is not None else None
        result.statusDetails = StatusDetails(message=_message(facts), trace=trace)
    if facts.number > 1 and any(not line.endswith(": passed") for line in facts.earlier):
        details = result.statusDetails or StatusDetails()
        details.flaky = True
        result.statusDetails = details


def _description(said: str, facts: TestFacts) -> str:
    """Markdown: what the test says of itself, what was proven, and how often it was run."""
    parts = [inspect.cleandoc(said)] if said else []
    if facts.story:
        parts.append("\n".join(("```", *facts.story, "```")))
    measured = {"NCS release": facts.ncs, **_joined(facts.measurements)}
    rows = [f"- {name}: {value}" for name, value in measured.items() if value]
    if rows:
        parts.append("\n".join(rows))
    if facts.earlier:
        tries = (*facts.earlier, f"try {facts.number}: this one")
        parts.append("It was run before:\n\n" + "\n".join(f"- {line}" for line in tries))
    return "\n\n".join(parts)


def _message(facts: TestFacts) -> str:
    """Categories are told by how it begins (`allure_files.py`)."""
    assert facts.failure is not None
    failure = facts.failure
    lines = [f"{failure.category.title}: {failure.headline}", f"cause: {failure.cause}"]
    if failure.remedy:
        lines.append(f"what to do: {failure.remedy}")
    return "\n".join(lines)


def _add_labels(result: TestResult, facts: TestFacts) -> None:
    present = {label.name for label in result.labels}
    # What the test's author chose with Allure's own decorators stays.
    unless_chosen = {
        "epic": facts.board,
        "feature": in_words(facts.room),
        "severity": facts.severity,
    }
    labels = {
        "category": facts.category,
        "cause": facts.cause,
        "board": facts.board,
        "kit": facts.kit,
        "ncs": facts.ncs,
        "room": facts.room,
        **{name: value for name, value in facts.versions if name != "platform"},
    }
    labels |= {name: value for name, value in unless_chosen.items() if name not in present}
    # Ours first: what is far down is not shown.
    own = [Label(name=name, value=value) for name, value in labels.items() if value]
    result.labels = [*own, *result.labels]


def _add_parameters(result: TestResult, facts: TestFacts) -> None:
    kept = [one for one in result.parameters if one.name != _REPETITION]
    if len(kept) < len(result.parameters):
        result.name = result.fullName.rpartition("#")[2] if not _arguments(kept) else result.name
    # Few, because Allure 2 lists all values beside a test's name. Histories are apart for each
    # board type, and go on from kit to kit.
    kept.insert(0, Parameter(name="board", value=facts.board))
    kept += [
        Parameter(name=name, value=value, excluded=True)
        for name, value in (
            ("kit", facts.kit),
            ("try", str(facts.number) if facts.number > 1 else ""),
        )
        if value
    ]
    result.parameters = kept


def _joined(measurements: Iterable[tuple[str, str]]) -> dict[str, str]:
    """All values of each measurement, in their order."""
    values: dict[str, list[str]] = {}
    for name, text in measurements:
        values.setdefault(name, []).append(text)
    return {name: ", ".join(texts) for name, texts in values.items()}


def _arguments(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Those that the test was parametrized with."""
    return [one for one in parameters if not one.excluded]


def _mask_texts(thing: object, mask: Mask) -> None:
    """Mask all texts of one of Allure's values, and of those within."""
    for name, value in vars(thing).items():
        match value:
            case str() if name not in ("uuid", "historyId", "testCaseId", "source", "children"):
                setattr(thing, name, mask(value))
            case list():
                setattr(thing, name, [_masked_item(item, mask) for item in value])
            case None | str() | bool() | int() | float():
                pass
            case _ if hasattr(value, "__attrs_attrs__"):
                _mask_texts(value, mask)
            case _:
                pass


def _masked_item(item: object, mask: Mask) -> object:
    if isinstance(item, str):
        return item
    if hasattr(item, "__attrs_attrs__"):
        _mask_texts(item, mask)
    return item
