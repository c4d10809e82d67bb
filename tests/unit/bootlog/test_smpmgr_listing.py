"""smpmgr's image list, as it comes out of a pipe: it breaks the line inside the hash."""

from tests.unit.boot_lines import report_of

FIRST = "8B552FB523AD2C297708F557CBC503DC2EAEE0157EE1CFAC2D77A7CEBF85581D"
SECOND = "25999F63B5EC01F1C0E8FA6EED3D57B4228FCA52A8950235E3BEA84F885DA11F"


def _state(slot: int, image_hash: str, *, active: bool) -> str:
    return f"""ImageState(
    slot={slot},
    version='1.{slot}.0',
    image=None,
    hash=HashBytes(
        '{image_hash}'
    ),
    bootable=True,
    pending=False,
    confirmed={active},
    active={active},
    permanent=False
)
"""


def test_each_slot_has_its_own_hash() -> None:
    listing = _state(0, FIRST, active=True) + _state(1, SECOND, active=False) + "splitStatus: 0\n"

    client = report_of(listing).client

    assert client is not None
    assert [(image.slot, image.version, image.hash) for image in client.images] == [
        (0, "1.0.0", FIRST.lower()),
        (1, "1.1.0", SECOND.lower()),
    ]
    assert [image.active for image in client.images] == [True, False]
