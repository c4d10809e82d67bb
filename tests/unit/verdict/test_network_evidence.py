"""What proves which firmware the network core runs, and what does not."""

import pytest

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.facts import Facts, Marking, NetworkUpdate
from pytest_nrf_fota.verdict.network_evidence import (
    NetworkTarget,
    smp_evidence,
    swd_evidence,
    uart_evidence,
)
from pytest_nrf_fota.verdict.wording import verdict_of
from tests.unit.boot_lines import APP_LINES, boots_of

TARGET = NetworkTarget(
    image_index=1,
    address=0x01008800,
    version=2,
    firmware=b"code, Network core firmware 2, common line",
    before=b"code, Network core firmware 1, common line",
    version_before=1,
    image_hash=b"\x01" * 32,
)
TAKEN = ("I: Turned on network core", "I: Turned off network core")


def _boots(*lines: str) -> tuple[Boot, ...]:
    logged = ["I: Starting bootloader", "I: Image index: 1, Swap type: perm", *lines]
    return boots_of("\n".join(logged))


OVERWROTE = "I: Image 1 upgrade secondary slot -> primary slot"


@pytest.mark.parametrize(
    ("boot_lines", "network_lines", "says"),
    [
        ((), ("Network core firmware 2",), Says.NEW),
        ((), ("Network core firmware 1",), Says.OLD),
        ((), ("Network core firmware 1", "Network core firmware 2"), Says.NEW),
        ((), ("common line",), Says.UNKNOWN),
        ((OVERWROTE, *TAKEN), (), Says.NEW),
        # The core is switched on to be asked for its version, too.
        (TAKEN, (), Says.UNKNOWN),
        ((OVERWROTE, "E: Network core update failed"), (), Says.OLD),
        ((OVERWROTE,), ("Unable to find valid firmware inside 0x20010200",), Says.OLD),
        ((), (), Says.UNKNOWN),
    ],
)
def test_uart(boot_lines: tuple[str, ...], network_lines: tuple[str, ...], says: Says) -> None:
    assert uart_evidence(_boots(*boot_lines), network_lines, TARGET).says is says


def test_uart_without_a_boot_knows_nothing() -> None:
    assert uart_evidence((), ("Network core firmware 2",), TARGET).says is Says.UNKNOWN


def test_an_update_that_still_waits_is_not_taken() -> None:
    waiting = ImageState(1, 1, "2.0.0", TARGET.image_hash, True, True, False, False, True)
    assert smp_evidence((waiting,), TARGET).says is Says.OLD
    taken = ImageState(1, 0, "2.0.0", TARGET.image_hash, True, False, True, True, False)
    assert smp_evidence((taken,), TARGET).says is Says.UNKNOWN
    assert smp_evidence((), TARGET).says is Says.UNKNOWN
    assert smp_evidence(None, TARGET).says is Says.UNKNOWN


def test_flash() -> None:
    assert swd_evidence(TARGET.firmware, TARGET).says is Says.NEW
    assert TARGET.before is not None
    assert swd_evidence(TARGET.before, TARGET).says is Says.OLD
    assert swd_evidence(b"half and half", TARGET).says is Says.OTHER


@pytest.mark.parametrize(
    ("network", "outcome"),
    [
        ((Says.NEW, Says.NEW), Outcome.UPGRADED),
        ((Says.UNKNOWN, Says.NEW), Outcome.UNPROVEN),
        ((Says.OLD, Says.OLD), Outcome.NOT_UPGRADED),
        ((Says.NEW, Says.OLD), Outcome.CONTRADICTION),
    ],
)
def test_a_proven_application_proves_nothing_of_the_network_core(
    network: tuple[Says, Says], outcome: Outcome
) -> None:
    app = (Evidence(Source.UART, Says.NEW, ""), Evidence(Source.SWD, Says.NEW, ""))
    on_uart, on_swd = network
    both = (
        *app,
        Evidence(Source.UART, on_uart, "", "network core"),
        Evidence(Source.SWD, on_swd, "", "network core"),
    )
    assert Verdict("both", both).outcome is outcome


@pytest.mark.parametrize(
    ("is_pending", "is_silent", "why"),
    [
        (True, True, "image 1 is still pending: the network core did not take it"),
        (False, True, "it saw no pending image 1"),
        (True, False, "it saw no pending image 1"),
    ],
)
def test_silence_does_not_say_that_nothing_was_pending(
    is_pending: bool, is_silent: bool, why: str
) -> None:
    assert TARGET.before is not None
    waiting = ImageState(1, 1, "2.0.0", TARGET.image_hash, True, is_pending, False, False, True)
    boots = boots_of("\n".join(APP_LINES)) if is_silent else _boots(*APP_LINES)
    facts = Facts(
        boots=boots,
        update=NetworkUpdate(TARGET, TARGET.before),
        marking=Marking(was_tried=True),
        images=(waiting,),
    )
    verdict = verdict_of(facts)
    assert verdict.outcome is Outcome.NOT_UPGRADED
    assert why in verdict.reason
