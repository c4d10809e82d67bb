"""What an SMP client did and was answered, as values: from its log, or from a recording."""

from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.bootlog.report import ClientReport, ListedImage, Seen


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

    NO_MEMORY = "no memory (rc 2)"
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
    FILE_REFUSED = "the client refused the file"
    OTHER = "refused"


@dataclass(frozen=True)
class ClientStep:
    """One request of a client, and how it ended.

    Args:
        hash: hex, of an image that is set pending or uploaded.
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
