"""Every mistake that a preflight must find, and for each the near miss that must pass."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType, ExternalFlash
from pytest_nrf_fota.findings.gate import Result
from pytest_nrf_fota.firmware.damage import change_payload, lose_end_of_payload
from pytest_nrf_fota.firmware.dfu_package import ForeignPackageError
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_image import Dependency, ImageVersion
from pytest_nrf_fota.firmware.trailer import (
    FLAG_SET_BYTE,
    IMAGE_OK_FROM_END_BYTES,
    MAGIC,
)
from pytest_nrf_fota.preflight.prediction import (
    Prediction,
    predict,
    predict_foreign,
    read_update,
)
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.preflight.simulation import simulate
from tests.unit.ext_api_lists import Request

from .workshop import McubootBuild, Workshop, board_of

RELEASES = ("2.3", "2.6", "2.9", "3.0")
WITH_NETWORK_SLOTS = ("2.6", "2.9", "3.0")
IMAGE_HEADER_BYTES = 0x200
# Signature, key hash and SHA-256 behind a payload take less.
TLV_ROOM_BYTES = 0x200


@pytest.fixture(params=RELEASES)
def board(request: pytest.FixtureRequest) -> BoardType:
    """The board of each release."""
    return board_of(request.param)


@pytest.fixture
def workshop(board: BoardType, tmp_path: Path) -> Workshop:
    """The demonstration firmware is installed."""
    return Workshop(board, tmp_path)


@pytest.fixture
def guarded(board: BoardType, tmp_path: Path) -> Workshop:
    """Likewise, with downgrade prevention."""
    return Workshop(board, tmp_path, downgrade_prevention=True)


@pytest.fixture(params=WITH_NETWORK_SLOTS)
def two_images(request: pytest.FixtureRequest, tmp_path: Path) -> Workshop:
    """A board whose network core has image slots; MCUboot overwrites there."""
    return Workshop(board_of(request.param, has_network_slots=True), tmp_path)


def assert_no(prediction: Prediction, row: str, detail: str, reason: str, remedy: str) -> None:
    """The first gate that is not passed is this one, and the first lines say why."""
    assert not prediction.will_upgrade
    failed = prediction.first_failure
    assert failed is not None
    assert failed.name == row
    assert detail in failed.detail
    assert reason in prediction.reason
    assert remedy in prediction.remedy
    assert "\n" not in prediction.reason
    later = list(prediction.checks)[list(prediction.checks).index(failed) + 1 :]
    gates = [check for check in later if check.name not in ("update runs", "network core")]
    assert Result.NO not in {check.result for check in gates}


def assert_yes(prediction: Prediction) -> None:
    """Nothing stops it, and the last boot runs the application."""
    assert prediction.will_upgrade, prediction.reason
    assert (prediction.reason, prediction.remedy) == ("", "")
    assert {check.result for check in prediction.checks} <= {Result.OK, Result.NOTE}
    assert prediction.checks[-1].name == "update runs"
    assert prediction.boots[-1].summary.endswith("application runs")


def result_of(prediction: Prediction, name: str) -> str:
    return next(check.result.value for check in prediction.checks if check.name == name)


class TestFwInfoVersion:
    def test_not_raised(self, workshop: Workshop) -> None:
        package = workshop.mcuboot_package(McubootBuild(0, 14), McubootBuild(1, 14))
        prediction = workshop.predict(package)
        assert_no(
            prediction,
            "FW_INFO version",
            "14 over 14 in S0: not higher",
            "NSIB keeps S0: FW_INFO version 14 is not higher than 14",
            "CONFIG_FW_INFO_FIRMWARE_VERSION of MCUboot above 14",
        )
        assert result_of(prediction, "monotonic counter") == "-"
        assert result_of(prediction, "NSIB accepts") == "-"
        assert "NSIB boots slot 0" in prediction.boots[-1].summary

    def test_below_the_counter(self, workshop: Workshop) -> None:
        assert_no(
            workshop.predict(workshop.mcuboot_package(McubootBuild(1, 13))),
            "FW_INFO version",
            "13 over 14 in S0",
            "13 is not higher than 14, and below the monotonic counter (14)",
            "above 14",
        )

    def test_raised_by_one(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package())
        assert_yes(prediction)
        assert "NSIB boots slot 1, Firmware version 15" in prediction.boots[-1].summary

    def test_back_to_s0_from_s1(self, workshop: Workshop) -> None:
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        update = read_update(workshop.mcuboot_package(), workshop.board)
        assert simulate(simulated, update).will_upgrade
        workshop.installed = simulated.memories()
        older = workshop.predict(workshop.mcuboot_package(McubootBuild(0, 14)))
        assert_no(older, "FW_INFO version", "14 over 15 in S1", "NSIB keeps S1", "above 15")
        same = workshop.predict(workshop.mcuboot_package())
        assert_yes(same)
        (version,) = [check for check in same.checks if check.name == "FW_INFO version"]
        assert "a tie goes to S0" in version.detail
        newer = workshop.mcuboot_package(McubootBuild(0, 16), McubootBuild(1, 16))
        assert_yes(workshop.predict(newer))


class TestMonotonicCounter:
    def test_raised_beyond_what_is_installed(self, workshop: Workshop) -> None:
        """The board then starts nothing at all; a board that runs learns it at its next reset."""
        workshop.install(workshop.provisioning(used=(20,)))
        assert_no(
            workshop.predict(workshop.mcuboot_package()),
            "board boots",
            "Firmware version (14) is smaller than monotonic counter (20).",
            "does not even boot what is installed",
            "Give a merged.hex that boots",
        )

    def test_raised_while_the_board_runs(self, workshop: Workshop) -> None:
        package = read_update(workshop.mcuboot_package(), workshop.board)
        running = SimulatedBoard(workshop.board, workshop.installed, None).boot()[-1]
        workshop.install(workshop.provisioning(used=(20,)))
        prediction = predict(workshop.board, workshop.installed, package, running=running)
        assert_no(
            prediction,
            "update runs",
            "NSIB found no bootable image",
            "NSIB found no bootable image",
            "Do not send it",
        )
        assert result_of(prediction, "MCUboot accepts") == "-"

    def test_as_high_as_what_is_installed(self, workshop: Workshop) -> None:
        workshop.install(workshop.provisioning(used=(14,)))
        assert_yes(workshop.predict(workshop.mcuboot_package()))

    def test_all_slots_used_up(self, workshop: Workshop) -> None:
        """NSIB of these releases starts the image although it cannot store its version."""
        workshop.install(workshop.provisioning(counter_slots=2, used=(13, 14)))
        prediction = workshop.predict(workshop.mcuboot_package())
        assert_yes(prediction)
        (counter,) = [c for c in prediction.checks if c.name == "monotonic counter"]
        assert counter.result is Result.NOTE
        assert "15 against 14; 0 of 2 slots free" in counter.detail

    def test_one_slot_left(self, workshop: Workshop) -> None:
        workshop.install(workshop.provisioning(counter_slots=4, used=(13, 14)))
        prediction = workshop.predict(workshop.mcuboot_package())
        assert_yes(prediction)
        assert result_of(prediction, "monotonic counter") == "ok"

    def test_no_counter_at_all(self, workshop: Workshop) -> None:
        workshop.install(workshop.provisioning(counter_slots=0))
        assert_yes(workshop.predict(workshop.mcuboot_package()))


class TestVariant:
    def test_only_the_file_for_the_running_slot(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package(McubootBuild(0)))
        assert_no_variant(prediction, "S0 is running, so the update must be for S1")
        assert "NSIB boots slot 0" in prediction.boots[-1].summary

    def test_only_the_file_for_the_idle_slot(self, workshop: Workshop) -> None:
        assert_yes(workshop.predict(workshop.mcuboot_package(McubootBuild(1))))

    def test_both_files_sent_as_a_phone_does(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package())
        assert_yes(prediction)
        (phone,) = [check for check in prediction.checks if check.name == "phone app"]
        assert phone.result is Result.NOTE
        assert "rc 3" in phone.detail
        name = read_update(workshop.mcuboot_package(), workshop.board).files[1].name
        assert phone.detail.endswith(f"Give it only {name}.")

    def test_no_advice_for_phones_on_what_cannot_run(self, workshop: Workshop) -> None:
        foreign = [McubootBuild(slot, nsib_key="new") for slot in (0, 1)]
        prediction = workshop.predict(workshop.mcuboot_package(*foreign))
        assert not prediction.will_upgrade
        assert "phone app" not in [check.name for check in prediction.checks]

    def test_one_file_overwrites_nothing(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package(McubootBuild(1)))
        assert "phone app" not in [check.name for check in prediction.checks]


def assert_no_variant(prediction: Prediction, reason: str) -> None:
    failed = prediction.first_failure
    assert failed is not None
    assert failed.name == "file"
    assert reason in failed.detail
    assert reason in prediction.reason
    assert "the file for the slot that does not run" in prediction.remedy
    assert not prediction.will_upgrade


class TestExtApis:
    @pytest.mark.parametrize("ncs", RELEASES)
    def test_one_that_nsib_does_not_offer(self, ncs: str, tmp_path: Path) -> None:
        """The old MCUboot does not start either: NSIB crashes, or has counted the new one."""
        workshop = Workshop(board_of(ncs), tmp_path)
        build = McubootBuild(1, asks_for=(Request(0x1002), Request(0x7777)))
        prediction = workshop.predict(workshop.mcuboot_package(build))
        assert_no(
            prediction,
            "EXT_APIs",
            "asks for BL_SHA256, EXT_API 0x7777; NSIB offers BL_ROT_VERIFY, BL_SHA256",
            "requires EXT_API 0x7777 of NSIB, which does not offer it",
            "Build both stages with the same EXT_API options",
        )
        assert ("invalidates the MCUboot that ran, too" in prediction.reason) is (ncs == "3.0")
        last = prediction.checks[-1]
        assert last.finding is not None
        assert last.finding.code == "board_would_not_boot"
        assert "must know the key" not in last.finding.remedy
        if ncs == "3.0":
            assert prediction.causes[0].code == "ext_api_missing"

    def test_the_old_one_runs_on_where_versions_are_not_counted(self, tmp_path: Path) -> None:
        workshop = Workshop(board_of("3.2"), tmp_path)
        build = McubootBuild(1, asks_for=(Request(0x7777),))
        prediction = workshop.predict(workshop.mcuboot_package(build))
        assert prediction.first_failure is not None
        assert prediction.first_failure.code == "ext_apis"
        assert prediction.boots[-1].summary.startswith("NSIB boots slot 0, Firmware version 14")
        assert prediction.boots[-1].summary.endswith("application runs")
        assert prediction.causes[0].code == "ext_api_missing"

    def test_one_that_it_offers(self, workshop: Workshop) -> None:
        build = McubootBuild(1, asks_for=(Request(0x1002),))
        prediction = workshop.predict(workshop.mcuboot_package(build))
        assert_yes(prediction)
        assert result_of(prediction, "EXT_APIs") == "ok"

    def test_one_that_the_firmware_can_do_without(self, workshop: Workshop) -> None:
        build = McubootBuild(1, asks_for=(Request(0x7777, required=False),))
        prediction = workshop.predict(workshop.mcuboot_package(build))
        assert_yes(prediction)
        assert result_of(prediction, "EXT_APIs") == "note"
        warning = "WARNING: Optional EXT_API request not fulfilled."
        assert warning in prediction.boots[-1].lines

    def test_no_word_of_it_where_none_is_asked_for(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package())
        assert "EXT_APIs" not in [check.name for check in prediction.checks]


class TestNsibKey:
    def test_not_provisioned(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package(McubootBuild(1, nsib_key="new")))
        assert_no(
            prediction,
            "NSIB accepts",
            "Failed to validate signature.",
            "NSIB's key is not provisioned",
            "CONFIG_SB_SIGNING_KEY_FILE",
        )
        assert result_of(prediction, "FW_INFO version") == "ok"

    def test_the_slot_that_was_burnt_takes_the_next_update(self, workshop: Workshop) -> None:
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        wrong = workshop.mcuboot_package(McubootBuild(1, nsib_key="new"))
        assert not simulate(simulated, read_update(wrong, workshop.board)).will_upgrade
        workshop.installed = simulated.memories()
        again = workshop.predict(workshop.mcuboot_package(McubootBuild(1, nsib_key="new")))
        assert_no(again, "NSIB accepts", "Failed to validate", "not provisioned", "Sign with")
        assert_yes(workshop.predict(workshop.mcuboot_package()))

    def test_another_key_that_is_provisioned(self, workshop: Workshop) -> None:
        """The board then has to boot firmware of that key, too."""
        board = workshop.board
        assert board.slots.s0 is not None
        first = read_update(
            workshop.mcuboot_package(McubootBuild(0, 14, nsib_key="new")), board
        ).files[0]
        workshop.install(
            workshop.provisioning(nsib_key="new"),
            Segment(board.slots.s0.address + IMAGE_HEADER_BYTES, first.image.payload),
        )
        assert_yes(workshop.predict(workshop.mcuboot_package(McubootBuild(1, nsib_key="new"))))
        assert not workshop.predict(workshop.mcuboot_package(McubootBuild(1))).will_upgrade


class TestProvisioningOfAnotherRelease:
    """A board that was not recovered on its way to a newer SDK: its OTP stays as it was."""

    @pytest.mark.parametrize(
        ("provisioned_by", "booted_by", "boots"),
        [("2.6", "2.7", False), ("2.3", "3.2", False), ("2.9", "3.0", True), ("2.9", "2.6", True)],
    )
    def test_nsib_from_2_7_on_panics_at_older_key_words(
        self, provisioned_by: str, booted_by: str, boots: bool, tmp_path: Path
    ) -> None:
        older = Workshop(board_of(provisioned_by), tmp_path / "older")
        workshop = Workshop(board_of(booted_by), tmp_path / "newer")
        workshop.install(older.provisioning())

        prediction = workshop.predict(workshop.mcuboot_package())

        assert prediction.will_upgrade == boots
        if not boots:
            gate = prediction.first_failure
            assert gate is not None and gate.finding is not None
            assert gate.finding.code == "provisioned_by_another_sdk"
            assert "key 0 has the word 0xffffffff" in prediction.reason
            assert f"NSIB of NCS {booted_by} panics at all but 0x50faffff" in prediction.reason
            assert "Recover the board" in prediction.remedy


class TestMcubootKey:
    def test_bootloader_signed_with_another(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.mcuboot_package(McubootBuild(1, mcuboot_key="x")))
        assert_no(
            prediction,
            "MCUboot accepts",
            "signed with key",
            "MCUboot does not know the key",
            "Sign with the key",
        )
        for gate in ("room to swap", "package version", "FW_INFO version", "NSIB accepts"):
            assert result_of(prediction, gate) == "-"

    def test_application_signed_with_another(self, workshop: Workshop) -> None:
        assert_no(
            workshop.predict(workshop.app_package(workshop.app(key="x"))),
            "MCUboot accepts",
            "signed with key",
            "MCUboot does not know the key",
            "Sign with the key",
        )

    def test_not_signed(self, workshop: Workshop) -> None:
        assert_no(
            workshop.predict(workshop.app_package(workshop.app(key=None))),
            "MCUboot accepts",
            "not signed",
            "no signature by a key of this MCUboot",
            "sign the image again",
        )

    @pytest.mark.parametrize("damage", [change_payload, lose_end_of_payload])
    def test_damaged(self, workshop: Workshop, damage: object) -> None:
        assert callable(damage)
        assert_no(
            workshop.predict(workshop.app_package(damage(workshop.app()))),
            "MCUboot accepts",
            "the hash differs from the content",
            "MCUboot refuses the image: the hash differs",
            "sign the image again",
        )

    def test_signed_with_the_same(self, workshop: Workshop) -> None:
        assert_yes(workshop.predict(workshop.app_package(workshop.app())))


class TestDowngrade:
    def test_older_application(self, guarded: Workshop) -> None:
        assert_no(
            guarded.predict(guarded.app_package(guarded.app(ImageVersion(0, 9, 0)))),
            "package version",
            "0.9.0 over 1.0.0; downgrade prevention is on",
            "version 0.9.0 is older than what is installed: 1.0.0",
            "Raise the package version",
        )

    @pytest.mark.parametrize(
        "version", [ImageVersion(1, 0, 0), ImageVersion(1, 0, 0, 7), ImageVersion(1, 0, 1)]
    )
    def test_not_older(self, guarded: Workshop, version: ImageVersion) -> None:
        """MCUboot takes equal versions, and does not look at the build number."""
        assert_yes(guarded.predict(guarded.app_package(guarded.app(version))))

    def test_older_without_the_prevention(self, workshop: Workshop) -> None:
        assert_yes(workshop.predict(workshop.app_package(workshop.app(ImageVersion(0, 9, 0)))))

    def test_bootloader_into_a_slot_without_header(self, guarded: Workshop) -> None:
        """NCS 2.6 looks at permanent swaps as well; 2.8 and later leave it to NSIB."""
        prediction = guarded.predict(guarded.mcuboot_package())
        if guarded.board.boot.ncs == "2.6":
            assert_no(
                prediction,
                "package version",
                "downgrade prevention is on",
                "a slot without one counts as newer than anything",
                "CONFIG_MCUBOOT_DOWNGRADE_PREVENTION",
            )
        else:
            assert_yes(prediction)


class TestSize:
    @staticmethod
    def app_ending_before(workshop: Workshop, pages_from_end: int) -> bytes:
        end = workshop.board.slots.primary.size - pages_from_end * 0x1000
        return workshop.app(size_bytes=end - IMAGE_HEADER_BYTES - TLV_ROOM_BYTES)

    def test_larger_than_the_slot(self, workshop: Workshop) -> None:
        prediction = workshop.predict(
            workshop.app_package(self.app_ending_before(workshop, pages_from_end=-1))
        )
        assert_no(
            prediction,
            "upload",
            "rc 1",
            "is too large: 0x",
            "Make the application smaller",
        )
        assert result_of(prediction, "set pending") == "-"
        assert len(prediction.boots) == 1

    def test_no_room_for_the_trailer(self, workshop: Workshop) -> None:
        assert_no(
            workshop.predict(workshop.app_package(self.app_ending_before(workshop, 0))),
            "MCUboot accepts",
            "reaches into the trailer's sectors",
            "reaches into the trailer's sectors",
            "Make the application smaller",
        )

    def test_no_room_for_the_swap(self, workshop: Workshop) -> None:
        assert_no(
            workshop.predict(workshop.app_package(self.app_ending_before(workshop, 1))),
            "room to swap",
            "Not enough free space to run swap upgrade",
            "no room to swap",
            "one page (4 KiB) plus the trailer",
        )

    def test_nobody_speaks_of_swaps_and_trials_where_mcuboot_overwrites(
        self, two_images: Workshop
    ) -> None:
        prediction = two_images.predict(two_images.app_package(two_images.app()))
        assert_yes(prediction)
        said = " ".join(f"{check.name}: {check.detail}" for check in prediction.checks)
        assert "set pending: pending; MCUboot overwrites, with no way back" in said
        assert "room in the slot: 0x" in said
        assert "swap" not in said
        assert "trial" not in said

    def test_just_fits(self, workshop: Workshop) -> None:
        assert_yes(workshop.predict(workshop.app_package(self.app_ending_before(workshop, 2))))


class TestBoardOfTheUser:
    def test_no_other_flash_is_named(self, tmp_path: Path) -> None:
        flash = ExternalFlash(shell_device="gd25@0", size=0x800000, erase_timeout_s=60.0)
        board = board_of("2.3").model_copy(update={"external_flash": flash})
        workshop = Workshop(board, tmp_path)
        image = TestSize.app_ending_before(workshop, 1)
        prediction = workshop.predict(workshop.app_package(image))
        failed = prediction.first_failure
        assert failed is not None
        assert failed.finding is not None
        assert failed.finding.code == "no_room_to_swap"
        for remedy in (prediction.remedy, failed.finding.remedy, prediction.causes[0].remedy):
            assert "Make the image smaller" in remedy
            assert "mx25r6435f" not in remedy


class TestImageIndex:
    def test_application_sent_as_network_core(self, two_images: Workshop) -> None:
        assert_no(
            two_images.predict(two_images.app_package(two_images.app(), indices=(1,))),
            "MCUboot accepts",
            "Reset address of image in secondary slot is not in the primary slot",
            "was sent as image 1, and its code is for another slot",
            "Correct image_index",
        )

    def test_network_core_sent_as_application(self, two_images: Workshop) -> None:
        image = two_images.demo.network_image(2)
        assert_no(
            two_images.predict(two_images.app_package(image, indices=(0,))),
            "MCUboot accepts",
            "Reset address of image in secondary slot is not in the primary slot",
            "was sent as image 0, and its code is for another slot",
            "Correct image_index",
        )

    def test_no_such_image(self, two_images: Workshop) -> None:
        assert_no(
            two_images.predict(two_images.app_package(two_images.app(), indices=(2,))),
            "upload",
            "after 0 of",
            "is for image 2, and the board's application knows 2 images",
            "image_index",
        )

    def test_right_ones(self, two_images: Workshop) -> None:
        prediction = two_images.predict(two_images.demo.app_and_network_update)
        assert_yes(prediction)
        assert result_of(prediction, "network core") == "ok"

    def test_a_board_with_one_image_does_not_look(self, workshop: Workshop) -> None:
        assert_yes(workshop.predict(workshop.app_package(workshop.app(), indices=(1,))))


class TestDependencies:
    NEEDS_NETWORK_2 = (Dependency(1, ImageVersion(2, 0, 0)),)

    def test_application_alone(self, two_images: Workshop) -> None:
        image = two_images.app(dependencies=self.NEEDS_NETWORK_2)
        assert_no(
            two_images.predict(two_images.app_package(image, indices=(0,))),
            "dependencies",
            "needs image 1 in 2.0.0 or newer",
            "a dependency of app0.bin is not met",
            "Update that image first, or send both",
        )

    def test_both_in_one_package(self, two_images: Workshop) -> None:
        app = two_images.app(dependencies=self.NEEDS_NETWORK_2)
        network = two_images.demo.network_image(2)
        for images, indices in (((app, network), (0, 1)), ((network, app), (1, 0))):
            assert_yes(two_images.predict(two_images.app_package(*images, indices=indices)))

    def test_network_core_too_old(self, two_images: Workshop) -> None:
        app = two_images.app(dependencies=self.NEEDS_NETWORK_2)
        network = two_images.demo.network_image(1)
        prediction = two_images.predict(two_images.app_package(app, network, indices=(0, 1)))
        assert not prediction.will_upgrade
        assert "a dependency of app0.bin is not met" in prediction.reason

    def test_on_itself(self, workshop: Workshop) -> None:
        """Known where the S slot makes a second image; without one MCUboot checks nothing."""
        needs_itself = (Dependency(0, ImageVersion(2, 0, 0)),)
        prediction = workshop.predict(workshop.app_package(workshop.app(dependencies=needs_itself)))
        assert_no(
            prediction,
            "dependencies",
            "needs image 0 in 2.0.0 or newer",
            "a dependency of app0.bin is not met",
            "Update that image first",
        )

    def test_on_itself_and_met(self, workshop: Workshop) -> None:
        needs_less = (Dependency(0, ImageVersion(1, 1, 0)),)
        image = workshop.app(dependencies=needs_less)
        assert_yes(workshop.predict(workshop.app_package(image)))


class TestNetworkCoreOrder:
    """On a board with one update slot the second file overwrites the first."""

    @pytest.mark.parametrize("is_first", [False, True])
    def test_one_slot(self, workshop: Workshop, is_first: bool) -> None:
        """The network core's file is sent first, wherever it stands in the manifest."""
        app, network = workshop.app(), workshop.demo.network_image(2)
        package = (
            workshop.app_package(network, app, indices=(1, 0))
            if is_first
            else workshop.app_package(app, network, indices=(0, 1))
        )
        prediction = workshop.predict(package)
        assert_no(
            prediction,
            "set pending, network core",
            "rc 3",
            f"app{0 if is_first else 1}.bin is no longer there to be set pending",
            "Send one image at a time",
        )
        assert result_of(prediction, "network core") == "NO"

    def test_two_files_for_one_image(self, two_images: Workshop) -> None:
        app, network = two_images.app(), two_images.demo.network_image(2)
        prediction = two_images.predict(two_images.app_package(app, network, indices=(0, 0)))
        assert_no(
            prediction,
            "file",
            "some have the same image number: 0, 0",
            "some have the same image number",
            "one image per core",
        )

    def test_network_core_alone(self, two_images: Workshop) -> None:
        image = two_images.demo.network_image(2)
        assert_yes(two_images.predict(two_images.app_package(image, indices=(1,))))


