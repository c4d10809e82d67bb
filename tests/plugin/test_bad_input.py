"""Bad input ends in one clear error before any board is touched."""

import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.keys import signing_key_for_tests


def _refusal(user_folder: pytest.Pytester, *arguments: str) -> str:
    """Run, see that nothing was collected or flashed, and return the message."""
    result = user_folder.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "collected" not in result.stdout.str()
    text = result.stderr.str()
    assert "Traceback" not in text
    assert "where:" in text
    assert "next:" in text
    return text


def _refusal_of(user_folder: pytest.Pytester, package: Path) -> str:
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made")
    return _refusal(
        user_folder,
        *("--board", "nrf5340dk_sim", f"--baseline={made.baseline}", f"--update={package}"),
    )


def test_unknown_board(user_folder: pytest.Pytester) -> None:
    """The message suggests the nearest name."""
    assert "Did you mean nrf5340dk_sim" in _refusal(user_folder, "--board", "nrf5340dk_simm")


def test_fewer_radios_than_workers(user_folder: pytest.Pytester) -> None:
    """The controller says so; workers that end as soon as they start look like no tests at all."""
    arguments = ("--board", "nrf5340dk_sim", "--radio=bumble:usb:0")
    assert "gw1 has no radio: 1 given" in _refusal(user_folder, *arguments, "-n", "2")
    assert "gw1 has no radio" in _refusal(user_folder, *arguments, "--dist=load", "--tx=2*popen")


def test_wrong_key_in_a_users_board_file(user_folder: pytest.Pytester) -> None:
    """File, key and allowed keys are named."""
    boards = user_folder.mkdir("boards")
    (boards / "mine.toml").write_text(
        'name = "mine"\nbase = "nrf5340dk_sim"\n[console]\nbaud = 9600\n'
    )
    text = _refusal(user_folder, "--board", "mine", "--board-dir", "boards")
    assert "mine.toml" in text
    assert "console.baud: no such key; allowed here: baudrate" in text


def test_users_board_file_from_ini(user_folder: pytest.Pytester) -> None:
    """A folder in the configuration serves as well as the option, relative to the ini file."""
    boards = user_folder.mkdir("boards")
    (boards / "mine.toml").write_text('name = "mine"\nbase = "nrf5340dk_sim"\n')
    user_folder.makeini("[pytest]\nnrf_fota_board_dir = boards\n")
    user_folder.makepyfile(test_mine="def test_it(board): assert board.name == 'mine'")
    user_folder.runpytest_subprocess("--board", "mine").assert_outcomes(passed=1)


def test_update_that_does_not_exist(user_folder: pytest.Pytester) -> None:
    """The path is named."""
    text = _refusal(user_folder, "--board", "nrf5340dk_sim", "--update", "dfu_application.zip")
    assert "dfu_application.zip" in text


def test_update_for_another_board(user_folder: pytest.Pytester) -> None:
    """A package built for something else is refused by its manifest."""
    package = user_folder.path / "dfu_application.zip"
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made").app_update
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(package, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(b"nrf5340dk_nrf5340_cpuapp", b"nrf52840dk_nrf52840"))
    text = _refusal_of(user_folder, package)
    assert "nrf52840dk_nrf52840" in text


def test_truncated_update(user_folder: pytest.Pytester) -> None:
    """A zip that was cut off is no package."""
    package = user_folder.path / "dfu_application.zip"
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made").app_update
    package.write_bytes(made.read_bytes()[:-100])
    assert "not a complete zip file" in _refusal_of(user_folder, package)


@pytest.mark.parametrize("given", ["missing", "folder", "empty", "not_hex", "out_of_map"])
def test_baseline_is_refused_before_anything_is_collected(
    user_folder: pytest.Pytester, given: str
) -> None:
    """Whatever is wrong with the hex file, the message names it."""
    baseline = user_folder.path / "merged.hex"
    match given:
        case "folder":
            baseline.mkdir()
        case "empty":
            baseline.touch()
        case "not_hex":
            baseline.write_bytes(bytes(range(256)))
        case "out_of_map":
            # One byte at 0x20000000: RAM, which no flash programmer can program.
            baseline.write_text(":020000042000DA\n:0100000000FF\n:00000001FF\n")
    text = _refusal(user_folder, "--board", "nrf5340dk_sim", f"--baseline={baseline}")
    assert "merged.hex" in text


@pytest.mark.parametrize("option", ["--update", "--firmware-variant=app_hangs_in_boot"])
def test_update_without_baseline(option: str, user_folder: pytest.Pytester) -> None:
    """An update of nothing in particular would leave every test skipped, and the job green."""
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made").app_update
    text = _refusal(user_folder, "--board", "nrf5340dk_sim", f"{option}={made}")
    assert "without the baseline" in text
    assert str(made) in text


