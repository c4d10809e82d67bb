"""nrf-fota report."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption

if TYPE_CHECKING:
    from pytest_nrf_fota.nights.store import Keep

_KEEP = re.compile(r"([1-9]\d{0,3})(d?)")


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_FOLDER...",
            help="folders of runs (nrf_fota_runs/RUN), or one that holds them",
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write the page: DIR/night.html")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="print Markdown")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="forget older nights: the last N are kept (30), or N days (90d)"
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="where nights are kept (default: beside the run folders)"
        ),
    ] = None,
    version: VersionOption = False,
) -> None:
    """Show what broke in a night, on which kit, since when, and why.

    Runs of several workers, hosts and nights are merged in nrf_fota_nights.sqlite
    beside the run folders. The night of the newest run that is given is shown.

    Exit codes: 0 made, whatever it says; 2 no run can be read, or an input
    cannot be used.
    """
    from pytest_nrf_fota.inspection.printable_text import printable_text
    from pytest_nrf_fota.nights.as_json import json_of
    from pytest_nrf_fota.nights.collect import make_report
    from pytest_nrf_fota.nights.markdown import lines_for_terminal, markdown_of

    with refusing():
        _require_one_output(is_markdown=markdown, is_json=as_json)
        made = make_report(runs, store, _keep(keep))
        page = None
        if html is not None:
            from pytest_nrf_fota.nights.page import write_page

            page = write_page(made.report, html, made.store_folder)
    if as_json:
        typer.echo(json_of(made.report))
    elif markdown:
        typer.echo(markdown_of(made.report), nl=False)
    else:
        for line in lines_for_terminal(made.report):
            typer.echo(printable_text(line))
    if page is not None:
        typer.echo(str(page), err=as_json or markdown)


def _require_one_output(*, is_markdown: bool, is_json: bool) -> None:
    from pytest_nrf_fota.errors import InputError

    if is_markdown and is_json:
        raise InputError(
            "Both would be printed.", where="--markdown, --json", next_step="Call it twice."
        )


def _keep(text: str | None) -> "Keep | None":
    """`30` is nights, `90d` days. Raises `InputError`."""
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.nights.store import Keep

    if text is None:
        return None
    given = _KEEP.fullmatch(text)
    if given is None:
        raise InputError(
            f"{text!r} is no number of nights, and no number of days.",
            where="--keep",
            next_step="For example --keep 30 (nights) or --keep 90d (days).",
        )
    number = int(given[1])
    return Keep(days=number) if given[2] else Keep(nights=number)
