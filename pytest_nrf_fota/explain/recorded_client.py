"""What an SMP client did and was answered, from a flight recorder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeGuard

from pydantic import JsonValue
from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.catalogue.host import HOST_LINES
from pytest_nrf_fota.bootlog.client_side import (
    ClientSide,
    ClientStep,
    Listing,
    Operation,
    Problem,
)
from pytest_nrf_fota.bootlog.report import ListedImage, Seen
from pytest_nrf_fota.bootlog.segments import BOOT_LINES
from pytest_nrf_fota.explain.client_side import MOST_STEPS, problem_of_code, problem_of_image_code
from pytest_nrf_fota.explain.read_log import read_log
from pytest_nrf_fota.findings.finding import Origin
from pytest_nrf_fota.record.events import (
    Event,
    SmpMessage,
    StepEnd,
    StepEnded,
    StepStarted,
    UartLine,
)

ClientEvent: TypeAlias = SmpMessage | StepStarted | StepEnded | UartLine
_LINK_ENDS = ("client_disconnected",)
_HASH_NOT_FOUND = next(p.regex for p in HOST_LINES if p.name == "client_hash_not_found")
_PROBLEM_OF_END: Mapping[StepEnd, Problem] = {
    "connection lost": Problem.DISCONNECTED,
    "no answer": Problem.TIMEOUT,
    "refused": Problem.OTHER,
}


def is_of_client(event: Event) -> TypeGuard[ClientEvent]:
    """Whether an event tells of the client's requests, or of what the board made of them."""
    return isinstance(event, SmpMessage | StepStarted | StepEnded | UartLine)


def client_of_recording(events: Iterable[tuple[int, ClientEvent]]) -> ClientSide:
    """The requests and answers in a flight recorder; line numbers are those of its file."""
    steps: list[ClientStep] = []
    listings: list[Listing] = []
    request: SmpMessage | None = None
    listens = False
    # What the board printed from an upload's first packet to the client's next step. That step may
    # reset the board, so a boot behind it says nothing about the upload.
    heard: list[tuple[int, Seen]] = []
    for number, event in events:
        match event:
            case SmpMessage(direction="request"):
                request = event
                listens = _operation(event.name, event.payload) is Operation.UPLOAD
                seen = Seen(number, _as_text(event))
                _take_request(steps, event, seen, listings)
            case SmpMessage():
                _take_answer(steps, listings, event, Seen(number, _as_text(event)), request)
            case StepStarted():
                listens = False
            case StepEnded():
                _take_end_of_step(steps, number, event)
            case UartLine():
                if listens and steps and steps[-1].operation is Operation.UPLOAD:
                    heard.append((len(steps) - 1, Seen(number, event.text)))
            case _:
                assert_never(event)
        if len(steps) >= MOST_STEPS:
            break
    _take_heard(steps, heard)
    return ClientSide(tuple(steps), tuple(listings))


def _take_heard(steps: list[ClientStep], heard: Sequence[tuple[int, Seen]]) -> None:
    text = "".join(f"{seen.text}\n" for _, seen in heard)
    lines = read_log([text.encode("utf-8", "replace")], Origin.CLIENT).lines
    for known in reversed(lines.find(*_LINK_ENDS)):
        number, seen = heard[known.seen.line_number - 1]
        steps[number] = replace(steps[number], board_disconnected=seen)
    for known in reversed(lines.find(*BOOT_LINES)):
        number, seen = heard[known.seen.line_number - 1]
        steps[number] = replace(steps[number], board_booted=seen)


def _take_request(
    steps: list[ClientStep], event: SmpMessage, seen: Seen, listings: Sequence[Listing]
) -> None:
    payload = event.payload
    operation = _operation(event.name, payload)
    if operation is Operation.UPLOAD and payload.get("off") != 0:
        return
    steps.append(
        ClientStep(
            operation,
            seen,
            hash=_text(payload.get("sha") or payload.get("hash")),
            image=_number(payload.get("image")),
            size_bytes=_number(payload.get("len")),
            pending_was=_pending(listings),
        )
    )


