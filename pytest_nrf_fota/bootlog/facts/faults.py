"""Crashes, put together from the lines of their dumps, and reset causes."""

import re
from dataclasses import dataclass, field

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.catalogue.levels import APP_LOG
from pytest_nrf_fota.bootlog.matching import Hit
from pytest_nrf_fota.bootlog.report import Fault, ResetCause
from pytest_nrf_fota.bootlog.segments import RawBoot, RawLine

_BEGINS = frozenset(
    {
        *("fault", "fatal_error", "assertion", "c_assertion", "controller_assertion"),
        *("stack_smashing", "fault_secure", "tfm_fault", "xtensa_fault"),
    }
)
_BELONGS = frozenset(
    {
        *("fault_detail", "fault_address", "fault_registers", "fault_fpu", "fault_pc"),
        *("fault_thread", "fault_in_interrupt", "halting", "resetting", "riscv_fault"),
        *("coredump", "hci_timeout", "tfm_exception", "tfm_register"),
    }
)
_KINDS = {
    "assertion": "ASSERT",
    "c_assertion": "ASSERT",
    "controller_assertion": "CONTROLLER ASSERT",
    "stack_smashing": "STACK SMASHING",
    "tfm_fault": "SECURE FIRMWARE FAULT",
    "xtensa_fault": "FATAL EXCEPTION",
}
_REGISTER = re.compile(r"(?<![\w/])(?:(r\d+|s\[ ?\d+\])/)?(\w+):\s+(0x[0-9a-fA-F]+)")
# Lines of a dump, which other programs print as well.
_NO_CRASH_ALONE = frozenset(
    {
        *("coredump", "resetting", "halting", "hci_timeout", "fault_detail", "fault_thread"),
        *("fault_fpu", "tfm_exception", "tfm_register"),
    }
)
_FAULT_LINES = _BEGINS | _BELONGS
_BANNERS = frozenset({"banner", "banner_more", "mcuboot_banner"})
# In NCS up to 2.6 every stage has the SDK's banner.
_NAMES_AN_APPLICATION = re.compile(r"\*\*\* Booting (?!Zephyr OS|nRF Connect SDK|MCUboot)\S")
# Other output may come between the lines of a dump, but not much.
_MOST_LINES_BETWEEN = 40
# K_ERR_STACK_CHK_FAIL (Zephyr include/zephyr/fatal_types.h).
_STACK_OVERFLOW = 2


@dataclass
class _OpenFault:
    stage: Stage | None
    first: RawLine
    last: RawLine
    kind: str = ""
    details: list[str] = field(default_factory=list)
    fatal_error: tuple[int, str] | None = None
    registers: dict[str, int] = field(default_factory=dict)
    address: int | None = None
    thread: tuple[int, str] | None = None
    in_interrupt: bool = False
    assertion: str | None = None
    secure: bool = False
    overflowed: bool = False
    then: str = ""

    def close(self, followed_by_boot: bool) -> Fault:
        return Fault(
            kind=self.kind,
            details=tuple(self.details),
            fatal_error=self.fatal_error,
            registers=tuple(self.registers.items()),
            fault_address=self.address,
            thread=self.thread,
            in_interrupt=self.in_interrupt,
            assertion=self.assertion,
            secure=self.secure,
            stack_overflowed=self.overflowed,
            then=self.then or ("boot" if followed_by_boot else "unknown"),
            stage=self.stage,
            seen=self.first.seen(),
            last=self.last.seen(),
        )


def read_faults(boot: RawBoot, *, followed_by_boot: bool) -> tuple[Fault, ...]:
    """The crashes of one boot; `followed_by_boot` is whether the log goes on with another."""
    faults: list[_OpenFault] = []
    for stage in boot.stages:
        told = stage.stage is not Stage.APP or boot.stages[0] is not stage
        for line in stage.lines:
            told = told or _is_of_application(line)
            for hit in line.facts.hits:
                _take(faults, hit, line, stage.stage if told else None)
    last = len(faults) - 1
    return tuple(
        fault.close(followed_by_boot and place == last) for place, fault in enumerate(faults)
    )


def read_reset_causes(boot: RawBoot) -> tuple[ResetCause, ...]:
    """What the stages of a boot printed about the reset before it."""
    causes: list[ResetCause] = []
    for line in boot.lines:
        hit = line.facts.hit("reset_cause", "esp_reset")
        if hit is not None:
            causes.append(
                ResetCause((hit.text("text") or "").strip(), hit.number("value", 16), line.seen())
            )
    return tuple(causes)


