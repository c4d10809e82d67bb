"""What a test report carries to the end of the session."""

from pathlib import Path

import pytest

from pytest_nrf_fota.record.events import Measurement, ProbeRetried
from pytest_nrf_fota.record.run import RunFolder
from pytest_nrf_fota.report.facts import TestFacts
from pytest_nrf_fota.report.session import VerdictCollector, properties_of


def test_probe_that_was_asked_once_more(tmp_path: Path) -> None:
    """From the flight recorder into the report, and from there to the terminal."""
    run = RunFolder(tmp_path)
    run.recorder.record(ProbeRetried(operation="info", fault="tool's worker died", error="early"))
    run.start_test("t.py::test_a")
    run.recorder.record(ProbeRetried(operation="read", fault="tool's worker died", error="late"))
    files = run.finish_test()
    assert files is not None
    collector = VerdictCollector(tmp_path)
    for when in ("call", "teardown"):
        report = pytest.TestReport(
            "t.py::test_a",
            ("t.py", 1, "test_a"),
            {},
            "passed",
            None,
            when,
        )
        report.user_properties += properties_of(files)
        collector.pytest_runtest_logreport(report)
    assert collector.retries == [
        ("t.py::test_a", "info: tool's worker died: early"),
        ("t.py::test_a", "read: tool's worker died: late"),
    ]


def test_measurements_are_properties(tmp_path: Path) -> None:
    """Each one, in its order, whatever it is called; a mere number has no unit."""
    run = RunFolder(tmp_path)
    run.start_test("t.py::test_a")
    for name, value, unit in (
        ("upload throughput", 35.2, "kB/s"),
        ("upload retries", 2, ""),
        ("connection interval", 7.5, "ms"),
        ("upload throughput", 1657.9, "kB/s"),
    ):
        run.recorder.record(Measurement(name=name, value=value, unit=unit))
    files = run.finish_test()
    assert files is not None

    measured = tuple((one.name, one.text) for one in files.measurements)
    assert [
        (name, value)
        for name, value in TestFacts(board="mine", measurements=measured).properties()
        if name not in ("nrf_fota_board", "nrf_fota_severity", "nrf_fota_try")
    ] == [
        ("nrf_fota_upload_throughput", "35.2 kB/s"),
        ("nrf_fota_upload_retries", "2"),
        ("nrf_fota_connection_interval", "7.5 ms"),
        ("nrf_fota_upload_throughput", "1657.9 kB/s"),
    ]
