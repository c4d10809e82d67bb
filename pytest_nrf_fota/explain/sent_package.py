"""Which files of a package a client sent."""

from hashlib import sha256

from pytest_nrf_fota.explain.client_side import ClientSide, Operation
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile


def sent_files(client: ClientSide, package: DfuPackage) -> tuple[UpdateFile, ...]:
    """The files whose SHA-256 an upload named; all files where no upload named one of them."""
    named = {step.hash for step in client.steps_of(Operation.UPLOAD)}
    sent = tuple(f for f in package.files if sha256(f.data).hexdigest() in named)
    return sent or package.files
