"""Text from a hostile file, made harmless for a terminal."""


def printable_text(text: str) -> str:
    """Control characters as escapes, so that no file name can move the cursor; newlines stay."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
