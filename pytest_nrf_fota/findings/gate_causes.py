"""Why a preflight says NO. A code of a rule of `explain` is the same cause; so is its remedy,
where none stands here.
"""

from pytest_nrf_fota.findings.cause import Cause

_BUILD_AND_SIGN = "Build and sign the image again, with the key of the installed MCUboot."
_REFUSED = "MCUboot refuses the image: {why}"
_MAKE_SMALLER = "Make the application smaller, or the slots larger (pm_static.yml) on both sides."

GATE_CAUSES: dict[str, Cause] = {
    cause.code: cause
    for cause in (
        Cause("another_board", "{what}", "{next_step}"),
        Cause(
            "installed_does_not_boot",
            "the board does not even boot what is installed: {said}",
            "Give a merged.hex that boots, and the board that it is built for (--board); over SMP "
            "nothing can be sent to this one.",
        ),
        Cause(
            "provisioned_by_another_sdk",
            "the provisioning data are of another SDK: key {key} has the word {word}, and NSIB of "
            "NCS {ncs} panics at all but {valid} and {revoked} (revoked)",
            "Recover the board, which erases its OTP as well, and flash the whole build: "
            "provisioning data and NSIB of one release.",
        ),
        Cause(
            "no_file_for_running_slot",
            "{why}",
            "Send the file for the slot that does not run; the build's dfu_mcuboot.zip holds both.",
        ),
        Cause(
            "files_do_not_fit_images",
            "{why}",
            "Give a package with one image per core, as the build makes it.",
        ),
        Cause("upload_refused", "the board refuses the upload of {file}: {said}"),
        Cause(
            "upload_too_large",
            "{file} is too large: {size} bytes, and the update slot has {slot}",
            _MAKE_SMALLER,
        ),
        Cause(
            "no_such_image",
            "{file} is for image {image}, and the board's application knows {known}: {said}",
            "Correct image_index in the manifest, or build the application with "
            "CONFIG_UPDATEABLE_IMAGE_NUMBER=2.",
        ),
        Cause(
            "running_unconfirmed_test_image",
            "the running application is a test image and not confirmed, so the update slot keeps "
            "the old one: {said}",
            "Confirm the running application, or reset the board so that it reverts.",
        ),
        Cause(
            "slot_in_use",
            "another update is pending in the secondary slot, so the upload is refused: {said}",
            "Reset the board, so that it takes that one, or erase the external flash: "
            "`{erase_flash}`.",
        ),
        Cause("mark_refused", "the board refuses to set {file} pending: {said}"),
        Cause(
            "pending_by_itself",
            "{file} is pending by itself, so the client is refused: {said}",
            "Send the image as signed without imgtool --pad and --confirm.",
        ),
        Cause("same_image", "{what}", "{next_step}"),
        Cause(
            "other_hash_algorithm",
            "{file} is hashed by {algorithm}, the running application otherwise, and its image "
            "list names images by its own: {said}",
            "Sign with the hash that the installed MCUboot checks (imgtool --sha; MCUboot's "
            "CONFIG_BOOT_IMG_HASH_ALG_SHA256 is the default).",
        ),
        Cause(
            "one_slot_for_several_images",
            "the board has one update slot, so the package's files overwrite each other, and "
            "{file} is no longer there to be set pending: {said}",
            "Send one image at a time, or build for network core slots of its own.",
        ),
        Cause(
            "image_carries_whole_key",
            "{file} is signed with {known} key and carries it whole; a MCUboot without "
            "CONFIG_BOOT_HW_KEY looks for the key's hash (KEYHASH), and finds none",
        ),
        Cause(
            "image_of_another_key",
            "MCUboot does not know the key that {file} is signed with: hash {key}, it knows "
            "{known}",
        ),
        Cause("image_damaged", _REFUSED, _BUILD_AND_SIGN),
        Cause("image_not_signed", _REFUSED, _BUILD_AND_SIGN),
        Cause("secondary_image_invalid", _REFUSED, _BUILD_AND_SIGN),
        Cause("wrong_s_file", _REFUSED),
        Cause(
            "wrong_load_address",
            "{file} was sent as image {image}, and its code is for another slot",
            "Correct image_index in the manifest: 0 is the application, 1 the network core.",
        ),
        Cause(
            "mcuboot_of_one_image",
            "the MCUboot on the board never updates itself: it was built for one image "
            "(CONFIG_UPDATEABLE_IMAGE_NUMBER=1)",
            "Build it for two, as sdk-nrf does unless child_image/mcuboot.conf or "
            "sysbuild/mcuboot.conf says otherwise, and program it once by a probe.",
        ),
        Cause(
            "mcuboot_taken_for_network_core",
            "this MCUboot refuses every update of itself: it overwrites, was built beside firmware "
            "for the network core, and looks for the code of image 1 in that core's flash",
            "Build MCUboot with CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS=n, or with swap using move "
            "(CONFIG_BOOT_SWAP_USING_MOVE), and program it once by a probe.",
        ),
        Cause("image_reaches_into_trailer", _REFUSED, _MAKE_SMALLER),
        Cause("slots_do_not_fit", "MCUboot takes no update into slots of unequal size: {sizes}"),
        Cause("no_room_to_swap", "the image leaves MCUboot no room to swap: {size}"),
        Cause(
            "downgrade_prevented",
            "MCUboot prevents the downgrade: the package's version {version} is older than what is "
            "installed{before}",
            "Raise the package version (CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION, or VERSION), and "
            "sign again.",
        ),
        Cause(
            "s_slot_counts_as_newer",
            "MCUboot prevents the downgrade: it compares the package's version {version} with the "
            "image header in {slot}, and a slot without one counts as newer than anything",
            "Build MCUboot without CONFIG_MCUBOOT_DOWNGRADE_PREVENTION, or with NCS 2.7 and later.",
        ),
        Cause(
            "dependency_not_met",
            "a dependency of {file} is not met: it {needs}. MCUboot prints nothing "
            "about it, and the update stays pending",
            "Update that image first, or send both in one package.",
        ),
        Cause(
            "network_core_not_given",
            "nothing was given for the network core: its flash is erased, so there is no b0n that "
            "could take its update",
            "{network_core_file}",
        ),
        Cause(
            "network_core_refused",
            "the network core keeps its old firmware{seen}",
            "The network core's file must be image 1 of a board whose MCUboot has slots for it "
            "(CONFIG_NRF53_MULTI_IMAGE_UPDATE), and be signed like the application.",
        ),
        Cause(
            "network_core_not_newer",
            "the network core keeps its old firmware{seen}",
            "Raise CONFIG_FW_INFO_FIRMWARE_VERSION of the network core's firmware.",
        ),
        Cause(
            "no_fw_info",
            "{file} has no fw_info, so NSIB would never start it",
            "Build MCUboot with CONFIG_SECURE_BOOT=y and CONFIG_FW_INFO=y.",
        ),
        Cause(
            "nsib_version_not_raised",
            "NSIB keeps {slot}: FW_INFO version {new} is not higher than {version}{below}",
            "Raise CONFIG_FW_INFO_FIRMWARE_VERSION of MCUboot above {version}, and build again.",
        ),
        Cause(
            "nsib_rollback",
            "FW_INFO version {version} is below the monotonic counter ({counter}): NSIB "
            "invalidates the image and keeps the old one",
        ),
        Cause(
            "nsib_wrong_key",
            "NSIB's key is not provisioned: {file} is signed with key {key}, the board knows "
            "{known}",
            "Sign with the provisioned key (CONFIG_SB_SIGNING_KEY_FILE): without it, each new "
            "build folder makes a key of its own.",
        ),
        Cause(
            "nsib_refuses",
            "NSIB refuses the image and invalidates it: {lines}",
            "Build MCUboot again, with CONFIG_SB_SIGNING_KEY_FILE naming the provisioned key.",
        ),
        Cause(
            "ext_api_missing",
            "{file} requires {missing} of NSIB, which does not offer it: NSIB does not start "
            "it{then}",
        ),
        Cause("update_does_not_run", "{why}"),
        Cause(
            "board_would_not_boot",
            "{why}",
            "Do not send it: the board would need a debug probe afterwards.{more}",
        ),
    )
}
"""By their code."""
