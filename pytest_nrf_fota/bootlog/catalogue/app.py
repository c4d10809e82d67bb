"""What applications print about themselves."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_THREAD = Family(Stage.APP, "logs of the support thread")

PATTERNS = (
    _THREAD.line(
        "identity",
        r"Identity(?:\[\d+\])?: "
        r"(?P<address>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}) \((?P<kind>[\w-]+)\)",
        "The board's Bluetooth address.",
        "[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: "
        "Identity: F2:7C:B6:5D:C3:74 (random)",
        "I: Identity: CF:1E:65:8D:10:AC (random)",
        "<inf> bt_hci_core: Identity[0]: C0:00:11:22:33:44 (public)",
        anchor="Identity",
        watched=True,
    ),
    _THREAD.line(
        "build_time",
        r"build time: (?P<text>.+)",
        "When the application was built.",
        "build time: May  7 2024 a 09:26:26",
        "[00:00:00.003,092] <inf> smp_sample: build time: Jun  3 2026 22:22:04",
        watched=True,
    ),
    _THREAD.line(
        "app_version",
        r"(?i:(?<!bootloader )(?<!mcuboot )\b(?:image |app(?:lication)? |firmware "
        r"|current firmware |sample, |fw |main - )?"
        r"version\b[ :='-]{1,4}(?:main - )?v?(?P<version>\d+\.\d+\.\d+(?:[-+.]\w+)*))",
        "The application names its version.",
        "<inf> app_smp_svr: Image Version 1.1.0-0",
        "Version: 1.1.1+1, board: nrf9160dk_nrf9160",
        "[00:00:05.924,255] <inf> golioth_fw_update: Current firmware version: main - 1.2.3",
        "[00:00:00.311,981] <inf> nrf_cloud_fota_sample: nRF Cloud FOTA Sample, version: 1.0.0",
        anchor="ersion",
        source="public logs",
    ),
    _THREAD.line(
        "bluetooth_driver",
        r"(?:HW (?:Platform|Variant): |Firmware: Standard Bluetooth controller"
        r"|(?:HCI|LMP): version \d|No ID address\. App must call settings_load\(\)"
        r"|HCI transport: )",
        "The Bluetooth host starts.",
        "[00:00:00.030,242] <inf> bt_hci_core: hci_vs_init: HW Platform: Nordic Semiconductor "
        "(0x0002)",
        "I: HCI: version 5.4 (0x0d) revision 0x2168, manufacturer 0x0059",
        "I: No ID address. App must call settings_load()",
        anchor=("HW ", "Standard Bluetooth", "HCI", "LMP", "No ID address"),
    ),
    _THREAD.line(
        "flash_driver",
        r"(?:JEDEC id \[(?P<found>[0-9a-f ]+)\] expect \[(?P<expected>[0-9a-f ]+)\]"
        r"|(?:JEDEC ID mismatch, read:|Device id) (?P<read>[0-9a-f ]+)"
        r"(?:, expected:| does not match config) (?P<wanted>[0-9a-f ]+)"
        r"|(?P<unready>(?:mx25|w25|gd25|is25|at25|mt25|s25|py25|qspi|ospi|spi.?nor|flash)[\w-]*"
        r"(?:@\w+)?)(?:: device| is)? not ready"
        r"|(?P<device>[\w-]+@\w+): (?P<size>\d+) (?P<unit>[KM]i)?By flash"
        r"|\b(?:spi_nor|qspi_nor|nordic_qspi_nor|flash_(?!sync_)\w+): "
        r".*(?:fail|error|not ready|timeout).*)",
        "The external flash's driver reports what it found.",
        "E: JEDEC id [ff ff ff] expect [c2 28 17]",
        "[00:00:00.251,556] <inf> spi_nor: mx25r6435f@0: 8 MiBy flash",
        "<err> qspi_nor: JEDEC id mismatch, read failed",
        "<err> spi_nor: Device id ff ff ff does not match config c2 28 17",
        "E: JEDEC ID mismatch, read: 00 9f c2, expected: c2 85 3a",
        "mx25r6435f@0: device not ready",
        any_stage=True,
        anchor=("JEDEC", "By flash", "nor: ", "flash_", "match config", "not ready"),
        source="a public log",
    ),
    _THREAD.line(
        "fw_info_dump",
        r"(?:^FW info S(?P<slot>[01]):|^Active slot: S(?P<active>[01]))",
        "The application read the firmware information of S0 and S1.",
        "FW info S0:",
        "Active slot: S0",
        anchor=("FW info S", "Active slot: S"),
        source="a public log",
    ),
    _THREAD.line(
        "bluetooth_state",
        r"^(?:.*[>$] )?(?:Bluetooth initialized|Advertising successfully started|Connected"
        r"|Disconnected)\b",
        "The application's radio is up, or a central came or went.",
        "Bluetooth initialized",
        "Advertising successfully started",
        "Connected",
        "shell> Bluetooth initialized",
        anchor=("Bluetooth initialized", "Advertising", "onnected"),
    ),
    _THREAD.line(
        "central_connected",
        r"(?:^|[>$:] )Connected\b",
        "A central connected; as Zephyr's samples print or log it.",
        "[00:00:04.123,456] <inf> smp_bt_sample: Connected",
        anchor="Connected",
        source="zephyr samples/subsys/mgmt/mcumgr/smp_svr",
    ),
)
