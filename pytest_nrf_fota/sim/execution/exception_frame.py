"""How a Cortex-M enters an exception and returns from it, on Unicorn's registers.

Source: Arm v8-M Architecture Reference Manual, Exception entry and Exception return. The order in
which CONTROL and IPSR are written matters: the stack pointer in use is switched with them.
"""

import struct

from unicorn import arm_const as arm

from pytest_nrf_fota.sim.execution.cpu import Cpu
from pytest_nrf_fota.sim.execution.system_control import SystemControl

_FRAME = struct.Struct("<8I")
_FLOAT_FRAME = struct.Struct("<18I")
_SPSEL, _FPCA, _SFPA = 2, 4, 8
# Bits of EXC_RETURN.
_SECURE_STATE, _DEFAULT_STACKING, _NO_FLOAT, _TO_THREAD, _FROM_PROCESS_STACK = 64, 32, 16, 8, 4
_EXC_RETURN = 0xFFFF_FF80
_STACK_ALIGN_BIT = 1 << 9
_IT_BITS = 0x0600_FC00
# Where the frame keeps SFPA, which is FPCA of the secure state.
_XPSR_SFPA = 1 << 20
_THUMB = 1 << 24
# Flags, GE and IT, as they come back from the stack.
_RESTORED = 0xFE0F_FC00
_SAVED = (
    *(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3),
    *(arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR),
)


def enter_exception(uc: Cpu, control: SystemControl, exception: int) -> None:
    """Push the frame, and go to the handler."""
    was_in_handler = bool(control.active)
    control_register = uc.reg_read(arm.UC_ARM_REG_CONTROL)
    stack_pointer = uc.reg_read(arm.UC_ARM_REG_SP)
    has_float = bool(control_register & _FPCA)
    xpsr = uc.reg_read(arm.UC_ARM_REG_XPSR) | _THUMB
    pc = uc.reg_read(arm.UC_ARM_REG_PC) & ~1
    frame_bytes = _FRAME.size + (_FLOAT_FRAME.size if has_float else 0)
    frame_address = (stack_pointer - frame_bytes) & ~7
    if frame_address + frame_bytes != stack_pointer:
        xpsr |= _STACK_ALIGN_BIT
    else:
        xpsr &= ~_STACK_ALIGN_BIT
    xpsr |= _XPSR_SFPA if control_register & _SFPA else 0
    frame = _FRAME.pack(*(uc.reg_read(register) for register in _SAVED), pc, xpsr)
    if has_float:
        frame += _FLOAT_FRAME.pack(
            *(uc.reg_read(arm.UC_ARM_REG_S0 + number) for number in range(16)),
            uc.reg_read(arm.UC_ARM_REG_FPSCR),
            0,
        )
    uc.mem_write(frame_address, frame)
    uses_process_stack = not was_in_handler and bool(control_register & _SPSEL)
    uc.reg_write(arm.UC_ARM_REG_SP, frame_address)
    uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_IT_BITS)
    # In thread mode SPSEL switches the stack; a handler always uses the main one.
    uc.reg_write(arm.UC_ARM_REG_CONTROL, control_register & ~(_SPSEL | _FPCA | _SFPA))
    uc.reg_write(arm.UC_ARM_REG_IPSR, exception)
    control.take(exception)
    link = _EXC_RETURN | _SECURE_STATE | _DEFAULT_STACKING | 1
    link |= 0 if has_float else _NO_FLOAT
    link |= 0 if was_in_handler else _TO_THREAD
    link |= _FROM_PROCESS_STACK if uses_process_stack else 0
    uc.reg_write(arm.UC_ARM_REG_LR, link)
    handler = struct.unpack("<I", uc.mem_read(control.vector_table + 4 * exception, 4))[0]
    uc.reg_write(arm.UC_ARM_REG_PC, handler | 1)


def return_from_exception(uc: Cpu, control: SystemControl, exc_return: int) -> None:
    """Pop the frame that `exc_return` names, and go back."""
    control.leave()
    uc.reg_write(arm.UC_ARM_REG_FAULTMASK, 0)
    to_thread = bool(exc_return & _TO_THREAD)
    uses_process_stack = bool(exc_return & _FROM_PROCESS_STACK) and to_thread
    control_register = uc.reg_read(arm.UC_ARM_REG_CONTROL)
    if to_thread:
        uc.reg_write(arm.UC_ARM_REG_IPSR, 0)
        chosen = control_register & ~_SPSEL | (_SPSEL if uses_process_stack else 0)
        uc.reg_write(arm.UC_ARM_REG_CONTROL, chosen)
    else:
        uc.reg_write(arm.UC_ARM_REG_IPSR, control.active[-1])
    frame_address = uc.reg_read(arm.UC_ARM_REG_SP)
    frame_bytes = _FRAME.size
    *saved, pc, xpsr = _FRAME.unpack(uc.mem_read(frame_address, frame_bytes))
    has_float = not exc_return & _NO_FLOAT
    if has_float:
        *floats, fpscr, _ = _FLOAT_FRAME.unpack(
            uc.mem_read(frame_address + frame_bytes, _FLOAT_FRAME.size)
        )
        frame_bytes += _FLOAT_FRAME.size
        for number in range(16):
            uc.reg_write(arm.UC_ARM_REG_S0 + number, floats[number])
        uc.reg_write(arm.UC_ARM_REG_FPSCR, fpscr)
    chosen = uc.reg_read(arm.UC_ARM_REG_CONTROL) & ~(_FPCA | _SFPA)
    chosen |= (_FPCA if has_float else 0) | (_SFPA if xpsr & _XPSR_SFPA else 0)
    uc.reg_write(arm.UC_ARM_REG_CONTROL, chosen)
    after = frame_address + frame_bytes + (4 if xpsr & _STACK_ALIGN_BIT else 0)
    uc.reg_write(arm.UC_ARM_REG_SP, after)
    for register, value in zip(_SAVED, saved, strict=True):
        uc.reg_write(register, value)
    kept = uc.reg_read(arm.UC_ARM_REG_XPSR) & ~_RESTORED
    uc.reg_write(arm.UC_ARM_REG_XPSR, kept | xpsr & _RESTORED)
    uc.reg_write(arm.UC_ARM_REG_PC, pc | 1)
