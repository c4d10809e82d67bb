"""The table of NCS releases."""

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES, SSlotUpdate, release_named


def test_releases_are_known_by_their_own_names() -> None:
    assert list(RELEASES) == ["2.3", "2.6", "2.7", "2.8", "2.9", "3.0", "3.2"]
    assert all(release.ncs == name for name, release in RELEASES.items())


@pytest.mark.parametrize(
    ("version", "ncs"),
    [
        *(("2.0", "2.3"), ("2.4", "2.3"), ("2.5", "2.6"), ("v2.6.1", "2.6"), ("2.7", "2.7")),
        *(("2.8.0", "2.8"), ("2.9", "2.9"), ("3.0.2", "3.0"), ("3.1", "3.0"), ("3.2", "3.2")),
        *(("3.1.0-rc1", "3.0"), ("4.0", "3.2"), ("1.9", None), ("three", None), ("3", None)),
    ],
)
def test_a_version_of_the_sdk_names_the_release_it_behaves_like(
    version: str, ncs: str | None
) -> None:
    release = release_named(version)
    assert (None if release is None else release.ncs) == ncs


@pytest.mark.parametrize(
    ("ncs", "banner", "module", "smp_version", "s_slot_update"),
    [
        (
            "2.3",
            "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
            "mcumgr_img_mgmt",
            1,
            SSlotUpdate.SWAP,
        ),
        (
            "2.6",
            "*** Booting nRF Connect SDK v3.5.99-ncs1 ***",
            "mcumgr_img_grp",
            2,
            SSlotUpdate.SWAP,
        ),
        (
            "2.9",
            "*** Booting nRF Connect SDK v2.9.0-7787b2649840 ***\r\n"
            "*** Using Zephyr OS v3.7.99-1f8f3dc29142 ***",
            "mcumgr_img_grp",
            2,
            SSlotUpdate.NSIB_COPY,
        ),
        (
            "3.0",
            "*** Booting nRF Connect SDK v3.0.0-3bfc46578e42 ***\r\n"
            "*** Using Zephyr OS v4.0.99-a0e545cb437a ***",
            "mcumgr_img_grp",
            2,
            SSlotUpdate.NSIB_COPY,
        ),
    ],
)
def test_what_applications_and_updates_depend_on(
    ncs: str, banner: str, module: str, smp_version: int, s_slot_update: SSlotUpdate
) -> None:
    profile = RELEASES[ncs]

    assert profile.banner == banner
    assert profile.image_group_module == module
    assert profile.smp_version == smp_version
    assert profile.s_slot_update is s_slot_update
