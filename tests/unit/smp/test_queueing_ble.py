"""Answers that arrive together over bleak, cut into notifications anywhere."""

import asyncio

import pytest
from bleak.backends.characteristic import BleakGATTCharacteristic
from smp.os_management import EchoWriteResponse
from smpclient.transport import SMP_CHARACTERISTIC_UUID

from pytest_nrf_fota.smp.queueing_ble import QueueingBleTransport


class Characteristic(BleakGATTCharacteristic):
    """What bleak names as the sender."""

    def __init__(self) -> None:
        """Without a connection."""

    uuid = str(SMP_CHARACTERISTIC_UUID)


@pytest.mark.parametrize("notification_bytes", [1, 7, 20, 244])
def test_answers_that_wait_are_taken_one_after_the_other(notification_bytes: int) -> None:
    answers = [EchoWriteResponse(r=text).BYTES for text in ("one", "two", "x" * 300)]

    async def take() -> list[bytes]:
        transport = QueueingBleTransport()
        transport._disconnected_event.clear()
        waiting = b"".join(answers)
        for start in range(0, len(waiting), notification_bytes):
            part = bytearray(waiting[start : start + notification_bytes])
            await transport._take(Characteristic(), part)
        return [await asyncio.wait_for(transport.receive(), 5) for _ in answers]

    assert asyncio.run(take()) == answers


def test_an_answer_is_waited_for_until_it_is_whole() -> None:
    answer = EchoWriteResponse(r="x" * 100).BYTES

    async def take() -> bytes:
        transport = QueueingBleTransport()
        transport._disconnected_event.clear()
        receiving = asyncio.ensure_future(transport.receive())
        for part in (answer[:5], answer[5:60], answer[60:]):
            await asyncio.sleep(0)
            await transport._take(Characteristic(), bytearray(part))
        return await asyncio.wait_for(receiving, 5)

    assert asyncio.run(take()) == answer
