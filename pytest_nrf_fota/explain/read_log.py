"""One log as a diagnosis reads it: its boots, its known lines, its text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import BootReport, Seen
from pytest_nrf_fota.explain.known_lines import KnownLines, KnownLinesCollector, watched_anchors
from pytest_nrf_fota.findings.finding import Origin


@dataclass(frozen=True)
class ReadLog:
    """One log: its boots, its known lines, and its text as far as it is short."""

    boots: BootReport
    lines: KnownLines
    texts: Sequence[Seen]


def read_log(blocks: Iterable[bytes], origin: Origin) -> ReadLog:
    """In one pass and in bounded memory; not further than it takes to see that it is noise."""
    known = KnownLinesCollector(origin)
    reader = BootReader(on_line=known.take, words=watched_anchors())
    for block in blocks:
        reader.feed(block)
        if reader.is_noise:
            break
    return ReadLog(reader.finish(), known.lines, known.texts)
