"""A moment as messages tell it: the reader's clock, and how far that is from UTC."""

from datetime import datetime


def told_moment(when: datetime) -> str:
    """`2026-11-29 02:10:07+01:00`: kits of one farm stand on hosts whose clocks may differ."""
    return when.astimezone().isoformat(sep=" ", timespec="seconds")
