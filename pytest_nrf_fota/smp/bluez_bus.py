"""Calls to BlueZ on the system's D-Bus. Linux only."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pytest_nrf_fota.errors import RadioLostError

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

_SERVICE = "org.bluez"
# bluetoothd answers what these modules ask within milliseconds; switching power takes about 1 s.
_ANSWER_TIMEOUT_S = 10.0


@asynccontextmanager
async def bluez_bus() -> AsyncIterator["MessageBus"]:
    """A connection to the system's D-Bus. Raises `RadioLostError` where there is none."""
    if sys.platform != "linux":
        raise _lost("BlueZ exists on Linux only.")
    from dbus_fast.aio import MessageBus
    from dbus_fast.constants import BusType
    from dbus_fast.errors import DBusFastError

    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        try:
            await asyncio.wait_for(bus.connect(), _ANSWER_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError, DBusFastError) as error:
            raise _lost(f"The system's D-Bus is not there: {error}") from error
        yield bus
    finally:
        bus.disconnect()


async def call(
    bus: "MessageBus",
    path: str,
    method: str,
    signature: str = "",
    arguments: Sequence[object] = (),
) -> list[object]:
    """Call a method, given as `INTERFACE.MEMBER`, of an object of BlueZ.

    Raises `RadioLostError` where BlueZ refuses or does not answer.
    """
    from dbus_fast.constants import MessageType
    from dbus_fast.message import Message

    interface, _, member = method.rpartition(".")
    message = Message(
        destination=_SERVICE,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(arguments),
    )
    try:
        reply = await asyncio.wait_for(bus.call(message), _ANSWER_TIMEOUT_S)
    except asyncio.TimeoutError as error:
        raise _lost(f"BlueZ does not answer to {member}.") from error
    except (OSError, EOFError) as error:
        raise _lost(f"The system's D-Bus is gone: {error}") from error
    assert reply is not None
    if reply.message_type is MessageType.ERROR:
        detail = " ".join(str(part) for part in reply.body)
        raise _lost(f"BlueZ refused {member}: {reply.error_name} {detail}".rstrip())
    return list(reply.body)


def _lost(what: str) -> RadioLostError:
    return RadioLostError(
        what,
        where="this host's Bluetooth",
        next_step="Does bluetoothd run (`systemctl status bluetooth`), and may this user talk to "
        "it over D-Bus?",
    )
