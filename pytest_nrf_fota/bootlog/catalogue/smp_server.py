"""Lines of the SMP server and of other update clients inside the application."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_IMAGES = Family(Stage.APP, "Zephyr img_mgmt.c")
_UART = Family(Stage.APP, "zephyr/drivers/console/uart_mcumgr.c")
_CLIENTS = Family(Stage.APP, "public logs")
# Log module and, in builds that print it, the function.
_MODULE = r"mcumgr_img_(?:mgmt|grp)(?:_\w+)?: (?:\w+: )?"

PATTERNS = (
    _IMAGES.line(
        "app_swap_type",
        r"<\w{3}> mcuboot_util: (?:\w+: )?(?:Image index: (?P<image>\d+), )?"
        r"Swap type: (?P<swap_type>\w+)",
        "The application asked what the next boot will do, as every image request does.",
        "[00:14:17.292,266] <inf> mcuboot_util: boot_swap_type_multi: Swap type: none",
        "[00:00:00.107,787] <inf> mcuboot_util: Image index: 0, Swap type: none",
        anchor="Swap type: ",
        watched=True,
    ),
    _IMAGES.line(
        "erased_slot",
        r"Erased 0x(?P<size>[0-9a-f]+) bytes of image slot(?! trailer)",
        "An upload began and erased what lay in the slot: something had been there.",
        "[00:14:23.293,853] <inf> mcumgr_img_mgmt: img_mgmt_erase_image_data: "
        "Erased 0xa000 bytes of image slot",
        "[00:00:00.295,039] <inf> mcumgr_img_grp: Erased 0xc400 bytes of image slot",
        watched=True,
    ),
    _IMAGES.line(
        "erased_trailer",
        r"Erased 0x(?P<size>[0-9a-f]+) bytes of image slot trailer",
        "The slot's trailer was erased, and with it an old request to swap.",
        "[00:14:23.380,340] <inf> mcumgr_img_mgmt: img_mgmt_erase_image_data: "
        "Erased 0x1000 bytes of image slot trailer",
        "[00:00:00.295,085] <inf> mcumgr_img_grp: Erased 0x400 bytes of image slot trailer",
        watched=True,
    ),
    _IMAGES.line(
        "slot_not_bound",
        r"Can't bind to the flash area \(err (?P<code>-?\d+)\)",
        "The slot's flash does not answer.",
        "<err> mcumgr_img_mgmt: Can't bind to the flash area (err -19)",
        watched=True,
    ),
    _IMAGES.line(
        "slot_bad_offset",
        r"bad offset \(0x(?P<offset>[0-9a-f]+)\)",
        "The upload is longer than the slot.",
        "<err> mcumgr_img_mgmt: bad offset (0xd8000)",
        watched=True,
    ),
    _IMAGES.line(
        "slot_erase_failed",
        r"image slot (?P<what>trailer )?erase of 0x(?P<size>[0-9a-f]+) bytes failed "
        r"\(err (?P<code>-?\d+)\)",
        "The slot could not be erased.",
        "<err> mcumgr_img_mgmt: image slot erase of 0xa000 bytes failed (err -5)",
        "<err> mcumgr_img_grp: image slot trailer erase of 0x1000 bytes failed (err -22)",
        anchor="erase of 0x",
        watched=True,
    ),
    _IMAGES.line(
        "upload_refused",
        r"Image upload inspect failed: (?P<code>-?\d+)",
        "The server refused the first packet of an upload.",
        "<err> mcumgr_img_grp: Image upload inspect failed: 5",
        watched=True,
    ),
    _UART.line(
        "smp_fragment_dropped",
        r"uart_mcumgr: (?:\w+: )?(?P<kind>Insufficient buffers|Line too long), fragment dropped",
        "A serial SMP message lost a part, and gets no answer.",
        "[00:00:00.120,000] <wrn> uart_mcumgr: Insufficient buffers, fragment dropped",
        "<wrn> uart_mcumgr: Line too long, fragment dropped",
        anchor="fragment dropped",
        watched=True,
    ),
    _IMAGES.line(
        "upload_write_failed",
        r"Irrecoverable error: flash write failed: (?P<code>-?\d+)",
        "The upload could not be stored.",
        "<err> mcumgr_img_grp: Irrecoverable error: flash write failed: 12",
        watched=True,
    ),
    _IMAGES.line(
        "mark_failed",
        r"Fai?led boot_set_next with code (?P<code>-?\d+), for slot (?P<slot>\d+), "
        r"with active slot (?P<active>\d+) and confirm (?P<confirm>\d+)",
        "The image could not be set pending for the next boot.",
        "<err> mcumgr_img_grp: Failed boot_set_next with code 3, for slot 1, with active slot 0 "
        "and confirm 0",
        "<err> mcumgr_img_grp: Faled boot_set_next with code 3, for slot 1, with active slot 0 "
        "and confirm 0",
        anchor="boot_set_next with code",
        watched=True,
    ),
    _IMAGES.line(
        "image_group_error",
        r"<err> " + _MODULE + r"(?P<text>.*)",
        "The server's image group reports an error.",
        "[00:00:10.000,000] <err> mcumgr_img_grp: img_mgmt_upload_log: something else",
        anchor="mcumgr_img_",
        watched=True,
    ),
    _IMAGES.line(
        "smp_transport_error",
        r"<(?:err|wrn)> (?:mcumgr_\w+|smp_?\w*): (?=(?P<buffers>(?i:.*buf))?)(?P<text>.*)",
        "The SMP server's transport reports an error.",
        "<err> mcumgr_smp: Failed to allocate SMP buffer",
        anchor=("> mcumgr_", "> smp"),
        source="Zephyr subsys/mgmt/mcumgr",
    ),
    _CLIENTS.line(
        "upgrade_scheduled",
        r"(?:MCUBoot image-(?P<image>\d+) upgrade scheduled|[Uu]pgrade scheduled"
        r"|DFU image is marked as (?P<mark>\w+))",
        "The application set an update pending for the next boot.",
        "[00:08:31.817,260] <inf> dfu_target_mcuboot: MCUBoot image-0 upgrade scheduled. "
        "Reset device to apply",
        anchor=("pgrade scheduled", "marked as"),
        watched=False,
    ),
    _CLIENTS.line(
        "image_confirmed",
        r"(?:Marked image as OK|Firmware updated successfully|valid and rollback canceled"
        r"|[Ii]mage (?:is )?(?:now )?confirmed(?! OK: no)|Confirmed(?: current)? image"
        r"|boot_write_img_confirmed\S* (?:done|ok|success)|Image is confirmed OK)",
        "The application confirmed itself.",
        "<inf> app_smp_svr: Marked image as OK",
        "[00:00:06.923,614] <inf> golioth_fw_update: Firmware updated successfully!",
        "valid and rollback canceled",
        "Image is confirmed OK",
        anchor=("as OK", "updated successfully", "rollback", "onfirmed", "img_confirmed"),
    ),
    _CLIENTS.line(
        "confirm_failed",
        r"(?i:\b(?:failed|could ?n[o']t|cannot|unable) (?:to )?confirm\b"
        r"|\bconfirm\w*\b[\w ]*?\b(?:failed|error)\b"
        r"|boot_write_img_confirmed\S* (?:failed|error|returned -|-))",
        "The application tried to confirm itself, and could not.",
        "<err> main: Failed to confirm image: -5",
        "<err> app: Couldn't confirm this image: -22",
        "boot_write_img_confirmed() failed: -5",
        anchor="onfirm",
    ),
    _CLIENTS.line(
        "image_unconfirmed",
        r"Image is not confirmed OK|[Ii]mage (?:is )?not (?:yet )?confirmed",
        "The running image is a test: without a confirmation the next boot reverts it.",
        "<inf> app_smp_svr: Image is not confirmed OK",
        "<wrn> main: Image not confirmed",
        anchor="not",
    ),
    _CLIENTS.line(
        "download_failed",
        r"(?:FOTA_DOWNLOAD_EVT_ERROR|(?i:\b(?:fota|ota|dfu|firmware|fw|image|artifact)\b[\w ]*?"
        r"\b(?:download|update|upgrade)\b[\w ]*?\b(?:failed|error|aborted)\b"
        r"|\bdownload (?:client )?(?:failed|error|aborted)\b)"
        r"|<err> (?P<module>\w*(?:dl|download|fota|ota|update|dfu)\w*): .*?\b(?P<status>40[0134]"
        r"|408|410|416|429|50[0234])\b\W{1,3}(?P<words>(?i:unauthori[sz]ed|forbidden|not found"
        r"|bad request|gone|time-?out|range\b.*|too many.*|internal.*|bad gateway|unavailable.*"
        r"|request .*)))",
        "The application's own update client could not get the update.",
        "[00:00:12.000,000] <err> dl: [401] Unauthorized",
        "<err> fota_download: Download client error",
        "<err> app: Firmware update failed: -5",
        anchor=("DOWNLOAD_EVT", "ownload", "pdate", "pgrade", "<err> ", "FOTA", "OTA"),
        watched=False,
    ),
    _CLIENTS.line(
        "flash_waits_for_radio",
        r"<err> flash_sync_mpsl: (?:\w+: )?timeout",
        "A flash operation found no gap in the radio's schedule.",
        "[00:00:45.100,000] <err> flash_sync_mpsl: timeout",
        source="sdk-nrf drivers/mpsl/flash_sync/flash_sync_mpsl.c",
        watched=True,
    ),
    _CLIENTS.line(
        "download",
        r"(?:Start flashing artifact|State = Downloaded|Successfully downloaded (?P<size>\d+) bytes"
        r"|Download (?:done|complete)|FOTA (?:download )?(?:done|complete|finished)"
        r"|FOTA_DOWNLOAD_EVT_FINISHED|wrote (?P<written>\d+) bytes to the secondary slot)",
        "An update was downloaded by the application itself.",
        "[00:01:57.126,770] <inf> golioth_fw_update: State = Downloaded",
        "[00:08:30.367,675] <inf> mender: client.c (943): Download done, installing artifact",
        "[00:01:57.126,739] <inf> golioth_fw_update: Successfully downloaded 297884 bytes in 7 ms",
        "ota.install wrote 668744 bytes to the secondary slot",
        anchor=(
            "artifact",
            "Downloaded",
            "ownloaded",
            "Download",
            "FOTA",
            " bytes to the secondary",
        ),
    ),
)
