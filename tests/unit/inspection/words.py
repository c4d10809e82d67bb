"""What `inspect` says of a file, as the table words it."""

from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.inspection.contents import Contents


def level_of(finding: Finding) -> str:
    """As the table calls it."""
    return "note" if finding.weight is Weight.NOTE else "warning"


def said(contents: Contents) -> str:
    """All remarks, one in each line: level, place, text."""
    return "\n".join(
        f"{level_of(one)} {one.shown[0].text}: {one.cause} {one.remedy}".strip()
        for one in contents.remarks
    )
