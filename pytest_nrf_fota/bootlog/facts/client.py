"""Image lists and errors that a client on the host or the phone printed."""

import re
from dataclasses import dataclass, field

from pytest_nrf_fota.bootlog.matching import Hit
from pytest_nrf_fota.bootlog.report import ClientReport, ListedImage, Seen
from pytest_nrf_fota.bootlog.segments import RawLine

_MOST_IMAGES = 200
_MOST_LINES = 200
_LINES_OF_ONE_IMAGE = 14
_SMPMGR_HASH = "HashBytes("
_LEAST_HASH_DIGITS = 8
_STATE_FIELD = re.compile(r"(\w+)=(HashBytes\('[^']*'\)|'[^']*'|[^,]+)")
_TRUE = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
# smpmgr shows a flag that the server left out, which is one that is not set.
_TRUE["none"] = False
_MARKS = ("pending", "flags")
_FLAGS = ("active", "confirmed", "pending", "permanent", "bootable")


@dataclass
class _OpenImage:
    seen: Seen
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def is_listed(self) -> bool:
        """Whether it has what only an image list has."""
        return "slot" in self.fields and not {"hash", "bootable", "flags", "pending"}.isdisjoint(
            self.fields
        )

    def close(self) -> ListedImage:
        flags = self.fields.get("flags")
        values = {
            name: name in flags.split() if flags is not None else self._flag(name)
            for name in _FLAGS
        }
        if flags is not None:
            values["bootable"] = self._flag("bootable")
        return ListedImage(
            image=_number(self.fields.get("image")),
            slot=_number(self.fields.get("slot")),
            version=self.fields.get("version"),
            hash=_hash(self.fields.get("hash")),
            bootable=values["bootable"],
            pending=values["pending"],
            confirmed=values["confirmed"],
            active=values["active"],
            permanent=values["permanent"],
            seen=self.seen,
        )

    def _flag(self, name: str) -> bool | None:
        return _TRUE.get(self.fields.get(name, "").lower())


class ClientReader:
    """Collects a client's output from all lines of a log."""

    def __init__(self) -> None:
        self._images: list[_OpenImage] = []
        self._open: _OpenImage | None = None
        self._last_line = 0
        self._errors: list[Seen] = []
        self._lines: list[Seen] = []

    def take(self, line: RawLine) -> None:
        """The next line that a client's pattern matches."""
        for hit in line.facts.hits:
            match hit.pattern.name:
                case "client_image":
                    self._begin(hit, line)
                case "client_state":
                    self._take_state(hit, line)
                case "client_field":
                    self._take_field(hit, line)
                case "client_error" if len(self._errors) < _MOST_LINES:
                    self._errors.append(line.seen())
                case _:
                    pass

    def close(self) -> ClientReport | None:
        """What was seen; None where no client printed anything."""
        self._end()
        images = tuple(image.close() for image in self._images)
        if not images and not self._errors:
            return None
        return ClientReport(images, tuple(self._errors), tuple(self._lines) if images else ())

    def _begin(self, hit: Hit, line: RawLine) -> None:
        self._end()
        self._open = _OpenImage(line.seen())
        self._note(line)
        name = hit.text("name")
        if name is not None:
            self._open.fields["slot"] = "0" if name == "PRIMARY" else "1"
        image = hit.text("image") or hit.text("number")
        if image is not None:
            self._open.fields["image"] = image
        slot = hit.text("slot")
        if slot is not None:
            self._open.fields["slot"] = slot

    def _take_state(self, hit: Hit, line: RawLine) -> None:
        self._end()
        self._open = _OpenImage(line.seen())
        for name, value in _STATE_FIELD.findall(hit.text("fields") or ""):
            if value != "None" or name in _FLAGS:
                text = value.removeprefix(_SMPMGR_HASH).strip("'() ")
                self._open.fields[name] = text.lower() if name == "hash" else text
        self._note(line)
        self._end()

    def _take_field(self, hit: Hit, line: RawLine) -> None:
        name, value = hit.text("field") or "", (hit.text("value") or "").strip("\"' ,")
        if alone := hit.text("hash"):
            name, value = "hash", alone.lower()
        elif value.startswith(_SMPMGR_HASH):
            # smpmgr breaks the line here in 80 columns; the hash follows on its own.
            value = value.removeprefix(_SMPMGR_HASH).strip("'()").lower()
            if not value:
                return
        far = line.number - self._last_line > _LINES_OF_ONE_IMAGE
        repeats = self._open is not None and self._open.fields.get(name, value) != value
        if self._open is None or far or repeats:
            if name not in ("slot", "image"):
                return
            self._end()
            self._open = _OpenImage(line.seen())
        self._open.fields[name] = value
        if name in _MARKS:
            # What conclusions are drawn from; the block begins with "Image" and no more.
            self._open.seen = line.seen()
        self._note(line)

    def _note(self, line: RawLine) -> None:
        self._last_line = line.number
        if len(self._lines) < _MOST_LINES:
            self._lines.append(line.seen())

    def _end(self) -> None:
        if self._open is not None and self._open.is_listed and len(self._images) < _MOST_IMAGES:
            self._images.append(self._open)
        self._open = None


def _hash(text: str | None) -> str | None:
    """A hash as its digits alone, which clients take; None for what stands in for one."""
    digits = (text or "").lower().removeprefix("0x").replace(" ", "").replace(":", "")
    is_hash = len(digits) >= _LEAST_HASH_DIGITS and set(digits) <= set("0123456789abcdef")
    return digits if is_hash and set(digits) != {"0"} else None


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0
