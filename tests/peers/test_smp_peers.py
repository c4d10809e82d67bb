"""SMP clients that others wrote update the virtual kit; its UART then shows the swap."""

import asyncio
import importlib.util
import os
import selectors
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import ResetWrite
from smpclient.transport.bumble import SMPBumbleTransport
from smpclient.transport.bumble.keystore import InMemory

from pytest_nrf_fota.artifacts.demo import UPDATE_BUILD_TIME, DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.sim.control import Addresses

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="the virtual kit is POSIX only"),
]

TIME_LIMIT_S = 60.0
BOARD = load_board("nrf5340dk_sim")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    return DemoSource(BOARD, tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="module")
def update(demo: DemoSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's update file, as a client takes it."""
    (file,) = read_package(demo.app_update, package_target(BOARD)).files
    path = tmp_path_factory.mktemp("update") / file.name
    path.write_bytes(file.data)
    return path


@pytest.fixture
def kit(demo: DemoSource, tmp_path: Path) -> Iterator[Addresses]:
    """A kit's process that runs the baseline."""
    with running_kit(tmp_path / "stderr") as addresses:
        with closing(KitControl(addresses.control)) as control:
            control.program(str(demo.baseline), Deadline.after(TIME_LIMIT_S))
            control.reset("pin", Deadline.after(TIME_LIMIT_S))
        read_uart(addresses, lambda text: text.endswith("uart:~$ \x1b[m"))
        yield addresses


@contextmanager
def running_kit(error_file: Path) -> Iterator[Addresses]:
    with (
        error_file.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pytest_nrf_fota.sim", kit_settings_json(BOARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Addresses.model_validate_json(process.stdout.readline())
        finally:
            process.stdin.close()
            try:
                exit_code = process.wait(TIME_LIMIT_S)
            finally:
                process.kill()
    assert error_file.read_text() == ""
    assert exit_code == 0


def read_uart(kit: Addresses, is_enough: Callable[[str], bool]) -> str:
    """What the application core printed and no peer has read; waits until it is enough.

    Not with pyserial, which throws away what waits in the port when it opens it.
    """
    text = ""
    deadline = Deadline.after(TIME_LIMIT_S)
    port = os.open(kit.app_uart, os.O_RDONLY | os.O_NOCTTY)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(port, selectors.EVENT_READ)
            while not is_enough(text):
                assert selector.select(deadline.remaining_s), f"nothing more came after {text!r}"
                text += os.read(port, 65536).decode(errors="replace")
    finally:
        os.close(port)
    return text


def expect_swap(kit: Addresses) -> None:
    text = read_uart(kit, lambda text: f"build time: {UPDATE_BUILD_TIME}" in text)

    boot = text[text.rindex("Attempting to boot slot") :]
    assert "I: Swap type: test" in boot
    assert boot.index("I: Swap type: test") < boot.index(UPDATE_BUILD_TIME)


def image_hash(file: Path) -> bytes:
    found = McubootImage.parse(file.read_bytes()).hash
    assert found is not None
    return found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="smpmgr for smpclient 7 needs Python 3.11")
def test_smpmgr_over_the_shell_uart(
    kit: Addresses, update: Path, missing_peer: Callable[[str], NoReturn]
) -> None:
    program = shutil.which("smpmgr", path=os.fspath(Path(sys.executable).parent))
    if program is None:
        missing_peer("smpmgr is missing: install the PyPI package smpmgr")

    def smpmgr(*arguments: str) -> str:
        # Wide and without colours, or its output is broken into lines anywhere.
        environment = {**os.environ, "COLUMNS": "500", "NO_COLOR": "1", "TERM": "dumb"}
        done = subprocess.run(
            [program, "--port", kit.app_uart, *arguments],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "version='1.0.0'" in smpmgr("image", "state-read")
    smpmgr("image", "upload", str(update))
    uploaded = smpmgr("image", "state-read")
    assert "version='1.1.0'" in uploaded
    assert "pending=True" not in uploaded
    smpmgr("image", "state-write", image_hash(update).hex())
    assert "pending=True" in smpmgr("image", "state-read")
    smpmgr("os", "reset")

    expect_swap(kit)
    swapped = smpmgr("image", "state-read")
    assert swapped.index("version='1.1.0'") < swapped.index("version='1.0.0'")


def test_mcumgr_toolkit_over_the_shell_uart(
    kit: Addresses, update: Path, missing_peer: Callable[[str], NoReturn]
) -> None:
    if importlib.util.find_spec("mcumgr_toolkit") is None:
        missing_peer("mcumgr_toolkit is missing: install the PyPI package mcumgr-toolkit")
    from mcumgr_toolkit import MCUmgrClient

    def versions(client: MCUmgrClient) -> list[str]:
        return [state.version for state in client.image_get_state()]

    with MCUmgrClient.serial(kit.app_uart, timeout_ms=5000) as client:
        # Its frames now fill the server's buffer of 2475 bytes: 27 lines each.
        client.use_auto_frame_size()
        assert versions(client) == ["1.0.0"]
        client.image_upload(update.read_bytes())
        assert versions(client) == ["1.0.0", "1.1.0"]
        assert client.image_set_state(image_hash(update))[1].pending
        client.os_system_reset()

    expect_swap(kit)
    with MCUmgrClient.serial(kit.app_uart, timeout_ms=5000) as client:
        assert versions(client) == ["1.1.0", "1.0.0"]


def test_smpclient_over_the_hci_socket(kit: Addresses, update: Path) -> None:
    """smpclient's own example for BLE, on its plain bumble transport."""

    async def update_kit() -> list[str]:
        transport = SMPBumbleTransport(hci=kit.hci, keystore=InMemory())
        client = SMPClient(transport, AppDescription().advertised_name)
        await client.connect(TIME_LIMIT_S)
        try:
            states = await client.request(ImageStatesRead())
            assert success(states) and [image.version for image in states.images] == ["1.0.0"]
            async for _ in client.upload(update.read_bytes()):
                pass
            states = await client.request(ImageStatesRead())
            assert success(states)
            marked = await client.request(ImageStatesWrite(hash=states.images[1].hash))
            assert success(marked) and marked.images[1].pending
            assert success(await client.request(ResetWrite()))
            return [image.version for image in states.images]
        finally:
            # Before the reset, 250 ms later, cuts the link.
            await client.disconnect()

    versions = asyncio.run(asyncio.wait_for(update_kit(), TIME_LIMIT_S))

    assert versions == ["1.0.0", "1.1.0"]
    expect_swap(kit)
