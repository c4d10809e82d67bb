"""Keys that everybody has, by the hashes that images and provisioning data hold."""

from functools import lru_cache

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import key_hash
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key

# SHA-256 of the public halves of the *.pem files in MCUboot's repository (imgtool's encoding);
# the same files in sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs3.
MCUBOOT_REPOSITORY_KEYS = {
    "fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994": "root-rsa-2048.pem",
    "449793fb65cd7698753d5b3f35fab15f1e3a45111ff24e1d46741de5ae12d59e": "root-rsa-3072.pem",
    "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6": "root-ec-p256.pem",
    "6bcd1e16d80e5fe13a5307e6f1de8344c7e50e537d9962ce35ef6db5e642fae8": "root-ec-p384.pem",
    "c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c": "root-ed25519.pem",
}
# 16 bytes of SHA-256(X||Y), for the one of them that NSIB could use.
NSIB_HASHES = {"77d4672644dc6fee258a6b6449fe239c": "root-ec-p256.pem"}


def public_knowledge(hash_of_key: bytes) -> str | None:
    """Where a key is published, None for a key that is not known to be.

    Args:
        hash_of_key: 32 bytes of a KEYHASH TLV, or 16 bytes of provisioning data.
    """
    name = hash_of_key.hex()
    repository_file = MCUBOOT_REPOSITORY_KEYS.get(name) or NSIB_HASHES.get(name)
    if repository_file is not None:
        return f"{repository_file} of MCUboot's repository"
    demonstration_key = _demonstration_keys().get(hash_of_key)
    if demonstration_key is not None:
        return f"demonstration key {demonstration_key!r} of pytest-nrf-fota"
    return None


@lru_cache(maxsize=1)
def _demonstration_keys() -> dict[bytes, str]:
    hashes: dict[bytes, str] = {}
    for name in ("nsib", "mcuboot"):
        key = signing_key_for_tests(name).public_key()
        hashes[key_hash(key)] = name
        hashes[provisioned_key_hash(raw_public_key(key))] = name
    return hashes
