"""nrf-fota recording."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def recording(
    run: Annotated[
        Path,
        typer.Argument(help="folder of a run (nrf_fota_runs/RUN), or of one of its tests"),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="ZIP", help="file to write (default: RUN.recording.zip, here)"),
    ] = None,
    note: Annotated[str, typer.Option(help="what it shows, in a sentence")] = "",
    version: VersionOption = False,
) -> None:
    """Pack a run into one zip that can be sent with a bug report, and replayed.

    Names of people, hosts, kits and folders are replaced. Memory that was read from
    the board is in it: what you flashed, as far as it was read back.

    Exit codes: 0 written; 2 there is nothing to pack, or an input cannot be used.
    """
    from pytest_nrf_fota.recordings.pack import pack_recording

    with refusing():
        name = f"{run.resolve().name}.recording.zip"
        packed = pack_recording(run, output or Path(name), note)
    size_kb = packed.path.stat().st_size / 1000
    typer.echo(f"{packed.path} ({size_kb:.0f} kB)")
    for title in packed.parts:
        typer.echo(f"  {title}")
    counts = ", ".join(f"{what}: {count}" for what, count in packed.replaced) or "nothing"
    typer.echo(f"Replaced: {counts}. It holds what was read from the board's memory.")
