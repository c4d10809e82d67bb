"""Secrets of each kind in a run, and where they can be found afterwards."""

import base64
import gzip
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_nrf_fota.firmware.keys import signing_key_for_tests

TOKENS = {
    "LAB_API_TOKEN": 'glpat-"Zk39\\q8<Lx',
    "DEPLOY_SECRET": "s3cr3t of the line",
    "DB_PASSWORD": "correcthorsebattery",
    "REGISTRY_KEY": "AKIA39QJ7Z0PLK2M8XYT",
}
_ENTRY = """
import gc, json, logging, os, re, signal, sys
from pathlib import Path

import allure

from pytest_nrf_fota import Variant, assert_upgraded


NAMES = ("LAB_API_TOKEN", "DEPLOY_SECRET", "DB_PASSWORD", "REGISTRY_KEY")


def _told(**found):
    Path(os.environ["TELL_TESTER"]).write_text(json.dumps(found))


def _bonds():
    from bumble.keys import MemoryKeyStore

    stores = [one for one in gc.get_objects() if isinstance(one, MemoryKeyStore)]
    return [keys for store in stores for keys in store.all_keys.values()]


def test_tells_everything(dut, firmware, record_property, record_testsuite_property):
    dut.prepare(firmware.baseline)
    since = dut.console.position()
    printed = bytes.fromhex(os.environ["PRINTED_BY_BOARD"])
    dut.faults.noise_at_log_line("Starting bootloader", printed)
    upgrade = dut.start_upgrade(firmware.variant(Variant.APP_NEEDS_PAIRING))
    upgrade.upload()
    upgrade.set_pending()
    upgrade.reset()
    verdict = upgrade.verdict()
    passkeys = re.findall(r"Passkey for .*: (\\d{6})", dut.console.text_since(since))
    bonds = _bonds()
    ltks = [bond.ltk.value.hex() for bond in bonds if bond.ltk]
    assert passkeys and ltks
    _told(passkeys=passkeys, ltks=ltks)
    token = os.environ["LAB_API_TOKEN"]
    assert printed.decode().splitlines()[2] in dut.console.text_since(since)
    environment = {name: os.environ[name] for name in NAMES}
    pem = Path(os.environ["SIGNING_KEY_FILE"]).read_text()
    der = Path(os.environ["DER_KEY_FILE"]).read_bytes()
    print(token, environment, pem, der.hex(), bonds)
    print("the board said passkey", passkeys[0], file=sys.stderr)
    logging.getLogger("mine").warning("token %s, key %s, %s", token, pem, environment)
    record_property("token", token)
    record_testsuite_property("token", token)
    allure.attach(json.dumps(environment), "environment", allure.attachment_type.JSON)
    allure.attach.file(os.environ["SIGNING_KEY_FILE"], "key", allure.attachment_type.TEXT, "pem")
    with allure.step(f"log in with {token}"):
        dut.recorder.record(_moment(f"{token} {pem} {environment}"))
    dut.console.type_text(f"echo {token}\\n")
    dut.console.expect("echo", since=since, within_s=20)
    if os.environ.get("KILLED"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(f"{token} is not what was expected: {pem} {passkeys[0]}") from ValueError(
        environment
    )


def _moment(name):
    from pytest_nrf_fota.record.events import Moment

    return Moment(name=name)
"""
BOARD = """
name = "paired_sim"
title = "Virtual kit that pairs"
base = "nrf5340dk_sim"
[radio]
pairing = "passkey"
"""


def plant(folder: Path, told: Path) -> dict[str, str]:
    """Write test, board file and keys into a folder; returns the environment of the run.

    Args:
        folder: of the run.
        told: where the test writes what it learns on its way; none of the run's outputs.
    """
    (folder / "test_planted.py").write_text(_ENTRY)
    (folder / "paired_sim.toml").write_text(BOARD)
    keys = told.parent
    pem, der = keys / "signing.pem", keys / "other.der"
    pem.write_bytes(_private_bytes("pem", serialization.Encoding.PEM))
    der.write_bytes(_private_bytes("der", serialization.Encoding.DER))
    files = {"SIGNING_KEY_FILE": str(pem), "DER_KEY_FILE": str(der), "TELL_TESTER": str(told)}
    # Of a key that nobody gave; the variable's name says nothing.
    return {**TOKENS, **files, "PRINTED_BY_BOARD": printed_by_board().encode().hex()}


