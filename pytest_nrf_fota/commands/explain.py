"""nrf-fota explain."""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.explain.case import Case
    from pytest_nrf_fota.explain.explanation import Explanation
    from pytest_nrf_fota.firmware.dfu_package import DfuPackage

_BLOCK_BYTES = 256 * 1024
_DEFAULT_BOARD = "nrf5340dk"


def explain(
    log: Annotated[
        Path,
        typer.Argument(
            help="UART log of the board, the folder of a run or of one test, its recorder.jsonl, "
            "or - for stdin"
        ),
    ],
    smp: Annotated[
        Path | None,
        typer.Option(
            help="what the client printed (smpmgr, mcumgr, nrfutil, phone app), "
            "or a test's recorder.jsonl"
        ),
    ] = None,
    package: Annotated[
        Path | None, typer.Option(help="the DFU zip that was sent", metavar="ZIP")
    ] = None,
    board: Annotated[
        str,
        typer.Option(help="board type: its flash, addresses and slots are used"),
    ] = _DEFAULT_BOARD,
    board_dir: Annotated[
        list[Path] | None, typer.Option(help="folder with your own board files (repeatable)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    version: VersionOption = False,
) -> None:
    """Show whether an upgrade happened in a log, why not, and what to do.

    Exit codes: 0 the upgrade happened or none was attempted, and nothing is
    wrong; 1 a cause was found, or the upgrade did not happen; 2 an input cannot
    be used; 3 not enough evidence. Of a run: 1 where one of its tests has 1,
    else 3 where one has 3.
    """
    from pytest_nrf_fota.explain.explanation import explain as explain_case
    from pytest_nrf_fota.explain.given_log import tests_in

    with refusing():
        board_type, opened = _board_and_package(board, board_dir or (), package)
        tests = tests_in(log)
        if tests:
            raise typer.Exit(_explain_run(tests, smp, opened, board_type, as_json=as_json))
        explanation = explain_case(_case(log, smp, opened), board=board_type)
    if as_json:
        typer.echo(explanation.to_json())
    else:
        _print_text(explanation)
    raise typer.Exit(explanation.status.value)


def _board_and_package(
    board: str, board_dir: "Sequence[Path]", package: Path | None
) -> "tuple[BoardType | None, DfuPackage | None]":
    if board == _DEFAULT_BOARD and not board_dir and package is None:
        # Remedies name its values without a board, and a log alone is read without pydantic.
        return None, None
    from pytest_nrf_fota.boards.board_file import load_board
    from pytest_nrf_fota.firmware.dfu_package import package_target, read_package

    board_type = load_board(board, tuple(board_dir))
    return board_type, read_package(package, package_target(board_type)) if package else None


def _explain_run(
    tests: "Sequence[Path]",
    smp: Path | None,
    package: "DfuPackage | None",
    board: "BoardType | None",
    *,
    as_json: bool,
) -> int:
    """Explain one test after the other; returns the exit code of all."""
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.explain.explanation import Status
    from pytest_nrf_fota.explain.explanation import explain as explain_case

    if smp is not None:
        raise InputError(
            "One client's log cannot belong to all tests of a run.",
            where="--smp",
            next_step=f"Give the folder of one test, such as {tests[0]}.",
        )
    seen: set[Status] = set()
    values: list[dict[str, object]] = []
    for test in tests:
        try:
            explanation = explain_case(_case(test, None, package), board=board)
        except InputError as error:
            # What is wrong with one folder says nothing about the others.
            values.append({"test": test.name, "error": error.what})
            if not as_json:
                typer.echo(f"{test.name}: {error.what}\n")
            continue
        seen.add(explanation.status)
        values.append({"test": test.name, **json.loads(explanation.to_json())})
        if as_json:
            continue
        if explanation.status is Status.CAUSE_FOUND:
            typer.echo(f"{test.name}:")
            _print_text(explanation)
            typer.echo()
        else:
            typer.echo(f"{test.name}: {explanation.answer}\n")
    if as_json:
        typer.echo(json.dumps(values, indent=2))
    worst_first = (Status.CAUSE_FOUND, Status.NOT_ENOUGH_EVIDENCE, Status.FINE)
    return next((status.value for status in worst_first if status in seen), 2)


def _print_text(explanation: "Explanation") -> None:
    from pytest_nrf_fota.explain.text import explanation_text

    width = max(40, shutil.get_terminal_size((80, 24)).columns)
    for line in explanation_text(explanation, width):
        typer.echo(line)


def _case(log: Path, smp: Path | None, package: "DfuPackage | None") -> "Case":
    from dataclasses import replace

    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.explain.case import blocks_of, case_of, case_of_recording, is_recording
    from pytest_nrf_fota.explain.given_log import logs_in, refuse_firmware, refuse_firmware_file

    if log.is_dir():
        log, recording = logs_in(log)
        smp = smp or recording
    if smp is not None:
        refuse_firmware_file(smp)
    if str(log) == "-":
        if isinstance(sys.stdin.buffer, BufferedReader):
            refuse_firmware(sys.stdin.buffer.peek(), "standard input")
        case = case_of(_standard_input(), client=smp, package=package)
    elif is_recording(log):
        case = replace(case_of_recording(log), package=package)
    else:
        refuse_firmware_file(log)
        case = case_of(blocks_of(log), client=smp, package=package)
    boots = case.boots
    if not boots.size_bytes and smp is None and not case.has_client:
        raise InputError(
            "The log is empty.",
            where=str(log),
            next_step="Capture the application core's UART (115200 8N1) while the board is reset.",
        )
    if (boots.is_binary or not case.has_text) and not boots.boots and not case.has_client:
        raise InputError(
            "Most of the log is no text.",
            where=str(log),
            next_step="Is it a UART log, captured at the board's baud rate (115200 8N1)?",
        )
    return case


def _standard_input() -> Iterator[bytes]:
    while data := sys.stdin.buffer.read(_BLOCK_BYTES):
        yield data
