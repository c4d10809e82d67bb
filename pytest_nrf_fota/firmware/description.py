"""What the virtual CPU should do for a firmware: a small JSON text inside the payload.

Machine code is not executed by the virtual kit. Demonstration firmware therefore carries a
description of what it prints and does; firmware without one (a user's real build) runs with the
defaults of the classes below.
"""

import struct
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pytest_nrf_fota.boards.soc import KIT_SOC, Soc

MARKER = b"\x00pytest-nrf-fota firmware description\x00"
_LENGTH = struct.Struct("<I")
_MOST_BYTES = 64 * 1024

BootloaderMode: TypeAlias = Literal[
    "single_app", "swap_scratch", "overwrite_only", "swap_without_scratch", "swap_using_offset"
]


def advertised_name_on(soc: Soc) -> str:
    """The name on the air of an application that nobody has named."""
    return f"{soc.title} FOTA"


class _Description(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NsibDescription(_Description):
    """The immutable bootloader; `logs` is whether it prints at all."""

    kind: Literal["nsib"] = "nsib"
    logs: bool = True


class McubootDescription(_Description):
    """MCUboot.

    Args:
        marker: what a patched main.c prints after `Starting bootloader`.
        logs: whether it prints at all.
        swap: how it brings an update into the primary slot: CONFIG_BOOT_SWAP_USING_MOVE (default
            of NCS), CONFIG_BOOT_UPGRADE_ONLY ("overwrite"), CONFIG_BOOT_SWAP_USING_SCRATCH
            ("scratch"; the board file must name the scratch area) or CONFIG_BOOT_SWAP_USING_OFFSET
            ("offset": NCS 3.0 and later; the application must store updates from the second
            sector on, and with NSIB only applications can be updated).
        downgrade_prevention: CONFIG_MCUBOOT_DOWNGRADE_PREVENTION, by image version.
        cleans_up_unusable_secondary: CONFIG_MCUBOOT_CLEANUP_UNUSABLE_SECONDARY, which releases
            from 2.6 on know (inferred: off unless a build asks for it).
        network_core: how it updates the network core. "single": from the application's secondary
            slot, which works only where that lies in the internal flash. "multi": from a pair of
            slots of its own (CONFIG_NRF53_MULTI_IMAGE_UPDATE; NCS supports it with "overwrite"
            only, and under NSIB from 2.6 on). "none": not at all.
        updates_itself: under NSIB, whether it was built for two images
            (CONFIG_UPDATEABLE_IMAGE_NUMBER=2), as sdk-nrf's multi_image_mcuboot.conf has it.
        verifies_address: whether it refuses code that is linked for another slot than its own,
            where it overwrites (CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS, on by default there).
    """

    kind: Literal["mcuboot"] = "mcuboot"
    marker: str = ""
    logs: bool = True
    swap: Literal["move", "overwrite", "offset", "scratch"] = "move"
    downgrade_prevention: bool = False
    cleans_up_unusable_secondary: bool = False
    network_core: Literal["none", "single", "multi"] = "none"
    updates_itself: bool = True
    verifies_address: bool = True


class B0nDescription(_Description):
    """The network core's immutable bootloader."""

    kind: Literal["b0n"] = "b0n"


class NetworkDescription(_Description):
    """The network core's firmware; `marker` is a line that it prints after its banner."""

    kind: Literal["network"] = "network"
    marker: str = ""


READY_WITHOUT_BLUETOOTH = "Application started"
"""Last line in the boot of an application without Bluetooth."""


class AppDescription(_Description):
    """The application.

    Args:
        build_time: what it prints after its boot; empty for nothing.
        advertised_name: its name on the air.
        smp_service: whether it was built with SMP over Bluetooth.
        console_smp: whether it was built with SMP over its shell's UART as well. Assumed; the
            thread's application is only seen with SMP over Bluetooth.
        smp_buffer_size_bytes, smp_buffer_count: the SMP server's buffers; defaults of
            NCS_SAMPLE_MCUMGR_BT_OTA_DFU (Zephyr mcumgr/transport).
        smp_reassembly: CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY (CONFIG_MCUMGR_SMP_REASSEMBLY_BT in
            2.3); False for a server that takes each write over Bluetooth for a whole message.
        smp_parameters: CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS: whether the server tells its buffers.
        smp_version: SMP protocol version; None for that of the NCS release.
        smp_os_info, smp_bootloader_info, smp_shell_exec: whether it was built with these commands,
            which Zephyr leaves out by default; without them they are answered with rc 8.
        smp_active_b0_slot: what `bootloader info` answers to the query of this name; None for a
            build without it (newer NCS only).
        bootloader_mode: CONFIG_MCUBOOT_BOOTLOADER_MODE_... (Zephyr's modules/Kconfig.mcuboot): how
            it assumes MCUboot was built, whatever MCUboot booted it. `bootloader info` tells it.
            Default is Zephyr's until 4.0, later spelt SWAP_USING_MOVE. With "swap_using_offset"
            (NCS 3.0 and later) it stores updates from the second sector on, as such a MCUboot
            needs them.
        confirms_itself: whether it writes image_ok when a test image runs.
        hangs_after: its boot prints nothing more after the first line that contains this text, and
            there is neither radio nor shell beyond it.
        mpu_fault_after: after the first such line it dumps an MPU fault and resets, each time
            anew.
        watchdog_reset_after_s: seconds of the kit's time from its start until the watchdog resets
            the board, without a word; None for never.
        bluetooth: CONFIG_BT: without it, it neither starts the network core nor advertises, and
            ends its boot with READY_WITHOUT_BLUETOOTH.
        advertises: False for one that runs without ever advertising. It then does not print
            `Advertising successfully started` either (inferred).
        name_on_air: what it advertises where that is not `advertised_name`, as firmware built with
            another CONFIG_BT_DEVICE_NAME.
        smp_permission: what the SMP characteristic asks of a central. "none" is what
            NCS_SAMPLE_MCUMGR_BT_OTA_DFU builds; "authenticated" is Zephyr's own default
            (CONFIG_MCUMGR_SMP_BT_AUTHEN=y, later CONFIG_MCUMGR_TRANSPORT_BT_AUTHEN or
            CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW_AUTHEN); "encrypted" is
            CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW_ENCRYPT.
        fixed_passkey: what it displays for pairing (CONFIG_BT_FIXED_PASSKEY, bt_passkey_set());
            None for a new one each time. Not 0, which bumble cannot pair with.
        bt_settings: whether it stores its bonds (CONFIG_BT_SETTINGS; inferred: it does).
        address: "static" is the nRF's, from FICR; "new_at_each_boot" is that of a build which
            neither reads FICR nor stores its identity (inferred).
        private_address: CONFIG_BT_PRIVACY: whether another address is on the air than the one in
            its boot log, a new one at each boot (Zephyr also changes it every 15 minutes).
        other_characteristic: where in SMP's service another characteristic lies, which moves SMP's
            own one without a trace at the service.
        gatt_caching: CONFIG_BT_GATT_CACHING: whether a host can see that its services are others
            than before.
        logs_identity: whether its boot log shows its address; not where CONFIG_BT_LOG_LEVEL is
            below INF.
    """

    kind: Literal["app"] = "app"
    build_time: str = ""
    advertised_name: str = advertised_name_on(KIT_SOC)
    smp_service: bool = True
    console_smp: bool = True
    smp_buffer_size_bytes: int = Field(default=2475, ge=64)
    smp_buffer_count: int = Field(default=4, ge=1)
    smp_reassembly: bool = True
    smp_parameters: bool = True
    smp_version: Literal[1, 2] | None = None
    smp_os_info: bool = False
    smp_bootloader_info: bool = False
    smp_active_b0_slot: int | None = None
    smp_shell_exec: bool = False
    bootloader_mode: BootloaderMode = "swap_without_scratch"
    confirms_itself: bool = False
    hangs_after: str = ""
    mpu_fault_after: str = ""
    watchdog_reset_after_s: float | None = Field(default=None, gt=0)
    bluetooth: bool = True
    advertises: bool = True
    name_on_air: str = ""
    smp_permission: Literal["none", "encrypted", "authenticated"] = "none"
    fixed_passkey: int | None = Field(default=None, ge=1, le=999_999)
    bt_settings: bool = True
    address: Literal["static", "new_at_each_boot"] = "static"
    private_address: bool = False
    other_characteristic: Literal["none", "in front", "behind"] = "none"
    gatt_caching: bool = True
    logs_identity: bool = True

    @property
    def swap_using_offset(self) -> bool:
        """Whether it stores updates from the second sector on."""
        return self.bootloader_mode == "swap_using_offset"


Description = Annotated[
    NsibDescription | McubootDescription | AppDescription | B0nDescription | NetworkDescription,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[Description] = TypeAdapter(Description)


def embed(description: Description) -> bytes:
    """The bytes to place somewhere in a payload."""
    text = description.model_dump_json().encode()
    return MARKER + _LENGTH.pack(len(text)) + text


def find_description(binary: bytes) -> Description | None:
    """The description inside a payload, or None where there is none that can be read."""
    position = binary.find(MARKER)
    if position < 0 or position + len(MARKER) + _LENGTH.size > len(binary):
        return None
    (size_bytes,) = _LENGTH.unpack_from(binary, position + len(MARKER))
    if size_bytes > _MOST_BYTES:
        return None
    start = position + len(MARKER) + _LENGTH.size
    try:
        return _ADAPTER.validate_json(binary[start : start + size_bytes])
    except ValidationError:
        return None
