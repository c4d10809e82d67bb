"""pytest plugin: boards on the air of a guest's BlueZ. Loaded by `tox -e bluez` with -p."""

import asyncio
import contextlib
import os
from collections.abc import Iterator

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RadioLostError
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.report.session import worker_path
from pytest_nrf_fota.smp.bluez_bus import bluez_bus, call
from tests.bluez.guest import Guest, NoGuestError, running_guest

_ADAPTER_TIMEOUT_S = 60.0
_ADAPTER = "org.bluez.Adapter1"
# BlueZ signals both over D-Bus; asking is shorter.
_POLL_S = 0.1


@pytest.fixture(scope="session")
def guest(pytestconfig: pytest.Config) -> Iterator[Guest]:
    """A guest whose system bus is this process's, for bleak."""
    results = worker_path(pytestconfig) / "guest"
    with pytest.MonkeyPatch.context() as patch:
        try:
            with running_guest(results.absolute()) as running:
                patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", running.bus_address)
                yield running
        except NoGuestError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def kit_on_the_air(guest: Guest, unit: SimUnit) -> Iterator[None]:
    """BlueZ has an adapter that reaches the kit of this session."""
    with on_the_air(guest, unit):
        yield


@contextlib.contextmanager
def on_the_air(guest: Guest, *units: SimUnit) -> Iterator[tuple[str, ...]]:
    """BlueZ has an adapter that reaches each kit, as long as this lasts; gives their names."""
    names: list[str] = []
    with contextlib.ExitStack() as stack:
        for number, unit in enumerate(units):
            stack.enter_context(guest.adapter(unit.hci, number))
            deadline = Deadline.after(_ADAPTER_TIMEOUT_S)
            found = asyncio.run(_wait_for_adapters(len(names) + 1, deadline))
            names += [name for name in found if name not in names]
        yield tuple(names)
    # Where two are there, bleak may take the one that is about to go.
    asyncio.run(_wait_for_adapters(0, Deadline.after(_ADAPTER_TIMEOUT_S)))


async def _wait_for_adapters(wanted: int, deadline: Deadline) -> list[str]:
    """Wait until BlueZ has so many adapters, all switched on; gives their names."""
    while True:
        try:
            adapters = await _adapters()
            if len(adapters) == wanted and all(adapters.values()):
                return list(adapters)
        except RadioLostError:
            # bluetoothd is still starting.
            if deadline.expired:
                raise
        assert not deadline.expired, f"BlueZ has other adapters than {wanted}: {adapters}"
        await asyncio.sleep(_POLL_S)


async def _adapters() -> dict[str, bool]:
    """Of each adapter, by its name, whether it is switched on."""
    async with bluez_bus() as bus:
        answer = await call(bus, "/", "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
    objects = answer[0]
    assert isinstance(objects, dict)
    return {
        path.rpartition("/")[2]: bool(interfaces[_ADAPTER]["Powered"].value)
        for path, interfaces in objects.items()
        if _ADAPTER in interfaces
    }
