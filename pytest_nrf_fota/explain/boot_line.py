"""One boot in one line: its stages with their versions."""

from collections.abc import Sequence
from itertools import groupby

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot, McubootReport, StageSpan, Swap
from pytest_nrf_fota.explain.app_version import own_versions
from pytest_nrf_fota.explain.known_lines import KnownLines
from pytest_nrf_fota.verdict.boots import refusals_of

STAGE_NAMES = {
    Stage.NSIB: "NSIB",
    Stage.MCUBOOT: "MCUboot",
    Stage.TFM: "TF-M",
    Stage.APP: "app",
}


def boot_line(boot: Boot, lines: KnownLines) -> str:
    """`NSIB S0 version 14, key 0 b4...42 -> MCUboot 14: swap none -> app, built May 7 2024`."""
    parts = [_stage(boot, span, lines) for span in boot.stages]
    network = _network_core(boot)
    text = " -> ".join(parts) or "nothing readable"
    prefix = "(begins in the middle) " if boot.start_is_missing else ""
    faults = "".join(f"; {fault.kind or 'fatal error'}" for fault in boot.faults[:1])
    return f"{prefix}{text}{network}{faults}"


def _network_core(boot: Boot) -> str:
    update = boot.network_core
    if update is None:
        return ""
    if update.failed:
        return "; network core took no update"
    if update.done is not None:
        return "; network core updated"
    return "; network core update began" if update.started is not None else ""


def _stage(boot: Boot, span: StageSpan, lines: KnownLines) -> str:
    match span.stage:
        case Stage.NSIB:
            return _nsib(boot)
        case Stage.MCUBOOT:
            return _mcuboot(boot, span)
        case Stage.TFM:
            found = [
                known.text("version")
                for known in lines.find("tfm_start")
                if known.text("version")
                and boot.first.line_number <= known.seen.line_number <= boot.last.line_number
            ]
            return " ".join(["TF-M", *found[:1]])
        case Stage.APP:
            return _app(boot, span, lines)


def _nsib(boot: Boot) -> str:
    texts = []
    refused_slot: int | None = None
    for attempt in boot.nsib.attempts if boot.nsib is not None else ():
        slot = f"S{attempt.slot}"
        if attempt.slot is None:
            # NSIB goes on with the other one.
            other = "" if refused_slot is None else f", probably S{1 - refused_slot}"
            slot = f"a slot that no line names{other},"
        refused_slot = attempt.slot if attempt.invalidated is not None else refused_slot
        version = "" if attempt.firmware_version is None else f" version {attempt.firmware_version}"
        if version and attempt.counter_set_to is not None:
            version += " (new: counter raised)"
        is_empty = len(attempt.errors) == 1 and "fw_info struct" in attempt.errors[0].text
        refused = attempt.invalidated is not None or (attempt.errors and attempt.verified is None)
        key = next((k for k in attempt.keys if k.result == "accepted"), None)
        if key is not None and key.hash_ends is not None:
            number = "" if key.number is None else f" {key.number}"
            version += f", key{number} {key.hash_ends}"
        texts.append(f"{slot}{version}{' empty' if is_empty else ' refused' if refused else ''}")
    return " ".join(["NSIB", "; ".join(texts)]).strip()


def _mcuboot(boot: Boot, span: StageSpan) -> str:
    if span.is_silent or boot.mcuboot is None:
        return _with_version("MCUboot", span, "MCUboot") + " (silent)"
    mcuboot = boot.mcuboot
    name = _with_version("MCUboot", span, "MCUboot")
    if mcuboot.marker:
        name += f" {mcuboot.marker}"
    said = [_swap(swap) for swap in mcuboot.swaps]
    numbered = {swap.image for swap in mcuboot.swaps if swap.image is not None}
    if len(numbered) > 1 or (numbered and numbered != {0}):
        said = [
            text if swap.image is None else f"image {swap.image}: {text}"
            for swap, text in zip(mcuboot.swaps, said, strict=True)
        ]
    said = _counted(said)
    if not said and mcuboot.decisions:
        said = [f"swap type {_decided(mcuboot)}"]
    refusals = [one for one in mcuboot.refusals if one.seen in refusals_of(boot)]
    refusals = [one for one in refusals if one.pattern not in _OF_NO_IMAGE]
    if any(one.pattern not in _NO_UPGRADE_POSSIBLE for one in refusals):
        said.append("refused")
    elif refusals:
        said.append("cannot upgrade")
    if mcuboot.gave_up is not None:
        said.append("found nothing to start")
    if mcuboot.image_version is not None:
        said.append(f"image v{mcuboot.image_version}")
    return f"{name}: {', '.join(said)}" if said else name


def _counted(texts: Sequence[str]) -> list[str]:
    """The same text in a row once: MCUboots are known that copy an image again and again."""
    runs = ((text, len(list(run))) for text, run in groupby(texts))
    return [text if count == 1 else f"{text} ({count} times)" for text, count in runs]


# They stop every upgrade, whether an image waits or not.
_OF_NO_IMAGE = ("protect_failed", "mcuboot_panic")
_NO_UPGRADE_POSSIBLE = ("too_many_sectors", "slots_incompatible", "area_not_opened")


def _decided(mcuboot: McubootReport) -> str:
    """What was decided for each image, where the lines number several."""
    by_image = {one.image: one.swap_type for one in mcuboot.decisions}
    if len(by_image) < 2:
        return mcuboot.decisions[-1].swap_type
    return ", ".join(
        kind if image is None else f"{kind} (image {image})" for image, kind in by_image.items()
    )


def _swap(swap: Swap) -> str:
    if swap.decided is None and not swap.resumed:
        return f"swap {swap.result.value}"
    return f"{swap.decided or 'resumed'} swap {swap.result.value}"


def _with_version(name: str, span: StageSpan, product: str) -> str:
    banner = next((b for b in span.banners if b.product == product), None)
    return f"{name} {banner.version}" if banner is not None and banner.version else name


def _app(boot: Boot, span: StageSpan, lines: KnownLines) -> str:
    banner = next((b for b in span.banners if b.is_first), None)
    said = []
    if banner is not None:
        said.append(f"{banner.product} {banner.version}".strip())
    named = [
        known
        for known in lines.find("app_version")
        if span.first.line_number <= known.seen.line_number <= span.last.line_number
    ]
    own = own_versions(named)
    if own:
        said.append(f"version {own[0].text('version')}")
    said += _of_shell(boot, span, lines)
    if boot.app is not None and boot.app.build_time is not None:
        said.append(f"built {boot.app.build_time}")
    return f"app ({', '.join(said)})" if said else "app"


def _of_shell(boot: Boot, span: StageSpan, lines: KnownLines) -> list[str]:
    """What the shell command `mcuboot` shows of the running image: version, and if it stays."""
    said: list[str] = []
    area = ""
    for known in lines.find("shell_area", "shell_area_field", "shell_confirmed"):
        if not span.first.line_number <= known.seen.line_number <= span.last.line_number:
            continue
        if known.name == "shell_area":
            area = known.text("name")
        elif known.name == "shell_area_field" and area == "primary":
            if known.text("field") == "version":
                said.append(f"shell: version {known.text('value')}")
        elif known.name == "shell_confirmed":
            said.append("confirmed" if known.text("confirmed") == "1" else "not confirmed")
    # The last answer counts.
    return list(dict.fromkeys(said[-2:]))
