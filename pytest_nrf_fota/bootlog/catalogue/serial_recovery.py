"""MCUboot's serial recovery and USB DFU."""

from pytest_nrf_fota.bootlog.catalogue.mcuboot import LEVEL_PREFIX, SOURCE_TREE
from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_TREE = Family(Stage.MCUBOOT, SOURCE_TREE, LEVEL_PREFIX)

PATTERNS = (
    _TREE.line(
        "recovery_entered",
        r"Enter the serial recovery mode",
        "MCUboot waits for an image over its serial port and starts nothing.",
        "I: Enter the serial recovery mode",
        watched=True,
    ),
    _TREE.line(
        "recovery_failed",
        r"(?:Failed to open flash area ID \d+\s*$|Did not find image with specified hash"
        r"|Error (?P<code>-?\d+) (?:while erasing range|post upload hook)"
        r"|Unable to determine flash sector of the image trailer|Not enough memory to store"
        r"|failed to (?:open|erase) flash area)",
        "Serial recovery could not do what was asked of it.",
        "E: Failed to open flash area ID 7",
        "E: Did not find image with specified hash",
        "E: Error -5 while erasing range",
        "E: Unable to determine flash sector of the image trailer",
        "W: failed to open flash area",
        anchor=("flash area", "specified hash", "Error ", "image trailer", "Not enough memory"),
    ),
    _TREE.line(
        "recovery_write",
        r"Writing at 0x(?P<start>[0-9a-f]+) until 0x(?P<end>[0-9a-f]+)",
        "Serial recovery stores a part of an image.",
        "I: Writing at 0xc000 until 0xc200",
    ),
    _TREE.line(
        "usb_dfu",
        r"(?P<what>Waiting for USB DFU|USB DFU wait time elapsed|Cannot enable USB)",
        "MCUboot waits for an update over USB.",
        "I: Waiting for USB DFU",
        "I: USB DFU wait time elapsed",
        "E: Cannot enable USB",
        anchor="USB",
    ),
)
