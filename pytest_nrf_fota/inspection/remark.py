"""What is worth knowing about a place in a file: a finding, shown by the place."""

from dataclasses import replace

from pytest_nrf_fota.findings.file_causes import FILE_CAUSES
from pytest_nrf_fota.findings.finding import Finding, Origin, Shown


def remark(code: str, place: str, **values: object) -> Finding:
    """That of this code (findings/file_causes.py), with the values of its texts."""
    return FILE_CAUSES[code].found(values, (Shown(Origin.FILE, None, place),))


def at_place(found: Finding, place: str) -> Finding:
    """The same at another place."""
    return replace(found, shown=(Shown(Origin.FILE, None, place),))
