"""What is said where boots could not be watched: no boot, a gap in the console, silent stages."""

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.verdict.facts import Watch

_NAMES = {Stage.NSIB: "NSIB", Stage.MCUBOOT: "MCUboot"}


def silent_stages(boot: Boot) -> frozenset[Stage]:
    """The bootloaders that printed nothing in a boot."""
    return frozenset(stage for stage in _NAMES if not boot.speaks(stage))


def gap_remark(watch: Watch) -> str:
    """That the console missed something, or that nothing came."""
    if watch.lacks_last_boot:
        return "no boot was seen since the last reset"
    often = "once" if watch.gaps == 1 else f"{watch.gaps} times"
    return f"the console was away {often} since, so its log may lack a boot"


def no_boot_remark(watch: Watch) -> str:
    """That no boot was seen, and what is known of why."""
    if watch.gaps:
        return f"no boot was seen since the upload; {gap_remark(watch)}"
    if watch.resets:
        return "no boot was seen since the upload, though the board was reset"
    return "no boot was seen since the upload"


def silence_remark(boot: Boot, stage: Stage, watch: Watch) -> str:
    """That a bootloader printed nothing in a boot; empty where it did."""
    if boot.speaks(stage):
        return ""
    name = _NAMES[stage]
    if stage in watch.silent:
        return f"{name} prints nothing on this board"
    return f"no line of {name} on the last boot"
