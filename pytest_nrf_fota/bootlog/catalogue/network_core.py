"""The network core's update through PCD, and its bootloader b0n."""

from pytest_nrf_fota.bootlog.catalogue.mcuboot import LEVEL_PREFIX
from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_SOURCE = "sdk-nrf subsys/pcd"
_PCD = Family(Stage.MCUBOOT, _SOURCE, LEVEL_PREFIX)
# An application might say these, too.
_B0N = Family(None, _SOURCE)

PATTERNS = (
    _PCD.line(
        "netcore_start",
        r"Starting network core update",
        "MCUboot hands an image to the network core.",
        "I: Starting network core update",
        watched=True,
    ),
    _PCD.line(
        "netcore_version_check",
        r"Checking network core version",
        "The network core's running version is asked for.",
        "I: Checking network core version",
    ),
    _PCD.line(
        "netcore_on",
        r"Turned on network core",
        "The network core starts to take its image.",
        "I: Turned on network core",
        "[00:00:22.509,735] <inf> pcd: Turned on network core",
    ),
    _PCD.line(
        "netcore_off",
        r"Turned off network core",
        "The network core is off again.",
        "I: Turned off network core",
    ),
    _PCD.line(
        "netcore_done",
        r"Done updating network core",
        "The network core runs its new image from the next start on.",
        "I: Done updating network core",
        watched=True,
    ),
    _PCD.line(
        "netcore_failed",
        r"Network core update failed",
        "The network core's bootloader did not take the image.",
        "E: Network core update failed",
        "[00:00:22.509,765] <err> pcd: Network core update failed",
        refuses=True,
        watched=True,
    ),
    _PCD.line(
        "netcore_command_failed",
        r"Error while writing PCD cmd: (?P<code>-?\d+)",
        "MCUboot could not give its command to the network core's bootloader.",
        "I: Error while writing PCD cmd: -22",
        source="sdk-nrf subsys/pcd and sdk-mcuboot loader.c",
        refuses=True,
    ),
    _B0N.line(
        "b0n_failed",
        r"(?P<what>Flash device not ready|Failed to protect b0n flash, cancel startup"
        r"|Unable to find valid firmware inside|Failed to transfer image: -?\d+"
        r"|Failed to protect app flash: -?\d+)",
        "The network core's bootloader gave up.",
        "Flash device not ready",
        "Failed to protect b0n flash, cancel startup",
        "Unable to find valid firmware inside 0x1008800",
        "Failed to transfer image: -5",
        "Failed to protect app flash: -22",
        anchor=(
            "Flash device not ready",
            "b0n flash",
            "valid firmware inside",
            "transfer image",
            "protect app",
        ),
    ),
)
