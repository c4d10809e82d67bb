"""nrf-fota upgrade."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import print_error, refusing
from pytest_nrf_fota.commands.version import VersionOption
from pytest_nrf_fota.field_upgrade.modes import Mode, SSlot

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.field_upgrade.options import UpgradeOptions, Way
    from pytest_nrf_fota.field_upgrade.run import End
    from pytest_nrf_fota.firmware.dfu_package import DfuPackage
    from pytest_nrf_fota.firmware.hex_file import Segment
    from pytest_nrf_fota.record.recorder import FlightRecorder

_INTERRUPTED = 130
_INTERRUPTED_LATE = """\
interrupted; all of the update was sent, and the board goes on alone with what is pending
  next:  Let it boot, then look with --dry-run. A test image has to be confirmed, or the next
         reset reverts it; what is still pending needs a reset."""
_FIRST_AFTER_S = 0.5
_REDRAW_S = 0.2


def upgrade(
    update: Annotated[
        Path,
        typer.Argument(
            metavar="PACKAGE", help="DFU .zip, signed .bin, or west build folder with one of them"
        ),
    ],
    ble: Annotated[
        str | None, typer.Option(metavar="NAME", help="the board's advertised name, or its address")
    ] = None,
    port: Annotated[
        str | None,
        # typer takes a metavar that is the parameter's name for the option's.
        typer.Option("--port", metavar="PORT", help="serial port on which the board serves SMP"),
    ] = None,
    udp: Annotated[
        str | None, typer.Option(metavar="HOST", help="host that serves SMP over UDP (port 1337)")
    ] = None,
    radio: Annotated[
        str | None, typer.Option(help="this host's radio for --ble, as for pytest --radio")
    ] = None,
    console: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="the board's log: shows what boots, and proves it"),
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="what becomes of an application after its first boot")
    ] = Mode.TEST_AND_CONFIRM,
    running_slot: Annotated[
        SSlot | None,
        typer.Option(help="which S0/S1 slot runs, for a bootloader, where no console shows it"),
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="BUILD",
            help="what the board was flashed with, build folder or hex files: no update that "
            "cannot run on it is sent",
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="board type")] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="look at the board, and say what would be done")
    ] = False,
    version: VersionOption = False,
) -> None:
    """Upgrade a board over the air as a phone does, with the checks that a phone lacks.

    Without a probe. It looks at what runs and at what is pending, sends the file for
    the right slot, goes on where an upload was interrupted, sets it pending, resets,
    watches what comes up, and confirms it.

    Exit codes: 0 it runs; 1 it does not, or the board refused; 2 an input cannot be
    used, or the board is not there; 3 it was sent, and nothing shows what runs; 130
    interrupted (in the middle of an upload: the same command goes on).
    """
    with refusing():
        way = _way(ble, port, udp, radio)
        given = _read(update, baseline or [], board, tuple(board_dir or ()))
        name = f"upgrade-{datetime.now():%Y%m%d-%H%M%S-%f}"
        folder = Path("nrf_fota_runs") / name
        from pytest_nrf_fota.field_upgrade.options import UpgradeOptions

        options = UpgradeOptions(way, mode, console, running_slot, dry_run, folder)
        raise typer.Exit(_upgrade(options, given))


@dataclass(frozen=True)
class _Given:
    """The board as its build made it, what is sent, and the baseline's memory."""

    board: "BoardType"
    package: "DfuPackage"
    baseline: "tuple[Segment, ...] | None"
    ncs_is_guess: bool = False


def _way(ble: str | None, port: str | None, udp: str | None, radio: str | None) -> "Way":
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.field_upgrade.options import OverBle, OverPort, OverUdp
    from pytest_nrf_fota.smp.host_radio import host_radio

    ways: list[Way] = []
    if ble is not None:
        ways.append(OverBle(ble, host_radio(radio) if radio else None))
    if port is not None:
        ways.append(OverPort(port))
    if udp is not None:
        ways.append(OverUdp(udp))
    if len(ways) != 1:
        raise InputError(
            f"A board is reached in one way; {len(ways) or 'none'} given.",
            where="--ble, --port, --udp",
            next_step="Give one of them: --ble=NAME, --port=/dev/ttyACM0, --udp=HOST.",
        )
    if radio is not None and ble is None:
        raise InputError(
            "A radio is for a board on BLE.", where="--radio", next_step="Leave it out."
        )
    return ways[0]


