"""Values for what a file holds.

They are what `nrf-fota inspect --json` prints: names are kept from release to release, new ones may
be added. Hashes are lower-case hex; addresses, offsets and sizes are numbers.
"""

from enum import Enum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.nsib_release import KeyState
from pytest_nrf_fota.findings.finding import Finding


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Container(Enum):
    """What kind of file it is."""

    BIN = "bin"
    HEX = "hex"
    PACKAGE = "package"
    MULTI_IMAGE = "multi_image"
    BUILD = "build"


class Role(Enum):
    """What a firmware is: by where it runs, its fw_info and its size."""

    NSIB = "nsib"
    MCUBOOT_S0 = "mcuboot_s0"
    MCUBOOT_S1 = "mcuboot_s1"
    APPLICATION = "application"
    NETWORK_CORE = "network_core"
    UNKNOWN = "unknown"


BOOTLOADER_ROLES = (Role.MCUBOOT_S0, Role.MCUBOOT_S1)


class FoundKey(_Value):
    """A key, by its hash: SHA-256 of its DER (MCUboot), or 16 bytes of SHA-256(X||Y) (NSIB).

    `published_as` says where the private half is public knowledge; `given_file` is the --key that
    it is, `found_in` the file beside it whose MCUboot holds it.
    """

    hash: str
    published_as: str | None = None
    given_file: str | None = None
    found_in: str | None = None


class FoundTlv(_Value):
    """One TLV behind an image; `value` is hex, cut to 64 bytes."""

    kind: int
    name: str
    size_bytes: int
    protected: bool
    value: str


class FoundDependency(_Value):
    """An image that must be there in at least this version."""

    image_index: int
    lowest_version: str


class FoundFirmware(_Value):
    """A firmware with NSIB's fw_info, and NSIB's validation info where it was found.

    `hash_is_right`, `signature_is_right`: None where no validation info was found.
    `provisioned`: whether NSIB may use the key, by the provisioning data of the same file; None
    without such data. `key_revoked`: whether it is there, and revoked. `offset_bytes` is where the
    struct lies in the file (hex: its address).
    """

    offset_bytes: int
    version: int
    firmware_address: int
    firmware_size_bytes: int
    boot_address: int
    is_valid: bool
    role: Role
    key: FoundKey | None = None
    hash_is_right: bool | None = None
    signature_is_right: bool | None = None
    provisioned: bool | None = None
    key_revoked: bool = False


class FoundManifestEntry(_Value):
    """What the manifest of a DFU package says of one file."""

    type: str
    board: str
    soc: str
    load_address: int | None
    image_index: int | None
    slot: int | None
    version_mcuboot: str
    version_b0: str


class FoundImage(_Value):
    """An MCUboot image. `offset_bytes` is where it lies in the file (hex: its address).

    `hash_is_right`: None where it was not checked, and `unchecked` says why. `signature_is_right`:
    likewise, and where no available key could have made it. `signs_content`: whether the signature
    is over the image itself and not over its hash. `carries_public_key`: whether the whole key is
    in it instead of the key's hash. `role_reason`: what speaks against a role, or for `unknown`.
    `other_chip`: for which the fw_info in it was made, where that is another one. `room_bytes`:
    what its slot leaves for it next to trailer and swap; None where that is not known.
    """

    name: str
    offset_bytes: int
    role: Role
    version: str
    size_bytes: int
    header_size_bytes: int
    payload_size_bytes: int
    load_address: int
    reset_vector: int | None
    flags: tuple[str, ...]
    hash: str | None
    hash_is_right: bool | None
    signature: str | None
    key: FoundKey | None
    signature_is_right: bool | None
    security_counter: int | None
    dependencies: tuple[FoundDependency, ...]
    tlvs: tuple[FoundTlv, ...]
    room_bytes: int | None
    firmware: FoundFirmware | None
    accepts: tuple[FoundKey, ...]
    manifest: FoundManifestEntry | None = None
    role_reason: str = ""
    hash_algorithm: str | None = None
    unchecked: str = ""
    signs_content: bool = False
    carries_public_key: bool = False
    other_chip: str = ""


class FoundProvisionedKey(_Value):
    """One key of the provisioning data.

    `word` stands in front of its hash, `invalidated` is whether that of any release revokes it;
    `read_as` is what the NSIB in the file makes of it, None where its release is not known.
    """

    key: FoundKey
    invalidated: bool
    word: int
    read_as: KeyState | None = None


class FoundCounter(_Value):
    """One monotonic counter."""

    description: int
    value: int
    slots: int
    used_slots: int


class FoundProvisioning(_Value):
    """NSIB's provisioning data. `ncs` is the release of the NSIB in the same file, where known."""

    address: int
    s0_address: int
    s1_address: int
    keys: tuple[FoundProvisionedKey, ...]
    counters: tuple[FoundCounter, ...]
    ncs: str | None = None


class FoundTrailer(_Value):
    """The image trailer at the end of a slot, in MCUboot's words, and what it means."""

    slot: str
    magic: str
    swap_type: int
    copy_done: int
    image_ok: int
    meaning: str


class FoundSegment(_Value):
    """Consecutive bytes of a hex file; `memory` is the board's name for the place."""

    address: int
    size_bytes: int
    memory: str | None


class FoundOther(_Value):
    """Something in the container that is not opened."""

    name: str
    size_bytes: int


class FoundSetting(_Value):
    """A Kconfig value of one image of a build."""

    image: str
    name: str
    value: str


class FoundPartition(_Value):
    """One partition of the build's partitions.yml."""

    name: str
    address: int
    size_bytes: int
    region: str


class Contents(_Value):
    """Everything that was found in one file or build folder.

    `firmwares` are those without an MCUboot header around them; `files` are the files of a build
    folder that were read in turn. `network_provisioning` is what the network core's bootloader has.
    `other_chips` are those for which a fw_info in it was made, `mcuboot_alone` is whether a hex
    file has MCUboot at address 0 and no NSIB.
    """

    format_version: Literal[2] = 2
    path: str
    container: Container
    size_bytes: int
    board: str
    images: tuple[FoundImage, ...] = ()
    firmwares: tuple[FoundFirmware, ...] = ()
    accepts: tuple[FoundKey, ...] = ()
    provisioning: FoundProvisioning | None = None
    network_provisioning: FoundProvisioning | None = None
    other_chips: tuple[str, ...] = ()
    mcuboot_alone: bool = False
    trailers: tuple[FoundTrailer, ...] = ()
    segments: tuple[FoundSegment, ...] = ()
    others: tuple[FoundOther, ...] = ()
    settings: tuple[FoundSetting, ...] = ()
    partitions: tuple[FoundPartition, ...] = ()
    files: tuple["Contents", ...] = ()
    remarks: tuple[Finding, ...] = ()
