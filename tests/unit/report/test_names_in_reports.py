"""Names that tools group by, and the CI job."""

from collections.abc import Mapping

import pytest
from allure_commons import model2

from pytest_nrf_fota.report.category import Category
from pytest_nrf_fota.report.ci_job import CiJob, ci_job
from pytest_nrf_fota.report.facts import Executions, Failure, TestFacts, facts_of, in_words, room_of
from pytest_nrf_fota.report.fixture_rows import name_rows
from pytest_nrf_fota.report.junit import class_name


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("tests/hil/test_a.py::test_x[1]", "kit.tests.hil.test_a"),
        ("test_a.py::TestB::test_x", "kit.test_a.TestB"),
        (
            "../venv/lib/python3.12/site-packages/pytest_nrf_fota/scenarios/test_a.py::test_x",
            "kit.pytest_nrf_fota.scenarios.test_a",
        ),
        ("../clone/pytest_nrf_fota/scenarios/test_a.py::t", "kit.pytest_nrf_fota.scenarios.test_a"),
    ],
)
def test_class_name(node_id: str, name: str) -> None:
    assert class_name(node_id, "kit") == name


def test_room() -> None:
    assert room_of("tests/hil/test_mcuboot_upgrade.py::test_x[a::b]") == "mcuboot_upgrade"
    assert in_words("mcuboot_upgrade") == "MCUboot upgrade"
    assert in_words("app_upgrade") == "Application upgrade"


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"CI": "true"}, None),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_REPOSITORY": "me/fw",
                "GITHUB_RUN_ID": "9",
                "GITHUB_RUN_NUMBER": "4",
                "GITHUB_WORKFLOW": "nightly",
            },
            CiJob("github", "nightly #4", "https://github.com/me/fw/actions/runs/9", "4"),
        ),
        (
            {"JENKINS_URL": "x", "BUILD_URL": "https://j/7", "BUILD_NUMBER": "7", "JOB_NAME": "fw"},
            CiJob("jenkins", "fw #7", "https://j/7", "7"),
        ),
    ],
)
def test_ci_job(environment: Mapping[str, str], job: CiJob | None) -> None:
    assert ci_job(environment) == job


def test_facts_travel_as_properties() -> None:
    facts = TestFacts(
        board="nrf5340dk",
        kit="1050012345",
        ncs="3.0",
        room="x",
        failure=Failure(Category.LINK, "upload_stalled", "it stalled", "Come closer."),
        number=2,
        earlier=("try 1: passed",),
        severity="minor",
    )
    assert facts_of([("other", 1), *facts.properties()]) == facts
    assert facts_of([("nrf_fota_outcome", "upgraded")]) is None


def test_executions_are_counted_for_each_test() -> None:
    counted = Executions()
    failed = TestFacts("b", failure=Failure(Category.RIG, "no_probe", "none"))
    assert counted.numbered("a", failed).number == 1
    assert counted.numbered("b", TestFacts("b")).earlier == ()
    again = counted.numbered("a", TestFacts("b"))
    assert (again.number, again.earlier) == (2, ("try 1: Test setup [no_probe]: none",))


def test_rows_of_fixtures() -> None:
    """Ours by what they do, others' by their finalizer, pytest's own not at all."""
    befores = [
        model2.TestBeforeResult(name=name) for name in ("dut", "mine", "pytestconfig", "arg")
    ]
    afters = [
        model2.TestAfterResult(name=name, status=status)
        for name, status in (
            *(("dut::1", "passed"), ("dut::<lambda>", None), ("mine::put_away", "failed")),
            *(("mine::0", "passed"), ("mine::<lambda>", "passed"), ("pytestconfig::0", "passed")),
        )
    ]
    container = model2.TestResultContainer(uuid="x", befores=befores, afters=afters)
    name_rows(container, frozenset(("pytestconfig", "arg")))
    assert [row.name for row in container.befores] == ["dut: open UART, SMP and SWD", "mine"]
    assert [row.name for row in container.afters] == [
        *("dut: close UART, SMP and SWD", "mine: put away", "mine: tear down", "mine: tear down"),
    ]
