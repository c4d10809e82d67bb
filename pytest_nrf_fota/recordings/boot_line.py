"""One boot in a line, for comparing what was read then with what is read now."""

from pytest_nrf_fota.bootlog.report import Boot


def boot_line(boot: Boot) -> str:
    """All that a verdict reads of a boot: `S1, firmware 2, MCUboot 2, 1.0.0, ready, 31 lines`."""
    mcuboot, app = boot.mcuboot, boot.app
    parts = [
        f"S{boot.nsib_slot}" if boot.nsib_slot is not None else "",
        f"firmware {boot.firmware_version}" if boot.firmware_version is not None else "",
        f"MCUboot {boot.bootloader_version}" if boot.bootloader_version is not None else "",
        mcuboot.image_version or "" if mcuboot else "",
        "swaps" if boot.swapped else "",
        f"at {app.identity_address}" if app and app.identity_address else "",
        "ready" if boot.app_ready else "application" if boot.reached_app else "no application",
        *(f"refused: {line}" for line in boot.refusals),
        *(fault.kind or "a crash" for fault in boot.faults),
        f"{boot.line_count} lines",
    ]
    return ", ".join(part for part in parts if part)
