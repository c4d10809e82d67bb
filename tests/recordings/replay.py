"""Go through a recording once more: the same probe, console and radio code, played wires.

Each event of the recording is either something that the board's side does (bytes of a UART, a port
that vanishes, an answer), which is played, or something that the harness did (an operation of the
probe, a request, a verdict), which is done again. What comes of it is compared by the caller.
"""

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.boots import BootsOfConsole
from pytest_nrf_fota.errors import FotaError, ProbeError
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.probe.nrfjprog import NrfjprogProbe
from pytest_nrf_fota.probe.nrfutil import NrfutilProbe
from pytest_nrf_fota.probe.once_more import OnceMoreProbe
from pytest_nrf_fota.probe.pynrfjprog import PynrfjprogProbe
from pytest_nrf_fota.record.events import (
    ConsoleState,
    Event,
    FactsJudged,
    Moment,
    NetworkUartLine,
    ProbeOperation,
    RadioState,
    Recorded,
    SmpMessage,
    ToolCalled,
    UartBytes,
    UartLine,
)
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.recordings.boot_line import boot_line
from pytest_nrf_fota.recordings.expected import operations_of
from pytest_nrf_fota.recordings.pack import board_of
from pytest_nrf_fota.recordings.read import RecordedPart, Recording
from pytest_nrf_fota.recordings.schema import Expected, OperationEnd
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.facts import Facts, Marking, Watch
from pytest_nrf_fota.verdict.kept_facts import kept_update
from pytest_nrf_fota.verdict.wording import verdict_of
from pytest_nrf_fota.wires.probe import Core, Probe, ResetKind

from .played_radio import PlayedRadio
from .played_tool import PlayedTool
from .played_uart import PlayedUart

_CALL_S = 60.0
# What was too slow then hangs now; nobody needs to wait for it as long.
_HANGING_CALL_S = 1.0
_TIMEOUTS = SmpTimeouts(answer_s=2.0, first_upload_packet_s=2.0)


def replay(
    recording: Recording, part: RecordedPart, folder: Path, board: BoardType | None = None
) -> Expected:
    """Replay one part; returns what was found now.

    Args:
        recording: that it belongs to.
        part: the part.
        folder: for ports, tools and logs.
        board: its board type, where the part does not tell it.
    """
    known = board_of(part.events) or board
    if known is None:
        # Nothing was opened: there are neither calls nor UARTs.
        return Expected()
    player = _Replay(recording, part, folder, known)
    try:
        return player.run()
    finally:
        player.close()


