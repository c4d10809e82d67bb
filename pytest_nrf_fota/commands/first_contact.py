"""nrf-fota first-contact."""

import logging
import sys
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.first_contact.bench import Bench
    from pytest_nrf_fota.first_contact.step import Done, Step

_INTERRUPTED = 130


def first_contact(
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="BUILD",
            help="what the kit shall run: west build folder or hex files (repeatable; the virtual "
            "kit has a firmware of its own)",
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="board type")] = "nrf5340dk",
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    device_id: Annotated[
        str | None, typer.Option(metavar="SERIAL", help="the kit, by its J-Link serial number")
    ] = None,
    runner: Annotated[
        str | None,
        typer.Option(help="only this tool for the kit's probe (default: all that work)"),
    ] = None,
    console_port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="the kit's console, as for pytest --console-port"),
    ] = None,
    console_baudrate: Annotated[
        int | None, typer.Option(metavar="BAUD", help="its baud rate (default: the board file's)")
    ] = None,
    radio: Annotated[
        str | None, typer.Option(help="this host's radio, as for pytest --radio")
    ] = None,
    flash_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="for one call of the probe's tool")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="ZIP", help="recording to write (default: first-contact-TIME.zip)"),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="agree to all that erases; ask nothing")
    ] = False,
    version: VersionOption = False,
) -> None:
    """Try on a kit what this package takes for granted, and record all of it.

    About ten minutes: tools, ports, recovery, programming, resets, reads, radio, erasing.
    It asks before it erases. What it leaves on the kit is the baseline. The recording
    can be sent: names of people, hosts, kits and folders are replaced in it.

    Exit codes: 0 all held; 1 something did not hold or failed; 2 bad input, or nobody
    could be asked; 130 interrupted. But for bad input there is always a recording.
    """
    from pytest_nrf_fota.boards.board_file import load_board
    from pytest_nrf_fota.commands.printer import print_through_rich
    from pytest_nrf_fota.doctor.requirements import Options, require_fitting
    from pytest_nrf_fota.farm.one_kit import kit_alone
    from pytest_nrf_fota.first_contact.bench import Bench
    from pytest_nrf_fota.first_contact.run import STEPS, make_contact
    from pytest_nrf_fota.first_contact.table import print_contact
    from pytest_nrf_fota.probe.choose import given_tool
    from pytest_nrf_fota.record.recorder import FlightRecorder
    from pytest_nrf_fota.record.run import installed_versions, whose_machine
    from pytest_nrf_fota.recordings.pack import pack_recording
    from pytest_nrf_fota.smp.host_radio import host_radio

    name = f"first-contact-{datetime.now():%Y%m%d-%H%M%S}"
    with refusing(), ExitStack() as held:
        run = Path("nrf_fota_runs") / name
        packed_to = output or Path(f"{name}.zip")
        _require_new(packed_to)
        tool = given_tool(runner)
        host = host_radio(radio) if radio else None
        board_type = load_board(board, tuple(board_dir or ())).with_runner(tool)
        _require_kit(board_type)
        options = Options(
            device_id, tool, host, console_port=console_port, console_baudrate=console_baudrate
        )
        require_fitting(board_type, options)
        board_type = board_type.with_timeouts(probe_s=flash_timeout, boot_s=None)
        board_type = board_type.with_console(port=console_port, baudrate=console_baudrate)
        fitted, hex_file = _baseline(board_type, baseline, board_dir, run / "firmware")
        if fitted.provided_by.has_probe_tool:
            held.enter_context(kit_alone(device_id))
        # Libraries say there what a step tells in its own words.
        logging.getLogger().addHandler(logging.NullHandler())
        recorder = FlightRecorder()
        folder = run / "first-contact"
        title = f"first contact with {fitted.name}"
        recorder.open(folder / "recorder.jsonl", title, installed_versions(), whose_machine())
        bench = Bench(fitted, hex_file, folder, recorder, device_id, host)
        try:
            contact = make_contact(
                bench,
                agrees=partial(_agrees, bench, is_agreed=yes),
                begins=partial(_say_begin, count=len(STEPS)),
                ended=_say_end,
            )
        finally:
            # Also where it broke: what was found so far is worth sending.
            bench.close()
            recorder.close()
            packed = pack_recording(run, packed_to, title)
    typer.echo()
    print_through_rich(partial(print_contact, contact))
    typer.echo(f"recording: {packed.path} (it holds what was read of the kit's memory)")
    typer.echo(f"logs:      {run}")
    interrupted = "interrupted" in contact.ended_early
    code = 0 if contact.all_held else _INTERRUPTED if interrupted else 1
    raise typer.Exit(2 if contact.ended_early and not interrupted else code)


def _require_kit(board: "BoardType") -> None:
    from pytest_nrf_fota.errors import InputError

    if not board.provided_by.is_kit:
        raise InputError(
            f"{board.name} is no kit.",
            where="--board",
            next_step="Give a kit's board, such as nrf5340dk, or the virtual kit nrf5340dk_sim.",
        )


def _require_new(path: Path) -> None:
    from pytest_nrf_fota.errors import InputError

    if path.exists():
        raise InputError(
            "There is such a file already.", where=str(path), next_step="Name another: --output."
        )


def _baseline(
    board: "BoardType", given: list[Path] | None, board_dir: list[Path] | None, folder: Path
) -> "tuple[BoardType, Path]":
    from pytest_nrf_fota.artifacts.demo import DemoSource
    from pytest_nrf_fota.boards.board_file import own_settings
    from pytest_nrf_fota.builds.given import read_baseline
    from pytest_nrf_fota.errors import InputError

    if not given and board.firmware.source == "demo":
        given = [DemoSource(board, folder).baseline]
    if not given:
        raise InputError(
            "There is nothing that the kit shall run.",
            where="--baseline",
            next_step="Give your build, or its hex file: --baseline=build/",
        )
    own = own_settings(board.name, tuple(board_dir or ()))
    baseline = read_baseline(board, own, given, folder)
    return baseline.board, baseline.hex_file


def _agrees(bench: "Bench", step: "Step", *, is_agreed: bool) -> bool:
    from pytest_nrf_fota.first_contact.run import NobodyToAskError

    bench.require_probe()
    if is_agreed:
        return True
    if not sys.stdin.isatty():
        raise NobodyToAskError
    try:
        return typer.confirm("    Go on?")
    except typer.Abort as error:
        raise KeyboardInterrupt from error


def _say_begin(number: int, step: "Step", *, count: int) -> None:
    typer.echo(f"{number:2}/{count} {step.name}: {step.does}")


def _say_end(done: "Done") -> None:
    typer.echo(f"      {done.found.result.value}, {done.duration_s:.1f} s")
