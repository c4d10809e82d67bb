"""The debug port of a kit that runs on another thread of this process."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from anyio.from_thread import BlockingPortal

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.sim.client import KitRefusedError
from pytest_nrf_fota.sim.control import InjectFault, Reply
from pytest_nrf_fota.sim.kit import Kit, KitError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class DirectPort:
    """A `KitPort` that calls the kit; deadlines are the campaign's, which ends a case that hangs.

    Args:
        kit: the kit.
        portal: the event loop that it runs on.
    """

    def __init__(self, kit: Kit, portal: BlockingPortal) -> None:
        self._kit = kit
        self._portal = portal

    def recover(self, core: str, deadline: Deadline) -> None:
        """Erase and unlock the `application` or the `network` core."""
        del deadline

        async def recover() -> None:
            await self._kit.recover(network=core == "network")

        self._call(recover)

    def program(self, hex_file: str, deadline: Deadline) -> None:
        """Program an Intel hex file."""
        del deadline
        self._call(self._kit.program, read_hex(Path(hex_file)))

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash."""
        del deadline
        self._call(self._kit.erase_external)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""
        del deadline
        return self._call(self._kit.read, address, size_bytes)

    def resume(self, core: str, deadline: Deadline) -> None:
        """Let a core go on that a read has halted."""
        del deadline

        async def resume() -> None:
            await self._kit.resume(network=core == "network")

        self._call(resume)

    def reset(self, kind: str, deadline: Deadline) -> None:
        """Reset both cores."""
        del kind, deadline
        self._call(self._kit.reset)

    def state(self, deadline: Deadline) -> Reply:
        """What the kit is doing."""
        del deadline

        async def state() -> Reply:
            return Reply(
                state=self._kit.state,
                uptime_s=self._kit.clock.now_s,
                operations=len(self._kit.flash.operations),
                waiting=self._kit.faults.waiting,
            )

        return self._call(state)

    def power(self, deadline: Deadline, *, on: bool, starts: bool = True) -> None:
        """Switch the power."""
        del deadline

        async def switch() -> None:
            await self._kit.set_power(on=on, starts=starts)

        self._call(switch)

    def inject(self, fault: InjectFault, deadline: Deadline) -> None:
        """Arm a fault."""
        del deadline
        self._call(self._kit.faults.inject, fault)

    def disarm(self, deadline: Deadline) -> None:
        """Forget all faults."""
        del deadline
        self._portal.call(self._kit.faults.disarm)

    def plug_console(self, deadline: Deadline, *, plugged_in: bool) -> None:
        """Pull or put in the plug of the serial port."""
        del deadline

        async def plug() -> None:
            self._kit.app_uart.plug(plugged_in=plugged_in)

        self._call(plug)

    def close(self) -> None:
        """Nothing is held."""

    def _call(
        self,
        work: Callable[_Arguments, Awaitable[_Result]],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        assert not kwargs, "a portal takes arguments by their place"
        try:
            return self._portal.call(work, *args)
        except KitError as error:
            raise KitRefusedError(str(error)) from error