class _Replay:
    def __init__(
        self, recording: Recording, part: RecordedPart, folder: Path, board: BoardType
    ) -> None:
        self._events, self._board, self._folder = part.events, board, folder
        calls = [one.event for one in part.events if isinstance(one.event, ToolCalled)]
        self._tool = PlayedTool(folder / "tool", recording, calls)
        names = dict.fromkeys(call.tool for call in calls)
        self._probes: dict[str, Probe] = {}
        for name in names:
            probe = _probe(self._tool.path, name, calls, folder / name, board.soc)
            self._probes[name] = OnceMoreProbe(probe, lambda operation, error: None)
        self._operations = {id(one): end for one, end in operations_of(part.events)}
        self._recorder = FlightRecorder()
        self._recorder.open(folder / "recorder.jsonl", part.title)
        self._uarts = {
            port: PlayedUart(
                folder / f"uart{number}", self._recorder, is_network_core=core == "network"
            )
            for number, (port, core) in enumerate(_ports(part.events).items())
        }
        self._of_core = {core: self._uarts[p] for p, core in _ports(part.events).items()}
        application = self._of_core.get("application")
        self._boots = BootsOfConsole(application.console.log, board.boot) if application else None
        self._radio = PlayedRadio(part.events)
        self._mcumgr = Mcumgr(self._radio, self._recorder, _TIMEOUTS)
        self._moments: dict[str, LogPosition] = {}
        self._images: tuple[ImageState, ...] | None = None
        self._calls_of_operation: list[ToolCalled] = []
        self._found_operations: list[OperationEnd] = []
        self._verdicts: list[str] = []

    def run(self) -> Expected:
        for place, one in enumerate(self._events):
            self._take(place, one, one.event)
        for uart in self._uarts.values():
            uart.wait_until_read()
        boots = self._boots.since(LogPosition(0)) if self._boots else ()
        return Expected(
            operations=tuple(self._found_operations),
            boots=tuple(boot_line(boot) for boot in boots),
            verdicts=tuple(self._verdicts),
        )

    def close(self) -> None:
        self._mcumgr.close()
        for uart in self._uarts.values():
            uart.close()
        self._recorder.close()

    def _take(self, place: int, one: Recorded, event: Event) -> None:
        match event:
            case UartBytes():
                self._uarts[event.port].say(base64.b64decode(event.base64))
            case UartLine() | NetworkUartLine():
                if event.port in self._uarts:
                    self._uarts[event.port].heard_line()
            case ConsoleState(state="lost") if event.port in self._uarts:
                self._uarts[event.port].unplug()
            case ConsoleState(state="reopened") if event.port in self._uarts:
                self._uarts[event.port].come_back()
            case ToolCalled():
                self._calls_of_operation.append(event)
            case ProbeOperation():
                if id(one) in self._operations:
                    self._found_operations.append(self._operate(event))
                self._calls_of_operation.clear()
            case RadioState(state="connecting"):
                # What became of it shows in what is asked next.
                self._radio.go_to(place)
                with suppress(FotaError):
                    self._mcumgr.connect(event.detail.removeprefix("to "), _CALL_S)
            case RadioState(state="disconnected"):
                self._mcumgr.disconnect()
            case SmpMessage(direction="request") if place > self._radio.played:
                self._ask(event)
            case Moment():
                self._note(event)
            case FactsJudged():
                self._judge(event)
            case _:
                pass
        assert not self._radio.unexpected, f"another request than then: {self._radio.unexpected}"

    def _note(self, moment: Moment) -> None:
        application = self._of_core.get("application")
        if application is not None:
            application.wait_until_read()
            self._moments[moment.name.partition(":")[0]] = application.console.position()

    def _operate(self, event: ProbeOperation) -> OperationEnd:
        probe = self._probes[self._calls_of_operation[-1].tool]
        hangs = any(call.exit_code is None for call in self._calls_of_operation)
        deadline = Deadline.after(_HANGING_CALL_S if hangs else _CALL_S)
        fault = ""
        try:
            self._do(probe, event, deadline)
        except ProbeFaultError as error:
            fault = error.fault.value
        except ProbeError:
            fault = "failed"
        self._tool.require_expected()
        return OperationEnd(operation=event.operation, detail=event.detail, fault=fault)

    def _do(self, probe: Probe, event: ProbeOperation, deadline: Deadline) -> None:
        match event.operation:
            case "info":
                probe.info(deadline)
            case "recover":
                probe.recover(Core(event.detail.removesuffix(" core")), deadline)
            case "program":
                probe.program(self._stand_in(event.detail), deadline)
            case "erase external flash":
                probe.erase_external(deadline)
            case "read":
                assert event.address is not None and event.size_bytes is not None
                memory = probe.read(event.address, event.size_bytes, deadline)
                assert len(memory) == event.size_bytes
            case "resume":
                probe.resume(Core(event.detail.removesuffix(" core")), deadline)
            case "reset":
                probe.reset(ResetKind(event.detail), deadline)
            case _:
                raise AssertionError(f"no such operation: {event.operation}")

    def _stand_in(self, name: str) -> Path:
        """A hex file for the same cores; the firmware itself is not in a recording."""
        said = [" ".join(call.command) for call in self._calls_of_operation]
        flash = {core.core: core.flash.start for core in self._board.soc.cores}
        segments: list[Segment] = []
        if any("etwork" in text or "CP_NETWORK" in text for text in said):
            segments.append(Segment(flash[Core.NETWORK], bytes(4)))
        if not segments or len([text for text in said if name in text]) > 1:
            segments.append(Segment(flash[Core.APPLICATION], bytes(4)))
        if any("ext_mem_erase_mode" in t or "qspisector" in t or "has_ext" in t for t in said):
            segments.append(Segment(self._board.soc.external_window.start, bytes(4)))
        path = self._folder / name
        write_hex(path, segments)
        return path

    def _ask(self, event: SmpMessage) -> None:
        # A refusal or a silence is part of the recording; the next event shows what followed.
        with suppress(FotaError):
            match event.name:
                case "image image_states" | "image state":
                    self._image_state(event)
                case "os echo":
                    self._mcumgr.echo(str(event.payload.get("d", "")))
                case "os reset":
                    self._mcumgr.reset_device(to_bootloader="boot_mode" in event.payload)
                case "image upload":
                    length = event.payload.get("len")
                    number = event.payload.get("image")
                    if not isinstance(length, int):
                        # A part that was sent again on a busy machine: of the upload before.
                        return
                    self._mcumgr.image_upload(
                        bytes(length),
                        image_number=number if isinstance(number, int) else 0,
                        within_s=_CALL_S,
                    )
                case "image erase":
                    self._mcumgr.image_erase(_CALL_S)
                case "os mcumgr_parameters":
                    self._mcumgr.get_parameters()
                case _:
                    raise AssertionError(f"no verb asks for {event.name!r}")

    def _image_state(self, event: SmpMessage) -> None:
        if "confirm" not in event.payload:
            self._images = None
            self._images = self._mcumgr.get_image_list()
            return
        given = event.payload.get("hash")
        image_hash = bytes.fromhex(given) if isinstance(given, str) else None
        if event.payload["confirm"]:
            self._mcumgr.image_confirm(image_hash)
        else:
            assert image_hash is not None
            self._mcumgr.image_test(image_hash)

    def _judge(self, event: FactsJudged) -> None:
        application = self._of_core["application"]
        application.wait_until_read()
        assert self._boots is not None
        first, *more = [kept_update(update) for update in event.updates]
        facts = Facts(
            boots=self._boots.since(self._moments[event.since]),
            update=first,
            marking=Marking(event.was_tried, event.refusal, event.was_sent),
            watch=Watch(
                event.gaps,
                event.resets,
                frozenset(Stage[name] for name in event.silent),
                event.restarts,
                event.is_unstable,
            ),
            images=self._images if event.has_images else None,
            memory_unread=event.memory_unread,
            must_be_ready=True,
        )
        verdict = verdict_of(facts, *more)
        self._verdicts.append(f"{verdict.outcome.value}: {verdict.reason or verdict.subject}")


