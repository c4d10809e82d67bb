"""Read Nordic's DFU multi images."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.multi_image import ImagePart
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundImage,
    FoundOther,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.memory_contents import inspect_memory
from pytest_nrf_fota.inspection.remark import at_place, remark
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory


def inspect_multi_image(
    path: Path, data: bytes, parts: Sequence[ImagePart], board: BoardType, keys: KeysAtHand
) -> Contents:
    """What each image of the file is. Raises `PackageError` where one is cut off."""
    end = parts[-1].offset_bytes + parts[-1].size_bytes
    if len(data) < end:
        raise PackageError(
            f"The DFU multi image is cut off: its header names {end} bytes, it has {len(data)}.",
            where=str(path),
            next_step="Copy the file again, or build it again.",
        )
    images: list[FoundImage] = []
    others: list[FoundOther] = []
    remarks: list[Finding] = []
    for part in parts:
        name = f"image {part.number}"
        content = data[part.offset_bytes : part.offset_bytes + part.size_bytes]
        if not content:
            others.append(FoundOther(name=name, size_bytes=0))
            continue
        memory = SparseMemory((Segment(0, content),))
        found = inspect_memory(memory, board, has_addresses=False, name=name, keys=keys)
        remarks += [at_place(one, name) for one in found.remarks]
        if not found.images:
            others.append(FoundOther(name=name, size_bytes=len(content)))
        images += [
            one.model_copy(update={"offset_bytes": part.offset_bytes + one.offset_bytes})
            for one in found.images
        ]
    remarks.append(remark("multi_image", path.name))
    return Contents(
        path=str(path),
        container=Container.MULTI_IMAGE,
        size_bytes=len(data),
        board=board.name,
        images=tuple(images),
        others=tuple(others),
        remarks=tuple(remarks),
    )
