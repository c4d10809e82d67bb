"""Unicorn's CPU with types: what of its interface is used here (unicorn 2.1, unicorn.py)."""

from collections.abc import Callable
from typing import Protocol, cast

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB
from unicorn.unicorn import Uc


class Cpu(Protocol):
    """One emulated CPU, with Unicorn's own names; addresses and sizes are in bytes."""

    def reg_read(self, register: int) -> int: ...
    def reg_write(self, register: int, value: int) -> None: ...
    def mem_read(self, address: int, size: int) -> bytearray: ...
    def mem_write(self, address: int, data: bytes) -> None: ...
    def mem_map_ptr(self, address: int, size: int, perms: int, ptr: int) -> None: ...
    def mmio_map(
        self,
        address: int,
        size: int,
        read_cb: Callable[["Cpu", int, int, object], int],
        user_data_read: object,
        write_cb: Callable[["Cpu", int, int, int, object], None],
        user_data_write: object,
    ) -> None: ...
    def hook_add(
        self,
        htype: int,
        callback: Callable[..., object],
        user_data: object = None,
        begin: int = 1,
        end: int = 0,
    ) -> int: ...
    def hook_del(self, h: int) -> None: ...
    def emu_start(self, begin: int, until: int, timeout: int = 0, count: int = 0) -> None: ...
    def emu_stop(self) -> None: ...
    def ctl_set_cpu_model(self, model: int) -> None: ...
    def ctl_flush_tb(self) -> None: ...


def make_cpu(model: int) -> Cpu:
    """A Cortex-M of this model (`unicorn.arm_const`)."""
    cpu = cast(Cpu, Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS))  # type: ignore[no-untyped-call]
    cpu.ctl_set_cpu_model(model)
    return cpu
