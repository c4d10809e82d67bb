"""Which files of a package are sent, and in which order they are set pending."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.artifacts.file_choice import files_to_send, main_file, require_slots_for
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    is_for_network_core,
    package_target,
    read_package,
)
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.firmware.variant import Variant
from tests.unit.imgtool_specimens import imgtool_encrypt

BOARD = load_board("nrf5340dk_sim_netcore")


def _package(folder: Path, variant: Variant) -> DfuPackage:
    return read_package(DemoSource(BOARD, folder).variant(variant), package_target(BOARD))


def test_all_images_are_sent_and_the_network_cores_is_set_pending_first(tmp_path: Path) -> None:
    package = _package(tmp_path, Variant.APP_AND_NETWORK)
    assert [is_for_network_core(file) for file in package.files] == [False, True]
    files = files_to_send(package, Boot())
    assert [file.image_index for file in files] == [1, 0]
    assert not is_for_network_core(main_file(files))


def test_a_network_core_image_alone_is_what_the_upgrade_is_about(tmp_path: Path) -> None:
    files = files_to_send(_package(tmp_path, Variant.NETWORK_ONLY), Boot())
    assert [is_for_network_core(file) for file in files] == [True]


def test_the_number_tells_the_core_where_the_code_cannot_be_seen(tmp_path: Path) -> None:
    """The first words of an encrypted image are no vector table."""
    package = _package(tmp_path, Variant.APP_AND_NETWORK)
    key = signing_key_for_tests("mcuboot")
    encrypted = [
        replace(
            file,
            image=McubootImage.parse(imgtool_encrypt(file.image.payload, key, key.public_key())),
        )
        for file in package.files
    ]
    assert [is_for_network_core(file) for file in encrypted] == [False, True]


def test_two_images_of_one_number_are_refused(tmp_path: Path) -> None:
    package = _package(tmp_path, Variant.APP_AND_NETWORK)
    app = package.files[0]
    twice = DfuPackage(package.path, package.kind, package.manifest, (app, app))
    with pytest.raises(PackageError, match="same image number: 0, 0"):
        files_to_send(twice, Boot())


def test_images_of_both_cores_need_slots_of_both(tmp_path: Path) -> None:
    """Else the board takes them all into one slot, and an unknown hash is all that one sees."""
    package, kit = _package(tmp_path, Variant.APP_AND_NETWORK), load_board("nrf5340dk_sim")
    with pytest.raises(PackageError, match=r"(?s)network core next to.*slots\.secondary_network"):
        require_slots_for(package, kit)
    require_slots_for(package, BOARD)


def test_a_network_core_image_alone_may_go_through_the_shared_slot(tmp_path: Path) -> None:
    """Builds without slots of their own for it do that."""
    package = _package(tmp_path, Variant.NETWORK_ONLY)
    require_slots_for(package, load_board("nrf5340dk_sim"))
