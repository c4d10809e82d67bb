"""nrf-fota quarantine."""

from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

QUARANTINE = "Set kits of this host aside, so that no run takes them, and let them be taken again."

quarantine = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@quarantine.callback(help=QUARANTINE)
def _quarantine(version: VersionOption = False) -> None:
    """See `QUARANTINE`, which is what the help shows."""


@quarantine.command("add")
def add(
    kit: Annotated[str, typer.Argument(help="J-Link serial number, or a place of the farm")],
    reason: Annotated[str, typer.Option(help="what is wrong with it, for the others")],
) -> None:
    """Set a kit aside; for one that is, the reason is replaced."""
    from pytest_nrf_fota.farm.quarantine import set_aside_by_hand
    from pytest_nrf_fota.inspection.printable_text import printable_text

    with refusing():
        done = set_aside_by_hand(kit, reason)
    typer.echo(printable_text(f"{done.note.kit}: {done.note}"))
    if done.before is not None:
        typer.echo(printable_text(f"The reason replaces the one before: {done.before}"))
    doubt = _doubt(done.note.kit)
    if doubt:
        typer.echo(printable_text(doubt), err=True)


def _doubt(kit: str) -> str:
    """What may be wrong with the name that was given; empty where nothing is."""
    from pytest_nrf_fota.doctor.host import this_host
    from pytest_nrf_fota.doctor.usb import is_attached
    from pytest_nrf_fota.farm.quarantine import clearing_command

    if not kit.isdecimal():
        return (
            f"{kit!r} is no serial number, so it is taken for a place's name: it holds for runs "
            f"with --farm. Where it is mistyped: {clearing_command([kit])}"
        )
    if is_attached(this_host(), kit):
        return ""
    return (
        f"No kit with this number is attached here. Where it is mistyped: {clearing_command([kit])}"
    )


@quarantine.command("clear")
def clear(
    kits: Annotated[list[str], typer.Argument(help="J-Link serial numbers, or places")],
) -> None:
    """Let kits be taken again. Exit code 1 where one of them was not set aside."""
    from pytest_nrf_fota.farm.quarantine import clear_quarantine
    from pytest_nrf_fota.inspection.printable_text import printable_text

    with refusing():
        were = {kit: clear_quarantine(kit) for kit in kits}
    for kit, was in were.items():
        typer.echo(printable_text(f"{kit}: {'may be taken again' if was else 'not quarantined'}"))
    if not all(were.values()):
        raise typer.Exit(1)


@quarantine.command("list")
def list_kits(
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """List the kits that are set aside: since when, by whom, why."""
    from pydantic import TypeAdapter

    from pytest_nrf_fota.farm.quarantine import Quarantine, quarantined_kits
    from pytest_nrf_fota.inspection.printable_text import printable_text

    with refusing():
        notes = tuple(quarantined_kits().values())
    if as_json:
        typer.echo(TypeAdapter(tuple[Quarantine, ...]).dump_json(notes, indent=2))
        return
    for note in notes:
        typer.echo(printable_text(f"{note.kit}: {note}"))
    if not notes:
        typer.echo("No kit is quarantined.")
