"""What SMP answers mean, as values of our own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from smp.error import MGMT_ERR, ErrorV1, ErrorV2
from smp.image_management import ImageState as SmpImageState


@dataclass(frozen=True)
class ImageState:
    """One slot of the image list. `hash` is the image's SHA-256 TLV."""

    image: int
    slot: int
    version: str
    hash: bytes
    bootable: bool
    pending: bool
    confirmed: bool
    active: bool
    permanent: bool

    @classmethod
    def from_smp(cls, state: SmpImageState) -> "ImageState":
        """From smpclient's model; absent fields mean false, an absent image number 0."""
        return cls(
            image=state.image or 0,
            slot=state.slot,
            version=state.version,
            hash=bytes(state.hash or b""),
            bootable=bool(state.bootable),
            pending=bool(state.pending),
            confirmed=bool(state.confirmed),
            active=bool(state.active),
            permanent=bool(state.permanent),
        )

    @classmethod
    def from_payload(cls, state: object) -> "ImageState":
        """From an answer as it came, whatever keys a newer server adds to it.

        Raises `ValueError` where slot or version are missing, or anything is of a wrong kind.
        """
        if not isinstance(state, dict):
            raise ValueError("an image state is no map")
        slot, version, image = state.get("slot"), state.get("version"), state.get("image", 0)
        image_hash = state.get("hash", b"")
        flags = [state.get(name, False) for name in _FLAGS]
        if not isinstance(slot, int) or not isinstance(version, str) or not isinstance(image, int):
            raise ValueError("an image state lacks its slot or its version")
        if not isinstance(image_hash, bytes) or not all(isinstance(flag, bool) for flag in flags):
            raise ValueError("an image state's hash or flags are of another kind")
        return cls(image, slot, version, image_hash, *flags)

    def __str__(self) -> str:
        """One line: `image 0 slot 1: 1.2.3 ab12cd34... pending`."""
        names = ("active", "confirmed", "pending", "permanent", "bootable")
        flags = " ".join(name for name in names if getattr(self, name)) or "no flags"
        what = f"{_printable(self.version)} {self.hash.hex()[:8]}..."
        return f"image {self.image} slot {self.slot}: {what} {flags}"


def _printable(text: str) -> str:
    """What a server names itself reaches terminals; escape sequences in it must not."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


_LONGEST_SHOWN_CHARS = 200
_FLAGS = ("bootable", "pending", "confirmed", "active", "permanent")


@dataclass(frozen=True)
class ServerParameters:
    """Buffers of the server: size of one in bytes, and how many."""

    buffer_size_bytes: int
    buffer_count: int


def states_in(answer: Mapping[str, object]) -> tuple[ImageState, ...] | None:
    """The image list of an answer with keys that smpclient may refuse; None where it has none."""
    listed = answer.get("images")
    if not isinstance(listed, list):
        return None
    try:
        return tuple(ImageState.from_payload(state) for state in listed)
    except ValueError:
        return None


def describe_error(answer: ErrorV1 | ErrorV2[IntEnum]) -> str:
    """The server's refusal with name and number: `rc 3 (EINVAL)`."""
    if isinstance(answer, ErrorV1):
        reason = f": {answer.rsn}" if answer.rsn else ""
        return describe_return_code(int(answer.rc)) + reason
    rc = answer.err.rc
    name = rc.name if isinstance(rc, IntEnum) else "unknown"
    return f"group {int(answer.err.group)} rc {int(rc)} ({name})"


def describe_return_code(rc: int) -> str:
    """An SMP version 1 code with its name: `rc 3 (EINVAL)`."""
    known = {error.value: error.name for error in MGMT_ERR}
    return f"rc {rc} ({known.get(rc, 'unknown')})"


def _shown(value: object) -> str:
    # Python refuses to write a number of more than 4300 digits.
    try:
        return repr(value)
    except ValueError:
        return "a value too long to be shown"


def describe_payload(payload: Mapping[str, object]) -> str:
    """An answer that nobody expected, as it came: its codes by number, or its keys."""
    err = payload.get("err")
    if isinstance(err, dict) and {"group", "rc"} <= set(err):
        return f"group {_shown(err['group'])} rc {_shown(err['rc'])} (unknown)"
    if isinstance(payload.get("rc"), int):
        return f"rc {_shown(payload['rc'])}"
    text = ", ".join(f"{key}={_shown(value)}" for key, value in payload.items())
    return text[:_LONGEST_SHOWN_CHARS] or "nothing that can be read"


def return_code_of(answer: ErrorV1 | ErrorV2[IntEnum]) -> int:
    """Its number, of the protocol or of the group."""
    return int(answer.rc if isinstance(answer, ErrorV1) else answer.err.rc)


def is_legacy_ok(answer: object) -> bool:
    """Whether an answer is `{"rc": 0}`: how older servers say yes, which smpclient takes for no."""
    return isinstance(answer, ErrorV1) and answer.rc is MGMT_ERR.EOK
