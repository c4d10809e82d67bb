"""The kit's control protocol: one JSON object per line in each direction over a Unix socket.

It stands for the debug port (SWD) and for the hands of a person at the kit.
"""

import re
from typing import Annotated, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Addresses(_Message):
    """Where a running kit can be reached; printed by the kit when it is ready.

    `smp_uart` carries SMP alone; `net_uart` is empty for a kit with one core. `hci` is what
    bumble's `open_transport` takes; `state` is what the kit was doing then.
    """

    app_uart: str
    net_uart: str
    smp_uart: str
    hci: str
    control: str
    pid: int
    state: str


class Identify(_Message):
    """Who are you?"""

    command: Literal["identify"] = "identify"


class Recover(_Message):
    """Erase and unlock one core."""

    command: Literal["recover"] = "recover"
    core: Literal["application", "network"]


class Program(_Message):
    """Program an Intel hex file that the kit's process can read."""

    command: Literal["program"] = "program"
    hex_file: str


class EraseExternal(_Message):
    """Erase the external flash over the debug port."""

    command: Literal["erase_external"] = "erase_external"


class Read(_Message):
    """Read memory."""

    command: Literal["read"] = "read"
    address: int
    size_bytes: int = Field(ge=0, le=8 * 1024 * 1024)


class Resume(_Message):
    """Let a core go on that a read has halted."""

    command: Literal["resume"] = "resume"
    core: Literal["application", "network"]


class Reset(_Message):
    """Reset both cores."""

    command: Literal["reset"] = "reset"
    kind: Literal["system", "pin"] = "system"


class GetState(_Message):
    """What is the kit doing?"""

    command: Literal["state"] = "state"


class SetPower(_Message):
    """Switch the kit's power. Switched on, the kit boots; switching on twice changes nothing.

    Where it does not start (`starts`), its cores are held until the next reset, as by a debugger.
    """

    command: Literal["power"] = "power"
    on: bool
    starts: bool = True


class AtOperation(_Message):
    """The flash operation of this number, or the first that touches `address`.

    Numbers count from 1 over the life of the kit; `state` and `operations` tell how many there
    were. An upload reaches offset N when the secondary slot's address + N is written; `base` is
    that slot's address, from which `state` tells how far it came.
    """

    at: Literal["operation"] = "operation"
    number: int | None = None
    address: int | None = None
    base: int | None = None
    moment: Literal["before", "during", "after"] = "before"


class AtErase(_Message):
    """The erase of this number, counted from 1 at the moment in which the fault is armed.

    Whatever strikes, strikes before it; a reset in a bootloader lets it come to its end.
    """

    at: Literal["erase"] = "erase"
    number: int = Field(ge=1)


class AtLogLine(_Message):
    """A line on the application core's UART that the regular expression is found in."""

    at: Literal["log_line"] = "log_line"
    regex: str

    @field_validator("regex")
    @classmethod
    def _is_a_regex(cls, regex: str) -> str:
        try:
            re.compile(regex)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return regex


class Now(_Message):
    """At once."""

    at: Literal["now"] = "now"


Moment = Annotated[
    Union[AtOperation, AtErase, AtLogLine, Now],  # noqa: UP007
    Field(discriminator="at"),
]


class InjectFault(_Message):
    """Let something go wrong once, at a given moment.

    `cut_power` waits for `power`; `lose_connection` drops the BLE link while the application goes
    on; `noise` puts `noise_hex` on the application core's UART. `moment` counts for cut_power
    only: the other faults strike before the operation. A reset in a bootloader lets the operation
    or the line that it struck at come to its end. `name` is what `state` calls it as long as it
    waits.
    """

    command: Literal["fault"] = "fault"
    name: str = ""
    fault: Literal["cut_power", "reset", "lose_connection", "noise"]
    when: Moment = Now()
    noise_hex: str = ""


class DisarmFaults(_Message):
    """Forget every fault that still waits for its moment."""

    command: Literal["disarm"] = "disarm"


class PlugConsole(_Message):
    """Pull the plug of the application core's serial port, or put it in again.

    The board runs on; what it prints meanwhile is lost. The port has the same name afterwards.
    """

    command: Literal["plug_console"] = "plug_console"
    plugged_in: bool


class GetOperations(_Message):
    """The flash operations after number `since`."""

    command: Literal["operations"] = "operations"
    since: int = 0


class FlashOperation(_Message):
    """One change of flash, by name of its memory."""

    number: int
    kind: Literal["erase", "write"]
    memory: str
    address: int
    size_bytes: int


Request = Annotated[
    Union[  # noqa: UP007
        Identify,
        Recover,
        Program,
        EraseExternal,
        Read,
        Resume,
        Reset,
        GetState,
        SetPower,
        InjectFault,
        DisarmFaults,
        PlugConsole,
        GetOperations,
    ],
    Field(discriminator="command"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Reply(_Message):
    """Answer to any request: `error` is empty where it succeeded.

    `data` is hex, for `read`. `state` is `held`, `running`, `halted: reason` or `no power`.
    `operations` counts all changes of flash so far; `log` holds those that were asked for;
    `waiting` names the faults that have not struck, and how far their moment was off.
    `not_modelled`: the error is that a bootloader that is executed came to what is not modelled.
    `modelled_boots`: what that was, for each boot that a model did instead.
    """

    error: str = ""
    not_modelled: bool = False
    data: str = ""
    state: str = ""
    uptime_s: float = 0.0
    operations: int = 0
    log: tuple[FlashOperation, ...] = ()
    waiting: tuple[str, ...] = ()
    modelled_boots: tuple[str, ...] = ()
