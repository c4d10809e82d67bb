"""The radio: what this host sees of the kit, and how a connection ends by a reset."""

import time
from collections.abc import Sequence

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.step import Found, Step, held
from pytest_nrf_fota.portal import start_portal
from pytest_nrf_fota.record.events import AdvertisementHeard
from pytest_nrf_fota.smp.peer_search import FoundPeer, Peer, PeerSearch
from pytest_nrf_fota.wires.radio import Advertised, ScanningRadio

_SCAN_S = 4.0
# Nobody else comes: the search waits for a namesake for half of it.
_ALL_HEARD_S = 0.2
_LISTED = 5


def _scan(bench: Bench) -> Found:
    _require_ble(bench)
    radio = bench.dut.wires.radio
    if not isinstance(radio, ScanningRadio):
        raise SkippedError(f"{radio.description} cannot scan")
    bench.dut.mcumgr.disconnect()
    address = bench.dut.last_boot().identity_address
    wanted = Peer(address, bench.board.radio.name, bench.board.radio.private_address)
    search = PeerSearch(wanted, radio.description)
    portal, end_portal = start_portal(bench)
    try:
        heard: tuple[Advertised, ...] = portal.call(radio.scan, _SCAN_S)
        found = portal.call(_find, search, heard)
    finally:
        end_portal()
    for one in heard:
        bench.recorder.record(
            AdvertisementHeard(
                address=one.address,
                address_type=one.address_type,
                name=one.name,
                rssi_dbm=one.rssi_dbm,
            )
        )
    said = address or "no address"
    if isinstance(found, FotaError):
        listed = ", ".join(_words(one) for one in heard[:_LISTED]) or "nobody"
        return held(False, f"the kit says {said}; heard {len(heard)}: {listed}")
    seen = next(_words(one) for one in heard if one.address == found.address)
    sign = "name" if wanted.name else "SMP service"
    how = "the kit as" if found.by_address else f"the kit, which says {said}, by its {sign} as"
    return held(True, f"{len(heard)} heard; {how} {seen}")


async def _find(search: PeerSearch, heard: Sequence[Advertised]) -> FoundPeer | FotaError:
    """Whom a connection would take of those that were heard."""
    for one in heard:
        is_public = one.address_type.startswith("public")
        search.hear(one.address, one.name or None, has_smp=one.has_smp, is_public=is_public)
    try:
        await search.found(Deadline.after(_ALL_HEARD_S))
    except FotaError as error:
        return error
    assert search.result is not None
    return search.result


def _words(one: Advertised) -> str:
    return f"{one.address} ({one.address_type or 'type unknown'}) {one.name or 'without a name'}"


def _connect(bench: Bench) -> Found:
    started_at_s = time.monotonic()
    bench.dut.connect()
    connected_s = time.monotonic() - started_at_s
    answer = bench.dut.mcumgr.echo("first contact")
    mtu_bytes = bench.dut.mcumgr.mtu_bytes
    text = f"connected in {connected_s:.1f} s, {mtu_bytes} bytes a write, echo {answer!r}"
    return held(answer == "first contact", text)


def _reset_while_connected(bench: Bench) -> Found:
    bench.dut.connect()
    since = bench.dut.position("reset while connected")
    bench.dut.probe.reset(bench.board.probe.reset, bench.deadline())
    started_at_s = time.monotonic()
    try:
        bench.dut.mcumgr.echo("still there?")
        shown = "the connection outlived the reset"
    except FotaError as error:
        duration_s = time.monotonic() - started_at_s
        shown = f"{type(error).__name__} after {duration_s:.1f} s: {error.what}"
    bench.dut.mcumgr.disconnect()
    bench.dut.wait_for_boot(since)
    return held("outlived" not in shown, shown)


def _image_list(bench: Bench) -> Found:
    bench.dut.connect()
    images = bench.dut.mcumgr.get_image_list()
    bench.dut.mcumgr.disconnect()
    return held(bool(images), "; ".join(str(image) for image in images) or "empty")


def _require_ble(bench: Bench) -> None:
    if bench.board.radio.kind != "ble":
        raise SkippedError("SMP does not go over BLE")


STEPS = (
    Step("scan", f"Listens to advertisements for {_SCAN_S:g} s.", _scan),
    Step("connect", "Connects over SMP and lets the kit echo a text.", _connect),
    Step("reset, connected", "Resets the kit while it is connected.", _reset_while_connected),
    Step("image list", "Reads the image list.", _image_list),
)
