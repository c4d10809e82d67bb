"""Draw the cases of a campaign: the same seed and number give the same case."""

from random import Random

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.campaign.case import ArmedFault, Case, Fault, Package, Stage, State, Step

BOARDS = ("nrf5340dk_sim", "nrf5340dk_mcuboot_sim", "nrf52840dk_sim", "nrf5340dk_sim_netcore")
"""The board types that have a virtual kit."""

_WITH_NSIB = ("nrf5340dk_sim", "nrf5340dk_sim_netcore")
_WITH_NETWORK_SLOTS = "nrf5340dk_sim_netcore"
# MCUboot under NSIB knows slots of the network core from 2.6 on.
_NO_NETWORK_SLOTS = "2.3"
_PLAIN_SHARE = 0.3
_RIGHT_STEPS = (Step.UPLOAD, Step.SET_PENDING, Step.RESET, Step.FURTHER_RESETS)
_BOOTLOADER_STATES = (State.S1_INVALIDATED, State.S1_RUNS)
_APP_STATES = tuple(state for state in State if state not in _BOOTLOADER_STATES)
_MOST_OPERATIONS = 400


def draw_case(seed: int, number: int) -> Case:
    """Case `number` of the campaign with this seed."""
    random = Random(f"{seed}/{number}")
    board = random.choice(BOARDS)
    releases = [ncs for ncs in RELEASES if board != _WITH_NETWORK_SLOTS or ncs != _NO_NETWORK_SLOTS]
    ncs = random.choice(releases)
    package = _package(random, board)
    if random.random() < _PLAIN_SHARE:
        return Case(
            seed, number, board, ncs, package=package, silent=_silent(random, board, package)
        )
    state = _state(random, board)
    steps = _steps(random, package)
    return Case(
        seed,
        number,
        board,
        ncs,
        state,
        package,
        steps,
        _fault(random, steps),
        _silent(random, board, package),
        random.choice((0, 0, 0, 0, 0, 0, 10, 50)),
    )


def _package(random: Random, board: str) -> Package:
    fitting = [
        package
        for package in Package
        if (board in _WITH_NSIB or not package.is_bootloader)
        and (board == _WITH_NETWORK_SLOTS or not package.has_network_core)
    ]
    good = (Package.APP, Package.MCUBOOT, Package.APP_AND_NETWORK)
    often = [package for package in good if package in fitting]
    return random.choice(often) if random.random() < 0.5 else random.choice(fitting)


def _state(random: Random, board: str) -> State:
    if random.random() < 0.4:
        return State.CLEAN
    return random.choice(tuple(State) if board in _WITH_NSIB else _APP_STATES)


def _steps(random: Random, package: Package) -> tuple[Step, ...]:
    """The right steps, in most cases one of them left out, doubled, or another one between."""
    steps = list(_RIGHT_STEPS)
    match random.randrange(7):
        case 0:
            del steps[random.randrange(len(steps))]
        case 1:
            place = random.randrange(len(steps))
            steps.insert(place, steps[place])
        case 2:
            steps.append(Step.ONE_MORE_RESET)
        case 3:
            other = random.choice((Step.SECOND_WRITER, Step.OTHER_UPGRADE))
            steps.insert(random.randrange(1, 3), other)
        case 4 if package.is_bootloader:
            # Instead of the right file, or after it.
            steps.insert(1, Step.UPLOAD_OTHER_SLOT)
            del steps[0 : random.randrange(2)]
        case _:
            pass
    return tuple(steps)


def _fault(random: Random, steps: tuple[Step, ...]) -> ArmedFault:
    if random.random() < 0.5:
        return ArmedFault()
    kind = random.choice([fault for fault in Fault if fault is not Fault.NONE])
    uploads = [n for n, step in enumerate(steps) if step is Step.UPLOAD]
    match kind:
        case Fault.CONNECTION_LOST | Fault.RESET_IN_UPLOAD:
            if not uploads:
                return ArmedFault()
            return ArmedFault(kind, random.choice(uploads), random.randrange(1, 990))
        case Fault.RESET_AT_ERASE:
            return ArmedFault(kind, len(steps) - 1, random.randrange(1, 40))
        case _:
            return ArmedFault(
                kind, random.randrange(len(steps)), random.randrange(1, _MOST_OPERATIONS)
            )


def _silent(random: Random, board: str, package: Package) -> tuple[Stage, ...]:
    if random.random() < 0.75:
        return ()
    # Without NSIB's lines nobody knows which of two files an update of MCUboot needs.
    nsib = board in _WITH_NSIB and not package.is_bootloader
    choices = [(Stage.MCUBOOT,)] + ([(Stage.NSIB,), (Stage.NSIB, Stage.MCUBOOT)] if nsib else [])
    return random.choice(choices)
