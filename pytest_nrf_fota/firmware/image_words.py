"""Words on an image that more than one part says, or reads again from a flight recorder."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion

MCUBOOT_ACCEPTS = "MCUboot accepts"
CARRIES_KEY = "carries the whole key"
HASH_DIFFERS = "the hash differs from the content"
NOT_SIGNED = "not signed"
SIGNED_WITH_KEY = "signed with key"
GIVE_ANOTHER_BUILD = (
    "Give another build as the update; `nrf-fota resign` makes the next version of this one."
)


def installed_already(name: str, version: "ImageVersion", image_hash: bytes) -> str:
    """That the image in the file `name` is the one that the board is flashed with."""
    return (
        f"The update is what the baseline installs already: {name} and what is installed are "
        f"application {version} ({image_hash.hex()[:8]}...)"
    )
