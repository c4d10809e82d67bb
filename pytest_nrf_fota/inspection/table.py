"""What was found, as text for people: 80 columns are enough, and no terminal is needed."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typing_extensions import assert_never

from pytest_nrf_fota.boards.nsib_release import KeyState, history_of_key_word
from pytest_nrf_fota.boards.soc import SOCS
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.inspection.contents import (
    Container,
    Contents,
    FoundFirmware,
    FoundImage,
    FoundKey,
    FoundPartition,
    FoundProvisionedKey,
    FoundProvisioning,
    FoundSegment,
    FoundSetting,
    FoundTrailer,
    Role,
)
from pytest_nrf_fota.inspection.printable_contents import printable_contents
from pytest_nrf_fota.inspection.remarks import checker_of, hash_words

_CONTAINER_WORDS = {
    Container.BIN: "binary",
    Container.HEX: "Intel hex file",
    Container.PACKAGE: "DFU package",
    Container.MULTI_IMAGE: "DFU multi image",
    Container.BUILD: "build folder",
}
_SHORT_HASH_CHARS = 8
_TLV_NAMES_SHOWN = 12


def print_contents(contents: Contents, console: Console) -> None:
    """Print a file with what is worth knowing about it, then the files of a build folder."""
    _print_file(printable_contents(contents), console)


def _print_file(contents: Contents, console: Console) -> None:
    _print_title(contents, console)
    _print_table(console, _overview(contents))
    for image in contents.images:
        _print_block(console, f"{image.name}: {_image_words(image)}", _image_lines(image))
    for firmware in contents.firmwares:
        _print_block(
            console,
            f"{_firmware_words(firmware)}, fw_info at 0x{firmware.offset_bytes:x}",
            _firmware_lines(firmware),
        )
    if contents.accepts:
        lines = [("key", _key_words(key)) for key in contents.accepts]
        _print_block(console, "MCUboot of this file accepts", lines)
    if contents.provisioning is not None:
        _print_block(
            console,
            f"Provisioning data at 0x{contents.provisioning.address:x}",
            _provisioning_lines(contents.provisioning),
        )
    if contents.network_provisioning is not None:
        _print_block(
            console,
            f"Provisioning data of the network core at 0x{contents.network_provisioning.address:x}",
            _network_provisioning_lines(contents.network_provisioning),
        )
    for trailer in contents.trailers:
        _print_block(console, f"Trailer, {trailer.slot}", _trailer_lines(trailer))
    _print_table(console, _segments(contents.segments))
    _print_table(console, _settings(contents.settings))
    _print_table(console, _partitions(contents.partitions))
    if contents.others:
        others = [("", f"{one.name} ({one.size_bytes:,} bytes)") for one in contents.others]
        heading = (
            "The same images again" if contents.container is Container.BUILD else "Other files"
        )
        _print_block(console, heading, others)
    _print_remarks(console, contents.remarks)
    for one in contents.files:
        console.print()
        _print_file(one, console)


def role_words(role: Role) -> str:
    """What a firmware is, in a few words."""
    match role:
        case Role.NSIB:
            return "NSIB"
        case Role.MCUBOOT_S0:
            return "MCUboot for S0"
        case Role.MCUBOOT_S1:
            return "MCUboot for S1"
        case Role.APPLICATION:
            return "application"
        case Role.NETWORK_CORE:
            return "network core"
        case Role.UNKNOWN:
            return "unknown"
        case _:
            assert_never(role)


def _firmware_words(firmware: FoundFirmware) -> str:
    return "b0n" if _is_b0n(firmware) else role_words(firmware.role)


def _is_b0n(firmware: FoundFirmware) -> bool:
    """Whether it is the network core's bootloader, which nothing checks."""
    starts = [soc.network.flash.start for soc in SOCS.values() if soc.network is not None]
    starts_core = firmware.firmware_address in starts
    return firmware.role is Role.NETWORK_CORE and starts_core and firmware.key is None


def _image_words(image: FoundImage) -> str:
    words = role_words(image.role)
    unexplained = image.role is Role.UNKNOWN and image.role_reason
    return f"{words}: {image.role_reason}" if unexplained else words


def _print_title(contents: Contents, console: Console) -> None:
    title = Text(contents.path, style="bold")
    title.append(
        f"\n{_CONTAINER_WORDS[contents.container]}, {contents.size_bytes:,} bytes, "
        f"read for board {contents.board}",
        style="not bold",
    )
    console.print(title)


def _print_table(console: Console, table: Table | None) -> None:
    if table is not None:
        console.print()
        console.print(table)


