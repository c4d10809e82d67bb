"""Crashes: what crashed, where, and which command names the source line."""

import re

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Fault, Seen
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Match, Rule, found, says
from pytest_nrf_fota.findings.finding import Confidence, Weight

_ADDR2LINE = "arm-zephyr-eabi-addr2line -f -C -i -e"
_ELF = {
    Stage.NSIB: "build/b0/zephyr/zephyr.elf",
    Stage.MCUBOOT: "build/mcuboot/zephyr/zephyr.elf",
    Stage.TFM: "build/tfm/bin/tfm_s.elf",
    Stage.APP: "build/zephyr/zephyr.elf",
}
# Stack size options by thread name (Zephyr 3.2 to 4.2, subsys and kernel Kconfig).
_STACK_OPTIONS = (
    (r"^main$", "CONFIG_MAIN_STACK_SIZE"),
    (r"^sysworkq$", "CONFIG_SYSTEM_WORKQUEUE_STACK_SIZE"),
    (r"^idle", "CONFIG_IDLE_STACK_SIZE"),
    (r"^logging$", "CONFIG_LOG_PROCESS_THREAD_STACK_SIZE"),
    (r"^shell", "CONFIG_SHELL_STACK_SIZE"),
    (r"^(?:mcumgr )?smp", "CONFIG_MCUMGR_TRANSPORT_WORKQUEUE_STACK_SIZE"),
    (r"^BT RX", "CONFIG_BT_RX_STACK_SIZE"),
    (r"^BT TX", "CONFIG_BT_HCI_TX_STACK_SIZE"),
    (r"^BT LW", "CONFIG_BT_LONG_WQ_STACK_SIZE"),
    (r"^MPSL", "CONFIG_MPSL_WORK_STACK_SIZE"),
    (r"^rx_q|^net_", "CONFIG_NET_RX_STACK_SIZE"),
)


# K_ERR_STACK_CHK_FAIL (Zephyr include/zephyr/fatal_types.h).
_STACK_OVERFLOW = 2


def _values(fault: Fault) -> dict[str, object]:
    addresses = [f"{a:#x}" for a in (fault.pc, fault.lr) if a]
    stage = fault.stage
    name = fault.thread[1] if fault.thread is not None else ""
    if fault.kind == _SECURE_FIRMWARE:
        where = "TF-M"
    elif fault.in_interrupt:
        where = "an interrupt handler"
    elif name and name != "unknown":
        where = f"thread {name!r}"
    elif stage is None:
        where = "a program (no line says which stage)"
    else:
        where = f"the {_STAGE_NAMES[stage]}"
    if where.startswith(("an interrupt", "thread")) and stage not in (Stage.APP, None):
        where += f" of {_STAGE_NAMES[stage]}"
    said = list(dict.fromkeys(fault.details))
    if fault.fault_address is not None:
        said.append(f"address {fault.fault_address:#010x}")
        if fault.fault_address < _NULL_PAGE_BYTES:
            said.append("a null pointer was used")
    if fault.pc == 0:
        said.append("a null pointer was called")
    elf = _ELF[Stage.APP if stage is None or _came_from_application(fault) else stage]
    command = f"`{_ADDR2LINE} {elf} {' '.join(addresses)}`"
    return {
        "kind": fault.kind or (fault.fatal_error[1] if fault.fatal_error else "fatal error"),
        "details": ", ".join(said) or "no details",
        "where": where,
        "assertion": fault.assertion or "see the line",
        "command": command if addresses else f"`{_ADDR2LINE} {elf} <pc> <lr>`",
    }


def _came_from_application(fault: Fault) -> bool:
    """TF-M reports faults of the non-secure side as well."""
    return any("non-secure" in detail for detail in fault.details)


_SECURE_FIRMWARE = "SECURE FIRMWARE FAULT"
# Members of a structure at address 0; Zephyr's own page is as large by default
# (CONFIG_NULL_POINTER_EXCEPTION_DETECTION, arch/arm/core/cortex_m/Kconfig).
_NULL_PAGE_BYTES = 0x400


_STAGE_NAMES = {
    Stage.NSIB: "NSIB",
    Stage.MCUBOOT: "MCUboot",
    Stage.TFM: "TF-M",
    Stage.APP: "application",
}


def _lines(fault: Fault) -> list[Seen]:
    return list(dict.fromkeys([fault.seen, fault.last]))


def _overflow(case: Case) -> Match | None:
    for fault in case.boots.faults:
        if fault.stack_overflowed:
            name = fault.thread[1] if fault.thread is not None else ""
            option = next(
                (option for regex, option in _STACK_OPTIONS if re.search(regex, name)),
                "the stack size of that thread (K_THREAD_STACK_DEFINE)",
            )
            # A stacking error alone may have another reason.
            told = fault.fatal_error is not None and fault.fatal_error[0] == _STACK_OVERFLOW
            told |= any("overflow" in detail.lower() for detail in fault.details)
            confidence = Confidence.CERTAIN if told else Confidence.LIKELY
            return found(_evidence(case, fault), confidence, option=option, values=_values(fault))
    return None


