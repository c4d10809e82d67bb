"""What a SoC is: its cores, their memories, and what builds and tools call them.

The one place for addresses of chips. To add one, write a `Soc` and name it in `SOCS`; a board file
then says `soc = "..."`, and its memories, its probe's arguments, the virtual kit and the names in
DFU packages follow.

Sources: Zephyr's devicetree (dts/arm/nordic: nrf5340_cpuapp.dtsi, nrf5340_cpunet.dtsi,
nrf52840.dtsi, nrf52832.dtsi) for memories, pages, the QSPI flash's window and the flash
controller's node;
Nordic's product specifications of the nRF5340 and the nRF52840, chapters NVMC and UICR, for times,
registers and OTP; Zephyr scripts/west_commands/runners/nrf_common.py for the nRF5340's two UICRs;
Zephyr include/zephyr/bluetooth/hci_vs.h for the numbers of variants; Zephyr's
nrf5340_cpuapp_peripherals.dtsi for names of devices.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pytest_nrf_fota.wires.probe import Core

EXTERNAL_MEMORY = "external flash"


@dataclass(frozen=True)
class Memory:
    """One memory; `name` is what messages, flight records and board files call it."""

    name: str
    start: int
    size_bytes: int
    page_size_bytes: int

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.start + self.size_bytes

    def __contains__(self, address: int) -> bool:
        """Whether the byte at this address lies in it."""
        return self.start <= address < self.end


@dataclass(frozen=True)
class SocCore:
    """One core.

    Args:
        core: which of them.
        qualifier: what board targets call it, such as `cpuapp`; empty on a SoC with one core.
        old_name: CONFIG_SOC up to NCS 2.6, before Zephyr's present hardware model.
        flash: where its code lies.
        uicr: its registers, and OTP where it has some.
        registers: the part of the UICR that is registers. A recovery may open access ports by
            writing some of them.
        otp: the part that takes each halfword once, for NSIB's provisioning data and counters;
            empty where there is none.
        ram: its own.
    """

    core: Core
    qualifier: str
    old_name: str
    flash: Memory
    uicr: Memory
    registers: range
    otp: range
    ram: range


@dataclass(frozen=True)
class FlashTimes:
    """How long the flash controller takes, in seconds: for a page, a word, all of one core's."""

    page_erase_s: float
    word_write_s: float
    erase_all_s: float


@dataclass(frozen=True)
class NetworkLayout:
    """Where NCS lays out the network core's flash, as partition manager does without more words.

    Args:
        firmware_address: the `load_address` that builds for the nRF5340 Audio DK pass to sdk-nrf's
            generate_zip.py.
        provisioning_bytes: b0n's provisioning data, right before the firmware.
    """

    firmware_address: int
    provisioning_bytes: int

    @property
    def provisioning_address(self) -> int:
        """Where b0n's provisioning data lies."""
        return self.firmware_address - self.provisioning_bytes


@dataclass(frozen=True)
class Soc:
    """A chip.

    Args:
        name: in board files and in board targets (`nrf5340dk/nrf5340/cpuapp`); CONFIG_SOC from NCS
            2.7 on.
        title: as Nordic writes it.
        family: as Nordic's tools name it.
        processor: CONFIG_ARCH's name of the application core's CPU, as `os info` tells it.
        cores: the one that runs the application first.
        external_window: where a QSPI flash is mapped; empty without.
        device_names: names of devices that no other chip in `SOCS` has. Zephyr keeps the name of
            each, which is its devicetree node's: on the nRF52 with the whole address, on the
            nRF5340's application core counted from peripheral@50000000.
        device_families: whose firmware has them, for messages.
        flash_controller: the node of devicetree's `zephyr,flash-controller`.
        flash_times: of the application's core.
        hci_variant: what Zephyr's Bluetooth controller calls the chip.
        fw_info_hardware_id: CONFIG_FW_INFO_HARDWARE_ID (sdk-nrf subsys/fw_info/Kconfig).
        network_layout: where NCS puts the network core's firmware; None without that core.
    """

    name: str
    title: str
    family: str
    processor: str
    cores: tuple[SocCore, ...]
    external_window: range
    device_names: re.Pattern[bytes]
    device_families: str
    flash_controller: str
    flash_times: FlashTimes
    hci_variant: int
    fw_info_hardware_id: int
    network_layout: NetworkLayout | None = None

    @property
    def application(self) -> SocCore:
        """The core that runs MCUboot and the application. Only for a known SoC."""
        return self.cores[0]

    @property
    def network(self) -> SocCore | None:
        """The core that runs the Bluetooth controller, where that is one of its own."""
        return next((one for one in self.cores if one.core is Core.NETWORK), None)

    @property
    def names_core(self) -> bool:
        """Whether tools must be told which core is meant."""
        return len(self.cores) > 1

    @property
    def names(self) -> tuple[str, ...]:
        """What manifests of DFU packages call it, for the application's core."""
        return (self.application.old_name, self.name) if self.cores else ()

    def target(self, board: str, core: SocCore, separator: str = "/") -> str:
        """The board target of a core: `nrf5340dk/nrf5340/cpuapp`; with `_` up to NCS 2.6."""
        return separator.join(part for part in (board, self.name, core.qualifier) if part)

    def core_of(self, address: int) -> Core:
        """The core through which an address is reached."""
        network = self.network
        is_network = network is not None and network.flash.start <= address < network.uicr.end
        return Core.NETWORK if is_network else Core.APPLICATION

    def is_external(self, address: int) -> bool:
        """Whether an address lies in the external flash's window."""
        return address in self.external_window

    def is_network_flash(self, address: int) -> bool:
        """Whether firmware at this address runs on the network core."""
        return self.network is not None and address in self.network.flash

    def memories(self, external_flash_bytes: int | None) -> tuple[Memory, ...]:
        """All memories that a hex file may touch, with an external flash of this size."""
        internal = tuple(memory for one in self.cores for memory in (one.flash, one.uicr))
        if external_flash_bytes is None:
            return internal
        page_bytes = self.application.flash.page_size_bytes
        start = self.external_window.start
        return *internal, Memory(EXTERNAL_MEMORY, start, external_flash_bytes, page_bytes)


