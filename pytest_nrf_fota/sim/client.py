"""Control a running kit from another program, synchronously."""

import socket
from typing import Protocol

from pydantic import ValidationError

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.sim.control import (
    DisarmFaults,
    EraseExternal,
    FlashOperation,
    GetOperations,
    GetState,
    InjectFault,
    PlugConsole,
    Program,
    Read,
    Recover,
    Reply,
    Request,
    Reset,
    Resume,
    SetPower,
)

_CHUNK_BYTES = 65536


class KitUnreachableError(Exception):
    """The kit's process does not answer."""


class KitRefusedError(Exception):
    """The kit answered with an error."""


class KitNotModelledError(KitRefusedError):
    """A bootloader that is executed came to what is not modelled."""


class KitPort(Protocol):
    """What a debug port and a person's hands do to a kit; see `KitControl`."""

    def recover(self, core: str, deadline: Deadline) -> None:
        """Erase and unlock the `application` or the `network` core."""

    def program(self, hex_file: str, deadline: Deadline) -> None:
        """Program an Intel hex file; the cores are held afterwards."""

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash; the cores are held afterwards."""

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""

    def resume(self, core: str, deadline: Deadline) -> None:
        """Let a core go on that a read has halted."""

    def reset(self, kind: str, deadline: Deadline) -> None:
        """Reset both cores; `kind` is `system` or `pin`."""

    def state(self, deadline: Deadline) -> Reply:
        """What the kit is doing."""

    def power(self, deadline: Deadline, *, on: bool, starts: bool = True) -> None:
        """Switch the kit's power; switched on, it boots, unless `starts` is false."""

    def inject(self, fault: InjectFault, deadline: Deadline) -> None:
        """Let something go wrong once, at a given moment."""

    def disarm(self, deadline: Deadline) -> None:
        """Forget every fault that still waits for its moment."""

    def plug_console(self, deadline: Deadline, *, plugged_in: bool) -> None:
        """Pull or put in the plug of the application core's serial port."""

    def close(self) -> None:
        """Let go of the kit, which goes on."""


class KitControl:
    """A connection to a kit's control socket.

    Every method raises `KitRefusedError` when the kit says no and `KitUnreachableError` when it
    does not answer before the deadline.

    Args:
        address: the path that the kit printed as `control`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._pending = b""
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise KitUnreachableError(f"no kit listens at {address}: {error}") from error

    def recover(self, core: str, deadline: Deadline) -> None:
        """Erase and unlock the `application` or the `network` core."""
        try:
            message = Recover.model_validate({"core": core})
        except ValidationError as error:
            raise KitRefusedError(f"no core {core!r}: application or network") from error
        self._ask(message, deadline)

    def program(self, hex_file: str, deadline: Deadline) -> None:
        """Program an Intel hex file; the cores are held afterwards."""
        self._ask(Program(hex_file=hex_file), deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash over the debug port; the cores are held afterwards."""
        self._ask(EraseExternal(), deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""
        return bytes.fromhex(self._ask(Read(address=address, size_bytes=size_bytes), deadline).data)

    def resume(self, core: str, deadline: Deadline) -> None:
        """Let the `application` or the `network` core go on that a read has halted."""
        try:
            message = Resume.model_validate({"core": core})
        except ValidationError as error:
            raise KitRefusedError(f"no core {core!r}: application or network") from error
        self._ask(message, deadline)

    def reset(self, kind: str, deadline: Deadline) -> None:
        """Reset both cores; `kind` is `system` or `pin`."""
        try:
            message = Reset.model_validate({"kind": kind})
        except ValidationError as error:
            raise KitRefusedError(f"no kind of reset {kind!r}: system or pin") from error
        self._ask(message, deadline)

    def state(self, deadline: Deadline) -> Reply:
        """What the kit is doing."""
        return self._ask(GetState(), deadline)

    def power(self, deadline: Deadline, *, on: bool, starts: bool = True) -> None:
        """Switch the kit's power; switched on, it boots, unless `starts` is false."""
        self._ask(SetPower(on=on, starts=starts), deadline)

    def inject(self, fault: InjectFault, deadline: Deadline) -> None:
        """Let something go wrong once, at a given moment."""
        self._ask(fault, deadline)

    def disarm(self, deadline: Deadline) -> None:
        """Forget every fault that still waits for its moment."""
        self._ask(DisarmFaults(), deadline)

    def plug_console(self, deadline: Deadline, *, plugged_in: bool) -> None:
        """Pull or put in the plug of the application core's serial port."""
        self._ask(PlugConsole(plugged_in=plugged_in), deadline)

    def operations(self, since: int, deadline: Deadline) -> tuple[FlashOperation, ...]:
        """The flash operations after number `since`."""
        return self._ask(GetOperations(since=since), deadline).log

    def close(self) -> None:
        """Close the connection; the kit goes on."""
        self._socket.close()

    def _ask(self, request: Request, deadline: Deadline) -> Reply:
        try:
            self._socket.settimeout(_remaining_s(deadline))
            self._socket.sendall(request.model_dump_json().encode() + b"\n")
            reply = Reply.model_validate_json(self._read_line(deadline))
        except (OSError, ValidationError) as error:
            # Whatever arrives later would be taken for the answer to the next request.
            self._socket.close()
            raise KitUnreachableError(
                f"the kit at {self._address} did not answer {request.command!r} within "
                f"{deadline.allowed_s:g} s: {error}"
            ) from error
        if reply.not_modelled:
            raise KitNotModelledError(reply.error)
        if reply.error:
            raise KitRefusedError(reply.error)
        return reply

    def _read_line(self, deadline: Deadline) -> bytes:
        while b"\n" not in self._pending:
            self._socket.settimeout(_remaining_s(deadline))
            data = self._socket.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionError("connection closed")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line


def _remaining_s(deadline: Deadline) -> float:
    # A socket time-out of 0 would mean not to wait, each time anew.
    if deadline.expired:
        raise TimeoutError("the deadline has passed")
    return deadline.remaining_s
