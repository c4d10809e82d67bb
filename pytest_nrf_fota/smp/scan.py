"""Who advertises: all devices that this host hears, without connecting to any."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RadioLostError
from pytest_nrf_fota.smp.bleak_adapter_link import scanner_arguments
from pytest_nrf_fota.smp.bumble_transport import (
    HOST_ADDRESS,
    HOST_NAME,
    advertises_smp,
    power_on,
)
from pytest_nrf_fota.smp.peer_search import SMP_SERVICE_UUID
from pytest_nrf_fota.wires.radio import Advertised

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData
    from bumble.device import Advertisement

_OPEN_S = 10.0
_CLOSE_S = 3.0


async def scan_with_bumble(hci: str, within_s: float) -> tuple[Advertised, ...]:
    """Listen through an HCI controller. Raises `RadioLostError` where it does not answer."""
    from bumble.device import Device
    from bumble.hci import Address
    from bumble.transport import open_transport

    where = f"BLE through HCI {hci}"
    try:
        controller = await asyncio.wait_for(open_transport(hci), _OPEN_S)
    except (OSError, asyncio.TimeoutError) as error:
        raise RadioLostError(f"The radio cannot be opened: {error}", where=where) from error
    heard: dict[str, Advertised] = {}

    def hear(advertisement: "Advertisement") -> None:
        name = advertisement.data.get(advertisement.data.COMPLETE_LOCAL_NAME)
        address = str(advertisement.address).split("/")[0]
        known = heard.get(address)
        heard[address] = Advertised(
            address=address,
            address_type=advertisement.address.address_type.name.lower(),
            # It often comes in the scan response only.
            name=name if isinstance(name, str) else known.name if known else "",
            rssi_dbm=advertisement.rssi,
            has_smp=advertises_smp(advertisement) or (known is not None and known.has_smp),
        )

    try:
        device = Device.with_hci(
            HOST_NAME, Address(HOST_ADDRESS), controller.source, controller.sink
        )
        await power_on(device, Deadline.after(_OPEN_S), where)
        device.on("advertisement", hear)
        await device.start_scanning()
        await asyncio.sleep(within_s)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(device.stop_scanning(), _CLOSE_S)
            await asyncio.wait_for(device.power_off(), _CLOSE_S)
    finally:
        await controller.close()
    return tuple(heard.values())


async def scan_with_bleak(within_s: float, adapter: str | None) -> tuple[Advertised, ...]:
    """Listen through the operating system. Raises `RadioLostError` where it has no Bluetooth.

    Args:
        within_s: how long.
        adapter: BlueZ's name of the adapter; None takes the first that is on.
    """
    from bleak import BleakScanner
    from bleak.exc import BleakError

    heard: dict[str, Advertised] = {}

    def hear(device: "BLEDevice", advertisement: "AdvertisementData") -> None:
        heard[device.address] = Advertised(
            address=device.address,
            # BlueZ tells it in its properties, the others not at all.
            address_type=_address_type(device.details),
            name=advertisement.local_name or "",
            rssi_dbm=advertisement.rssi,
            has_smp=SMP_SERVICE_UUID in (uuid.lower() for uuid in advertisement.service_uuids),
        )

    try:
        async with BleakScanner(hear, bluez=scanner_arguments(adapter)):
            await asyncio.sleep(within_s)
    except (BleakError, OSError) as error:
        raise RadioLostError(
            f"This host's Bluetooth does not scan: {error}",
            where="BLE through this host's Bluetooth (bleak)",
            next_step="Look at `nrf-fota doctor`.",
        ) from error
    return tuple(heard.values())


def _address_type(details: object) -> str:
    properties = details.get("props") if isinstance(details, dict) else None
    found = properties.get("AddressType") if isinstance(properties, dict) else None
    return found if isinstance(found, str) else ""
