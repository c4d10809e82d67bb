"""MCUboot's lines outside the swap algorithms: start, trailers, decisions, refusals, jump."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

# Minimal logging; builds with CONFIG_LOG_MODE_MINIMAL=n; releases before 2018 and ports without
# Zephyr; with a function's name where CONFIG_LOG_FUNC_NAME_PREFIX_INF is set; without any prefix
# at the start of a line, because the first characters of a line are lost first.
LEVEL_PREFIX = (
    # The module of sdk-nrf's subsys/pcd, which MCUboot calls, is pcd.
    r"(?:(?:(?:^|[^\w])(?:[IWED]|INF|WRN|ERR|DBG): |<\w{3}> (?:mcuboot|pcd): "
    r"|(?:^|[^\w])[IWED] \(\d+\) boot: "
    r"|(?:\[\w+\] ?)?\[(?:INF|WRN|ERR|DBG) ?\](?:\[\w+\]:)? )(?:\w+: )?|^[IWED]?\W{0,3})"
)
LOG_SOURCE = "MCUboot boot/zephyr/main.c, loader.c"
SOURCE_TREE = "sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs5, boot/bootutil/src and boot/zephyr"

_LINE = Family(Stage.MCUBOOT, LOG_SOURCE, LEVEL_PREFIX)
_TREE = Family(Stage.MCUBOOT, SOURCE_TREE, LEVEL_PREFIX)
_S_SLOTS = Family(Stage.MCUBOOT, "sdk-mcuboot loader.c", LEVEL_PREFIX)

PATTERNS = (
    _LINE.line(
        "mcuboot_start",
        r"Starting (?P<mode>Direct-XIP )?bootloader(?! update)(?: (?P<marker>\S.*?))?\s*$",
        "MCUboot starts; a number behind it is a build's own marker.",
        "I: Starting bootloader",
        "I: Starting bootloader 14",
        "I: main: Starting bootloader",
        "uart:~$ I: Starting bootloader",
        "[00:00:00.272,430] <inf> mcuboot: Starting bootloader",
        "[MCUBOOT] [INF] main: Starting bootloader",
        "[INF] Starting bootloader",
        "I: Starting Direct-XIP bootloader",
        anchor="bootloader",
        watched=True,
    ),
    Family(Stage.MCUBOOT, "documentation of NXP's ota_examples").line(
        "port_banner",
        r"^(?:hello sbl\.|Bootloader Version \d+\.\d+\.\d+)\s*$",
        "MCUboot's port without Zephyr starts.",
        "hello sbl.",
        "Bootloader Version 2.1.0",
        anchor=("hello sbl", "Bootloader Version"),
        watched=True,
    ),
    _LINE.line(
        "trailer",
        r"(?P<area>Primary image|Secondary image|Scratch|Image \d+|primary slot|Primary slot): "
        r"magic=(?P<magic>\w+)"
        r"(?:, swap_type=0x(?P<swap_type>[0-9a-f]+))?"
        r"(?:, copy_done=0x(?P<copy_done>[0-9a-f]+))?(?:, image_ok=0x(?P<image_ok>[0-9a-f]+))?",
        "The trailer of an image area, from which MCUboot decides about a swap.",
        "I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x1",
        "I: Primary image: magic=bad, swap_type=0x0, copy_done=0x2, image_ok=0x2",
        "[00:00:00.279,113] <inf> mcuboot: Primary image: magic=good, swap_type=0x2, "
        "copy_done=0x1, image_ok=0x1",
        "[MCUBOOT] [INF] boot_status_source: Image 0: magic=unset, copy_done=0xff, image_ok=0xff",
        "[MCUBOOT] [INF] boot_status_source: Scratch: magic=unset, copy_done=0x0, image_ok=0xff",
        "I: Scratch: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3",
        watched=True,
    ),
    _LINE.line(
        "boot_source",
        r"Boot source: (?P<source>none|\w+(?: \w+)?)",
        "Where MCUboot found the status of a swap that a reset had cut; none is the normal case.",
        "I: Boot source: none",
        "I: Boot source: primary slot",
        "[MCUBOOT] [INF] boot_status_source: Boot source: slot 0",
        watched=True,
    ),
    # An application with minimal logging prints this in the very same words.
    _LINE.line(
        "swap_type",
        r"(?:Image index: (?P<image>\d+), )?Swap type: (?P<swap_type>\w+)",
        "What MCUboot decided for an image: none, test, perm, revert, fail or panic.",
        "I: Image index: 0, Swap type: test",
        "I (95) boot: Image index: 0, Swap type: test",
        "INF: Image index: 0, Swap type: perm            << Internal MCUboot logging",
        "I: Swap type: revert",
        "[00:00:00.304,656] <inf> mcuboot: Image index: 0, Swap type: test",
        "[MCUBOOT] [INF] boot_swap_type: Swap type: none",
        any_stage=True,
        watched=True,
    ),
    _LINE.line(
        "image_invalid",
        r"Image in the (?P<slot>\w+) slot is not valid!",
        "Header, hash or signature of the image are wrong; in the secondary slot it is erased.",
        "E: Image in the secondary slot is not valid!",
        "E: Image in the primary slot is not valid!",
        "[00:00:00.310,000] <err> mcuboot: Image in the secondary slot is not valid!",
        refuses=True,
        watched=True,
    ),
    _LINE.line(
        "mcuboot_nothing",
        r"Unable to find bootable image",
        "MCUboot has no image that it may start; the board stands still.",
        "E: Unable to find bootable image",
        "[MCUBOOT] [ERR] main: Unable to find bootable image",
        refuses=True,
        watched=True,
    ),
    _LINE.line(
        "bad_image_magic",
        r"[Bb]ad image magic 0x(?P<magic>[0-9a-fA-F]+)(?:; Image=(?P<image>\d+))?",
        "The primary slot holds no image.",
        "E: bad image magic 0xffffffff; Image=0",
        "E: Bad image magic 0xffffffff",
        refuses=True,
        anchor="ad image magic 0x",
    ),
    _LINE.line(
        "headers_unreadable",
        r"Failed reading image header(?:s; Image=(?P<image>\d+)|s\.|)",
        "No image header can be read: an empty slot, or a flash that does not answer.",
        "W: Failed reading image headers; Image=0",
        "E: Failed reading image headers.",
        anchor="Failed reading image header",
    ),
    _LINE.line(
        "status_unreadable",
        r"Failed reading boot status; Image=(?P<image>\d+)",
        "The swap status in the trailer cannot be read.",
        "W: Failed reading boot status; Image=0",
    ),
    _LINE.line(
        "too_many_sectors",
        r"Failed reading sectors; BOOT_MAX_IMG_SECTORS=(?P<sectors>\d+) - too small\?",
        "The slot's sectors cannot be read: the limit is too low, or MCUboot lacks the driver "
        "of the flash that holds the slot.",
        "W: Failed reading sectors; BOOT_MAX_IMG_SECTORS=128 - too small?",
        "W: Failed reading sectors; BOOT_MAX_IMG_SECTORS=512 - too small?",
        refuses=True,
    ),
    _LINE.line(
        "slots_incompatible",
        r"Cannot upgrade: (?P<what>not a compatible amount of sectors|more sectors than allowed"
        r"|not same sector layout|slots have non-compatible sectors|slots are not compatible"
        r"|slot write sizes are not compatible|not all sectors fit inside scratch)",
        "The two slots do not fit each other, so no upgrade is possible.",
        "W: Cannot upgrade: not a compatible amount of sectors",
        "W: Cannot upgrade: more sectors than allowed",
        "W: Cannot upgrade: not same sector layout",
        "W: Cannot upgrade: slots have non-compatible sectors",
        "W: Cannot upgrade: slots are not compatible",
        "W: Cannot upgrade: slot write sizes are not compatible",
        "W: Cannot upgrade: not all sectors fit inside scratch",
        refuses=True,
    ),
    _LINE.line(
        "insufficient_version",
        r"[Ii]nsufficient version in secondary slot",
        "Downgrade prevention: the update is not newer, so it is erased.",
        "E: insufficient version in secondary slot",
        "E: Insufficient version in secondary slot",
        refuses=True,
        anchor="nsufficient version in secondary slot",
    ),
    _LINE.line(
        "downgrade",
        r"Image (?:(?P<image>\d+) )?in slot 1 erased due to downgrade prevention",
        "Downgrade prevention: version or security counter is too low, so the update is erased.",
        "I: Image in slot 1 erased due to downgrade prevention",
        "I: Image 0 in slot 1 erased due to downgrade prevention",
        refuses=True,
        anchor="in slot 1 erased due to downgrade prevention",
        watched=True,
    ),
    _LINE.line(
        "security_counter_failed",
        r"Security counter update failed after image ?(?P<image>\d+)? ?(?P<when>upgrade|validation)"
        r"\.",
        "The security counter could not be raised.",
        "E: Security counter update failed after image upgrade.",
        "E: Security counter update failed after image 0 validation.",
        "E: Security counter update failed after image validation.",
    ),
    _LINE.line(
        "area_not_opened",
        r"Failed to open flash area(?:s,| ID (?P<area>\d+) \(image (?P<image>\d+) slot "
        r"(?P<slot>\d+)\): (?P<code>-?\d+),) cannot continue",
        "MCUboot has no driver for the flash that holds this slot.",
        "E: Failed to open flash area ID 2 (image 0 slot 1): -2, cannot continue",
        "E: Failed to open flash areas, cannot continue",
        refuses=True,
        since="NCS 2.6",
        anchor="cannot continue",
    ),
    _TREE.line(
        "scratch_not_opened",
        r"Failed to open scratch flash area: (?P<code>-?\d+), cannot continue",
        "The scratch area's flash does not answer.",
        "E: Failed to open scratch flash area: -2, cannot continue",
        refuses=True,
    ),
    _LINE.line(
        "secondary_unreachable",
        r"Secondary image of image pair \((?P<image>\d+)\.\) is unreachable\. Treat it as empty",
        "The flash of the secondary slot does not answer; MCUboot boots without it.",
        "E: Secondary image of image pair (0.) is unreachable. Treat it as empty",
    ),
    _LINE.line(
        "protect_failed",
        r"Protect mcuboot flash failed, cancel startup\.",
        "MCUboot cannot lock its own flash and stops.",
        "E: Protect mcuboot flash failed, cancel startup.",
        refuses=True,
    ),
    _LINE.line(
        "ext_apis_not_provided",
        r"Failed to provide EXT_APIs(?: to (?:0x)?(?P<address>\w+))?",
        "The image asks MCUboot for an interface that it does not have.",
        "Failed to provide EXT_APIs",
        "E: Failed to provide EXT_APIs to 0x28200",
    ),
    _LINE.line(
        "no_fw_info",
        r"Unable to find firmware info structure in (?:0x)?(?P<address>\w+)",
        "The image holds no firmware information.",
        "E: Unable to find firmware info structure in 0x28200",
    ),
    _LINE.line(
        "mcuboot_panic",
        r"(?:panic!|Never should get here)\s*$",
        "MCUboot met a state that it cannot handle.",
        "E: panic!",
        "E: Never should get here",
        refuses=True,
        anchor=("panic!", "Never should"),
    ),
    _LINE.line(
        "stuck_revert_cleared",
        r"Cleared image (?P<image>\d+) primary slot trailer due to stuck revert",
        "A revert was pending, but there is no old image to go back to.",
        "I: Cleared image 0 primary slot trailer due to stuck revert",
        since="NCS 3.0",
    ),
    _S_SLOTS.line(
        "cleaned_up",
        r"Cleaned-up secondary slot of (?:image )?(?P<image>\d+)(?:\. image\.)?",
        "What lay in the secondary slot fits neither slot of the board, so it was erased.",
        "E: Cleaned-up secondary slot of 0. image.",
        "E: Cleaned-up secondary slot of image 1",
        since="NCS 2.6",
    ),
    _S_SLOTS.line(
        "clean_up_failed",
        r"(?:Can not cleanup|Failed to clean-up) secondary slot of (?:image )?(?P<image>\d+)",
        "An image that fits nowhere could not be erased.",
        "E: Can not cleanup secondary slot of 0. image.",
        "E: Failed to clean-up secondary slot of image 0: -5",
        anchor="secondary slot of",
        since="NCS 2.6",
    ),
    _S_SLOTS.line(
        "wrong_s_image",
        r"Image in slot is for wrong s0/s1 image",
        "The file for the MCUboot slot (S0/S1) that is running was uploaded; send the other one.",
        "E: Image in slot is for wrong s0/s1 image",
        since="NCS 2.8",
        refuses=True,
        watched=True,
    ),
    _S_SLOTS.line(
        "wrong_reset_address",
        r"(?:Reset address of image in secondary slot is not in the primary slot"
        r"|Binary in secondary slot of image (?P<image>\d+) is not designated for the primary slot"
        r")",
        "The image is linked for another address than the slot it is meant for.",
        "E: Reset address of image in secondary slot is not in the primary slot",
        "E: Binary in secondary slot of image 0 is not designated for the primary slot",
        anchor="secondary slot",
        refuses=True,
    ),
    _S_SLOTS.line(
        "erases_secondary",
        r"Erasing (?:image from secondary slot|faulty image in the (?P<slot>\w+) slot\.)",
        "An image that was refused is erased.",
        "E: Erasing image from secondary slot",
        "D: Erasing faulty image in the secondary slot.",
        anchor="Erasing ",
    ),
    _TREE.line(
        "image_not_bootable",
        r"Image not bootable",
        "The image has the flag NON_BOOTABLE: it cannot be started.",
        "E: Image not bootable",
    ),
    _TREE.line(
        "image_wrong_offset",
        r"Image in (?P<slot>\w+) slot at 0x(?P<at>[0-9a-f]+) has been built for offset "
        r"0x(?P<built_for>[0-9a-f]+)",
        "Direct-XIP: the image was linked for another slot.",
        "E: Image in secondary slot at 0x80000 has been built for offset 0x10000",
        refuses=True,
    ),
    _TREE.line(
        "shared_data_failed",
        r"(?:Failed to add (?:image )?data to shared (?:memory )?area"
        r"|Shared data TLV (?:data|header) write failed: (?P<code>-?\d+))",
        "The data that MCUboot shares with the application could not be stored.",
        "E: Failed to add data to shared memory area.",
        "E: Failed to add image data to shared area",
        "E: Shared data TLV data write failed: -1",
        anchor="hared",
    ),
    _TREE.line(
        "decompression_failed",
        r"(?:Compressed image too large|Decompression (?:error|library fatal error|expected"
        r"|system returning)|Primary slots cannot be compressed|All compressed data consumed"
        r"|Invalid image compression flags|Invalid(?:/missing image)? decompressed image size"
        r"|Invalid/missing image decrypted compressed size|Decompressed image larger than claimed)",
        "A compressed update cannot be unpacked.",
        "E: Compressed image too large, decompressed image size: 0x100, slot size: 0x80",
        "E: Decompression error: -5",
        "E: Decompression library fatal error",
        "E: Primary slots cannot be compressed, image: 0",
        "E: Invalid image compression flags: no supported compression found",
        refuses=True,
        anchor="ompress",
        since="NCS 2.8",
    ),
    _TREE.line(
        "crypto_failed",
        r"(?:(?:AES|ED25519|PSA|MAC|Key|Random key|Built-in key)\b[\w ]*?"
        r"(?:failed|abort failed)(?: with error| with:)? (?P<code>-?\d+))",
        "MCUboot's cryptography failed.",
        "E: ED25519 signature verification failed -149",
        "E: PSA crypto init failed -134",
        "E: AES crypto init failed 3",
        "E: PSA crypto init failed with error -134",
        anchor="failed",
    ),
    _TREE.line(
        "sector_layout",
        r"(?:area (?P<area>\d+) size 0x(?P<size>[0-9a-f]+) not divisible by sector size"
        r" 0x(?P<sector>[0-9a-f]+)"
        r"|flash area (?P<overflow>\d+) sector count overflow"
        r"|invalid flash (?:area )?ID(?: (?P<id>\d+))?)",
        "The partition does not fit the flash it lies in.",
        "E: area 2 size 0x21800 not divisible by sector size 0x1000",
        "E: flash area 2 sector count overflow",
        "E: invalid flash ID 1; expected 0",
        "E: invalid flash area ID",
        anchor=("divisible by sector", "count overflow", "invalid flash"),
    ),
    _TREE.line(
        "sectors_used",
        r"slot0 sectors: (?P<slot0>\d+), slot1 sectors: (?P<slot1>\d+), usable slot0 sectors: "
        r"(?P<usable>\d+)",
        "How many sectors the slots have.",
        "I: slot0 sectors: 216, slot1 sectors: 216, usable slot0 sectors: 214",
        since="NCS 2.9",
    ),
    Family(Stage.MCUBOOT, LOG_SOURCE).line(
        "chainload",
        r"Bootloader chainload address offset: 0x(?P<address>[0-9a-fA-F]+)",
        "Where the image lies that MCUboot starts.",
        "I: Bootloader chainload address offset: 0x28000",
        "[00:01:35.508,392] <inf> mcuboot: Bootloader chainload address offset: 0x10000",
        "\ufffd: Bootloader chainload address offset: 0xc000",
        watched=True,
    ),
    _LINE.line(
        "image_version",
        r"Image version: v(?P<version>\d+\.\d+\.\d+)",
        "The version in the header of the image that MCUboot starts.",
        "I: Image version: v1.2.3",
        "[00:01:35.515,960] <inf> mcuboot: Image version: v0.2.0",
        source="a log of real MCUboot under QEMU",
        since="NCS 3.0",
    ),
    # Without prefix: the first bytes of this line are often garbled.
    Family(Stage.MCUBOOT, LOG_SOURCE).line(
        "jump",
        r"Jumping to the (?:first )?image(?: slot)?\b",
        "MCUboot's last line.",
        "I: Jumping to the first image slot",
        "I: Jumping to the image slot",
        "Jumping to the image",
        "\ufffd: Jumping to the first image slot",
        "\ufffd=00:01:35.521,575] <inf> mcuboot: Jumping to the first image slot",
        anchor="Jumping to the",
        watched=True,
    ),
    _LINE.line(
        "validation_attempt",
        r"Image validation attempt (?P<attempt>\d+)/(?P<attempts>\d+) failure: (?P<code>-?\d+)",
        "The image in the primary slot did not pass a check that is repeated.",
        "E: Image validation attempt 3/3 failure: -1",
        source="sdk-mcuboot loader.c",
    ),
    Family(Stage.MCUBOOT, SOURCE_TREE).line(
        "header_fields",
        r"(?:br_image_off|ih_hdr_size) = 0x(?P<value>[0-9a-fA-F]+)",
        "Where MCUboot found the image's header.",
        "br_image_off = 0x20000",
        "ih_hdr_size = 0x20",
        "[esp32c3] [INF] br_image_off = 0x20000",
        anchor=" = 0x",
    ),
    Family(Stage.MCUBOOT, SOURCE_TREE).line(
        "boot_delay",
        r"\*{5} delaying boot (?P<delay_ms>\d+)\s?ms \(per build configuration\) \*{5}",
        "MCUboot waits as long as its build sets.",
        "***** delaying boot 500ms (per build configuration) *****",
        watched=False,
    ),
    Family(Stage.MCUBOOT, SOURCE_TREE, r"(?:^|[^\w])D: ").line(
        "bootutil_debug",
        r"(?P<function>boot_\w+|bootutil_\w+|Left boot_go)\b",
        "MCUboot's debug output.",
        "D: boot_validate_slot: slot 0, expected_swap_type 0",
        "D: bootutil_img_hash",
        "D: Left boot_go with success == 1",
        anchor="D: ",
        source="a log of real MCUboot under QEMU",
    ),
    Family(Stage.MCUBOOT, SOURCE_TREE, LEVEL_PREFIX).line(
        "flash_debug",
        r"(?P<what>(?:erasing|writing|initializing) (?:scratch area|secondary header"
        r"|secondary trailer|trailer|status|copy_done|image_ok|magic|swap_info|swap_size"
        r"|swap status|enc_key))",
        "MCUboot's debug output about the trailer.",
        "D: writing magic; fa_id=2 off=0xd7ff0 (0xfff00)",
        "D: erasing trailer; fa_id=2",
        "D: initializing status; fa_id=1",
        anchor="ing ",
    ),
)
