"""Lines that programs on the host print: probe tools, and SMP clients beyond the catalogue's."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, LogPattern

_PROBE = Family(None, "output of nrfjprog, nrfutil and west")
_PHONE = Family(None, "Zephyr mcumgr headers; iOS and Android Device Manager")

HOST_LINES: tuple[LogPattern, ...] = (
    _PROBE.line(
        "probe_recover_failed",
        r"(?i:\brecover\w*\b.*?(?:fail\w*|error|timed out|unable|could not|denied|result -)"
        r"|JLINKARM_DLL_ERROR|\b(?:nrfjprog|nrfutil|j-?link\w*|dll|probe)\b.*[ (\[:]-102\b)"
        r"(?=(?P<code>.*-102\b)?)",
        "The debug probe could not recover a core.",
        "ERROR: JLinkARM DLL reported an error. Try again. If error condition (-102)",
        "nrfjprog recover for the network core failed with error -102",
        "Error: Recover failed for CP_NETWORK: JLINKARM_DLL_ERROR",
        anchor=("recover", "jlinkarm", "-102"),
    ),
    _PROBE.line(
        "probe_wrong_chip",
        r"(?i:unexpected debug port ID (?P<found>\w+), expected (?P<wanted>\w+)"
        r"|correct device family is given|does not match (?:the )?(?:device )?family"
        r"|wrong (?:device )?family|device family .{0,40}(?:mismatch|does not match)"
        r"|unsupported device family|FAMILY_MISMATCH|WRONG_FAMILY_FOR_DEVICE)",
        "The chip that answers on SWD is not of the family that was asked for.",
        "[error] [ Worker] - Encountered unexpected debug port ID 2, expected 6",
        "ERROR: Recover failed. Please make sure that the correct device family is given",
        anchor=("debug port id", "family"),
    ),
    _PROBE.line(
        "flash_tool_failed",
        # West builds, too.
        r"FATAL ERROR: command exited with status (?P<status>-?\d+): "
        r"(?!(?:\S*/)?(?:cmake|ninja|g?make|git|imgtool|dtc|\S*gcc)(?:\s|$))"
        r"(?:\S*/)?(?P<tool>[\w.-]+)(?=\s|$)",
        "West's flash command failed: its tool ended with an error.",
        "FATAL ERROR: command exited with status 1: nrfutil --json device x-execute-batch",
        "FATAL ERROR: command exited with status 33: nrfjprog --ids --snr 960012345",
    ),
    _PROBE.line(
        "flash_tool_said",
        r"(?:(?P<worker>Timed out waiting for response from worker)"
        r"|One or more batch tasks failed|^\s*\* \d{9,12}: (?P<words>.+)"
        r"|\[error\] \[ ?\w+ ?\] - .+|^ERROR: (?!Cannot fulfill).+|^Error: \D.{8,}"
        r"|(?i:cannot connect to (?:the )?(?:target|j-?link|device|probe)"
        r"|could not (?:connect to|open|find) (?:the )?(?:target|j-?link|device|probe|core)"
        r"|failed to (?:power up dap|attach to (?:the )?(?:cpu|core|target)|connect to target))"
        r"|JLinkARM|J-Link .*(?:failed|error|lost).*|Error: (?:init mode failed|unable to .*))",
        "A flash tool says what went wrong.",
        " * 1050012345: Timed out waiting for response from worker. (Generic)",
        "Error: One or more batch tasks failed:",
        "[error] [ Client] - Encountered error -21: Command recover executed with result -21",
        "ERROR: The operation attempted is unavailable",
        "Cannot connect to target.",
        anchor=(
            "worker",
            "batch task",
            "* ",
            "[error]",
            "error: ",
            "target",
            "j-link",
            "jlink",
            "device",
            "core",
            "dap",
            "probe",
        ),
    ),
    _PROBE.line(
        "probe_recover_command",
        r"(?:(?:nrfjprog|west|nrfutil)\b.*?(?:--|\b)recover\b|Recovering device"
        r"|Recover(?:ing)? (?:the )?(?:network|application|device))",
        "A recover of the board was requested of the probe: flash and OTP are erased, external "
        "flash is not.",
        "nrfjprog --recover -f NRF53 --coprocessor CP_NETWORK",
        "west flash --recover",
        "-- runners.nrfjprog: Recovering and erasing flash memory: nrfjprog --recover",
        anchor="ecover",
    ),
    _PROBE.line(
        "probe_verify_failed",
        r"(?:(?i:(?:exit(?:ed)?|return\w*|status|code)\b[^\n]{0,24}?\b55\b)"
        r"|(?i:\bverif(?:y|ication|ying)\b(?! signature)[^.]{0,60}?(?:fail\w*|mismatch)))"
        r"(?!.*[sS]ignature)",
        "What the probe wrote does not read back the same.",
        "FATAL ERROR: command exited with status 55: nrfjprog --program merged.hex --verify",
        "ERROR: Verify failed. Address 0x00FF8100",
        "[error] [ nRF53] - Data mismatch found at 0xFF8100 while verifying: verify failed",
        anchor=("verif", "exit", "return", "status", "code"),
    ),
    _PROBE.line(
        "probe_protected",
        r"(?:(?i:readback protection|access port protection|\bAPPROTECT\b.*(?:enabled|protect)"
        r"|NotAvailableBecauseProtection|NOT_AVAILABLE_BECAUSE_PROTECTION"
        r"|device is (?:readback )?protected|access protection is enabled)"
        r"|exited with status 16\b)",
        "The debug port is locked.",
        "ERROR: The operation attempted is unavailable due to readback protection in",
        "FATAL ERROR: command exited with status 16: nrfjprog --ids",
        "Access protection is enabled, can't read device version.",
        anchor=("protect", "status 16"),
    ),
    _PROBE.line(
        "probe_missing",
        r"(?i:no debuggers? (?:were |was )?(?:discovered|found|connected|attached)"
        r"|there (?:is|are) no debuggers? connected|no (?:j-?link|emulators?|probes?) "
        r"(?:found|connected|detected)|exited with status 41\b"
        r"|no available debug probes are connected|unable to find a board)",
        "No debug probe answers.",
        "ERROR: There is no debugger connected to the PC.",
        "No available debug probes are connected",
        "FATAL ERROR: command exited with status 41: nrfjprog --recover",
        anchor=("debugger", "emulator", "probe", "j-link", "jlink", "status 41", "find a board"),
    ),
    _PHONE.line(
        "client_code",
        r"(?i:(?:\b(?:(?P<invalid>in[ _]?value|einval)|(?P<noentry>no[ _]?entry|enoent)"
        r"|(?P<badstate>bad[ _]?state|ebadstate)|(?P<notsup>not[ _]?supported|enotsup|unsupported)"
        r"|(?P<unknown>unknown|eunknown)|(?P<nomem>no[ _]memory|enomem)"
        r"|(?P<corrupt>corrupt|ecorrupt)|(?P<busy>busy|ebusy)|(?P<denied>access[ _]?denied)) ?"
        r"(?:\((?P<code>\d{1,2})\)|: (?P<code_smpmgr>\d{1,2})\b))"
        r"|(?:MGMT_ERR\.|MGMT_ERR_)(?P<mgmt>E\w+)"
        r"|(?:^|[^\w])[\"']?rc[\"']? ?[:=] ?(?P<rc>[1-9]\d{0,2})\b)",
        "A server's answer that was no, with its code.",
        "Remote Error: In Value (3)",
        "McuMgrErrorException: NOT_SUPPORTED (8)",
        "Error: MGMT_ERR.EBADSTATE",
        "ErrorV1(rc=<MGMT_ERR.EINVAL: 3>, rsn=None)",
        '{"rc": 6}',
        anchor=(
            *("in value", "in_value", "invalue", "einval", "entry", "enoent", "state", "support"),
            *("enotsup", "unknown", "memory", "enomem", "corrupt", "busy", "denied", "rc"),
            "mgmt_err",
        ),
    ),
    _PHONE.line(
        "client_image_code",
        r"(?:IMG_MGMT_ERR\.|IMG_MGMT_ERR_|ImageManagement\w*\.|ImageError: ?)"
        r"(?P<name>[A-Z][A-Z_]{4,})(?:: (?P<code>\d{1,2}))?",
        "The image group's own code: a server with SMP version 2 refuses.",
        "ImageManagementErrorV2: IMG_MGMT_ERR.HASH_NOT_FOUND: 8",
        "IMG_MGMT_ERR_NO_FREE_SLOT",
        anchor=("img_mgmt_err", "imagemanagement", "imageerror"),
    ),
    _PHONE.line(
        "client_hash_not_found",
        r"(?i:hash not found)",
        "No image with the hash of the request lies in a slot.",
        'rc=3 rsn="hash not found"',
        anchor=("hash not found",),
    ),
    _PHONE.line(
        "client_needs_pairing",
        r"(?i:insufficient[ _](?:authentication|encryption)"
        r"|(?:authentication|encryption) is insufficient|GATT_INSUF\w+"
        r"|org\.bluez\.Error\.(?:AuthenticationFailed|AuthenticationRejected|NotPermitted"
        r"|NotAuthorized)|CBATTErrorDomain Code=(?:5|15)\b|ATT(?:_| )error:? ?(?:0x05|0x0f)"
        r"|security failed|pairing (?:failed|rejected|canceled|cancelled))",
        "The SMP characteristic demands an encrypted or authenticated link.",
        "Error: Insufficient Authentication",
        "Encryption is insufficient.",
        "<wrn> bt: Security failed: F2:7C:B6:5D:C3:74 (random) level 1 err 4",
        "Pairing failed conn: 7C:B6:5D:C3:74 (random), reason 4",
        anchor=(
            "insuf",
            "org.bluez",
            "cbatterror",
            "att_",
            "att err",
            "security failed",
            "pairing",
        ),
    ),
    _PHONE.line(
        "client_offset_mismatch",
        r"(?i:offset[ _]?mismatch|unexpected offset|wrong offset|invalid offset"
        r"|resum\w+ (?:the )?upload (?:at|from)(?: offset)? (?P<offset>[1-9]\d*)"
        r"|IMG_MGMT_ERR\w*INVALID_OFFSET)",
        "Client and server do not agree at which byte an upload goes on.",
        "Upload: offset mismatch, expected 0, got 12288",
        "Resuming upload from offset 20480",
        anchor="ff",
    ),
    _PHONE.line(
        "client_refused_file",
        r"(?:Inspection of FW image failed|Could not find IMAGE_TLV_\w+ in image"
        r"|(?i:not (?:a|an) (?:valid )?mcuboot image|invalid (?:image )?magic|bad image magic in)"
        r"|MCUBootImageError|InvalidImageMagic)",
        "The client looked into the file before it sent it, and refused it.",
        "Inspection of FW image failed: Image has no magic",
        "Could not find IMAGE_TLV_SHA256 in image.",
        anchor=("inspection of fw", "image_tlv", "mcuboot", "magic"),
        source="smpmgr, main.py and image_management.py",
    ),
    _PHONE.line(
        "client_done",
        r"(?i:^[^<]*\b(?:firmware|fw|dfu|fota|ota)[ _](?:update|upgrade|dfu)d?"
        r"(?: (?:was|has been))?(?: (?!not\b)\w+)? success(?:ful(?:ly)?)?\b"
        r"|^[^<]*\bupdate (?:was )?(?:completed |finished |done )?successful(?:ly)?\b"
        r"|^[^<]*\bsuccessfully (?:updated|upgraded) (?:the )?"
        r"(?:firmware|device|board)\b|^Upgrade complete\.\s*$)",
        "A client says that the update succeeded.",
        "Firmware Update Successfully",
        "Upgrade complete.",
        "DFU update was successful",
        anchor=("success", "upgrade complete"),
    ),
    _PHONE.line(
        "client_disconnected",
        r"(?i:\bdisconnected\b.*(?:during|while|before|unexpected)|connection (?:was )?lost"
        r"|peer removed|supervision timeout|disconnected \(reason (?:0x)?0?8\b"
        r"|link[ -]?loss|connection timed out)",
        "The connection broke while something was under way.",
        "Disconnected unexpectedly during upload",
        "Disconnected (reason 0x08)",
        anchor=(
            "disconnected",
            "connection",
            "peer removed",
            "supervision",
            "link loss",
            "linkloss",
            "link-loss",
        ),
    ),
    _PHONE.line(
        "client_timeout",
        r"(?:NMP timeout|(?i:\bSMP ?time[- ]?out\w*|request (?:has )?timed out|timeout waiting for"
        r"|McuMgrTimeoutException|panic: send on closed channel|upload (?:timed out|stalled)"
        r"|sendTimeout|no response (?:from|to)))",
        "The server did not answer in time.",
        "Error: NMP timeout",
        "SMPTimeoutError",
        "Upload timed out",
        "panic: send on closed channel",
        anchor=(
            "timeout",
            "timed out",
            "time-out",
            "time out",
            "closed channel",
            "stalled",
            "no response",
        ),
    ),
)
