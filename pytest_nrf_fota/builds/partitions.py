"""Where a build puts things: the partition manager's result, or the devicetree's partitions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pytest_nrf_fota.builds.text_file import read_text
from pytest_nrf_fota.errors import PackageError

if TYPE_CHECKING:
    from devicetree.dtlib import DT, Node

# Partitions of external flash: pm_static.yml and sdk-nrf cmake/partition_manager.cmake name the
# region so.
EXTERNAL_REGION = "external_flash"
INTERNAL_REGION = "flash_primary"
OTP_REGION = "otp"


@dataclass(frozen=True)
class Partition:
    """One partition; in an external flash `address` counts from the device's first byte."""

    name: str
    address: int
    size_bytes: int
    region: str

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + self.size_bytes


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    address: int
    size: int
    region: str = ""


_ENTRIES = TypeAdapter(dict[str, _Entry])


def read_partitions_yml(path: Path) -> tuple[Partition, ...]:
    """The partitions of a `partitions.yml`, by region, address and size.

    Raises `PackageError` where it is not what the partition manager writes.
    """
    try:
        # Its spans use anchors; nothing in it needs more than plain YAML.
        table = yaml.safe_load(read_text(path))
        entries = _ENTRIES.validate_python(table or {})
    except (yaml.YAMLError, ValidationError, RecursionError) as error:
        problem = str(error).splitlines()[0]
        raise PackageError(
            f"The file does not hold partitions as the partition manager writes them: {problem}",
            where=str(path),
            next_step="Build again, with --pristine.",
        ) from error
    found = [Partition(n, e.address, e.size, e.region) for n, e in entries.items()]
    return tuple(sorted(found, key=lambda p: (p.region, p.address, -p.size_bytes)))


# Labels of Zephyr's flash partitions (dts/bindings and boards/nordic/nrf5340dk/*.dts), by the names
# that the partition manager has for the same thing.
_NAMES_BY_LABEL = {
    "mcuboot": "mcuboot",
    "image-0": "mcuboot_primary",
    "image-1": "mcuboot_secondary",
    "image-2": "mcuboot_primary_1",
    "image-3": "mcuboot_secondary_1",
    "image-scratch": "mcuboot_scratch",
}
_INTERNAL_COMPATIBLE = "soc-nv-flash"
_EXTERNAL_COMPATIBLES = frozenset({"nordic,qspi-nor", "jedec,spi-nor", "jedec,mspi-nor"})


def read_devicetree_partitions(path: Path) -> tuple[Partition, ...]:
    """The flash partitions of a `zephyr.dts`, under the partition manager's names.

    Raises `PackageError` where it is no devicetree.
    """
    from devicetree.dtlib import DTError

    try:
        found = tuple(_partitions_in(_read_tree(path)))
    except (DTError, ValueError) as error:
        raise _no_devicetree(path, error) from error
    return tuple(sorted(found, key=lambda p: (p.region, p.address, -p.size_bytes)))


@dataclass(frozen=True)
class FlashDevice:
    """An external flash: its name as Zephyr's shell takes it, and its size, None where not told."""

    name: str
    size_bytes: int | None


def read_external_flash(path: Path) -> FlashDevice | None:
    """The external flash of a `zephyr.dts` that is switched on, None without one.

    Raises `PackageError` where it is no devicetree.
    """
    for node in _read_tree(path).node_iter():
        is_flash = not _EXTERNAL_COMPATIBLES.isdisjoint(_texts(node, "compatible"))
        if is_flash and _texts(node, "status") in ([], ["okay"]):
            size = node.props.get("size")
            # In bits (dts/bindings/mtd/nordic,qspi-nor.yaml).
            return FlashDevice(node.name, None if size is None else size.to_num() // 8)
    return None


def read_console_baudrate(path: Path) -> int | None:
    """`current-speed` of the UART that a `zephyr.dts` chooses as zephyr,console; None without it.

    Raises `PackageError` where it is no devicetree.
    """
    from devicetree.dtlib import DTError

    tree = _read_tree(path)
    try:
        uart = tree.get_node("/chosen").props["zephyr,console"].to_path()
        return int(uart.props["current-speed"].to_num())
    except (DTError, KeyError):
        return None


def _read_tree(path: Path) -> "DT":
    from devicetree.dtlib import DT, DTError

    read_text(path)  # says what is wrong with a file that cannot be read
    try:
        return DT(str(path))
    except (DTError, OSError, ValueError, RecursionError) as error:
        raise _no_devicetree(path, error) from error


def _no_devicetree(path: Path, error: Exception) -> PackageError:
    return PackageError(
        f"The file is no devicetree: {error}",
        where=str(path),
        next_step="Build again, with --pristine.",
    )


def _partitions_in(tree: "DT") -> Iterator[Partition]:
    for node in tree.node_iter():
        name = _NAMES_BY_LABEL.get("".join(_texts(node, "label")))
        device = _flash_device_above(node)
        if name is None or device is None or "reg" not in node.props:
            continue
        is_external = not _EXTERNAL_COMPATIBLES.isdisjoint(_texts(device, "compatible"))
        # Partitions count from the start of their device, which for the SoC's own flash is its
        # address in the memory map.
        start = 0 if is_external else _reg(device)[0]
        offset, size_bytes = _reg(node)
        region = EXTERNAL_REGION if is_external else INTERNAL_REGION
        yield Partition(name, start + offset, size_bytes, region)


def _flash_device_above(node: "Node") -> "Node | None":
    """The flash that a partition lies in.

    What lies between them differs: `fixed-partitions`, from Zephyr 4.2 on with parts within a
    partition (`fixed-subpartitions`), later `zephyr,mapped-partition` without a compatible above.
    """
    above = node.parent
    while above is not None:
        compatibles = set(_texts(above, "compatible"))
        if _INTERNAL_COMPATIBLE in compatibles or compatibles & _EXTERNAL_COMPATIBLES:
            return above
        above = above.parent
    return None


def _texts(node: "Node", name: str) -> list[str]:
    found = node.props.get(name)
    return [] if found is None else list(found.to_strings())


def _reg(node: "Node") -> tuple[int, int]:
    address, size_bytes, *_ = node.props["reg"].to_nums()
    return address, size_bytes
