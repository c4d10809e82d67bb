"""The three wires against real Zephyr and real MCUboot in QEMU."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from intelhex import IntelHex
from smp.packet import encode
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, ResetWrite
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import PackageError, ProbeError, RigError
from pytest_nrf_fota.firmware.smpclient_dist import (
    HEADER_SIZE_BYTES,
    SLOT_0_ADDRESS,
    SLOT_SIZE_BYTES,
    QemuCortexM0Firmware,
    unsigned_image,
)
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.qemu import QemuMachine, QemuUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.wires.probe import Core, ResetKind

_READY = r"smp_sample: build time: (?P<build_time>.*)\n"
_TIME_LIMIT_S = 30.0
_FLASH_BYTES = 256 * 1024


@pytest.fixture
def firmware(qemu_firmware: QemuCortexM0Firmware) -> QemuCortexM0Firmware:
    return qemu_firmware


@pytest.fixture
def unit(firmware: QemuCortexM0Firmware, tmp_path: Path) -> Iterator[QemuUnit]:
    unit = QemuUnit(
        load_board("qemu_cortex_m0"),
        f"qemu-{uuid.uuid4().hex[:8]}",
        QemuMachine(),
        tmp_path / "unit",
    )
    yield unit
    unit.release()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[FlightRecorder]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recording.jsonl", "qemu wires")
    yield recorder
    recorder.close()


@pytest.fixture
def wires(unit: QemuUnit, recorder: FlightRecorder) -> Iterator[Wires]:
    wires = unit.open_wires(recorder)
    yield wires
    wires.close()


@pytest.fixture
def booted(wires: Wires, firmware: QemuCortexM0Firmware) -> Wires:
    """The wires to a board that runs the baseline and has logged that it does."""
    wires.probe.recover(Core.APPLICATION, _deadline())
    wires.probe.program(firmware.merged_hex, _deadline())
    _reset_and_wait(wires)
    return wires


def _deadline() -> Deadline:
    return Deadline.after(_TIME_LIMIT_S)


def _wait_for(wires: Wires, pattern: str, since: LogPosition) -> re.Match[str]:
    deadline = _deadline()
    while True:
        seen_chars = wires.console.log.size_chars
        text = wires.console.text_since(since)
        if found := re.search(pattern, text, re.MULTILINE):
            return found
        assert wires.console.log.wait_for_more(seen_chars, deadline), f"no {pattern} in:\n{text}"


def _reset_and_wait(wires: Wires) -> LogPosition:
    since = wires.console.position()
    wires.probe.reset(ResetKind.SYSTEM, _deadline())
    _wait_for(wires, _READY, since)
    return since


def _make_update(firmware: QemuCortexM0Firmware, folder: Path, build_time: str) -> bytes:
    """Version 1.2.3 of the app, made by imgtool, whose log shows `build_time`."""
    unsigned = folder / "unsigned.bin"
    signed = folder / "signed.bin"
    unsigned.write_bytes(unsigned_image(firmware.signed_bin.read_bytes(), build_time))
    _imgtool_sign(unsigned, signed, "1.2.3")
    return signed.read_bytes()


def _imgtool_sign(unsigned: Path, signed: Path, version: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "imgtool.main", "sign", "--version", version, "--align", "4"),
            *("--header-size", hex(HEADER_SIZE_BYTES), "--slot-size", hex(SLOT_SIZE_BYTES)),
            *(str(unsigned), str(signed)),
        ],
        check=True,
        timeout=_TIME_LIMIT_S,
    )


def _qemu_process_id(unit_name: str) -> int:
    listing = subprocess.run(
        ["ps", "-ax", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    found = [
        int(line.split()[0])
        for line in listing.stdout.splitlines()
        if unit_name in line and "guard" not in line
    ]
    assert len(found) == 1
    return found[0]


def _processes_of(unit_name: str) -> list[str]:
    listing = subprocess.run(
        ["ps", "-ax", "-ww", "-o", "command"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if unit_name in line]


def _scratch_directories(processes: list[str]) -> list[Path]:
    return [Path(found) for line in processes for found in re.findall(r"unix:([^ ,]*)/gdb,", line)]


def test_imgtool_reproduces_the_shipped_image(
    firmware: QemuCortexM0Firmware, tmp_path: Path
) -> None:
    shipped = firmware.signed_bin.read_bytes()
    unsigned = tmp_path / "unsigned.bin"
    unsigned.write_bytes(unsigned_image(shipped, "Jun  3 2026 22:22:04"))
    _imgtool_sign(unsigned, tmp_path / "signed.bin", "0.0.0")
    assert (tmp_path / "signed.bin").read_bytes() == shipped


def test_programmed_firmware_boots_and_reads_back(
    booted: Wires, firmware: QemuCortexM0Firmware
) -> None:
    since = _reset_and_wait(booted)
    lines = [line.text for line in booted.console.lines_since(since)]
    assert "I: Starting bootloader" in lines
    assert "I: Image version: v0.0.0" in lines
    assert "I: Jumping to the first image slot" in lines
    assert re.search(r"build time: Jun  3 2026 22:22:04$", lines[-1])

    assert booted.probe.info(_deadline()).target == "microbit"
    app = firmware.signed_bin.read_bytes()
    assert booted.probe.read(SLOT_0_ADDRESS, len(app), _deadline()) == app
    flash = booted.probe.read(0, _FLASH_BYTES, _deadline())
    expected = IntelHex(str(firmware.merged_hex))
    expected.padding = 0xFF
    assert flash == expected.tobinstr(start=0, size=_FLASH_BYTES)
    echo = asyncio.run(_echo(booted, "still alive"))
    assert echo == "still alive", "reading must not disturb the firmware"


def test_program_erases_whole_pages_and_no_more(
    wires: Wires, firmware: QemuCortexM0Firmware, tmp_path: Path
) -> None:
    wires.probe.recover(Core.APPLICATION, _deadline())
    wires.probe.program(firmware.merged_hex, _deadline())
    before = wires.probe.read(0, _FLASH_BYTES, _deadline())
    patch = IntelHex()
    patch.puts(0x8402, b"\x12\x34")
    patch.puts(0x8BFF, b"\x56\x78")
    patch.write_hex_file(str(tmp_path / "patch.hex"))

    wires.probe.program(tmp_path / "patch.hex", _deadline())

    erased = bytearray(b"\xff" * 0xC00)
    erased[0x002:0x004] = b"\x12\x34"
    erased[0x7FF:0x801] = b"\x56\x78"
    expected = before[:0x8400] + bytes(erased) + before[0x9000:]
    assert wires.probe.read(0, _FLASH_BYTES, _deadline()) == expected


def test_recover_leaves_erased_flash_and_a_silent_board(
    booted: Wires,
) -> None:
    booted.probe.recover(Core.APPLICATION, _deadline())
    assert booted.probe.read(0, _FLASH_BYTES, _deadline()) == b"\xff" * _FLASH_BYTES
    booted.probe.reset(ResetKind.PIN, _deadline())
    assert booted.probe.info(_deadline()).runner == "qemu", "QEMU must survive a blank board"


def test_what_the_board_does_not_have_is_refused(
    wires: Wires, firmware: QemuCortexM0Firmware, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match="no network core"):
        wires.probe.recover(Core.NETWORK, _deadline())
    with pytest.raises(ProbeError, match="no external flash"):
        wires.probe.erase_external(_deadline())
    outside = IntelHex()
    outside.puts(_FLASH_BYTES - 2, b"\x01\x02\x03\x04")
    outside.write_hex_file(str(tmp_path / "outside.hex"))
    with pytest.raises(PackageError, match="outside the flash"):
        wires.probe.program(tmp_path / "outside.hex", _deadline())
    (tmp_path / "broken.hex").write_text("this is no hex file\n")
    with pytest.raises(PackageError, match="not a readable Intel hex file"):
        wires.probe.program(tmp_path / "broken.hex", _deadline())
    with pytest.raises(ProbeError):
        wires.probe.read(_FLASH_BYTES - 2, 4, _deadline())
    with pytest.raises(ProbeError, match="did not answer"):
        wires.probe.recover(Core.APPLICATION, Deadline.after(0))


def test_an_update_over_smp_runs_after_the_reset(
    booted: Wires, firmware: QemuCortexM0Firmware, tmp_path: Path
) -> None:
    update = _make_update(firmware, tmp_path, "UPDATE 1.2.3")

    async def upload_and_test() -> LogPosition:
        async with SMPClient(booted.radio.transport(), "") as client:
            baseline = await client.request(ImageStatesRead())
            assert success(baseline)
            assert [(image.slot, image.version) for image in baseline.images] == [(0, "0.0.0")]
            async for _ in client.upload(update):
                pass
            uploaded = await client.request(ImageStatesRead())
            assert success(uploaded)
            assert [(image.slot, image.version) for image in uploaded.images] == [
                (0, "0.0.0"),
                (1, "1.2.3"),
            ]
            marked = await client.request(ImageStatesWrite(hash=uploaded.images[1].hash))
            assert success(marked)
            assert marked.images[1].pending
            since = booted.console.position()
            assert success(await client.request(ResetWrite()))
            return since

    since = asyncio.run(upload_and_test())
    ready = _wait_for(booted, _READY, since)
    assert ready["build_time"].strip() == "UPDATE 1.2.3"
    log = booted.console.text_since(since)
    boot = log[log.index("I: Starting bootloader") :]
    assert "I: Image index: 0, Swap type: test\n" in boot
    assert "I: Starting swap using offset algorithm.\n" in boot
    assert "I: Image version: v1.2.3\n" in boot
    assert booted.probe.read(SLOT_0_ADDRESS, len(update), _deadline()) == update

    async def image_list() -> list[tuple[int, str, bool | None]]:
        async with SMPClient(booted.radio.transport(), "") as client:
            images = await client.request(ImageStatesRead())
            assert success(images)
            return [(image.slot, image.version, image.confirmed) for image in images.images]

    assert asyncio.run(image_list()) == [(0, "1.2.3", False), (1, "0.0.0", True)]

    since = _reset_and_wait(booted)
    reverted = booted.console.text_since(since)
    assert "I: Image index: 0, Swap type: revert\n" in reverted
    assert "I: Image version: v0.0.0\n" in reverted


async def _echo(wires: Wires, text: str) -> str:
    async with SMPClient(wires.radio.transport(), "") as client:
        answer = await client.request(EchoWrite(d=text))
        assert success(answer)
        return answer.r


def test_a_late_answer_is_not_taken_for_the_next_one(booted: Wires) -> None:
    async def abandon_then_ask() -> str:
        first = booted.radio.transport()
        await first.connect("", 1.0)
        await first.send(EchoWrite(d="abandoned").BYTES)
        # Not disconnected, as after a request that timed out; its answer is on its way.
        return await _echo(booted, "wanted")

    assert asyncio.run(abandon_then_ask()) == "wanted"


def test_frames_that_are_no_answer_are_dropped(booted: Wires) -> None:
    """Two requests in one connection: only the second one's answer counts."""

    async def ask_twice() -> bytes:
        transport = booted.radio.transport()
        await transport.connect("", 1.0)
        second = EchoWrite(d="second")
        await transport.send(EchoWrite(d="first").BYTES)
        await transport.send(second.BYTES)
        answer = await asyncio.wait_for(transport.receive(), _TIME_LIMIT_S)
        await transport.disconnect()
        return answer

    assert b"second" in asyncio.run(ask_twice())


