"""A night in Markdown, for a pull request, a chat, or GitHub's page of a run."""

import re
from collections.abc import Iterator, Sequence

from pytest_nrf_fota.nights.headline import counted, day, named, short_scenario
from pytest_nrf_fota.nights.night_report import CauseGroup, NightReport

_SHOWN_HEADLINES, _SHOWN_GROUPS, _SHOWN_KITS, _SHOWN_FLAKES = 8, 10, 10, 10
_LONGEST_TEXT = 300
# What Markdown and GitHub's additions to it read as something else than text.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&!@])")


def markdown_of(report: NightReport) -> str:
    """The whole report; text of boards and tools is escaped."""
    return "\n".join((*_head(report), *_groups(report), *_kits(report), *_flakes(report))) + "\n"


def short_markdown(report: NightReport, title: str) -> str:
    """What failed, on which kit, and why."""
    return "\n".join((*_head(report, title), *_groups(report))) + "\n"


def _head(report: NightReport, title: str = "") -> Iterator[str]:
    total = report.total
    night = f"Night of {day(report.night)} {report.night.year}"
    yield f"## {escaped(title or night)}"
    yield ""
    parts = [f"**{total.ran}** tests", f"{total.passed} passed", f"**{total.failed}** failed"]
    parts += [f"{total.rig} lost to the test setup"]
    parts += [f"{total.unknown} without a result"] if total.unknown else []
    parts += [f"{report.second_tries} run again"] if report.second_tries else []
    yield ", ".join(parts) + "."
    yield ""
    if not report.headlines:
        yield "Nothing broke."
        yield ""
    for number, line in enumerate(report.headlines[:_SHOWN_HEADLINES], 1):
        why = " ".join(filter(None, (line.since, _cut(line.why))))
        code = f" `{_code(line.cause)}`" if line.cause else ""
        yield f"{number}. **{escaped(line.what)}** {escaped(why)}{code}"
    if len(report.headlines) > _SHOWN_HEADLINES:
        yield f"\n{len(report.headlines) - _SHOWN_HEADLINES} smaller ones follow by cause."
    yield ""
    if report.flaky_cells:
        yield f"Flaky in this night: {escaped(_flaky(report))}"
        yield ""
    for one in report.unreadable[:_SHOWN_GROUPS]:
        yield f"- could not be read: `{_code(one.name)}`: {escaped(one.why)}"
    if report.unreadable:
        yield ""


def _groups(report: NightReport) -> Iterator[str]:
    for title, groups in (
        ("Failures by cause", report.firmware),
        ("Lost to the test setup, by cause", report.rig),
    ):
        if not groups:
            continue
        yield f"### {title}"
        yield ""
        yield "| cause | tests | scenarios | kits | why |"
        yield "|---|---|---|---|---|"
        yield from (_group(group) for group in groups[:_SHOWN_GROUPS])
        yield ""


def _group(group: CauseGroup) -> str:
    scenarios = named([short_scenario(one) for one in group.scenarios], 2)
    return (
        f"| `{_code(group.cause)}` | {len(group.rows)} | {escaped(scenarios)} | "
        f"{escaped(named(group.kits, 3))} | {escaped(_cut(group.text))} |"
    )


def _kits(report: NightReport) -> Iterator[str]:
    troubled = [kit for kit in report.kits if kit.trouble or kit.now.lost][:_SHOWN_KITS]
    if not troubled:
        return
    yield "### Kits, the most troubled first"
    yield ""
    yield "| kit | board, host | failed | setup | of | |"
    yield "|---|---|---|---|---|---|"
    for kit in troubled:
        place = ", ".join(filter(None, (kit.board, kit.host)))
        yield (
            f"| {escaped(kit.kit)} | {escaped(place)} | {kit.now.failed} | {kit.now.rig} | "
            f"{kit.now.ran} | {kit.trouble} |"
        )
    yield ""


def _flakes(report: NightReport) -> Iterator[str]:
    shown = report.flakes[:_SHOWN_FLAKES]
    if not shown:
        return
    yield f"### Flakes in {counted(len(report.nights), 'night')}"
    yield ""
    yield "| scenario | board | second try passed | changed by itself | of runs | kits |"
    yield "|---|---|---|---|---|---|"
    for flake in shown:
        yield (
            f"| {escaped(short_scenario(flake.cell.scenario))} | {escaped(flake.cell.board)} | "
            f"{flake.second_tries} | {flake.changes} | {flake.of_runs} | "
            f"{escaped(named(flake.kits, 2))} |"
        )
    yield ""


def _flaky(report: NightReport) -> str:
    cells = [f"{short_scenario(name)} on {board}" for name, board, _ in report.flaky_cells]
    return f"{named(cells, 5)}."


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    # Within backticks only a backtick counts, and in a table a bar.
    return " ".join(text.replace("`", "'").replace("|", "/").split())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


def lines_for_terminal(report: NightReport) -> Sequence[str]:
    """The first lines of the page, in plain text."""
    total = report.total
    lines = [
        f"Night of {day(report.night)} {report.night.year}: {total.ran} tests, {total.passed} "
        f"passed, {total.failed} failed, {total.rig} lost to the test setup"
        + (f", {total.unknown} without a result" if total.unknown else "")
        + (f", {report.second_tries} run again" if report.second_tries else "")
    ]
    if not report.headlines:
        lines.append("Nothing broke.")
    for number, line in enumerate(report.headlines[:_SHOWN_HEADLINES], 1):
        lines.append(f"{number}. {line.what}")
        why = " ".join(filter(None, (line.since, _cut(line.why))))
        lines.append(f"   {why}{f' [{line.cause}]' if line.cause else ''}")
    if len(report.headlines) > _SHOWN_HEADLINES:
        lines.append(f"{len(report.headlines) - _SHOWN_HEADLINES} more: --markdown or --html DIR")
    if report.flaky_cells:
        lines.append(f"Flaky in this night: {_flaky(report)}")
    lines += [f"could not be read: {one.name}: {one.why}" for one in report.unreadable]
    return lines