def _take_answer(
    steps: list[ClientStep],
    listings: list[Listing],
    event: SmpMessage,
    seen: Seen,
    request: SmpMessage | None,
) -> None:
    if not steps:
        return
    step = steps[-1]
    images = event.payload.get("images")
    if isinstance(images, list):
        listed = tuple(_listed(i, seen.line_number) for i in images if isinstance(i, dict))
        listings += [Listing(listed)] if listed else []
    problem = _problem(event.payload)
    if problem is not None and step.problem is None:
        kind, code = problem
        step = replace(step, problem=kind, code=code, problem_seen=seen)
    offset = _number(event.payload.get("off"))
    if step.operation is Operation.UPLOAD and offset is not None:
        is_first = request is not None and request.payload.get("off") == 0
        step = replace(step, offset=offset, first_offset=offset if is_first else step.first_offset)
    steps[-1] = step


def _take_end_of_step(steps: list[ClientStep], number: int, event: StepEnded) -> None:
    if event.step != "upload" or not event.error:
        return
    uploads = [i for i, s in enumerate(steps) if s.operation is Operation.UPLOAD]
    if uploads and steps[uploads[-1]].problem is None:
        seen = Seen(number, event.error.splitlines()[0])
        step = replace(
            steps[uploads[-1]],
            problem=_PROBLEM_OF_END.get(event.end, Problem.BROKEN_OFF),
            problem_seen=seen,
        )
        steps[uploads[-1]] = step


def _operation(name: str, payload: dict[str, JsonValue]) -> Operation:
    match name:
        case "image upload":
            return Operation.UPLOAD
        case "image erase":
            return Operation.ERASE
        case "image state" if "confirm" in payload or "hash" in payload:
            return Operation.CONFIRM if payload.get("confirm") else Operation.TEST
        case "image state":
            return Operation.LIST
        case "os reset":
            return Operation.RESET
        case "os mcumgr_parameters":
            return Operation.PARAMETERS
        case _:
            return Operation.UNKNOWN


def _problem(payload: dict[str, JsonValue]) -> tuple[Problem, int] | None:
    error = payload.get("err")
    if isinstance(error, dict):
        from smp.header import GroupId

        code = _number(error.get("rc")) or 0
        match error.get("group"):
            case GroupId.IMAGE_MANAGEMENT:
                return problem_of_image_code(code), code
            case GroupId.OS_MANAGEMENT:
                return problem_of_code(code), code
            case _:
                # Each group has codes of its own.
                return Problem.OTHER, code
    code = _number(payload.get("rc")) or 0
    if not code:
        return None
    if _HASH_NOT_FOUND.search(_text(payload.get("rsn")) or ""):
        return Problem.HASH_NOT_FOUND, code
    return problem_of_code(code), code


def _listed(image: dict[str, JsonValue], line_number: int) -> ListedImage:
    flags = ("active", "confirmed", "pending", "permanent")
    set_flags = " ".join(flag for flag in flags if image.get(flag)) or "no flags"
    seen = Seen(
        line_number,
        f"<- image state: slot {image.get('slot')} version {image.get('version')} "
        f"{set_flags}, hash {image.get('hash')}",
    )
    return ListedImage(
        image=_number(image.get("image")) or 0,
        slot=_number(image.get("slot")) or 0,
        version=_text(image.get("version")),
        hash=_text(image.get("hash")),
        bootable=bool(image.get("bootable")),
        pending=bool(image.get("pending")),
        confirmed=bool(image.get("confirmed")),
        active=bool(image.get("active")),
        permanent=bool(image.get("permanent")),
        seen=seen,
    )


def _pending(listings: Sequence[Listing]) -> tuple[str, ...]:
    if not listings:
        return ()
    return tuple(image.hash or "" for image in listings[-1].images if image.pending)


def _as_text(event: SmpMessage) -> str:
    shown = ", ".join(f"{key}={_short(value)}" for key, value in event.payload.items())
    arrow = "->" if event.direction == "request" else "<-"
    return f"{arrow} {event.name} {shown}".strip()


def _short(value: JsonValue) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