def test_bytes_of_the_old_life_do_not_reach_the_next_boot(booted: Wires) -> None:
    """Six bytes before the app's boot line kill the receiver; a reset must bring it back."""
    since = booted.console.position()
    booted.probe.reset(ResetKind.SYSTEM, _deadline())
    _wait_for(booted, "I: Starting bootloader", since)
    booted.console.write(b"x" * 100)
    _wait_for(booted, _READY, since)
    _reset_and_wait(booted)
    assert asyncio.run(_echo(booted, "heard")) == "heard"


def test_the_end_of_qemu_is_a_lost_console(
    booted: Wires, unit: QemuUnit, recorder: FlightRecorder
) -> None:
    async def wait_for_an_answer() -> None:
        transport = booted.radio.transport()
        await transport.connect("", 1.0)
        os.kill(_qemu_process_id(unit.name), signal.SIGKILL)
        await asyncio.wait_for(transport.receive(), _TIME_LIMIT_S)

    with pytest.raises(SMPTransportDisconnected):
        asyncio.run(wait_for_an_answer())
    assert booted.console.log.closed
    with pytest.raises(ProbeError):
        booted.probe.info(_deadline())

    replacement = unit.open_wires(recorder)
    assert replacement.probe.info(_deadline()).runner == "qemu"
    replacement.close()
    unit.release()
    with pytest.raises(ProbeError):
        replacement.probe.info(_deadline())


