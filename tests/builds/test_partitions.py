"""Where a build says that its slots lie: the partition manager's file, or a devicetree."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.builds.build import Layout
from pytest_nrf_fota.builds.partitions import (
    read_devicetree_partitions,
    read_external_flash,
    read_partitions_yml,
)
from pytest_nrf_fota.builds.slots import slots_of
from pytest_nrf_fota.errors import PackageError

# Flash nodes as three generations of Zephyr write them for the nRF5340 DK: up to 4.1, 4.2, and
# later (dts/vendor/nordic/nrf5340_cpuapp_partition.dtsi and its predecessors).
_FLAT = """
partitions {
    compatible = "fixed-partitions";
    #address-cells = < 0x1 >;
    #size-cells = < 0x1 >;
    boot_partition: partition@0 { label = "mcuboot"; reg = < 0x0 0x10000 >; };
    slot0_partition: partition@10000 { label = "image-0"; reg = < 0x10000 0x74000 >; };
    slot1_partition: partition@84000 { label = "image-1"; reg = < 0x84000 0x74000 >; };
};
"""
_WITH_PARTS = """
partitions {
    compatible = "fixed-partitions";
    #address-cells = < 0x1 >;
    #size-cells = < 0x1 >;
    slot0_partition: partition@10000 {
        compatible = "fixed-subpartitions"; /* in zephyr/dts/nrf5340_cpuapp_partition.dtsi:38 */
        label = "image-0";  /* in zephyr/dts/nrf5340_cpuapp_partition.dtsi:39 */
        reg = < 0x10000 0x70000 >;
        ranges = < 0x0 0x10000 0x70000 >;
        #address-cells = < 0x1 >;
        #size-cells = < 0x1 >;
        slot0_s_partition: partition@0 { label = "image-0-secure"; reg = < 0x0 0x40000 >; };
    };
    slot1_partition: partition@80000 {
        compatible = "fixed-subpartitions";
        label = "image-1";
        reg = < 0x80000 0x70000 >;
    };
};
"""
_MAPPED = """
partitions {
    ranges;
    #address-cells = < 0x1 >;
    #size-cells = < 0x1 >;
    slot0_partition: partition@10000 {
        compatible = "zephyr,mapped-partition";
        label = "image-0";
        reg = < 0x10000 0x74000 >;
    };
    slot1_partition: partition@84000 {
        compatible = "zephyr,mapped-partition";
        label = "image-1";
        reg = < 0x84000 0x74000 >;
    };
};
"""
_DEVICETREE = """/dts-v1/;
/ {
    #address-cells = < 0x1 >;
    #size-cells = < 0x1 >;
    flash0: flash@0 {
        compatible = "soc-nv-flash";
        reg = < 0x0 0x100000 >;
        PARTITIONS
    };
    qspi: qspi@2b000 {
        #address-cells = < 0x1 >;
        #size-cells = < 0x0 >;
        mx25r64: mx25r6435f@0 {
            compatible = "nordic,qspi-nor";
            reg = < 0x0 >;
            size = < 0x4000000 >;
        };
    };
};
"""


@pytest.mark.parametrize(
    ("partitions", "primary", "secondary"),
    [
        (_FLAT, (0x10000, 0x74000), (0x84000, 0x74000)),
        (_WITH_PARTS, (0x10000, 0x70000), (0x80000, 0x70000)),
        (_MAPPED, (0x10000, 0x74000), (0x84000, 0x74000)),
    ],
)
def test_each_generation_of_devicetrees(
    tmp_path: Path, partitions: str, primary: tuple[int, int], secondary: tuple[int, int]
) -> None:
    path = tmp_path / "zephyr.dts"
    path.write_text(_DEVICETREE.replace("PARTITIONS", partitions))
    found = {p.name: (p.address, p.size_bytes) for p in read_devicetree_partitions(path)}
    assert (found["mcuboot_primary"], found["mcuboot_secondary"]) == (primary, secondary)
    flash = read_external_flash(path)
    assert flash is not None
    # The chip's size is in bits.
    assert (flash.name, flash.size_bytes) == ("mx25r6435f@0", 0x800000)


# As the partition manager of NCS 3.0 writes it, with anchors, hex numbers and empty regions.
_PARTITIONS_YML = """\
app:
  address: 0x20200
  end_address: 0x100000
  region: flash_primary
  size: 0xdfe00
external_flash:
  address: 0x800000
  end_address: 0x800000
  region: external_flash
  size: 0x0
mcuboot_primary:
  address: 0x20000
  end_address: 0x100000
  orig_span: &id001
  - app
  - mcuboot_pad
  region: flash_primary
  size: 0xe0000
  span: *id001
mcuboot_primary_1:
  address: 0x0
  device: nordic_ram_flash_controller
  end_address: 0x40000
  region: ram_flash
  size: 0x40000
mcuboot_secondary:
  address: 0x6e0000
  device: DT_CHOSEN(nordic_pm_ext_flash)
  end_address: 0x7c0000
  placement:
    align:
      start: 0x4
  region: external_flash
  share_size:
  - mcuboot_primary
  size: 0xe0000
mcuboot_secondary_1:
  address: 0x7c0000
  device: DT_CHOSEN(nordic_pm_ext_flash)
  end_address: 0x800000
  region: external_flash
  size: 0x40000
"""


def test_partition_managers_file(tmp_path: Path) -> None:
    """Addresses count from the region's start; slots in the external flash by its window."""
    path = tmp_path / "partitions.yml"
    path.write_text(_PARTITIONS_YML)
    slots = slots_of(Layout(path, read_partitions_yml(path)), load_board("nrf5340dk"))
    assert (slots.primary.address, slots.primary.size) == (0x20000, 0xE0000)
    assert (slots.secondary.address, slots.secondary.size) == (0x106E0000, 0xE0000)
    assert slots.secondary_network is not None
    assert slots.secondary_network.address == 0x107C0000
    assert (slots.s0, slots.s1, slots.provisioning_address) == (None, None, None)


@pytest.mark.parametrize(
    "text", ["a: [1, 2\n", "- list\n", "app:\n  address: here\n  size: 0\n", "&a [*a]\n"]
)
def test_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "partitions.yml"
    path.write_text(text)
    with pytest.raises(PackageError) as caught:
        read_partitions_yml(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("text", ["", "/ { };", "not a tree", "/dts-v1/; / { a = <"])
def test_file_that_is_no_devicetree(tmp_path: Path, text: str) -> None:
    path = tmp_path / "zephyr.dts"
    path.write_text(text)
    with pytest.raises(PackageError, match="no devicetree"):
        read_devicetree_partitions(path)
