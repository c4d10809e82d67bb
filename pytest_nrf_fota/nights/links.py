"""Where a page's links lead: a test's time line, or its folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pytest_nrf_fota.nights.run_folders import TIME_LINE_NAME
from pytest_nrf_fota.nights.store import Row


@dataclass(frozen=True)
class Links:
    """Relative links from a page to test folders.

    Args:
        page_folder: where the page is.
        store_folder: what the folders in the store are relative to.
    """

    page_folder: Path
    store_folder: Path

    def to(self, row: Row) -> str:
        """To the time line of a test, else to its folder; empty where that is gone."""
        folder = self.store_folder / row.folder
        time_line = folder / TIME_LINE_NAME
        if time_line.is_file():
            return self._relative(time_line)
        return f"{self._relative(folder)}/" if folder.is_dir() else ""

    def _relative(self, path: Path) -> str:
        try:
            return quote(Path(os.path.relpath(path, self.page_folder)).as_posix())
        except ValueError:
            # Another drive of Windows.
            return path.as_uri()
