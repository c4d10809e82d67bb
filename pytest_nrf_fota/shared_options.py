"""Options that other harnesses have, too, and who has them in this session.

They are named as in Zephyr's twister_harness (Zephyr 3.5, scripts/pylib/pytest-twister-harness),
so both in one environment want the same names, and a project's conftest.py may well have a
`--board` of its own. argparse takes no name twice. So these are added last, when all plugins and
the first conftest.py files have added theirs, and a name that is taken is left to its owner.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

import pytest

DutScope: TypeAlias = Literal["function", "class", "module", "package", "session"]
GROUP = "nrf-fota"


@dataclass(frozen=True)
class SharedOption:
    """One option; where its first name is taken, it is `--` and its `dest` instead."""

    names: tuple[str, ...]
    dest: str
    help: str
    metavar: str | None = None
    is_number: bool = False
    choices: tuple[str, ...] | None = None
    default: str | None = None

    @property
    def own_name(self) -> str:
        """The name that nobody else has."""
        return f"--{self.dest.replace('_', '-')}"


BOARD = SharedOption(
    names=("--board", "--platform"),
    dest="nrf_fota_board",
    metavar="NAME",
    help="board to test on: nrf5340dk, nrf5340dk_mcuboot, nrf52840dk; without hardware: "
    "nrf5340dk_sim, nrf5340dk_mcuboot_sim, nrf5340dk_sim_netcore, nrf52840dk_sim, "
    "qemu_cortex_m0, mps2_an385, native_sim, native_sim_shell, native_sim_udp; or a west "
    "platform such as nrf5340dk/nrf5340/cpuapp",
)
SHARED_OPTIONS = (
    BOARD,
    SharedOption(
        names=("--device-id",),
        dest="nrf_fota_device_id",
        metavar="SERIAL",
        help="J-Link serial number of the kit to use",
    ),
    SharedOption(
        names=("--runner",),
        dest="nrf_fota_runner",
        choices=("auto", "nrfutil", "nrfjprog", "pynrfjprog"),
        help="tool for a kit's probe (default: the board file's; auto takes the first that works)",
    ),
    SharedOption(
        names=("--flash-timeout",),
        dest="nrf_fota_flash_timeout",
        is_number=True,
        metavar="SECONDS",
        help="longest time for recovering and programming (default: the board file's)",
    ),
    SharedOption(
        names=("--base-timeout",),
        dest="nrf_fota_base_timeout",
        is_number=True,
        metavar="SECONDS",
        help="longest time for a boot (default: the board file's)",
    ),
    SharedOption(
        names=("--dut-scope",),
        dest="nrf_fota_dut_scope",
        choices=get_args(DutScope),
        default="function",
        help="how long the wires to the board stay open (default: function)",
    ),
)


@dataclass(frozen=True)
class LeftToOthers:
    """A name that another plugin has, and what this one's option is called here."""

    name: str
    instead: str


def add_shared_options(parser: pytest.Parser, args: Sequence[str]) -> tuple[LeftToOthers, ...]:
    """Add the options under those of their names that are free.

    Args:
        parser: pytest's, with all other options.
        args: the command line.
    """
    group = parser.getgroup(GROUP)
    left: list[LeftToOthers] = []
    for option in SHARED_OPTIONS:
        names = tuple(name for name in option.names if _is_free(parser, name, args))
        if option.names[0] not in names:
            names = (*names, option.own_name)
        left += [LeftToOthers(name, names[0]) for name in option.names if name not in names]
        group.addoption(
            *names,
            dest=option.dest,
            help=option.help,
            metavar=option.metavar,
            type=float if option.is_number else None,
            choices=option.choices,
            default=option.default,
        )
    return tuple(left)


def take_values_from_paths(paths: list[str], args: Sequence[str]) -> None:
    """Take from the test paths what is the value of one of these options.

    Until they are added, pytest takes `nrf5340dk_sim` of `--board nrf5340dk_sim` for a test path,
    and would look for the first conftest.py files there, not in its setting `testpaths`.
    """
    names = {name for option in SHARED_OPTIONS for name in (*option.names, option.own_name)}
    for name, value in pairwise(args):
        if name in names and value in paths:
            paths.remove(value)


def _is_free(parser: pytest.Parser, name: str, args: Sequence[str]) -> bool:
    """Whether pytest does not know the option; it has no way to ask but to let it parse."""
    trial = f"{name}=x"
    try:
        _, unknown = parser.parse_known_and_unknown_args([trial, *args])
    except (pytest.UsageError, argparse.ArgumentError):
        # Known and of another type, or the command line is wrong and pytest will say so.
        return False
    return trial in unknown