def _ports(events: tuple[Recorded, ...]) -> dict[str, str]:
    """Each UART that said something, and whose it is."""
    return {one.event.port: one.event.core for one in events if isinstance(one.event, UartBytes)}


def _probe(path: Path, name: str, calls: list[ToolCalled], folder: Path, soc: Soc) -> Probe:
    own = [call for call in calls if call.tool == name]
    serial_number = next(_serial_numbers(own), "0")
    match name:
        case "nrfutil":
            nrfutil = Tool("nrfutil", (str(path), "--json", "device"))
            return NrfutilProbe(nrfutil, serial_number, folder, soc)
        case "nrfjprog":
            return NrfjprogProbe(Tool("nrfjprog", (str(path),)), serial_number, folder, soc)
        case "pynrfjprog":
            return PynrfjprogProbe(Tool("pynrfjprog", (str(path),)), serial_number, folder, soc)
        case _:
            raise AssertionError(f"no such tool is known: {name}")


def _serial_numbers(calls: list[ToolCalled]) -> Iterator[str]:
    for call in calls:
        for option, value in zip(call.command, call.command[1:], strict=False):
            if option in ("--serial-number", "--snr"):
                yield value
        if '"serial_number":' in call.command[-1]:
            yield call.command[-1].partition('"serial_number":')[2].split(",")[0].strip(" }")
