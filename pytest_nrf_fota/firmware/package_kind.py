"""What a DFU package updates."""

from enum import Enum


class PackageKind(Enum):
    """The image that MCUboot starts, or MCUboot itself."""

    APPLICATION = "application"
    MCUBOOT = "mcuboot"
