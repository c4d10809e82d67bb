"""Kits of a farm in a pytest session: leased before anything is collected, one for each worker."""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.run_settings import BOARD_KEY, KitPower
from pytest_nrf_fota.session_board import also_boards, board_name, session_board
from pytest_nrf_fota.session_holder import tell_of_waiting

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.farm.labgrid.address import FarmAddress
    from pytest_nrf_fota.farm.labgrid.leases import FarmLeases, LostLease, WorkersOfHost
    from pytest_nrf_fota.farm.labgrid.place_kits import FarmKit
    from pytest_nrf_fota.smp.host_radio import HostRadio

_WORKER_INPUT_KEY = "nrf_fota_farm_kit"
_OWNER_KEY = "nrf_fota_farm_owner"


class LeaseLostError(RigError):
    """The kit that this process tests on is leased by somebody else, or by nobody."""

    def __init__(self, serial_number: str, what: str, *, where: str, next_step: str) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.serial_number = serial_number


@dataclass
class _Seats:
    """The session's kits by the host they were leased for, and which worker has which.

    A worker that ends leaves its kit to the one that replaces it.
    """

    leases: "FarmLeases"
    by_host: "dict[str | None, tuple[FarmKit, ...]]" = field(default_factory=dict)
    taken: "dict[str, FarmKit]" = field(default_factory=dict)

    def take(self, worker: str, host: str | None) -> "FarmKit | None":
        """A kit for a worker on a host; None where there is none left."""
        taken = {kit.place for kit in self.taken.values()}
        for kit in self.by_host.get(host, ()):
            if kit.place not in taken:
                self.taken[worker] = kit
                return kit
        return None


@dataclass(frozen=True)
class OneMore:
    """A kit beside the session's, under which name it is leased, and how to give it back."""

    kit: "FarmKit"
    owner: str
    give_back: Callable[[], None]


_seats_key: pytest.StashKey[_Seats] = pytest.StashKey()
_kit_key: "pytest.StashKey[FarmKit]" = pytest.StashKey()
_spare_owner_key: pytest.StashKey[str] = pytest.StashKey()


def leased_kit(config: pytest.Config) -> "FarmKit | None":
    """The kit that this process tests on, where it is one of a farm."""
    return config.stash.get(_kit_key, None)


def farm_radio(kit: "FarmKit | None") -> "HostRadio | None":
    """The radio beside a kit of the farm, where its place names one. Raises `InputError`."""
    if kit is None or kit.radio is None:
        return None
    from pytest_nrf_fota.smp.host_radio import host_radio

    return host_radio(kit.radio)


def has_leases(config: pytest.Config) -> bool:
    """Whether this process has leased the session's kits."""
    return _seats_key in config.stash


def lease_spare(
    config: pytest.Config, board: "BoardType", gone: "Collection[str]"
) -> "FarmKit | None":
    """Lease a free kit of the own kit's host, to test on from now on; None where there is none.

    `gone` are serial numbers that are not wanted.
    """
    from pytest_nrf_fota.errors import FotaError

    try:
        leased = one_more_leased(config, board, None, gone, wait_s=0.0)
    except FotaError:
        return None
    if leased is None:
        return None
    config.add_cleanup(leased.give_back)
    config.stash[_kit_key] = leased.kit
    config.stash[_spare_owner_key] = leased.owner
    return leased.kit


def power_of_place(config: pytest.Config, kit: "FarmKit") -> "KitPower | None":
    """How the power of a leased kit is switched; None where its place, or this host, cannot."""
    from pytest_nrf_fota.deadline import Deadline
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python
    from pytest_nrf_fota.farm.labgrid.place_power import cycle_place
    from pytest_nrf_fota.farm.power import POWER_S

    address = _address(config)
    if address is None or not kit.switches_power:
        return None
    try:
        python = farm_python(config.getoption("nrf_fota_farm_python"))
    except InputError:
        # A worker over SSH needs no labgrid otherwise.
        return None
    farm = address
    return KitPower(
        f"labgrid-client -p {kit.place} power cycle",
        lambda: cycle_place(kit, farm, python, Deadline.after(POWER_S)),
    )


