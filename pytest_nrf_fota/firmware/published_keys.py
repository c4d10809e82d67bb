"""Signing keys that everybody has: those in MCUboot's repository.

They protect nothing. A build that names no key of its own is signed with one of them, so whoever
has such a build can sign its next version, and so can anybody else.

Source: root-*.pem in the top folder of mcu-tools/mcuboot (2d4bacc3, July 2026); the same files in
sdk-mcuboot v1.9.99-ncs4 to v2.1.0-ncs3.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import HASH_TLVS, PublicKey, key_hash
from pytest_nrf_fota.firmware.validation_info import provisioned_key_hash, raw_public_key


def published_signing_key(name: bytes) -> SigningKey | None:
    """The private half of the published key with this name, None where it is not published.

    It protects nothing: everybody has it.

    Args:
        name: value of a KEYHASH TLV, or the 16 bytes of NSIB's provisioning data.
    """
    return next(
        (key for key in _signing_keys().values() if name in names_of(key.public_key())), None
    )


def published_public_keys() -> Mapping[str, PublicKey]:
    """The public halves, by the name of the file in MCUboot's repository."""
    public: dict[str, PublicKey] = {name: key.public_key() for name, key in _signing_keys().items()}
    # Neither NSIB nor a MCUboot of the nRF5340 takes P-384, so its private half is of no use here.
    return public | {
        "root-ec-p384.pem": ec.EllipticCurvePublicNumbers(*_P384_POINT, ec.SECP384R1()).public_key()
    }


def names_of(key: PublicKey) -> Iterator[bytes]:
    """Every hash that may name a key: KEYHASH by any algorithm, and NSIB's of a P-256 key."""
    for algorithm in HASH_TLVS.values():
        yield key_hash(key, algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        yield provisioned_key_hash(raw_public_key(key))


@lru_cache(maxsize=1)
def _signing_keys() -> Mapping[str, SigningKey]:
    return {
        "root-ec-p256.pem": ec.derive_private_key(_P256_SCALAR, ec.SECP256R1()),
        "root-ed25519.pem": ed25519.Ed25519PrivateKey.from_private_bytes(_ED25519_SEED),
        "root-rsa-2048.pem": _rsa_key(*_RSA_2048_PRIMES),
        "root-rsa-3072.pem": _rsa_key(*_RSA_3072_PRIMES),
    }


def _rsa_key(p: int, q: int) -> rsa.RSAPrivateKey:
    exponent = 65537
    d = pow(exponent, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(exponent, p * q),
    ).private_key()


def _number(digits: str) -> int:
    return int(digits, 16)


_P256_SCALAR = 0xD798D52F8301243BD3542B7E55ED4C74611900B0F9505A824FE1E8EC063BCFF1
_P384_POINT = (
    0x0C76CAAE723AA5E8F0D4F116B502EF77A11B936178C009267B3B409CEE4985E0C94FE7F2BA976CF38265142CF50C7333,
    0x4D32E79BD342CC955AE5E2F5F46E45E0ED20355CAF523581D4DC9CE39E223EFB3F2210DA700337ADA8F248FE3A6069A5,
)
_ED25519_SEED = bytes.fromhex("28c970c9a1a8a8bc77786862d2e76d0d430a2b57c87cfc37904bcbaac874cbd8")
_RSA_2048_PRIMES = (
    _number(
        "ff7d8f5be67045c74a5cc8fe4159315d477ac645f2ee64d73c4690b8e2d665082b4aa0051f5978e7fe9dd3df"
        "4a009ae333a911f29297b73ef6208c8c1d33e6df7da08729a32af6849765cff6c17e7fa16661445aaf8cbaf1"
        "98777a2bcff3af90fd8cce18ac2d452ce204cceb01fa085e0b701fca7020f60b3f7cc1578e38f59b"
    ),
    _number(
        "d170bf82edae6f933a1170678eaf4ad9de0b953c803ec21b01c312c2484e507e182454b6daa5cb610500f733"
        "3e0d4c8b0ab97f3ca3761b41d056031be0321b787bfc917079a069b9cdf6d6a2b5aa3a899707702c23b5fc60"
        "332d7ff3ec655d9a9817a2a95b2498f250576d6a17278e707953f9d1ee45bd0ed2e9f774af111e6b"
    ),
)
_RSA_3072_PRIMES = (
    _number(
        "e5bf240823a33c7ad9d931818534a0f1a5c45a86b178ce710d5b7203b26e35d38e28cbeaaff1f47b34523ef3"
        "cc5c6e6ff3cd0fa8cf814601c4cd7d46b5240208fe1d68271ed0780172b651aae357319c67d51927a69a910e"
        "819ab35959de16767cb3ff35b2adf9fcece943ea4a81337c498823c9241b7f9a491021d5de8697ea0fc365c1"
        "14e899e0616c86e20028bc1a61fc45da3e7dec687528eeeef9c83e879cbc5cc5ae02fff66cf4d3879910f15b"
        "5005aba73daaa1e30308b0a16cffd4f1"
    ),
    _number(
        "c8c2b1d568dc756ec05384e6328598eddc1c8229e10731277bbcf98609da6ec9c56ae751a408b1fc8053d06d"
        "3f9431015e36be8fc579e89cbbc4254b9898b4e389e37f30a7d1b6ed387384dc1ced18fede59138337edaefd"
        "5f7193abfbcb847b34e2f313bfb5fd2ba9698596e6e428f59d6f09a994eccb885eae9bf414b71c3f2f4bd229"
        "78340824a43d1b434844df6768bc327cb934117043a84d159575aeb038bc07d5b9650d25f5d6365cb0b1f06c"
        "7b16873c500f3912f8afb5fa42ddb5eb"
    ),
)
