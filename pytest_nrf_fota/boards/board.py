"""Board types: what all kits of one kind have in common, read from `boards/*.toml`."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from pytest_nrf_fota.boards.execution import Execution
from pytest_nrf_fota.boards.ncs import RELEASES, RELEASES_LIST, Release, release_named
from pytest_nrf_fota.boards.soc import SOCS, UNKNOWN_SOC, Soc
from pytest_nrf_fota.boards.traits import (
    ANY_TOOL,
    ProviderTraits,
    TransportTraits,
    known_probe_tool,
    known_provider,
    known_transport,
    provider_traits,
    transports,
)
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.wires.probe import Core, ResetKind


def _regex(pattern: str) -> str:
    if not pattern:
        raise ValueError("is empty and would match anything")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return pattern


def _version_regex(pattern: str) -> str:
    if "version" not in re.compile(_regex(pattern)).groupindex:
        raise ValueError("needs a named group (?P<version>...) around the number")
    return pattern


def _passkey(pattern: str) -> str:
    if re.fullmatch(r"\d+", pattern):
        if not re.fullmatch(r"\d{6}", pattern):
            raise ValueError("is no passkey: one has six digits, zeros in front included")
        return pattern
    if "passkey" not in re.compile(_regex(pattern)).groupindex:
        raise ValueError(
            "needs a named group (?P<passkey>...) around the six digits, or is the passkey itself"
        )
    return pattern


_PORT_URL = re.compile(r"(?:(?:socket|rfc2217)://[^/?#]+:\d{1,5}(?:\?.*)?|(?:hwgrep|spy|alt)://.+)")

_SEARCHED = "hwgrep://"


def _serial_port(name: str) -> str:
    if not name or name != name.strip():
        raise ValueError("is no name of a serial port")
    # pyserial would say it with the board already flashed.
    if "://" in name and not _PORT_URL.fullmatch(name):
        raise ValueError(
            "is no URL of a serial port: socket://HOST:PORT, rfc2217://HOST:PORT or hwgrep://REGEX"
        )
    if name.startswith(_SEARCHED):
        # pyserial takes what follows an & for its own options.
        _regex(name.removeprefix(_SEARCHED).partition("&")[0])
    return name


Regex = Annotated[str, AfterValidator(_regex)]
VersionRegex = Annotated[str, AfterValidator(_version_regex)]
Passkey = Annotated[str, AfterValidator(_passkey)]
SerialPort = Annotated[str, AfterValidator(_serial_port)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MemoryRegion(_Section):
    """One memory that a hex file may touch."""

    name: str
    start: int = Field(ge=0)
    size: int = Field(gt=0)
    page_size: int = Field(gt=0)

    def contains(self, address: int, size_bytes: int) -> bool:
        """Whether the whole range lies inside."""
        return self.start <= address and address + size_bytes <= self.start + self.size


class Slot(_Section):
    """A slot's place in the board's address space; external flash counts by its XIP window."""

    address: int = Field(ge=0)
    size: int = Field(gt=0)


class Slots(_Section):
    """Where the images lie. `scratch` is for an MCUboot that swaps using scratch.

    `secondary_network` is `mcuboot_secondary_1`, for a network core that is updated through slots
    of its own; its size is CONFIG_NRF53_RAM_FLASH_SIZE. `network` is where the network core's
    firmware lies behind b0n (partition `app` of partitions_CPUNET.yml); left out, where NCS puts
    it, as `network_provisioning_address` is (`BoardType.network_firmware`).
    """

    primary: Slot
    secondary: Slot
    s0: Slot | None = None
    s1: Slot | None = None
    scratch: Slot | None = None
    secondary_network: Slot | None = None
    network: Slot | None = None
    provisioning_address: int | None = None
    network_provisioning_address: int | None = None

    @model_validator(mode="after")
    def _s_slots_are_of_one_size(self) -> "Slots":
        # sdk-nrf subsys/bootloader/bl_validation/bl_validation.c, BUILD_ASSERT on both sizes.
        if self.s0 is not None and self.s1 is not None and self.s0.size != self.s1.size:
            raise ValueError(
                f"s0 has 0x{self.s0.size:x} bytes and s1 0x{self.s1.size:x}: NSIB builds only "
                "with two slots of one size"
            )
        return self


class ProbeSettings(_Section):
    """How SWD reaches the kit: the tool that drives its probe, on `ssh_host` where one is given."""

    recover: tuple[Core, ...] = Field(min_length=1)
    reset: ResetKind = ResetKind.SYSTEM
    runner: Annotated[str, AfterValidator(known_probe_tool)] = ANY_TOOL
    ssh_host: str = Field(default="", pattern=r"^$|^[^-\s]\S*$")


class ExternalFlash(_Section):
    """The external flash as the Zephyr shell sees it.

    `erase_s` is how long erasing all of it takes as a rule, for people who wait.
    """

    shell_device: str
    size: int = Field(gt=0)
    erase_timeout_s: float = Field(gt=0)
    erase_s: float | None = Field(default=None, gt=0)


class ConsoleSettings(_Section):
    """The UART. Without `prompt` the board's application has no shell.

    `shell` is false for an application without one, where the base board has a prompt;
    `flash_shell` for one whose shell has no `flash` commands.
    `reopen_s` is how long the port may be away, as USB serial ports are while a debugger restarts.
    `port` is for a kit whose console is none of its probe's own serial ports: a device
    (`/dev/ttyUSB0`, `/dev/serial/by-id/...`, `COM7`) or one of pyserial's URLs
    (`socket://HOST:PORT`, `rfc2217://HOST:PORT`, `hwgrep://REGEX`). Boards without a probe have a
    UART of their own and do not look at it.
    """

    port: SerialPort | None = None
    baudrate: int = Field(gt=0)
    prompt: Regex | None = None
    shell: bool = True
    flash_shell: bool = True
    typing_chunk_bytes: int = Field(default=24, gt=0)
    reopen_s: float = Field(default=5.0, ge=0)

    @property
    def has_shell(self) -> bool:
        """Whether commands can be typed."""
        return self.prompt is not None and self.shell

    @property
    def can_erase_flash(self) -> bool:
        """Whether the external flash can be erased by a command."""
        return self.has_shell and self.flash_shell


Pairing: TypeAlias = Literal["none", "just_works", "passkey"]


class RadioSettings(_Section):
    """How SMP reaches the board.

    `serial_over_console` shares the console's UART, `serial` has a port of its own: of a kit the
    serial port number `vcom`, from 0 in the order of its USB interfaces. `name` is what
    a board on BLE advertises. `host` is which radio of this host reaches it, as for `--radio`
    (smp/host_radio.py); left out, a kit is reached by this host's Bluetooth, a virtual kit by its
    own HCI socket. `private_address` is whether the address on the air is another than the one in
    the boot log (CONFIG_BT_PRIVACY); left out, it may be. `passkey` is the line that shows the
    passkey, or, where the application has a fixed one (CONFIG_BT_FIXED_PASSKEY), its six digits.
    `bluetooth` is whether the application has Bluetooth (CONFIG_BT), for SMP or anything else; left
    out, it has.
    """

    kind: Annotated[str, AfterValidator(known_transport)]
    name: str | None = None
    vcom: int | None = Field(default=None, ge=0)
    host: str | None = Field(default=None, pattern=r"^(bleak(:hci\d+)?|bumble:[^:]+(:.*)?)$")
    mtu: int = Field(default=498, ge=23, le=517)
    bluetooth: bool | None = None
    private_address: bool | None = None
    pairing: Pairing = "none"
    passkey: Passkey = r"Passkey for .*: (?P<passkey>\d{6})\b"

    @property
    def fixed_passkey(self) -> int | None:
        """The passkey, where it is always the same one."""
        return int(self.passkey) if self.passkey.isdigit() else None


BootloaderMode: TypeAlias = Literal[
    "none", "swap_scratch", "swap_move", "swap_offset", "overwrite_only", "ram_load"
]


def _known_release(name: str) -> str:
    release = release_named(name)
    if release is None:
        raise ValueError(
            f"is no release of the nRF Connect SDK from 2.0 on, such as {RELEASES_LIST}"
        )
    return release.ncs


NcsRelease = Annotated[str, AfterValidator(_known_release)]


class BootSettings(_Section):
    """What boots, the log lines of this board's boot, and how many resets an update takes.

    `ncs` is the nRF Connect SDK that Nordic's bootloaders were built with: any version, such as
    "3.1"; kept is the one in `boards/ncs.py` that it behaves like. `mcuboot_update_resets` is for
    builds that differ from their release. `firmware_version` and `bootloader_version` are the
    thread's two lines; a board without NSIB leaves them out. `bootloader_mode` is how MCUboot was
    built, named as in MCUboot's Kconfig (BOOT_SWAP_USING_MOVE, BOOT_UPGRADE_ONLY, ...); `none` is a
    board without it. `checks_signature` is false for an MCUboot that takes hash-only images.
    `rollback_protection` is whether NSIB counts versions and refuses lower ones; left out, it does
    up to NCS 3.1, and not from 3.2 on (CONFIG_SB_MONOTONIC_COUNTER_ROLLBACK_PROTECTION).
    `updates_mcuboot` is false for a MCUboot beside NSIB that was built for one image
    (CONFIG_UPDATEABLE_IMAGE_NUMBER=1). `max_image_sectors` is its CONFIG_BOOT_MAX_IMG_SECTORS,
    which says where it notes how far a swap came. `recovery_ready` is what MCUboot prints when it
    waits in serial recovery; left out where it has none. `speaks` is which bootloaders print
    anything, of "nsib" and "mcuboot"; left out, the boot before an update shows it. `settle_s` is
    how long a new firmware has to stay up, counted from its ready line, before it is proven.
    """

    ncs: NcsRelease = "2.3"
    bootloader_mode: BootloaderMode = "swap_move"
    checks_signature: bool = True
    rollback_protection: bool | None = None
    updates_mcuboot: bool = True
    max_image_sectors: int | None = Field(default=None, ge=1)
    recovery_ready: Regex | None = None
    speaks: tuple[Literal["nsib", "mcuboot"], ...] | None = None
    settle_s: float = Field(default=2.0, ge=0)

    firmware_version: VersionRegex | None = None
    bootloader_version: VersionRegex | None = None
    app_ready: Regex
    mcuboot_update_resets: int | None = Field(default=None, ge=1)

    @property
    def release(self) -> Release:
        """What that release does, in builds with these settings."""
        return RELEASES[self.ncs].with_rollback_protection(self.rollback_protection)

    @property
    def resets_until_new_mcuboot_runs(self) -> int:
        """Resets that a MCUboot update takes, the one that follows `set_pending` included."""
        if self.mcuboot_update_resets is not None:
            return self.mcuboot_update_resets
        overwrites = self.bootloader_mode == "overwrite_only"
        return self.release.mcuboot_update_resets(overwrites=overwrites)

    @property
    def survives_power_cuts(self) -> bool:
        """Whether MCUboot finishes a swap wherever the power was cut."""
        return self.bootloader_mode != "swap_move" or self.release.resumes_cut_swap_of_first_sector

    @property
    def takes_pending_images(self) -> bool:
        """Whether an image must be pending before MCUboot takes it.

        MCUboot in RAM_LOAD mode takes the valid image of the highest version, and refuses to
        set one pending over SMP with ENOTSUP.
        """
        return self.bootloader_mode not in ("none", "ram_load")


class Timeouts(_Section):
    """Longest times in seconds.

    `app_start_s` is that of the application alone, from MCUboot's last line until it is ready;
    without it `boot_s` counts.
    """

    boot_s: float = Field(gt=0)
    connect_s: float = Field(gt=0)
    swap_s: float = Field(gt=0)
    app_start_s: float | None = Field(default=None, gt=0)
    probe_s: float = Field(default=120.0, gt=0)
    smp_s: float = Field(default=5.0, gt=0)
    # The first upload packet may erase a whole slot.
    first_upload_packet_s: float = Field(default=40.0, gt=0)


DistBuild: TypeAlias = Literal[
    "qemu_cortex_m0", "mps2_an385", "native_sim_serial", "native_sim_udp", "native_sim_shell"
]


class FirmwareSettings(_Section):
    """Where baseline and updates come from when no --baseline or --update is given.

    `build` says which of the builds in smpclient's source distribution.
    """

    source: Literal["files", "demo", "smpclient_dist"]
    build: DistBuild | None = None


class SimLinkSettings(_Section):
    """The virtual kit's BLE connections: interval, PHY, packets per connection event."""

    interval_ms: float = Field(default=7.5, ge=7.5, le=4000)
    phy_mbit_s: Literal[1, 2] = 1
    pdus_per_event: int | None = Field(default=None, gt=0)


