"""Whether a package is the one that a client sent, and which of its files."""

from hashlib import sha256
from typing import TYPE_CHECKING

from pytest_nrf_fota.bootlog.client_side import ClientSide, ClientStep, Operation
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.firmware.package_kind import PackageKind

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile

# Some clients print a hash shortened; what is not whole may be another number altogether.
_WHOLE_DIGITS = 64


def sent_files(client: ClientSide, package: "DfuPackage") -> "tuple[UpdateFile, ...]":
    """The files whose SHA-256 an upload named; all files where no upload named one of them."""
    named = {step.hash for step in client.steps_of(Operation.UPLOAD)}
    sent = tuple(f for f in package.files if sha256(f.data).hexdigest() in named)
    return sent or package.files


def signs_of_another_package(client: ClientSide, package: "DfuPackage") -> tuple[Seen, ...]:
    """Where the client sent, set pending or then saw images, and none of them is the package's.

    Empty where one of its hashes occurs anywhere, or where nothing was sent: a list that was read
    before the upload holds other images with good reason.
    """
    own = {hash_ for file in package.files for hash_ in _hashes_of(file)}
    seen = {hash_.lower() for hash_ in _all_hashes(client)}
    if any(name.startswith(hash_) for hash_ in seen for name in own):
        return ()
    uploads = [s for s in client.steps_of(Operation.UPLOAD) if _is_whole(s.hash)]
    marks = [
        step
        for step in client.steps_of(Operation.TEST, Operation.CONFIRM)
        if step.problem is None and _is_whole(step.hash) and not _is_running_image(client, step)
    ]
    lists = _lists_after_upload(client) if package.kind is PackageKind.APPLICATION else []
    return tuple(dict.fromkeys((*(step.seen for step in (*uploads, *marks)), *lists)))


def _hashes_of(file: "UpdateFile") -> tuple[str, ...]:
    """By which a client may name it: of the image in lists and requests, of the file in uploads."""
    of_image = (file.image.hash.hex(),) if file.image.hash is not None else ()
    return (*of_image, sha256(file.data).hexdigest())


def _all_hashes(client: ClientSide) -> list[str]:
    listed = [image.hash for listing in client.listings for image in listing.images]
    return [hash_ for hash_ in (*listed, *(step.hash for step in client.steps)) if hash_]


def _is_whole(hash_: str | None) -> bool:
    return hash_ is not None and len(hash_) == _WHOLE_DIGITS


def _is_running_image(client: ClientSide, mark: ClientStep) -> bool:
    """Whether what was set pending ran already, as where a test image is confirmed."""
    until = _next_reset(client, mark)
    return any(
        image.active and image.hash == mark.hash
        for listing in client.listings
        if until is None or listing.seen.line_number < until
        for image in listing.images
    )


def _lists_after_upload(client: ClientSide) -> list[Seen]:
    """Lists that must hold the image: behind a complete upload, and no reset between.

    MCUboot's update leaves the lists once it runs, and a reset by hand is in no client's log; so
    this is for applications only.
    """
    lists = []
    for upload in client.steps_of(Operation.UPLOAD):
        if upload.problem is not None or not upload.size_bytes:
            continue
        if upload.offset != upload.size_bytes:
            continue
        until = _next_reset(client, upload)
        lists += [
            listing.seen
            for listing in client.listings
            if upload.seen.line_number < listing.seen.line_number
            and (until is None or listing.seen.line_number < until)
            and all(_is_whole(image.hash) for image in listing.images)
        ]
    return lists


def _next_reset(client: ClientSide, step: ClientStep) -> int | None:
    later = (
        other.seen.line_number
        for other in client.steps_of(Operation.RESET, Operation.ERASE)
        if other.seen.line_number > step.seen.line_number
    )
    return next(later, None)
