"""BlueZ connects to the kit again and again."""

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.dut.dut import Dut

CONNECTS = 20


def test_20_connects_in_a_row(dut: Dut, firmware: FirmwareSource) -> None:
    """Each finds the service, subscribes and carries a message; none is tried twice.

    Evidence: the board's own count of connections.
    """
    dut.prepare(firmware.baseline)
    since = dut.position("connects")
    for number in range(CONNECTS):
        dut.connect()
        assert dut.mcumgr.echo(f"connect {number}") == f"connect {number}"
        dut.mcumgr.disconnect()
    dut.reset()
    assert dut.console.text_since(since).count("Connected") == CONNECTS
