"""What may be wider than a page of text."""

import re

_COMMAND = re.compile(r"\s*\S*`[^`]+`\S*")


def fits(line: str, width: int) -> bool:
    """Whether a line is no wider than that, or is a command, which is copied as a whole."""
    return len(line) <= width or _COMMAND.fullmatch(line) is not None
