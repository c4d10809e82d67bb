"""Names and values of a hostile file, made harmless for a terminal."""

from pydantic import JsonValue

from pytest_nrf_fota.inspection.contents import Contents
from pytest_nrf_fota.inspection.printable_text import printable_text


def printable_contents(contents: Contents) -> Contents:
    """The same with every text made printable."""
    return Contents.model_validate(_printable(contents.model_dump(mode="json")))


def _printable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return printable_text(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return value
