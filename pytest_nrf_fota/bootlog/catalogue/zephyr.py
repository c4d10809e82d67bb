"""Banners, which every stage prints, and TF-M's lines."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_BANNERS = Family(None, "MCUboot boot/zephyr/main.c, loader.c")
_TFM = Family(Stage.TFM, "a public log")

PATTERNS = (
    _BANNERS.line(
        "banner",
        r"\*\*\* Booting (?P<product>[^*]*?)(?: (?:build )?(?P<version>[^\s*]+))? +\*\*\*",
        "A stage starts: NSIB, MCUboot or an application.",
        "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
        "uart:~$ *** Booting Zephyr OS build v3.2.99-ncs1-4-g8fb465f43f6a ***",
        "*** Booting nRF Connect SDK v2.5.2 ***",
        "*** Booting MCUboot v2.3.0-dev-0d9411f5dda3 ***",
        "*** Booting My Application v1.0.0-7ff1f906b7b0 ***",
        "***** Booting Zephyr OS v1.1.0-52-g5bac42f *****",
        "*** Booting Zephyr OS build ...  ***",
        "*** Booting Zephyr OS version 2.4.0  ***",
        anchor="*** Booting",
        watched=True,
    ),
    _BANNERS.line(
        "banner_more",
        r"\*\*\* Using (?P<product>[^*]*?)(?: (?:build )?(?P<version>[^\s*]+))? +\*\*\*",
        "A further line of a banner names what the stage was built with.",
        "*** Using nRF Connect SDK v2.9.99-98a5e50b9ac1 ***",
        "]mJ*** Using nRF Connect SDK v3.0.0-3bfc46578e42 ***",
        "*** Using Zephyr OS build 684c9e8f32e4 ***",
        anchor="*** Using",
        since="NCS 2.6",
        watched=True,
    ),
    _BANNERS.line(
        "mcuboot_banner",
        r"\*\*\* Booting MCUboot ",
        "MCUboot starts.",
        "*** Booting MCUboot ee39e2d694bd ***",
        "uart:~$ *** Booting MCUboot v2.4.0 ***",
        "[esp32] [INF] *** Booting MCUboot build v1.8.0-86-g55a3b8c ***",
        stage=Stage.MCUBOOT,
        since="NCS 2.6",
        watched=True,
    ),
    _TFM.line(
        "tfm_start",
        r"(?:^|[^\w])(?:Booting TF-M v?(?P<version>\S+)|TF-M (?:isolation level|Float ABI))",
        "TF-M, the secure firmware of builds with a non-secure application, starts.",
        "Booting TF-M v2.1.0",
        "Booting TF-M v2.1.1-ncs4",
        "TF-M isolation level is: 0x00000001",
        "TF-M Float ABI: Hard",
        anchor="TF-M",
        watched=True,
    ),
    _TFM.line(
        "tfm_line",
        r"(?:\[Sec Thread\]|All pins have been configured as non-secure|Lazy stacking enabled"
        r"|\[(?:INF|WRN|ERR|DBG)\] ?\[(?:PS|ITS|Crypto|CRYPTO|PLATFORM|Attest|FWU)\b"
        r"|Creating an empty (?:ITS|PS) flash layout)",
        "TF-M starts the non-secure side.",
        "[Sec Thread] Secure image initializing!",
        "All pins have been configured as non-secure",
        "Lazy stacking enabled",
        "Creating an empty ITS flash layout.",
        "[INF][PS] Encryption alg: 0x5500100",
        anchor=("[Sec Thread]", "non-secure", "Lazy stacking", "][", "flash layout", "] ["),
    ),
    _TFM.line(
        "tfm_fault",
        # West says FATAL ERROR, too.
        r"(?:FATAL ERROR: (?P<what>\w*[Ff]ault\b|MemManage\w*|MemFault|NMI|Uncategorized\w*)"
        r"|Platform Exception: (?P<exception>.+)|Oops\.\.\. (?P<oops>.+))",
        "The secure firmware crashed.",
        "FATAL ERROR: SecureFault",
        "Platform Exception: SPU",
        "FATAL ERROR: HardFault",
        anchor=("FATAL ERROR: ", "Platform Exception", "Oops..."),
        source="trusted-firmware-m, secure_fw/spm and nordic platform",
    ),
    Family(None, "trusted-firmware-m, platform/ext/common/exception_info.c").line(
        "tfm_exception",
        r"(?:Here is some context for the exception|"
        r"Exception came from (?P<world>secure|non-secure) FW in (?P<mode>thread|handler) mode)",
        "TF-M names the side that the exception came from.",
        "Here is some context for the exception:",
        "    Exception came from non-secure FW in thread mode.",
        anchor="xception",
    ),
    Family(None, "trusted-firmware-m, platform/ext/common/exception_info.c").line(
        "tfm_register",
        r"^\s{4,}(?P<name>R\d+|LR|PC|xPSR|[MP]SP(?:_NS)?|[CBU]FSR|MMFSR|HFSR|SFSR"
        r"|BFAR|MMFAR|SFAR|EXC_RETURN \(LR\)|Exception frame at):\s+"
        r"(?P<value>0x[0-9a-fA-F]{8}|Not Valid)",
        "Registers in TF-M's report of an exception.",
        "        PC:   0x0003D7B6",
        "    EXC_RETURN (LR): 0xFFFFFFAD",
        "    SFAR:  Not Valid",
        anchor=("0x", "Not Valid"),
    ),
)