class TestNetworkCoreRefused:
    """The application runs anew, and the package is not there completely."""

    def test_damaged(self, two_images: Workshop) -> None:
        network = change_payload(two_images.demo.network_image(2))
        prediction = two_images.predict(
            two_images.app_package(two_images.app(), network, indices=(0, 1))
        )
        assert_no(
            prediction,
            "MCUboot accepts, network core",
            "the hash differs from the content",
            "MCUboot refuses the image: the hash differs",
            "sign the image again",
        )
        assert result_of(prediction, "MCUboot accepts") == "ok"
        assert result_of(prediction, "network core") == "NO"
        assert prediction.checks[-1].detail.startswith("not all of it")

    def test_damaged_and_needed(self, two_images: Workshop) -> None:
        app = two_images.app(dependencies=[Dependency(1, ImageVersion(2, 0, 0))])
        network = change_payload(two_images.demo.network_image(2))
        prediction = two_images.predict(two_images.app_package(app, network, indices=(0, 1)))
        assert prediction.first_failure is not None
        assert prediction.first_failure.name == "MCUboot accepts, network core"
        assert result_of(prediction, "MCUboot accepts") == "ok"

    def test_older_with_downgrade_prevention(self, two_images: Workshop, tmp_path: Path) -> None:
        guarded = Workshop(two_images.board, tmp_path, downgrade_prevention=True)
        for version, will_upgrade in ((0, False), (1, True), (2, True)):
            network = guarded.demo.network_image(version)
            prediction = guarded.predict(
                guarded.app_package(guarded.app(), network, indices=(0, 1))
            )
            assert prediction.will_upgrade is will_upgrade, prediction.reason
            if not will_upgrade:
                assert_no(
                    prediction,
                    "network core",
                    "insufficient version in secondary slot",
                    "the network core keeps its old firmware",
                    "Raise CONFIG_FW_INFO_FIRMWARE_VERSION of the network core",
                )
                assert result_of(prediction, "package version") == "ok"