def one_more_leased(
    config: pytest.Config,
    board: "BoardType",
    tag: str | None,
    gone: "Collection[str]" = (),
    wait_s: float | None = None,
) -> OneMore | None:
    """Another kit of the farm; None in a session without a farm.

    It is one at the host of the session's own kit. `gone` are serial numbers that are not wanted.
    Raises `InputError`, `RigError`.
    """
    address = _address(config)
    if address is None:
        return None
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python
    from pytest_nrf_fota.farm.labgrid.leases import LostLease, WorkersOfHost, open_farm
    from pytest_nrf_fota.report.session import session_path

    def note(lost: LostLease) -> None:
        _note(session_path(config), leases.owner, lost)

    own = leased_kit(config)
    leases = open_farm(address, farm_python(config.getoption("nrf_fota_farm_python")), on_lost=note)
    try:
        wanted = WorkersOfHost(own.host if own else None)
        if wait_s is None:
            wait_s = float(config.getoption("nrf_fota_wait_for_kit"))
        tagged = address.with_tags([tag] if tag else [])
        (kit,) = leases.lease(
            board,
            tagged,
            wanted,
            wait_s,
            gone,
            on_wait=partial(tell_of_waiting, config),
            session=_owner(config),
        )
    except BaseException:
        leases.release_all()
        raise
    return OneMore(kit, leases.owner, leases.release_all)


