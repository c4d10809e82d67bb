"""What reports tell of one execution of a test: one value, which all of them read.

Allure, JUnit, pytest-html and pytest-json-report show the same, because none of them looks anywhere
else. From an xdist worker to its controller it travels as properties of the report.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pytest_nrf_fota.report.category import Category

_PREFIX = "nrf_fota_"
_EARLIER = "earlier_try"


@dataclass(frozen=True)
class Failure:
    """Why one execution failed: its kind, the code of its cause, and that in a line."""

    category: Category
    cause: str
    headline: str
    remedy: str = ""


@dataclass(frozen=True)
class TestFacts:
    """What is known when a test and its fixtures are over.

    Args:
        board: the board type.
        kit: the serial number of the kit, or the name of the virtual one; empty where none was had.
        ncs: the nRF Connect SDK that built the bootloaders; empty where none has.
        room: the module that the test is in, without `test_`.
        failure: why it failed; None where it did not.
        number: 1 for the first execution, 2 where it was run again, and so on.
        earlier: of each execution before, why it failed; empty for one that passed.
        versions: of what it depends on. They are properties of the session, not of each test.
        severity: one of Allure's.
        story: the verdicts and their evidence in lines, as the terminal shows them; no property.
        measurements: names and values with units, in the order in which they were measured.
    """

    __test__ = False

    board: str
    kit: str = ""
    ncs: str = ""
    room: str = ""
    failure: Failure | None = None
    number: int = 1
    earlier: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    severity: str = "normal"
    measurements: tuple[tuple[str, str], ...] = ()
    story: tuple[str, ...] = ()

    @property
    def category(self) -> str:
        """The kind of its failure; empty where there is none."""
        return self.failure.category.value if self.failure is not None else ""

    @property
    def cause(self) -> str:
        """The code of its failure's cause; empty where there is none."""
        return self.failure.cause if self.failure is not None else ""

    def properties(self) -> list[tuple[str, object]]:
        """As properties of a report; what is not known is left out."""
        values = {
            "board": self.board,
            "kit": self.kit,
            "ncs": self.ncs,
            "room": self.room,
            "severity": self.severity,
            "try": str(self.number),
            "category": self.category,
            "cause": self.cause,
            "headline": self.failure.headline if self.failure is not None else "",
            "remedy": self.failure.remedy if self.failure is not None else "",
        }
        told: list[tuple[str, object]] = [(_PREFIX + n, v) for n, v in values.items() if v]
        told += [(measured_property(name), text) for name, text in self.measurements]
        return told + [(_PREFIX + _EARLIER, line) for line in self.earlier]


def facts_of(properties: Iterable[tuple[str, object]]) -> TestFacts | None:
    """The facts that a report carries, without measurements; None where it carries none."""
    told = [
        (name.removeprefix(_PREFIX), str(value))
        for name, value in properties
        if name.startswith(_PREFIX)
    ]
    values = dict(told)
    if "board" not in values or "try" not in values:
        return None
    failure = None
    if "category" in values:
        failure = Failure(
            Category(values["category"]),
            values.get("cause", ""),
            values.get("headline", ""),
            values.get("remedy", ""),
        )
    return TestFacts(
        board=values["board"],
        kit=values.get("kit", ""),
        ncs=values.get("ncs", ""),
        room=values.get("room", ""),
        failure=failure,
        number=int(values["try"]),
        earlier=tuple(value for name, value in told if name == _EARLIER),
        severity=values.get("severity", "normal"),
    )


def measured_property(name: str) -> str:
    """The property of a measurement: `upload throughput` is `nrf_fota_upload_throughput`."""
    return _PREFIX + re.sub(r"\W+", "_", name.strip())


def room_of(node_id: str) -> str:
    """The module of a test, without `test_`."""
    return PurePosixPath(node_id.partition("::")[0]).stem.removeprefix("test_")


def in_words(name: str) -> str:
    """`mcuboot_upgrade` as a title."""
    words = [_SPELT.get(word, word) for word in name.split("_") if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


_SPELT: Mapping[str, str] = {
    "mcuboot": "MCUboot",
    "nsib": "NSIB",
    "smp": "SMP",
    "app": "application",
    "uart": "UART",
    "ble": "BLE",
}


class Executions:
    """Counts how often each test was run in this process, and why earlier executions failed."""

    def __init__(self) -> None:
        self._ended: dict[str, list[str]] = {}

    def numbered(self, test: str, facts: TestFacts) -> TestFacts:
        """The facts with the number of this execution, which is over now."""
        before = self._ended.setdefault(test, [])
        counted = replace(facts, number=len(before) + 1, earlier=tuple(before))
        before.append(_line(counted))
        return counted


def _line(facts: TestFacts) -> str:
    if facts.failure is None:
        return f"try {facts.number}: passed"
    failure = facts.failure
    return f"try {facts.number}: {failure.category.title} [{failure.cause}]: {failure.headline}"


def kits_of(all_facts: Sequence[TestFacts]) -> tuple[str, ...]:
    """The kits of several tests, each once."""
    return tuple(dict.fromkeys(facts.kit for facts in all_facts if facts.kit))
