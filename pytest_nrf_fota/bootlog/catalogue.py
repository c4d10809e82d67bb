"""The log lines that a boot report is read from, each with its source."""

import re
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """The stages of one boot, in their order."""

    NSIB = 1
    MCUBOOT = 2
    APP = 3


@dataclass(frozen=True)
class LogPattern:
    """One kind of line.

    Args:
        name: what the line says, by which code refers to it.
        stage: the stage that prints it, or None where any may.
        regex: searched anywhere in a line, because captures carry prefixes.
        source: where the line was read.
    """

    name: str
    stage: Stage | None
    regex: re.Pattern[str]
    source: str


def _pattern(name: str, stage: Stage | None, regex: str, source: str) -> LogPattern:
    return LogPattern(name, stage, re.compile(regex), source)


_NSIB = "facts/dual-stage-boot.md, 2.4 and 2.5"
_MCUBOOT = "facts/dual-stage-boot.md, 4.4"
_REAL = "logs/real-m0-upgrade-test-confirm.log"

# MCUboot's prefix: of minimal logging, of builds with CONFIG_LOG_MODE_MINIMAL=n, or of releases
# before 2018; with a function's name where CONFIG_LOG_FUNC_NAME_PREFIX_INF is set.
_MCUBOOT_LINE = r"(?:(?:^|[^\w])[IWE]: |<\w+> mcuboot: |\[MCUBOOT\] \[\w+\] )(?:\w+: )?"

CATALOGUE = (
    _pattern("banner", None, r"\*\*\* Booting [^*]+\*\*\*", _MCUBOOT),
    _pattern("banner_more", None, r"\*\*\* Using [^*]+\*\*\*", _MCUBOOT),
    _pattern("mcuboot_banner", Stage.MCUBOOT, r"\*\*\* Booting MCUboot ", _REAL),
    _pattern("nsib_attempt", Stage.NSIB, r"Attempting to boot slot (?P<slot>\d)\.", _NSIB),
    _pattern(
        "nsib_address", Stage.NSIB, r"Attempting to boot from address 0x(?P<address>\w+)\.", _NSIB
    ),
    _pattern("nsib_key_hash", Stage.NSIB, r"Hash: 0x(?P<first>\w\w)\.\.\.(?P<last>\w\w)", _NSIB),
    _pattern("nsib_verified", Stage.NSIB, r"Firmware signature verified\.", _NSIB),
    _pattern("nsib_wrong_key", Stage.NSIB, r"Public key didn't match, try next\.", _NSIB),
    _pattern(
        "nsib_below_counter",
        Stage.NSIB,
        r"Firmware version \((?P<version>\d+)\) is smaller than monotonic counter "
        r"\((?P<counter>\d+)\)\.",
        _NSIB,
    ),
    _pattern(
        "nsib_invalidated", Stage.NSIB, r"Failed to validate, permanently invalidating!", _NSIB
    ),
    _pattern(
        "nsib_counter",
        Stage.NSIB,
        r"Setting monotonic counter \(version: (?P<version>\d+), slot: (?P<slot>\d)\)",
        _NSIB,
    ),
    _pattern("nsib_nothing", Stage.NSIB, r"No bootable image found\. Aborting boot\.", _NSIB),
    _pattern("mcuboot_start", Stage.MCUBOOT, _MCUBOOT_LINE + r"Starting bootloader", _MCUBOOT),
    _pattern(
        "trailer",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"(?P<slot>Primary|Secondary) image: magic=(?P<magic>\w+), "
        r"swap_type=0x(?P<swap_type>\w+), copy_done=0x(?P<copy_done>\w+), "
        r"image_ok=0x(?P<image_ok>\w+)",
        _MCUBOOT,
    ),
    # An application with minimal logging prints this in the very same words.
    _pattern(
        "swap_type",
        None,
        _MCUBOOT_LINE + r"(?:Image index: (?P<image>\d+), )?Swap type: (?P<swap_type>\w+)",
        _MCUBOOT,
    ),
    _pattern(
        "swap_start",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"Starting swap using (?P<algorithm>\w+) algorithm\.",
        _MCUBOOT,
    ),
    _pattern(
        "no_room",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"Not enough free space to run swap upgrade",
        _MCUBOOT,
    ),
    _pattern(
        "image_invalid",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"Image in the (?P<slot>primary|secondary) slot is not valid!",
        _MCUBOOT,
    ),
    _pattern(
        "downgrade",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"Image (?:\d+ )?in slot 1 erased due to downgrade prevention",
        _MCUBOOT,
    ),
    _pattern(
        "mcuboot_nothing", Stage.MCUBOOT, _MCUBOOT_LINE + r"Unable to find bootable image", _MCUBOOT
    ),
    _pattern(
        "chainload",
        Stage.MCUBOOT,
        r"Bootloader chainload address offset: 0x(?P<address>\w+)",
        _MCUBOOT,
    ),
    _pattern(
        "image_version",
        Stage.MCUBOOT,
        _MCUBOOT_LINE + r"Image version: v(?P<version>\d+\.\d+\.\d+)",
        _REAL,
    ),
    # Without prefix: the first bytes of this line are often garbled.
    _pattern("jump", Stage.MCUBOOT, r"Jumping to the (?:first )?image slot", _MCUBOOT),
    _pattern(
        "identity",
        Stage.APP,
        r"Identity: (?P<address>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}) \((?P<kind>\w+)\)",
        "logs/thread-session-b-v14-to-v15.log",
    ),
    _pattern(
        "build_time",
        Stage.APP,
        r"build time: (?P<text>.+)",
        "logs/thread-session-b-v14-to-v15.log",
    ),
)
