"""A run folder with names of people, machines and things in every place where they may stand."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.probe.recording import tool_recorder
from pytest_nrf_fota.probe.tool_call import NamedFile, ToolCall
from pytest_nrf_fota.record.events import (
    AdvertisementHeard,
    ConsoleState,
    ProbeOperation,
    RadioState,
    SmpMessage,
    UartBytes,
    UartLine,
    UnitTaken,
)
from pytest_nrf_fota.record.recorder import FlightRecorder

SERIAL = "683999535"
OTHER_SERIAL = "1050047412"
ADDRESS = "C4:1D:5A:7E:93:B6"
USER, HOST, HOME = "jhacker", "bench-seven", "/srv/people/jhacker"
OTHER_USER = "kowalski"
PASSKEY = "731954"
LONG_TERM_KEY = "5f2c9a1be0774d3388aa61c0ffee4242"
PEM_BODY = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY"
FOLDER = "/srv/people/jhacker/secret-product"
SECRETS = (
    *(SERIAL, OTHER_SERIAL, USER, OTHER_USER, HOST, "secret-product"),
    *(ADDRESS, ADDRESS.replace(":", ""), ADDRESS.replace(":", "_"), ADDRESS.replace(":", "-")),
    *(PASSKEY, LONG_TERM_KEY, PEM_BODY),
)
LITTLE_ENDIAN_ADDRESS = bytes.fromhex(ADDRESS.replace(":", ""))[1:][::-1]
MEMORY = (
    b"\x10\x20 ASSERT @ /home/kowalski/ncs/main.c:7 \x00".ljust(64, b"\xff")
    + "jhacker".encode("utf-16-le").ljust(32, b"\x00")
    + LITTLE_ENDIAN_ADDRESS.ljust(32, b"\x5a")
)


def write_run(run: Path) -> Path:
    """Write it; returns the folder of its only test."""
    recorder = FlightRecorder()
    whose = {"user": USER, "host": HOST, "home": HOME}
    folder = run / "test_one"
    recorder.open(folder / "recorder.jsonl", f"test[{FOLDER}/a]", {"python": "3.12"}, whose)
    board = load_board("nrf5340dk")
    recorder.record(
        UnitTaken(unit=SERIAL, board=board.name, settings=board.model_dump(mode="json"))
    )
    record = tool_recorder(recorder)
    for call in _calls(run):
        record(call)
    recorder.record(
        ProbeOperation(operation="read", duration_s=1.0, error=f"in {FOLDER}/probe/memory.hex")
    )
    port = f"/dev/serial/by-id/usb-SEGGER_J-Link_000{SERIAL}-if02"
    recorder.record(ConsoleState(port=port, state="opened"))
    said = f"I: Identity: {ADDRESS} (random)\r\nPasskey for {ADDRESS}: {PASSKEY}\r\n{USER}\r\n"
    data = said.encode()
    # Cut in the middle of the address, and of the passkey.
    for start in range(0, len(data), 19):
        piece = base64.b64encode(data[start : start + 19]).decode()
        recorder.record(UartBytes(port=port, base64=piece))
    for line in said.splitlines():
        recorder.record(UartLine(port=port, text=line))
    recorder.record(AdvertisementHeard(address=ADDRESS, name=f"{USER}'s kit"))
    recorder.record(RadioState(state="connecting", detail=f"to {ADDRESS}"))
    recorder.record(RadioState(state="failed", detail="dev_" + ADDRESS.replace(":", "_")))
    recorder.record(
        SmpMessage(
            direction="answer",
            name="os echo",
            sequence=1,
            size_bytes=20,
            payload={"r": f"hello {USER}"},
            raw=f"hello {USER} {ADDRESS}".encode().hex(),
        )
    )
    recorder.close()
    return folder


def _calls(run: Path) -> Iterator[ToolCall]:
    listed = json.dumps(
        {
            "devices": [
                {"serialNumber": f"000{SERIAL}", "serialPorts": [{"path": "/dev/ttyACM0"}]},
                {"serialNumber": f"00{OTHER_SERIAL}", "traits": {"jlink": True}},
            ]
        }
    )
    yield _call("nrfutil", (f"{HOME}/bin/nrfutil", "--json", "device", "list"), listed)
    memory = run / "memory.hex"
    write_hex(memory, [Segment(0x8000, MEMORY)])
    read = ("nrfutil", "read", "--serial-number", f"000{SERIAL}", "--to-file", f"{FOLDER}/m.hex")
    content = memory.read_bytes()
    yield _call("nrfutil", read, "", NamedFile(f"{FOLDER}/m.hex", "written", content))
    yield _call("nrfjprog", ("nrfjprog", "--ids"), f"{OTHER_SERIAL}\n")
    rows = []
    for at in range(0, len(MEMORY), 16):
        row = MEMORY[at : at + 16]
        words = " ".join(row[i : i + 4][::-1].hex().upper() for i in range(0, 16, 4))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"0x{0x8000 + at:08X}: {words}   |{shown}|\n")
    yield _call("nrfjprog", ("nrfjprog", "--memrd", "--snr", SERIAL), "".join(rows) * 20)
    answer = json.dumps({"serial_numbers": [int(SERIAL)], "memory_hex": MEMORY.hex()})
    request = json.dumps({"serial_number": int(SERIAL), "hex_file": f"{FOLDER}/merged.hex"})
    yield _call("pynrfjprog", ("python", "-m", "call", request), answer)
    said = (
        f"-----BEGIN EC PRIVATE KEY-----\n{PEM_BODY}\n-----END EC PRIVATE KEY-----\n"
        f"LTK: {LONG_TERM_KEY}\nat rfc2217://{HOST}.lab:4000, log in {HOME}/x.log\n"
        f"C:\\Users\\{OTHER_USER}\\ncs\n"
    )
    yield _call("nrfutil", ("nrfutil", "device-info", "--serial-number", SERIAL), said)
    program = ("nrfutil", "program", "--firmware", "secret-product/build_v1/merged.hex")
    yield _call("nrfutil", program, "secret-product/build_v1/merged.hex does not fit\n")


def _call(tool: str, command: tuple[str, ...], stdout: str, *files: NamedFile) -> ToolCall:
    return ToolCall(
        tool=tool,
        command=command,
        exit_code=0,
        stdout=stdout,
        stderr="",
        fault="",
        files=files,
        ended_at_s=0.0,
        duration_s=0.1,
    )
