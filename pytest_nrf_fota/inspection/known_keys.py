"""Which key it is: by its hash, among published keys and those that the user named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.firmware.keys import read_public_key
from pytest_nrf_fota.firmware.known_keys import public_knowledge
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey, key_hash
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key
from pytest_nrf_fota.inspection.contents import FoundKey


@dataclass(frozen=True)
class GivenKey:
    """A public key and the file that it was read from."""

    path: Path
    public_key: PublicKey

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The names of this key: MCUboot's, and NSIB's where it can be one of NSIB."""
        for_mcuboot = key_hash(self.public_key)
        if isinstance(self.public_key, ec.EllipticCurvePublicKey):
            return (for_mcuboot, provisioned_key_hash(raw_public_key(self.public_key)))
        return (for_mcuboot,)


def read_given_keys(paths: Sequence[Path]) -> tuple[GivenKey, ...]:
    """Read PEM files, private or public. Raises `InputError`."""
    return tuple(GivenKey(path, read_public_key(path)) for path in paths)


def name_key(hash_of_key: bytes, given: Sequence[GivenKey]) -> FoundKey:
    """The key with this hash, with all that is known of it."""
    return FoundKey(
        hash=hash_of_key.hex(),
        published_as=public_knowledge(hash_of_key),
        given_file=next((str(k.path) for k in given if hash_of_key in k.hashes), None),
    )
