"""Wording that differs between NCS releases."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """Log texts of one NCS release (facts/dual-stage-boot.md, 4.4 Banners, 6.5)."""

    banner: str
    image_group_module: str


# A release is added here together with its behaviour; until then a board file may name only 2.3.
WORDINGS = {
    "2.3": Wording(
        banner="*** Booting Zephyr OS build v3.2.99-ncs2 ***",
        image_group_module="mcumgr_img_mgmt",
    ),
}