_KIB = 1024
NRF5340_NETWORK_CORE = SocCore(
    core=Core.NETWORK,
    qualifier="cpunet",
    old_name="nRF5340_CPUNET_QKAA",
    flash=Memory("network flash", 0x0100_0000, 256 * _KIB, 2 * _KIB),
    uicr=Memory("network UICR", 0x01FF_8000, 2 * _KIB, 2 * _KIB),
    registers=range(0x01FF_8000, 0x01FF_8100),
    otp=range(0x01FF_8100, 0x01FF_83FC),
    ram=range(0x2100_0000, 0x2101_0000),
)
NRF5340_NETWORK_LAYOUT = NetworkLayout(firmware_address=0x0100_8800, provisioning_bytes=0x280)
NRF5340 = Soc(
    name="nrf5340",
    title="nRF5340",
    family="nRF53",
    processor="cortex-m33",
    cores=(
        SocCore(
            core=Core.APPLICATION,
            qualifier="cpuapp",
            old_name="nRF5340_CPUAPP_QKAA",
            flash=Memory("application flash", 0x0000_0000, 1024 * _KIB, 4 * _KIB),
            uicr=Memory("application UICR", 0x00FF_8000, 2 * _KIB, 2 * _KIB),
            registers=range(0x00FF_8000, 0x00FF_8100),
            # 191 words.
            otp=range(0x00FF_8100, 0x00FF_83FC),
            ram=range(0x2000_0000, 0x2008_0000),
        ),
        NRF5340_NETWORK_CORE,
    ),
    external_window=range(0x1000_0000, 0x2000_0000),
    device_names=re.compile(rb"(?:clock@(?:41005|5)000|flash-controller@(?:39|41080)000)(?=\x00)"),
    device_families="nRF53 or nRF91",
    flash_controller="flash-controller@39000",
    flash_times=FlashTimes(page_erase_s=0.0875, word_write_s=43e-6, erase_all_s=0.175),
    hci_variant=3,
    fw_info_hardware_id=53,
    network_layout=NRF5340_NETWORK_LAYOUT,
)
NRF52840 = Soc(
    name="nrf52840",
    title="nRF52840",
    family="nRF52",
    processor="cortex-m4",
    cores=(
        SocCore(
            core=Core.APPLICATION,
            qualifier="",
            old_name="nRF52840_QIAA",
            flash=Memory("flash", 0x0000_0000, 1024 * _KIB, 4 * _KIB),
            uicr=Memory("UICR", 0x1000_1000, 4 * _KIB, 4 * _KIB),
            registers=range(0x1000_1000, 0x1000_2000),
            otp=range(0),
            ram=range(0x2000_0000, 0x2004_0000),
        ),
    ),
    external_window=range(0x1200_0000, 0x1A00_0000),
    device_names=re.compile(rb"(?:clock|flash-controller)@400[0-9a-f]{5}(?=\x00)"),
    device_families="nRF52",
    flash_controller="flash-controller@4001e000",
    flash_times=FlashTimes(page_erase_s=0.085, word_write_s=41e-6, erase_all_s=0.169),
    hci_variant=2,
    fw_info_hardware_id=52,
)
NRF52832 = replace(
    NRF52840,
    name="nrf52832",
    title="nRF52832",
    cores=(
        replace(
            NRF52840.application,
            old_name="nRF52832_QFAA",
            flash=Memory("flash", 0x0000_0000, 512 * _KIB, 4 * _KIB),
            ram=range(0x2000_0000, 0x2001_0000),
        ),
    ),
    # It has no QSPI.
    external_window=range(0),
    # nRF52832 product specification, NVMC.
    flash_times=FlashTimes(page_erase_s=0.0897, word_write_s=67.5e-6, erase_all_s=0.295),
)
SOCS: Mapping[str, Soc] = MappingProxyType({soc.name: soc for soc in (NRF5340, NRF52840, NRF52832)})
"""All of them by name."""

MODEM_FAMILY = "nRF9x"
MODEM_DEVICE_NAMES = re.compile(rb"nrf9[1x]_socket(?=\x00)")
"""The network device of Nordic's chips with a modem, which have no other name in common that the
nRF5340 lacks (sdk-nrf lib/nrf_modem_lib/nrf91_sockets.c, in recent releases nrf9x_sockets.c)."""

UNKNOWN_SOC = Soc(
    name="",
    title="a machine whose memories only its board file knows",
    family="",
    processor="",
    cores=(),
    external_window=range(0),
    device_names=re.compile(rb"(?!)"),
    device_families="",
    flash_controller="",
    flash_times=FlashTimes(0.0, 0.0, 0.0),
    hci_variant=0,
    fw_info_hardware_id=0,
)
"""What boards are that name none, such as QEMU's."""

NSIB_SOC = NRF5340
"""The only SoC whose NSIB this project reads, provisions and boots."""

KIT_SOC = NRF5340
"""The SoC of a kit whose board file names none."""