def test_firmware_without_board(user_folder: pytest.Pytester) -> None:
    """Files that nothing would use are not passed over in silence."""
    result = user_folder.runpytest_subprocess("--baseline=merged.hex")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*need a board*"])


def test_device_id_of_a_board_without_usb(user_folder: pytest.Pytester) -> None:
    """A choice that has no effect is refused."""
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--device-id", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--device-id is for a kit on USB*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board=nrf5340dk_sim", "--console-port=/dev/ttyUSB0"), "*--console-port is for a kit*"),
        (("--board=nrf5340dk", "--console-port=socket://bench"), "*is no URL of a serial port*"),
        (("--board=nrf5340dk", "--console-baudrate=0"), "*The console is not usable: baudrate*"),
    ],
)
def test_console_that_cannot_be(
    user_folder: pytest.Pytester, arguments: tuple[str, ...], message: str
) -> None:
    result = user_folder.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    "run_folder",
    [
        "file",
        "file/below",
        "long" * 100,
        pytest.param(
            "/proc/x",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc"),
        ),
    ],
)
def test_run_folder_that_cannot_be_written(user_folder: pytest.Pytester, run_folder: str) -> None:
    """Known before the first test, not after it; root is refused as well."""
    (user_folder.path / "file").touch()
    text = _refusal(user_folder, "--board", "nrf5340dk_sim", f"--run-dir={run_folder}")
    assert "--run-dir" in text


def test_run_folder_is_made_by_the_first_test_only(user_folder: pytest.Pytester) -> None:
    """Finding out that it can be written leaves nothing behind."""
    runs = user_folder.mkdir("runs")
    result = user_folder.runpytest_subprocess(
        "--board", "nrf5340dk_sim", "--run-dir=runs/first", "--collect-only"
    )
    assert result.ret == pytest.ExitCode.OK
    assert list(runs.iterdir()) == []


def test_hex_file_that_a_test_names_is_refused_before_the_board_is_erased(
    user_folder: pytest.Pytester,
) -> None:
    """The probe did nothing."""
    user_folder.makepyfile(test_mine="def test_it(dut): dut.prepare('nope.hex')")
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*The hex file does not exist.*", "*where:*nope.hex", "*next:*"])
    (recording,) = user_folder.path.glob("nrf_fota_runs/*/*/recorder.jsonl")
    assert '"kind":"probe"' not in recording.read_text()


def test_missing_artifact_is_a_skip_with_the_reason(user_folder: pytest.Pytester) -> None:
    """With the user's own files, tests of other artifacts are skipped and say why."""
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made")
    result = user_folder.runpytest_subprocess(
        "--board", "nrf5340dk_sim", "--baseline", str(made.baseline), "-rs"
    )
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*nRF FOTA: results*",
            "SKIPPED test_mine.py::test_upgrade: No update package with mcuboot images was given.*",
            "SKIPPED*test_mine.py*No update package with mcuboot images was given.*",
        ]
    )


def test_package_without_the_idle_slots_file(user_folder: pytest.Pytester) -> None:
    """Only the file for the running slot: the message says which one is missing."""
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made")
    package = user_folder.path / "dfu_mcuboot.zip"
    _keep_only_first_file(made.mcuboot_update, package)
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim"),
        *("--baseline", str(made.baseline), "--update", str(package)),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*S0 is running, so the update must be for S1*S0 only."])


def _keep_only_first_file(source: Path, target: Path) -> None:
    import json

    with zipfile.ZipFile(source) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        manifest["files"] = manifest["files"][:1]
        name = manifest["files"][0]["file"]
        data = archive.read(name)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr(name, data)


def test_fixture_that_asks_for_missing_firmware_skips(user_folder: pytest.Pytester) -> None:
    """As a test does that asks for it itself; the summary has the reason."""
    user_folder.makepyfile(
        test_mine="""
        import pytest

        @pytest.fixture(scope="module")
        def update(firmware, unit):
            return firmware.app_update

        def test_first(update): pass
        def test_second(update): pass
        """
    )
    baseline = DemoSource(load_board("nrf5340dk_sim"), user_folder.path).baseline
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", f"--baseline={baseline}")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["SKIPPED *test_first: No update package with application images was given*"]
    )


def test_key_that_signed_nothing(user_folder: pytest.Pytester) -> None:
    """Found before collection; what is suggested exists in pytest."""
    made = DemoSource(load_board("nrf5340dk_sim"), user_folder.path / "made")
    pem = user_folder.path / "another.pem"
    pem.write_bytes(
        signing_key_for_tests("another").private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    text = _refusal(
        user_folder,
        *("--board", "nrf5340dk_sim", f"--baseline={made.baseline}"),
        *(f"--update={made.mcuboot_update}", f"--mcuboot-key={pem}"),
    )
    assert "--mcuboot-key is not the key that your firmware is signed with for MCUboot" in text
    assert "--new-key" not in text
