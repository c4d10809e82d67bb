"""The package of docs/extending.md: installed, seen by pytest and by the commands, and used."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.extensions import extension_names, session_plugins
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.providers.kit_wires import vcom_memory
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.events import ProbeOperation
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.smp.host_radio import HciController

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]

Command = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PACKAGE, _, OTHER_HOOKS = GUIDE.partition("## A provider")
LOG = """*** Booting Zephyr OS build v3.2.99-ncs2 ***
[00:00:00.250,000] <inf> app: tracker starts
[00:00:05.120,000] <err> acme_modem: no answer after 7 s, modem off
"""
# acmeprog as its probe calls it, in front of a virtual kit.
ACMEPROG = """#!{python}
import sys
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.sim.client import KitControl
arguments = sys.argv[1:]
if arguments == ["version"]:
    print("acmeprog 3.1"); sys.exit()
if arguments == ["list"]:
    print("0010500474"); sys.exit()
assert arguments[:2] == ["--serial", "0010500474"], arguments
verb, *rest = arguments[2:]
kit, limit = KitControl({control}), Deadline.after(60)
if verb == "recover":
    kit.recover(rest[0], limit)
elif verb == "program":
    kit.program(rest[0], limit)
elif verb == "read":
    print(kit.read(int(rest[0]), int(rest[1]), limit).hex())
elif verb == "resume":
    kit.resume(rest[0], limit)
elif verb == "reset":
    kit.reset(rest[0], limit)
elif verb == "version":
    print("acmeprog 3.1")
else:
    sys.exit(f"acmeprog: no such command: {{verb}}")
"""
RACK = """
from pathlib import Path
from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.providers.provider import Provider

def pytest_nrf_fota_board_folders():
    return [Path({folder!r})]

def pytest_nrf_fota_providers():
    interfaces = frozenset({{Interface.BLUETOOTH, Interface.CONSOLE}})
    return [Provider("acme_rack", interfaces, is_kit=True, has_probe_tool=True, take=print)]
"""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def put_program(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "acmeprog").write_text(text)
    (folder / "acmeprog").chmod(0o755)


def test_guide_quotes_the_package() -> None:
    """Each piece of code stands in one of its files as it stands in the guide."""
    folder = ROOT / "tests" / "plugin" / "extending" / "acme_nrf"
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".toml")]
    texts = [path.read_text(encoding="utf-8") for path in files]
    quoted = [*blocks(PACKAGE, "python"), *blocks(PACKAGE, "toml")]
    assert len(quoted) == 7
    assert [q for q in quoted if not any(q in text for text in texts)] == []


def test_upgrade_on_its_board(example: pytest.Pytester) -> None:
    """By name, as if it were packaged; the header names the package."""
    result = example.runpytest_subprocess("--board=acme_tracker_sim")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "nrf-fota: board acme_tracker_sim (Acme tracker, virtual)",
            "nrf-fota: extensions acme (acme-nrf 1.0)",
        ]
    )


def test_commands_know_its_boards(example: pytest.Pytester, nrf_fota: Command) -> None:
    """Among those without hardware; a west platform of it is one, too."""
    assert "acme_tracker_sim" in nrf_fota("boards").stdout
    named = nrf_fota("doctor", "--board=acme_tracker/nrf5340/cpuapp", "--json")
    assert '"name": "acme_tracker"' in named.stdout, named.stderr
    assert '"found": "acme (acme-nrf 1.0)"' in named.stdout


def test_doctor_looks_for_its_probe_tool(
    example: pytest.Pytester, nrf_fota: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, with the remedy that the package has; then there."""
    missing = nrf_fota("doctor", "--board=acme_tracker").stdout
    assert "acmeprog: not on the PATH" in " ".join(missing.split())
    assert "sudo apt install acmeprog" in missing
    put_program(example.path / "bin", "#!/bin/sh\necho acmeprog 3.1\n")
    monkeypatch.setenv("PATH", f"{example.path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    there = nrf_fota("doctor", "--board=nrf5340dk", "--runner=acmeprog").stdout
    assert "acmeprog 3.1" in there
    assert "J-Link library" not in there


def test_doctor_looks_for_the_tool_of_another_packages_provider(
    user_folder: pytest.Pytester, nrf_fota: Command, install: Callable[[str, str], None]
) -> None:
    """Which takes `--runner`, so what is named there must work."""
    install("acme_rack", RACK.format(folder=str(user_folder.path)))
    (user_folder.path / "rack.toml").write_text(
        'name = "rack"\nbase = "nrf5340dk"\nprovider = "acme_rack"\n'
    )
    looked = nrf_fota("doctor", "--board=rack", "--runner=nrfutil")
    assert looked.returncode == 1, looked.stderr
    assert "probe tool nrfutil: " in looked.stdout and "kit: " not in looked.stdout


def test_its_probe_tool_on_a_virtual_kit(
    example: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's way to try a tool: an upgrade whose SWD is the program."""
    program = ACMEPROG.format(
        python=sys.executable, control='__import__("os").environ["ACMEPROG_KIT"]'
    )
    put_program(example.path / "bin", program)
    monkeypatch.setenv("PATH", f"{example.path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    result = example.runpytest_subprocess("--board=acme_tracker_bench")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*SWD: *new *"])


def test_runner_takes_it_and_names_it(example: pytest.Pytester, nrf_fota: Command) -> None:
    """A name that nobody has is refused with all that somebody has."""
    known = "auto, nrfutil, nrfjprog, pynrfjprog, acmeprog"
    result = example.runpytest_subprocess("--board=nrf5340dk", "--runner=acmepog")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*There is no probe tool named 'acmepog'.*", f"*Known tools: {known}."]
    )
    refused = nrf_fota("doctor", "--runner=acmepog")
    assert refused.returncode == 2 and known in refused.stderr
    result = example.runpytest_subprocess(
        "--board=nrf5340dk", "--runner=acmeprog", "--collect-only"
    )
    result.stdout.fnmatch_lines(["nrf-fota: no working probe tool (acmeprog: not on the PATH)"])


