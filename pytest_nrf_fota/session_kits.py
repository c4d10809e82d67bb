"""Which of this host's kits a pytest session claims, and which of its workers has which."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.run_settings import BOARD_KEY, KitPower, host_radio_of
from pytest_nrf_fota.session_board import (
    BOARD_INPUT_KEY,
    also_boards,
    other_board,
    session_board,
)
from pytest_nrf_fota.session_farm import (
    farm_radio,
    has_leases,
    lease_spare,
    leased_kit,
    power_of_place,
)
from pytest_nrf_fota.session_holder import (
    introduce_controller,
    name_worker,
    tell_of_waiting,
)

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.console.ports import AttachedKit
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.farm.claims import ClaimedKit
    from pytest_nrf_fota.farm.desk import Kit, KitChoice
    from pytest_nrf_fota.farm.power import PowerSwitch
    from pytest_nrf_fota.mixed_scheduling import MixedScheduling
    from pytest_nrf_fota.providers.provider import Provider
    from pytest_nrf_fota.smp.host_radio import HostRadio

_SERIAL_NUMBER, _RADIO = "nrf_fota_kit", "nrf_fota_kit_radio"


@dataclass(frozen=True)
class SessionKit:
    """What this process tests on: the kit to take, None for boards that are not claimed.

    Args:
        serial_number: of its probe.
        radio: which reaches it; None for the host's own, or the board's.
        has_own_radio: the radio is beside this kit alone.
        is_claimed: nobody else takes it meanwhile.
    """

    serial_number: str | None
    radio: "HostRadio | None"
    has_own_radio: bool = False
    is_claimed: bool = False


class Seats:
    """Which xdist worker has which of the claimed kits.

    The session keeps its claims until its end; a worker that ends leaves its kit to the next one.
    `board_names` are the board types by serial number, in a session with several.
    """

    def __init__(self, claimed: "tuple[ClaimedKit, ...]", board_names: "Mapping[str, str]") -> None:
        self.claimed = claimed
        self.board_names = board_names
        self._taken: dict[str, Kit] = {}

    def take(self, worker: str) -> "Kit | None":
        """A kit that no other worker has; None where there is none left."""
        taken = {kit.serial_number for kit in self._taken.values()}
        for one in self.claimed:
            if one.kit.serial_number not in taken:
                self._taken[worker] = one.kit
                return one.kit
        return None

    def leave(self, worker: str) -> None:
        """The worker has ended."""
        self._taken.pop(worker, None)


_seats_key: pytest.StashKey[Seats] = pytest.StashKey()
_spare_key: "pytest.StashKey[Kit]" = pytest.StashKey()


def worker_count_for_kits(config: pytest.Config) -> int | None:
    """What `-n auto` means: one worker for each free kit, which are claimed for this session now.

    None where the board is none of the desk's kits. Raises `InputError`, `RigError`.
    """
    if not config.getoption("nrf_fota_board") or config.getoption("nrf_fota_farm"):
        return None
    board = session_board(config)
    if provider_with_kits(board) is None:
        return None
    if not _will_run_tests(config):
        return 1
    at_most = min(config.getoption("maxprocesses", None) or sys.maxsize, _radio_limit(config))
    if also_boards(config):
        return len(_claim_mixed(config, board, at_most).claimed)
    kits = fitting_kits_of(config, board, choice_of(config))
    return len(_claim(config, kits, at_least=1, at_most=at_most).claimed)


def claim_before_collection(config: pytest.Config) -> None:
    """Claim this session's kits, where its command line names a board that kits are claimed for.

    Where only the pytest configuration names it, most runs need none: the first test that does
    claims it.

    Raises:
        InputError: more workers than kits, or what was given cannot be used.
        RigError: no kit fits, or others hold too many of them.
    """
    from pytest_nrf_fota.errors import InputError

    if hasattr(config, "workerinput") or _seats_key in config.stash:
        return
    if config.getoption("nrf_fota_farm"):
        return
    board = config.stash.get(BOARD_KEY, None)
    claims = board is not None and bool(config.getoption("nrf_fota_board"))
    if board is None or not claims or provider_with_kits(board) is None:
        if also_boards(config):
            raise _only_for_kits()
        return
    if not (_will_run_tests(config) and _runs_here(config)):
        return
    from pytest_nrf_fota.report.session import worker_count

    if also_boards(config):
        raise InputError(
            "How many workers each of several boards gets is for their kits to say.",
            where="--also-board",
            next_step="Start one for each kit that is free: -n auto; fewer with --maxprocesses.",
        )
    kits = fitting_kits_of(config, board, choice_of(config))
    wanted = worker_count(config) or 1
    if wanted > len(kits):
        numbers = ", ".join(kit.serial_number for kit in kits)
        aside = "".join(
            f"; {number}: {why}" for number, why in passed_over_of(config, board).items()
        )
        raise InputError(
            f"{wanted} workers want a kit each, and {len(kits)} may be taken.",
            where=f"-n; kits: {numbers}{aside}",
            next_step=f"Start one worker for each kit that is free, -n auto; or -n {len(kits)}.",
        )
    _claim(config, kits, at_least=wanted, at_most=wanted)


def seat_worker(node: "WorkerController") -> None:
    """Tell a worker that is about to start which kit is its own."""
    introduce_controller(node)
    seats = node.config.stash.get(_seats_key, None)
    kit = seats.take(node.gateway.id) if seats is not None else None
    if kit is not None:
        node.workerinput[_SERIAL_NUMBER] = kit.serial_number
        node.workerinput[_RADIO] = kit.radio or ""
        if seats is not None and seats.board_names:
            node.workerinput[BOARD_INPUT_KEY] = seats.board_names[kit.serial_number]


def unseat_worker(node: "WorkerController") -> None:
    """Its kit is free for the worker that replaces it."""
    seats = node.config.stash.get(_seats_key, None)
    if seats is not None:
        seats.leave(node.gateway.id)


def claimed_kits(config: pytest.Config) -> "tuple[Kit, ...]":
    """Those that this session has claimed on this host; none in a worker."""
    seats = config.stash.get(_seats_key, None)
    return tuple(one.kit for one in seats.claimed) if seats is not None else ()


def gives_tests_out(config: pytest.Config) -> bool:
    """Whether this plugin decides which worker runs which test: on claimed or leased kits.

    xdist's other ways to distribute group tests by where they stand, which stays as it is.
    """
    if also_boards(config):
        return True
    if config.getoption("dist", "no") not in ("load", "worksteal"):
        return False
    return _seats_key in config.stash or has_leases(config)


def mixed_scheduling(config: pytest.Config) -> "MixedScheduling | None":
    """Who gives tests out, in a session on kits; None where xdist does."""
    from pytest_nrf_fota.board_needs import read_unfit
    from pytest_nrf_fota.mixed_scheduling import MixedScheduling
    from pytest_nrf_fota.report.session import session_path, worker_count
    from pytest_nrf_fota.session_durations import remembered_durations_s

    if not gives_tests_out(config):
        return None
    is_mixed = bool(also_boards(config))

    def unfit(node: "WorkerController") -> frozenset[str]:
        return read_unfit(session_path(config) / node.gateway.id) if is_mixed else frozenset()

    return MixedScheduling(config, worker_count(config), unfit, remembered_durations_s(config))


@contextmanager
def kit_of_session(config: pytest.Config, board: "BoardType") -> Iterator[SessionKit]:
    """The kit that this process tests on, in use until the end.

    Raises:
        InputError: what was given cannot be used.
        RigError: there is none, or it is not free.
    """
    from pytest_nrf_fota.farm.one_kit import kit_alone
    from pytest_nrf_fota.smp.host_radio import host_radio

    radio = host_radio_of(config)
    if provider_with_kits(board) is None:
        given: list[str] = config.getoption("nrf_fota_device_id")
        yield SessionKit(given[0] if given else None, radio)
        return
    from pytest_nrf_fota.farm.kit_lock import use_kit

    name_worker(config)
    leased = leased_kit(config)
    if leased is not None:
        # Those at its host who do not ask the farm respect the host's locks.
        with kit_alone(
            leased.serial_number,
            wait_s=config.getoption("nrf_fota_wait_for_kit"),
            on_wait=partial(tell_of_waiting, config),
            may_be_quarantined=False,
        ):
            own = farm_radio(leased)
            is_own = radio is None and own is not None
            yield SessionKit(leased.serial_number, radio or own, is_own, is_claimed=True)
        return
    serial_number, own_radio = _own_kit(config, board)
    is_own = radio is None and bool(own_radio)
    if is_own:
        radio = host_radio(own_radio)
    use = use_kit(serial_number)
    try:
        yield SessionKit(serial_number, radio, is_own, is_claimed=True)
    finally:
        use.release()


def take_spare(config: pytest.Config, board: "BoardType", gone: "Collection[str]") -> str | None:
    """Claim a kit that is free, for this process to test on from now on; its serial number.

    Nothing is waited for. None where there is none.

    Args:
        config: of this process.
        board: the board type.
        gone: serial numbers of kits that were of no use in this session.
    """
    from pytest_nrf_fota.errors import FotaError
    from pytest_nrf_fota.farm.claims import claim_kits
    from pytest_nrf_fota.farm.desk import quarantined_among

    if leased_kit(config) is not None:
        spare = lease_spare(config, board, gone)
        return spare.serial_number if spare is not None else None
    try:
        kits = [
            kit
            for kit in fitting_kits_of(config, board, choice_of(config))
            if kit.serial_number not in gone and (kit.platforms or not also_boards(config))
        ]
        if not kits:
            return None
        (claimed,) = claim_kits(kits, at_least=1, at_most=1, wait_s=0, set_aside=quarantined_among)
    except FotaError:
        return None
    config.add_cleanup(claimed.claim.release)
    config.stash[_spare_key] = claimed.kit
    return claimed.kit.serial_number


def power_of(config: pytest.Config, serial_number: str) -> "KitPower | None":
    """How a kit's power is switched; None where neither the map nor its place says so."""
    from pytest_nrf_fota.farm.desk import mapped_kits

    leased = leased_kit(config)
    if leased is not None and leased.serial_number == serial_number:
        return power_of_place(config, leased)
    for kit in mapped_kits(choice_of(config)) or ():
        if kit.serial_number == serial_number and kit.power is not None:
            return KitPower(str(kit.power), partial(_cycle, kit.power))
    return None


