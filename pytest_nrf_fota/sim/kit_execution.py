"""A virtual kit's boots: by the models, or by execution in a thread, so that wires stay served."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.boards.execution import Execution
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.sim.boot.b0n import B0nEnd, NetworkCore, run_b0n
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt

if TYPE_CHECKING:
    from pytest_nrf_fota.sim.execution.boot import ExecutedBoot, NotModelled
    from pytest_nrf_fota.sim.execution.machine import Wires
    from pytest_nrf_fota.sim.execution.ram import Ram


class KitExecution:
    """How the bootloaders of one kit run. What is executed needs the extra `exec`.

    Args:
        execution: whether they are executed.
        soc: the chip.

    `modelled_boots` says of each boot that the model took over what was not modelled.
    """

    def __init__(self, execution: Execution, soc: Soc) -> None:
        self._execution = execution
        self._soc = soc
        self._rams: tuple[Ram, ...] | None = None
        self.gap = ""
        self.modelled_boots: tuple[str, ...] = ()

    def lose_power(self) -> None:
        """The RAM's content is gone."""
        self._rams = None

    async def boot(self, chain: BootChain, wires: "Callable[[], Wires]") -> AppDescription | Halt:
        """Boot once; `gap` says afterwards what was not modelled, if that ended it.

        `wires` is called where it is executed only: without the extra there is nothing to import.
        Raises what flash and wires raise, such as `PowerLostError`.
        """
        self.gap = ""
        if self._execution is Execution.OFF:
            return chain.run()
        if chain.is_demonstration:
            self.gap = (
                "demonstration firmware is no machine code: give a build of your own, or run on a "
                "board whose bootloaders are modelled"
            )
            return Halt(self.gap)
        from pytest_nrf_fota.sim.execution.boot import NotModelled, Started

        match end := await asyncio.to_thread(self._executed(chain, wires).run):
            case Started():
                chain.on_jump(chain.hardware.slots.primary.address)
                return chain.application
            case NotModelled():
                return chain.run() if self._falls_back(end) else Halt(self.gap)
            case Halt(reason):
                print(f"No application was started: {reason}.", file=sys.stderr, flush=True)
                return end
            case never:
                assert_never(never)

    async def run_network_core(
        self, core: NetworkCore, release: Release, chain: BootChain, wires: "Callable[[], Wires]"
    ) -> B0nEnd:
        """Let the network core start, as the application does. Raises the same."""
        # Without b0n nothing is executed: the controller is a model.
        if self._execution is Execution.OFF or not core.has_b0n:
            return run_b0n(core, release)
        from pytest_nrf_fota.sim.execution.boot import NotModelled

        end = await asyncio.to_thread(self._executed(chain, wires).run_network_core)
        if not isinstance(end, NotModelled):
            return end
        return run_b0n(core, release) if self._falls_back(end) else B0nEnd.GAVE_UP

    def _executed(self, chain: BootChain, wires: "Callable[[], Wires]") -> "ExecutedBoot":
        from pytest_nrf_fota.sim.execution.boot import ExecutedBoot, make_rams

        if self._rams is None:
            self._rams = make_rams(self._soc)
        hardware = chain.hardware
        return ExecutedBoot(self._soc, hardware.flash, self._rams, hardware.slots, wires())

    def _falls_back(self, end: "NotModelled") -> bool:
        """Whether the model boots instead; the kit's log says why."""
        if self._execution is Execution.ELSE_MODEL:
            print(f"The model boots instead: {end.error}.", file=sys.stderr, flush=True)
            self.modelled_boots += (str(end.error),)
            return True
        self.gap = f"the bootloaders cannot be executed to their end: {end.error}"
        return False
