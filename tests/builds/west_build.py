"""Build folders in the shape that west leaves them in, release by release.

Names of files and keys are those that the SDKs write: sdk-nrf v2.3.0 to v3.1.0 (cmake/fw_zip.cmake,
cmake/sysbuild/zip.cmake, cmake/partition_manager.cmake, cmake/sysbuild/partition_manager.cmake) and
Zephyr (cmake/mcuboot.cmake, share/sysbuild). What the files hold is demonstration firmware.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import yaml

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType, BootloaderMode, NcsRelease, Slot, Slots
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.soc import NRF5340, Soc
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader, read_hex, write_hex
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.preflight.prediction import overlay

Style: TypeAlias = Literal["child images", "sysbuild", "zephyr"]
EXTERNAL = 0x1000_0000
NETWORK = 0x0100_0000


@dataclass(frozen=True)
class Shape:
    """One kind of build.

    Args:
        name: for the test's name.
        style: which files lie where.
        ncs: the profile of the virtual kit that its banners show.
        banner: what its bootloader prints first; stands in its binary.
        config_board: CONFIG_BOARD of the application.
        manifest_board, manifest_network_board: as its packages name the cores.
        slots: where things lie.
        mode: how MCUboot was built.
        soc: of the board.
    """

    name: str
    style: Style
    ncs: NcsRelease
    banner: str
    config_board: str
    manifest_board: str
    manifest_network_board: str
    slots: Slots
    mode: BootloaderMode = "swap_move"
    soc: Soc = NRF5340

    @property
    def has_nsib(self) -> bool:
        """Whether NSIB is in front of MCUboot."""
        return self.slots.s0 is not None

    @property
    def kit(self) -> str:
        """The packaged virtual kit with this chip."""
        return f"{self.soc.name}dk_sim"

    @property
    def board(self) -> BoardType:
        """The virtual kit that such a build would run on, as if somebody had written its file."""
        alone = "nrf5340dk_mcuboot_sim" if self.soc is NRF5340 else self.kit
        base = load_board(self.kit if self.has_nsib else alone)
        boot = base.boot.model_copy(update={"bootloader_mode": self.mode, "ncs": self.ncs})
        return base.model_copy(update={"slots": self.slots, "boot": boot})


_MODE_OPTIONS: Mapping[BootloaderMode, str] = {
    "swap_move": "CONFIG_BOOT_SWAP_USING_MOVE",
    "swap_scratch": "CONFIG_BOOT_SWAP_USING_SCRATCH",
    "swap_offset": "CONFIG_BOOT_SWAP_USING_OFFSET",
    "overwrite_only": "CONFIG_BOOT_UPGRADE_ONLY",
}


class WestBuild:
    """Writes builds of one shape.

    Args:
        shape: which.
        folder: gets the builds, and the firmware that they are made of.
    """

    def __init__(self, shape: Shape, folder: Path) -> None:
        self.shape = shape
        self._folder = folder
        self._demo = DemoSource(shape.board, folder / "made")

    def first(self, name: str = "build_v1") -> Path:
        """A build of the application 1.0.0 and, under NSIB, of MCUboot 14."""
        segments = read_hex(self._demo.baseline)
        slot = self.shape.slots.primary
        app = McubootImage.parse(memory_reader(segments)(slot.address, slot.size)).data
        mcuboot = self._demo.mcuboot_package("own.zip", 14) if self.shape.has_nsib else None
        return self._write(name, segments, {"application": app}, mcuboot)

    def second(self, name: str = "build_v2") -> Path:
        """A build of the application 1.1.0 and, under NSIB, of MCUboot 15."""
        update = (
            self._demo.app_and_network_update
            if self.shape.slots.secondary_network
            else self._demo.app_update
        )
        images = _images_in(update)
        app, *network = images.values()
        segments = overlay(
            read_hex(self._demo.baseline), [Segment(self.shape.slots.primary.address, app)]
        )
        mcuboot = self._demo.mcuboot_update if self.shape.has_nsib else None
        found = {"application": app} | ({"network": network[0]} if network else {})
        return self._write(name, tuple(segments), found, mcuboot)

    def _write(
        self,
        name: str,
        segments: Sequence[Segment],
        images: Mapping[str, bytes],
        mcuboot: Path | None,
    ) -> Path:
        build = self._folder / name
        segments = _with_banner(segments, self.shape.banner)
        match self.shape.style:
            case "child images":
                self._write_child_images(build, segments, images, mcuboot)
            case "sysbuild":
                self._write_sysbuild(build, segments, images, mcuboot)
            case "zephyr":
                self._write_zephyr(build, segments, images)
        (build / "CMakeCache.txt").write_text("# This is the CMakeCache file.\n")
        (build / "build.ninja").write_text("# CMAKE generated file: DO NOT EDIT!\n")
        return build

    def _write_child_images(
        self,
        build: Path,
        segments: Sequence[Segment],
        images: Mapping[str, bytes],
        mcuboot: Path | None,
    ) -> None:
        app_core, network_core = _by_core(segments)
        zephyr = build / "zephyr"
        write_hex(zephyr / "merged.hex", app_core)
        write_hex(zephyr / "merged_domains.hex", [*app_core, *network_core])
        write_hex(build / "hci_rpmsg" / "zephyr" / "merged_CPUNET.hex", network_core)
        (zephyr / "app_update.bin").write_bytes(images["application"])
        files = {"app_update.bin": images["application"]}
        if "network" in images:
            (zephyr / "net_core_app_update.bin").write_bytes(images["network"])
            files["net_core_app_update.bin"] = images["network"]
        self._write_package(zephyr / "dfu_application.zip", files)
        if mcuboot is not None:
            names = [f"signed_by_mcuboot_and_b0_s{n}_image_update.bin" for n in (0, 1)]
            self._write_mcuboot(zephyr, names, mcuboot)
        self._write_config(zephyr / ".config", self._application_config())
        self._write_config(build / "hci_rpmsg" / "zephyr" / ".config", self._network_config())
        self._write_mcuboot_configs(build)
        self._write_partitions(build)

    def _write_sysbuild(
        self,
        build: Path,
        segments: Sequence[Segment],
        images: Mapping[str, bytes],
        mcuboot: Path | None,
    ) -> None:
        app_core, network_core = _by_core(segments)
        write_hex(build / "merged.hex", app_core)
        if network_core:
            write_hex(build / "merged_CPUNET.hex", network_core)
        app = build / "fota" / "zephyr"
        app.mkdir(parents=True)
        (app / "zephyr.signed.bin").write_bytes(images["application"])
        files = {"fota.signed.bin": images["application"]}
        if "network" in images:
            (build / "signed_by_mcuboot_and_b0_ipc_radio.bin").write_bytes(images["network"])
            files["ipc_radio.bin"] = images["network"]
        self._write_package(build / "dfu_application.zip", files)
        if mcuboot is not None:
            names = [
                "signed_by_mcuboot_and_b0_mcuboot.bin",
                "signed_by_mcuboot_and_b0_s1_image.bin",
            ]
            self._write_mcuboot(build, names, mcuboot)
        self._write_config(app / ".config", self._application_config())
        radio = ("ipc_radio",) if network_core else ()
        for image in radio:
            self._write_config(build / image / "zephyr" / ".config", self._network_config())
        self._write_config(
            build / "zephyr" / ".config", {"SB_CONFIG_BOARD": self.shape.config_board}
        )
        self._write_mcuboot_configs(build)
        self._write_partitions(build)
        self._write_domains(build, ("fota", "mcuboot", *radio))

    def _write_zephyr(
        self, build: Path, segments: Sequence[Segment], images: Mapping[str, bytes]
    ) -> None:
        app_core, network_core = _by_core(segments)
        primary = self.shape.slots.primary
        mcuboot_file = build / "mcuboot" / "zephyr" / "zephyr.hex"
        write_hex(mcuboot_file, [s for s in app_core if s.address < primary.address])
        app = build / "fota" / "zephyr"
        write_hex(app / "zephyr.signed.hex", [Segment(primary.address, images["application"])])
        header_size = McubootImage.parse(images["application"]).header.header_size_bytes
        write_hex(
            app / "zephyr.hex",
            [Segment(primary.address + header_size, images["application"][header_size:])],
        )
        (app / "zephyr.signed.bin").write_bytes(images["application"])
        radio = ("hci_ipc",) if network_core else ()
        for image in radio:
            write_hex(build / image / "zephyr" / "zephyr.hex", network_core)
            self._write_config(build / image / "zephyr" / ".config", self._network_config())
        self._write_config(app / ".config", self._application_config())
        self._write_mcuboot_configs(build)
        (app / "zephyr.dts").write_text(self._devicetree())
        self._write_domains(build, ("fota", "mcuboot", *radio))

    def _write_package(self, path: Path, files: Mapping[str, bytes]) -> None:
        entries = [
            {
                "type": "application",
                "board": self.shape.manifest_network_board if number else self.shape.manifest_board,
                "soc": self.shape.soc.name,
                "image_index": str(number),
                "version_MCUBOOT": "1.0.0+0",
                "size": len(data),
                "file": name,
                "modtime": 1715074000,
            }
            for number, (name, data) in enumerate(files.items())
        ]
        _zip(path, files, {"format-version": 1, "time": 1715074000, "files": entries})

    def _write_mcuboot(self, folder: Path, names: Sequence[str], package: Path) -> None:
        files = dict(zip(names, _images_in(package).values(), strict=True))
        entries = [
            {
                "type": "mcuboot",
                "board": self.shape.manifest_board,
                "soc": self.shape.soc.name,
                "version_MCUBOOT": "0.0.0+0",
                "version_B0": "1",
                "size": len(data),
                "file": name,
                "modtime": 1715074000,
            }
            for name, data in files.items()
        ]
        _zip(folder / "dfu_mcuboot.zip", files, {"format-version": 1, "files": entries})
        for name, data in files.items():
            (folder / name).write_bytes(data)

    def _write_config(self, path: Path, values: Mapping[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["#", "# Automatically generated file; DO NOT EDIT.", "#"]
        lines += [f"{name}={value}" for name, value in values.items()]
        path.write_text("\n".join(lines) + "\n# CONFIG_LTO is not set\n")

    def _application_config(self) -> dict[str, str]:
        shape = self.shape
        hci = "CONFIG_BT_RPMSG" if shape.style == "child images" else "CONFIG_BT_HCI_IPC"
        values = {
            "CONFIG_BOARD": f'"{shape.config_board}"',
            f"CONFIG_SOC_SERIES_{shape.soc.family.upper()}X": "y",
            self._soc_option(): "y",
            "CONFIG_BOOTLOADER_MCUBOOT": "y",
            "CONFIG_BT": "y",
            hci: "y" if shape.soc.network else "n",
            "CONFIG_BT_DEVICE_NAME": f'"{shape.soc.title} FOTA"',
            "CONFIG_MCUMGR": "y",
            "CONFIG_MCUMGR_TRANSPORT_BT": "y",
            "CONFIG_SHELL": "y",
            "CONFIG_SHELL_BACKEND_SERIAL": "y",
            "CONFIG_FLASH_SHELL": "y",
            "CONFIG_SHELL_PROMPT_UART": '"uart:~$ "',
        }
        return values | ({"CONFIG_SECURE_BOOT": "y"} if shape.has_nsib else {})

    def _soc_option(self) -> str:
        soc = self.shape.soc
        qualifier = soc.application.qualifier
        return f"CONFIG_SOC_{soc.name}{'_' if qualifier else ''}{qualifier}".upper()

    def _network_config(self) -> dict[str, str]:
        return {
            "CONFIG_BOARD": f'"{self.shape.config_board.replace("cpuapp", "cpunet")}"',
            "CONFIG_SOC_NRF5340_CPUNET": "y",
            "CONFIG_BT_DEVICE_NAME": '"Zephyr"',
        }

    def _write_mcuboot_configs(self, build: Path) -> None:
        own = {
            "CONFIG_BOARD": f'"{self.shape.config_board}"',
            self._soc_option(): "y",
            "CONFIG_MCUBOOT": "y",
            _MODE_OPTIONS[self.shape.mode]: "y",
        }
        self._write_config(build / "mcuboot" / "zephyr" / ".config", own)
        if self.shape.has_nsib:
            self._write_config(build / "s1_image" / "zephyr" / ".config", own)
            nsib = own | {"CONFIG_MCUBOOT": "n", "CONFIG_IS_SECURE_BOOTLOADER": "y"}
            self._write_config(build / "b0" / "zephyr" / ".config", nsib)

    def _write_domains(self, build: Path, names: Sequence[str]) -> None:
        domains = [{"name": name, "build_dir": f"/home/user/{build.name}/{name}"} for name in names]
        table = {"default": names[0], "build_dir": f"/home/user/{build.name}", "domains": domains}
        (build / "domains.yaml").write_text(yaml.safe_dump(table))

    def _write_partitions(self, build: Path) -> None:
        slots = self.shape.slots
        table: dict[str, dict[str, object]] = {
            "app": _partition(slots.primary, 0x200),
            "mcuboot_primary": {
                **_partition(slots.primary),
                "orig_span": ["mcuboot_pad", "app"],
                "span": ["mcuboot_pad", "app"],
                "sharers": "0x1",
            },
            "mcuboot_secondary": _partition(slots.secondary),
            "EMPTY_0": _partition(Slot(address=0xFE000, size=0x2000)),
            "sram_primary": {"address": 0x20000000, "size": 0x70000, "region": "sram_primary"},
        }
        if slots.s0 is not None and slots.s1 is not None:
            table["s0"], table["s1"] = _partition(slots.s0), _partition(slots.s1)
            table["s0_pad"] = _partition(Slot(address=slots.s0.address, size=0x200))
            table["provision"] = _partition(Slot(address=0xFF8100, size=0x280), region="otp")
        else:
            table["mcuboot"] = _partition(Slot(address=0, size=slots.primary.address))
        if slots.scratch is not None:
            table["mcuboot_scratch"] = _partition(slots.scratch)
        if slots.secondary_network is not None:
            table["mcuboot_secondary_1"] = _partition(slots.secondary_network)
            ram = Slot(address=0, size=slots.secondary_network.size)
            table["mcuboot_primary_1"] = _partition(ram, region="ram_flash")
        _write_pm_yaml(build / "partitions.yml", table)
        if self.shape.soc.network is None:
            return
        network = {
            "b0n": _partition(Slot(address=0x01000000, size=0x8580)),
            "provision": _partition(Slot(address=0x01008580, size=0x280)),
            "app": _partition(Slot(address=0x01008800, size=0x37800)),
            "sram_primary": {"address": 0x21000000, "size": 0x10000, "region": "sram_primary"},
        }
        # Beside the application's under sysbuild, before that in the network core's own folder.
        own = "" if self.shape.style == "sysbuild" else "hci_rpmsg"
        _write_pm_yaml(build / own / "partitions_CPUNET.yml", network)

    def _devicetree(self) -> str:
        slots = self.shape.slots
        internal = {
            "boot_partition": ("mcuboot", Slot(address=0, size=slots.primary.address)),
            "slot0_partition": ("image-0", slots.primary),
        }
        external: dict[str, tuple[str, Slot]] = {}
        side = external if slots.secondary.address >= EXTERNAL else internal
        side["slot1_partition"] = ("image-1", slots.secondary)
        controller = self.shape.soc.flash_controller
        return (
            _DEVICETREE.replace("INTERNAL", _partition_nodes(internal))
            .replace("EXTERNAL", _partition_nodes(external))
            .replace("flash-controller@39000", controller)
        )


_DEVICETREE = """/dts-v1/;

