"""What each chip's cores see, as tables: peripherals by address, and constants of the core.

Addresses: nRF5340 and nRF52832 product specifications, Instantiation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_nrf_fota.boards.soc import (
    NRF5340,
    NRF5340_NETWORK_CORE,
    NRF52832,
    NRF52840,
    SocCore,
)
from pytest_nrf_fota.sim.execution import factory_registers as factory
from pytest_nrf_fota.sim.execution.guest_time import GuestTime
from pytest_nrf_fota.sim.execution.peripheral import Peripheral
from pytest_nrf_fota.sim.execution.peripherals.clock import make_clock
from pytest_nrf_fota.sim.execution.peripherals.cryptocell import make_engines, make_wrapper
from pytest_nrf_fota.sim.execution.peripherals.gpio import make_gpio
from pytest_nrf_fota.sim.execution.peripherals.held import make_held
from pytest_nrf_fota.sim.execution.peripherals.ipc import make_ipc
from pytest_nrf_fota.sim.execution.peripherals.qspi import make_qspi
from pytest_nrf_fota.sim.execution.peripherals.rtc import make_rtc
from pytest_nrf_fota.sim.execution.peripherals.uarte import make_uarte
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

_M33, _M4 = "UC_CPU_ARM_CORTEX_M33", "UC_CPU_ARM_CORTEX_M4"


@dataclass(frozen=True)
class Board:
    """What the peripherals of a core reach.

    Args:
        flash: all memories of the kit.
        external: the flash behind QSPI; None without.
        ram: the core's.
        time: the chip's.
        send: takes what the core's UART prints.
        signal: takes IPC's channels to the other core.
        set_forceoff: takes NETWORK.FORCEOFF.
    """

    flash: Flash
    external: MemoryLayout | None
    ram: Ram
    time: GuestTime
    send: Callable[[bytes], None]
    signal: Callable[[int], None]
    set_forceoff: Callable[[int], None]


@dataclass(frozen=True)
class CoreTable:
    """One core.

    Args:
        soc_core: its memories.
        model: Unicorn's constant of the CPU.
        cpuid: what CPUID reads.
        nvmc: where its flash controller's page lies.
        factory: words that the chip leaves the factory with, by page.
        peripherals: makes the rest.
        aliases: added to a peripheral's address for the same one; none on a chip with one security
            state.
        known_gaps: names of blocks that are not modelled, by address.
    """

    soc_core: SocCore
    model: str
    cpuid: int
    nvmc: int
    factory: Mapping[int, Mapping[int, int]]
    peripherals: Callable[[Board], Mapping[int, Peripheral]]
    aliases: Sequence[int] = ()
    known_gaps: Mapping[int, str] = field(default_factory=dict)


def _held(*named: tuple[int, str]) -> dict[int, Peripheral]:
    return {address: make_held(name) for address, name in named}


def _nrf5340_application(board: Board) -> Mapping[int, Peripheral]:
    peripherals = {
        0x5000_5000: make_clock("CLOCK/POWER/RESET", board.set_forceoff),
        0x5000_8000: make_uarte("SERIAL0", board.ram, board.send),
        0x5000_9000: make_uarte("SERIAL1", board.ram, lambda data: None),
        0x5001_4000: make_rtc("RTC0", board.time),
        0x5001_5000: make_rtc("RTC1", board.time),
        0x5002_A000: make_ipc(board.signal),
        0x5084_2000: make_gpio(),
        0x5084_4000: make_wrapper(),
        0x5084_5000: make_engines(),
        **_held(
            (0x5000_0000, "DCNF/FPU"),
            (0x5000_1000, "CACHE"),
            (0x5000_3000, "SPU"),
            (0x5000_4000, "OSCILLATORS/REGULATORS"),
            (0x5000_6000, "CTRLAP"),
            (0x5000_A000, "SERIAL2"),
            (0x5000_B000, "SERIAL3"),
            (0x5000_D000, "GPIOTE"),
            (0x5001_7000, "DPPIC"),
            (0x5001_8000, "WDT0"),
            (0x5001_9000, "WDT1"),
            (0x5001_B000, "EGU0"),
            (0x5003_0000, "MUTEX"),
            (0x5003_6000, "USBD"),
            (0x5003_7000, "USBREGULATOR"),
        ),
    }
    if board.external is not None:
        peripherals[0x5002_B000] = make_qspi(board.flash, board.external, board.ram, board.time)
    return peripherals


def _nrf5340_network(board: Board) -> Mapping[int, Peripheral]:
    return {
        0x418C_0000: make_gpio(),
        0x4100_5000: make_clock("CLOCK/POWER/RESET"),
        0x4101_2000: make_ipc(board.signal),
        0x4101_3000: make_uarte("SERIAL0", board.ram, board.send),
        0x4101_1000: make_rtc("RTC0", board.time),
        0x4101_6000: make_rtc("RTC1", board.time),
        **_held(
            (0x4100_4000, "VREQCTRL"),
            (0x4100_6000, "CTRLAP"),
            (0x4100_8000, "RADIO"),
            (0x4100_9000, "RNG"),
            (0x4100_A000, "GPIOTE"),
            (0x4100_B000, "WDT"),
            (0x4100_C000, "TIMER0"),
            (0x4100_E000, "CCM/AAR"),
            (0x4100_F000, "DPPIC"),
            (0x4101_0000, "TEMP"),
            # Written by the workaround of an erratum (nrfx mdk/system_nrf5340_network.c).
            (0x4120_3000, "undocumented block"),
            (0x4101_4000, "EGU0"),
        ),
    }


def _nrf52(board: Board) -> Mapping[int, Peripheral]:
    return {
        0x5000_0000: make_gpio(),
        0x4000_0000: make_clock("CLOCK/POWER", protection=range(0x600, 0x618, 4)),
        0x4000_2000: make_uarte("UARTE0", board.ram, board.send),
        0x4000_B000: make_rtc("RTC0", board.time),
        0x4001_1000: make_rtc("RTC1", board.time),
        0x4002_4000: make_rtc("RTC2", board.time),
        **_held(
            (0x4000_6000, "GPIOTE"),
            # nrfx writes the workarounds of errata there (mdk/system_nrf52.c).
            (0x4000_1000, "RADIO"),
            (0x4000_C000, "TEMP"),
            (0x4001_3000, "COMP"),
            (0x4001_C000, "PWM0"),
            (0x4002_1000, "PWM1"),
            (0x4002_2000, "PWM2"),
            (0x4001_0000, "WDT"),
            (0x4001_F000, "PPI"),
            (0x4002_8000, "UARTE1"),
        ),
    }


CHIPS: Mapping[str, Sequence[CoreTable]] = {
    NRF5340.name: (
        CoreTable(
            soc_core=NRF5340.application,
            model=_M33,
            cpuid=0x410F_D213,
            nvmc=0x5003_9000,
            factory={0x00FF_0000: factory.NRF5340_APPLICATION},
            peripherals=_nrf5340_application,
            aliases=(-0x1000_0000,),  # the secure one
        ),
        CoreTable(
            soc_core=NRF5340_NETWORK_CORE,
            model=_M33,
            cpuid=0x410F_D213,
            nvmc=0x4108_0000,
            factory={0x01FF_0000: factory.NRF5340_NETWORK},
            peripherals=_nrf5340_network,
        ),
    ),
    NRF52832.name: (
        CoreTable(
            soc_core=NRF52832.application,
            model=_M4,
            cpuid=0x410F_C241,
            nvmc=0x4001_E000,
            factory={0x1000_0000: factory.NRF52832, 0xF000_0000: factory.NRF52832_ERRATA},
            peripherals=_nrf52,
        ),
    ),
    NRF52840.name: (
        CoreTable(
            soc_core=NRF52840.application,
            model=_M4,
            cpuid=0x410F_C241,
            nvmc=0x4001_E000,
            factory={0x1000_0000: factory.NRF52840, 0xF000_0000: factory.NRF52840_ERRATA},
            peripherals=_nrf52,
            known_gaps={0x5002_A000: "CRYPTOCELL (CC310)", 0x5002_B000: "CC310 engine"},
        ),
    ),
}
"""By the name of the SoC; the core that runs the application first."""
