"""A UART that prints nothing: the build's own configuration says where its application prints."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.built_uart import BuiltUart
from pytest_nrf_fota.builds.build import read_build
from pytest_nrf_fota.builds.uart_settings import built_uart
from pytest_nrf_fota.dut.silent_uart import advice_on_silence

from .shapes import SHAPES
from .west_build import WestBuild

BAUD = 115200
DEVICETREE = """/dts-v1/;
/ {{
\tchosen {{ {chosen} }};
\tsoc {{
\t\tuart0: uart@8000 {{ current-speed = < 0x{speed:x} >; }};
\t}};
}};
"""
UART = {
    "CONFIG_LOG": "y",
    "CONFIG_LOG_BACKEND_UART": "y",
    "CONFIG_UART_CONSOLE": "y",
    "CONFIG_LOG_DEFAULT_LEVEL": "3",
}
RTT = {
    "CONFIG_LOG": "y",
    "CONFIG_USE_SEGGER_RTT": "y",
    "CONFIG_RTT_CONSOLE": "y",
    "CONFIG_LOG_BACKEND_RTT": "y",
    "CONFIG_LOG_DEFAULT_LEVEL": "3",
}
GOOD = BuiltUart(
    source="fota/zephyr/.config",
    logs=True,
    logs_to_uart=True,
    logs_to_rtt=False,
    prints_to_uart=True,
    prints_to_rtt=False,
    log_level=3,
    baudrate=BAUD,
)


def _build(folder: Path, options: dict[str, str], devicetree: str = "") -> BuiltUart | None:
    image = folder / "build/fota/zephyr"
    image.mkdir(parents=True)
    settings = {"CONFIG_BOARD": '"nrf5340dk"', "CONFIG_SOC_NRF5340_CPUAPP": "y"} | options
    lines = [f"{name}={value}" for name, value in settings.items()]
    (image / ".config").write_text("\n".join(lines) + "\n")
    if devicetree:
        (image / "zephyr.dts").write_text(devicetree)
    return built_uart(read_build(folder / "build"))


def _advice(built: BuiltUart | None, text: str = "", doubt: str = "") -> str:
    advice = advice_on_silence(text, baudrate=BAUD, port_doubt=doubt, built=built)
    assert advice is not None
    return advice


def test_build_that_prints_to_rtt(tmp_path: Path) -> None:
    built = _build(tmp_path, RTT)
    assert built is not None
    advice = _advice(built)
    assert "RTT" in advice and "CONFIG_LOG_BACKEND_RTT=y, build/fota/zephyr/.config" in advice
    assert "CONFIG_UART_CONSOLE=y" in advice
    assert "Is the board running" not in advice


def test_build_without_a_log(tmp_path: Path) -> None:
    advice = _advice(_build(tmp_path, {"CONFIG_UART_CONSOLE": "y"}))
    assert "CONFIG_LOG is off" in advice
    assert "printk" in advice


@pytest.mark.parametrize(("level", "word"), [("1", "errors only"), ("0", "off by its level")])
def test_build_whose_log_shows_no_good_boot(tmp_path: Path, level: str, word: str) -> None:
    advice = _advice(_build(tmp_path, UART | {"CONFIG_LOG_DEFAULT_LEVEL": level}))
    assert word in advice
    assert f"CONFIG_LOG_DEFAULT_LEVEL={level}" in advice


@pytest.mark.parametrize(
    "chosen", ["zephyr,console = &uart0;", 'zephyr,console = "/soc/uart@8000";']
)
def test_build_with_another_baud_rate(tmp_path: Path, chosen: str) -> None:
    """However the devicetree names the UART."""
    built = _build(tmp_path, UART, DEVICETREE.format(chosen=chosen, speed=1_000_000))
    assert built is not None and built.baudrate == 1_000_000
    assert "runs at 1000000 baud" in _advice(built)
    assert "read at 115200" in _advice(built)


@pytest.mark.parametrize("devicetree", ["", DEVICETREE.format(chosen="", speed=9600)])
def test_devicetree_that_tells_no_baud_rate(tmp_path: Path, devicetree: str) -> None:
    """It costs a hint, no more."""
    built = _build(tmp_path, UART, devicetree)
    assert built is not None
    assert built.baudrate is None and built.logs_to_uart


def test_build_of_a_shell_logs_to_it(tmp_path: Path) -> None:
    shell = {"CONFIG_LOG": "y", "CONFIG_SHELL_LOG_BACKEND": "y", "CONFIG_SHELL_BACKEND_SERIAL": "y"}
    built = _build(tmp_path, shell)
    assert built is not None and built.logs_to_uart


def test_build_that_prints_as_it_should_points_at_the_wires() -> None:
    assert "its cable" in _advice(GOOD)
    assert "RTT" not in _advice(GOOD)


def test_without_a_build_all_is_named() -> None:
    advice = _advice(None)
    for name in ("CONFIG_LOG_BACKEND_RTT", "CONFIG_LOG_DEFAULT_LEVEL", "115200", "current-speed"):
        assert name in advice


def test_guessed_port_comes_first() -> None:
    """It is the likeliest."""
    advice = _advice(GOOD, doubt="the port /dev/ttyACM1 is a guess")
    assert advice.index("is a guess") < advice.index("its cable")
    assert "--console-port" in advice


def test_noise_is_another_baud_rate() -> None:
    advice = _advice(replace(GOOD, baudrate=9600), "\ufffd\ufffdx\ufffd\ufffd~\n\ufffd")
    assert "no text" in advice
    assert "9600" in advice


def test_application_that_prints_nothing_behind_a_bootloader_that_does(tmp_path: Path) -> None:
    """MCUboot has a configuration of its own; its port is the right one."""
    text = "*** Booting Zephyr OS ***\nI: Jumping to the first image slot\n"
    advice = _advice(_build(tmp_path, RTT), text, doubt="the port is a guess")
    assert "MCUboot starts the application, which prints nothing" in advice
    assert "CONFIG_LOG_BACKEND_RTT" in advice
    assert "guess" not in advice


@pytest.mark.parametrize(
    "text",
    ["*** Booting Zephyr OS ***\n", "Advertising success\ufffd\ufffd\ufffd\ufffdy started\n"],
)
def test_board_that_speaks_is_not_silent(text: str) -> None:
    """Nor is one on a line with noise."""
    assert advice_on_silence(text, baudrate=BAUD, port_doubt="", built=None) is None


@pytest.mark.long_proof
def test_run_reads_the_baselines_build(empty_folder: pytest.Pytester) -> None:
    """Nothing comes where nothing was reset."""
    WestBuild(next(s for s in SHAPES if s.name == "ncs-3.0-nsib"), empty_folder.path).first()
    config = empty_folder.path / "build_v1/fota/zephyr/.config"
    config.write_text(config.read_text() + "".join(f"{k}={v}\n" for k, v in RTT.items()))
    empty_folder.makepyfile(
        test_silence="""
        def test_silence(dut):
            dut.wait_for_boot(dut.console.position(), 0.3)
        """
    )
    result = empty_folder.runpytest_subprocess("--board=nrf5340dk_sim", "--baseline=build_v1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CONFIG_LOG_BACKEND_RTT=y, build_v1/fota/zephyr/.config*"])
