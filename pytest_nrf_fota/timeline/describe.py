"""One event in one line: for the log, and for what is pointed at."""

import json
from typing import NamedTuple

from pydantic import JsonValue
from typing_extensions import assert_never

from pytest_nrf_fota.record.events import (
    AdvertisementHeard,
    ConsoleState,
    ContactMade,
    Event,
    FactsJudged,
    FailureExplained,
    KitLost,
    Measurement,
    Moment,
    NetworkUartLine,
    PhaseEnded,
    PowerCycled,
    PreflightDone,
    ProbeOperation,
    ProbeReadsTried,
    ProbeRetried,
    RadioState,
    RunStarted,
    SmpMessage,
    StepEnded,
    StepStarted,
    ToolCalled,
    UartBytes,
    UartLine,
    UartWrite,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.timeline.values import Tone

_LONGEST_CHARS = 600


class Described(NamedTuple):
    """Where an event comes from, what it says, and how it is to be taken."""

    source: str
    text: str
    tone: Tone = Tone.PLAIN


def describe(event: Event) -> Described:
    """An event in one line."""
    said = _said(event)
    text = " ".join(said.text.split()) if said.source not in ("UART", "net UART") else said.text
    return said._replace(text=shortened(text))


def shortened(text: str, most_chars: int = _LONGEST_CHARS) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most_chars else f"{text[: most_chars - 1]}…"


def is_refusal(message: SmpMessage) -> bool:
    """Whether an answer carries an error of SMP version 1 or 2."""
    return bool(message.payload.get("rc")) or "err" in message.payload


def _said(event: Event) -> Described:
    match event:
        case UartLine() | NetworkUartLine() | UartWrite() | UartBytes() | ConsoleState():
            return _of_console(event)
        case RadioState() | AdvertisementHeard():
            return _of_radio(event)
        case SmpMessage():
            return _of_message(event)
        case ProbeOperation() | ProbeRetried() | ProbeReadsTried() | ToolCalled():
            return _of_probe(event)
        case StepStarted() | StepEnded() | Moment() | Measurement() | ContactMade():
            return _of_step(event)
        case FactsJudged() | VerdictReached() | PreflightDone() | FailureExplained():
            return _of_verdict(event)
        case RunStarted(title=title, wall_clock=wall_clock):
            return Described("run", f"{title} at {wall_clock}")
        case UnitTaken(unit=unit, board=board, detail=detail):
            return Described("board", _joined(f"{unit} ({board})", detail))
        case PowerCycled() | KitLost():
            return _of_kit(event)
        case PhaseEnded(phase=phase, outcome=outcome, why=why):
            tone = {"passed": Tone.GOOD, "skipped": Tone.PLAIN}.get(outcome, Tone.BAD)
            return Described("pytest", _joined(f"{phase} {outcome}", why), tone)
        case _:
            assert_never(event)


def _of_kit(event: PowerCycled | KitLost) -> Described:
    match event:
        case PowerCycled(unit=unit, how=how, duration_s=duration_s, error=error):
            text = _joined(f"{unit} switched off and on, {how} ({duration_s:.3f} s)", error)
            return Described("power", text, Tone.BAD if error else Tone.WARN)
        case KitLost(unit=unit, why=why, becomes=becomes):
            return Described("board", f"{unit} is lost, and {becomes}: {why}", Tone.BAD)
        case _:
            assert_never(event)


def _of_console(
    event: UartLine | NetworkUartLine | UartWrite | UartBytes | ConsoleState,
) -> Described:
    match event:
        case UartLine(text=text):
            return Described("UART", text)
        case NetworkUartLine(text=text):
            return Described("net UART", text)
        case UartWrite(text=text):
            return Described("typed", repr(text)[1:-1])
        case UartBytes(base64=base64):
            return Described("UART bytes", f"{len(base64) * 3 // 4} bytes")
        case ConsoleState(port=port, state=state, detail=detail):
            tone = Tone.BAD if state == "lost" else Tone.PLAIN
            return Described("console", _joined(f"{state}: {port}", detail), tone)
        case _:
            assert_never(event)


def _of_radio(event: RadioState | AdvertisementHeard) -> Described:
    match event:
        case RadioState(state=state, detail=detail, mtu_bytes=mtu):
            size = f" (writes of {mtu} bytes)" if mtu is not None else ""
            tone = {"failed": Tone.BAD, "retrying": Tone.WARN}.get(state, Tone.PLAIN)
            return Described("radio", f"{state} {detail}{size}", tone)
        case AdvertisementHeard(address=address, name=name, rssi_dbm=rssi):
            return Described("radio", f"heard {address} {name} ({rssi} dBm)")
        case _:
            assert_never(event)


def _of_message(message: SmpMessage) -> Described:
    said = _images(message.payload.get("images")) or _json(message.payload)
    arrow = "→" if message.direction == "request" else "←"
    text = f"{arrow} {message.name} #{message.sequence} {said}"
    return Described("SMP", text, Tone.BAD if is_refusal(message) else Tone.PLAIN)


def _images(images: JsonValue) -> str:
    """An image list, slot by slot; empty where it is none."""
    slots = [one for one in images if isinstance(one, dict)] if isinstance(images, list) else []
    return "; ".join(_slot(one) for one in slots)


def _slot(one: dict[str, JsonValue]) -> str:
    flags = [name for name, value in one.items() if value is True]
    digest = one.get("hash")
    shown = f"{digest[:8]}…" if isinstance(digest, str) else "no hash"
    place = f"image {one.get('image', 0)} slot {one.get('slot')}"
    return f"{place}: {one.get('version')} {shown} {' '.join(flags)}".strip()


def _json(value: JsonValue) -> str:
    return json.dumps(value, separators=(", ", ": "), ensure_ascii=False)


def _of_probe(event: ProbeOperation | ProbeRetried | ProbeReadsTried | ToolCalled) -> Described:
    match event:
        case ProbeOperation(operation=operation, detail=detail, duration_s=duration_s, error=error):
            text = _joined(f"{operation} {detail} ({duration_s:.3f} s)", error)
            return Described("probe", text, Tone.BAD if error else Tone.PLAIN)
        case ProbeRetried(operation=operation, fault=fault, error=error):
            return Described("probe", f"{operation} once more: {fault}: {error}", Tone.WARN)
        case ProbeReadsTried(found=found):
            return Described("probe", found)
        case ToolCalled(tool=tool, command=command, exit_code=code, fault=fault, duration_s=took_s):
            how = f"exit code {code}" if code is not None else fault
            text = f"{tool}: {' '.join(command)} ({how}, {took_s:.3f} s)"
            return Described("tool", text, Tone.PLAIN if code == 0 else Tone.BAD)
        case _:
            assert_never(event)


def _of_step(event: StepStarted | StepEnded | Moment | Measurement | ContactMade) -> Described:
    match event:
        case StepStarted(step=step, detail=detail):
            return Described("step", _joined(f"▸ {step}", detail))
        case StepEnded(step=step, duration_s=duration_s, end=end, error=error):
            how = "" if end == "done" else f", {end}"
            text = _joined(f"◂ {step} ({duration_s:.3f} s{how})", error)
            return Described("step", text, Tone.BAD if error else Tone.PLAIN)
        case Moment(name=name):
            return Described("moment", name, Tone.WARN if name.startswith("fault") else Tone.PLAIN)
        case Measurement(name=name, value=value, unit=unit):
            return Described("measured", f"{name}: {value:g} {unit}")
        case ContactMade(step=step, result=result, found=found):
            return Described("contact", f"{step}: {result}: {found}")
        case _:
            assert_never(event)


def _of_verdict(
    event: FactsJudged | VerdictReached | PreflightDone | FailureExplained,
) -> Described:
    match event:
        case FactsJudged(since=since):
            return Described("verdict", f"judged from the boots since: {since}")
        case VerdictReached(outcome=outcome, subject=subject, reason=reason):
            tone = Tone.GOOD if outcome == "upgraded" else Tone.BAD
            return Described("verdict", _joined(f"{subject}: {outcome.upper()}", reason), tone)
        case PreflightDone(answer=answer, package=package, reason=reason):
            tone = {"yes": Tone.GOOD, "no": Tone.WARN}.get(answer, Tone.PLAIN)
            return Described("preflight", _joined(f"{package}: {answer}", reason), tone)
        case FailureExplained(ending=ending, causes=causes):
            text = "; ".join(cause.cause for cause in causes) or ending
            return Described("diagnosis", text, Tone.BAD)
        case _:
            assert_never(event)


def _joined(text: str, more: str) -> str:
    return f"{text}: {more}" if more else text
