"""What a baseline's build holds beside the firmware that is flashed."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OwnBuild:
    """What the baseline's build holds beside it: packages, and private keys that it generated."""

    packages: tuple[Path, ...] = ()
    key_files: tuple[Path, ...] = ()
