"""What a description makes the application do, seen from outside: on its UART and on the air."""

import asyncio
import os
import re
import selectors
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from pydantic import TypeAdapter
from smp.error import MGMT_ERR
from smp.header import Header
from smp.os_management import ResetWriteRequest
from smpclient import SMPClient
from smpclient.generics import error_v1, success
from smpclient.requests.os_management import (
    BootloaderInformationRead,
    EchoWrite,
    MCUMgrParametersRead,
    OSApplicationInfoRead,
)
from smpclient.requests.shell_management import Execute
from smpclient.transport.bumble import SMPBumbleTransport
from smpclient.transport.bumble.keystore import InMemory
from smpclient.transport.bumble.scan import ScanAll

from pytest_nrf_fota.artifacts.demo import BASELINE_BUILD_TIME, DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.firmware.description import READY_WITHOUT_BLUETOOTH, AppDescription
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC
from pytest_nrf_fota.providers.sim import SimUnit, kit_settings_json
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.app.console_smp import SmpLineTap, encode_answer
from pytest_nrf_fota.sim.app.fatal_error import MPU_FAULT
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.sim.kit import Kit as VirtualKit
from pytest_nrf_fota.sim.kit import KitSettings
from pytest_nrf_fota.smp.host_radio import BumbleRadio
from pytest_nrf_fota.verdict.evidence import Outcome, assert_upgraded
from pytest_nrf_fota.wires.probe import ResetKind

TIME_LIMIT_S = 20.0
BOARD = load_board("nrf5340dk_sim")
ADVERTISING = "Advertising successfully started"


