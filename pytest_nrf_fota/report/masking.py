"""Reports of tests without secrets, before anything shows or writes them."""

import linecache
import logging
import warnings
from collections.abc import Callable
from typing import TypeAlias, TypeVar, cast

import pytest
from _pytest._code.code import TerminalRepr

Mask: TypeAlias = Callable[[str], str]
_Shown = TypeVar("_Shown")

# Of pytest's own logging plugin: what is shown in a failure, on the terminal, and in a file. What
# `caplog` gives to a test stays as it is.
_LOG_HANDLERS = ("report_handler", "log_cli_handler", "log_file_handler")


def mask_report(report: pytest.TestReport | pytest.CollectReport, mask: Mask) -> None:
    """Mask what a report shows: traceback, values of variables, captured output, properties."""
    report.longrepr = masked_shown(report.longrepr, mask)
    report.sections = [(title, mask(text)) for title, text in report.sections]
    if isinstance(report, pytest.TestReport):
        report.user_properties = [
            (name, mask(value) if isinstance(value, str) else value)
            for name, value in report.user_properties
        ]


def mask_logs(config: pytest.Config, mask: Mask) -> None:
    """Mask what pytest shows and writes of log messages."""
    plugin = config.pluginmanager.get_plugin("logging-plugin")
    for name in _LOG_HANDLERS:
        handler = getattr(plugin, name, None)
        if isinstance(handler, logging.Handler) and handler.formatter is not None:
            handler.setFormatter(_MaskingFormatter(handler.formatter, mask))


def mask_warning(warning: warnings.WarningMessage, mask: Mask) -> None:
    """Mask what a warning says, and the line that it came from."""
    said = str(warning.message)
    masked = mask(said)
    if masked != said:
        # A text: classes of others need not be made again from one. It is all that is shown.
        warning.message = masked
    shown = linecache.getline(warning.filename, warning.lineno) if warning.line is None else ""
    line = warning.line or shown
    if line and (other := mask(line)) != line:
        warning.line = other


def masked_json(value: object, mask: Mask) -> object:
    """JSON with each of its texts masked."""
    match value:
        case str():
            return mask(value)
        case list() | tuple():
            return [masked_json(item, mask) for item in value]
        case dict():
            return {key: masked_json(item, mask) for key, item in value.items()}
        case _:
            return value


class _MaskingFormatter(logging.Formatter):
    """A formatter of logging around another one."""

    def __init__(self, inner: logging.Formatter, mask: Mask) -> None:
        super().__init__()
        self._inner = inner
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The text of a message, without secrets."""
        return self._mask(self._inner.format(record))


def masked_shown(shown: _Shown, mask: Mask) -> _Shown:
    """What pytest shows of an exception: texts, or objects that hold texts, somewhere."""
    return cast(_Shown, _of_any(shown, mask))


def _of_any(shown: object, mask: Mask) -> object:
    match shown:
        case str():
            return mask(shown)
        case list() if all(isinstance(line, str) for line in shown):
            # A key may stand in several lines, as it does in its file.
            lines = mask("\n".join(shown)).split("\n")
            return lines if len(lines) == len(shown) else [mask(line) for line in shown]
        case list():
            return [_of_any(item, mask) for item in shown]
        case tuple():
            return tuple(_of_any(item, mask) for item in shown)
        case TerminalRepr():
            for name, value in vars(shown).items():
                if isinstance(value, str | list | tuple | TerminalRepr):
                    setattr(shown, name, _of_any(value, mask))
            return shown
        case _:
            return shown
