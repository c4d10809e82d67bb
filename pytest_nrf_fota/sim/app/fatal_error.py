"""What Zephyr's fatal error handler logs before it resets.

Wording: a public log (MPU fault), 56-nrf52840-mpsl-bus-fault.log
(registers, error number), 60-nrf54l15-crash-reset-coredump.log (reset). Addresses and registers
are made up; the number 19 is Zephyr's for a data access (K_ERR_ARM_MEM_DATA_ACCESS).
"""

MPU_FAULT = (
    "***** MPU FAULT *****",
    "  Data Access Violation",
    "  MMFAR Address: 0x00000000",
    "r0/a1:  0x00000000  r1/a2:  0x20001f78  r2/a3:  0x00000000",
    "r3/a4:  0x0000b461 r12/ip:  0x00000000 r14/lr:  0x0002da8d",
    " xpsr:  0x61000000",
    "Faulting instruction address (r15/pc): 0x00029c1e",
    ">>> ZEPHYR FATAL ERROR 19: Unknown error on CPU 0",
    "Current thread: 0x20000468 (main)",
)
"""Lines of log module `os`."""

RESET = "Resetting system"
"""Line of log module `fatal_error`; NCS resets on fatal errors by default."""