class TestPadding:
    @staticmethod
    def padded(workshop: Workshop, *, is_confirmed: bool) -> bytes:
        """What `imgtool --pad` makes, or `imgtool --pad --confirm`."""
        image = bytearray(workshop.app())
        image += b"\xff" * (workshop.board.slots.primary.size - len(image) - len(MAGIC)) + MAGIC
        if is_confirmed:
            image[-IMAGE_OK_FROM_END_BYTES] = FLAG_SET_BYTE
        return bytes(image)

    def test_padded(self, workshop: Workshop) -> None:
        image = self.padded(workshop, is_confirmed=False)
        prediction = workshop.predict(workshop.app_package(image))
        assert_yes(prediction)
        assert result_of(prediction, "padding") == "note"

    def test_padded_and_confirmed(self, workshop: Workshop) -> None:
        """Later applications refuse a trial of what is pending for good; 2.3 takes it silently."""
        image = self.padded(workshop, is_confirmed=True)
        prediction = workshop.predict(workshop.app_package(image))
        assert result_of(prediction, "padding") == "note"
        assert "swap perm" in prediction.boots[-1].summary
        if workshop.board.boot.ncs == "2.3":
            assert_yes(prediction)
        else:
            assert_no(
                prediction, "set pending", "rc 6", "is pending by itself", "without imgtool --pad"
            )

    def test_not_padded(self, workshop: Workshop) -> None:
        prediction = workshop.predict(workshop.app_package(workshop.app()))
        assert_yes(prediction)
        assert "padding" not in [check.name for check in prediction.checks]


