"""Words on an image that more than one part says."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion

HASH_DIFFERS = "the hash differs from the content"
GIVE_ANOTHER_BUILD = (
    "Give another build as the update; `nrf-fota resign` makes the next version of this one."
)


def installed_already(name: str, version: "ImageVersion", image_hash: bytes) -> str:
    """That the image in the file `name` is the one that the board is flashed with."""
    return (
        f"The update is what the baseline installs already: {name} and what is installed are "
        f"application {version} ({image_hash.hex()[:8]}...)"
    )
