"""GPIO: pins to which nothing is connected; buttons are not pressed.

nRF5340 product specification, GPIO (OUT, IN, PIN_CNF.PULL); the nRF52's has the same offsets. An
output reads what it drives, an input what its pull resistor says: without that a bootloader takes
the button of its serial recovery for pressed.
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.execution.peripheral import SIZE_BYTES, Peripheral

_PORTS = (0x500, 0x800)
OUT, OUTSET, OUTCLR, IN, DIR, DIRSET, DIRCLR = 0x004, 0x008, 0x00C, 0x010, 0x014, 0x018, 0x01C
PIN_CNF = 0x200
_PULL, _PULL_UP = 0b1100, 0b1100
_PINS = 32


def make_gpio() -> Peripheral:
    """Both ports of a core."""

    def read_pins(port: int) -> Callable[[], int]:
        def read() -> int:
            pulled_up = sum(
                1 << pin
                for pin in range(_PINS)
                if gpio[port + PIN_CNF + 4 * pin] & _PULL == _PULL_UP
            )
            driven = gpio[port + DIR]
            return pulled_up & ~driven | gpio[port + OUT] & driven

        return read

    def change(register: int, *, sets: bool) -> Callable[[int], None]:
        def write(bits: int) -> None:
            gpio[register] = gpio[register] | bits if sets else gpio[register] & ~bits

        return write

    def configure(port: int, pin: int) -> Callable[[int], None]:
        # PIN_CNF.DIR is the same bit as the one in DIR.
        def write(value: int) -> None:
            bit = 1 << pin
            gpio[port + DIR] = gpio[port + DIR] | bit if value & 1 else gpio[port + DIR] & ~bit

        return write

    gpio = Peripheral(
        "GPIO",
        ranges=(range(SIZE_BYTES),),
        readers={port + IN: read_pins(port) for port in _PORTS},
        writers={
            **{port + OUTSET: change(port + OUT, sets=True) for port in _PORTS},
            **{port + OUTCLR: change(port + OUT, sets=False) for port in _PORTS},
            **{port + DIRSET: change(port + DIR, sets=True) for port in _PORTS},
            **{port + DIRCLR: change(port + DIR, sets=False) for port in _PORTS},
            **{
                port + PIN_CNF + 4 * pin: configure(port, pin)
                for port in _PORTS
                for pin in range(_PINS)
            },
        },
    )
    return gpio
