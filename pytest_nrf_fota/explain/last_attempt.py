"""Where the last attempt of a log begins: what is before it explains another one."""

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.upgrade_story import Story
from pytest_nrf_fota.findings.finding import Origin
from pytest_nrf_fota.verdict.boots import refusals_of
from pytest_nrf_fota.verdict.ending import Ending

# The lines that show it begin with the attempt's own.
_SEEN_IN_THE_APPLICATION = (
    *(Ending.NOT_PENDING, Ending.NOT_TAKEN, Ending.NOT_RESET, Ending.UPLOADED),
    Ending.CLIENT_FAILED,
)


def start_of_last_attempt(case: Case, story: Story) -> int:
    """The line behind which everything belongs to the log's last attempt; 0 where it has one."""
    if story.ending in (Ending.CUT, Ending.GIVEN_UP, Ending.SPOILT):
        return 0
    boots = case.boots.boots
    if story.ending in _SEEN_IN_THE_APPLICATION:
        begun = min((s.line_number or 0 for s in story.shown if s.origin is Origin.LOG), default=0)
        within = [boot for boot in boots if boot.first.line_number <= begun]
        return _end_of_bootloader(within[-1]) if within else 0
    tried = [
        place
        for place, boot in enumerate(boots)
        if boot.wanted_swap or boot.swaps or refusals_of(boot)
    ]
    while len(tried) > 1 and _goes_on(boots[tried[-1]], boots[tried[-2]]):
        tried.pop()
    if not tried or not tried[-1]:
        return 0
    return _end_of_bootloader(boots[tried[-1] - 1])


def _end_of_bootloader(boot: Boot) -> int:
    """The last line of a boot's bootloaders: its application may have begun what follows."""
    return max(
        (span.last.line_number for span in boot.stages if span.stage is not Stage.APP),
        default=boot.first.line_number,
    )


def _goes_on(boot: Boot, before: Boot) -> bool:
    """Whether a boot ends what the one before it began: a revert, a resumed swap, NSIB's turn."""
    swaps = boot.mcuboot.swaps if boot.mcuboot is not None else ()
    begun = before.mcuboot.swaps if before.mcuboot is not None else ()
    # Behind a boot that only refused something, a revert ends what came before the log.
    if begun and any(swap.resumed or swap.decided == "revert" for swap in swaps):
        return True
    if refusals_of(boot) and set(boot.refusals) <= set(before.refusals):
        return True  # the same again
    is_copied = any(swap.image == 1 or swap.algorithm == "nsib" for swap in begun)
    return is_copied and boot.nsib is not None and bool(boot.nsib.errors)
