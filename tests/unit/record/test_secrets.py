"""What is masked: known values in each way they are written, and what looks like a secret."""

import base64
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.keys import SigningKey, signing_key_for_tests
from pytest_nrf_fota.record.events import SmpMessage, UartLine, UnitTaken
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.record.secrets import Secrets, masked_by_looks, secrets_of_environment
from pytest_nrf_fota.record.uart_masking import UartMasking

BEGIN = "-----BEGIN EC PRIVATE KEY-----"
TOKEN = 'glpat-"Zk39\\q8<Lx'


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        json.dumps({"token": TOKEN}),
        repr({"token": TOKEN}),
        f"https://user:{TOKEN}@host/x",
        f"value='{TOKEN.replace('<', '&lt;').replace(chr(34), '&quot;')}'",
        base64.b64encode(TOKEN.encode()).decode(),
    ],
)
def test_value_in_each_way_it_is_written(written: str) -> None:
    masked = Secrets([TOKEN]).masked(written)
    assert "Zk39" not in masked and base64.b64encode(TOKEN.encode()).decode() not in masked


@pytest.mark.parametrize(
    ("environment", "text", "masked"),
    [
        ({"CI_JOB_TOKEN": "abcdef123"}, "it is abcdef123.", "it is ********."),
        ({"DB_PASS": "abcdef123"}, "abcdef123", "********"),
        ({"LAB_PIN": "abcdef123"}, "abcdef123", "********"),
        # Neither a name of a secret, nor a value that could be one.
        ({"SPINDLE": "abcdef123"}, "abcdef123", "abcdef123"),
        ({"COMPASS": "abcdef123"}, "abcdef123", "abcdef123"),
        ({"USE_TOKEN": "true"}, "this is true", "this is true"),
        ({"KEY_CHECK": "enabled"}, "enabled", "enabled"),
    ],
)
def test_names_of_the_environment(environment: Mapping[str, str], text: str, masked: str) -> None:
    assert secrets_of_environment(environment).masked(text) == masked


def _of_kind(kind: str) -> SigningKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        case _:
            return signing_key_for_tests("secret")


@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_key_file(tmp_path: Path, kind: str, encoding: serialization.Encoding) -> None:
    """Neither its text nor its bytes, wherever it came from; its path stays."""
    key = _of_kind(kind)
    plain, no_lock = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "key"
    path.write_bytes(key.private_bytes(encoding, plain, no_lock))
    der = key.private_bytes(serialization.Encoding.DER, plain, no_lock)
    secrets = secrets_of_environment({"SIGNING_KEY": str(path)})

    assert str(path) in secrets.masked(f"signed with {path}")
    for written in (der.hex(), repr(der), base64.b64encode(der).decode()):
        assert written[10:40] not in secrets.masked(f"x = {written}")
    body = base64.b64encode(der).decode()[64:128] if encoding is serialization.Encoding.PEM else ""
    assert not body or body not in secrets.masked(f"second line: {body}")
    assert der not in secrets.masked_bytes(b"before" + der + b"after")
    if isinstance(key, ec.EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
        assert str(number) not in secrets.masked(f"private_value={number}")


def test_public_key_file_is_no_secret(tmp_path: Path) -> None:
    public = signing_key_for_tests("secret").public_key()
    path = tmp_path / "key.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    line = path.read_text().splitlines()[1]
    assert secrets_of_environment({"SIGNING_KEY": str(path)}).masked(line) == line


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Passkey for F2:7C (random): 123456", "Passkey for F2:7C (random): 000000"),
        ("LTK: 0x00112233aabb", "LTK: 0x000000000000"),
        ("long_term_key: 00112233", "long_term_key: 00000000"),
        ("password=hunter22 next", "password=00000000 next"),
        ("git clone https://me:abc@host/x", "git clone https://me:***@host/x"),
        (
            f"a\n{BEGIN}\nMHcC\n-----END EC PRIVATE KEY-----\nb",
            f"a\n{BEGIN}\nxxxx\n-----END EC PRIVATE KEY-----\nb",
        ),
        # Cut by whoever showed it.
        (f"{BEGIN}\\nMIGHAgEAMBMGByqGSM49 and so on", f"{BEGIN}\\xxxxxxxxxxxxxxxxxxxxx and so on"),
        # What boards say all day.
        (
            "I: Primary image: magic=good, swap_type=0x3",
            "I: Primary image: magic=good, swap_type=0x3",
        ),
        ("mcuboot key: 0, 123456 bytes", "mcuboot key: 0, 123456 bytes"),
    ],
)
def test_looks(text: str, masked: str) -> None:
    assert masked_by_looks(text) == masked
    assert Secrets().masked(text) == masked


