"""Keys that everybody has, by the hashes that images and provisioning data hold."""

from collections.abc import Mapping
from functools import lru_cache

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import PublicKey
from pytest_nrf_fota.firmware.published_keys import names_of, published_public_keys


def public_knowledge(hash_of_key: bytes) -> str | None:
    """Where a key is published, None for a key that is not known to be.

    Args:
        hash_of_key: value of a KEYHASH TLV, or 16 bytes of provisioning data.
    """
    return _places_by_hash().get(hash_of_key)


def known_public_keys() -> tuple[PublicKey, ...]:
    """The public halves of all keys that `public_knowledge` knows."""
    return tuple(_places_of_keys().values())


@lru_cache(maxsize=1)
def _places_of_keys() -> Mapping[str, PublicKey]:
    published = {
        f"{name} of MCUboot's repository": key for name, key in published_public_keys().items()
    }
    demonstration = {
        f"demonstration key {name!r} of pytest-nrf-fota": signing_key_for_tests(name).public_key()
        for name in ("nsib", "mcuboot")
    }
    return published | demonstration


@lru_cache(maxsize=1)
def _places_by_hash() -> Mapping[bytes, str]:
    return {name: place for place, key in _places_of_keys().items() for name in names_of(key)}