@pytest.fixture
def dut(installed_example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dut]:
    """A kit on USB behind acmeprog; it is a virtual one, whose UARTs are the kit's ports."""
    # The process keeps what is installed when it first asks; later tests must not see the example.
    extension_names()
    monkeypatch.syspath_prepend(installed_example)
    from acme_nrf import hooks

    with session_plugins([("acme", hooks)]):
        kit = SimUnit(load_board("acme_tracker_sim"), "kit", tmp_path / "kit")
        program = ACMEPROG.format(python=sys.executable, control=repr(kit.control_address))
        put_program(tmp_path / "bin", program)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        ports = tuple(Vcom(port, port, 2 * place) for place, port in enumerate(kit.vcoms))
        attached = AttachedKit("10500474", ports)
        vcom_memory().remember(attached, ports[1])
        board = load_board("acme_tracker")
        unit = find_kit(board, tmp_path / "unit", None, HciController(kit.hci), lambda: [attached])
        recorder = FlightRecorder()
        recorder.open(tmp_path / "recorder.jsonl", "acme")
        opened = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        yield opened
        opened.close()
        unit.release()
        recorder.close()
        kit.release()


def test_probe_tool_drives_a_kit(dut: Dut, tmp_path: Path) -> None:
    """The board file names it: recover, program, read back, reset."""
    baseline = DemoSource(load_board("nrf5340dk_sim"), tmp_path / "firmware").baseline
    dut.prepare(baseline)
    first = read_hex(baseline)[0]
    assert dut.read_memory(first.address, 32) == first.data[:32]
    assert dut.recorder.path is not None
    events = [line.event for line in read_recording(dut.recorder.path)]
    done = {event.operation for event in events if isinstance(event, ProbeOperation)}
    assert {"recover", "program", "read", "reset"} <= done


def test_explain_knows_its_line(example: pytest.Pytester, nrf_fota: Command) -> None:
    """With the cause of its rule, filled in; the document of all rules has it, too."""
    (example.path / "uart.log").write_text(LOG)
    result = nrf_fota("explain", "uart.log")
    said = " ".join(result.stdout.split())
    assert result.returncode == 1
    assert "The modem did not answer for 7 s, and the application switched it off." in said
    assert "below 3.6 V" in said
    module = [sys.executable, "-m", "pytest_nrf_fota.explain.rules_table"]
    table = subprocess.run(module, capture_output=True, text=True, check=True).stdout
    assert "| `acme_modem_off` |" in table


def test_without_the_package_nothing_of_it_is_known(
    user_folder: pytest.Pytester, nrf_fota: Command
) -> None:
    """The same commands, in an environment without it."""
    (user_folder.path / "uart.log").write_text(LOG)
    assert "modem did not answer" not in nrf_fota("explain", "uart.log").stdout
    assert "acme" not in nrf_fota("boards").stdout


def test_provider_transport_and_check_of_the_guide(
    user_folder: pytest.Pytester, nrf_fota: Command, install: Callable[[str, str], None]
) -> None:
    """The guide's code as one module: an upgrade on a board of its shelf, over its transport."""
    source = "\n\n".join(blocks(OTHER_HOOKS, "python"))
    install(
        "acme_shelf",
        f"{source}\n\ndef pytest_nrf_fota_board_folders():\n"
        f"    from pathlib import Path\n    return [Path({str(user_folder.path / 'boards')!r})]\n",
    )
    (user_folder.path / "boards").mkdir()
    (user_folder.path / "boards" / "acme_shelf_tracker.toml").write_text(
        blocks(OTHER_HOOKS, "toml")[0]
    )
    user_folder.makepyfile(
        test_mine="""
        def test_upgrade(dut, firmware, unit):
            dut.prepare(firmware.baseline)
            assert dut.upgrade(firmware.app_update).outcome.value == "upgraded"
            assert unit.name == "basement-acme_shelf_tracker-main"
            assert "serial SMP on the console" in dut.wires.radio.description
        """
    )
    result = user_folder.runpytest_subprocess("--board=acme_shelf_tracker")
    result.assert_outcomes(passed=1)
    looked = nrf_fota("doctor", "--board=acme_shelf_tracker")
    assert looked.returncode == 1
    assert "no badge" in looked.stdout and "acme-badge new" in looked.stdout
