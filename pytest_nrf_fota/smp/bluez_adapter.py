"""Reset the host's Bluetooth adapter, or forget a bond, through BlueZ. Linux only.

Switching `Powered` needs no root where the system's D-Bus policy lets the user talk to BlueZ, as
Debian's and Ubuntu's do. What does need root: `btmgmt`, `hciconfig`, and resetting the USB device.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from pytest_nrf_fota.errors import RadioLostError
from pytest_nrf_fota.smp.bluez_bus import bluez_bus, call

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus
    from dbus_fast.signature import Variant

    Properties = dict[str, Variant]
    Objects = dict[str, dict[str, Properties]]

_ADAPTER = "org.bluez.Adapter1"
_DEVICE = "org.bluez.Device1"


def not_reset(reason: str) -> RadioLostError:
    """The error for an adapter that is not reset."""
    return RadioLostError(
        f"The Bluetooth adapter is not reset: {reason}.",
        where="this host's Bluetooth",
        next_step="Reset it by hand: `bluetoothctl power off`, `bluetoothctl power on`; as root "
        "`systemctl restart bluetooth`, or pull the adapter out and plug it in again.",
    )


async def forget_bond(address: str, adapter: str | None = None) -> bool:
    """Remove the bond with a board, and return whether there was one.

    Args:
        address: the board's.
        adapter: where to look, such as `hci0`; None looks at all.

    Raises `RadioLostError` where BlueZ refuses.
    """
    had_bond = False
    async with bluez_bus() as bus:
        for path, device in _known_as(address, adapter, await _objects(bus)):
            if device["Paired"].value:
                await _remove(bus, path, device)
                had_bond = True
    return had_bond


async def forget_services(address: str, adapter: str | None = None) -> bool:
    """Let BlueZ forget the GATT services of a board; False where it is connected, and cannot.

    BlueZ keeps them for boards without a bond as well (bluez, src/main.conf, `Cache = always`), and
    after an upgrade the handles may be others. Nothing is removed where there is a bond, which
    would go with it: a bonded host is told of the change by the board (Bluetooth Core, Vol 3
    Part G, 7.1).

    Args and errors as `forget_bond`.
    """
    is_forgotten = True
    async with bluez_bus() as bus:
        for path, device in _known_as(address, adapter, await _objects(bus)):
            if device["Paired"].value:
                continue
            if device["Connected"].value:
                is_forgotten = False
            else:
                await _remove(bus, path, device)
    return is_forgotten


def _known_as(
    address: str, adapter: str | None, objects: "Objects"
) -> "Iterator[tuple[str, Properties]]":
    """BlueZ's objects of a device, one for each adapter that has met it."""
    for path, interfaces in objects.items():
        device = interfaces.get(_DEVICE)
        if device is None or str(device["Address"].value).upper() != address.upper():
            continue
        if adapter is None or str(device["Adapter"].value).endswith(f"/{adapter}"):
            yield path, device


async def _remove(bus: "MessageBus", path: str, device: "Properties") -> None:
    adapter = str(device["Adapter"].value)
    await call(bus, adapter, f"{_ADAPTER}.RemoveDevice", "o", [path])


async def power_cycle(wanted: str | None = None) -> str:
    """Switch the adapter that bleak uses off and on; returns its name, such as `hci0`.

    That is the one of the name `wanted`; without it the first one with power, or the first one,
    which is then only switched on. Raises `RadioLostError`: there is none, a device is connected
    through it, or BlueZ refuses.
    """
    async with bluez_bus() as bus:
        objects = await _objects(bus)
        adapters = [path for path, interfaces in objects.items() if _ADAPTER in interfaces]
        if wanted is not None:
            adapters = [path for path in adapters if path.rpartition("/")[2] == wanted]
        if not adapters:
            raise not_reset(f"there is no {wanted}" if wanted else "there is none")
        powered = [path for path in adapters if objects[path][_ADAPTER]["Powered"].value]
        adapter = (powered or adapters)[0]
        connected = _connected_through(adapter, objects)
        if connected:
            raise not_reset(f"{', '.join(connected)} is connected through it")
        if powered:
            await _switch(bus, adapter, on=False)
        await _switch(bus, adapter, on=True)
        return adapter.rpartition("/")[2]


async def _objects(bus: "MessageBus") -> "Objects":
    (answer,) = await call(bus, "/", "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
    return cast("Objects", answer)


def _connected_through(adapter: str, objects: "Objects") -> list[str]:
    devices = [
        interfaces[_DEVICE]
        for path, interfaces in objects.items()
        if path.startswith(f"{adapter}/") and _DEVICE in interfaces
    ]
    return [str(device["Address"].value) for device in devices if device["Connected"].value]


async def _switch(bus: "MessageBus", adapter: str, *, on: bool) -> None:
    from dbus_fast.signature import Variant

    arguments = [_ADAPTER, "Powered", Variant("b", on)]
    await call(bus, adapter, "org.freedesktop.DBus.Properties.Set", "ssv", arguments)
