"""Keys that everybody has: named by their hashes, and used to sign and to check."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.known_keys import known_public_keys, public_knowledge
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, encode_public_key, key_hash
from pytest_nrf_fota.firmware.published_keys import published_signing_key
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key
from tests.unit.imgtool_specimens import imgtool_sign

# SHA-256 of imgtool's encoding, taken from public builds and not from the keys themselves.
REPOSITORY_KEYS = {
    "fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994": "root-rsa-2048.pem",
    "449793fb65cd7698753d5b3f35fab15f1e3a45111ff24e1d46741de5ae12d59e": "root-rsa-3072.pem",
    "e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6": "root-ec-p256.pem",
    "6bcd1e16d80e5fe13a5307e6f1de8344c7e50e537d9962ce35ef6db5e642fae8": "root-ec-p384.pem",
    "c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c": "root-ed25519.pem",
}
SIGNING = {name: file for name, file in REPOSITORY_KEYS.items() if "p384" not in file}


@pytest.mark.parametrize("name", REPOSITORY_KEYS)
def test_each_is_known_by_its_hash(name: str) -> None:
    """The text says where the private half is for all to read; the public half is at hand."""
    place = public_knowledge(bytes.fromhex(name))
    assert place == f"{REPOSITORY_KEYS[name]} of MCUboot's repository"
    assert bytes.fromhex(name) in {key_hash(key) for key in known_public_keys()}


@pytest.mark.parametrize("name", SIGNING, ids=lambda name: SIGNING[name])
def test_what_a_published_key_signs_is_right_in_the_eyes_of_imgtool(name: str) -> None:
    """The private half belongs to the public one: its signature is checked with the latter."""
    key = published_signing_key(bytes.fromhex(name))
    assert key is not None
    image = McubootImage.parse(imgtool_sign(bytes(4096), key))
    assert image.signing_key_hash == bytes.fromhex(name)
    assert any(image.signed_by(public) for public in known_public_keys())


def test_longer_names_of_the_same_key() -> None:
    """A KEYHASH TLV is made by the image's own algorithm."""
    key = published_signing_key(bytes.fromhex(next(iter(SIGNING))))
    assert key is not None
    for algorithm in ("sha384", "sha512"):
        name = key_hash(key.public_key(), algorithm)
        assert public_knowledge(name) == "root-rsa-2048.pem of MCUboot's repository"
        assert published_signing_key(name) is key


def test_name_that_provisioning_data_holds() -> None:
    """NSIB's name of root-ec-p256.pem: 16 bytes of SHA-256 over its point."""
    name = bytes.fromhex("77d4672644dc6fee258a6b6449fe239c")
    key = published_signing_key(name)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert provisioned_key_hash(raw_public_key(key.public_key())) == name
    assert public_knowledge(name) == "root-ec-p256.pem of MCUboot's repository"


def test_no_other_key_is_published() -> None:
    """The demonstration keys are known, and sign only where this project signs."""
    strange = signing_key_for_tests("strange").public_key()
    assert published_signing_key(key_hash(strange)) is None
    assert public_knowledge(key_hash(strange)) is None
    demonstration = signing_key_for_tests("mcuboot").public_key()
    assert published_signing_key(key_hash(demonstration)) is None
    assert public_knowledge(key_hash(demonstration)) is not None
    assert encode_public_key(demonstration) in map(encode_public_key, known_public_keys())
