"""A build's layout as the slots of a board."""

from collections.abc import Iterator

from pytest_nrf_fota.boards.board import BoardType, Slot, Slots
from pytest_nrf_fota.boards.soc import EXTERNAL_MEMORY
from pytest_nrf_fota.builds.build import Layout
from pytest_nrf_fota.builds.partitions import EXTERNAL_REGION, Partition
from pytest_nrf_fota.errors import PackageError


def slots_of(layout: Layout, board: BoardType) -> Slots:
    """Where a board keeps the images of a build with this layout.

    Partition names are those of sdk-nrf (modules/mcuboot/boot/zephyr/pm.yml,
    subsys/bootloader/pm.yml, subsys/partition_manager).

    Raises `PackageError` for a build without slots for updates, or with a slot in no memory of the
    board.
    """
    primary, secondary = (
        _needed(layout, board, name) for name in ("mcuboot_primary", "mcuboot_secondary")
    )
    provision = layout.find("provision")
    provisioning_address = provision.address if provision else board.slots.provisioning_address
    s0, s1 = (_slot(layout, board, name) for name in ("s0", "s1"))
    has_nsib = s0 is not None and s1 is not None
    network_provision = layout.find_network("provision")
    return Slots(
        primary=primary,
        secondary=secondary,
        s0=s0 if has_nsib else None,
        s1=s1 if has_nsib else None,
        scratch=_slot(layout, board, "mcuboot_scratch"),
        secondary_network=_slot(layout, board, "mcuboot_secondary_1"),
        network=_network(layout),
        provisioning_address=provisioning_address if has_nsib else None,
        network_provisioning_address=network_provision.address if network_provision else None,
    )


def slots_table(slots: Slots) -> str:
    """The `[slots]` of a board file."""
    lines = ["[slots]"]
    for name in Slots.model_fields:
        value: Slot | int | None = getattr(slots, name)
        if isinstance(value, Slot):
            lines.append(f"{name} = {{ address = 0x{value.address:x}, size = 0x{value.size:x} }}")
        elif value is not None:
            lines.append(f"{name} = 0x{value:x}")
    return "\n".join(lines)


def _needed(layout: Layout, board: BoardType, name: str) -> Slot:
    slot = _slot(layout, board, name)
    if slot is None:
        raise PackageError(
            f"The build has no slot for updates: there is no partition {name!r}.",
            where=str(layout.source),
            next_step="Build with MCUboot (sysbuild: SB_CONFIG_BOOTLOADER_MCUBOOT=y; before NCS "
            "2.7: CONFIG_BOOTLOADER_MCUBOOT=y); only such a build can be updated over SMP.",
        )
    return slot


def _slot(layout: Layout, board: BoardType, name: str) -> Slot | None:
    partition = layout.find(name)
    if partition is None:
        return None
    if partition.size_bytes <= 0:
        raise _nowhere(layout, board, partition)
    start = next(_starts(partition, board), None)
    if start is None:
        raise _nowhere(layout, board, partition)
    slot = Slot(address=start + partition.address, size=partition.size_bytes)
    if board.region_of(slot.address, slot.size) is None:
        raise _nowhere(layout, board, partition)
    return slot


def _network(layout: Layout) -> Slot | None:
    app = layout.find_network("app")
    if app is None or app.size_bytes <= 0:
        return None
    return Slot(address=app.address, size=app.size_bytes)


def _starts(partition: Partition, board: BoardType) -> Iterator[int]:
    """What a partition's address counts from."""
    if partition.region != EXTERNAL_REGION:
        yield 0
        return
    yield from (region.start for region in board.memory if region.name == EXTERNAL_MEMORY)


def _nowhere(layout: Layout, board: BoardType, partition: Partition) -> PackageError:
    memories = ", ".join(f"{r.name} 0x{r.start:x}-0x{r.start + r.size:x}" for r in board.memory)
    return PackageError(
        f"The build's partition {partition.name!r}, 0x{partition.address:x}-0x{partition.end:x} of "
        f"{partition.region or 'no region'}, lies in no memory of {board.name}.",
        where=str(layout.source),
        next_step=f"Is it a build for this board? Its memories: {memories}.",
    )
