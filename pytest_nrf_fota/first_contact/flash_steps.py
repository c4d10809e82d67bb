"""Recovering and programming: how long it takes, what it leaves, what a reset shows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.first_contact.bench import Bench
from pytest_nrf_fota.first_contact.step import Found, Step, held
from pytest_nrf_fota.probe.same_firmware import difference_from_file
from pytest_nrf_fota.wires.probe import ResetKind

_PAGE_BYTES = 4096
_REGISTER_BYTES = 64
_ERASED = 0xFF
_TIMES = 3


def _recover(bench: Bench) -> Found:
    lines: list[str] = []
    bench.disconnect()
    for core in bench.board.probe.recover:
        started_at_s = time.monotonic()
        bench.probe.recover(core, bench.deadline())
        lines.append(f"{core.value} core {time.monotonic() - started_at_s:.1f} s")
    bench.recovered()
    return held(True, ", ".join(lines))


def _what_is_left(bench: Bench) -> Found:
    lines: list[str] = []
    is_empty = True
    for core in bench.board.soc.cores:
        for what, start, size_bytes in (
            ("page 0", core.flash.start, _PAGE_BYTES),
            ("UICR", core.uicr.start, _REGISTER_BYTES),
        ):
            memory = bench.probe.read(start, size_bytes, bench.deadline())
            written = [at for at, byte in enumerate(memory) if byte != _ERASED]
            # A recovery may open the access port by writing UICR.
            is_empty = is_empty and (what == "UICR" or not written)
            found = f"0x{start + written[0]:x} is not erased" if written else "erased"
            lines.append(f"{core.core.value} core {what}: {found}")
    return held(is_empty, "; ".join(lines))


def _program(bench: Bench) -> Found:
    check_against_map(bench.baseline, read_hex(bench.baseline), bench.board)
    started_at_s = time.monotonic()
    bench.dut.program(bench.baseline)
    return held(True, f"{bench.baseline.name} in {time.monotonic() - started_at_s:.1f} s")


def _verify(bench: Bench) -> Found:
    def read(address: int, size_bytes: int) -> bytes:
        return bench.dut.probe.read(address, size_bytes, bench.deadline())

    difference = difference_from_file(read, read_hex(bench.baseline), bench.board)
    return held(difference is None, str(difference or "the kit holds all of it"))


def _resets(bench: Bench) -> Found:
    lines: list[str] = []
    all_boot = True
    for kind in ResetKind:
        shown: list[_Reset] = []
        for _ in range(_TIMES):
            try:
                shown.append(_reset(bench, kind))
            except FotaError as error:
                all_boot = False
                lines.append(f"{kind.value}: {error.what}")
        if shown:
            lines.append(f"{kind.value}: {_words(shown)}")
    return held(all_boot, "; ".join(lines))


@dataclass(frozen=True)
class _Reset:
    tool_s: float
    first_line_s: float
    ready_s: float
    port_was_away: int
    lines: Mapping[str, int]


def _reset(bench: Bench, kind: ResetKind) -> _Reset:
    bench.disconnect()
    since = bench.dut.position(f"{kind.value} reset")
    of_core = {core: console.position() for core, console in bench.consoles.items()}
    gaps = sum(console.gaps for console in bench.consoles.values())
    started_at_s = time.monotonic()
    bench.dut.probe.reset(kind, bench.deadline())
    tool_s = time.monotonic() - started_at_s
    boot = bench.dut.wait_for_boot(since)
    return _Reset(
        tool_s=tool_s,
        first_line_s=(boot.first.time_s or started_at_s) - started_at_s,
        ready_s=time.monotonic() - started_at_s,
        port_was_away=sum(console.gaps for console in bench.consoles.values()) - gaps,
        lines={
            core: len(console.lines_since(of_core[core]))
            for core, console in bench.consoles.items()
        },
    )


def _words(resets: Sequence[_Reset]) -> str:
    lines = (
        f"{core} {'/'.join(str(one.lines[core]) for one in resets)} lines"
        for core in resets[0].lines
    )
    return (
        f"tool {_span([one.tool_s for one in resets])}, first line after "
        f"{_span([one.first_line_s for one in resets])}, ready after "
        f"{_span([one.ready_s for one in resets])}, port away "
        f"{'/'.join(str(one.port_was_away) for one in resets)} times, {', '.join(lines)}"
    )


def _span(durations: Sequence[float]) -> str:
    return f"{min(durations):.2f} to {max(durations):.2f} s"


STEPS = (
    Step("recover", "Erases all cores of the kit: its firmware is gone.", _recover, erases=True),
    Step("what is left", "Reads UICR and page 0 of each core.", _what_is_left),
    Step("program", "Writes the baseline.", _program, erases=True),
    Step("verify", "Reads the baseline back.", _verify),
    Step("resets", "Resets the kit three times by each kind, and listens.", _resets),
)
