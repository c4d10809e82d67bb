"""A chip that executes programs of the tests, and what was seen of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_nrf_fota.boards.soc import NRF5340, Soc
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.execution.boot import make_rams
from pytest_nrf_fota.sim.execution.ends import CoreEnd
from pytest_nrf_fota.sim.execution.machine import Machine, Wires
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash
from pytest_nrf_fota.sim.memories import memories_of
from tests.execution.compiling import APPLICATION, NETWORK

QSPI_FLASH_BYTES = 8 << 20
_CASE_OFFSETS = {APPLICATION: 0xFF000, NETWORK: 0x3F000}


@dataclass
class Chip:
    """Memories of a chip, and what its UARTs printed."""

    flash: Flash
    soc: Soc = NRF5340
    output: bytearray = field(default_factory=bytearray)
    network_output: bytearray = field(default_factory=bytearray)
    network_end: CoreEnd | None = None
    rams: tuple[Ram, ...] = ()

    def __post_init__(self) -> None:
        self.rams = make_rams(self.soc)

    def run(self, *stops_at: range, network_stops_at: Sequence[range] = ()) -> CoreEnd:
        """One reset; RAM keeps its content."""
        machine = Machine(
            self.soc,
            self.flash,
            self.rams,
            Wires(self.output.extend, self.network_output.extend),
            (stops_at, network_stops_at),
        )
        try:
            return machine.run()
        finally:
            self.network_end = machine.network_end
            machine.close()

    @property
    def lines(self) -> list[str]:
        """What the application's core printed."""
        return self.output.decode("latin1").splitlines()

    @property
    def values(self) -> dict[str, str]:
        """Lines `name value`, by name."""
        return dict(line.split(" ", 1) for line in self.lines)


def new_flash(soc: Soc) -> Flash:
    """A chip as it leaves the factory, with a QSPI flash where it can have one."""
    return Flash(
        memories_of(soc, QSPI_FLASH_BYTES if soc.external_window else None), VirtualClock()
    )


def chip_with(program: bytes, case: int = 0, network: bytes | None = None) -> Chip:
    """An nRF5340 with programs of `programs/`; `case` says which part of them runs."""
    flash = new_flash(NRF5340)
    for place, code in ((APPLICATION, program), (NETWORK, network)):
        if code is not None:
            flash.load(place.flash_start, code)
            flash.load(place.flash_start + _CASE_OFFSETS[place], case.to_bytes(4, "little"))
    return Chip(flash)
