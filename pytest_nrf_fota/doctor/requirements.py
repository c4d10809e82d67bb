"""What each board needs of this machine."""

from dataclasses import dataclass

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.doctor.bluetooth_checks import bluetooth_checks, hci_controller
from pytest_nrf_fota.doctor.check import Check
from pytest_nrf_fota.doctor.console_checks import console_port
from pytest_nrf_fota.doctor.emulator_checks import PROGRAMS_32_BIT, QEMU
from pytest_nrf_fota.doctor.folder_checks import CACHE, KERNEL, POSIX, RUN_FOLDER
from pytest_nrf_fota.doctor.kit_checks import kit_checks
from pytest_nrf_fota.doctor.probe_checks import (
    JLINK_LIBRARY,
    asked_probe,
    needs_jlink_library,
    probe_tool,
)
from pytest_nrf_fota.doctor.python_checks import (
    CLASHES,
    EXTENSIONS,
    PACKAGES,
    PYTEST,
    PYTHON,
    UNICORN,
)
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.extensions import registered
from pytest_nrf_fota.smp.host_radio import HciController, HostBluetooth, HostRadio, host_radio

_ALWAYS = (PYTHON, PACKAGES, PYTEST, CLASHES, EXTENSIONS, RUN_FOLDER, KERNEL)


@dataclass(frozen=True)
class Options:
    """pytest's other options for the board, such as `--device-id`, `--runner`, `--radio`.

    `asks_probe`: whether the kit's probe is asked for its firmware and its chip.
    """

    device_id: str | None = None
    runner: str | None = None
    radio: HostRadio | None = None
    asks_probe: bool = False
    console_port: str | None = None
    console_baudrate: int | None = None


def checks_of(board: BoardType, options: Options, system: str) -> tuple[Check, ...]:
    """Everything that a board of this type needs here, in the order of the report.

    Args:
        board: the board type.
        options: pytest's options for the board.
        system: the operating system, as in `sys.platform`.

    Raises:
        ExtensionError: a hook failed.
    """
    hook = "pytest_nrf_fota_doctor_checks"
    checks = registered(hook, Check, board=board, options=options).values()
    return tuple(check for check in checks if system in check.systems)


def packaged_checks(board: BoardType, options: Options) -> tuple[Check, ...]:
    """Those of this package, for its own providers and transports."""
    return (
        *_ALWAYS,
        *_of_provider(board, options),
        *_of_console(board, options),
        *_of_radio(board, options),
        *_of_execution(board),
    )


def _of_execution(board: BoardType) -> tuple[Check, ...]:
    return (UNICORN,) if board.executes_bootloaders else ()


def require_fitting(board: BoardType, options: Options) -> None:
    """Raise `InputError` for an option that pytest would refuse with this board."""
    if not board.provided_by.has_probe_tool:
        for option, value in (
            ("--device-id", options.device_id),
            ("--runner", options.runner),
            ("--console-port", options.console_port),
            ("--console-baudrate", options.console_baudrate),
        ):
            if value is not None:
                raise InputError(
                    f"{option} is for kits on USB; {board.name} has none.",
                    where=option,
                    next_step="Leave it out, or name another board.",
                )
    if options.radio is not None and board.radio.kind != "ble":
        raise InputError(
            f"--radio is for boards on BLE; {board.name} is not.",
            where="--radio",
            next_step="Leave it out, or name another board.",
        )


def _of_provider(board: BoardType, options: Options) -> tuple[Check, ...]:
    match board.provider:
        case "sim":
            return (POSIX,)
        case "qemu":
            return (POSIX, QEMU, CACHE)
        case "native_sim":
            return (PROGRAMS_32_BIT, CACHE)
        case "usb":
            runner = options.runner or board.probe.runner
            within_s = board.timeouts.probe_s
            asked = (
                (asked_probe(runner, options.device_id, board.soc, within_s),)
                if options.asks_probe
                else ()
            )
            library = (JLINK_LIBRARY,) if needs_jlink_library(runner) else ()
            return (
                probe_tool(runner, within_s),
                *library,
                *kit_checks(
                    options.device_id,
                    board.simulated_twin,
                    has_console=_given_console(board, options) is None,
                ),
                *asked,
            )
        case _:
            # Another package's, which has checks of its own.
            if not board.provided_by.has_probe_tool:
                return ()
            runner = options.runner or board.probe.runner
            return (probe_tool(runner, board.timeouts.probe_s),)


def _of_console(board: BoardType, options: Options) -> tuple[Check, ...]:
    port = _given_console(board, options)
    return () if port is None else (console_port(port),)


def _given_console(board: BoardType, options: Options) -> str | None:
    """Where the console is, if somebody said so; boards without a probe have one of their own."""
    if not board.provided_by.has_probe_tool:
        return None
    return options.console_port or board.console.port


def _of_radio(board: BoardType, options: Options) -> tuple[Check, ...]:
    if board.radio.kind != "ble":
        return ()
    radio = options.radio
    if radio is None and board.radio.host is not None:
        radio = host_radio(board.radio.host)
    if radio is None and board.provided_by.has_probe_tool:
        radio = HostBluetooth()
    match radio:
        case None:
            return ()
        case HostBluetooth(adapter=adapter):
            return bluetooth_checks(adapter)
        case HciController(hci=hci):
            return (hci_controller(hci),)
        case _:
            assert_never(radio)
