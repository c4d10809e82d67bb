"""What every way to SMP must do: the host's Bluetooth, an HCI controller, a serial port.

`pytest tests/contract --board nrf5340dk --radio bleak` runs it on a kit.
"""

import re

import pytest

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, NotSeenError, ProbeError

NOBODY = "C0:00:00:00:00:01"


def test_connects_by_the_address_in_the_boards_own_log(running: Dut) -> None:
    running.connect()
    assert running.mcumgr.is_connected
    if running.board.radio.kind == "ble":
        address = running.last_boot().identity_address
        assert address is not None
        assert re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", address)


def test_server_tells_its_buffers(running: Dut) -> None:
    running.connect()
    parameters = running.mcumgr.get_parameters()
    assert parameters.buffer_size_bytes >= 256
    assert parameters.buffer_count >= 1


@pytest.mark.parametrize("length", [0, 1, 19, 20, 21, 100, 150])
def test_messages_of_every_length_come_back(running: Dut, length: int) -> None:
    """Around the shortest ATT write, over several of them, and what every board's UART takes."""
    running.connect()
    text = "".join(chr(ord("a") + place % 26) for place in range(length))
    assert running.mcumgr.echo(text) == text


def test_many_messages_keep_their_order(running: Dut) -> None:
    running.connect()
    assert [running.mcumgr.echo(str(number)) for number in range(30)] == [
        str(number) for number in range(30)
    ]


def test_disconnects_and_connects_again(running: Dut) -> None:
    for number in range(3):
        running.connect()
        assert running.mcumgr.echo(str(number)) == str(number)
        running.mcumgr.disconnect()
        assert not running.mcumgr.is_connected


def test_verbs_without_a_connection_say_so(running: Dut) -> None:
    running.connect()
    running.mcumgr.disconnect()
    with pytest.raises(BoardError, match="no SMP connection"):
        running.mcumgr.echo("hello")


def test_reset_over_smp_and_connection_to_the_next_boot(running: Dut) -> None:
    running.connect()
    since = running.position("reset")
    running.mcumgr.reset_device()
    running.wait_for_boot(since, running.board.timeouts.boot_s)
    running.connect()
    assert running.mcumgr.echo("there again") == "there again"


@pytest.mark.needs("ble")
def test_board_that_is_reset_meanwhile_is_noticed_and_reached_again(running: Dut) -> None:
    """The harness may have the connection still, the board has not: a clear error, no hang.

     Not on a UART: bytes that arrive while it boots may end its receiver
    .
    """
    running.connect()
    since = running.position("reset")
    deadline = Deadline.after(running.board.timeouts.probe_s)
    running.probe.reset(running.board.probe.reset, deadline)
    try:
        running.mcumgr.echo("anybody?")
    except (NotSeenError, ProbeError):
        assert not running.mcumgr.is_connected
    running.wait_for_boot(since, running.board.timeouts.boot_s)
    running.mcumgr.disconnect()
    running.connect()
    assert running.mcumgr.echo("there again") == "there again"


@pytest.mark.needs("ble")
def test_absent_board_is_not_seen_in_time(running: Dut) -> None:
    """And the next connection works."""
    with pytest.raises(NotSeenError, match=NOBODY) as refusal:
        running.mcumgr.connect(NOBODY, 3.0)
    assert "advertising:" in refusal.value.what
    running.connect()


@pytest.mark.needs("set_pending")
def test_whole_image_is_uploaded_and_listed(running: Dut, firmware: FirmwareSource) -> None:
    upgrade = running.start_upgrade(firmware.app_update)
    upgrade.upload()
    assert 1 in {state.slot for state in running.mcumgr.get_image_list()}
    running.mcumgr.image_erase(running.board.timeouts.first_upload_packet_s)
    assert 1 not in {state.slot for state in running.mcumgr.get_image_list()}
