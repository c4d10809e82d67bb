"""How this host reaches boards by radio: its own Bluetooth, or an HCI controller of our own."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import assert_never

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.smp.peer_search import PeerSearch

if TYPE_CHECKING:
    from smpclient.transport import SMPTransport

    from pytest_nrf_fota.wires.radio import Advertised, Radio

_BLEAK = "bleak"
_ADAPTER = re.compile(r"bleak:(hci\d+)")
_BUMBLE = "bumble:"
# What bumble opens an HCI controller through (its transport/__init__.py, 0.0.228).
_SCHEMES = (
    *("usb", "pyusb", "serial", "pty", "tcp-client", "tcp-server", "udp", "ws-client", "ws-server"),
    *("unix", "unix-client", "unix-server", "hci-socket", "vhci", "file"),
    *("android-emulator", "android-netsim"),
)
# bumble's transport/usb.py: an index, or vendor:product, with serial number or number of its kind;
# "!" takes an interface of any class.
_USB = re.compile(r"(\d+|[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}([/#].+)?)!?")
_PORT = re.compile(r":(\d+)(?=,|$)")
_METADATA = re.compile(r"^\[[^\]]*\]")
_LAST_PORT = 65535
_FORMS = (
    "bleak (this host's Bluetooth), bleak:hci1 (one of its adapters, on Linux), bumble:usb:0, "
    "bumble:serial:/dev/ttyACM0,1000000,rtscts, bumble:tcp-client:127.0.0.1:6789"
)


@dataclass(frozen=True)
class HostBluetooth:
    """The operating system's Bluetooth, through bleak.

    `adapter` is BlueZ's name of one; None takes the first that is on.
    """

    adapter: str | None = None


@dataclass(frozen=True)
class HciController:
    """An HCI controller that only this process uses, through bumble.

    `hci` is bumble's name of the transport: `usb:0`, `serial:...`, `tcp-client:...`.
    """

    hci: str


HostRadio: TypeAlias = HostBluetooth | HciController


def host_radio(text: str) -> HostRadio:
    """Read what was given as `--radio` or `radio.host`. Raises `InputError`."""
    if text == _BLEAK:
        return HostBluetooth()
    if (adapter := _ADAPTER.fullmatch(text)) is not None:
        if sys.platform != "linux":
            raise InputError(
                f"{text!r} names an adapter of BlueZ, which exists on Linux only.",
                where="--radio, or radio.host in the board file",
                next_step="Use bleak: macOS and Windows use one adapter, and choose it themselves.",
            )
        return HostBluetooth(adapter[1])
    hci = text.removeprefix(_BUMBLE)
    scheme, _, place = hci.partition(":")
    if hci != text and scheme in _SCHEMES and _is_place(scheme, place):
        return HciController(hci)
    raise InputError(
        f"{text!r} names no radio.",
        where="--radio, or radio.host in the board file",
        next_step=f"Use one of these forms: {_FORMS}.",
    )


def _is_place(scheme: str, place: str) -> bool:
    # bumble takes anything, and fails with the board already flashed, or finds another port.
    place = _METADATA.sub("", place)
    match scheme:
        case "usb" | "pyusb":
            return _USB.fullmatch(place) is not None
        case "tcp-client" | "tcp-server" | "udp" | "ws-server":
            ports = [int(port) for port in _PORT.findall(place)]
            return bool(ports) and all(0 < port <= _LAST_PORT for port in ports)
        case "serial" | "file" | "unix" | "unix-client" | "unix-server" | "ws-client":
            return bool(place)
        case _:
            return True


def radio_of_worker(radios: Sequence[HostRadio], worker: str) -> HostRadio | None:
    """Which of the given radios the xdist worker `gw0`, `gw1`, ... uses; None where none is given.

    The host's Bluetooth serves all workers, an HCI controller one of them. Raises `InputError`
    where there is none left for this worker.
    """
    if not radios:
        return None
    shared = [radio for radio in radios if isinstance(radio, HostBluetooth)]
    number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 0
    if number < len(radios):
        return radios[number]
    if shared:
        return shared[-1]
    raise InputError(
        f"The xdist worker {worker} has no radio: {len(radios)} given, and an HCI controller "
        "serves one worker.",
        where="--radio",
        next_step="Give --radio once for each worker, or start fewer workers (-n).",
    )


def require_radios(radios: Sequence[HostRadio], worker_count: int) -> None:
    """Raise `InputError` where one of so many xdist workers would have no radio."""
    for number in range(worker_count):
        radio_of_worker(radios, f"gw{number}")


def open_radio(host: HostRadio, *, mtu: int, pairing: HostPairing) -> "Radio":
    """The radio of one unit.

    Args:
        host: which radio.
        mtu: ATT MTU to ask for, in bytes; the operating system's Bluetooth chooses its own.
        pairing: what to do where the board asks for an encrypted connection.
    """
    match host:
        case HostBluetooth(adapter=adapter):
            return BleakRadio(pairing, adapter)
        case HciController(hci=hci):
            return BumbleRadio(hci, mtu, pairing)
        case _:
            assert_never(host)


class BumbleRadio:
    """The SMP wire over an HCI controller.

    Args:
        hci: bumble's specification of the controller.
        mtu: ATT MTU to ask for, in bytes.
        pairing: what to do where the board asks for an encrypted connection.
    """

    def __init__(self, hci: str, mtu: int, pairing: HostPairing | None = None) -> None:
        self._hci = hci
        self._mtu = mtu
        self._pairing = pairing

    @property
    def description(self) -> str:
        """For messages."""
        return f"BLE through HCI {self._hci}"

    def transport(self) -> "SMPTransport":
        """A fresh transport; every connection resets the controller first."""
        from pytest_nrf_fota.smp.bumble_transport import BumbleTransport

        return BumbleTransport(self._hci, self._mtu, self._pairing)

    async def scan(self, within_s: float) -> "tuple[Advertised, ...]":
        """Who advertises. Raises `RadioLostError` where the controller does not answer."""
        from pytest_nrf_fota.smp.scan import scan_with_bumble

        return await scan_with_bumble(self._hci, within_s)

    def transport_for(self, search: PeerSearch) -> "SMPTransport":
        """The same, for a peer that is not known by its address alone."""
        from pytest_nrf_fota.smp.bumble_transport import BumbleTransport

        return BumbleTransport(self._hci, self._mtu, self._pairing, search)


class BleakRadio:
    """The SMP wire over the operating system's Bluetooth.

    Args:
        pairing: what to do where the board asks for an encrypted connection. The operating system
            keeps the bonds.
        adapter: BlueZ's name of the adapter; None takes the first that is on.
    """

    def __init__(self, pairing: HostPairing | None = None, adapter: str | None = None) -> None:
        self._pairing = pairing or HostPairing()
        self._adapter = adapter
        self._was_reset = False
        # An earlier session may have met another firmware on this board.
        self._services_may_differ = True

    @property
    def description(self) -> str:
        """For messages."""
        which = f", adapter {self._adapter}" if self._adapter else ""
        return f"BLE through this host's Bluetooth (bleak{which})"

    def transport(self) -> "SMPTransport":
        """A fresh transport."""
        return self._transport(None)

    def transport_for(self, search: PeerSearch) -> "SMPTransport":
        """The same, for a peer that is not known by its address alone."""
        return self._transport(search)

    def forget_services(self) -> None:
        """The board may run another firmware: do not trust what the host knows of its services."""
        self._services_may_differ = True

    def _transport(self, search: PeerSearch | None) -> "SMPTransport":
        from pytest_nrf_fota.smp.bleak_transport import BleakTransport

        def on_forgotten() -> None:
            self._services_may_differ = False

        return BleakTransport(
            self._pairing,
            suspects_adapter=not self._was_reset,
            adapter=self._adapter,
            search=search,
            on_services_forgotten=on_forgotten if self._services_may_differ else None,
        )

    async def scan(self, within_s: float) -> "tuple[Advertised, ...]":
        """Who advertises. Raises `RadioLostError` where Bluetooth does not work."""
        from pytest_nrf_fota.smp.scan import scan_with_bleak

        return await scan_with_bleak(within_s, self._adapter)

    async def reset_adapter(self) -> str:
        """Switch the adapter off and on; returns its name.

        Raises `RadioLostError` where that is not possible, or not ours to do.
        """
        from pytest_nrf_fota.smp.bluez_adapter import not_reset, power_cycle

        self._was_reset = True
        if "PYTEST_XDIST_WORKER" in os.environ:
            raise not_reset("other xdist workers use it")
        return await power_cycle(self._adapter)