def _read(update: Path, baseline: list[Path], name: str, folders: tuple[Path, ...]) -> _Given:
    """Read all that was given. Raises `InputError`, `PackageError`."""
    from pytest_nrf_fota.boards.board_file import load_board, own_settings
    from pytest_nrf_fota.builds.given import board_of_build, read_baseline, read_updates
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
    from pytest_nrf_fota.sim.process import temporary_folder

    board, own = load_board(name, folders), own_settings(name, folders)
    with temporary_folder() as folder:
        if baseline:
            read = read_baseline(board, own, baseline, folder)
            board = read.board
        else:
            read = None
            board = board_of_build(board, own, update)
        updates = read_updates(board, [update], folder / "given")
        if len(updates.given) != 1:
            raise InputError(
                f"One update at a time: {update} has {len(updates.given)}.",
                where=", ".join(str(path) for path in updates.picked),
                next_step="Give one of these files.",
            )
        ((path, given),) = updates.given.items()
        package = read_package(path, package_target(board))
    from dataclasses import replace

    package = replace(package, path=given)
    if read is None:
        return _Given(board, package, None)
    return _Given(board, package, read.segments, ncs_is_guess=not read.tells_release)


def _upgrade(options: "UpgradeOptions", given: _Given) -> int:
    """Do it; returns the exit code."""
    from pytest_nrf_fota.errors import BoardError, NotSeenError
    from pytest_nrf_fota.field_upgrade.run import InterruptedLateError, NotThereError
    from pytest_nrf_fota.record.recorder import FlightRecorder
    from pytest_nrf_fota.record.run import installed_versions, whose_machine

    if not _is_worth_sending(given):
        return 1
    # Libraries say there what is a line of its own here: a connection that ends with the reset.
    logging.getLogger().addHandler(logging.NullHandler())
    recorder = FlightRecorder()
    title = f"nrf-fota upgrade {given.package.path.name}"
    recorder.open(
        options.folder / "recorder.jsonl",
        title,
        installed_versions(),
        whose_machine(),
        uart_log=options.folder / "uart.log",
    )
    try:
        with _steps_shown(recorder):
            end = _run(options, given, recorder)
    except InterruptedLateError:
        typer.echo(_INTERRUPTED_LATE, err=True)
        typer.echo(f"logs       {options.folder}", err=True)
        return _INTERRUPTED
    except KeyboardInterrupt:
        typer.echo(
            "interrupted; the board keeps what it has, and the same command goes on", err=True
        )
        return _INTERRUPTED
    except NotThereError as error:
        print_error(error)
        return 2
    except (BoardError, NotSeenError) as error:
        print_error(error)
        typer.echo(f"logs       {options.folder}", err=True)
        return 1
    finally:
        recorder.close()
    typer.echo(f"logs       {options.folder}")
    if end.value:
        typer.echo(f"           nrf-fota explain {options.folder}")
    return end.value


def _run(options: "UpgradeOptions", given: _Given, recorder: "FlightRecorder") -> "End":
    from pytest_nrf_fota.field_upgrade.link import open_link
    from pytest_nrf_fota.field_upgrade.run import FieldUpgrade
    from pytest_nrf_fota.firmware.hex_file import memory_reader
    from pytest_nrf_fota.inspection.printable_text import printable_text

    read = None if given.baseline is None else memory_reader(given.baseline)

    def say(line: str) -> None:
        typer.echo(printable_text(line))

    with open_link(options, given.board, recorder) as link:
        return FieldUpgrade(link, recorder, given.package, options, read, say).run()


def _is_worth_sending(given: _Given) -> bool:
    """What a preflight says, where there is a baseline; without one everything is sent."""
    if given.baseline is None:
        return True
    from pytest_nrf_fota.preflight.board_state import has_preflight
    from pytest_nrf_fota.preflight.not_predictable import why_not_predictable
    from pytest_nrf_fota.preflight.prediction import predict

    why_not = why_not_predictable(given.package)
    if why_not or not has_preflight(given.board):
        typer.echo(f"preflight  none: {why_not or 'this board has no copy'}")
        return True
    prediction = predict(
        given.board, given.baseline, given.package, ncs_is_guess=given.ncs_is_guess
    )
    if prediction.will_upgrade:
        typer.echo("preflight  YES: it will run on a board that is as the baseline")
        return True
    typer.echo(f"preflight  NO: {prediction.reason}", err=True)
    typer.echo(f"  next:  {prediction.remedy or 'nrf-fota preflight shows more.'}", err=True)
    typer.echo("  Nothing was sent. Without --baseline it is sent all the same.", err=True)
    return False


@contextmanager
def _steps_shown(recorder: "FlightRecorder") -> Iterator[None]:
    """Show long steps: as live lines on a terminal, else as a line now and then."""
    from pytest_nrf_fota.progress.plain_lines import PLAIN_INTERVAL_S, PlainLines
    from pytest_nrf_fota.progress.running_steps import RunningSteps

    if sys.stdout.isatty():
        from pytest_nrf_fota.progress.live_lines import LiveLines

        screen = LiveLines(sys.stdout)
        watcher = RunningSteps(screen, first_after_s=_FIRST_AFTER_S, interval_s=_REDRAW_S)
    else:
        watcher = RunningSteps(
            PlainLines(typer.echo), first_after_s=PLAIN_INTERVAL_S, interval_s=PLAIN_INTERVAL_S
        )
    recorder.watchers.append(watcher)
    try:
        yield
    finally:
        watcher.close()