/ {
\t#address-cells = < 0x1 >;
\t#size-cells = < 0x1 >;
\tsoc {
\t\t#address-cells = < 0x1 >;
\t\t#size-cells = < 0x1 >;
\t\tqspi: qspi@2b000 {
\t\t\tcompatible = "nordic,nrf-qspi";
\t\t\treg = < 0x2b000 0x1000 >, < 0x10000000 0x10000000 >;
\t\t\t#address-cells = < 0x1 >;
\t\t\t#size-cells = < 0x0 >;
\t\t\tmx25r64: mx25r6435f@0 {
\t\t\t\tcompatible = "nordic,qspi-nor";
\t\t\t\treg = < 0x0 >;
\t\t\t\tsize = < 0x4000000 >;
\t\t\t\tstatus = "okay";
\t\t\t\tpartitions {
\t\t\t\t\tcompatible = "fixed-partitions";
\t\t\t\t\t#address-cells = < 0x1 >;
\t\t\t\t\t#size-cells = < 0x1 >;
EXTERNAL
\t\t\t\t};
\t\t\t};
\t\t};
\t\tflash_controller: flash-controller@39000 {
\t\t\tcompatible = "nordic,nrf53-flash-controller";
\t\t\treg = < 0x39000 0x1000 >;
\t\t\t#address-cells = < 0x1 >;
\t\t\t#size-cells = < 0x1 >;
\t\t\tflash0: flash@0 {
\t\t\t\tcompatible = "soc-nv-flash";
\t\t\t\treg = < 0x0 0x100000 >;
\t\t\t\tpartitions {
\t\t\t\t\tcompatible = "fixed-partitions";
\t\t\t\t\t#address-cells = < 0x1 >;
\t\t\t\t\t#size-cells = < 0x1 >;
INTERNAL
\t\t\t\t};
\t\t\t};
\t\t};
\t};
};
"""


def _partition_nodes(partitions: Mapping[str, tuple[str, Slot]]) -> str:
    nodes: list[str] = []
    for node, (label, slot) in partitions.items():
        offset = slot.address % EXTERNAL
        nodes.append(
            f"\t\t\t\t\t{node}: partition@{offset:x} {{\n"
            f'\t\t\t\t\t\tlabel = "{label}";\n'
            f"\t\t\t\t\t\treg = < 0x{offset:x} 0x{slot.size:x} >;\n"
            "\t\t\t\t\t};"
        )
    return "\n".join(nodes)


def _partition(slot: Slot, skipped_bytes: int = 0, region: str = "") -> dict[str, object]:
    is_external = slot.address >= EXTERNAL
    address = (
        slot.address % EXTERNAL + skipped_bytes if is_external else slot.address + skipped_bytes
    )
    return {
        "address": address,
        "end_address": address + slot.size - skipped_bytes,
        "region": region or ("external_flash" if is_external else "flash_primary"),
        "size": slot.size - skipped_bytes,
    } | ({"device": "DT_CHOSEN(nordic_pm_ext_flash)"} if is_external else {})


def _write_pm_yaml(path: Path, table: Mapping[str, Mapping[str, object]]) -> None:
    # As the partition manager's script dumps it: numbers in hex, lists shared through anchors.
    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(
        int, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:int", hex(value))
    )
    path.write_text(yaml.dump(dict(table), Dumper=Dumper))


def _zip(path: Path, files: Mapping[str, bytes], manifest: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(manifest, indent=4))


def _images_in(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {n: archive.read(n) for n in archive.namelist() if n != "manifest.json"}


def _by_core(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    network = [s for s in segments if NETWORK <= s.address < EXTERNAL]
    return [s for s in segments if s not in network], network


def _with_banner(segments: Sequence[Segment], banner: str) -> tuple[Segment, ...]:
    """The banner in the code at 0, where a linker keeps it."""

    def changed(segment: Segment) -> Segment:
        if segment.address != 0 or not banner:
            return segment
        text = banner.encode() + b"\x00"
        start = len(segment.data) - len(text)
        return replace(segment, data=segment.data[:start] + text)

    return tuple(map(changed, segments))