class SimSettings(_Section):
    """Settings of the virtual kit.

    `speed` is 1.0 for real time, 60 for a minute per second, or `max` for no waiting at all. With
    `refuses_partial_pages` a slot that ends within a page cannot be erased there, as Zephyr's
    sources have it; without it the whole page is erased. With `reads_halt` a read over SWD halts
    the CPUs until the core that it went through is resumed or the board is reset, as the tools of
    real probes may do. `execution` is whether its bootloaders are executed, and not modelled.
    """

    execution: Execution = Execution.OFF
    speed: Literal["max"] | Annotated[float, Field(gt=0)] = "max"
    identity_address: str = Field(
        default="F2:7C:B6:5D:C3:74", pattern=r"^[C-F][0-9A-F](:[0-9A-F]{2}){5}$"
    )
    keep_last_line: bool = False
    refuses_partial_pages: bool = False
    reads_halt: bool = False
    link: SimLinkSettings = SimLinkSettings()


class QemuSettings(_Section):
    """Settings of the QEMU machine.

    `log_uart` and `smp_uart` count its UARTs from 0; `smp_line_buffers` is how many lines of SMP
    over a UART the firmware can hold (smp/serial_over_console.py).
    """

    machine: str
    cpu: str
    log_uart: int = Field(default=0, ge=0, le=3)
    smp_uart: int = Field(default=0, ge=0, le=3)
    smp_line_buffers: int = Field(default=2, gt=0)


