"""The first word of an MCUboot image."""

IMAGE_MAGIC = 0x96F3B83D
"""MCUboot, bootutil/image.h; little-endian."""
