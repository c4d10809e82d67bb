"""How SMP clients on the host or the phone word a request, and the values in such a line.

These words are everywhere, so they are looked for in what a client printed alone.
"""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, LogPattern

_WORDS = Family(None, "output of mcumgr, smpmgr, nrfutil; iOS and Android Device Manager")

_TOOL = r"\b(?:smpmgr|mcumgr(?:-client|ctl)?|newtmgr|smp[-_]cli|nrfutil mcu-manager)\b.*?"

# A command line names its command; words that name the command stand before words about it.
REQUEST_LINES: tuple[LogPattern, ...] = (
    _WORDS.line(
        "request_upload_command",
        rf"(?i:{_TOOL}\b(?:image[ _-]?upload|upload|upgrade)\b)",
        "A command that sends an image; what it does afterwards has lines of its own.",
        "smpmgr --port /dev/ttyACM0 upgrade app.bin",
        anchor="",
    ),
    _WORDS.line(
        "request_confirm_command",
        rf"(?i:{_TOOL}\b(?:image[ _-]?confirm\b|state-write\b.*--confirm\b))",
        "A command that confirms an image.",
        "smpmgr --ble nRF5340 image state-write --confirm",
        anchor="",
    ),
    _WORDS.line(
        "request_erase_command",
        rf"(?i:{_TOOL}\bimage[ _-]?erase\b)",
        "A command that erases a slot.",
        "mcumgr -c ble image erase",
        anchor="",
    ),
    _WORDS.line(
        "request_parameters",
        r"(?i:\bparam(?:eter)?s\b|\bcommand (?:id )?6\b|\bgroup(?: id)? 0\b.*\b6\b)",
        "The client asks for the server's buffer sizes.",
        "Reading MCUmgr parameters",
        anchor="",
    ),
    _WORDS.line(
        "request_mark_uploaded",
        r"(?i:\bmarking uploaded image\b)",
        "The client asks for a test of what it uploaded.",
        "Marking uploaded image for test upgrade...",
        anchor="",
    ),
    _WORDS.line(
        "request_upload",
        r"(?i:\bupload\w*|\bfirmware (?:transfer|sending)\b)",
        "The client sends an image.",
        "smpmgr --ble nRF5340 image upload app_update.bin",
        anchor="",
    ),
    _WORDS.line(
        "request_erase",
        r"(?i:\bimage[ _-]erase\b|\beras(?:e|ing)\b.*\b(?:slot|image)\b)",
        "The client asks for an erased slot.",
        "mcumgr image erase",
        anchor="",
    ),
    _WORDS.line(
        "request_confirm",
        r"(?i:\bconfirm(?:ing)?\b(?! dialog)|--confirm\b)",
        "The client confirms an image.",
        "mcumgr image confirm",
        anchor="",
    ),
    _WORDS.line(
        "request_test",
        r"(?i:\bimage[ _-](?:test|state-write)\b|\btest (?:command|image)\b|\bsend\w* test\b"
        r"|\bmark\w*\b.*\b(?:test|pending|image)\b|\btest\((?:hash|0x)|\btest [0-9a-f]{16,})",
        "The client asks for a test of an image.",
        "mcumgr image test fe8db57ddd8f695ea11a9c626f156094",
        anchor="",
    ),
    _WORDS.line(
        "request_reset",
        r"(?i:\b(?:os[ _-])?reset(?:ting)?\b(?! reason))",
        "The client asks for a reset.",
        "smpmgr --ble nRF5340 os reset",
        anchor="",
    ),
    _WORDS.line(
        "request_list",
        r"(?i:\bimage[ _-](?:list|state|state-read)\b|\blist(?:ing)? images\b)",
        "The client reads the image list.",
        "mcumgr image list",
        anchor="",
    ),
    _WORDS.line(
        "request_connect",
        r"(?i:\bconnect(?:ing|ed)?\b|\bpair(?:ing|ed)?\b|\bscanning\b)",
        "The client connects.",
        "Connecting to nRF5340...",
        anchor="",
    ),
    _WORDS.line(
        "request_hash",
        r"\b(?:0x)?(?P<hash>[0-9a-f]{16,128})\b",
        "The hash of an image.",
        "mcumgr image test fe8db57ddd8f695ea11a9c626f156094",
        anchor="",
    ),
    _WORDS.line(
        "request_file",
        r"(?P<file>[\w.+-]+\.(?:bin|zip|hex))\b",
        "The file that is sent.",
        "smpmgr --ble nRF5340 image upload app_update.bin",
        anchor=(".bin", ".zip", ".hex"),
    ),
    _WORDS.line(
        "request_percent",
        r"\b(?P<percent>\d{1,2}|100)(?:\.\d+)? ?%",
        "How much of an upload is done.",
        "Uploading: 43 %",
    ),
    _WORDS.line(
        "request_bytes",
        r"\b(?P<offset>\d{3,})\s*(?:/|of)\s*(?P<size>\d{3,})(?: bytes)?\b",
        "How many bytes of an upload are done.",
        "Uploading: 1024 of 40000 bytes",
        anchor=("/", "of"),
    ),
)