def _cycle(switch: "PowerSwitch") -> None:
    from pytest_nrf_fota.farm.power import cycle_power

    cycle_power(switch)


def attached_to(board: "BoardType") -> "Callable[[], Sequence[AttachedKit]]":
    """Lists the kits that are there for a board."""
    provider = provider_with_kits(board)
    assert provider is not None and provider.attached is not None
    look = provider.attached
    return lambda: look(board)


def kit_name(config: pytest.Config, board: "BoardType") -> str:
    """Of the board that this process has or is to take; empty where that is not decided yet."""
    from pytest_nrf_fota.report.session import worker_name

    if provider_with_kits(board) is None:
        return f"{board.name}-{worker_name()}"
    spare = config.stash.get(_spare_key, None)
    if spare is not None:
        return spare.serial_number
    leased = leased_kit(config)
    if leased is not None:
        return leased.serial_number
    seats = config.stash.get(_seats_key, None)
    own: str = getattr(config, "workerinput", {}).get(_SERIAL_NUMBER, "")
    return own or (seats.claimed[0].kit.serial_number if seats is not None else "")


def choice_of(config: pytest.Config) -> "KitChoice":
    """Which kits the options allow. Raises `InputError`."""
    from pytest_nrf_fota.farm.desk import KitChoice, read_tag

    return KitChoice(
        tuple(config.getoption("nrf_fota_device_id")),
        config.getoption("nrf_fota_hardware_map"),
        tuple(read_tag(text) for text in config.getoption("nrf_fota_board_tag")),
    )


