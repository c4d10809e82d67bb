"""Texts of boards, tools and file systems, as they can be shown."""


def printable(text: str) -> str:
    """Without what steers a terminal, and what no file of text can hold; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
