"""Which key it is: by its hash, among those of the user, of the build and those that all have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_nrf_fota.firmware.keys import read_public_key
from pytest_nrf_fota.firmware.known_keys import known_public_keys, public_knowledge
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.published_keys import names_of
from pytest_nrf_fota.inspection.contents import FoundKey


@dataclass(frozen=True)
class KeyInFile:
    """A public key and the file that it was read from."""

    path: Path
    public_key: PublicKey


@dataclass(frozen=True)
class KeysAtHand:
    """The public keys that signatures are checked with.

    Args:
        given: those of --key.
        of_build: those that the MCUboot in a hex file of the same folder holds.
    """

    given: tuple[KeyInFile, ...] = ()
    of_build: tuple[KeyInFile, ...] = ()

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """All of them, with those that are published."""
        of_files = tuple(one.public_key for one in (*self.given, *self.of_build))
        return of_files + known_public_keys()

    def with_build(self, found: Sequence[KeyInFile]) -> "KeysAtHand":
        """The same, with more of the build's."""
        return replace(self, of_build=self.of_build + tuple(found))

    def name(self, hash_of_key: bytes) -> FoundKey:
        """The key with this hash, with all that is known of it."""
        return FoundKey(
            hash=hash_of_key.hex(),
            published_as=public_knowledge(hash_of_key),
            given_file=_file_of(hash_of_key, self.given),
            found_in=_file_of(hash_of_key, self.of_build),
        )


def read_given_keys(paths: Sequence[Path]) -> tuple[KeyInFile, ...]:
    """Read PEM files, private or public. Raises `InputError`."""
    return tuple(KeyInFile(path, read_public_key(path)) for path in paths)


def _file_of(hash_of_key: bytes, keys: Sequence[KeyInFile]) -> str | None:
    return next((str(k.path) for k in keys if hash_of_key in names_of(k.public_key)), None)