def provider_with_kits(board: "BoardType") -> "Provider | None":
    """The board's provider, where a session has to claim one of its kits."""
    from pytest_nrf_fota.boards.traits import PROVIDERS_HOOK
    from pytest_nrf_fota.extensions import registered_one
    from pytest_nrf_fota.providers.provider import Provider

    provider = registered_one(PROVIDERS_HOOK, Provider, board.provider)
    return provider if provider.attached is not None else None


def _own_kit(config: pytest.Config, board: "BoardType") -> tuple[str, str]:
    """Serial number and radio: the worker's seat, the session's claim, or one claimed now."""
    spare = config.stash.get(_spare_key, None)
    if spare is not None:
        return spare.serial_number, spare.radio or ""
    given: dict[str, str] = getattr(config, "workerinput", {})
    if _SERIAL_NUMBER in given:
        return given[_SERIAL_NUMBER], given[_RADIO]
    seats = config.stash.get(_seats_key, None)
    if seats is None:
        seats = _claim(
            config, fitting_kits_of(config, board, choice_of(config)), at_least=1, at_most=1
        )
    kit = seats.claimed[0].kit
    return kit.serial_number, kit.radio or ""


def fitting_kits_of(
    config: pytest.Config, board: "BoardType", choice: "KitChoice"
) -> "tuple[Kit, ...]":
    """This host's kits that may be taken for a board. Raises `InputError`, `RigError`."""
    from pytest_nrf_fota.farm.desk import fitting_kits

    provider = provider_with_kits(board)
    assert provider is not None and provider.attached is not None
    return fitting_kits(board, choice, provider.attached(board))


