"""From what the sources say to a verdict, and from a verdict to a message."""

import pytest

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.verdict.evidence import (
    Outcome,
    UpgradeNotProvenError,
    Verdict,
    assert_upgraded,
)

_NEW, _OLD, _UNKNOWN = Says.NEW, Says.OLD, Says.UNKNOWN


def _verdict(uart: Says, smp: Says, swd: Says, reason: str = "") -> Verdict:
    return Verdict(
        "application 1.0.0 -> 1.1.0",
        (
            Evidence(Source.UART, uart, "image v1.1.0, application runs"),
            Evidence(Source.SMP, smp, "image 0 slot 0: 1.1.0"),
            Evidence(Source.SWD, swd, "primary slot holds 1.1.0"),
        ),
        reason,
    )


@pytest.mark.parametrize(
    ("uart", "smp", "swd", "outcome"),
    [
        (_NEW, _NEW, _NEW, Outcome.UPGRADED),
        (_NEW, _UNKNOWN, _NEW, Outcome.UPGRADED),
        (_NEW, _NEW, _UNKNOWN, Outcome.UPGRADED),
        (_NEW, _UNKNOWN, _UNKNOWN, Outcome.UPGRADED),
        (_NEW, _OLD, _NEW, Outcome.CONTRADICTION),
        (_NEW, _NEW, _OLD, Outcome.CONTRADICTION),
        (_NEW, _OLD, _OLD, Outcome.CONTRADICTION),
        (_OLD, _NEW, _NEW, Outcome.CONTRADICTION),
        (_UNKNOWN, _OLD, _NEW, Outcome.CONTRADICTION),
        (_OLD, _OLD, _OLD, Outcome.NOT_UPGRADED),
        (_OLD, _UNKNOWN, _UNKNOWN, Outcome.NOT_UPGRADED),
        (_UNKNOWN, _OLD, _UNKNOWN, Outcome.NOT_UPGRADED),
        (_UNKNOWN, _UNKNOWN, _OLD, Outcome.NOT_UPGRADED),
        (_UNKNOWN, _NEW, _NEW, Outcome.UNPROVEN),
        (_UNKNOWN, _UNKNOWN, _UNKNOWN, Outcome.UNPROVEN),
    ],
)
def test_the_outcome_follows_from_the_evidence(
    uart: Says, smp: Says, swd: Says, outcome: Outcome
) -> None:
    verdict = _verdict(uart, smp, swd)
    assert verdict.outcome is outcome
    if outcome is Outcome.UPGRADED:
        assert_upgraded(verdict)
    else:
        with pytest.raises(UpgradeNotProvenError) as caught:
            assert_upgraded(verdict)
        assert caught.value.verdict is verdict


_OTHER = Says.OTHER


@pytest.mark.parametrize(
    ("uart", "smp", "swd", "outcome"),
    [
        (_NEW, _OTHER, _UNKNOWN, Outcome.CONTRADICTION),
        (_NEW, _UNKNOWN, _OTHER, Outcome.CONTRADICTION),
        (_UNKNOWN, _OTHER, _OTHER, Outcome.NOT_UPGRADED),
        (_UNKNOWN, _OTHER, _OLD, Outcome.NOT_UPGRADED),
    ],
)
def test_a_third_firmware_speaks_against_the_update(
    uart: Says, smp: Says, swd: Says, outcome: Outcome
) -> None:
    assert _verdict(uart, smp, swd).outcome is outcome


@pytest.mark.parametrize("source", [Source.SMP, Source.SWD])
def test_where_the_uart_is_silent_one_word_from_behind_a_boot_proves_it(source: Source) -> None:
    silent = Evidence(Source.UART, _UNKNOWN, "MCUboot prints nothing on this board")
    word = Evidence(source, _NEW, "1.1.0", after_boot=True)
    assert Verdict("application", (silent, word)).outcome is Outcome.UPGRADED
    early = Evidence(source, _NEW, "1.1.0")
    assert Verdict("application", (silent, early)).outcome is Outcome.UNPROVEN
    against = Evidence(Source.SWD, _OLD, "1.0.0", after_boot=True)
    assert Verdict("application", (silent, word, against)).outcome is Outcome.CONTRADICTION
    unknown = Evidence(source, _UNKNOWN, "?", after_boot=True)
    assert Verdict("application", (silent, unknown)).outcome is Outcome.UNPROVEN


def test_two_lines_of_one_source_may_contradict_each_other() -> None:
    verdict = Verdict(
        "MCUboot 14 -> 15",
        (
            Evidence(Source.UART, _NEW, "NSIB boots slot 1, Firmware version 15"),
            Evidence(Source.UART, _OLD, "Starting bootloader 14"),
        ),
    )
    assert verdict.outcome is Outcome.CONTRADICTION


def test_no_evidence_proves_nothing() -> None:
    assert Verdict("application", ()).outcome is Outcome.UNPROVEN


def test_the_error_tells_verdict_reason_and_every_source() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_upgraded(_verdict(_OLD, _UNKNOWN, _NEW, "the new one was not confirmed"))
    assert str(caught.value).splitlines() == [
        "application 1.0.0 -> 1.1.0: CONTRADICTION",
        "  why: the new one was not confirmed",
        "  UART: old         image v1.1.0, application runs",
        "  SMP:  no opinion  image 0 slot 0: 1.1.0",
        "  SWD:  new         primary slot holds 1.1.0",
    ]


def test_a_verdict_without_a_reason_has_no_why() -> None:
    assert "why" not in str(_verdict(_NEW, _NEW, _NEW))
