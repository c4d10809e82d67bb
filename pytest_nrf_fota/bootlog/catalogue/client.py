"""Output of a client on the host or the phone: mcumgr, smpmgr, nrfutil, smpclient."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family

_LIST = Family(None, "public logs; documentation of mcumgr and smpmgr")
_ERROR = Family(None, "Zephyr mcumgr headers, mgmt_defines.h")

PATTERNS = (
    _LIST.line(
        "client_image",
        r"^\s*(?:-+ ?(?P<name>PRIMARY|SECONDARY) IMAGE ?-+|Image\s*$|ImageState\(\s*$"
        r"|[Ii]mage=(?P<image>\d+) slot=(?P<slot>\d+)|[Ii]mage: (?P<number>\d+)\s*$)",
        "A client lists an image.",
        "Image",
        "-----------PRIMARY IMAGE-----------",
        "-----------SECONDARY IMAGE-----------",
        " image=0 slot=1",
        anchor=("mage", "IMAGE"),
    ),
    _LIST.line(
        "client_state",
        r"ImageState\((?P<fields>(?=.*\bslot=\d)(?=.*\bhash=).*)\)\s*$",
        "smpmgr lists an image on a wide terminal.",
        "ImageState(slot=0, version='1.0.0', image=None, hash=HashBytes('FE8D'), bootable=True)",
        anchor="ImageState(",
        source="smpmgr image_management.py",
    ),
    _LIST.line(
        "client_field",
        r"^\s*(?:\S+ )?(?P<field>slot|image|version|hash|bootable|pending|confirmed|active"
        r"|permanent|flags|Split status)\s*(?:[:=])\s*(?P<value>.*?),?\s*$"
        r"|^\s+'(?P<hash>[0-9A-F]{64})'\s*$",
        "A field of an image in a client's list.",
        "   slot: 0",
        "   version: 0.0.0",
        "   pending: false",
        "      hash: 0xfe8db57ddd8f695ea11a9c626f156094",
        "    flags: active confirmed",
        "    bootable: true",
        "    slot=1,",
        "        '25999F63B5EC01F1C0E8FA6EED3D57B4228FCA52A8950235E3BEA84F885DA11F'",
        anchor=(
            "'",
            "slot",
            "image",
            "version",
            "hash",
            "bootable",
            "pending",
            "confirmed",
            "active",
            "permanent",
            "flags",
            "Split",
        ),
    ),
    _LIST.line(
        "client_split",
        r"^Split status: |^Images:\s*$",
        "Begin or end of a client's list.",
        "Images:",
        "Split status: N/A (0)",
        anchor=("Split", "Images"),
    ),
    _ERROR.line(
        "client_error",
        r"(?P<text>NMP timeout|Error: (?P<rc>\d+)\s*$|rc[=:] ?(?P<number>[1-9]\d*)\b"
        r"|In Value \(3\)|MGMT_ERR\.\w+|IMG_MGMT_ERR\.\w+|McuMgrErrorException.*"
        r"|SMPTimeout\w*|TransportError.*|NOT_SUPPORTED \(8\))",
        "A client could not do what it was asked.",
        "Error: NMP timeout",
        "Error: 8",
        'rc=3 rsn="hash not found"',
        "In Value (3)",
        "Error: MGMT_ERR.EBADSTATE",
        anchor=(
            "NMP",
            "Error",
            "rc",
            "In Value",
            "MGMT_ERR",
            "McuMgr",
            "SMPTimeout",
            "TransportError",
            "NOT_SUPPORTED",
        ),
    ),
)
