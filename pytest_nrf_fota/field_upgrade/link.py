"""The board's interfaces without a probe: SMP, and its log where there is one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.console.passkey import passkey_source
from pytest_nrf_fota.console.port_holder import require_free
from pytest_nrf_fota.dut.boots import BootsOfConsole
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.field_upgrade.options import OverBle, OverPort, OverUdp, UpgradeOptions
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.smp.bonds import bonds_in_memory
from pytest_nrf_fota.smp.host_radio import HciController, HostBluetooth, HostRadio, open_radio
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.packaged_transports import UdpRadio
from pytest_nrf_fota.smp.pairing import HostPairing
from pytest_nrf_fota.smp.peer_search import Peer
from pytest_nrf_fota.smp.serial_over_console import ConsoleSmpRadio, SmpFrameRouter
from pytest_nrf_fota.wires.radio import Radio

if TYPE_CHECKING:
    from bumble.keys import KeyStore


class Log:
    """The board's log: what it printed since it was opened, and the boots in it."""

    def __init__(self, console: Console, board: BoardType) -> None:
        self.console = console
        self._boots = BootsOfConsole(console.log, board.boot)
        self.opened_at = console.position()

    def boots_since(self, since: LogPosition) -> tuple[Boot, ...]:
        """The boots that began after it."""
        return self._boots.since(since)


class Link:
    """One board.

    Args:
        board: its type.
        mcumgr: its SMP server.
        peer: whom to look for.
        log: what it prints; None where nobody listens.
        must_be_ready: whether nothing may be sent before its application is ready.
    """

    def __init__(
        self,
        board: BoardType,
        mcumgr: Mcumgr,
        peer: Peer | str,
        log: Log | None,
        *,
        must_be_ready: bool,
    ) -> None:
        self.board = board
        self.mcumgr = mcumgr
        self.log = log
        self.must_be_ready = must_be_ready
        self._peer = peer

    def connect(self, within_s: float | None = None) -> None:
        """Connect, unless connected. Raises as `Mcumgr.connect`."""
        if self.mcumgr.is_connected:
            return
        self.mcumgr.connect(self._peer, within_s or self.board.timeouts.connect_s)
        found = self.mcumgr.found
        if isinstance(self._peer, Peer) and found is not None:
            # The new firmware may have another name, and other boards this one's.
            self._peer = Peer(found.address, self._peer.name)


@contextmanager
def open_link(
    options: UpgradeOptions, board: BoardType, recorder: FlightRecorder
) -> Iterator[Link]:
    """Open the interfaces; closed at the end. Nothing is sent yet.

    Raises `RigError` where a port cannot be had.
    """
    if board.radio.pairing == "passkey":
        recorder.secrets.add_passkey(board.radio.passkey)
    with ExitStack() as stack:

        def console(port: str, file: str, frames: SmpFrameRouter | None = None) -> Console:
            require_free(port)
            opened = Console(
                port,
                baudrate=board.console.baudrate,
                raw_log_path=options.folder / file,
                recorder=recorder,
                reopen_timeout_s=board.console.reopen_s,
                on_smp_frame=None if frames is None else frames.deliver,
            )
            stack.callback(opened.close)
            return opened

        log: Log | None = None
        shares_log = has_log_on_smp_port(options, board)
        if options.console_port is not None and not shares_log:
            log = Log(console(options.console_port, "uart.raw.log"), board)
        peer: Peer | str
        match options.way:
            case OverBle(name, host):
                peer = Peer.of(name)
                pairing = _pairing(board, host, log, recorder.secrets)
                radio: Radio = open_radio(
                    host or HostBluetooth(), mtu=board.radio.mtu, pairing=pairing
                )
            case OverPort(port):
                peer, frames = port, SmpFrameRouter()
                uart = console(port, "uart_smp.raw.log", frames)
                log = Log(uart, board) if shares_log else log
                radio = ConsoleSmpRadio(
                    uart, frames, recorder=recorder, has_own_port=not shares_log
                )
            case OverUdp(host_name):
                peer, radio = host_name, UdpRadio()
            case _:
                assert_never(options.way)
        answers = SmpTimeouts(board.timeouts.smp_s, board.timeouts.first_upload_packet_s)
        mcumgr = Mcumgr(radio, recorder, answers)
        stack.callback(mcumgr.close)
        yield Link(board, mcumgr, peer, log, must_be_ready=shares_log)


def has_log_on_smp_port(options: UpgradeOptions, board: BoardType) -> bool:
    """Whether the port that carries SMP is the board's console as well."""
    if not isinstance(options.way, OverPort):
        return False
    if options.console_port is not None:
        return options.console_port == options.way.port
    return board.reached_by.needs is Interface.CONSOLE


def _pairing(
    board: BoardType, host: HostRadio | None, log: Log | None, secrets: Secrets
) -> HostPairing:
    settings = board.radio
    bonds: KeyStore | None = None
    if isinstance(host, HciController) and settings.pairing != "none":
        bonds = bonds_in_memory(secrets.add_bytes)
    if settings.pairing != "passkey":
        return HostPairing(settings.pairing, bonds=bonds)
    if log is not None:
        return HostPairing("passkey", passkey_source(log.console, settings), bonds)
    fixed = settings.fixed_passkey
    if fixed is None:
        raise InputError(
            "The board shows a passkey on its console, and nobody listens there.",
            where=f"radio.pairing of board {board.name}",
            next_step="Give the console as well: --console=PORT",
        )
    return HostPairing("passkey", lambda: lambda _deadline: fixed, bonds)
