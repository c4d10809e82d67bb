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
    CoreEnd,
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
                    return self._started_at(address)
                case Reset():
                    continue
                case _:
                    return Halt(_standing(end))
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
        slots, network = self.slots, self.slots.network
        external = self.soc.is_external
        places = [
            place for place in (slots.primary, slots.secondary) if not external(place.address)
        ]
        return Machine(
            self.soc,
            self.flash,
            self.rams,
            self.wires,
            (
                tuple(range(place.address, place.end) for place in places),
                () if network is None else (range(network.app_address, network.end_address),),
            ),
        )

    def _started_at(self, address: int) -> Started | Halt:
        primary = self.slots.primary
        if address in range(primary.address, primary.end):
            return Started(address)
        return Halt(f"jump to 0x{address:x}, into an update slot")


def _standing(end: CoreEnd) -> str:
    match end:
        case Asleep(pc):
            return f"the bootloader sleeps for good at 0x{pc:x}"
        case Spinning(pc) | Busy(pc):
            return f"the bootloader goes round in a circle at 0x{pc:x}"
        case Jumped() | Reset():
            raise AssertionError("these are no standstill")
        case never:
            assert_never(never)