class TestOtherBoard:
    def test_named_in_the_manifest(self, workshop: Workshop) -> None:
        path = workshop.app_package(workshop.app(), board="nrf9160dk_nrf9160")
        with pytest.raises(ForeignPackageError) as raised:
            read_update(path, workshop.board)
        prediction = predict_foreign(path, raised.value)
        assert_no(
            prediction,
            "board",
            "nrf9160dk_nrf9160",
            "The package is for board 'nrf9160dk_nrf9160'",
            "a build for this board",
        )

    def test_spelt_as_other_releases_do(self, workshop: Workshop) -> None:
        path = workshop.app_package(workshop.app(), board="nrf5340dk/nrf5340/cpuapp")
        assert_yes(workshop.predict(path))


class TestBoardState:
    def test_stale_update_in_the_secondary_slot(self, workshop: Workshop) -> None:
        """It is pending: the first boot takes it, and the upload overwrites the old image."""
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        simulated.boot()
        stale = read_update(
            workshop.app_package(workshop.app(ImageVersion(1, 0, 5))), simulated.board
        )
        image = stale.files[0].image
        assert not simulated.upload(0, image.data, image.hash or b"").result.rc
        assert not simulated.mark(image.hash or b"", permanent=True).rc
        running = simulated.boot()[-1]
        simulated.take_as_running()
        workshop.installed = simulated.memories()
        update = workshop.app_package(workshop.app())
        assert running.swapped
        assert_yes(workshop.predict(update))

    def test_stale_update_on_a_board_that_runs(self, workshop: Workshop) -> None:
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        running = simulated.boot()[-1]
        stale = read_update(
            workshop.app_package(workshop.app(ImageVersion(1, 0, 5))), simulated.board
        )
        image = stale.files[0].image
        assert not simulated.upload(0, image.data, image.hash or b"").result.rc
        unmarked = simulated.memories()
        assert not simulated.mark(image.hash or b"", permanent=True).rc
        update = read_update(workshop.app_package(workshop.app()), simulated.board)
        assert_no(
            predict(simulated.board, simulated.memories(), update, running=running),
            "upload",
            "after 0 of",
            "another update is pending in the secondary slot",
            "Reset the board",
        )
        assert_yes(predict(simulated.board, unmarked, update, running=running))

    def test_trial_that_is_not_confirmed(self, workshop: Workshop) -> None:
        """The update slot holds the old image, for the way back: it takes no upload."""
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        before = simulated.snapshot().boot()[-1]
        trial = read_update(workshop.app_package(workshop.app()), simulated.board)
        assert simulate(simulated, trial).will_upgrade
        path = workshop.app_package(workshop.app(ImageVersion(1, 2, 0)))
        update = read_update(path, simulated.board)
        prediction = predict(simulated.board, simulated.memories(), update, running=before)
        assert_no(
            prediction,
            "upload",
            "after 0 of",
            "the running application is a test image and not confirmed",
            "Confirm the running application",
        )
        (note,) = [check for check in prediction.checks if check.name == "running image"]
        assert note.result is Result.NOTE
        assert "1.1.0 is a test image, not confirmed" in note.detail

    def test_trial_that_was_confirmed(self, workshop: Workshop) -> None:
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        before = simulated.snapshot().boot()[-1]
        trial = read_update(workshop.app_package(workshop.app()), simulated.board)
        assert simulate(simulated, trial).will_upgrade
        assert not simulated.mark(trial.files[0].image.hash or b"", permanent=True).rc
        path = workshop.app_package(workshop.app(ImageVersion(1, 2, 0)))
        update = read_update(path, simulated.board)
        assert_yes(predict(simulated.board, simulated.memories(), update, running=before))


class TestExplained:
    """The rules that read real logs find the same cause in the predicted one."""

    @pytest.mark.parametrize(
        ("build", "rule"),
        [
            (McubootBuild(1, 14), "nsib_version_not_raised"),
            (McubootBuild(1, nsib_key="new"), "nsib_wrong_key"),
            (McubootBuild(1, mcuboot_key="new"), "image_of_another_key"),
        ],
    )
    def test_first_cause(self, workshop: Workshop, build: McubootBuild, rule: str) -> None:
        prediction = workshop.predict(workshop.mcuboot_package(build))
        assert prediction.causes[0].code == rule
        assert prediction.causes[0].remedy

    def test_none_where_it_will_upgrade(self, workshop: Workshop) -> None:
        assert workshop.predict(workshop.mcuboot_package()).causes == ()
