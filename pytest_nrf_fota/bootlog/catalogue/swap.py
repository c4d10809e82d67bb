"""MCUboot's ways to bring an image into its slot: swaps, overwrite, RAM_LOAD, direct-XIP."""

from pytest_nrf_fota.bootlog.catalogue.mcuboot import LEVEL_PREFIX, SOURCE_TREE
from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_SWAP = Family(Stage.MCUBOOT, "MCUboot swap_move.c", LEVEL_PREFIX)
_TREE = Family(Stage.MCUBOOT, SOURCE_TREE, LEVEL_PREFIX)

PATTERNS = (
    _SWAP.line(
        "swap_start",
        r"Starting swap using (?P<algorithm>\w+) algorithm\b",
        "MCUboot begins or resumes the exchange of images.",
        "I: Starting swap using move algorithm.",
        "I: Starting swap using offset algorithm.",
        "I: Starting swap using scratch algorithm.",
        "I: Starting swap using nsib algorithm.",
        "[00:00:02.574,188] <inf> mcuboot: Starting swap using move algorithm.",
        since="MCUboot 1.9",
        watched=True,
    ),
    _SWAP.line(
        "no_room",
        r"Not enough free space to run swap upgrade",
        "The image leaves no sector free to move; nothing is swapped, and it stays pending.",
        "W: Not enough free space to run swap upgrade",
        refuses=True,
    ),
    _SWAP.line(
        "no_room_bytes",
        r"required (?P<required>\d+) bytes but only (?P<available>\d+) are available",
        "How much space the swap needs and has.",
        "W: required 884736 bytes but only 876544 are available",
    ),
    _SWAP.line(
        "inconsistent_status",
        r"Detected inconsistent status!",
        "The swap status in the trailer is damaged.",
        "E: Detected inconsistent status!",
    ),
    _TREE.line(
        "status_write_failed",
        r"(?P<count>\d+) status write fails performing the swap",
        "The swap went on although its status could not be stored.",
        "W: 1 status write fails performing the swap",
    ),
    _SWAP.line(
        "overwrite_start",
        r"Image (?:(?P<image>\d+) )?upgrade (?:secondary slot -> primary slot|slot1 -> slot0)",
        "Overwrite-only: the update replaces the running image permanently.",
        "I: Image upgrade secondary slot -> primary slot",
        "I: Image 0 upgrade secondary slot -> primary slot",
        "[INF] boot_copy_image: Image upgrade slot1 -> slot0",
        anchor=("upgrade secondary slot -> primary slot", "upgrade slot1 -> slot0"),
        watched=True,
    ),
    _SWAP.line(
        "overwrite_erase",
        r"Erasing the primary slot",
        "Overwrite-only: the old image is erased.",
        "I: Erasing the primary slot",
    ),
    _SWAP.line(
        "overwrite_copy",
        r"(?:(?:Copying|Image (?P<image>\d+) copying) the secondary slot to the primary slot"
        r"|Copying slot 1 to slot 0): 0x(?P<size>[0-9a-fA-F]+) bytes",
        "Overwrite-only: the update is copied.",
        "I: Copying the secondary slot to the primary slot: 0xa000 bytes",
        "I: Image 1 copying the secondary slot to the primary slot: 0xa000 bytes",
        "[INF] boot_copy_image: Copying slot 1 to slot 0: 0xab2c bytes",
        anchor=("the secondary slot to the primary slot: ", "Copying slot 1 to slot 0: "),
        watched=True,
    ),
    _SWAP.line(
        "wrong_upload_address",
        r"Secondary header magic detected in first sector, wrong upload address\?",
        "Swap using offset wants the update in the second sector; it was sent as for another one.",
        "E: Secondary header magic detected in first sector, wrong upload address?",
        refuses=True,
        since="NCS 3.0",
    ),
    _TREE.line(
        "slot_version",
        r"(?P<slot>Primary|Secondary|primary|secondary)\s+slot: "
        r"version=(?P<version>\d+\.\d+\.\d+(?:\+\d+)?)",
        "RAM_LOAD and direct-XIP: which version a slot holds.",
        "I: Primary slot: version=0.0.0+0",
        "I: Primary   slot: version=1.1.0+0",
        "I: Secondary slot: version=1.2.0+0",
        anchor="slot: version=",
    ),
    _TREE.line(
        "slot_empty",
        r"Image (?P<image>\d+) (?P<slot>\w+) slot: [Ii]mage not found",
        "RAM_LOAD and direct-XIP: this slot is empty.",
        "I: Image 0 secondary slot: image not found",
        "I: Image 0 Secondary slot: Image not found",
        anchor="mage not found",
    ),
    _TREE.line(
        "image_loaded",
        r"Image (?P<image>\d+) loaded from the (?P<slot>\w+) slot",
        "RAM_LOAD and direct-XIP: the slot whose image runs.",
        "I: Image 0 loaded from the primary slot",
        "I: Image 0 loaded from the secondary slot",
    ),
    _TREE.line(
        "no_slot_to_load",
        r"No slot to load for image (?P<image>\d+)",
        "RAM_LOAD and direct-XIP: no slot holds an image that may run.",
        "E: No slot to load for image 0",
        "I: No slot to load for image 0",
        refuses=True,
    ),
    _TREE.line(
        "ram_loaded",
        r"(?:Image (?P<image>\d+) )?RAM loading to 0x(?P<address>[0-9a-fA-F]+) is succeeded\.",
        "RAM_LOAD: the image was copied into RAM.",
        "I: Image 0 RAM loading to 0x20240000 is succeeded.",
        "I: RAM loading to 0x20240000 is succeeded.",
        anchor="is succeeded.",
    ),
    _TREE.line(
        "ram_load_failed",
        r"(?:(?:Image (?P<image>\d+) )?RAM loading to (?:address )?0x(?P<address>[0-9a-fA-F]+) "
        r"(?:is failed\.|would overlap)|Image (?:\d+ )?RAM load address 0x[0-9a-fA-F]+ is invalid\."
        r"|Error whilst copying image (?:\d+ )?from Flash to SRAM: (?P<code>-?\d+))",
        "RAM_LOAD: the image could not be copied into RAM.",
        "I: Image 0 RAM loading to 0x20240000 is failed.",
        "I: Image 0 RAM load address 0x10 is invalid.",
        "I: Error whilst copying image 0 from Flash to SRAM: -1",
        "E: RAM loading to 0x20240000 is failed.",
        refuses=True,
        anchor=(" RAM load", "RAM loading", "to SRAM: "),
    ),
    _TREE.line(
        "ram_removed",
        r"(?:Removing image (?P<image>\d+) (?:slot (?P<slot>\d+) from flash|from SRAM at address)"
        r"|Removing image from SRAM|Copying image to SRAM)",
        "RAM_LOAD: an image is copied or removed.",
        "I: Removing image 0 from SRAM at address 0x20240000",
        "I: Removing image 0 slot 1 from flash",
        "I: Copying image to SRAM",
        anchor="ing image ",
    ),
)
