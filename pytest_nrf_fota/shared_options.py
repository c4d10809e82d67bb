"""The options, and who has their names in this session.

Several are named as in Zephyr's twister_harness (Zephyr 3.5, scripts/pylib/pytest-twister-harness),
so both in one environment want the same names, and a project's conftest.py may well have a
`--board` or a `--nightly` of its own. argparse takes no name twice. So they are added last, when
all plugins and the first conftest.py files have added theirs, and a name that is taken is left to
its owner.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import pytest

DutScope: TypeAlias = Literal["function", "class", "module", "package", "session"]
GROUP = "nrf-fota"


@dataclass(frozen=True)
class SharedOption:
    """One option; where its first name is taken, it is `--` and its `dest` instead.

    Args:
        metavar: what stands for its value in the help; None makes it a flag, unless it has choices.
        convert: makes its value of the text that was given.
        is_repeatable: it makes a list.
    """

    names: tuple[str, ...]
    dest: str
    help: str
    metavar: str | None = None
    convert: Callable[[str], object] = str
    choices: tuple[str, ...] | None = None
    default: str | None = None
    is_repeatable: bool = False

    @property
    def own_name(self) -> str:
        """The name that nobody else has."""
        return f"--{self.dest.replace('_', '-')}"

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.metavar is None and self.choices is None

    def add_to(self, group: pytest.OptionGroup, names: Sequence[str]) -> None:
        """Add it under these names."""
        if self.is_flag:
            group.addoption(*names, dest=self.dest, help=self.help, action="store_true")
            return
        group.addoption(
            *names,
            dest=self.dest,
            help=self.help,
            metavar=self.metavar,
            type=self.convert,
            choices=self.choices,
            action="append" if self.is_repeatable else "store",
            default=[] if self.is_repeatable else self.default,
        )


def _seconds(text: str) -> float:
    """A time. Raises `ValueError`, of which argparse makes a usage error."""
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError
    return seconds


BOARD = SharedOption(
    names=("--board", "--platform"),
    dest="nrf_fota_board",
    metavar="NAME",
    help="board to test on: nrf5340dk, nrf5340dk_mcuboot, nrf52840dk; without hardware: "
    "nrf5340dk_sim, nrf5340dk_mcuboot_sim, nrf5340dk_sim_netcore, nrf52840dk_sim, "
    "qemu_cortex_m0, mps2_an385, native_sim, native_sim_shell, native_sim_udp; with "
    "your bootloaders executed: nrf5340dk_exec, nrf5340dk_mcuboot_exec, nrf52dk_exec; or a west "
    "platform such as nrf5340dk/nrf5340/cpuapp",
)
SHARED_OPTIONS = (
    BOARD,
    SharedOption(
        names=("--also-board",),
        dest="nrf_fota_also_board",
        metavar="NAME",
        is_repeatable=True,
        help="under xdist, another board to test on: each test runs once, on a board that has what "
        "it needs; its builds are --baseline=NAME=BUILD and --update=NAME=BUILD",
    ),
    SharedOption(
        names=("--device-id",),
        dest="nrf_fota_device_id",
        metavar="SERIAL",
        is_repeatable=True,
        help="J-Link serial number of a kit that may be used (repeatable; default: any free one)",
    ),
    SharedOption(
        names=("--hardware-map",),
        dest="nrf_fota_hardware_map",
        metavar="FILE",
        convert=Path,
        help="twister's hardware map of this host: which kits there are, and what they are",
    ),
    SharedOption(
        names=("--board-tag",),
        dest="nrf_fota_board_tag",
        metavar="NAME=VALUE",
        is_repeatable=True,
        help="only a kit that has this in the hardware map: a fixture `name:value`, or a key "
        "(repeatable; NAME alone takes any value)",
    ),
    SharedOption(
        names=("--wait-for-kit",),
        dest="nrf_fota_wait_for_kit",
        convert=_seconds,
        metavar="SECONDS",
        default="0",
        help="how long to wait for kits that others hold (default: 0, say at once who does)",
    ),
    SharedOption(
        names=("--console-port", "--device-serial"),
        dest="nrf_fota_console_port",
        metavar="PORT",
        help="the console of a kit where it is none of the probe's own serial ports: a device, or "
        "socket://HOST:PORT, rfc2217://HOST:PORT, hwgrep://REGEX (default: the board file's; else "
        "the port that shows the boot)",
    ),
    SharedOption(
        names=("--console-baudrate", "--device-serial-baud"),
        dest="nrf_fota_console_baudrate",
        convert=int,
        metavar="BAUD",
        help="its baud rate (default: the board file's)",
    ),
    SharedOption(
        names=("--runner",),
        dest="nrf_fota_runner",
        metavar="TOOL",
        help="tool for a kit's probe: nrfutil, nrfjprog, pynrfjprog, or one of another package "
        "(default: the board file's; auto takes the first that works)",
    ),
    SharedOption(
        names=("--flash-timeout",),
        dest="nrf_fota_flash_timeout",
        convert=float,
        metavar="SECONDS",
        help="longest time for recovering and programming (default: the board file's)",
    ),
    SharedOption(
        names=("--base-timeout",),
        dest="nrf_fota_base_timeout",
        convert=float,
        metavar="SECONDS",
        help="longest time for a boot (default: the board file's)",
    ),
    SharedOption(
        names=("--dut-scope",),
        dest="nrf_fota_dut_scope",
        choices=get_args(DutScope),
        default="function",
        help="how long the connections to the board (UART, SMP, SWD) stay open (default: function)",
    ),
    SharedOption(
        names=("--board-dir",),
        dest="nrf_fota_board_dir",
        metavar="DIR",
        convert=Path,
        is_repeatable=True,
        help="folder with your own board files (repeatable; before the packaged ones)",
    ),
    SharedOption(
        names=("--baseline",),
        dest="nrf_fota_baseline",
        metavar="BUILD",
        convert=Path,
        is_repeatable=True,
        help="firmware to start from: a west build folder, or hex files (repeat it for each core)",
    ),
    SharedOption(
        names=("--update",),
        dest="nrf_fota_update",
        metavar="BUILD",
        convert=Path,
        is_repeatable=True,
        help="what to upgrade to: a west build folder, dfu_application.zip, dfu_mcuboot.zip, or a "
        "signed .bin (repeatable)",
    ),
    SharedOption(
        names=("--nsib-key",),
        dest="nrf_fota_nsib_key",
        metavar="PEM",
        convert=Path,
        help="private key that --update is signed with for NSIB, to make variants of it",
    ),
    SharedOption(
        names=("--mcuboot-key",),
        dest="nrf_fota_mcuboot_key",
        metavar="PEM",
        convert=Path,
        help="private key that --update is signed with for MCUboot, to make variants of it",
    ),
    SharedOption(
        names=("--firmware-variant",),
        dest="nrf_fota_variant",
        metavar="NAME=FILE",
        is_repeatable=True,
        help="firmware that you built for tests that want it, such as app_hangs_in_boot=ZIP "
        "(repeatable)",
    ),
    SharedOption(
        names=("--nightly",),
        dest="nrf_fota_nightly",
        help="run tests with the marker `nightly`, too (-m nightly: them alone)",
    ),
    SharedOption(
        names=("--skip-flash",),
        dest="nrf_fota_skip_flash",
        help="do not flash a board that holds the baseline's bytes, regardless of the rest of the "
        "flash "
        "(without it, one that flashing would not change at all is not flashed either)",
    ),
    SharedOption(
        names=("--radio",),
        dest="nrf_fota_radio",
        metavar="RADIO",
        is_repeatable=True,
        help="how this host reaches boards on BLE: bleak (its own Bluetooth; the default for "
        "kits), bleak:hci1 (one of its adapters, on Linux), or bumble:usb:0, bumble:serial:PORT, "
        "bumble:tcp-client:HOST:PORT (an HCI controller; repeat it for each xdist worker)",
    ),
    SharedOption(
        names=("--run-dir",),
        dest="nrf_fota_run_dir",
        metavar="DIR",
        convert=Path,
        help="folder for logs and flight recorders (default: nrf_fota_runs/TIME-PID)",
    ),
    SharedOption(
        names=("--quarantine-suspects",),
        dest="nrf_fota_quarantine_suspects",
        help="set kits aside whose last three runs failed where other kits passed",
    ),
    SharedOption(
        names=("--timeline",),
        dest="nrf_fota_timeline",
        choices=("failed", "all", "none"),
        help="which tests get a time line, one HTML page in the test's folder (default: those that "
        "failed; ini: nrf_fota_timeline)",
    ),
    SharedOption(
        names=("--anonymise",),
        dest="nrf_fota_anonymise",
        help="in Allure, JUnit, pytest-html and JSON reports put pseudonyms for serial numbers of "
        "kits, Bluetooth addresses, host, user and folders; the run folder keeps them",
    ),
    SharedOption(
        names=("--farm",),
        dest="nrf_fota_farm",
        metavar="URL",
        help="lease the kits from a labgrid coordinator: labgrid://HOST:PORT, with tags that a "
        "place must have besides the board's as labgrid://HOST?host=lab1&rack=3",
    ),
    SharedOption(
        names=("--farm-python",),
        dest="nrf_fota_farm_python",
        metavar="PYTHON",
        convert=Path,
        help="Python that has labgrid (default: NRF_FOTA_FARM_PYTHON, this one, or that of "
        "labgrid-client)",
    ),
    SharedOption(
        names=("--no-preflight",),
        dest="nrf_fota_no_preflight",
        help="do not simulate each update on a copy of the board before it is sent",
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
    group = parser.getgroup(GROUP, "firmware upgrades on Nordic kits")
    taken = _taken([name for option in SHARED_OPTIONS for name in option.names], parser, args)
    left: list[LeftToOthers] = []
    for option in SHARED_OPTIONS:
        names = tuple(name for name in option.names if name not in taken)
        if option.names[0] not in names:
            names = (*names, option.own_name)
        left += [LeftToOthers(name, names[0]) for name in option.names if name not in names]
        option.add_to(group, names)
    return tuple(left)


def take_values_from_paths(paths: list[str], args: Sequence[str]) -> None:
    """Take from the test paths what is the value of one of these options.

    Until they are added, pytest takes `nrf5340dk_sim` of `--board nrf5340dk_sim` for a test path,
    and would look for the first conftest.py files there, not in its setting `testpaths`.
    """
    with_value = [option for option in SHARED_OPTIONS if not option.is_flag]
    names = {name for option in with_value for name in (*option.names, option.own_name)}
    for name, value in pairwise(args):
        if name in names and value in paths:
            paths.remove(value)


def _taken(names: Sequence[str], parser: pytest.Parser, args: Sequence[str]) -> set[str]:
    """Those that pytest knows already; it has no way to ask but to let it parse.

    All at once: each parsing costs a millisecond. One that fails does not say for which name.
    """
    trials = {f"{name}=x": name for name in names}
    try:
        _, unknown = parser.parse_known_and_unknown_args([*trials, *args])
    except (pytest.UsageError, argparse.ArgumentError):
        # One is known and of another type, or the command line is wrong and pytest will say so.
        return (
            set(names)
            if len(names) == 1
            else set().union(*(_taken([name], parser, args) for name in names))
        )
    return {name for trial, name in trials.items() if trial not in unknown}