def test_flash_outlives_the_wires_and_nothing_outlives_the_unit(
    unit: QemuUnit, recorder: FlightRecorder, firmware: QemuCortexM0Firmware
) -> None:
    first = unit.open_wires(recorder)
    first.probe.program(firmware.merged_hex, _deadline())
    first.close()
    second = unit.open_wires(recorder)
    _reset_and_wait(second)
    running = _processes_of(unit.name)
    scratch_directories = _scratch_directories(running)
    assert scratch_directories
    assert all(directory.is_dir() for directory in scratch_directories)
    second.close()

    unit.release()

    assert _processes_of(unit.name) == []
    assert not any(directory.exists() for directory in scratch_directories)


_PYTEST_TO_BE_KILLED = """
import sys, time
from pathlib import Path
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.providers.qemu import QemuMachine, QemuUnit
unit = QemuUnit(load_board("qemu_cortex_m0"), sys.argv[1], QemuMachine(), Path(sys.argv[2]))
wires = unit.open_wires(FlightRecorder())
print("open", flush=True)
time.sleep(1000)
"""


def test_sigkill_of_pytest_leaves_no_qemu(firmware: QemuCortexM0Firmware, tmp_path: Path) -> None:
    name = f"killed-{uuid.uuid4().hex[:8]}"
    holder = subprocess.Popen(
        [sys.executable, "-c", _PYTEST_TO_BE_KILLED, name, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    scratch_directories = _scratch_directories(_processes_of(name))
    assert scratch_directories

    holder.send_signal(signal.SIGKILL)
    holder.wait(_TIME_LIMIT_S)
    holder.stdout.close()

    deadline = _deadline()
    while _processes_of(name) and not deadline.expired:
        time.sleep(0.02)
    assert _processes_of(name) == []
    assert not any(directory.exists() for directory in scratch_directories)


def test_a_missing_qemu_names_the_package(tmp_path: Path) -> None:
    unit = QemuUnit(
        load_board("qemu_cortex_m0"), "missing", QemuMachine(executable="no-such-qemu"), tmp_path
    )
    with pytest.raises(RigError, match="qemu-system-arm"):
        unit.open_wires(FlightRecorder())


def test_a_qemu_that_does_not_start_tells_its_own_words(
    firmware: QemuCortexM0Firmware, tmp_path: Path
) -> None:
    unit = QemuUnit(
        load_board("qemu_cortex_m0"), "wrong", QemuMachine(machine="no-such-machine"), tmp_path
    )
    with pytest.raises(RigError, match="unsupported machine type"):
        unit.open_wires(FlightRecorder())
    assert _processes_of("no-such-machine") == []


def test_the_largest_request_fits_in_the_boards_line_buffers(booted: Wires) -> None:
    """Longer requests are lost now and then, so only the limit itself can be tested."""

    async def largest_requests() -> tuple[int, int]:
        transport = booted.radio.transport()
        before_size_bytes = transport.max_unencoded_size
        async with SMPClient(transport, ""):
            return before_size_bytes, transport.max_unencoded_size

    before_size_bytes, size_bytes = asyncio.run(largest_requests())
    assert len(list(encode(bytes(before_size_bytes), line_length=128))) == 1
    assert len(list(encode(bytes(size_bytes), line_length=128))) == 2
    assert len(list(encode(bytes(size_bytes + 1), line_length=128))) == 3
