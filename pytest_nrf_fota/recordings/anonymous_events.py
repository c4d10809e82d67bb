"""The events of a run with all that names anybody replaced."""

import base64
from collections.abc import Callable, Iterator, Sequence

from pydantic import JsonValue, TypeAdapter

from pytest_nrf_fota.record.events import (
    RECORDED_LINE,
    Event,
    Kept,
    KeptFile,
    Recorded,
    RunStarted,
    SmpMessage,
    ToolCalled,
    UartBytes,
)
from pytest_nrf_fota.recordings.replacements import Replacements

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
# Words of the format itself.
_NOT_TEXT = frozenset(
    {"kind", "state", "direction", "end", "use", "core", "base64", "sha256", "file"}
)


def texts_of(value: JsonValue) -> Iterator[str]:
    """All texts in a JSON value."""
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from texts_of(item)
        case dict():
            for item in value.values():
                yield from texts_of(item)
        case _:
            pass


def json_of(recorded: Recorded) -> JsonValue:
    """An event as JSON."""
    return _JSON.validate_json(recorded.model_dump_json())


def anonymous_events(
    events: Sequence[Recorded],
    replacements: Replacements,
    keep: Callable[[Kept], Kept],
) -> tuple[Recorded, ...]:
    """The same events without names.

    Args:
        events: of one part, by time.
        replacements: what is replaced by what.
        keep: gives the content of a tool's output, or of a file, without names.
    """
    uarts = _uart_bytes(events, replacements)
    return tuple(
        _with_event(one, uarts[number]) if number in uarts else _anonymous(one, replacements, keep)
        for number, one in enumerate(events)
    )


def _anonymous(one: Recorded, replacements: Replacements, keep: Callable[[Kept], Kept]) -> Recorded:
    event = one.event
    match event:
        case RunStarted():
            event = event.model_copy(update={"whose": {}})
        case ToolCalled():
            files = tuple(_file(file, keep) for file in event.files)
            update = {"stdout": keep(event.stdout), "stderr": keep(event.stderr), "files": files}
            event = event.model_copy(update=update)
        case SmpMessage(raw=raw) if raw:
            event = event.model_copy(update={"raw": replacements.memory(bytes.fromhex(raw)).hex()})
        case _:
            pass
    return RECORDED_LINE.validate_python(
        _replaced(json_of(_with_event(one, event)), replacements.text)
    )


def _file(file: KeptFile, keep: Callable[[Kept], Kept]) -> KeptFile:
    # What a tool was only given is a firmware; its hash names it and nobody else.
    return file if file.use == "read" else file.model_copy(update={"content": keep(file.content)})


def _with_event(one: Recorded, event: Event) -> Recorded:
    return one.model_copy(update={"event": event})


def _replaced(value: JsonValue, replace: Callable[[str], str], key: str = "") -> JsonValue:
    match value:
        case str():
            return value if key in _NOT_TEXT else replace(value)
        case list():
            return [_replaced(item, replace, key) for item in value]
        case dict():
            return {name: _replaced(item, replace, name) for name, item in value.items()}
        case _:
            return value


def _uart_bytes(events: Sequence[Recorded], replacements: Replacements) -> dict[int, UartBytes]:
    """Each port's bytes replaced as one text, because a name may come in two pieces."""
    pieces: dict[str, list[tuple[int, UartBytes, bytes]]] = {}
    for number, one in enumerate(events):
        if isinstance(one.event, UartBytes):
            piece = (number, one.event, base64.b64decode(one.event.base64))
            pieces.setdefault(one.event.port, []).append(piece)
    found: dict[int, UartBytes] = {}
    for port, of_port in pieces.items():
        whole = replacements.memory(b"".join(data for _, _, data in of_port))
        at = 0
        for number, event, data in of_port:
            text = base64.b64encode(whole[at : at + len(data)]).decode()
            at += len(data)
            update = {"base64": text, "port": replacements.text(port)}
            found[number] = event.model_copy(update=update)
    return found
