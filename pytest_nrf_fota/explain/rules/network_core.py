"""The nRF5340's network core: its update through PCD, and a controller that does not answer."""

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found
from pytest_nrf_fota.explain.rules.cut_swap import unless_cut_in_a_swap
from pytest_nrf_fota.findings.finding import Confidence

_LEAST_BOOTS = 2
# What a wait that ran out returns in Zephyr.
_EAGAIN = -11


def _refused(case: Case) -> Match | None:
    """MCUboot's own line; what b0n prints, other programs print as well."""
    failed = case.known("netcore_failed", "netcore_command_failed")
    b0n = case.known("b0n_failed")
    if not failed and not b0n:
        return None
    first = (*failed, *b0n)[0]
    beside = [
        k
        for k in case.known("netcore_start", "netcore_on", "netcore_off")
        if case.same_boot(k, first)
    ]
    sure = failed or beside
    return found([*failed, *b0n, *beside], Confidence.LIKELY if sure else Confidence.POSSIBLE)


def _update_loop(case: Case) -> Match | None:
    """Boot after boot starts the network core's update, and no application stays."""
    run: list[Boot] = []
    for boot in case.boots.boots:
        update = boot.network_core
        if update is not None and update.started is not None:
            run.append(boot)
        else:
            run = []
        if len(run) >= _LEAST_BOOTS and not _is_finished(run):
            starts = [b.network_core.started for b in run if b.network_core is not None]
            return found(
                [seen for seen in starts if seen is not None],
                Confidence.LIKELY,
                count=len(run),
            )
    return None


def _is_finished(run: list[Boot]) -> bool:
    """Two updates in a row that each reached the application are two updates."""
    return run[-1].reached_app or run[-2].reached_app


def _controller_silent(case: Case) -> Match | None:
    lines = [
        known
        for known in case.known("hci_timeout", "controller_unbound")
        if known.text("command") or known.number("code") == _EAGAIN
    ]
    sure = [known for known in lines if known.text("command") or known.text("driver")]
    return found(lines, Confidence.LIKELY if sure else Confidence.POSSIBLE)


RULES = (
    Rule(
        "network_core_refused",
        "The network core did not take its update: its bootloader (b0n) and PCD do not match the "
        "application core's build, or its flash is protected.",
        "Reflash both cores from one build, network core first: `nrfjprog --recover --coprocessor "
        "CP_NETWORK`, `nrfjprog --recover`, then `west flash`.",
        _refused,
        gentle="Build both cores in one build and update again (`west flash` flashes both); the "
        "network core's own UART (first VCOM) says what b0n refuses.",
    ),
    Rule(
        "network_core_update_loop",
        "The board reboots in a loop ({count} boots): each boot finds the same old network core "
        "image in the external flash and starts its update again.",
        "Erase the external flash: `nrfjprog --qspieraseall` or "
        "`nrfutil device erase --all-external`, then `west flash --recover`.",
        unless_cut_in_a_swap(_update_loop),
        gentle="Read the lines behind `Starting network core update` and the network core's own "
        "UART; the image in the external flash is what starts the update again.",
    ),
    Rule(
        "controller_silent",
        "The Bluetooth controller on the network core does not answer: it holds no image, another "
        "build's, or it crashed.",
        "Flash both cores from one build (`west flash` with merged_domains.hex; hci_ipc or "
        "hci_rpmsg for the network core), and look at the network core's own UART (first VCOM).",
        _controller_silent,
    ),
)
