"""UARTE: what a core sends.

nRF5340 product specification, UARTE (Transmission): STARTTX sends MAXCNT bytes from PTR by DMA,
then ENDTX; none for MAXCNT 0. Nothing is ever received.

Drivers connect ENDTX with STOPTX through PPI or DPPI (Zephyr drivers/serial/uart_nrfx_uarte.c), so
TXSTOPPED is set with it. Bytes leave at once.
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.execution.peripheral import Peripheral
from pytest_nrf_fota.sim.execution.ram import Ram

STARTRX, STOPRX, STARTTX, STOPTX, FLUSHRX = 0x000, 0x004, 0x008, 0x00C, 0x02C
CTS, NCTS, RXDRDY, ENDRX, TXDRDY, ENDTX, ERROR = 0x100, 0x104, 0x108, 0x110, 0x11C, 0x120, 0x124
RXTO, RXSTARTED, TXSTARTED, TXSTOPPED = 0x144, 0x14C, 0x150, 0x158
ERRORSRC, ENABLE, BAUDRATE, CONFIG = 0x480, 0x500, 0x524, 0x56C
_PSEL = range(0x508, 0x518)
_RXD = range(0x534, 0x540)
TXD_PTR, TXD_MAXCNT, TXD_AMOUNT = 0x544, 0x548, 0x54C
_NOT_CONNECTED = 0xFFFF_FFFF


def make_uarte(name: str, ram: Ram, send: Callable[[bytes], None]) -> Peripheral:
    """A UARTE whose bytes go to `send`."""

    def start_transmission() -> None:
        size_bytes = uarte[TXD_MAXCNT]
        if size_bytes:
            send(ram.read(uarte[TXD_PTR], size_bytes))
        uarte[TXD_AMOUNT] = size_bytes
        for event in (TXSTARTED, TXDRDY, ENDTX, TXSTOPPED):
            uarte[event] = 1

    def stop_transmission() -> None:
        uarte[TXSTOPPED] = 1

    def stop_reception() -> None:
        uarte[RXTO] = 1

    uarte = Peripheral(
        name,
        tasks={
            STARTRX: lambda: None,
            STOPRX: stop_reception,
            STARTTX: start_transmission,
            STOPTX: stop_transmission,
            FLUSHRX: lambda: None,
        },
        events=(
            *(CTS, NCTS, RXDRDY, ENDRX, TXDRDY, ENDTX, ERROR),
            *(RXTO, RXSTARTED, TXSTARTED, TXSTOPPED),
        ),
        registers={
            **dict.fromkeys((ERRORSRC, ENABLE, CONFIG, TXD_PTR, TXD_MAXCNT, TXD_AMOUNT), 0),
            **dict.fromkeys(_PSEL[::4], _NOT_CONNECTED),
            BAUDRATE: 0x0400_0000,
        },
        ranges=(_RXD,),
    )
    return uarte
