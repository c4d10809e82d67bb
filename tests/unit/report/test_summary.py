"""What the end of a session says about each test's verdicts."""

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.record.events import VerdictReached
from pytest_nrf_fota.report.summary import TestVerdicts, summary_lines

_UPGRADED = VerdictReached(
    outcome="upgraded",
    subject="application 1.0.0 -> 1.1.0",
    reason="",
    evidence=(
        Evidence(Source.UART, Says.NEW, "image v1.1.0"),
        Evidence(Source.SMP, Says.UNKNOWN, "no image list could be read"),
    ),
)
_REFUSED = VerdictReached(
    outcome="not upgraded", subject="MCUboot 14 -> 15", reason="nothing was pending", evidence=()
)


def test_a_passed_test_shows_its_evidence() -> None:
    assert summary_lines([TestVerdicts("t.py::test_a", "passed", (_UPGRADED,))]) == (
        "PASSED t.py::test_a",
        "    application 1.0.0 -> 1.1.0: UPGRADED",
        "      UART: new         image v1.1.0",
        "      SMP:  no opinion  no image list could be read",
    )


def test_a_refusal_shows_why_beside_the_tests_own_result() -> None:
    lines = summary_lines(
        [
            TestVerdicts("t.py::test_a", "passed", (_REFUSED,)),
            TestVerdicts("t.py::test_b", "failed", (_REFUSED, _UPGRADED)),
            TestVerdicts("t.py::test_c", "skipped", ()),
            TestVerdicts("t.py::test_d", "error", ()),
        ]
    )
    assert lines[:3] == (
        "PASSED t.py::test_a",
        "    MCUboot 14 -> 15: NOT UPGRADED (the test passed)",
        "      why: nothing was pending",
    )
    assert [line for line in lines if "::" in line] == [
        "PASSED t.py::test_a",
        "FAILED t.py::test_b",
        "SKIPPED t.py::test_c",
        "ERROR t.py::test_d",
    ]


def test_a_session_without_verdicts_has_no_lines() -> None:
    assert summary_lines([]) == ()


def test_what_was_asked_of_the_probe_twice() -> None:
    """A flash tool that fails now and then is a thing to know."""
    lines = summary_lines((), (), [("t.py::test_a", "recover: tool's worker died: it said so")])
    assert lines == (
        "probe asked once more in t.py::test_a: recover: tool's worker died: it said so",
    )


def test_a_failing_test_names_its_time_line_behind_the_failure() -> None:
    test = TestVerdicts("t.py::test_a", "failed", (), "it broke", "gw0/t.py--test_a/timeline.html")
    assert summary_lines([test]) == (
        "FAILED t.py::test_a",
        "    it broke",
        "    time line: gw0/t.py--test_a/timeline.html",
    )
