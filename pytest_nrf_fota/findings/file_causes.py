"""What makes firmware files fail an upgrade, or is worth knowing of them (`nrf-fota inspect`)."""

from pytest_nrf_fota.findings.cause import Cause
from pytest_nrf_fota.findings.finding import Weight

_B0N_KEY_GENERATED = (
    "Empty: the key that signs for b0n, the network core's bootloader, is generated in the build "
    "folder, and a pristine build makes another one."
)
_KEEP_A_KEY_FILE = "Name a key file that you keep."
_ONLY_A = "Only a MCUboot with"

_WARNINGS = (
    Cause("file_unreadable", "{what}"),
    Cause("image_unreadable", "An image begins here, and cannot be read: {error}."),
    Cause("package_refused", "A test run on {board} would refuse this package: {what} {next_step}"),
    Cause("fw_info_of_another_chip", "fw_info for {chip}: this firmware is for another chip."),
    Cause(
        "image_too_large",
        "The image has {size} bytes; its slot leaves {room} next to what MCUboot keeps there.",
    ),
    Cause(
        "key_is_public",
        "Signed with a key that everybody has: {key}. Fine for tests, not for products.",
    ),
    Cause(
        "own_key_not_accepted",
        "The MCUboot in it does not accept the key that it is signed with: once it runs, it "
        "refuses whatever that key signs.",
    ),
    Cause(
        "application_of_another_layout",
        "An application {reason}.",
        "Give the board file of its layout (--board, --board-dir).",
    ),
    Cause("image_of_another_chip", "{reason}."),
    Cause(
        "image_unknown",
        "Unknown: {reason}.",
        "Is it for another board or another partition layout (--board, --board-dir)?",
    ),
    Cause(
        "image_carries_whole_key",
        "It carries the whole public key (imgtool --public-key-format full). A MCUboot without "
        "CONFIG_BOOT_HW_KEY looks for the key's hash, finds none, and refuses it.",
    ),
    Cause("image_damaged", "The hash does not fit the content: MCUboot refuses this image."),
    Cause("image_without_hash", "The image has no hash: MCUboot refuses it."),
    Cause("image_not_signed", "Not signed: only an MCUboot without a key takes it."),
    Cause("signature_of_another_key", "The signature is not of the key that the image names."),
    Cause(
        "mcuboot_version_not_set",
        "fw_info has version {version}, the MCUboot header still 0.0.0: an image list shows every "
        "such bootloader alike, and downgrade prevention refuses it.",
        "Raise both (CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION of the bootloader).",
    ),
    Cause("firmware_invalidated", "{who} has invalidated this firmware: it will not boot again."),
    Cause(
        "fw_info_version_too_high",
        "fw_info version {version} is above {highest}, the greatest that NSIB's counters can hold.",
    ),
    Cause("not_signed_for_nsib", "No NSIB signature behind this firmware: NSIB refuses it."),
    Cause("firmware_damaged", "{who}'s hash does not fit the firmware: {who} refuses it."),
    Cause(
        "firmware_of_another_key",
        "{who}'s signature was not made with the key stored with it: {who} refuses it.",
    ),
    Cause(
        "nsib_wrong_key",
        "Signed for NSIB with key {key}, which is not in this file's provisioning data: NSIB "
        "refuses it.",
        "Was the signing key generated anew by the build (set CONFIG_SB_SIGNING_KEY_FILE)?",
    ),
    Cause(
        "nsib_key_revoked",
        "Signed for NSIB with key {key}, which is revoked in this file's provisioning data: NSIB "
        "refuses it.",
        "Sign with a key that is not revoked (CONFIG_SB_SIGNING_KEY_FILE).",
    ),
    Cause(
        "not_provisioned",
        "It holds a MCUboot for S0 or S1 and no provisioning data, without which NSIB knows no "
        "key: a kit that was erased completely does not boot this.",
        "The build's merged.hex has both.",
    ),
    Cause(
        "nsib_key_word_wrong",
        "{history}: NSIB of {nsib} panics at it, before it looks at any firmware.",
        "Recover the board, which erases its OTP as well, and flash provisioning data and NSIB of "
        "one release.",
    ),
    Cause(
        "nsib_key_not_revoked_here",
        "{history}, which NSIB of {nsib} takes for a valid key: it starts what that key signs.",
        "Provision without this key.",
    ),
    Cause("nsib_keys_unusable", "It holds no valid key: NSIB boots nothing."),
    Cause("nsib_counter_full", "All slots of a monotonic counter are used: no newer version fits."),
    Cause("variants_differ", "The variants for S0 and S1 have different versions."),
    Cause(
        "no_mcuboot",
        "There is no MCUboot in this build{sign}: its application cannot be updated over the air.",
        "Build with MCUboot (sysbuild: SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS 2.7: "
        "CONFIG_BOOTLOADER_MCUBOOT=y).",
    ),
    Cause(
        "build_mcuboot_of_one_image",
        "Built for one image (CONFIG_UPDATEABLE_IMAGE_NUMBER=1), it never updates itself: it sees "
        "its update pending and decides nothing.",
        "Leave the 2 of sdk-nrf, which child_image/mcuboot.conf or sysbuild/mcuboot.conf changes. "
        "Kits that have this MCUboot need a probe once.",
    ),
    Cause(
        "build_mcuboot_refuses_itself",
        "It overwrites, and was built beside firmware for the network core: it looks for the code "
        "of its own update in that core's flash, and refuses each.",
        "Build MCUboot with CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS=n, or with "
        "CONFIG_BOOT_SWAP_USING_MOVE=y. Kits that have this MCUboot need a probe once.",
    ),
    Cause("build_incomplete", "{what}", "{next_step}"),
    Cause(
        "build_without_update",
        "There is a hex file, and no update: no dfu_application.zip, no dfu_mcuboot.zip and no "
        "signed image.",
        "Run `west build` to its end; its output shows what stopped it.",
    ),
    Cause(
        "nsib_key_generated",
        "Empty: NSIB's key is generated in the build folder, a pristine build makes another one, "
        "and kits refuse what that signs.",
        _KEEP_A_KEY_FILE,
    ),
    Cause(
        "b0n_key_generated",
        f"{_B0N_KEY_GENERATED} A b0n that checks signatures refuses what that signs.",
        _KEEP_A_KEY_FILE,
    ),
    Cause(
        "build_for_another_chip",
        "{what}, and for another chip ({chip}). Memories and roles shown here are "
        "those of {board}, and a test run on it refuses this build.",
    ),
    Cause("build_for_another_board", "{what}. {slots}.", "{hint}"),
    Cause(
        "bluetooth_controller_missing",
        "None, and the application's Bluetooth controller runs there (CONFIG_BT_HCI_IPC; sysbuild: "
        "SB_CONFIG_NETCORE_IPC_RADIO=y and SB_CONFIG_NETCORE_IPC_RADIO_BT_HCI_IPC=y build its "
        "firmware).",
    ),
)
_NOTES = (
    ("role_doubtful", "{reason}."),
    (
        "image_encrypted",
        "Encrypted: hash and signature are over the plain text, so neither is checked here. "
        f"{_ONLY_A} CONFIG_BOOT_ENCRYPT_IMAGE and the private key takes it.",
    ),
    (
        "image_compressed",
        "Compressed: hash and signature are over the compressed image. "
        f"{_ONLY_A} CONFIG_BOOT_DECOMPRESSION takes it.",
    ),
    (
        "image_for_direct_xip",
        "Made for direct XIP: it runs where it lies, at {address} (imgtool --rom-fixed), and a "
        "MCUboot that swaps or overwrites ignores that.",
    ),
    (
        "image_signed_as_a_whole",
        "The signature is over the image itself (imgtool --pure): only a MCUboot with "
        "CONFIG_BOOT_SIGNATURE_TYPE_PURE takes it.",
    ),
    (
        "image_with_long_hash",
        "Hashed by {algorithm}: a MCUboot that was built for SHA-256, the default, refuses it.",
    ),
    (
        "manifest_version_differs",
        "The manifest has version_B0 {manifest}, the image itself {image}: NSIB uses the image "
        "(before NCS 3.0 the manifest takes the application's number).",
    ),
    ("nsib_key_is_public", "{who} key is public: {key}."),
    ("trailer", "{meaning}."),
    ("one_variant", "Only the variant for {slot}: it fits a kit that runs the other slot."),
    (
        "both_variants",
        "The variants for S0 and S1 are both in it: send only the one for the slot that is NOT "
        "running (`Attempting to boot slot 0.` -> the S1 file). Sent one after the other, the "
        "second overwrites the first.",
    ),
    (
        "both_s_slots",
        "S0 and S1 both hold a firmware, versions {s0} and {s1}: NSIB starts {starts}.",
    ),
    ("no_nsib", "No NSIB: MCUboot lies at address 0."),
    ("many_segments", "The file has {segments} segments; the first {listed} are listed."),
    (
        "multi_image",
        "A DFU multi image: an application unpacks it by itself (Matter's OTA). SMP takes its "
        "images one by one: for a test give dfu_application.zip of the same build.",
    ),
    (
        "slots_unused",
        "The slots are those that the board's devicetree has in every build; nothing uses them "
        "here.",
    ),
    (
        "b0n_key_not_checked",
        f"{_B0N_KEY_GENERATED} That does no harm: this b0n checks the hash alone "
        "(CONFIG_SB_VALIDATE_FW_HASH).",
    ),
    (
        "fw_info_versions_differ",
        "CONFIG_FW_INFO_FIRMWARE_VERSION is {application} here and {mcuboot} in mcuboot: what NSIB "
        "compares is mcuboot's.",
    ),
    ("build_without_s_slots", "The build has no S0 and S1, so no NSIB: MCUboot lies at 0."),
    (
        "slot_differs",
        "{name} is {found}, in board {board} {slot}: the build's is taken.",
    ),
    ("slots_of_build", "Slots are those of its build ({layout}), not of {board}."),
    (
        "nsib_version_not_raised",
        "The hex file and the update of MCUboot have fw_info version {baseline} and {update}: on a "
        "kit with this hex file NSIB keeps what it has. `nrf-fota resign` makes the next version "
        "of the update without a build.",
    ),
    (
        "no_network_core",
        "None: there is nothing for the network core here, and recovering a kit erases it. An "
        "application whose Bluetooth controller runs there needs its hex file as well.",
    ),
    ("network_core_in_both", "Not in this file; {beside} has what both cores need."),
    (
        "network_core_beside",
        "Not in this file; {beside} has it. Recovering a kit erases both cores, so it needs both "
        "files: give the build folder, or each of them.",
    ),
)

FILE_CAUSES: dict[str, Cause] = {
    cause.code: cause
    for cause in (*_WARNINGS, *(Cause(*texts, weight=Weight.NOTE) for texts in _NOTES))
}
"""By their code."""
