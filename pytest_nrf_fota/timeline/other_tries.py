"""Which try of its test a page is of, and where those beside it are.

A try does not know whether others will follow, so this is put into a page that is there already.
"""

import posixpath
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from pytest_nrf_fota.record.tries import Tries, TryInBrief

PLACE = '<nav id="tries"></nav>'
"""Where a page takes them; as long as it is empty, nothing is seen of it."""


def with_tries(text: str, tries: Tries, folder: Path, page_name: str) -> str:
    """A page's text with the number in its title and the other tries beneath the headline.

    Args:
        text: the page; one that knows its tries is left as it is.
        folder: of the page; links go from there.
        page_name: of the pages.
    """
    parts = [
        _part(number, one, tries, folder, page_name) for number, one in enumerate(tries.tries, 1)
    ]
    return _with(text, tries, parts)


def with_names_of_tries(text: str, tries: Tries, mask: Callable[[str], str]) -> str:
    """The same for a page that is away from the others: their names, and no links."""
    names = [mask(_name(number, one)) for number, one in enumerate(tries.tries, 1)]
    parts = [
        _current(name) if number == tries.number else escape(name)
        for number, name in enumerate(names, 1)
    ]
    return _with(text, tries, parts)


def _with(text: str, tries: Tries, parts: Sequence[str]) -> str:
    if PLACE not in text:
        return text
    drawn = f'<nav id="tries" aria-label="Tries">{tries.name}: {" · ".join(parts)}</nav>'
    titled = text.replace("</title>", f" ({tries.name})</title>", 1)
    return titled.replace(PLACE, drawn, 1)


def _part(number: int, one: TryInBrief, tries: Tries, folder: Path, page_name: str) -> str:
    name = _name(number, one)
    if number == tries.number:
        return _current(name)
    other = posixpath.relpath(one.folder, tries.folder)
    if (folder / other / page_name).is_file():
        return f'<a href="{quote(other)}/{quote(page_name)}">{escape(name)}</a>'
    if (folder / other).is_dir():
        return f'<a href="{quote(other)}/">{escape(name)}</a>'
    return escape(name)


def _name(number: int, one: TryInBrief) -> str:
    return f"{number} {one.outcome}{f' on {one.kit}' if one.kit else ''}"


def _current(name: str) -> str:
    return f'<b aria-current="page">{escape(name)}</b>'