def printed_by_board() -> str:
    """What a board prints on its UART: a key as PEM, and another as a dump in hex."""
    pem = _private_bytes("printed", serialization.Encoding.PEM).decode().splitlines()
    der = _private_bytes("dumped", serialization.Encoding.DER)
    rows = [f"{der[at : at + 16].hex(' '):<50}|...|" for at in range(0, len(der), 16)]
    return "".join(f"{line}\r\n" for line in ["", *pem, "dump", *rows])


def planted(told: Path) -> dict[str, tuple[str, ...]]:
    """What must be nowhere, by kind, each in several spellings."""
    found = json.loads(told.read_text())
    pem = (told.parent / "signing.pem").read_text().splitlines()[1]
    der = (told.parent / "other.der").read_bytes()
    number = _key("der").private_numbers().private_value
    said = printed_by_board().splitlines()
    spelt = {
        name: (value, json.dumps(value)[1:-1], repr(value)[1:-1]) for name, value in TOKENS.items()
    }
    return {
        **spelt,
        "private key, PEM": (pem, pem[:24]),
        "private key, DER": (der.hex(), f"{number:x}", str(number), repr(der)[2:34]),
        "PEM on a UART": tuple(line[:40] for line in said[2:4]),
        # The number begins in the third row.
        "dump on a UART": tuple(row[:47] for row in said[-7:-4]),
        "passkey": tuple(found["passkeys"]),
        "pairing key": tuple(found["ltks"]),
    }


def leaks(outputs: Mapping[str, bytes], told: Path) -> list[str]:
    """Which kind of secret is in which output."""
    return [
        f"{kind}: {name}"
        for name, content in outputs.items()
        for kind, spellings in planted(told).items()
        if any(_holds(content, spelling) for spelling in spellings)
    ]


def outputs_of(folder: Path) -> dict[str, bytes]:
    """All files of a run but those that were given to it; archives and bytes of UARTs unpacked."""
    given = {"test_planted.py", "paired_sim.toml", "conftest.py"}
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in given and "__pycache__" not in path.parts:
            for name, content in _unpacked(path):
                found[f"{path.relative_to(folder)}{name}"] = content
    return found


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield "", content
    if path.suffix == ".gz":
        yield ":unpacked", gzip.decompress(content)
    if path.suffix == ".jsonl":
        yield ":uart", _uart_of(content)
    if path.suffix == ".zip" and "recording" in path.name:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                inner = archive.read(name)
                yield f":{name}", inner
                if name.endswith(".jsonl"):
                    yield f":{name}:uart", _uart_of(inner)


def _uart_of(recording: bytes) -> bytes:
    events = [json.loads(line)["event"] for line in recording.splitlines() if line.endswith(b"}")]
    pieces = [event["base64"] for event in events if event["kind"] == "uart_bytes"]
    return b"".join(base64.b64decode(piece) for piece in pieces)


def _holds(content: bytes, secret: str) -> bool:
    if not (secret.isdigit() and len(secret) == 6):
        return secret.encode() in content
    # Six digits are in many a number and hash; a passkey stands alone.
    at = content.find(secret.encode())
    while at >= 0:
        around = content[at - 1 : at] + content[at + 6 : at + 7]
        if not any(chr(one).isalnum() or chr(one) in "._" for one in around):
            return True
        at = content.find(secret.encode(), at + 1)
    return False


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return signing_key_for_tests(f"planted {name}")


def _private_bytes(name: str, encoding: serialization.Encoding) -> bytes:
    return _key(name).private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