def _evidence(case: Case, fault: Fault) -> list[Seen]:
    """First and last line, and those in between that say where it was."""
    between = [
        known.seen
        for known in case.known(
            "fault_detail", "fault_address", "fault_pc", "fatal_error", "fault_thread"
        )
        if fault.seen.line_number <= known.seen.line_number <= fault.last.line_number
    ]
    return [fault.seen, *between]


def _is_cpu_fault(fault: Fault) -> bool:
    return fault.kind.endswith("FAULT") and fault.kind != _SECURE_FIRMWARE


def _cpu_fault(case: Case) -> Match | None:
    for fault in case.boots.faults:
        if fault.stack_overflowed or not _is_cpu_fault(fault):
            continue
        return found(_evidence(case, fault), values=_values(fault))
    return None


def _assertion(case: Case) -> Match | None:
    for fault in case.boots.faults:
        if fault.assertion is not None:
            return found(_evidence(case, fault), values=_values(fault))
    lines = case.known("assertion", "c_assertion")
    if not lines:
        return None
    return found(
        lines,
        assertion=" at ".join(filter(None, (lines[0].text("test"), lines[0].text("place")))),
        command=f"`{_ADDR2LINE} {_ELF[Stage.APP]} <pc> <lr>`",
    )


def _other_fatal_error(case: Case) -> Match | None:
    """A kernel panic or oops, a fault of another architecture, of TF-M."""
    for fault in case.boots.faults:
        known = _is_cpu_fault(fault) or fault.assertion is not None
        if not known and not fault.stack_overflowed and not _only_end(fault):
            return found(_evidence(case, fault), values=_values(fault))
    lines = case.known("riscv_fault", "xtensa_fault", "stack_smashing", "tfm_fault")
    if not lines or case.boots.faults:
        return None
    return found(
        lines,
        kind=lines[0].seen.text.strip(),
        details="see the line",
        where="the program",
        command=f"`{_ADDR2LINE} {_ELF[Stage.APP]} <pc> <lr>`",
    )


def _only_end(fault: Fault) -> bool:
    """Only `Resetting system` or the like was seen: an ordinary restart prints that, too."""
    return not fault.kind and fault.fatal_error is None and fault.pc is None


def _watchdog(case: Case) -> Match | None:
    """A line alone may be about a set-up; a boot that follows, or the reset's cause, is not."""
    causes = [k for k in case.known("reset_cause") if k.text("watchdog")]
    barks = [k for k in case.known("watchdog") if "<inf>" not in k.seen.text]
    followed = [k for k in barks if case.boots_after(k)]
    if causes or followed:
        return found([*followed, *causes], Confidence.LIKELY)
    return found(barks, Confidence.POSSIBLE)


def _boot_loop(case: Case) -> Match | None:
    loops = [loop for loop in case.boots.loops if not loop.reached_app or loop.fault is not None]
    if not loops:
        return None
    loop = max(loops, key=lambda one: one.count)
    lines = [loop.seen, *([loop.fault.seen] if loop.fault is not None else [])]
    return found(lines, Confidence.LIKELY, count=loop.count, first=loop.first_boot)


RULES = (
    Rule(
        "stack_overflow",
        "The stack of {where} overflowed ({kind}).",
        "Raise `{option}`; how much is used shows `CONFIG_THREAD_ANALYZER=y`. Where it was: "
        "{command}",
        _overflow,
    ),
    Rule(
        "cpu_fault",
        "{kind} in {where}: {details}.",
        "Name the source line with the ELF of exactly this build: {command}",
        _cpu_fault,
    ),
    Rule(
        "assertion_failed",
        "A check in the program failed: {assertion}.",
        "Look at the expression and its place; the caller: {command}",
        _assertion,
    ),
    Rule(
        "controller_assertion",
        "The Bluetooth controller or MPSL failed a check of its own: {what} {place}",
        "Keep interrupts off for less time than the radio allows and do not touch its peripherals; "
        "report the numbers to Nordic with the SDK's version.",
        says("controller_assertion"),
    ),
    Rule(
        "fatal_error",
        "The program stopped: {kind} in {where}, {details}.",
        "Name the source line with the ELF of exactly this build: {command}",
        _other_fatal_error,
    ),
    Rule(
        "watchdog_reset",
        "A watchdog reset the board: something did not feed it in time.",
        "Look at the lines in front of it. Find what blocks for longer than the watchdog's period "
        "(flash erase of a large slot, a swap, a deadlock): feed it there, or raise the period; "
        "MCUboot feeds it with `CONFIG_BOOT_WATCHDOG_FEED=y`.",
        _watchdog,
    ),
    Rule(
        "boot_loop",
        "The board boots again and again ({count} times from boot {first} on).",
        "Read the first of these boots for what ends it; `CONFIG_RESET_ON_FATAL_ERROR=n` keeps the "
        "first crash readable, and `nrfjprog --halt` stops the board. Flashing a known good "
        "merged.hex ends it.",
        _boot_loop,
        weight=Weight.CONSEQUENCE,
    ),
)