def _name_of_soc(soc: Soc) -> str:
    return soc.name


def _soc_named(name: object) -> Soc:
    if isinstance(name, str) and name in SOCS:
        return SOCS[name]
    raise ValueError(
        f"names no chip that is known here; known: {', '.join(SOCS)}. Another one takes a value in "
        "pytest_nrf_fota/boards/soc.py, which shows how"
    )


class BoardType(_Section):
    """One board type, complete and checked.

    A board file that names its `soc` need not name `memory` and `manifest_socs` (board_file.py).
    `extension` is for the packages that register providers, probe tools and transports: whatever
    they read from it.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    title: str
    base: str | None = None
    platforms: tuple[str, ...] = ()
    manifest_boards: tuple[str, ...] = ()
    manifest_socs: tuple[str, ...] = ()
    provider: Annotated[str, AfterValidator(known_provider)]
    soc: Annotated[Soc, PlainValidator(_soc_named), PlainSerializer(_name_of_soc)] = UNKNOWN_SOC
    simulated_twin: str | None = None
    probe: ProbeSettings
    memory: tuple[MemoryRegion, ...] = Field(min_length=1)
    slots: Slots
    external_flash: ExternalFlash | None = None
    console: ConsoleSettings
    radio: RadioSettings
    boot: BootSettings
    timeouts: Timeouts
    firmware: FirmwareSettings
    sim: SimSettings | None = None
    qemu: QemuSettings | None = None
    extension: dict[str, JsonValue] = Field(default_factory=dict)

    def __hash__(self) -> int:
        # Of equal boards the names are equal; what an extension reads may be lists and tables.
        return hash(self.name)

    @property
    def executes_bootloaders(self) -> bool:
        """Whether it is a virtual kit that executes their machine code."""
        return self.sim is not None and self.sim.execution is not Execution.OFF

    @property
    def provided_by(self) -> ProviderTraits:
        """What its provider's boards are."""
        return provider_traits(self.provider)

    @property
    def reached_by(self) -> TransportTraits:
        """What its SMP transport needs."""
        return transports()[self.radio.kind]

    def region_of(self, address: int, size_bytes: int) -> MemoryRegion | None:
        """The memory that holds the whole range, or None."""
        return next((r for r in self.memory if r.contains(address, size_bytes)), None)

    @property
    def external_flash_bytes(self) -> int | None:
        """Size of the external flash, None for a board without one."""
        return next((r.size for r in self.memory if self.soc.is_external(r.start)), None)

    @property
    def network_firmware(self) -> Slot | None:
        """Where the network core's firmware lies: as the board file says, or where NCS puts it.

        None for a board without that core.
        """
        core, layout = self.soc.network, self.soc.network_layout
        if core is None or layout is None:
            return None
        start = layout.firmware_address
        return self.slots.network or Slot(address=start, size=core.flash.end - start)

    @property
    def network_provisioning(self) -> int | None:
        """Where b0n's provisioning data lies; left out, right before the firmware.

        None for a board without network core, and where the firmware leaves no room for a b0n.
        """
        core, layout = self.soc.network, self.soc.network_layout
        firmware = self.network_firmware
        if core is None or layout is None or firmware is None:
            return None
        named = self.slots.network_provisioning_address
        if named is None and firmware.address == core.flash.start:
            return None
        return named or firmware.address - layout.provisioning_bytes

    def with_runner(self, runner: str | None, ssh_host: str | None = None) -> "BoardType":
        """The same board with another tool for its probe, or on another host, where given."""
        given = {k: v for k, v in {"runner": runner, "ssh_host": ssh_host}.items() if v is not None}
        return self.model_copy(update={"probe": self.probe.model_copy(update=given)})

    def with_console(self, *, port: str | None, baudrate: int | None) -> "BoardType":
        """The same board with another console where one is given.

        Raises `BoardFileError` for what is no port or no baud rate.
        """
        given = {k: v for k, v in {"port": port, "baudrate": baudrate}.items() if v is not None}
        try:
            console = ConsoleSettings.model_validate(self.console.model_dump() | given)
        except ValidationError as error:
            detail = error.errors()[0]
            raise BoardFileError(
                f"The console is not usable: {detail['loc'][0]}: "
                f"{detail['msg'].removeprefix('Value error, ')} (is {detail['input']!r})",
                where="--console-port, --console-baudrate",
                next_step="Give a device such as /dev/ttyUSB0, or a URL such as "
                "rfc2217://HOST:PORT; the baud rate is a number such as 115200.",
            ) from error
        return self.model_copy(update={"console": console})

    def with_timeouts(self, *, probe_s: float | None, boot_s: float | None) -> "BoardType":
        """The same board with other time-outs where a number is given.

        Raises `BoardFileError` for a number that is no time.
        """
        changed = {"probe_s": probe_s, "boot_s": boot_s, "app_start_s": boot_s}
        given = {key: value for key, value in changed.items() if value is not None}
        try:
            timeouts = Timeouts.model_validate(self.timeouts.model_dump() | given)
        except ValidationError as error:
            detail = error.errors()[0]
            raise BoardFileError(
                f"The time-out is not usable: {detail['loc'][0]}: {detail['msg']} "
                f"(is {detail['input']!r})",
                where="--flash-timeout, --base-timeout",
                next_step="Give a positive number of seconds.",
            ) from error
        return self.model_copy(update={"timeouts": timeouts})
