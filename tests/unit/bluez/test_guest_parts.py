"""What `tox -e bluez` puts between BlueZ and the rest, without the guest."""

import os
import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bluez.dbus_proxy import pass_bus_on
from tests.bluez.guest_ports import CONNECTION_INTERVAL_S, FEATURE_EXCHANGE_S, delay_s, packets_in

EVENT = bytes.fromhex("04 0e 04 01 03 0c 00")
FEATURES = bytes.fromhex("04 3e 0c 04 00 40 00 01 00 00 00 00 00 00 00")
ACL = bytes.fromhex("02 40 20 05 00 01 00 04 00 0a")
ISO = bytes.fromhex("05 40 00 02 00 aa bb")
DEADLINE_S = 20.0


@given(
    packets=st.lists(st.sampled_from([EVENT, FEATURES, ACL, ISO])),
    cuts=st.lists(st.integers(0, 100)),
)
def test_packets_are_found_wherever_the_stream_is_cut(
    packets: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(packets)
    ends = [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    unread, found, begin = bytearray(), [], 0
    for end in ends:
        unread += stream[begin:end]
        begin = end
        found += packets_in(unread)
    assert found == packets
    assert not unread


def test_what_is_no_packet_is_refused() -> None:
    with pytest.raises(ValueError, match="0x47"):
        packets_in(bytearray(b"GET / HTTP/1.0"))


def test_only_radio_takes_time() -> None:
    assert delay_s(EVENT) == 0.0
    assert delay_s(ACL) == CONNECTION_INTERVAL_S
    assert delay_s(FEATURES) == FEATURE_EXCHANGE_S


def _message(fields: bytes, body: bytes) -> bytes:
    header = struct.pack("<cBBBIII", b"l", 2, 0, 1, len(body), 7, len(fields))
    return header + fields + b"\0" * (-len(fields) % 8) + body


WITH_DESCRIPTOR = _message(b"\x09\x01u\x00" + struct.pack("<I", 1), b"0123")
WITHOUT = _message(b"\x05\x01u\x00" + struct.pack("<I", 3), b"")


def test_bus_hands_out_a_descriptor_for_each_that_is_promised(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bus:
        address: tuple[str, int] = bus.getsockname()

        def serve() -> None:
            client, _ = bus.accept()
            with client:
                client.settimeout(DEADLINE_S)
                assert client.recv(1) == b"D"
                assert client.recv(100) == b"AUTH\r\n"
                client.sendall(b"OK\r\n")
                assert client.recv(100) == b"BEGIN\r\n"
                stream = WITHOUT + WITH_DESCRIPTOR + WITHOUT
                client.sendall(stream[:30])
                client.sendall(stream[30:])
                client.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        with (
            pass_bus_on(tmp_path / "bus", address, b"D"),
            socket.socket(socket.AF_UNIX) as client,
        ):
            client.settimeout(DEADLINE_S)
            client.connect(str(tmp_path / "bus"))
            client.sendall(b"AUTH\r\n")
            assert client.recv(100) == b"OK\r\n"
            client.sendall(b"BEGIN\r\n")
            received, descriptors = b"", []
            while len(received) < len(WITHOUT + WITH_DESCRIPTOR + WITHOUT):
                data, new, _, _ = socket.recv_fds(client, 1000, 4)
                received += data
                descriptors += new
            assert received == WITHOUT + WITH_DESCRIPTOR + WITHOUT
            assert len(descriptors) == 1
            os.close(descriptors[0])
        server.join(DEADLINE_S)
