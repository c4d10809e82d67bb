"""docs/diagnosis.md is what the rules say."""

from pathlib import Path

from pytest_nrf_fota.explain.rules_table import document

_DOCUMENT = Path(__file__).parents[3] / "docs" / "diagnosis.md"


def test_document_is_up_to_date() -> None:
    """`python -m pytest_nrf_fota.explain.rules_table > docs/diagnosis.md` brings it there."""
    assert _DOCUMENT.read_text(encoding="utf-8") == document()
