"""Whether an image list shows an application that the next reset would revert."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState


def unconfirmed_test_image(images: "Sequence[ImageState]") -> "ImageState | None":
    """The running application where it is a test image; None where nothing would take it back.

    It is not confirmed, and the one in the other slot, which MCUboot would bring back, is (Zephyr
    img_mgmt_state.c: the flags follow from what the next boot would do).
    """
    of_app = [state for state in images if state.image == 0]
    active = next((state for state in of_app if state.active), None)
    other = next((state for state in of_app if not state.active), None)
    if active is None or other is None or active.confirmed or not other.confirmed:
        return None
    return active
