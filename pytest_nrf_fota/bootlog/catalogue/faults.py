"""Crashes: Zephyr's fatal errors, fault dumps, asserts, watchdogs, and why a board was reset."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family

_CASES = "public logs"
_ZEPHYR = "Zephyr arch/arm/core/cortex_m/fault.c, arch/arm/core/fatal.c, kernel/fatal.c"
_DUMP = Family(None, _CASES)
_TREE = Family(None, _ZEPHYR)

PATTERNS = (
    _DUMP.line(
        "fault",
        r"\*{5} (?P<kind>[A-Z]+ FAULT|Kernel OOPS!|Kernel Panic!|Stack Check Fail!"
        r"|Debug monitor exception|Reserved Exception ?\([ -]*\d+\)|Hardware exception"
        r"|Allocation Failure!) ?\*{5}",
        "The processor stopped the program.",
        "[00:00:07.105,346] <err> os: ***** HARD FAULT *****",
        "E: ***** MPU FAULT *****",
        "[00:00:04.117,675] <err> os: ***** BUS FAULT *****",
        "[00:00:08.966,156] <err> os: ***** USAGE FAULT *****",
        "<err> os: ***** SECURE FAULT *****",
        "***** Kernel OOPS! *****",
        anchor="***** ",
        watched=True,
    ),
    _DUMP.line(
        "fault_detail",
        r"(?:: |^)\s*(?P<detail>Fault escalation \(see below\)|Precise data bus error"
        r"|Imprecise data bus error|Instruction bus error|Unstacking error.*"
        r"|(?P<overflow>Stacking error.*|Stack overflow \(context area not valid\))"
        r"|Data Access Violation|Instruction Access Violation"
        r"|Floating-point lazy state preservation error|Division by zero|Unaligned memory access"
        r"|No coprocessor instructions"
        r"|Illegal use of the EPSR|Attempt to execute undefined instruction"
        r"|Bus fault on vector table read|Invalid entry point|Invalid integrity signature"
        r"|Invalid exception return|Attribution unit violation|Invalid transition"
        r"|Lazy state (?:preservation|error)|Debug event|ARCH_EXCEPT with reason \w+)\s*$",
        "What the processor reports about the fault.",
        "[00:00:07.110,961] <err> os:   Fault escalation (see below)",
        "[00:00:07.122,833] <err> os:   Precise data bus error",
        "E:   Stacking error (context area might be not valid)",
        "E:   Data Access Violation",
        "[00:00:00.772,552] <err> os:   Stack overflow (context area not valid)",
        "[00:00:08.966,186] <err> os:   Attempt to execute undefined instruction",
        "[00:00:04.117,706] <err> os:   Imprecise data bus error",
        "<err> os:   Instruction Access Violation",
        "<err> os:   Illegal use of the EPSR",
        "<err> os:   Division by zero",
        anchor=(
            "error",
            "rror ",
            "iolation",
            "fault",
            "escalation",
            "overflow (context",
            "by zero",
            "memory access",
            "coprocessor",
            "EPSR",
            "undefined",
            "Invalid ",
            "preservation",
            "Debug event",
            "ARCH_EXCEPT",
        ),
    ),
    _DUMP.line(
        "fault_address",
        r"(?:(?P<register>MMFAR|BFAR|SFAR|SFAR/MMFAR) |os: +|^E: +)"
        r"Address: (?P<address>0x[0-9a-fA-F]+)",
        "The address whose access failed.",
        "[00:00:07.128,601] <err> os:   BFAR Address: 0x50008158",
        "E:   MMFAR Address: 0x20001f78",
        "[00:00:01.000,000] <err> os:   Address: 0x0",
        anchor="Address: 0x",
    ),
    _DUMP.line(
        "fault_registers",
        r"(?:r0/a1: |r3/a4: |r12/ip: |r14/lr: | xpsr: |^xpsr: |\br4/v1: |\br8/v5: |EXC_RETURN: )"
        r"\s*0x[0-9a-fA-F]+",
        "Registers when the program stopped.",
        "[00:00:07.134,582] <err> os: r0/a1:  0x00000000  r1/a2:  0x20021489  r2/a3:  0x20021490",
        "[00:00:07.143,341] <err> os: r3/a4:  0xffffffff r12/ip:  0x00046f95 r14/lr:  0x0003ba81",
        "[00:00:07.152,130] <err> os:  xpsr:  0x81000000",
        "E: r0/a1:  0x00000000  r1/a2:  0x00000000  r2/a3:  0x00000000",
        anchor=("/a1: ", "/a4: ", "/ip: ", "/lr: ", "xpsr: ", "/v1: ", "/v5: ", "EXC_RETURN"),
    ),
    _DUMP.line(
        "fault_fpu",
        r"(?:s\[ ?\d+\]:|fpscr:)\s+0x[0-9a-fA-F]{8}",
        "Floating-point registers when the program stopped.",
        "[00:00:07.157,379] <err> os: s[ 0]:  0x00000000  s[ 1]:  0x00000000  s[ 2]:  0x00000000",
        "[00:00:07.199,523] <err> os: fpscr:  0x00000000",
        anchor="  0x",
    ),
    _DUMP.line(
        "fault_pc",
        r"Faulting instruction address(?: \(r15/pc\))?\s*[:=]\s+(?P<pc>0x[0-9a-fA-F]+)",
        "Where the program was; addr2line turns it into a line of source.",
        "[00:00:07.204,772] <err> os: Faulting instruction address (r15/pc): 0x00047ba0",
        "Faulting instruction address = 0x2681",
        "  Faulting instruction address:  0x2a9c",
        anchor="Faulting instruction address",
    ),
    _DUMP.line(
        "fatal_error",
        r"ZEPHYR FATAL ERROR (?P<number>\d+): (?P<text>.*?)(?: on CPU (?P<cpu>\d+))?\s*$",
        "Zephyr's kernel gave up.",
        "[00:00:07.212,768] <err> os: >>> ZEPHYR FATAL ERROR 0: CPU exception on CPU 0",
        "[00:00:00.878,845] <err> os: >>> ZEPHYR FATAL ERROR 2: Stack overflow on CPU 0",
        "E: >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0",
        "[00:00:04.117,797] <err> os: >>> ZEPHYR FATAL ERROR 26: Unknown error on CPU 0",
        "E: >>> ZEPHYR FATAL ERROR 3: Kernel oops",
        watched=True,
    ),
    _DUMP.line(
        "fault_thread",
        r"(?:Current thread(?: ID)?|Executing thread ID(?: \(thread\))?)\s*[:=] "
        r"(?:\()?(?:nil|(?P<address>0x[0-9a-fA-F]+))\)?"
        r"(?: \((?P<name>[^)]*)\))?",
        "The thread that ran.",
        "[00:00:00.888,916] <err> os: Current thread: 0x200132b8 (main)",
        "[00:00:07.220,672] <err> os: Current thread: 0x20017d00 (unknown)",
        "Current thread ID = 0x20000468",
        "  Executing thread ID (thread): 0x20000200",
        anchor=("Current thread", "Executing thread ID"),
    ),
    _DUMP.line(
        "fault_in_interrupt",
        r"Fault during (?:interrupt handling|\w+ interrupt)",
        "The fault happened in an interrupt handler, not in a thread.",
        "[00:00:08.966,308] <err> os: Fault during interrupt handling",
        anchor="Fault during ",
    ),
    _DUMP.line(
        "fault_secure",
        r"Exception occurred in Secure State",
        "The fault happened on the secure side.",
        "[00:00:07.098,754] <err> os: Exception occurred in Secure State",
        watched=True,
    ),
    _DUMP.line(
        "halting",
        r"Halting system",
        "The board stands still until somebody resets it.",
        "[00:00:00.897,583] <err> os: Halting system",
        "E: Halting system",
    ),
    _DUMP.line(
        "resetting",
        r"(?:Resetting system|Rebooting\.\.\.|Resetting\.\.\.)",
        "The board resets itself after a fatal error.",
        "<err> fatal_error: Resetting system",
        "[00:00:04.120,000] <err> fatal_error: Resetting system",
        anchor="ing",
    ),
    _TREE.line(
        "assertion",
        r"ASSERTION FAIL(?:ED)?(?: \[(?P<test>.*)\])?(?: @ (?P<place>\S+))?",
        "A check in the program failed.",
        "ASSERTION FAIL [!arch_is_in_isr()] @ WEST_TOPDIR/zephyr/kernel/sem.c:136",
        "ASSERTION FAIL @ WEST_TOPDIR/zephyr/kernel/mutex.c:102",
        "E: ASSERTION FAIL [err == 0] @ WEST_TOPDIR/zephyr/subsys/bluetooth/host/hci_core.c:328",
        anchor="ASSERTION FAIL",
        watched=True,
    ),
    _TREE.line(
        "c_assertion",
        r"assertion \"(?P<test>.*?)\" failed"
        r"(?:: file \"(?P<place>.*?)\"(?:, line (?P<line>\d+))?)?",
        "A check of the C library failed.",
        'assertion "size > 0" failed: file "src/main.c", line 42',
        anchor='assertion "',
        watched=True,
    ),
    _TREE.line(
        "controller_assertion",
        r"(?P<what>SoftDevice Controller|MPSL|BT Controller|Controller) (?:ASSERT|assert\w*)"
        r":?(?: at| in)? ?(?P<place>(?:\d|\S+:\d).*)",
        "The Bluetooth controller failed a check of its own.",
        "[00:00:01.000,000] <err> bt_sdc_hci_driver: SoftDevice Controller ASSERT: 31, 133",
        "<err> mpsl_init: MPSL ASSERT: 112, 2185",
        anchor=("ASSERT", "assert"),
        source="sdk-nrf subsys/mpsl, subsys/bluetooth/controller",
    ),
    _TREE.line(
        "stack_smashing",
        r"\*+ stack smashing detected \*+",
        "The stack was overwritten.",
        "*** stack smashing detected ***",
        watched=True,
    ),
    _TREE.line(
        "riscv_fault",
        r"(?P<register>mcause|mtval|mepc|mstatus): +(?P<value>[0-9a-fx]+)(?:, (?P<text>.+))?",
        "A fault dump of a RISC-V core.",
        "[00:00:00.010,000] <err> os:  mcause: 2, Illegal instruction",
        "<err> os:   mtval: 0",
        "<err> os:      mepc: 4200a4b2",
        anchor=("mcause", "mtval", "mepc", "mstatus"),
    ),
    _TREE.line(
        "xtensa_fault",
        r"(?:\*\* FATAL EXCEPTION|EXCCAUSE (?P<cause>\d+) \((?P<text>[^)]*)\)"
        r"|Guru Meditation Error: .*)",
        "A fault dump of an Xtensa core.",
        "<err> os:  ** FATAL EXCEPTION",
        "<err> os:  ** CPU 0 EXCCAUSE 28 (load prohibited)",
        anchor=("FATAL EXCEPTION", "EXCCAUSE", "Guru Med"),
    ),
    _DUMP.line(
        "coredump",
        r"(?:#CD:(?:BEGIN|END|[0-9a-f]{8})|[Cc]oredump (?:found|end|stored|is stored)"
        r"|Stored coredump|Storing coredump|\bCoredump\b.*(?:saved|valid|available))",
        "A core dump was printed or is stored.",
        "=== Stored coredump found, size=795 bytes ===",
        "=== coredump end (795 bytes) ===",
        "E: #CD:BEGIN#",
        anchor=("#CD:", "oredump"),
    ),
    _DUMP.line(
        "hci_timeout",
        r"(?:k_sem_take failed with err (?P<code>-?\d+)|opcode 0x(?P<opcode>[0-9a-f]{4}) "
        r"(?:status 0x|timeout)|Controller unresponsive, command opcode 0x(?P<command>[0-9a-f]+))",
        "The Bluetooth controller, on the network core, does not answer.",
        "\tk_sem_take failed with err -11",
        "Controller unresponsive, command opcode 0x0c03 timeout with err -11",
        "[00:00:10.010,000] <wrn> bt_hci_core: opcode 0x2042 status 0x12",
        anchor=("k_sem_take", "opcode"),
        source="Zephyr subsys/bluetooth/host/hci_core.c",
    ),
    _DUMP.line(
        "controller_unbound",
        r"(?:(?P<driver>Endpoint binding failed with|No contact with network core EP \(err"
        r"|HCI driver open failed \()|Bluetooth init failed \(err) ?(?P<code>-?\d+)",
        "Bluetooth does not start, because its controller does not answer.",
        "[00:00:01.252,807] <err> bt_hci_driver: Endpoint binding failed with -11",
        "[00:00:03.448,913] <err> bt_hci_driver_nrf53: No contact with network core EP (err -11)",
        "[00:00:01.252,807] <err> bt_hci_core: HCI driver open failed (-11)",
        "Bluetooth init failed (err -11)",
        anchor=("binding failed", "network core EP", "HCI driver", "Bluetooth init"),
        source="Zephyr drivers/bluetooth/hci/ipc.c (v3.2: rpmsg.c), subsys/bluetooth/host/"
        "hci_core.c; zephyr issue 80852, pull request 30463",
    ),
    _DUMP.line(
        "watchdog",
        # Unless it is only started, set up or announced: "Watchdog timeout set to 10 s".
        r"^(?!(?i:.*(?:\b(?:set(?:ting|up)?|configur\w+|start(?:ed|ing)?|enabl\w+|install\w*"
        r"|init\w*|feed\w*|fed\b(?! in time)|period|disabl\w+|channels?|arm(?:ed|ing)|support\w*"
        r"|ready|activ\w+|will|would|in \d+|after \d+|every|option|handler|callback|register\w*"
        r"|window|test|no|not a)\b(?<!not fed)|time-?out\s*[:=(]*\s*(?:is |of )?\d)))"
        r".*?(?i:\bwatchdog\b.*(?:time[d-]? ?out|expired|triggered|bark|bite|not fed|fired|reset)"
        r"|\btask_wdt\b.*(?:time|expired|fired)|\bWDT\b.*(?:time|expired|fired|reset))",
        "A watchdog was not fed in time.",
        "<err> wdt: Watchdog timeout, rebooting",
        "[00:01:00.000,000] <err> app: watchdog expired",
        "Reset by WDT timeout",
        anchor=("atchdog", "WATCHDOG", "wdt", "WDT"),
        source="Zephyr samples/drivers/watchdog and public logs",
    ),
    _DUMP.line(
        "reset_cause",
        r"(?i:\breset[ _-]?(?:reason|cause)s?\b|\bRESETREAS\b)[^:=]{0,24}?(?:[:=]|\bis\b) *"
        r"(?=(?P<watchdog>(?i:.*\b(?:watchdog|DOG\d?|WDT\d?)\b"
        r"(?!\s*[:=(]\s*(?:0|no|false|off))))?)"
        r"(?P<text>(?:0x(?P<value>[0-9a-fA-F]+))?.*?)\s*$",
        "Why the board was reset, as the firmware read it.",
        "[00:00:00.256,469] <inf> application: Reset reason: 0x10001",
        "Reset cause: PIN SOFTWARE",
        "reset_cause = WATCHDOG",
        "RESETREAS: 0x4",
        anchor=("eset", "RESET"),
        source="a public log",
    ),
)
