"""Firmware that the user names, and the choice between it and the board's own."""

from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.choose import firmware_source
from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.artifacts.files_source import FilesSource
from pytest_nrf_fota.artifacts.given_variants import read_given_variants
from pytest_nrf_fota.artifacts.no_firmware import NoFirmwareSource
from pytest_nrf_fota.artifacts.qemu_source import QemuSource
from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError, FirmwareSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import InputError, PackageError
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.repack import repack
from pytest_nrf_fota.firmware.resign import SigningKeys
from pytest_nrf_fota.firmware.variant import Variant


def unavailable(source: FirmwareSource, artifact: str) -> ArtifactUnavailableError:
    with pytest.raises(ArtifactUnavailableError) as caught:
        getattr(source, artifact)
    assert caught.value.what
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("mcuboot_first", [False, True])
def test_packages_are_told_apart_by_their_content(
    demo: DemoSource, board: BoardType, tmp_path: Path, mcuboot_first: bool
) -> None:
    updates = (demo.app_update, demo.mcuboot_update)
    source = FilesSource(None, updates[::-1] if mcuboot_first else updates, board, tmp_path)
    assert source.app_update == demo.app_update
    assert source.mcuboot_update == demo.mcuboot_update


def test_baseline_is_the_given_file(board: BoardType, tmp_path: Path) -> None:
    baseline = Path("build") / "merged.hex"
    assert FilesSource(baseline, (), board, tmp_path).baseline == baseline


@pytest.mark.parametrize(
    ("artifact", "option"),
    [("baseline", "--baseline"), ("app_update", "--update"), ("mcuboot_update", "--update")],
)
def test_missing_file_is_unavailable(
    artifact: str, option: str, board: BoardType, tmp_path: Path
) -> None:
    assert option in unavailable(FilesSource(None, (), board, tmp_path), artifact).next_step


def test_one_package_does_not_stand_for_the_other(
    demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    unavailable(FilesSource(None, (demo.app_update,), board, tmp_path), "mcuboot_update")
    unavailable(FilesSource(None, (demo.mcuboot_update,), board, tmp_path), "app_update")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("app_update", "app_truncated"),
        ("mcuboot_update", "mcuboot_same_version"),
        ("app_update", "app_update"),
    ],
)
def test_two_packages_of_one_kind(
    first: str, second: str, demo: DemoSource, board: BoardType, tmp_path: Path
) -> None:
    paths: tuple[Path, Path] = (getattr(demo, first), getattr(demo, second))
    with pytest.raises(PackageError) as caught:
        FilesSource(None, paths, board, tmp_path)
    error = caught.value
    assert paths[0].name in error.what
    assert paths[1].name in error.what
    assert error.where == str(paths[1])
    assert error.next_step


def test_wrong_package_is_refused_at_once(board: BoardType, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="does not exist"):
        FilesSource(None, (tmp_path / "nowhere.zip",), board, tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nrf5340dk", FilesSource),
        ("nrf5340dk_sim", DemoSource),
        ("qemu_cortex_m0", QemuSource),
        ("mps2_an385", QemuSource),
        ("native_sim", NoFirmwareSource),
    ],
)
def test_board_names_its_source(name: str, kind: type[object], tmp_path: Path) -> None:
    assert type(firmware_source(load_board(name), None, (), tmp_path)) is kind


