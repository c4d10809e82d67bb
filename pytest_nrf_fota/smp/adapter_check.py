"""Whether a radio's adapter is there and answers, without asking for any board."""

from pytest_nrf_fota.wires.radio import Radio, ScanningRadio

# Who advertises is of no interest.
_SCAN_S = 0.1


def require_adapter(radio: Radio) -> None:
    """Use it once; radios that cannot be listened with are not tried. Raises `RadioLostError`."""
    if not isinstance(radio, ScanningRadio):
        return
    from anyio.from_thread import start_blocking_portal

    # On a thread of its own: whoever calls may have an event loop.
    with start_blocking_portal("asyncio") as portal:
        portal.call(radio.scan, _SCAN_S)
