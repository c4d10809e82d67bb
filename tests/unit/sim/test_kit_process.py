"""The kit's process, started and controlled as the provider does it."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest
import serial

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, build_provisioning
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError, KitUnreachableError
from pytest_nrf_fota.sim.control import Addresses, Reply

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the virtual kit is POSIX only")

TIME_LIMIT_S = 20.0
PROVISIONING = 0xFF8100
# As units/sim.py builds it from nrf5340dk_sim.toml.
SETTINGS = json.dumps(
    {
        "slots": {
            "primary": {"address": 0x28000, "size_bytes": 0xD8000},
            "secondary": {"address": 0x10000000, "size_bytes": 0xD8000},
            "nsib": {
                "s0": {"address": 0x8000, "size_bytes": 0xC200},
                "s1": {"address": 0x18000, "size_bytes": 0xC200},
                "provisioning_address": PROVISIONING,
            },
        },
        "ncs": "2.3",
        "flash_device": "mx25r6435f@0",
    }
)
# Stands for pytest: starts a kit whose standard input only it holds, and waits.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "pytest_nrf_fota.sim", sys.argv[1]], stdin=subprocess.PIPE)
time.sleep(1000)
"""


def soon() -> Deadline:
    return Deadline.after(TIME_LIMIT_S)


class RunningKit:
    """A kit's process, and what it announced."""

    def __init__(self, errors: IO[bytes]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest_nrf_fota.sim", SETTINGS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert self.process.stdout is not None
            line = read_available(self.process.stdout, lambda data: data.endswith(b"\n"))
            self.addresses = Addresses.model_validate_json(line)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def folder(self) -> Path:
        """Where its sockets lie."""
        return Path(self.addresses.control).parent

    def control(self) -> KitControl:
        return KitControl(self.addresses.control)

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop(self) -> int:
        """Let it end as its provider does; returns its exit code."""
        self.close_stdin()
        try:
            return self.process.wait(TIME_LIMIT_S)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def read_available(stream: IO[bytes], is_enough: Callable[[bytes], bool]) -> bytes:
    """Read until there is enough or the stream ends, but not for ever."""
    data = b""
    deadline = soon()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not is_enough(data):
            assert selector.select(deadline.remaining_s), f"nothing more came after {data!r}"
            more = os.read(stream.fileno(), 65536)
            if not more:
                break
            data += more
    return data


@contextmanager
def running_kit(error_file: Path) -> Iterator[RunningKit]:
    """A kit that must end cleanly: exit code 0, nothing on stderr, its folder gone."""
    with error_file.open("wb") as errors:
        kit = RunningKit(errors)
        try:
            yield kit
        finally:
            exit_code = kit.stop()
    assert error_file.read_text() == ""
    assert exit_code == 0
    assert not kit.folder.exists()


@pytest.fixture(scope="module")
def shared_kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKit]:
    with running_kit(tmp_path_factory.mktemp("kit") / "stderr") as kit:
        yield kit


@pytest.fixture
def kit(shared_kit: RunningKit) -> RunningKit:
    """The module's kit, as after a recovery, with an erased external flash."""
    with closing(shared_kit.control()) as control:
        control.recover("network", soon())
        control.recover("application", soon())
        control.erase_external(soon())
    return shared_kit


@pytest.fixture
def control(kit: RunningKit) -> Iterator[KitControl]:
    with closing(kit.control()) as control:
        yield control


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    return DemoSource(load_board("nrf5340dk_sim"), tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="module")
def baseline(demo: DemoSource) -> Path:
    return demo.baseline


@pytest.fixture
def hex_file(tmp_path: Path) -> Callable[..., str]:
    """Writes segments into a hex file and gives its path."""

    def write(*segments: Segment) -> str:
        path = tmp_path / "firmware.hex"
        write_hex(path, segments)
        return str(path)

    return write


def provisioning(key_hash: bytes) -> Segment:
    data = build_provisioning(0x8000, 0x18000, (key_hash,))
    return Segment(PROVISIONING + ADDRESSES_OFFSET_BYTES, data)


