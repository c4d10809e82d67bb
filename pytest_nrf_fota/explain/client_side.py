"""What an SMP client did and was answered, and how its printed log tells it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from pytest_nrf_fota.bootlog.catalogue.client_requests import REQUEST_LINES
from pytest_nrf_fota.bootlog.matching import LineMatcher
from pytest_nrf_fota.bootlog.report import ClientReport, ListedImage, Seen
from pytest_nrf_fota.explain.known_lines import Known, KnownLines

MOST_STEPS = 2000
_LONGEST_READ_CHARS = 400


class Operation(Enum):
    """What a client asked for."""

    CONNECT = "connect"
    PARAMETERS = "parameters"
    LIST = "image list"
    UPLOAD = "upload"
    ERASE = "erase"
    TEST = "test"
    CONFIRM = "confirm"
    RESET = "reset"
    UNKNOWN = "request"


class Problem(Enum):
    """How it failed, whatever the client calls it (Zephyr mcumgr headers)."""

    INVALID = "invalid value (rc 3)"
    NO_ENTRY = "no entry (rc 5)"
    BAD_STATE = "bad state (rc 6)"
    NOT_SUPPORTED = "not supported (rc 8)"
    HASH_NOT_FOUND = "hash not found"
    NO_FREE_SLOT = "no free slot"
    ALREADY_PENDING = "already pending"
    CURRENT_IS_NEWER = "running version is newer"
    FLASH_FAILED = "flash operation failed"
    TIMEOUT = "no answer in time"
    DISCONNECTED = "connection lost"
    NEEDS_PAIRING = "link is not encrypted"
    OFFSET = "offset mismatch"
    BROKEN_OFF = "broken off"
    OTHER = "refused"


@dataclass(frozen=True)
class ClientStep:
    """One request of a client, and how it ended.

    Args:
        hash: hex, of an image that is marked or uploaded.
        file: name of an uploaded file.
        image: number of the image pair.
        offset, size_bytes: of an upload: how far it got, and the whole.
        first_offset: offset in the answer to the first packet.
        problem: None where nothing speaks of one.
        pending_was: hashes of other images that were pending when the request was made.
        board_booted, board_disconnected: what the board printed before the client did anything
            else: first line of a boot, end of its Bluetooth connection.
    """

    operation: Operation
    seen: Seen
    hash: str | None = None
    file: str | None = None
    image: int | None = None
    offset: int | None = None
    first_offset: int | None = None
    size_bytes: int | None = None
    problem: Problem | None = None
    code: int | None = None
    problem_seen: Seen | None = None
    pending_was: tuple[str, ...] = ()
    board_booted: Seen | None = None
    board_disconnected: Seen | None = None

    @property
    def got_far(self) -> bool:
        """Whether an upload reached nine tenths of its size."""
        if not self.size_bytes or self.offset is None:
            return False
        return self.offset >= 0.9 * self.size_bytes


@dataclass(frozen=True)
class Listing:
    """One image list, as a client showed it."""

    images: tuple[ListedImage, ...]

    def slot(self, number: int, image: int = 0) -> ListedImage | None:
        """The image in a slot; None where the list has none."""
        return next((i for i in self.images if i.slot == number and i.image == image), None)

    @property
    def seen(self) -> Seen:
        """Where it is."""
        return self.images[0].seen


@dataclass(frozen=True)
class ClientSide:
    """All that a client said, in order."""

    steps: tuple[ClientStep, ...]
    listings: tuple[Listing, ...]

    def steps_of(self, *operations: Operation) -> tuple[ClientStep, ...]:
        """The steps of these kinds."""
        return tuple(step for step in self.steps if step.operation in operations)

    def failed(self, *problems: Problem) -> tuple[ClientStep, ...]:
        """The steps that failed in one of these ways."""
        return tuple(step for step in self.steps if step.problem in problems)

    @property
    def last_listing(self) -> Listing | None:
        """The list that was shown last."""
        return self.listings[-1] if self.listings else None


# --- text ---

_OPERATIONS = {
    "request_parameters": Operation.PARAMETERS,
    "request_mark_uploaded": Operation.TEST,
    "request_upload": Operation.UPLOAD,
    "request_erase": Operation.ERASE,
    "request_confirm": Operation.CONFIRM,
    "request_test": Operation.TEST,
    "request_reset": Operation.RESET,
    "request_list": Operation.LIST,
    "request_connect": Operation.CONNECT,
}
# Words of the catalogue's `client_code`, and the code that each means.
_WORDED = {"invalid": "EINVAL", "noentry": "ENOENT", "badstate": "EBADSTATE", "notsup": "ENOTSUP"}
# Parts of the image group's names; clients shorten them.
_IMAGE_NAMES = (
    ("HASH_NOT_FOUND", Problem.HASH_NOT_FOUND),
    ("NO_FREE_SLOT", Problem.NO_FREE_SLOT),
    ("PENDING", Problem.ALREADY_PENDING),
    ("NEWER", Problem.CURRENT_IS_NEWER),
    ("FLASH", Problem.FLASH_FAILED),
)
_PROBLEM_LINES = {
    "client_hash_not_found": Problem.HASH_NOT_FOUND,
    "client_timeout": Problem.TIMEOUT,
    "client_disconnected": Problem.DISCONNECTED,
    "client_needs_pairing": Problem.NEEDS_PAIRING,
    "client_offset_mismatch": Problem.OFFSET,
}


def problem_of_code(code: int) -> Problem:
    """What an SMP return code means that belongs to no group (`MGMT_ERR` of the smp package)."""
    from smp.error import MGMT_ERR

    match code:
        case MGMT_ERR.EINVAL:
            return Problem.INVALID
        case MGMT_ERR.ETIMEOUT:
            return Problem.TIMEOUT
        case MGMT_ERR.ENOENT:
            return Problem.NO_ENTRY
        case MGMT_ERR.EBADSTATE:
            return Problem.BAD_STATE
        case MGMT_ERR.ENOTSUP:
            return Problem.NOT_SUPPORTED
        case _:
            return Problem.OTHER


def problem_of_image_code(code: int) -> Problem:
    """What a code of the image group means (`IMG_MGMT_ERR` of the smp package)."""
    from smp.image_management import IMG_MGMT_ERR

    names = {error.value: error.name for error in IMG_MGMT_ERR}
    return _problem_of_image_name(names.get(code, "")) or Problem.OTHER


def _problem_of_image_name(name: str) -> Problem | None:
    return next((problem for part, problem in _IMAGE_NAMES if part in name), None)


def problem_of(known: Known) -> tuple[Problem, int | None] | None:
    """What a client's error line means, with its code; None for a line that is no error."""
    if known.name in _PROBLEM_LINES:
        return _PROBLEM_LINES[known.name], None
    if known.name == "client_image_code":
        code = known.number("code")
        named = _problem_of_image_name(known.text("name"))
        return named or problem_of_image_code(code or 0), code
    if known.name == "client_code":
        code = _code(known)
        return (problem_of_code(code), code) if code else None
    if known.name == "client_error":
        code = known.number("rc") or known.number("number")
        if code is not None:
            return problem_of_code(code), code
    return None


