"""A board file for a build, written from what the build says of itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.builds.application_settings import (
    AskedPairing,
    asked_pairing,
    has_bluetooth,
    has_flash_shell,
    has_shell,
)
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.partitions import FlashDevice, read_external_flash
from pytest_nrf_fota.builds.slots import slots_of, slots_table
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.description import READY_WITHOUT_BLUETOOTH
from pytest_nrf_fota.firmware.dfu_package import read_entries, read_manifest

_UART_OPTIONS = ("MCUMGR_TRANSPORT_UART", "MCUMGR_SMP_UART")
_SHELL_OPTIONS = ("MCUMGR_TRANSPORT_SHELL", "MCUMGR_SMP_SHELL")
# Zephyr, samples/subsys/mgmt/mcumgr/smp_svr/src/main.c, by whatever wire it is reached.
_READY_OF_SMP_SVR = "build time: "


@dataclass(frozen=True)
class _Line:
    """One line of the file, and where it comes from."""

    text: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.text}  # {self.source}" if self.source else self.text


def board_file_text(build: Build, base: BoardType, name: str, release: Release | None) -> str:
    """The content of a board file.

    Args:
        build: the build; needs a layout.
        base: the board that it is based on.
        name: the board's, and its file's.
        release: the SDK that its bootloaders show; None where they do not.

    Raises `PackageError` where the build does not tell its layout, or has no slots for updates.
    """
    if build.layout is None:
        raise PackageError(
            "The build does not show where its slots are: there is neither partitions.yml nor a "
            "zephyr.dts with slots.",
            where=str(build.files.folder),
            next_step="Give a complete build folder.",
        )
    slots = slots_of(build.layout, base)
    flash = _external_flash(build)
    keeps_flash = flash is None and base.soc.is_external(slots.secondary.address)
    removed = ["slots"]
    if flash is None and base.external_flash is not None and not keeps_flash:
        removed.append("external_flash")
    sections: tuple[Sequence[_Line], ...] = (
        _head(build, base, name, removed),
        [_Line(f"# {build.files.name_of(build.layout.source)}"), _Line(slots_table(slots))],
        list(_flash_lines(flash, base) if flash is not None else ()),
        list(_guessed_flash_lines(base) if keeps_flash else ()),
        list(_console_lines(build)),
        list(_radio_lines(build)),
        list(_boot_lines(build, base, release)),
    )
    texts = ("\n".join(map(str, lines)) for lines in sections if lines)
    return "\n\n".join(texts) + "\n"


def _head(build: Build, base: BoardType, name: str, removed: Sequence[str]) -> list[_Line]:
    boards = _manifest_boards(build)
    lines = [
        _Line(f"# Made by `nrf-fota board-file` from {build.files.folder.name}."),
        _Line("# What is called a guess is not in the build: check it."),
        _Line(f"name = {_quoted(name)}"),
        _Line(f"title = {_quoted(build.board_name or name)}"),
        _Line(f"base = {_quoted(base.name)}"),
        _Line("platforms = []"),
        _Line(f"remove = {_listed(removed)}", "what follows replaces it"),
    ]
    if boards:
        lines.append(
            _Line(f"manifest_boards = {_listed(boards)}", "as the build's packages name the board")
        )
    return lines


def _flash_lines(flash: FlashDevice, base: BoardType) -> Iterator[_Line]:
    yield _Line("[external_flash]")
    yield _Line(f"shell_device = {_quoted(flash.name)}", "zephyr.dts")
    size_bytes = flash.size_bytes or (base.external_flash.size if base.external_flash else None)
    if size_bytes is not None:
        yield _Line(f"size = 0x{size_bytes:x}", "zephyr.dts" if flash.size_bytes else "a guess")
    yield _Line("erase_timeout_s = 420.0", "a guess: a chip erase, with a wide margin")


def _guessed_flash_lines(base: BoardType) -> Iterator[_Line]:
    """Slots lie in a flash that no devicetree of the build names: without it nothing erases them
    between tests.
    """
    flash = base.external_flash
    if flash is not None:
        source = f"a guess: {base.name}'s, the build has no zephyr.dts with it"
        yield _Line("[external_flash]")
        yield _Line(f"shell_device = {_quoted(flash.shell_device)}", source)
        yield _Line(f"size = 0x{flash.size:x}", source)


def _console_lines(build: Build) -> Iterator[_Line]:
    application = build.application
    if application is None:
        return
    yield _Line("[console]")
    if not has_shell(application):
        yield _Line("shell = false", "CONFIG_SHELL_BACKEND_SERIAL is off")
        return
    prompt = application.text("SHELL_PROMPT_UART")
    if prompt:
        pattern = re.escape(prompt).replace("\\ ", " ").replace("\\~", "~")
        yield _Line(f"prompt = '{pattern}'", "CONFIG_SHELL_PROMPT_UART, as a regular expression")
    if not has_flash_shell(application):
        yield _Line("flash_shell = false", "CONFIG_FLASH_SHELL is off: the probe erases")


def _radio_lines(build: Build) -> Iterator[_Line]:
    application = build.application
    if application is None:
        return
    yield _Line("[radio]")
    asked = asked_pairing(application)
    if asked is not None:
        yield _Line('kind = "ble"', "CONFIG_MCUMGR_TRANSPORT_BT")
        if name := application.text("BT_DEVICE_NAME"):
            yield _Line(f"name = {_quoted(name)}", "CONFIG_BT_DEVICE_NAME")
        if application.is_on("BT_PRIVACY"):
            yield _Line("private_address = true", "CONFIG_BT_PRIVACY")
        yield _pairing_line(asked)
    elif application.is_on(*_SHELL_OPTIONS):
        yield _Line('kind = "serial_over_console"', "CONFIG_MCUMGR_TRANSPORT_SHELL")
    elif application.is_on(*_UART_OPTIONS):
        # Zephyr 4.1, boards/nordic/nrf5340dk/nrf5340_cpuapp_common.dtsi: zephyr,uart-mcumgr and
        # zephyr,console are one UART.
        yield _Line(
            'kind = "serial_over_console"',
            "CONFIG_MCUMGR_TRANSPORT_UART; a guess: zephyr,uart-mcumgr is the console's UART",
        )
    elif has_bluetooth(application):
        yield _Line('kind = "ble"', "a guess: the build has no SMP server that is known here")
    else:
        yield _Line(
            'kind = "serial_over_console"',
            "a guess: the build has no SMP server that is known here, and no Bluetooth",
        )
    if not has_bluetooth(application):
        yield _Line("bluetooth = false", "CONFIG_BT is off")


def _pairing_line(asked: AskedPairing) -> _Line:
    source = asked.option or "no CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW_... that asks for it"
    return _Line(f'pairing = "{asked.pairing}"', source)


def _boot_lines(build: Build, base: BoardType, release: Release | None) -> Iterator[_Line]:
    yield _Line("[boot]")
    if release is not None:
        yield _Line(f'ncs = "{release.ncs}"', "from the build or its bootloaders' banner")
    else:
        yield _Line(f'ncs = "{base.boot.ncs}"', "a guess: no file names the SDK")
    mode = build.bootloader_mode
    if mode is not None:
        yield _Line(f'bootloader_mode = "{mode}"', "MCUboot's .config")
    else:
        yield _Line(
            f'bootloader_mode = "{base.boot.bootloader_mode}"',
            "a guess: MCUboot's .config is not there",
        )
    if build.mcuboot is not None and build.mcuboot.is_on("BOOT_SIGNATURE_TYPE_NONE"):
        yield _Line("checks_signature = false", "CONFIG_BOOT_SIGNATURE_TYPE_NONE")
    if build.rollback_protection is not None:
        yield _Line(
            f"rollback_protection = {str(build.rollback_protection).lower()}",
            "CONFIG_SB_MONOTONIC_COUNTER_ROLLBACK_PROTECTION",
        )
    yield _ready_line(build, base)


def _ready_line(build: Build, base: BoardType) -> _Line:
    app_ready = base.boot.app_ready
    if build.application is not None and not has_bluetooth(build.application):
        if base.sim is not None:
            stands_in = "printed by the virtual kit's stand-in for your application"
            return _Line(f"app_ready = '{READY_WITHOUT_BLUETOOTH}'", stands_in)
        app_ready = _READY_OF_SMP_SVR
    return _Line(
        f"app_ready = '{app_ready}'",
        "a guess: a line that your application prints at the end of each boot",
    )


def _external_flash(build: Build) -> FlashDevice | None:
    for path in build.files.devicetrees:
        flash = read_external_flash(path)
        if flash is not None:
            return flash
    return None


def _manifest_boards(build: Build) -> list[str]:
    names = [build.board_name] if build.board_name else []
    for path in build.files.packages:
        manifest = read_manifest(path, read_entries(path))
        names += [entry.board for entry in manifest.files if entry.board and not entry.image_index]
    return list(dict.fromkeys(names))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _listed(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"
