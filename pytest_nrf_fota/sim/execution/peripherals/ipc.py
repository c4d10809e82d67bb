"""IPC: signals between the cores of an nRF5340.

nRF5340 product specification, IPC: SEND[n] signals on the channels of SEND_CNF[n]; RECEIVE[n] comes
for any channel of RECEIVE_CNF[n].
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.execution.peripheral import Peripheral

_CHANNELS = 16
SEND, RECEIVE, SEND_CNF, RECEIVE_CNF = 0x000, 0x100, 0x510, 0x590
_GPMEM = range(0x610, 0x618)


def make_ipc(signal: Callable[[int], None]) -> Peripheral:
    """One core's IPC; `signal` takes the channels, one bit each, to the other core."""

    def send(number: int) -> Callable[[], None]:
        return lambda: signal(ipc[SEND_CNF + 4 * number])

    ipc = Peripheral(
        "IPC",
        tasks={SEND + 4 * number: send(number) for number in range(_CHANNELS)},
        events=range(RECEIVE, RECEIVE + 4 * _CHANNELS, 4),
        registers={
            **dict.fromkeys(range(SEND_CNF, SEND_CNF + 4 * _CHANNELS, 4), 0),
            **dict.fromkeys(range(RECEIVE_CNF, RECEIVE_CNF + 4 * _CHANNELS, 4), 0),
        },
        ranges=(_GPMEM,),
    )
    return ipc


def receive(ipc: Peripheral, channels: int) -> None:
    """Signals have come on these channels."""
    for number in range(_CHANNELS):
        if ipc[RECEIVE_CNF + 4 * number] & channels:
            ipc[RECEIVE + 4 * number] = 1