def _owner(config: pytest.Config) -> str:
    """Under which name the farm knows this session; empty where this process does not know it."""
    seats = config.stash.get(_seats_key, None)
    given: dict[str, str] = getattr(config, "workerinput", {})
    return seats.leases.owner if seats is not None else given.get(_OWNER_KEY, "")


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`: one worker for each kit of the farm that this host may use and that is free."""
    address = _address(config)
    if address is None:
        return None
    if not _will_run_tests(config):
        return 1
    from pytest_nrf_fota.farm.labgrid.leases import WorkersOfHost

    with _usage_errors():
        board = _board(config)
        wanted = WorkersOfHost(None, at_most=config.getoption("maxprocesses", None))
        seats = _lease(config, address, board, [wanted])
    return len(seats.by_host[None])


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """In a worker: the kit that its controller has leased for it."""
    given: dict[str, str] = getattr(config, "workerinput", {})
    if _WORKER_INPUT_KEY in given:
        from pytest_nrf_fota.farm.labgrid.place_kits import FarmKit

        _use(config, FarmKit.model_validate_json(given[_WORKER_INPUT_KEY]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, None, None]:
    """Lease before a worker starts or anything is collected."""
    config = session.config
    address = _address(config)
    is_worker = hasattr(config, "workerinput")
    if address is not None and not is_worker and _will_run_tests(config):
        with _usage_errors():
            _require_usable(config)
            seats = config.stash.get(_seats_key, None)
            if seats is None:
                seats = _lease(config, address, config.stash[BOARD_KEY], _workers(config))
        if config.getoption("dist", "no") == "no":
            _use(config, seats.by_host[None][0])
        with _unreachable_hosts():
            return (yield)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Nothing more runs on a kit that is no longer ours; a person may have it in hand.

    Workers on other hosts do not learn that their controller's lease ended: their run folder is
    another.
    """
    kit = leased_kit(item.config)
    if kit is None or "unit" not in getattr(item, "fixturenames", ()):
        return
    from pytest_nrf_fota.report.session import session_path

    owner = item.config.stash.get(_spare_owner_key, "") or _owner(item.config)
    note = _lost_note(session_path(item.config), owner, kit.place)
    if note.exists():
        raise LeaseLostError(
            kit.serial_number,
            f"The kit {kit.serial_number} is no longer this session's.",
            where=note.read_text(encoding="utf-8"),
            next_step="Look at who has it: nrf-fota boards "
            f"--farm={item.config.getoption('nrf_fota_farm')}; run the rest again.",
        )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Tell a worker that is about to start which kit is its own."""
    seats = node.config.stash.get(_seats_key, None)
    if seats is None:
        return
    kit = seats.take(node.gateway.id, _ssh_host(node.gateway.spec.ssh))
    if kit is not None:
        node.workerinput[_WORKER_INPUT_KEY] = kit.model_dump_json()
        node.workerinput[_OWNER_KEY] = seats.leases.owner


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: "WorkerController") -> None:
    """The kit of a worker that ended is its replacement's."""
    seats = node.config.stash.get(_seats_key, None)
    if seats is not None:
        seats.taken.pop(node.gateway.id, None)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which kits are leased, and which places were of no use."""
    seats = config.stash.get(_seats_key, None)
    if seats is None:
        return []
    leases = seats.leases
    kits = ", ".join(f"{k.serial_number} ({k.place} on {k.host})" for k in leases.kits)
    return [
        f"nrf-fota: farm: {kits}",
        *(f"nrf-fota: farm: {one.place} is of no use: {one.why}" for one in leases.set_aside),
    ]


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> None:
    """What happened to the leases."""
    seats = config.stash.get(_seats_key, None)
    if seats is None:
        return
    for text in seats.leases.news.told:
        terminalreporter.write_line(f"farm: {text}")
    for lost in seats.leases.news.lost:
        terminalreporter.write_line(f"farm: {lost}", red=True)


def _lease(
    config: pytest.Config,
    address: "FarmAddress",
    board: "BoardType",
    workers: "list[WorkersOfHost]",
) -> _Seats:
    from pytest_nrf_fota.farm.labgrid.farm_python import farm_python
    from pytest_nrf_fota.farm.labgrid.leases import LostLease, open_farm
    from pytest_nrf_fota.report.session import session_path

    def note(lost: LostLease) -> None:
        _note(run, leases.owner, lost)

    python = farm_python(config.getoption("nrf_fota_farm_python"))
    run = session_path(config)
    wait_s: float = config.getoption("nrf_fota_wait_for_kit")
    tell = partial(tell_of_waiting, config)
    leases = open_farm(address, python, run / "farm-broker.log", note, wait_s, tell)
    config.add_cleanup(leases.release_all)
    seats = _Seats(leases)
    for wanted in sorted(workers, key=lambda one: one.host or ""):
        seats.by_host[wanted.host] = leases.lease(board, address, wanted, wait_s, on_wait=tell)
    config.stash[_seats_key] = seats
    return seats


def _note(run: Path, owner: str, lost: "LostLease") -> None:
    """For the workers, which have no other way to hear of it."""
    run.mkdir(parents=True, exist_ok=True)
    _lost_note(run, owner, lost.place).write_text(str(lost), encoding="utf-8")


def _lost_note(run: Path, owner: str, place: str) -> Path:
    """Of one lease: the place may be this session's again, under another name."""
    return run / f"farm-lost-{quote(owner, safe='')}-{quote(place, safe='')}"


def _use(config: pytest.Config, kit: "FarmKit") -> None:
    """Test on this kit: at its host by its serial number, from elsewhere through its network port,
    and with the probe's tool on its host, where its place says so.

    A probe or a Bluetooth radio reaches no farther than its host.
    """
    config.stash[_kit_key] = kit
    board = config.stash[BOARD_KEY]
    if board.radio.kind == "ble" or not (kit.console or kit.ssh_host):
        return
    from pytest_nrf_fota.console.ports import attached_kits

    if any(kit.serial_number == one.serial_number for one in attached_kits()):
        return
    if kit.console and board.console.port is None:
        board = board.with_console(port=kit.console, baudrate=None)
    config.stash[BOARD_KEY] = board.with_runner(None, ssh_host=kit.ssh_host)


def _address(config: pytest.Config) -> "FarmAddress | None":
    """The farm, where one was given. Raises `pytest.UsageError`."""
    text: str | None = config.getoption("nrf_fota_farm", None)
    if not text:
        return None
    from pytest_nrf_fota.farm.labgrid.address import read_farm_address

    with _usage_errors():
        return read_farm_address(text).with_tags(config.getoption("nrf_fota_board_tag"))


def _board(config: pytest.Config) -> "BoardType":
    """The board type, where `-n auto` has to know it before pytest is configured."""
    from pytest_nrf_fota.errors import InputError

    if not board_name(config):
        raise InputError(
            "--farm needs to know which board.", where="--farm", next_step="Give --board NAME, too."
        )
    return session_board(config)


def _require_usable(config: pytest.Config) -> None:
    from pytest_nrf_fota.errors import InputError

    board = config.stash.get(BOARD_KEY, None)
    if board is None:
        _board(config)
    elif not board.provided_by.has_probe_tool:
        raise InputError(
            f"--farm is for kits on USB; {board.name} has none.",
            where="--farm",
            next_step="Leave --farm out: such boards are made on this host, one for each worker.",
        )
    if config.getoption("tx", None) and config.getoption("dist") == "no":
        raise InputError(
            "--tx alone starts no workers: all tests would run here, on one kit.",
            where="--tx",
            next_step="Add --dist load.",
        )
    if also_boards(config):
        raise InputError(
            "Several boards in one run are for kits on this host.",
            where="--also-board",
            next_step="Start a run for each board; they may run at the same time.",
        )
    for option, is_given in (
        ("--device-id", bool(config.getoption("nrf_fota_device_id"))),
        ("--hardware-map", config.getoption("nrf_fota_hardware_map") is not None),
    ):
        if is_given:
            raise InputError(
                f"{option} is for kits on this host, --farm lets the farm choose.",
                where=option,
                next_step="Choose by tags of places: --board-tag rack=3, or --board-tag name=PLACE",
            )


def _workers(config: pytest.Config) -> "list[WorkersOfHost]":
    """How many workers will run on which host; None is this one."""
    from pytest_nrf_fota.farm.labgrid.leases import WorkersOfHost

    if config.getoption("dist", "no") == "no":
        return [WorkersOfHost(None)]
    from execnet import XSpec
    from xdist.workermanage import parse_tx_spec_config

    hosts = Counter(_ssh_host(XSpec(text).ssh) for text in parse_tx_spec_config(config))
    return [WorkersOfHost(host, count, count) for host, count in hosts.items()]


@contextmanager
def _unreachable_hosts() -> Iterator[None]:
    """Where pytest-xdist cannot start a worker over SSH, that is said in pytest's way."""
    try:
        from execnet.gateway_bootstrap import HostNotFound
    except ImportError:
        yield
        return
    try:
        yield
    except HostNotFound as error:
        host = _ssh_host(str(error)) or str(error)
        told = RigError(
            "No worker can be started over SSH.",
            where=f"--tx ssh={error}",
            next_step=f"Try `ssh -o BatchMode=yes {host} true` from here; ssh says why above.",
        )
        raise pytest.UsageError(str(told)) from error


def _ssh_host(specification: str | None) -> str | None:
    """The host in `ssh=...`, which may hold options of ssh and a user."""
    return specification.split()[-1].rpartition("@")[2] if specification else None


def _will_run_tests(config: pytest.Config) -> bool:
    options = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan")
    return not any(config.getoption(name, False) for name in options)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """What ends the run before it begins is said in pytest's way."""
    from pytest_nrf_fota.errors import FotaError

    try:
        yield
    except FotaError as error:
        raise pytest.UsageError(str(error)) from error
