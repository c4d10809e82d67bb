"""What an application said: itself, its SMP server, its shell."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_nrf_fota.bootlog.catalogue.levels import ERROR_LINE
from pytest_nrf_fota.bootlog.matching import Hit
from pytest_nrf_fota.bootlog.report import (
    AppReport,
    Seen,
    ShellArea,
    ShellReport,
    SmpEvent,
    SmpEventKind,
)
from pytest_nrf_fota.bootlog.segments import RawLine, RawStage

_SAID_AT_EACH_END = 30
_MOST_ERRORS = 50
_MOST_EVENTS = 500
_MOST_VERSIONS = 20
_FLASH_TROUBLE = re.compile(r"JEDEC id \[|fail|error|not ready|timeout|mismatch", re.IGNORECASE)
_EVENT_KINDS = {
    "app_swap_type": SmpEventKind.SWAP_TYPE_QUERY,
    "swap_type": SmpEventKind.SWAP_TYPE_QUERY,
    "erased_slot": SmpEventKind.ERASED_SLOT,
    "erased_trailer": SmpEventKind.ERASED_TRAILER,
    "upgrade_scheduled": SmpEventKind.MARKED,
    "image_confirmed": SmpEventKind.CONFIRMED,
    "download": SmpEventKind.UPLOAD,
    "slot_not_bound": SmpEventKind.ERROR,
    "slot_bad_offset": SmpEventKind.ERROR,
    "slot_erase_failed": SmpEventKind.ERROR,
    "upload_refused": SmpEventKind.ERROR,
    "upload_write_failed": SmpEventKind.ERROR,
    "mark_failed": SmpEventKind.ERROR,
    "image_group_error": SmpEventKind.ERROR,
    "smp_transport_error": SmpEventKind.ERROR,
}


def read_app(stage: RawStage) -> AppReport:
    """What an application said about itself."""
    found: dict[str, tuple[str, Seen]] = {}
    versions: list[Seen] = []
    flash_errors: list[Seen] = []
    errors: list[Seen] = []
    for line in stage.lines:
        for hit in line.facts.hits:
            name = hit.pattern.name
            if name in ("identity", "build_time"):
                found[name] = ((hit.text("address") or hit.text("text") or "").strip(), line.seen())
            elif name == "app_version":
                versions.append(line.seen())
            elif name == "flash_driver" and _FLASH_TROUBLE.search(line.body):
                flash_errors.append(line.seen())
        if len(errors) < _MOST_ERRORS and ERROR_LINE.search(line.text) is not None:
            errors.append(line.seen())
    identity, built = found.get("identity"), found.get("build_time")
    return AppReport(
        identity_address=identity[0].upper() if identity else None,
        identity_seen=identity[1] if identity else None,
        build_time=built[0] if built else None,
        versions=tuple(versions[:_MOST_VERSIONS]),
        ready=stage.ready.seen() if stage.ready is not None else None,
        flash_errors=tuple(flash_errors[:_MOST_ERRORS]),
        errors=tuple(errors),
        said=_said(stage),
        line_count=stage.line_count,
    )


def _said(stage: RawStage) -> tuple[Seen, ...]:
    first: list[RawLine] = []
    last: deque[RawLine] = deque(maxlen=_SAID_AT_EACH_END)
    for line in stage.lines:
        if not line.body.strip():
            continue
        if len(first) < _SAID_AT_EACH_END:
            first.append(line)
        else:
            last.append(line)
    return tuple(line.seen() for line in (*first, *last))


def read_smp_events(stage: RawStage) -> tuple[SmpEvent, ...]:
    """What the SMP server and the application's own update client logged, at most 500 lines."""
    events: list[SmpEvent] = []
    for line in stage.lines:
        for hit in line.facts.hits:
            kind = _EVENT_KINDS.get(hit.pattern.name)
            if kind is not None and len(events) < _MOST_EVENTS:
                events.append(
                    SmpEvent(
                        kind,
                        hit.pattern.name,
                        hit.number("size", 0x10 if "0x" in line.body else 10),
                        hit.text("swap_type"),
                        hit.number("image"),
                        hit.number("code"),
                        line.seen(),
                    )
                )
                break
    return tuple(events)


@dataclass
class _OpenArea:
    name: str
    area_id: int
    seen: Seen
    fields: dict[str, str] = field(default_factory=dict)

    def close(self) -> ShellArea:
        size = self.fields.get("image size")
        return ShellArea(
            self.name,
            self.area_id,
            self.fields.get("version"),
            int(size) if size is not None and size.isdigit() else None,
            self.fields.get("magic"),
            self.fields.get("swap type"),
            self.fields.get("copy done"),
            self.fields.get("image ok"),
            self.seen,
        )


def read_shell(stage: RawStage) -> ShellReport | None:
    """What the Zephyr shell showed; None where there was no shell."""
    reader = _ShellReader()
    for line in stage.lines:
        if "~$" in line.body and reader.prompt is None:
            reader.prompt = line.seen()
        reader.take(line.facts.hits, line)
    return reader.close()


class _ShellReader:
    def __init__(self) -> None:
        self.prompt: Seen | None = None
        self.commands: list[Seen] = []
        self.results: list[Seen] = []
        self.errors: list[Seen] = []
        self.areas: list[_OpenArea] = []
        self.swap_type: str | None = None
        self.confirmed: bool | None = None

    def take(self, hits: Iterable[Hit], line: RawLine) -> None:
        for hit in hits:
            match hit.pattern.name:
                case "prompt":
                    self.prompt = self.prompt or line.seen()
                    if hit.text("command") and len(self.commands) < _MOST_EVENTS:
                        self.commands.append(line.seen())
                case "shell_done" if len(self.results) < _MOST_EVENTS:
                    self.results.append(line.seen())
                case "shell_failed" | "shell_refused" | "shell_area_unreadable":
                    self.errors += [line.seen()] if len(self.errors) < _MOST_ERRORS else []
                case "shell_swap_type":
                    self.swap_type = hit.text("swap_type")
                case "shell_confirmed":
                    self.confirmed = hit.text("confirmed") == "1"
                case "shell_area" if len(self.areas) < _MOST_ERRORS:
                    name, area = hit.text("name") or "", hit.number("area") or 0
                    self.areas.append(_OpenArea(name, area, line.seen()))
                case "shell_area_field" if self.areas:
                    self.areas[-1].fields[hit.text("field") or ""] = hit.text("value") or ""
                case _:
                    pass

    def close(self) -> ShellReport | None:
        said = (self.prompt, self.swap_type, self.confirmed)
        if all(item is None for item in said) and not (
            self.commands or self.results or self.errors or self.areas
        ):
            return None
        return ShellReport(
            self.prompt,
            tuple(self.commands),
            tuple(self.results),
            tuple(self.errors),
            tuple(area.close() for area in self.areas),
            self.swap_type,
            self.confirmed,
        )