class TestAnnouncement:
    def test_everything_announced_is_there(self, kit: RunningKit) -> None:
        addresses = kit.addresses

        assert addresses.pid == kit.process.pid
        assert Path(addresses.app_uart).is_char_device()
        assert Path(addresses.net_uart).is_char_device()
        assert addresses.app_uart != addresses.net_uart
        assert Path(addresses.control).is_socket()
        assert addresses.hci.startswith("unix")
        assert (kit.folder / "hci").is_socket()
        assert kit.folder.stat().st_mode & 0o077 == 0

    def test_a_fresh_kit_is_held_and_blank(self, tmp_path: Path) -> None:
        with running_kit(tmp_path / "stderr") as fresh, closing(fresh.control()) as control:
            reply = control.state(soon())
            assert (reply.state, reply.operations, reply.error) == ("held", 0, "")
            assert control.read(0, 64, soon()) == b"\xff" * 64
            assert control.read(PROVISIONING, 64, soon()) == b"\xff" * 64


class TestProgramming:
    def test_what_was_programmed_can_be_read(self, control: KitControl, baseline: Path) -> None:
        control.program(str(baseline), soon())

        for segment in read_hex(baseline):
            assert control.read(segment.address, len(segment.data), soon()) == segment.data
        assert control.state(soon()).state == "held"

    def test_the_same_file_again_verifies(self, control: KitControl, baseline: Path) -> None:
        control.program(str(baseline), soon())
        control.program(str(baseline), soon())

    def test_other_data_in_uicr_needs_a_recovery(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        control.program(hex_file(provisioning(bytes(range(16)))), soon())
        other = hex_file(provisioning(bytes(range(16, 32))))

        with pytest.raises(KitRefusedError, match=r"verify failed .*UICR"):
            control.program(other, soon())

        control.recover("application", soon())
        control.program(other, soon())
        assert control.read(PROVISIONING + 0x38, 16, soon()) == bytes(range(16, 32))

    def test_after_a_boot_the_used_counter_makes_the_verification_fail(
        self, control: KitControl, baseline: Path
    ) -> None:
        control.program(str(baseline), soon())
        control.reset("pin", soon())

        with pytest.raises(KitRefusedError, match="verify failed"):
            control.program(str(baseline), soon())

    def test_flash_is_erased_where_it_is_programmed_and_nowhere_else(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        control.program(hex_file(Segment(0x8000, bytes(0x3000))), soon())

        control.program(hex_file(Segment(0x9100, b"\x5a" * 6)), soon())

        assert control.read(0x8000, 0x1000, soon()) == bytes(0x1000)
        page = control.read(0x9000, 0x1000, soon())
        assert page == b"\xff" * 0x100 + b"\x5a" * 6 + b"\xff" * 0xEFA
        assert control.read(0xA000, 0x1000, soon()) == bytes(0x1000)

    def test_bytes_need_not_be_word_aligned(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        control.program(hex_file(Segment(0x8001, b"abcdef")), soon())

        assert control.read(0x8000, 8, soon()) == b"\xffabcdef\xff"

    def test_external_flash_can_be_programmed(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        control.program(hex_file(Segment(0x10000000, b"secondary")), soon())

        assert control.read(0x10000000, 9, soon()) == b"secondary"

    @pytest.mark.parametrize("address", [0x100000 - 4, 0x20000000, 0xFF8800])
    def test_data_outside_the_memories_is_refused(
        self, control: KitControl, hex_file: Callable[..., str], address: int
    ) -> None:
        with pytest.raises(KitRefusedError, match=f"no memory at 0x{address:x}"):
            control.program(hex_file(Segment(address, bytes(8))), soon())

    def test_a_path_without_file_is_refused(self, control: KitControl, tmp_path: Path) -> None:
        with pytest.raises(KitRefusedError, match="does not exist"):
            control.program(str(tmp_path / "merged.hex"), soon())

    def test_a_file_that_is_no_hex_file_is_refused(
        self, control: KitControl, tmp_path: Path
    ) -> None:
        (tmp_path / "merged.hex").write_bytes(b"\x00\xff" * 100)

        with pytest.raises(KitRefusedError, match="not an Intel hex file"):
            control.program(str(tmp_path / "merged.hex"), soon())


class TestRecovery:
    ADDRESSES = (0x8000, 0xFF8000, 0x01000000, 0x01FF8000, 0x10000000)

    @pytest.mark.parametrize(
        ("core", "erased"),
        [
            ("application", {0x8000, 0xFF8000}),
            ("network", {0x8000, 0x01000000, 0x01FF8000}),
        ],
    )
    def test_each_core_takes_its_own_and_the_network_core_also_the_others_flash(
        self,
        control: KitControl,
        hex_file: Callable[..., str],
        core: str,
        erased: set[int],
    ) -> None:
        control.program(
            hex_file(*(Segment(address, b"kept") for address in self.ADDRESSES)), soon()
        )

        control.recover(core, soon())

        for address in self.ADDRESSES:
            content = b"\xff\xff\xff\xff" if address in erased else b"kept"
            assert control.read(address, 4, soon()) == content, hex(address)

    def test_external_flash_is_erased_on_its_own(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        control.program(
            hex_file(Segment(0x8000, b"kept"), Segment(0x10000000 + 0x7FFFFC, b"gone")), soon()
        )

        control.erase_external(soon())

        assert control.read(0x8000, 4, soon()) == b"kept"
        assert control.read(0x107FFFFC, 4, soon()) == b"\xff" * 4


class TestReset:
    def test_the_baseline_boots(self, kit: RunningKit, control: KitControl, baseline: Path) -> None:
        control.program(str(baseline), soon())
        with serial.Serial(kit.addresses.app_uart, timeout=TIME_LIMIT_S) as uart:
            uart.reset_input_buffer()
            control.reset("system", soon())
            text = uart.read_until(b"uart:~$ ").decode()

        assert control.state(soon()).state == "running"
        wanted = [
            "Attempting to boot slot 0.",
            "Firmware version 14",
            "I: Starting bootloader 14",
            "I: Bootloader chainload address offset: 0x28000",
            "Advertising successfully started",
        ]
        positions = [text.find(line) for line in wanted]
        assert -1 not in positions, text
        assert positions == sorted(positions)
        assert text.count("*** Booting Zephyr OS build v3.2.99-ncs2 ***\r\n") == 3

    def test_the_network_core_shows_its_banner_on_its_own_uart(
        self, kit: RunningKit, control: KitControl, baseline: Path
    ) -> None:
        control.program(str(baseline), soon())
        with serial.Serial(kit.addresses.net_uart, timeout=TIME_LIMIT_S) as uart:
            uart.reset_input_buffer()
            control.reset("pin", soon())

            assert uart.read_until(b"\n").startswith(b"*** Booting Zephyr OS build")

    def test_the_shell_answers_and_can_reboot(
        self, kit: RunningKit, control: KitControl, baseline: Path
    ) -> None:
        control.program(str(baseline), soon())
        with serial.Serial(kit.addresses.app_uart, timeout=TIME_LIMIT_S) as uart:
            uart.reset_input_buffer()
            control.reset("pin", soon())
            uart.read_until(b"uart:~$ ")
            uart.write(b"flash erase mx25r6435f@0 0 1000\r")
            assert uart.read_until(b"success.").endswith(b"Erase success.")

            uart.write(b"kernel reboot cold\r")
            assert b"Attempting to boot slot 0." in uart.read_until(b"Advertising successfully")

    def test_a_blank_kit_halts_and_says_why(self, control: KitControl) -> None:
        control.reset("pin", soon())

        assert control.state(soon()).state.startswith("halted: no bootloader at address 0")

    def test_programming_holds_the_running_kit(
        self, control: KitControl, baseline: Path, hex_file: Callable[..., str]
    ) -> None:
        control.program(str(baseline), soon())
        control.reset("pin", soon())
        assert control.state(soon()).state == "running"

        control.program(hex_file(Segment(0x10000000, b"secondary")), soon())

        assert control.state(soon()).state == "held"

    def test_a_bootloader_that_faults_halts_the_kit_and_not_its_process(
        self, control: KitControl, baseline: Path, hex_file: Callable[..., str]
    ) -> None:
        # A swap under way, the first sector moved, but a swap size beyond every slot.
        primary_end = 0x28000 + 0xD8000
        status = Segment(primary_end - 3120, b"\x01\xff\xff\xff")
        swap_size = Segment(primary_end - 48, b"\xff\xff\xff\x7f")
        magic = Segment(primary_end - 16, bytes.fromhex("77c295f360d2ef7f3552500f2cb67980"))
        # Without an update's header MCUboot would leave the swap alone.
        update = Segment(0x10000000, bytes.fromhex("3db8f396").ljust(32, b"\0"))
        segments = (*read_hex(baseline), status, swap_size, magic, update)
        control.program(hex_file(*segments), soon())

        control.reset("pin", soon())

        assert control.state(soon()).state.startswith("halted: a boot stage faulted")
        control.recover("application", soon())
        assert control.state(soon()).state == "held"

    def test_the_state_counts_flash_operations_and_time(
        self, control: KitControl, hex_file: Callable[..., str]
    ) -> None:
        before = control.state(soon())

        control.program(hex_file(Segment(0x8000, bytes(4))), soon())

        after = control.state(soon())
        assert after.operations == before.operations + 1
        assert after.uptime_s > before.uptime_s


class TestRequests:
    @pytest.mark.parametrize(
        ("address", "size_bytes"), [(0x20000010, 4), (0x100000 - 4, 8), (-4, 4)]
    )
    def test_reading_outside_the_memories_is_refused(
        self, control: KitControl, address: int, size_bytes: int
    ) -> None:
        with pytest.raises(KitRefusedError, match="no memory"):
            control.read(address, size_bytes, soon())

    def test_the_whole_external_flash_can_be_read_at_once(self, control: KitControl) -> None:
        assert control.read(0x10000000, 0x800000, soon()) == b"\xff" * 0x800000

    @pytest.mark.parametrize(
        "request_",
        [
            b"garbage",
            b"{}",
            b"[]",
            b"\xff\xfe\x00",
            b'{"command": "explode"}',
            b'{"command": "recover", "core": "third"}',
            b'{"command": "read", "address": 0, "size_bytes": -1}',
            b'{"command": "read", "address": 0, "size_bytes": 99999999}',
            b'{"command": "reset", "kind": "pin", "extra": 1}',
        ],
    )
    def test_garbage_gets_an_error_and_the_connection_goes_on(
        self, kit: RunningKit, request_: bytes
    ) -> None:
        with closing(connect(kit)) as client:
            lines = client.makefile("rb")

            client.sendall(request_ + b"\n")
            assert Reply.model_validate_json(lines.readline()).error.startswith("not a request")

            client.sendall(b'{"command": "state"}\n')
            assert Reply.model_validate_json(lines.readline()).state == "held"

    def test_a_line_beyond_all_limits_ends_only_its_connection(
        self, kit: RunningKit, control: KitControl
    ) -> None:
        with closing(connect(kit)) as client:
            try:
                client.sendall(b"x" * 4 * 1024 * 1024)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass

        assert control.state(soon()).state == "held"

    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param(b"", id="at once"),
            pytest.param(b'{"command": "rec', id="in the middle of a request"),
            pytest.param(
                b'{"command": "read", "address": 268435456, "size_bytes": 8388608}\n',
                id="before a long answer",
            ),
            pytest.param(
                b'{"command": "read", "address": 268435456, "size_bytes": 1048576}\n' * 20,
                id="with more requests to come",
            ),
        ],
    )
    def test_a_client_that_goes_away_disturbs_nobody(
        self, kit: RunningKit, control: KitControl, sent: bytes
    ) -> None:
        client = connect(kit)
        client.sendall(sent)
        client.close()

        assert control.state(soon()).state == "held"
        with closing(kit.control()) as another:
            assert another.state(soon()).state == "held"

    def test_requests_of_two_clients_are_served_one_after_the_other(
        self, kit: RunningKit, control: KitControl, baseline: Path
    ) -> None:
        with closing(connect(kit)) as client:
            request = {"command": "program", "hex_file": str(baseline)}
            client.sendall(json.dumps(request).encode() + b"\n")
            lines = client.makefile("rb")

            for _ in range(5):
                assert control.state(soon()).state == "held"
            assert Reply.model_validate_json(lines.readline()) == Reply()

        assert control.read(0x28000, 4, soon()) == b"\x3d\xb8\xf3\x96"

    def test_an_answer_that_comes_too_late_is_not_waited_for(self, kit: RunningKit) -> None:
        with closing(kit.control()) as control:
            with pytest.raises(KitUnreachableError, match="did not answer 'erase_external'"):
                control.erase_external(Deadline.after(0.0))
            # The late answer must not be taken for the next request's.
            with pytest.raises(KitUnreachableError):
                control.state(soon())

    def test_without_a_kit_nobody_answers(self, tmp_path: Path) -> None:
        with pytest.raises(KitUnreachableError, match="no kit listens"):
            KitControl(str(tmp_path / "control"))


def connect(kit: RunningKit) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(TIME_LIMIT_S)
    client.connect(kit.addresses.control)
    return client


class TestEnd:
    @pytest.mark.parametrize("runs_application", [False, True])
    @pytest.mark.parametrize("how", ["stdin", "SIGTERM"])
    def test_nothing_is_left(
        self, tmp_path: Path, baseline: Path, how: str, runs_application: bool
    ) -> None:
        with running_kit(tmp_path / "stderr") as kit, closing(kit.control()) as control:
            if runs_application:
                control.program(str(baseline), soon())
                control.reset("pin", soon())
            else:
                control.state(soon())

            if how == "stdin":
                kit.close_stdin()
            else:
                kit.process.send_signal(signal.Signals[how])

            assert kit.process.wait(TIME_LIMIT_S) == 0
            assert not kit.folder.exists()
            with pytest.raises(KitUnreachableError):
                control.state(soon())

    def test_ctrl_c_in_its_terminal_is_for_who_started_it(
        self, tmp_path: Path, baseline: Path
    ) -> None:
        with running_kit(tmp_path / "stderr") as kit, closing(kit.control()) as control:
            control.state(soon())
            kit.process.send_signal(signal.SIGINT)
            control.program(str(baseline), soon())
            control.reset("pin", soon())
            # A new connection, too.
            with closing(kit.control()) as another:
                assert another.state(soon()).state == "running"
            assert kit.process.poll() is None

    def test_it_ends_while_a_client_waits_for_a_long_answer(self, tmp_path: Path) -> None:
        with running_kit(tmp_path / "stderr") as kit, closing(connect(kit)) as client:
            client.sendall(
                b'{"command": "read", "address": 268435456, "size_bytes": 8388608}\n' * 8
            )

            kit.close_stdin()

            assert kit.process.wait(TIME_LIMIT_S) == 0

    def test_it_ends_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        with (tmp_path / "stderr").open("wb") as errors:
            parent = subprocess.Popen(
                [sys.executable, "-c", PARENT, SETTINGS], stdout=subprocess.PIPE, stderr=errors
            )
        assert parent.stdout is not None
        with parent.stdout:
            try:
                line = read_available(parent.stdout, lambda data: data.endswith(b"\n"))
            finally:
                parent.kill()
                parent.wait()
            # Only the kit holds the other end of this pipe now.
            assert read_available(parent.stdout, lambda data: False) == b""
        folder = Path(Addresses.model_validate_json(line).control).parent
        assert not folder.exists()
        assert (tmp_path / "stderr").read_bytes() == b""


def test_two_kits_have_nothing_in_common(
    kit: RunningKit, control: KitControl, tmp_path: Path, hex_file: Callable[..., str]
) -> None:
    with running_kit(tmp_path / "stderr") as second, closing(second.control()) as other:
        first_addresses = set(kit.addresses.model_dump(exclude={"state"}).values())
        second_addresses = second.addresses.model_dump(exclude={"state"}).values()
        assert first_addresses.isdisjoint(second_addresses)

        other.program(hex_file(Segment(0x8000, b"mine")), soon())

        assert other.read(0x8000, 4, soon()) == b"mine"
        assert control.read(0x8000, 4, soon()) == b"\xff" * 4

    assert control.state(soon()).state == "held"


class TestMisspelt:
    """What the kit has no name for is refused before it is sent."""

    def test_core_and_reset_are_refused_with_the_names_there_are(self, control: KitControl) -> None:
        with pytest.raises(KitRefusedError, match="application or network"):
            control.recover("modem", soon())
        with pytest.raises(KitRefusedError, match="system or pin"):
            control.reset("hard", soon())