def test_given_files_come_before_the_boards_source(
    board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    by_baseline = firmware_source(board, demo.baseline, (), tmp_path)
    assert by_baseline.baseline == demo.baseline
    unavailable(by_baseline, "app_update")

    by_both = firmware_source(board, demo.baseline, (demo.app_update,), tmp_path)
    assert by_both.app_update == demo.app_update


@pytest.mark.parametrize(
    ("nsib", "mcuboot", "option"),
    [("another", "mcuboot", "--nsib-key"), ("nsib", "another", "--mcuboot-key")],
)
def test_key_that_signed_nothing_is_refused_at_once(
    nsib: str, mcuboot: str, option: str, board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """Not in the test that first wants a variant."""
    keys = SigningKeys(signing_key_for_tests(nsib), signing_key_for_tests(mcuboot))
    updates = (demo.app_update, demo.mcuboot_update)
    with pytest.raises(InputError, match=f"{option} is not the key"):
        FilesSource(demo.baseline, updates, board, tmp_path, keys)


def test_key_is_no_concern_of_firmware_without_signature(
    board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """Nor NSIB's of an application."""
    keys = SigningKeys(signing_key_for_tests("another"), signing_key_for_tests("another"))
    updates = (demo.variant(Variant.APP_UNSIGNED),)
    assert FilesSource(demo.baseline, updates, board, tmp_path, keys).app_update == updates[0]


@pytest.mark.parametrize("variant", Variant)
def test_what_it_says_that_it_makes(
    variant: Variant, board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """And nothing else; a test of the other kind is skipped with the way out."""
    keys = SigningKeys(signing_key_for_tests("nsib"), signing_key_for_tests("mcuboot"))
    updates = (demo.app_and_network_update, demo.mcuboot_update)
    source = FilesSource(demo.baseline, updates, board, tmp_path, keys)
    if source.makes(variant):
        assert source.variant(variant).is_file()
        return
    with pytest.raises(ArtifactUnavailableError, match=f"--firmware-variant={variant.value}=FILE"):
        source.variant(variant)
    given = FilesSource(demo.baseline, updates, board, tmp_path, keys, {variant: tmp_path})
    assert given.makes(variant)
    assert given.variant(variant) == tmp_path


def test_an_update_of_the_baselines_version_is_that_variant(
    board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """Nothing is to be made, so no key is needed."""
    update = demo.variant(Variant.APP_SAME_VERSION)
    assert (
        FilesSource(demo.baseline, (update,), board, tmp_path).variant(Variant.APP_SAME_VERSION)
        == update
    )


def test_nothing_is_older_than_the_lowest_version(
    board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    keys = SigningKeys(None, signing_key_for_tests("mcuboot"))
    source = FilesSource(demo.baseline, (demo.app_update,), board, tmp_path, keys)
    lowest = source.variant(Variant.APP_OLDER)
    again = FilesSource(demo.baseline, (lowest,), board, tmp_path / "again", keys)
    with pytest.raises(ArtifactUnavailableError, match=r"has version 0\.0\.0, below which"):
        again.variant(Variant.APP_OLDER)


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        (Variant.APP_AND_NETWORK, {"app", "network"}),
        (Variant.APP_AND_BAD_NETWORK, {"app", "network"}),
        (Variant.NETWORK_ONLY, {"network"}),
    ],
)
def test_network_core_variants_of_an_update_for_both_cores(
    variant: Variant, names: set[str], board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """Only the bad one differs, and only in the network core's image, which MCUboot still takes."""
    keys = SigningKeys(None, signing_key_for_tests("mcuboot"))
    update = demo.app_and_network_update
    source = FilesSource(demo.baseline, (update,), board, tmp_path, keys)
    of = {0: "app", 1: "network"}
    given = {
        of[file.image_index]: file for file in read_package(update, package_target(board)).files
    }
    made = {
        of[file.image_index]: file
        for file in read_package(source.variant(variant), package_target(board)).files
    }
    assert made.keys() == names
    changed = {name for name, file in made.items() if file.data != given[name].data}
    is_bad = variant is Variant.APP_AND_BAD_NETWORK
    assert changed == ({"network"} if is_bad else set())
    assert len(made["network"].image.payload) == len(given["network"].image.payload)
    bits = zip(made["network"].image.payload, given["network"].image.payload, strict=True)
    assert sum(bin(one ^ other).count("1") for one, other in bits) == (1 if is_bad else 0)


@pytest.mark.parametrize(
    "variant", [Variant.APP_AND_NETWORK, Variant.APP_AND_BAD_NETWORK, Variant.NETWORK_ONLY]
)
def test_updates_that_have_no_new_network_core(
    variant: Variant, board: BoardType, demo: DemoSource, tmp_path: Path
) -> None:
    """None at all, or the baseline's: its upgrade could not be told from nothing."""
    app_only = FilesSource(demo.baseline, (demo.app_update,), board, tmp_path / "app")
    with pytest.raises(ArtifactUnavailableError, match="holds no image of the network core"):
        app_only.variant(variant)
    package = demo.app_and_network_update
    (network,) = (
        file for file in read_package(package, package_target(board)).files if file.image_index == 1
    )
    same = repack(package, tmp_path / "same.zip", {network.name: demo.network_image(1)})
    keys = SigningKeys(None, signing_key_for_tests("mcuboot"))
    source = FilesSource(demo.baseline, (same,), board, tmp_path / "same", keys)
    if variant is Variant.APP_AND_BAD_NETWORK:
        # A changed bit is another firmware, whatever it was made of.
        assert source.variant(variant).is_file()
        return
    with pytest.raises(ArtifactUnavailableError, match="the baseline's firmware for the network"):
        source.variant(variant)


def test_given_variants_are_checked(board: BoardType, demo: DemoSource, tmp_path: Path) -> None:
    """A baseline is a hex file, the rest are packages."""
    hex_file, package = demo.baseline, demo.app_update
    good = [f"baseline_no_downgrade={hex_file}", f"app_needs_pairing={package}"]
    assert read_given_variants(good, board) == {
        Variant.BASELINE_NO_DOWNGRADE: hex_file,
        Variant.APP_NEEDS_PAIRING: package,
    }
    for bad in (f"baseline_no_downgrade={package}", f"app_needs_pairing={hex_file}"):
        with pytest.raises(PackageError):
            read_given_variants([bad], board)
    with pytest.raises(InputError, match="Two files are given for 'app_needs_pairing'"):
        read_given_variants([good[1], good[1]], board)
