"""One boot by executing: from reset to the application's first instruction, and the resets between.

The counterpart of `sim.boot.chain.BootChain`, which models what is executed here.
"""

from dataclasses import dataclass, field

from typing_extensions import assert_never

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.sim.boot.b0n import B0nEnd
from pytest_nrf_fota.sim.boot.stage import Halt, SlotMap
from pytest_nrf_fota.sim.execution.ends import (
    Asleep,
    Busy,
    GuestFaultError,
    Jumped,
    NotModelledError,
    Reset,
    Spinning,
)
from pytest_nrf_fota.sim.execution.machine import Machine, Wires
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash

MOST_RESETS = 10
"""A first boot writes UICR, an update of the bootloader takes one more reset; more never end."""


@dataclass(frozen=True)
class Started:
    """The application's code lies at `address` and was about to run."""

    address: int


@dataclass(frozen=True)
class NotModelled:
    """The execution came to what is not modelled: nobody knows what the board would do."""

    error: NotModelledError


def make_rams(soc: Soc) -> tuple[Ram, ...]:
    """The chip's memories that lose their content with the power, and keep it over a reset."""
    return tuple(Ram(core.ram.start, len(core.ram)) for core in soc.cores)


@dataclass
class ExecutedBoot:
    """One boot of a chip.

    Args:
        soc: the chip.
        flash: the kit's memories.
        rams: of its cores.
        slots: where the application lies; what is in its slots is not executed.
        wires: where the UARTs go.
        has_run_network: whether the bootloader let the network core run.
    """

    soc: Soc
    flash: Flash
    rams: tuple[Ram, ...]
    slots: SlotMap
    wires: Wires
    has_run_network: bool = field(default=False, init=False)

    def run(self) -> Started | Halt | NotModelled:
        """Boot once. Raises what the flash and the wires raise, such as `PowerLostError`."""
        for _ in range(MOST_RESETS):
            machine = self._machine()
            try:
                end = machine.run()
            except NotModelledError as error:
                return NotModelled(error)
            except GuestFaultError as error:
                return Halt(f"a bootloader faulted: {error}")
            finally:
                machine.close()
                self.has_run_network |= machine.has_run_network
            match end:
                case Jumped(address):
                    primary = self.slots.primary
                    if address in range(primary.address, primary.end):
                        return Started(address)
                    return Halt(f"jump to 0x{address:x}, into an update slot")
                case Reset():
                    continue
                case Asleep(pc):
                    return Halt(f"the bootloader sleeps for good at 0x{pc:x}")
                case Spinning(pc) | Busy(pc):
                    return Halt(f"the bootloader goes round in a circle at 0x{pc:x}")
                case never:
                    assert_never(never)
        return Halt(f"the bootloader reset the board {MOST_RESETS} times in a row")

    def run_network_core(self) -> B0nEnd | NotModelled:
        """Let the network core start, as the application does for Bluetooth."""
        machine = self._machine()
        try:
            end = machine.run_network_core()
        except NotModelledError as error:
            return NotModelled(error)
        except GuestFaultError:
            return B0nEnd.GAVE_UP
        finally:
            machine.close()
        return B0nEnd.STARTED_FIRMWARE if isinstance(end, Jumped) else B0nEnd.GAVE_UP

    def _machine(self) -> Machine:
        network, is_external = self.slots.network, self.soc.is_external
        slots = [
            p for p in (self.slots.primary, self.slots.secondary) if not is_external(p.address)
        ]
        stops_at = (
            [range(slot.address, slot.end) for slot in slots],
            [] if network is None else [range(network.app_address, network.end_address)],
        )
        return Machine(self.soc, self.flash, self.rams, self.wires, stops_at)