def _code(known: Known) -> int | None:
    for group in ("code", "code_smpmgr", "rc"):
        number = known.number(group)
        if number is not None:
            return number
    worded = next((name for word, name in _WORDED.items() if known.text(word)), None)
    name = known.text("mgmt") or worded
    if not name:
        return None
    from smp.error import MGMT_ERR

    return MGMT_ERR.__members__.get(name, MGMT_ERR.EUNKNOWN).value


# A line may match several; the first one counts.
_ERROR_NAMES = (
    *("client_hash_not_found", "client_code", "client_image_code", "client_error"),
    *_PROBLEM_LINES,
)


def steps_of_text(lines: Iterable[Seen], known_lines: KnownLines) -> tuple[ClientStep, ...]:
    """The steps that a client's printed lines tell of.

    An error belongs to the request that its own line names, else to the one before it.
    """
    problems: dict[int, tuple[Problem, int | None]] = {}
    for known in known_lines.find(*_ERROR_NAMES):
        meant = problem_of(known)
        if meant is not None:
            problems.setdefault(known.seen.line_number, meant)
    matcher = LineMatcher(REQUEST_LINES)
    steps: list[ClientStep] = []
    for seen in lines:
        facts = matcher.facts(seen.text[:_LONGEST_READ_CHARS])
        values = {name: text for hit in facts.hits for name, text in hit.groups.items() if text}
        problem = problems.get(seen.line_number)
        named = [hit.pattern.name for hit in facts.hits if hit.pattern.name in _OPERATIONS]
        operation = _OPERATIONS[named[0]] if named else None
        last = steps[-1] if steps else None
        if operation is not None and (
            last is None or last.operation is not operation or _begins_anew(last, values)
        ):
            steps.append(ClientStep(operation, seen))
        if not steps and problem is None:
            continue
        if not steps:
            steps.append(ClientStep(Operation.UNKNOWN, seen))
        steps[-1] = _with_values(steps[-1], values)
        if problem is not None and steps[-1].problem is None:
            kind, code = problem
            steps[-1] = replace(steps[-1], problem=kind, code=code, problem_seen=seen)
        if len(steps) >= MOST_STEPS:
            break
    return tuple(steps)


def _begins_anew(step: ClientStep, values: Mapping[str, str]) -> bool:
    """Whether a line about the same operation is about another image or file."""
    if "file" in values and step.file is not None:
        return values["file"] != step.file
    if "hash" in values and step.hash is not None:
        return values["hash"] != step.hash
    return step.problem is not None


def _with_values(step: ClientStep, values: Mapping[str, str]) -> ClientStep:
    file, image_hash = step.file or values.get("file"), step.hash or values.get("hash")
    step = replace(step, file=file, hash=image_hash)
    if step.operation is Operation.UPLOAD and "size" in values:
        return replace(step, offset=int(values["offset"]), size_bytes=int(values["size"]))
    if step.operation is Operation.UPLOAD and "percent" in values:
        return replace(step, offset=int(values["percent"]), size_bytes=100)
    return step


def listings_of(report: ClientReport | None) -> tuple[Listing, ...]:
    """The listings in a client's output: a slot that comes again begins the next one."""
    listings: list[list[ListedImage]] = []
    for image in report.images if report is not None else ():
        places = {(i.image, i.slot) for i in listings[-1]} if listings else None
        if places is None or (image.image, image.slot) in places:
            listings.append([])
        listings[-1].append(image)
    return tuple(Listing(tuple(images)) for images in listings)


NO_CLIENT = ClientSide((), ())


def joined(*sides: ClientSide) -> ClientSide:
    """Several clients' words together."""
    return ClientSide(
        tuple(step for side in sides for step in side.steps),
        tuple(listing for side in sides for listing in side.listings),
    )
