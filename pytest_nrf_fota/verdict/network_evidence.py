"""Evidence on which firmware the network core runs (sdk-nrf subsys/pcd)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.firmware.fw_info import FwInfo, ReadMemory, find_fw_info
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.verdict.facts import Watch
from pytest_nrf_fota.verdict.watching import gap_remark, no_boot_remark

if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState

ABOUT = "network core"
_GAVE_UP = LINES["b0n_failed"].regex
_LEAST_LINE_CHARS = 6


@dataclass(frozen=True)
class NetworkTarget:
    """The firmware that the network core is to run.

    Args:
        image_index: of MCUboot's images.
        address: where it runs.
        version: its FW_INFO version.
        firmware: what lies there when it is in place.
        before: what lay there before; None where it was not read.
        version_before: its FW_INFO version, None where there was none.
        image_hash: names the update in the image list.
    """

    image_index: int
    address: int
    version: int
    firmware: bytes
    before: bytes | None
    version_before: int | None
    image_hash: bytes


def target_of(
    image: McubootImage, image_index: int, read: ReadMemory | None
) -> NetworkTarget | None:
    """Read what is there before the update, where that is possible.

    None for an image that b0n would not know.
    """
    info = fw_info_of(image)
    if info is None:
        return None
    address, firmware = info.firmware_address, image.payload
    before = find_fw_info(read, address) if read is not None else None
    return NetworkTarget(
        image_index=image_index,
        address=address,
        version=info.version,
        firmware=firmware,
        before=read(address, len(firmware)) if read is not None else None,
        version_before=before.version if before else None,
        image_hash=image.hash or b"",
    )


def fw_info_of(image: McubootImage) -> FwInfo | None:
    """NSIB's struct inside a network core's image."""

    def read(address: int, size_bytes: int) -> bytes:
        return image.payload[address : address + size_bytes]

    return find_fw_info(read, 0)


def uart_evidence(
    boots: Sequence[Boot],
    network_lines: Sequence[str],
    target: NetworkTarget,
    watch: Watch = Watch(),  # noqa: B008 - a frozen value
) -> Evidence:
    """What both cores printed since the image was set pending.

    A line of the network core proves which firmware runs where only one of the two contains it.
    Otherwise MCUboot's word counts, that the network core took the image.
    """
    if not boots:
        return _uart(Says.UNKNOWN, no_boot_remark(watch))
    if watch.lacks_last_boot:
        return _uart(Says.UNKNOWN, gap_remark(watch))
    said = [line.strip() for line in network_lines if len(line.strip()) >= _LEAST_LINE_CHARS]
    for line in reversed(said) if target.before is not None else ():
        encoded = line.encode()
        assert target.before is not None
        is_in_update, was_there = encoded in target.firmware, encoded in target.before
        if is_in_update != was_there:
            return _uart(Says.NEW if is_in_update else Says.OLD, f"it prints {line!r}")
    gave_up = [line for line in said if _GAVE_UP.match(line)]
    if gave_up:
        return _uart(Says.OLD, f"it prints {gave_up[-1]!r}")
    updates = [boot.network_core for boot in boots if boot.network_core is not None]
    if watch.is_incomplete:
        return _uart(Says.UNKNOWN, gap_remark(watch))
    refused = [seen for update in updates for seen in update.failed]
    if refused:
        return _uart(Says.OLD, f"MCUboot prints {refused[-1].text.strip()!r}")
    taken = [update.done for update in updates]
    if any(target.image_index in boot.overwritten for boot in boots):
        # All that is printed where several images are updated.
        taken += [update.turned_off for update in updates if update.done is None]
    said_last = [seen.text.strip() for seen in taken if seen is not None]
    if said_last:
        return _uart(Says.NEW, f"MCUboot prints {said_last[-1]!r}")
    return _uart(Says.UNKNOWN, "no line of either core shows it")


def smp_evidence(images: "Sequence[ImageState] | None", target: NetworkTarget) -> Evidence:
    """Whether the update still waits; what the network core runs is in no image list."""
    if images is None:
        return Evidence(Source.SMP, Says.UNKNOWN, _about("no image list could be read"), ABOUT)
    # Slot 0 is where MCUboot put what it handed over, in RAM: that was taken.
    waiting = next((s for s in images if s.slot == 1 and s.hash == target.image_hash), None)
    if waiting is not None:
        return Evidence(Source.SMP, Says.OLD, _about(f"the update was not taken: {waiting}"), ABOUT)
    detail = "the image list cannot show it; the update left the secondary slot"
    return Evidence(Source.SMP, Says.UNKNOWN, _about(detail), ABOUT)


def swd_evidence(held: bytes, target: NetworkTarget) -> Evidence:
    """What lies in the network core's flash."""
    place = f"0x{target.address:08x}"
    if held == target.firmware:
        detail = f"{place} holds firmware {target.version}"
        says = Says.UNKNOWN if target.firmware == target.before else Says.NEW
        return Evidence(Source.SWD, says, _about(detail), ABOUT)
    if held == target.before:
        detail = f"{place} holds firmware {target.version_before}, as before"
        return Evidence(Source.SWD, Says.OLD, _about(detail), ABOUT)
    detail = f"{place} holds neither the update nor what was there before"
    return Evidence(Source.SWD, Says.OTHER, _about(detail), ABOUT)


def _uart(says: Says, detail: str) -> Evidence:
    return Evidence(Source.UART, says, _about(detail), ABOUT)


def _about(detail: str) -> str:
    return f"{ABOUT}: {detail}"
