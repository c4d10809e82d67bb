"""How a core's run ends, and what it cannot do."""

from dataclasses import dataclass
from typing import TypeAlias


class NotModelledError(Exception):
    """Machine code reached hardware that this project does not model.

    `block` and `register` are names or addresses, `pc` is that of the instruction, `core` whose.
    """

    def __init__(self, block: str, register: str, pc: int, core: str) -> None:
        super().__init__(f"{block}, {register}, is not modelled (PC 0x{pc:08x}, {core} core)")
        self.block = block
        self.register = register
        self.pc = pc
        self.core = core


class GuestFaultError(Exception):
    """Machine code did what the hardware answers with a fault; the message says what and where."""


@dataclass(frozen=True)
class Jumped:
    """The core came to firmware that is not executed; `address` is of its first instruction."""

    address: int


@dataclass(frozen=True)
class Reset:
    """The core asked for a reset of the system."""


@dataclass(frozen=True)
class Asleep:
    """The core waits for an interrupt, at WFI or WFE."""

    pc: int


@dataclass(frozen=True)
class Spinning:
    """The core goes round in a circle that only an interrupt or another core can end."""

    pc: int


@dataclass(frozen=True)
class Busy:
    """The core has worked for a while without an access to a peripheral, and will go on."""

    pc: int


CoreEnd: TypeAlias = Jumped | Reset | Asleep | Spinning | Busy
