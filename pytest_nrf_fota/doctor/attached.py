"""Attached kits and boards without hardware, as a value: for `nrf-fota boards`."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.console.listening import listen
from pytest_nrf_fota.console.port_holder import other_holders
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomMemory
from pytest_nrf_fota.doctor.board_version import board_versions
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.doctor.kit_checks import holder_words
from pytest_nrf_fota.doctor.report import BoardReport, examine
from pytest_nrf_fota.doctor.requirements import Options
from pytest_nrf_fota.doctor.usb import JLink, attached_jlinks
from pytest_nrf_fota.farm.hardware_map import MappedKit
from pytest_nrf_fota.farm.holder import Holder
from pytest_nrf_fota.farm.kit_condition import KitCondition, KitConditions
from pytest_nrf_fota.farm.kit_lock import state_of
from pytest_nrf_fota.farm.quarantine import Quarantine

# Zephyr runners/nrfjprog.py.
_VERSIONS = {2: "like an nRF5340 DK v2.0.0", 3: "like an nRF5340 DK v1.0.0"}
_BOOT_LINES = tuple(
    LINES[name].regex
    for name in ("banner", "nsib_firmware_version", "mcuboot_start", "image_version")
)
_LINES_SHOWN = 4


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PortReport(_Model):
    """One serial port of a kit.

    `core` is whose UART it carries, `how` how that is known: by its position among the kit's ports
    (a guess), or remembered from a boot that was seen. `problem` says why it cannot be used.
    `heard` has lines that it printed, where it was listened to.
    """

    name: str
    device: str
    interface: int
    core: Literal["network", "application", "unknown"]
    how: Literal["position", "remembered", "the only one"]
    problem: str
    heard: tuple[str, ...] | None


class DeskReport(_Model):
    """Whether a kit can be had.

    `state` is whether somebody has claimed it, `holder` who, where that is known; a quarantined kit
    is taken by no run. `platforms` and `tags` are the hardware map's; `in_map` is None without a
    map. `condition` is what earlier runs on this host have left.
    """

    state: Literal["free", "held", "quarantined"]
    holder: Holder | None
    in_map: bool | None
    platforms: tuple[str, ...]
    tags: Mapping[str, tuple[str, ...]]
    condition: KitCondition


class KitReport(_Model):
    """One debug probe on USB.

    `looks_like` is judged by its serial ports; `board_version` is what the tool says where it was
    asked, such as PCA10095.
    """

    serial_number: str
    product: str
    usb_release: str
    usb_path: str
    looks_like: str
    board_version: str
    ports: tuple[PortReport, ...]
    desk: DeskReport


class MissingKitReport(_Model):
    """A kit of the hardware map that is not attached; `connected` is what the map says of that."""

    serial_number: str
    connected: bool
    platforms: tuple[str, ...]


class BoardsReport(_Model):
    """What can be tested here; `quarantined_elsewhere` are kits that are set aside and not here."""

    format_version: Literal[1] = 1
    kits: tuple[KitReport, ...]
    missing_kits: tuple[MissingKitReport, ...]
    quarantined_elsewhere: tuple[Quarantine, ...]
    without_hardware: tuple[BoardReport, ...]


def look_at_boards(
    boards: Sequence[BoardType],
    host: Host,
    *,
    baudrate: int,
    listen_s: float | None,
    asks_probe: bool = False,
    mapped: Sequence[MappedKit] | None = None,
) -> BoardsReport:
    """Attached kits, who holds them, and whether the boards without hardware would start.

    The ports of a kit that is held are not read, and no tool is asked while one is.

    Args:
        boards: board types; those of kits are left out.
        host: the machine.
        baudrate: of the kits' UARTs.
        listen_s: how long to listen to the kits' ports; None leaves them alone.
        asks_probe: whether the probes' tool is asked which boards they are on.
        mapped: the kits of the hardware map; None without one.
    """
    virtual = [board for board in boards if not board.provided_by.has_probe_tool]
    jlinks = attached_jlinks(host)
    known = KitConditions()
    numbers = [jlink.kit.serial_number for jlink in jlinks]
    desk = {number: _desk(number, mapped, known.of(number)) for number in numbers}
    free = [jlink for jlink in jlinks if desk[jlink.kit.serial_number].state != "held"]
    usable = [vcom.device for jlink in free for vcom in jlink.kit.vcoms if not _problem(host, vcom)]
    heard = None
    if listen_s is not None:
        paths = {str(host.path(device)): device for device in usable}
        found = listen(tuple(paths), baudrate, listen_s)
        heard = {
            paths[path]: one.text if one.lost is None else f"({one.lost.what})"
            for path, one in found.items()
        }
    # It connects to all of them.
    may_ask = asks_probe and free and len(free) == len(jlinks)
    versions = board_versions(host) if may_ask else {}
    memory = VcomMemory(host.cache_folder / "vcom")
    return BoardsReport(
        kits=tuple(
            _kit(
                jlink,
                desk[jlink.kit.serial_number],
                versions.get(jlink.kit.serial_number, ""),
                host,
                memory,
                heard if jlink in free else None,
            )
            for jlink in jlinks
        ),
        missing_kits=tuple(
            MissingKitReport(
                serial_number=one.serial_number,
                connected=one.is_connected,
                platforms=one.platforms,
            )
            for one in mapped or ()
            if one.serial_number not in desk
        ),
        quarantined_elsewhere=tuple(
            note for name, note in known.quarantined.items() if name not in desk
        ),
        without_hardware=examine(virtual, Options(), host, all_must_start=False).boards,
    )


def _kit(
    jlink: JLink,
    desk: DeskReport,
    board_version: str,
    host: Host,
    memory: VcomMemory,
    heard: dict[str, str] | None,
) -> KitReport:
    remembered = memory.recall(jlink.kit)
    vcoms = jlink.kit.vcoms
    return KitReport(
        serial_number=jlink.kit.serial_number,
        product=jlink.product,
        usb_release=jlink.usb_release,
        usb_path=jlink.usb_path,
        looks_like=_looks_like(len(vcoms)),
        board_version=board_version,
        ports=tuple(
            _port(vcom, jlink.kit, remembered, _problem(host, vcom), heard) for vcom in vcoms
        ),
        desk=desk,
    )


def _desk(
    serial_number: str, mapped: Sequence[MappedKit] | None, condition: KitCondition
) -> DeskReport:
    state = state_of(serial_number)
    named = next((one for one in mapped or () if one.serial_number == serial_number), None)
    tags: dict[str, list[str]] = {}
    for name, value in sorted(named.tags if named else ()):
        tags.setdefault(name, []).append(value)
    free: Literal["free", "quarantined"] = "quarantined" if condition.quarantine else "free"
    return DeskReport(
        state="held" if state.is_held else free,
        holder=state.holder,
        in_map=None if mapped is None else named is not None,
        platforms=named.platforms if named else (),
        tags={name: tuple(values) for name, values in tags.items()},
        condition=condition,
    )


def _looks_like(port_count: int) -> str:
    ports = f"{port_count or 'no'} serial port{'' if port_count == 1 else 's'}"
    return f"{ports}, {_VERSIONS[port_count]}" if port_count in _VERSIONS else ports


def _port(
    vcom: Vcom,
    kit: AttachedKit,
    remembered: Vcom | None,
    problem: str,
    heard: dict[str, str] | None,
) -> PortReport:
    lines = None
    if heard is not None:
        lines = telling_lines(heard.get(vcom.device, ""))
    core, how = _core(vcom, kit, remembered)
    return PortReport(
        name=vcom.name,
        device=vcom.device,
        interface=vcom.interface,
        core=core,
        how=how,
        problem=problem,
        heard=lines,
    )


def telling_lines(text: str) -> tuple[str, ...]:
    """The lines that say most about what runs: those of a boot, else the last ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(boot.search(line) for boot in _BOOT_LINES)]
    return tuple((telling or lines)[-_LINES_SHOWN:])


def _core(
    vcom: Vcom, kit: AttachedKit, remembered: Vcom | None
) -> tuple[
    Literal["network", "application", "unknown"],
    Literal["position", "remembered", "the only one"],
]:
    if len(kit.vcoms) == 1:
        return "application", "the only one"
    if vcom == remembered:
        return "application", "remembered"
    if vcom == kit.vcoms[0]:
        return "network", "position"
    is_last = vcom == kit.vcoms[-1]
    return ("application" if is_last and remembered is None else "unknown"), "position"


def _problem(host: Host, vcom: Vcom) -> str:
    if host.system == "win32":
        return ""
    path = host.path(vcom.device)
    if not path.exists():
        return "not there; in a container pass it in"
    if not host.may_open(path):
        return "no permission: nrf-fota doctor"
    holders = other_holders(str(path))
    return f"held by {', '.join(map(holder_words, holders))}" if holders else ""
