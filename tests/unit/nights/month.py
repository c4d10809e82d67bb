"""Nights of a farm, simulated with a fixed seed and written through the real result model.

Noise is always there: tests that pass on a second try, single failures, errors of the setup, values
that scatter. What a report has to find is injected.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from pytest_nrf_fota.nights.history import history_of
from pytest_nrf_fota.nights.night_report import NightReport, report_of
from pytest_nrf_fota.nights.store import open_store
from pytest_nrf_fota.record.result import (
    RESULT_NAME,
    CauseOfFailure,
    Measured,
    TestResult,
    VerdictInBrief,
    write_result,
)

FIRST_EVENING = datetime(2024, 10, 30, 22, 0, tzinfo=timezone(timedelta(hours=1)))
BOARDS = ("nrf5340dk", "nrf5340dk", "nrf5340dk_mcuboot", "nrf52840dk")
KITS_OF_HOST = 4
_SUBJECTS = ("app_upgrade", "mcuboot_upgrade", "cut_swap", "robustness", "multi_image", "recovery")
_NIGHTS_OF_FIRMWARE = 3
# Rates in a night, of tests.
_SECOND_TRY, _SINGLE, _RIG = 0.003, 0.0005, 0.0008
_UPLOAD_KB_S = {"nrf5340dk": 21.0, "nrf5340dk_mcuboot": 22.5, "nrf52840dk": 15.5}

SIGNATURE = CauseOfFailure(
    code="image_of_another_key",
    text="MCUboot refused the image in the secondary slot and erased it: it is signed with a key "
    "that this MCUboot does not have.",
    remedy="Sign with the key that MCUboot was built with, and upload again.",
)
LOW_VOLTAGE = CauseOfFailure(
    code="probe_low_voltage",
    text="nrfutil failed with exit code 1: ERROR: Low voltage detected at the target.",
    remedy="Check the kit's power switch, its jumpers and the USB hub.",
)
NO_BOOT = CauseOfFailure(
    code="line_not_seen", text="The ready line of the application did not appear within 20 s."
)
LINK = CauseOfFailure(
    code="connection_broke", text="The SMP connection broke before the answer came: upload."
)
CONSOLE = CauseOfFailure(code="console_lost", text="The UART port vanished: /dev/ttyACM3.")


@dataclass(frozen=True)
class Kit:
    """A kit of the farm."""

    name: str
    board: str
    host: str
    worker: str


@dataclass(frozen=True)
class Injected:
    """What is wrong in the month; night numbers count from 0.

    `dying_kit` loses a growing share of its tests; `slow_kit` half of its upload speed.
    """

    broken_scenario: str = ""
    broken_since: int = 0
    dying_kit: str = ""
    dying_since: int = 0
    slow_kit: str = ""
    slow_since: int = 0


THREE_TROUBLES = Injected(
    broken_scenario="test_cut_swap_case_08",
    broken_since=18,
    dying_kit="1050012335",
    dying_since=24,
    slow_kit="1050012349",
    slow_since=12,
)
"""A regression, a kit that dies, and a slow adapter."""


@dataclass(frozen=True)
class Farm:
    """How large it is, and what is wrong."""

    nights: int = 30
    kits: int = 16
    scenarios: int = 70
    seed: int = 5340
    injected: Injected = field(default_factory=Injected)

    def all_kits(self) -> tuple[Kit, ...]:
        """Four on each host; the board types differ by host."""
        return tuple(
            Kit(
                f"10500{12300 + 7 * number}",
                BOARDS[number // KITS_OF_HOST % len(BOARDS)],
                f"lab{number // KITS_OF_HOST + 1}",
                f"gw{number % KITS_OF_HOST}",
            )
            for number in range(self.kits)
        )

    def all_scenarios(self) -> tuple[str, ...]:
        """Node ids as pytest writes them."""
        names = []
        for number in range(self.scenarios):
            subject = _SUBJECTS[number % len(_SUBJECTS)]
            names.append(f"tests/hil/test_{subject}.py::test_{subject}_case_{number:02d}")
        return tuple(names)


def results(farm: Farm, night: int) -> Iterator[tuple[Kit, TestResult]]:
    """All executions of a night, by kit."""
    rng = random.Random(farm.seed * 1000 + night)
    for kit in farm.all_kits():
        at = FIRST_EVENING + timedelta(days=night)
        for scenario in farm.all_scenarios():
            for result in _executions(farm, night, kit, scenario, at, rng):
                at += timedelta(seconds=result.duration_s)
                yield kit, result


def _executions(
    farm: Farm, night: int, kit: Kit, scenario: str, at: datetime, rng: random.Random
) -> Iterator[TestResult]:
    passed = _passed(farm, night, kit, scenario, at, rng)
    if kit.board == "nrf52840dk" and "multi_image" in scenario:
        yield passed.model_copy(update={"outcome": "skipped", "verdicts": (), "measurements": ()})
        return
    chance = rng.random()
    wrong = farm.injected
    if _name(scenario) == wrong.broken_scenario and night >= wrong.broken_since:
        yield _failed(passed, SIGNATURE)
    elif kit.name == wrong.dying_kit and chance < _dying_share(night - wrong.dying_since):
        cause = rng.choice((LOW_VOLTAGE, LOW_VOLTAGE, LOW_VOLTAGE, NO_BOOT, LINK))
        yield _failed(passed, cause)
    elif chance > 1 - _SECOND_TRY:
        yield _failed(passed, LINK)
        yield passed.model_copy(update={"try_number": 2})
    elif chance > 1 - _SECOND_TRY - _SINGLE:
        yield _failed(passed, NO_BOOT)
    elif chance > 1 - _SECOND_TRY - _SINGLE - _RIG:
        yield _failed(passed, CONSOLE)
    else:
        yield passed


def _dying_share(nights: int) -> float:
    return 0.0 if nights < 0 else min(0.6, 0.06 * (nights + 1))


def _name(scenario: str) -> str:
    return scenario.partition("::")[2]


def _passed(
    farm: Farm, night: int, kit: Kit, scenario: str, at: datetime, rng: random.Random
) -> TestResult:
    wrong = farm.injected
    slow = 0.45 if kit.name == wrong.slow_kit and night >= wrong.slow_since else 1.0
    speed = _UPLOAD_KB_S[kit.board] * slow

    def near(value: float) -> float:
        return round(value * rng.gauss(1.0, 0.03), 3)

    build = night // _NIGHTS_OF_FIRMWARE
    return TestResult(
        node_id=scenario,
        board=kit.board,
        kit=kit.name,
        outcome="passed",
        verdicts=(VerdictInBrief(outcome="upgraded", subject="application 1.0.0 -> 1.1.0"),),
        measurements=(
            Measured(name="upload throughput", value=near(speed), unit="kB/s"),
            Measured(name="boot time", value=near(1.8), unit="s"),
            Measured(name="swap time", value=near(12.5), unit="s"),
            Measured(name="erase time", value=near(52.0), unit="s"),
        ),
        steps_s={"flash": near(14.0), "upload": near(9.0)},
        firmware={"image 0": "1.1.0"},
        firmware_id=f"build-{1400 + build}",
        ncs="2.9.0",
        started=at,
        duration_s=near(22.0),
        host=kit.host,
        worker=kit.worker,
    )


def _failed(passed: TestResult, cause: CauseOfFailure) -> TestResult:
    is_rig = cause in (LOW_VOLTAGE, CONSOLE)
    return passed.model_copy(
        update={
            "outcome": "error" if is_rig else "failed",
            "side": "rig" if is_rig else "firmware",
            "phase": "setup" if is_rig else "call",
            "failure": cause.text,
            "causes": (cause,),
            "verdicts": (),
            "measurements": (),
        }
    )


def report_on(farm: Farm, *, shares_tests: bool = False) -> NightReport:
    """The report of the farm's last night, through a store in memory.

    With `shares_tests` each scenario runs once in a night, on whichever kit, as `-n auto` does it.
    """
    rng = random.Random(farm.seed)
    with open_store(Path(":memory:")) as store:
        for night in range(farm.nights):
            chosen = {one: rng.choice(farm.all_kits()) for one in farm.all_scenarios()}
            runs: defaultdict[str, list[tuple[str, str, TestResult]]] = defaultdict(list)
            for number, (kit, result) in enumerate(results(farm, night)):
                if not shares_tests or chosen[result.node_id] == kit:
                    runs[kit.host].append((f"{kit.worker}/{number}", "", result))
            for host, tests in runs.items():
                store.put(f"{night:02d}-{host}", tests)
        nights = store.nights(date.max, farm.nights)
        return report_of(history_of(nights, store.rows(nights), store.values(nights)))


def night_date(night: int) -> date:
    """The date of a night."""
    return (FIRST_EVENING + timedelta(days=night)).date()


def write_night(farm: Farm, night: int, folder: Path) -> list[Path]:
    """Write a night's run folders, one for each host; returns them."""
    runs: dict[str, Path] = {}
    for kit, result in results(farm, night):
        evening = FIRST_EVENING + timedelta(days=night)
        run = runs.setdefault(kit.host, folder / f"{evening:%Y%m%d-%H%M%S}-{kit.host}")
        name = result.node_id.replace("/", "-").replace("::", "--")
        again = f"--{result.try_number}" if result.try_number > 1 else ""
        test = run / kit.worker / f"{name}{again}"
        test.mkdir(parents=True, exist_ok=True)
        write_result(test / RESULT_NAME, result)
    return list(runs.values())


def write_month(farm: Farm, folder: Path) -> list[Path]:
    """Write all nights; returns the run folders, by night."""
    return [run for night in range(farm.nights) for run in write_night(farm, night, folder)]
