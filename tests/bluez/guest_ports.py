"""The guest's side of its one TCP port: system bus and Bluetooth adapters for the host.

Runs in the guest, with the host's Python and its standard library alone. A connection says with
its first byte what it wants: D for the system bus, H to be the controller of a new adapter.

A virtual kit's controller answers at once, which no radio does and Linux does not expect: on their
way through here its packets take their time.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

PORT = 5340
WANTS_BUS = b"D"
WANTS_ADAPTER = b"H"

CONNECTION_INTERVAL_S = 0.0075
"""ACL data reaches the host at connection events; without it, pairing with BlueZ hangs in about
half of all tries."""

FEATURE_EXCHANGE_S = 0.05
"""Until the peer's features are known; without it bluetoothd may see the L2CAP socket before it
hears of the connection, and bleak finds no services in one connect of eight."""

_BUS = "/run/dbus/system_bus_socket"
_VHCI = Path("/dev/vhci")
# Bluetooth Core, Vol 4 Part A, 2: packet types. Vol 4 Part E, 5.4: sizes of their headers, where
# the length begins and how many bytes it has.
_ACL_DATA = 0x02
_EVENT = 0x04
_HEADERS = {_ACL_DATA: (4, 3, 2), 0x03: (3, 3, 1), _EVENT: (2, 2, 1), 0x05: (4, 3, 2)}
_LE_META_EVENT = 0x3E
_LE_READ_REMOTE_FEATURES_COMPLETE = 0x04
# Linux: drivers/bluetooth/hci_vhci.c. Creates a primary controller, and is answered.
_CREATE_CONTROLLER = bytes([0xFF, 0x00])
# Vol 4 Part E, 7.7.14 and 7.4.6: Command Complete of Read BD_ADDR, with success.
_ADDRESS_ANSWER = bytes([_EVENT, 0x0E, 0x0A, 0x01, 0x09, 0x10, 0x00])
_CHUNK_BYTES = 65536


def packets_in(data: bytearray) -> list[bytes]:
    """Take all complete HCI packets out of `data`. Raises `ValueError` at an unknown type."""
    packets = []
    while data:
        if data[0] not in _HEADERS:
            raise ValueError(f"no HCI packet begins with 0x{data[0]:02x}")
        header_bytes, length_at, length_bytes = _HEADERS[data[0]]
        if len(data) < 1 + header_bytes:
            break
        length = data[length_at : length_at + length_bytes]
        size_bytes = 1 + header_bytes + int.from_bytes(length, "little")
        if len(data) < size_bytes:
            break
        packets.append(bytes(data[:size_bytes]))
        del data[:size_bytes]
    return packets


def delay_s(packet: bytes) -> float:
    """How long a packet of the controller is on its way to the host, in seconds."""
    if packet[0] == _ACL_DATA:
        return CONNECTION_INTERVAL_S
    is_meta_event = packet[:2] == bytes([_EVENT, _LE_META_EVENT])
    if is_meta_event and packet[3] == _LE_READ_REMOTE_FEATURES_COMPLETE:
        return FEATURE_EXCHANGE_S
    return 0.0


def with_own_address(packet: bytes, number: int) -> bytes:
    """The packet, where it tells the controller's address, with that of controller `number`.

    All virtual kits give their hosts one address, and bluetoothd takes no two adapters of one.
    """
    if not packet.startswith(_ADDRESS_ANSWER) or len(packet) <= len(_ADDRESS_ANSWER):
        return packet
    lowest = len(_ADDRESS_ANSWER)
    changed = packet[lowest] ^ number
    return packet[:lowest] + bytes([changed]) + packet[lowest + 1 :]


async def _be_adapter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    (number,) = await reader.readexactly(1)
    vhci = os.open(_VHCI, os.O_RDWR | os.O_NONBLOCK)
    unread = bytearray()
    released_at_s = 0.0
    try:
        os.write(vhci, _CREATE_CONTROLLER)
        os.read(vhci, _CHUNK_BYTES)
        # One read is one packet.
        loop.add_reader(vhci, lambda: writer.write(os.read(vhci, _CHUNK_BYTES)))
        while data := await reader.read(_CHUNK_BYTES):
            unread += data
            for packet in packets_in(unread):
                # In order: a later packet never overtakes one that takes its time.
                released_at_s = max(released_at_s, loop.time() + delay_s(packet))
                loop.call_at(released_at_s, os.write, vhci, with_own_address(packet, number))
        # What is still on its way must not be written to a closed descriptor.
        await asyncio.sleep(max(0.0, released_at_s - loop.time()) + FEATURE_EXCHANGE_S)
    finally:
        loop.remove_reader(vhci)
        os.close(vhci)


async def _be_bus_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """File descriptors that the bus sends along are lost here, and closed by that."""
    bus_reader, bus_writer = await asyncio.open_unix_connection(_BUS)
    await asyncio.wait(
        [
            asyncio.ensure_future(_copy(reader, bus_writer)),
            asyncio.ensure_future(_copy(bus_reader, writer)),
        ],
        return_when=asyncio.FIRST_COMPLETED,
    )
    bus_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    wishes: dict[bytes, Callable[..., Awaitable[None]]] = {
        WANTS_BUS: _be_bus_client,
        WANTS_ADAPTER: _be_adapter,
    }
    try:
        await wishes[await reader.readexactly(1)](reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        print(f"guest: a connection ended: {error}", file=sys.stderr)
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "0.0.0.0", PORT)
    print("guest: ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
