"""Another client of the kit's SMP server: what somebody did to the board before."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HciController, open_radio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.pairing import HostPairing
from tests.unit.field_upgrade.kit import NAME, Kit


@contextmanager
def client_of(kit: Kit) -> Iterator[Mcumgr]:
    """Connected over BLE."""
    radio = open_radio(HciController(kit.unit.hci), mtu=498, pairing=HostPairing())
    with Mcumgr(radio, FlightRecorder(), SmpTimeouts(5.0, 40.0)) as mcumgr:
        mcumgr.connect(NAME, 30.0)
        yield mcumgr
