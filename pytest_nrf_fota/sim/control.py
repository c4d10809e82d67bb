"""The kit's control protocol: one JSON object per line in each direction over a Unix socket.

It stands for the debug port (SWD) and for the hands of a person at the kit.
"""

from typing import Annotated, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Addresses(_Message):
    """Where a running kit can be reached; printed by the kit when it is ready.

    `hci` is what bumble's `open_transport` takes; `state` is what the kit was doing then.
    """

    app_uart: str
    net_uart: str
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


class Reset(_Message):
    """Reset both cores."""

    command: Literal["reset"] = "reset"
    kind: Literal["system", "pin"] = "system"


class GetState(_Message):
    """What is the kit doing?"""

    command: Literal["state"] = "state"


Request = Annotated[
    Union[Identify, Recover, Program, EraseExternal, Read, Reset, GetState],  # noqa: UP007
    Field(discriminator="command"),
]
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Reply(_Message):
    """Answer to any request: `error` is empty where it succeeded.

    `data` is hex, for `read`. `state` is `held`, `running` or `halted: reason`.
    """

    error: str = ""
    data: str = ""
    state: str = ""
    uptime_s: float = 0.0
    operations: int = 0