def passed_over_of(config: pytest.Config, board: "BoardType") -> dict[str, str]:
    """Kits that the run might have had, and why it may not take them."""
    from pytest_nrf_fota.farm.desk import passed_over, quarantined_kits_of

    choice, attached = choice_of(config), attached_to(board)()
    aside = quarantined_kits_of(board, choice, attached)
    return {**passed_over(board, choice, attached), **{n: str(note) for n, note in aside.items()}}


def _claim(config: pytest.Config, kits: "tuple[Kit, ...]", *, at_least: int, at_most: int) -> Seats:
    from pytest_nrf_fota.farm.claims import claim_kits
    from pytest_nrf_fota.farm.desk import quarantined_among

    claimed = claim_kits(
        kits,
        at_least=at_least,
        at_most=at_most,
        wait_s=config.getoption("nrf_fota_wait_for_kit"),
        on_wait=partial(tell_of_waiting, config),
        set_aside=quarantined_among,
    )
    for one in claimed:
        config.add_cleanup(one.claim.release)
    seats = config.stash[_seats_key] = Seats(claimed, {})
    return seats


def _claim_mixed(config: pytest.Config, board: "BoardType", at_most: int) -> Seats:
    """Claim kits of all boards of this session, at least one of each.

    In the order of the boards' names: two sessions that each have what the other one waits for
    would both wait until their deadlines.
    """
    from pytest_nrf_fota.errors import InputError

    choice = choice_of(config)
    if choice.map_file is None:
        raise InputError(
            "Nobody says which kit is which board.",
            where="--also-board",
            next_step="Give a hardware map whose platforms do: --hardware-map=FILE",
        )
    boards = [board, *(other_board(config, name) for name in also_boards(config))]
    if any(provider_with_kits(one) is None for one in boards):
        raise _only_for_kits()
    claimed: list[ClaimedKit] = []
    names: dict[str, str] = {}
    for place, one in enumerate(sorted(boards, key=lambda board: board.name)):
        left = at_most - len(claimed) - (len(boards) - place - 1)
        if left < 1:
            raise InputError(
                f"{at_most} workers are too few for {len(boards)} boards.",
                where="--maxprocesses, --radio",
                next_step="Allow one worker for each board.",
            )
        kits = tuple(
            kit
            for kit in fitting_kits_of(config, one, choice)
            if kit.platforms and kit.serial_number not in names
        )
        if not kits:
            raise InputError(
                f"No kit is left for {one.name}.",
                where=f"{choice.map_file}: platform",
                next_step="Give each of the boards a kit of its own in the map.",
            )
        seats = _claim(config, kits, at_least=1, at_most=left)
        claimed += seats.claimed
        names |= {claim.kit.serial_number: one.name for claim in seats.claimed}
    order = {one.name: place for place, one in enumerate(boards)}
    claimed.sort(key=lambda claim: order[names[claim.kit.serial_number]])
    seats = config.stash[_seats_key] = Seats(tuple(claimed), names)
    return seats


def _only_for_kits() -> "InputError":
    from pytest_nrf_fota.errors import InputError

    return InputError(
        "Several boards in one run are kits on USB, and --board names the first.",
        where="--also-board",
        next_step="Leave it out, or start a run for each board.",
    )


def _will_run_tests(config: pytest.Config) -> bool:
    options = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan")
    return not any(config.getoption(name, False) for name in options)


def _runs_here(config: pytest.Config) -> bool:
    """Whether all workers run on this host; elsewhere each claims a kit of its own host."""
    specifications: list[str] = config.getoption("tx", None) or []
    return all(
        text.partition("*")[2].startswith("popen") or text.startswith("popen")
        for text in specifications
    )


def _radio_limit(config: pytest.Config) -> int:
    """How many workers the given radios serve: an HCI controller serves one."""
    from pytest_nrf_fota.smp.host_radio import HostBluetooth, host_radio

    radios = [host_radio(text) for text in config.getoption("nrf_fota_radio")]
    shared = any(isinstance(radio, HostBluetooth) for radio in radios)
    return len(radios) if radios and not shared else sys.maxsize