def _print_block(console: Console, heading: str, lines: Sequence[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, value in lines:
        grid.add_row(label, Text(value))
    console.print()
    console.print(Text(heading, style="bold"), overflow="fold")
    console.print(Padding(grid, (0, 0, 0, 2)))


def _overview(contents: Contents) -> Table | None:
    if contents.container is Container.BUILD:
        return _build_overview(contents)
    rows = [_image_row(image) for image in contents.images]
    rows += [_firmware_row(firmware) for firmware in contents.firmwares]
    if len(rows) < 2:
        return None
    return _table(
        ("what", "code at", "version", "fw_info", "bytes", "hash", "signed by"), rows, "rrrr"
    )


def _build_overview(build: Contents) -> Table | None:
    rows = [
        (one.path.rsplit("/", 1)[-1], *row[:1], *row[2:4])
        for one in build.files
        for row in (*map(_image_row, one.images), *map(_firmware_row, one.firmwares))
    ]
    return _table(("file", "what", "version", "fw_info"), rows, " rr") if rows else None


def _image_row(image: FoundImage) -> tuple[str, ...]:
    firmware = image.firmware
    return (
        role_words(image.role),
        "-" if image.reset_vector is None else f"0x{image.reset_vector & ~1:x}",
        image.version,
        "-" if firmware is None else str(firmware.version),
        f"{image.size_bytes:,}",
        "-" if image.hash is None else image.hash[:_SHORT_HASH_CHARS],
        "none" if image.key is None else image.key.hash[:_SHORT_HASH_CHARS],
    )


def _firmware_row(firmware: FoundFirmware) -> tuple[str, ...]:
    return (
        _firmware_words(firmware),
        f"0x{firmware.boot_address:x}",
        "-",
        str(firmware.version),
        f"{firmware.firmware_size_bytes:,}",
        "-",
        "none" if firmware.key is None else firmware.key.hash[:_SHORT_HASH_CHARS],
    )


def _image_lines(image: FoundImage) -> list[tuple[str, str]]:
    room = "" if image.room_bytes is None else f" of {image.room_bytes:,} that fit"
    lines = [
        ("version", image.version),
        ("size", f"{image.size_bytes:,} bytes{room}; header 0x{image.header_size_bytes:x}"),
        ("hash", _hash_words(image)),
        ("signature", _signature_words(image)),
    ]
    if image.key is not None:
        lines.append(("key", _key_words(image.key)))
    lines.append(("TLVs", _tlv_words(image)))
    if image.flags:
        lines.append(("flags", ", ".join(image.flags)))
    if image.load_address:
        label = "runs at" if "ROM_FIXED" in image.flags else "load"
        lines.append((label, f"0x{image.load_address:x}"))
    if image.security_counter is not None:
        lines.append(("counter", f"security counter {image.security_counter}"))
    lines += [
        ("needs", f"image {one.image_index} in version {one.lowest_version} or newer")
        for one in image.dependencies
    ]
    if image.firmware is not None:
        lines += _firmware_lines(image.firmware)
    lines += [("accepts", f"images signed with {_key_words(key)}") for key in image.accepts]
    if image.manifest is not None:
        lines.append(("manifest", _manifest_words(image)))
    return lines


def _hash_words(image: FoundImage) -> str:
    words = image.hash or "none"
    if image.hash_algorithm not in (None, "sha256"):
        words += f"  {hash_words(image.hash_algorithm)}"
    match image.hash_is_right:
        case True:
            return words
        case False:
            return f"{words}  WRONG"
        case None:
            return f"{words}  not checked: {image.unchecked}" if image.unchecked else words


def _signature_words(image: FoundImage) -> str:
    if image.signature is None:
        return "none"
    kind = f"{image.signature} over the image itself" if image.signs_content else image.signature
    match image.signature_is_right:
        case True:
            return f"{kind}, right"
        case False:
            return f"{kind}, WRONG"
        case None:
            why = image.unchecked or "the public key is not available (--key)"
            return f"{kind}, not checked: {why}"


def _tlv_words(image: FoundImage) -> str:
    names = [f"{tlv.name}{' (protected)' if tlv.protected else ''}" for tlv in image.tlvs]
    rest = len(names) - _TLV_NAMES_SHOWN
    shown = ", ".join(names[:_TLV_NAMES_SHOWN]) or "none"
    return f"{shown} and {rest} more" if rest > 0 else shown


def _manifest_words(image: FoundImage) -> str:
    entry = image.manifest
    if entry is None:
        return "does not name this file"
    values: tuple[tuple[str, object], ...] = (
        ("type", entry.type),
        ("board", entry.board),
        ("load_address", None if entry.load_address is None else f"0x{entry.load_address:x}"),
        ("image_index", entry.image_index),
        ("slot", entry.slot),
        ("version_MCUBOOT", entry.version_mcuboot),
        ("version_B0", entry.version_b0),
    )
    return ", ".join(f"{name} {value}" for name, value in values if value not in (None, ""))


def _firmware_lines(firmware: FoundFirmware) -> list[tuple[str, str]]:
    end = firmware.firmware_address + firmware.firmware_size_bytes
    validity = "valid" if firmware.is_valid else "INVALIDATED"
    lines = [
        (
            "fw_info",
            f"version {firmware.version}, 0x{firmware.firmware_address:x}-0x{end:x}, {validity}",
        )
    ]
    who = checker_of(firmware)
    if _is_b0n(firmware) or firmware.role is Role.NSIB:
        return lines
    if firmware.key is None:
        return [*lines, (who, "no signature")]
    hash_word = "right" if firmware.hash_is_right else "WRONG"
    signature_word = "right" if firmware.signature_is_right else "WRONG"
    lines.append((who, f"hash {hash_word}, signature {signature_word}"))
    known = {None: "", True: " (provisioned)", False: " (NOT provisioned)"}[firmware.provisioned]
    known = " (REVOKED)" if firmware.key_revoked else known
    return [*lines, (f"{who} key", f"{_key_words(firmware.key)}{known}")]


def _key_words(key: FoundKey) -> str:
    known = key.given_file or key.published_as
    words = f"{key.hash} = {known}" if known else key.hash
    return f"{words}, in the MCUboot of {key.found_in}" if key.found_in else words


def _state_of_key(index: int, key: FoundProvisionedKey, ncs: str | None) -> str:
    history = history_of_key_word(index, key.word)
    match key.read_as:
        case KeyState.REVOKED:
            return " REVOKED"
        case KeyState.UNKNOWN:
            return f", {history}; NSIB of NCS {ncs} PANICS at it"
        case KeyState.VALID if key.invalidated:
            return f", {history}; NSIB of NCS {ncs} takes it for VALID"
        case KeyState.VALID:
            return f", {history}"
        case None:
            return " REVOKED" if key.invalidated else f", {history}"
        case _:
            assert_never(key.read_as)


def _provisioning_lines(provisioning: FoundProvisioning) -> list[tuple[str, str]]:
    lines = [("slots", f"S0 0x{provisioning.s0_address:x}, S1 0x{provisioning.s1_address:x}")]
    lines += [
        ("key", f"{_key_words(one.key)}{_state_of_key(index, one, provisioning.ncs)}")
        for index, one in enumerate(provisioning.keys)
    ]
    lines += [
        (
            "counter",
            f"{_counter_name(one.description)}: value {one.value} (fw_info version "
            f"{one.value >> 1}), {one.used_slots} of {one.slots} slots used",
        )
        for one in provisioning.counters
    ]
    return lines


def _network_provisioning_lines(provisioning: FoundProvisioning) -> list[tuple[str, str]]:
    # It names one firmware, has no keys of its own where MCUboot checks the signature.
    return [("firmware", f"0x{provisioning.s0_address:x}"), *_provisioning_lines(provisioning)[1:]]


def _counter_name(description: int) -> str:
    return {1: "NSIB", 2: "MCUboot, image 0"}.get(description, f"number {description}")


def _trailer_lines(trailer: FoundTrailer) -> list[tuple[str, str]]:
    fields = (
        f"magic={trailer.magic}, swap_type=0x{trailer.swap_type:x}, "
        f"copy_done=0x{trailer.copy_done:x}, image_ok=0x{trailer.image_ok:x}"
    )
    return [("fields", fields), ("means", trailer.meaning)]


def _segments(segments: Sequence[FoundSegment]) -> Table | None:
    rows = [
        (
            f"0x{one.address:08x}",
            f"0x{one.address + one.size_bytes:08x}",
            f"{one.size_bytes:,}",
            one.memory or "NO MEMORY of this board",
        )
        for one in segments
    ]
    return _table(("from", "to", "bytes", "memory"), rows, "lr") if rows else None


def _settings(settings: Sequence[FoundSetting]) -> Table | None:
    rows = [(one.image, one.name, one.value or "(empty)") for one in settings]
    return _table(("image", "setting", "value"), rows, "") if rows else None


def _partitions(partitions: Sequence[FoundPartition]) -> Table | None:
    rows = [
        (
            one.name,
            f"0x{one.address:x}",
            f"0x{one.address + one.size_bytes:x}",
            f"0x{one.size_bytes:x}",
            one.region,
        )
        for one in partitions
    ]
    return _table(("partition", "from", "to", "bytes", "region"), rows, "rrr") if rows else None


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: str) -> Table:
    """A table whose columns after the first are set right where `numbers` has an r."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for position, heading in enumerate(headings):
        right = 0 < position <= len(numbers) and numbers[position - 1] == "r"
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_remarks(console: Console, remarks: Sequence[Finding]) -> None:
    if not remarks:
        return
    places: dict[tuple[bool, str], list[str]] = {}
    for one in remarks:
        text = f"{one.cause} {one.remedy}".strip()
        where = places.setdefault((one.weight is Weight.NOTE, text), [])
        where += [shown.text for shown in one.shown]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for (is_note, text), where in places.items():
        level, style = ("note", "dim") if is_note else ("warning", "bold yellow")
        cell = Text(f"{', '.join(dict.fromkeys(where))}:", style="italic")
        cell.append(f"\n{text}", style="not italic")
        grid.add_row(Text(level, style=style), cell)
    console.print()
    console.print(Text("Worth knowing", style="bold"))
    console.print(Padding(grid, (0, 0, 0, 2)))