def _is_of_application(line: RawLine) -> bool:
    """Whether no bootloader prints such a line: one with a banner or without proves no stage."""
    if not line.facts.names.isdisjoint(_FAULT_LINES):
        return False
    if line.facts.stage is Stage.APP or "app_version" in line.facts.names:
        return True
    if not line.facts.names.isdisjoint(_BANNERS):
        return _NAMES_AN_APPLICATION.search(line.body) is not None
    module = APP_LOG.search(line.body)
    return module is not None and "> os: " not in module[0]


def _take(faults: list[_OpenFault], hit: Hit, line: RawLine, stage: Stage | None) -> None:
    name = hit.pattern.name
    fault = faults[-1] if faults else None
    is_near = fault is not None and line.number - fault.last.number <= _MOST_LINES_BETWEEN
    if name in _BELONGS:
        if fault is None or not is_near:
            if name in _NO_CRASH_ALONE:
                return  # not of themselves a crash
            fault = _OpenFault(stage, line, line)
            faults.append(fault)
    elif name in _BEGINS:
        if fault is None or not is_near or _is_another(fault, name):
            fault = _OpenFault(stage, line, line)
            faults.append(fault)
    else:
        return
    fault.last = line
    _take_fact(fault, hit, line)


def _is_another(fault: _OpenFault, name: str) -> bool:
    """Whether this line begins a crash of its own."""
    if fault.then or fault.thread is not None:
        return True
    return name == "fault" and "pc" in fault.registers


def _take_fact(fault: _OpenFault, hit: Hit, line: RawLine) -> None:
    match hit.pattern.name:
        case "fault":
            if fault.kind:
                fault.details.append(fault.kind)
            fault.kind = hit.text("kind") or ""
        case "fault_detail":
            fault.details.append(hit.text("detail") or "")
            fault.overflowed |= hit.text("overflow") is not None
        case "fault_address":
            fault.address = hit.number("address", 16)
        case "fault_registers" | "fault_fpu":
            for number, name, value in _REGISTER.findall(line.body):
                register = name if name in ("ip", "lr", "pc") or not number else number
                fault.registers[register] = int(value, 16)
        case "fault_pc":
            fault.registers["pc"] = hit.number("pc", 16) or 0
        case "fatal_error":
            fault.fatal_error = (hit.number("number") or 0, hit.text("text") or "")
            fault.overflowed |= fault.fatal_error[0] == _STACK_OVERFLOW
        case "fault_thread":
            fault.thread = (hit.number("address", 16) or 0, hit.text("name") or "")
        case "fault_in_interrupt":
            fault.in_interrupt = True
        case "fault_secure":
            fault.secure = True
        case "tfm_exception":
            if hit.text("world"):
                fault.details.append(f"the exception came from {hit.text('world')} firmware")
        case "tfm_register":
            _take_tfm_register(fault, hit)
        case "halting":
            fault.then = "halt"
        case "resetting":
            fault.then = "reset"
        case "riscv_fault":
            value = hit.text("value") or ""
            register = hit.text("register") or ""
            register = "pc" if register == "mepc" else register
            fault.registers[register] = int(value.removeprefix("0x") or "0", 16)
            if hit.text("text"):
                fault.details.append(hit.text("text") or "")
        case name if name in _KINDS:
            fault.kind = fault.kind or _KINDS[name]
            if name == "tfm_fault":
                fault.stage = Stage.TFM
            said = " ".join(
                part
                for part in (
                    *(hit.text("test"), hit.text("place"), hit.text("text")),
                    *(hit.text("what"), hit.text("exception")),
                )
                if part is not None
            )
            if "assert" in name:
                fault.assertion = said or line.body.strip()
            elif said:
                fault.details.append(said)
        case _:
            pass


def _take_tfm_register(fault: _OpenFault, hit: Hit) -> None:
    name, value = hit.text("name") or "", hit.text("value") or ""
    if not value.startswith("0x"):
        return
    if name in ("PC", "LR"):
        fault.registers[name.lower()] = int(value, 16)
    elif name in ("BFAR", "MMFAR", "SFAR") and int(value, 16):
        fault.address = int(value, 16)