class Kit:
    """A kit that has booted one application."""

    def __init__(self, unit: SimUnit, folder: Path, app: AppDescription, board: BoardType) -> None:
        wires = unit.open_wires(FlightRecorder())
        try:
            self._port = wires.console.port
            assert isinstance(wires.radio, BumbleRadio)
            self.hci = wires.radio.description.removeprefix("BLE through HCI ")
            baseline = DemoSource(board, folder, app).baseline
            wires.probe.program(baseline, Deadline.after(TIME_LIMIT_S))
        finally:
            wires.close()
        self._control_address = unit.control_address

    def reset(self) -> None:
        control = KitControl(self._control_address)
        try:
            control.reset(ResetKind.PIN.value, Deadline.after(TIME_LIMIT_S))
        finally:
            control.close()

    def read(self, is_enough: Callable[[str], bool]) -> str:
        """What the application core's UART prints, until it is enough."""
        text = ""
        deadline = Deadline.after(TIME_LIMIT_S)
        port = os.open(self._port, os.O_RDONLY | os.O_NOCTTY)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(port, selectors.EVENT_READ)
                while not is_enough(text):
                    assert selector.select(deadline.remaining_s), f"nothing came after {text!r}"
                    text += os.read(port, 65536).decode(errors="replace")
        finally:
            os.close(port)
        return text

    def read_waiting(self) -> str:
        """What the application core's UART has printed and nobody has read."""
        port = os.open(self._port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return os.read(port, 65536).decode(errors="replace")
        except BlockingIOError:
            return ""
        finally:
            os.close(port)

    def type(self, text: str) -> None:
        port = os.open(self._port, os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(port, text.encode())
        finally:
            os.close(port)

    def names_on_air(self) -> list[str | None]:
        async def scan() -> list[str | None]:
            results = await SMPBumbleTransport.scan(hci=self.hci, mode=ScanAll(), timeout_s=0.5)
            return [result.name for result in results]

        return asyncio.run(scan())


@contextmanager
def kit_with(app: AppDescription, folder: Path, board: BoardType = BOARD) -> Iterator[Kit]:
    unit = SimUnit(board, "kit", folder / "unit")
    try:
        kit = Kit(unit, folder, app, board)
        kit.reset()
        yield kit
    finally:
        unit.release()
    assert (folder / "unit" / "kit.log").read_text() == ""


def test_a_hang_ends_the_boot_after_its_line(tmp_path: Path) -> None:
    app = AppDescription(build_time="now", hangs_after="HCI: version")
    with kit_with(app, tmp_path) as kit:
        text = kit.read(lambda text: "HCI: version" in text)
        assert kit.names_on_air() == []
        kit.type("kernel version\r")
        # The reset was answered when the boot was over: what waits now is all.
        text += kit.read_waiting()

    assert text.count("HCI: version") == 1
    assert "LMP: version" not in text
    assert "uart:~$" not in text


def test_without_bluetooth_the_boot_ends_without_a_word_of_it(tmp_path: Path) -> None:
    """Nothing is on the air, and SMP answers on the UART."""
    with kit_with(AppDescription(bluetooth=False), tmp_path) as kit:
        text = kit.read(lambda text: READY_WITHOUT_BLUETOOTH in text and "uart:~$" in text)
        assert kit.names_on_air() == []
        kit.type("\r" + encode_answer(EchoWrite(d="on the UART").BYTES).decode())
        kit.read(lambda text: "\x06\x09" in text)
    assert "HCI" not in text
    assert ADVERTISING not in text


def _until_third(text: str, line: str) -> str:
    """The kit boots on and on; whoever reads late has read of more boots."""
    return line.join(text.split(line)[:3]) + line


def test_an_mpu_fault_is_dumped_in_each_boot_anew(tmp_path: Path) -> None:
    with kit_with(AppDescription(mpu_fault_after="Bluetooth initialized"), tmp_path) as kit:
        text = kit.read(lambda text: text.count("fatal_error: Resetting system") >= 3)
    text = _until_third(text, "fatal_error: Resetting system")

    assert text.count("Attempting to boot slot") == 3
    boot = text[text.rindex("Attempting to boot slot") :]
    for line in MPU_FAULT:
        assert re.search(r"\[\d\d:\d\d:\d\d\.\d{3},\d{3}\] <err> os: " + re.escape(line), boot)
    assert ADVERTISING not in text


def test_the_watchdog_resets_without_a_word(tmp_path: Path) -> None:
    with kit_with(AppDescription(watchdog_reset_after_s=0.2), tmp_path) as kit:
        text = kit.read(lambda text: text.count(ADVERTISING) >= 3)
    text = _until_third(text, ADVERTISING)

    assert text.count("Attempting to boot slot") == 3
    assert "<err>" not in text


def test_the_watchdog_counts_the_kits_time(tmp_path: Path) -> None:
    """An erase of the whole external flash takes 52 s."""
    with kit_with(AppDescription(watchdog_reset_after_s=50.0), tmp_path) as kit:
        text = kit.read(lambda text: text.endswith("uart:~$ \x1b[m"))
        assert text.count("Attempting to boot slot") == 1
        kit.type("flash erase mx25r6435f@0 0 800000\r")
        text = kit.read(lambda text: ADVERTISING in text)

    assert text.index("Erase success.") < text.index("Attempting to boot slot")


def test_an_application_that_never_advertises(tmp_path: Path) -> None:
    with kit_with(AppDescription(advertises=False), tmp_path) as kit:
        text = kit.read(lambda text: text.endswith("uart:~$ \x1b[m"))
        assert kit.names_on_air() == []

    assert f"build time: {BASELINE_BUILD_TIME}" in text
    assert ADVERTISING not in text


def test_another_name_on_the_air(tmp_path: Path) -> None:
    app = AppDescription(advertised_name="ours", name_on_air="Nordic_UART_Service")
    with kit_with(app, tmp_path) as kit:
        assert kit.names_on_air() == ["Nordic_UART_Service"]


def test_smp_settings_reach_the_server(tmp_path: Path) -> None:
    app = AppDescription(
        advertised_name="ours",
        smp_buffer_size_bytes=384,
        smp_buffer_count=6,
        smp_os_info=True,
        smp_bootloader_info=True,
        bootloader_mode="overwrite_only",
        smp_shell_exec=True,
    )

    async def ask(hci: str) -> None:
        transport = SMPBumbleTransport(hci=hci, keystore=InMemory())
        client = SMPClient(transport, "ours")
        await client.connect(TIME_LIMIT_S)
        try:
            parameters = await client.request(MCUMgrParametersRead())
            assert success(parameters)
            assert (parameters.buf_size, parameters.buf_count) == (384, 6)
            info = await client.request(OSApplicationInfoRead(format="n"))
            assert success(info) and info.output == "ours"
            assert success(await client.request(BootloaderInformationRead()))
            # smp's response model wants the bootloader's name in this answer too.
            mode = BootloaderInformationRead(query="mode")
            answer = await transport.send_and_receive(mode.BYTES)
            assert cbor2.loads(answer[Header.SIZE :]) == {"mode": 2}
            shell = await client.request(Execute(argv=["kernel", "version"]))
            assert success(shell) and shell.o == "Zephyr version 3.2.99\r\n"
        finally:
            await client.disconnect()

    with kit_with(app, tmp_path) as kit:
        asyncio.run(asyncio.wait_for(ask(kit.hci), TIME_LIMIT_S))


def test_builds_without_reassembly_or_parameters(tmp_path: Path) -> None:
    """Each write is a message then, and nothing tells how long one may be."""
    app = AppDescription(advertised_name="ours", smp_reassembly=False, smp_parameters=False)

    async def ask(hci: str) -> None:
        transport = SMPBumbleTransport(hci=hci, keystore=InMemory())
        client = SMPClient(transport, "ours")
        await client.connect(TIME_LIMIT_S)
        try:
            parameters = await client.request(MCUMgrParametersRead())
            assert error_v1(parameters) and parameters.rc == MGMT_ERR.ENOTSUP
            short, long = EchoWrite(d="short"), EchoWrite(d="x" * transport.mtu)
            answer = await client.request(short)
            assert success(answer) and answer.r == "short"
            refusal = await client.request(long)
            assert error_v1(refusal) and refusal.rc == MGMT_ERR.ECORRUPT
        finally:
            await client.disconnect()

    with kit_with(app, tmp_path) as kit:
        asyncio.run(asyncio.wait_for(ask(kit.hci), TIME_LIMIT_S))


@pytest.mark.parametrize(
    ("ncs", "no_operation", "unknown_query", "offset_after_refusal"),
    [
        ("2.3", {"rc": 3}, {"rc": 3}, 96),
        ("2.6", {"rc": 8}, {"rc": 3}, 0),
        ("3.0", {"rc": 8}, {"err": {"group": 0, "rc": 3}}, 0),
    ],
)
def test_the_server_answers_as_its_release(
    tmp_path: Path,
    ncs: str,
    no_operation: dict[str, object],
    unknown_query: dict[str, object],
    offset_after_refusal: int,
) -> None:
    app = AppDescription(advertised_name="ours", smp_bootloader_info=True)
    board = BOARD.model_copy(update={"boot": BOARD.boot.model_copy(update={"ncs": ncs})})
    # Of an image the server wants to see no more than that it begins like one.
    image = IMAGE_MAGIC.to_bytes(4, "little") + bytes(1020)

    async def ask(hci: str) -> None:
        transport = SMPBumbleTransport(hci=hci, keystore=InMemory())
        client = SMPClient(transport, "ours")

        async def answer(op: int, group: int, command: int, content: object) -> dict[str, object]:
            body = cbor2.dumps(content)
            header = struct.pack("!BBHHBB", op | 8, 0, len(body), group, 1, command)
            frame = await transport.send_and_receive(header + body)
            answered = cbor2.loads(frame[Header.SIZE :])
            assert isinstance(answered, dict)
            return answered

        await client.connect(TIME_LIMIT_S)
        try:
            assert await answer(4, 0, 0, {"d": "x"}) == no_operation
            assert await answer(0, 0, 8, {"query": "colour"}) == unknown_query
            first = {"off": 0, "len": len(image), "data": image[:64]}
            assert (await answer(2, 1, 1, first))["off"] == 64
            assert "off" not in await answer(2, 1, 1, {"data": image[64:96]})
            second = {"off": 64, "data": image[64:96]}
            assert (await answer(2, 1, 1, second))["off"] == offset_after_refusal
        finally:
            await client.disconnect()

    with kit_with(app, tmp_path, board) as kit:
        asyncio.run(asyncio.wait_for(ask(kit.hci), TIME_LIMIT_S))


@pytest.mark.parametrize("speed", [None, 20.0])
def test_a_reset_comes_250_ms_of_the_kits_time_after_its_answer(
    tmp_path: Path, speed: float | None
) -> None:
    baseline = read_hex(DemoSource(BOARD, tmp_path).baseline)
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(BOARD))
    answer = SmpLineTap()

    async def reset() -> tuple[float, float]:
        kit = VirtualKit(replace(settings, speed=speed), f"unix:{tmp_path / 'hci'}")
        await kit.start()
        port = os.open(kit.app_uart.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        times: list[float] = []
        booted_again = asyncio.Event()

        def take() -> None:
            data = os.read(port, 65536)
            if answer.divide(data)[1]:
                times.append(kit.clock.now_s)
            if times and b"Attempting to boot slot" in data:
                times.append(kit.clock.now_s)
                booted_again.set()

        try:
            await kit.program(baseline)
            await kit.reset()
            asyncio.get_running_loop().add_reader(port, take)
            asked_s = kit.clock.now_s
            os.write(port, encode_answer(ResetWriteRequest().BYTES))
            await booted_again.wait()
        finally:
            asyncio.get_running_loop().remove_reader(port)
            os.close(port)
            await kit.close()
        return asked_s, times[-1]

    asked_s, booted_s = asyncio.run(asyncio.wait_for(reset(), TIME_LIMIT_S))
    assert booted_s - asked_s >= 0.25


@pytest.mark.parametrize("confirms", [True, False])
def test_a_trial_stays_only_where_the_application_confirms_itself(
    tmp_path: Path, confirms: bool
) -> None:
    recorder = FlightRecorder()
    unit = SimUnit(BOARD, "kit", tmp_path / "unit")
    try:
        dut = Dut(BOARD, unit.name, unit.open_wires(recorder), recorder)
        try:
            app = AppDescription(confirms_itself=confirms)
            firmware = DemoSource(BOARD, tmp_path / "firmware", app)
            dut.prepare(firmware.baseline)
            upgrade = dut.start_upgrade(firmware.app_update)
            upgrade.upload()
            upgrade.set_pending()
            upgrade.reset()
            assert_upgraded(upgrade.verdict())
            dut.reset()
            verdict = upgrade.verdict()
        finally:
            dut.close()
    finally:
        unit.release()

    assert (verdict.outcome is Outcome.UPGRADED) == confirms, str(verdict)
    assert ("reverted to the old application" in verdict.reason) != confirms


@pytest.mark.parametrize("shares_uart", [True, False])
def test_smp_on_the_uart_can_be_left_out(tmp_path: Path, shares_uart: bool) -> None:
    with kit_with(AppDescription(console_smp=shares_uart), tmp_path) as kit:
        kit.read(lambda text: text.endswith("uart:~$ \x1b[m"))
        # A frame's line is a command like any other to a shell that knows of no frames.
        kit.type("\x06\x09AAAA\nversion\r")
        text = kit.read(lambda text: "version: command not found" in text)

    assert ("AAAA: command not found" in text) == (not shares_uart)


def test_a_boot_may_be_cut_short_at_any_moment(tmp_path: Path) -> None:
    """Neither bumble nor the event loop has anything to complain about."""
    baseline = read_hex(DemoSource(BOARD, tmp_path).baseline)
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(BOARD))
    complaints: list[str] = []

    async def cut_boots_short() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: complaints.append(str(context))
        )
        kit = VirtualKit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            await kit.program(baseline)
            for steps in range(40):
                boot = asyncio.create_task(kit.reset())
                for _ in range(steps):
                    await asyncio.sleep(0)
                boot.cancel()
                await asyncio.gather(boot, return_exceptions=True)
            await asyncio.wait_for(kit.reset(), TIME_LIMIT_S)
        finally:
            await kit.close()

    asyncio.run(cut_boots_short())
    assert complaints == []