def test_halves_of_a_value_that_pytest_cut() -> None:
    secrets = Secrets(["correcthorsebattery"])
    assert secrets.masked_report("x = 'aa correcth...sebattery'") == "x = 'aa ********...********'"
    assert secrets.masked_report("nothing... to see") == "nothing... to see"


PASSKEY_LINES = (
    b"boot\r\nPasskey for F2:7C:B6:5D:C3:74 (random): 123456\r\nuart:~$ 654321",
    b"Enter PIN 123456 now\r\n",
    b"token: abcdefgh\r\nLTK: 00112233\r\n",
)


@given(st.sampled_from(PASSKEY_LINES), st.lists(st.integers(0, 80), max_size=12))
def test_bytes_of_a_uart_wherever_they_are_cut(said: bytes, cuts: list[int]) -> None:
    """The same bytes as if they had come at once, none missing, and no secret in any piece."""
    secrets = Secrets()
    secrets.add_passkey(r"Enter PIN (?P<passkey>\d{6})")
    places = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    masking = UartMasking(secrets)
    pieces = [masking.take(said[one:other]) for one, other in pairwise(places)]
    pieces.append(masking.rest())

    assert b"".join(pieces) == secrets.masked_bytes(said)
    assert len(b"".join(pieces)) == len(said)
    assert b"123456" not in b"".join(pieces)


def test_prompt_passes_at_once() -> None:
    masking = UartMasking(Secrets())
    assert masking.take(b"uart:~$ ") == b"uart:~$ "


def test_answer_of_a_board_stays_hex(tmp_path: Path) -> None:
    """It is played back; a bond's key in it becomes zeros."""
    key = bytes(range(0x80, 0x90))
    secrets = Secrets()
    secrets.add_bytes(key)
    recorder = FlightRecorder(secrets)
    recorder.open(tmp_path / "recorder.jsonl", "t")
    answer = {"name": "read", "sequence": 1, "size_bytes": 20, "payload": {"key": key.hex()}}
    raw = (b"ab" + key + b"cd").hex()
    recorder.record(SmpMessage.model_validate({"direction": "answer", "raw": raw, **answer}))
    recorder.close()
    written = read_recording(tmp_path / "recorder.jsonl")[1].event
    assert isinstance(written, SmpMessage) and written.payload == {"key": "0" * 32}
    assert bytes.fromhex(written.raw) == b"ab" + bytes(16) + b"cd"


def test_recorder_keeps_no_secret(tmp_path: Path) -> None:
    """Events, the log beside them, settings, and what tools printed, short and long."""
    secrets = Secrets([TOKEN])
    recorder = FlightRecorder(secrets)
    recorder.open(tmp_path / "recorder.jsonl", "t", uart_log=tmp_path / "uart.log")
    recorder.record(UartLine(port="x", text=f"Passkey: 123456 {TOKEN}"))
    recorder.record(UnitTaken(unit="1", board="b", settings={"radio": {"passkey": "246810"}}))
    short = recorder.keep(f"said {TOKEN}".encode())
    long = recorder.keep(b"y" * 5000 + TOKEN.encode())
    recorder.close()

    assert short.text == "said " + "*" * len(TOKEN)
    assert (short.size_bytes, long.size_bytes) == (5 + len(TOKEN), 5000 + len(TOKEN))
    for path in tmp_path.rglob("*"):
        text = path.read_text() if path.suffix in (".jsonl", ".log") else ""
        assert "Zk39" not in text and "123456" not in text and "246810" not in text
    assert (tmp_path / "uart.log").read_text() == "Passkey: 000000 ********\n"
    kept = read_recording(tmp_path / "recorder.jsonl")[2].event
    assert isinstance(kept, UnitTaken) and kept.settings == {"radio": {"passkey": "000000"}}
