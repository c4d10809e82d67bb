"""What a place of the farm names: a kit, its host, and ports that can be reached from elsewhere."""

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.labgrid.address import BOARD_TAG, HOST_TAG
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace, FarmResource

KIT_CLASS = "NrfDevKit"
"""Class of the resource that names a kit. labgrid has none; its exporters pass it on as it is."""

POWER_CLASSES = frozenset(
    {
        *("NetworkPowerPort", "PDUDaemonPort", "TasmotaPowerPort", "NetworkYKUSHPowerPort"),
        *("NetworkUSBPowerPort", "NetworkSiSPMPowerPort", "NetworkSysfsGPIO"),
    }
)
"""Resources that `labgrid-client power` knows a driver for (labgrid 26.0, remote/client.py)."""

SERIAL_NUMBER = "serial_number"
SERIAL_TAG = "serial"
RADIO_TAG = "radio"
TOOL_TAG = "tool"
TOOL_BY_SSH = "ssh"
"""Value of the tag `tool`: the probe's tool is called on the kit's host, over SSH."""

_SERIAL_PORT = "NetworkSerialPort"
_CONSOLE = "console"


class FarmKit(BaseModel):
    """A kit that a place names.

    `serial_number` is the J-Link's, without leading zeros. `host` is where it is, as the farm calls
    it. `console` is an URL that pyserial opens, where the place has a serial port that can be
    reached over the network; empty where not. `owner` is who has leased it, as labgrid names them,
    and `switches_power` whether the place has a resource that labgrid's client switches its power
    with.
    """

    model_config = ConfigDict(frozen=True)

    place: str
    serial_number: str
    host: str
    tags: dict[str, str]
    console: str = ""
    owner: str = ""
    switches_power: bool = False

    @property
    def radio(self) -> str | None:
        """Which radio of its host reaches it, as for `--radio`, where its tags say so."""
        return self.tags.get(RADIO_TAG)

    @property
    def ssh_host(self) -> str:
        """Where the probe's tool is to be called from elsewhere; empty where it is called here."""
        return self.host if self.tags.get(TOOL_TAG) == TOOL_BY_SSH else ""


def kit_of_place(place: FarmPlace) -> FarmKit:
    """The kit of a place. Raises `RigError` where it names none."""
    numbers = [
        str(resource.params.get(SERIAL_NUMBER) or "")
        for resource in place.resources
        if resource.cls == KIT_CLASS
    ]
    number = next((n for n in numbers if n), place.tags.get(SERIAL_TAG, "")).strip().lstrip("0")
    if not number:
        raise RigError(
            f"The place {place.name} names no kit.",
            where=", ".join(str(r) for r in place.resources) or "it has no resource",
            next_step=f"Give the exporter's group a resource `{KIT_CLASS}: {{{SERIAL_NUMBER}: "
            f'"1050012345"}}`, or the place a tag: `labgrid-client -p {place.name} set-tags '
            f"{SERIAL_TAG}=1050012345`",
        )
    return FarmKit(
        place=place.name,
        serial_number=number,
        host=host_of_place(place),
        tags=place.tags,
        console=_console(place),
        owner=place.owner,
        switches_power=any(resource.cls in POWER_CLASSES for resource in place.resources),
    )


def host_of_place(place: FarmPlace) -> str:
    """Its tag `host`, or the name of its exporter; empty where it has neither."""
    tagged = place.tags.get(HOST_TAG)
    return tagged or next((resource.exporter for resource in place.resources), "")


def is_place_of(place: FarmPlace, board: BoardType) -> bool:
    """Whether its tag `board` means this type, in any spelling."""
    tagged = place.tags.get(BOARD_TAG)
    return tagged is not None and is_same_board(tagged, (*board.platforms, board.name))


def is_same_host(one: str, other: str) -> bool:
    """Whether two names mean one host: `lab1` and `lab1.example.org` do."""
    names = one.lower(), other.lower()
    if "." in one and "." in other:
        return names[0] == names[1]
    return names[0].partition(".")[0] == names[1].partition(".")[0]


def _console(place: FarmPlace) -> str:
    ports = [r for r in place.resources if r.cls == _SERIAL_PORT and _url(r)]
    named = [resource for resource in ports if resource.name == _CONSOLE]
    if named or len(ports) == 1:
        return _url((named or ports)[0])
    return ""


def _url(port: FarmResource) -> str:
    # An isolated exporter's port is reached through SSH to its host alone.
    if port.params.get("proxy_required") or not port.params.get("port"):
        return ""
    address = f"{port.params.get('host')}:{port.params.get('port')}"
    if port.params.get("protocol") == "raw":
        return f"socket://{address}"
    # ser2net says nothing of control lines that a port lacks; pyserial would wait, and give up.
    return f"rfc2217://{address}?ign_set_control"
