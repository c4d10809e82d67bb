"""The scenarios of `tests/hil` on another release, and with a user's own files."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.variant import Variant

pytestmark = pytest.mark.long_proof

HIL = Path(__file__).parents[1] / "hil"
FILES = [
    str(HIL / name)
    for name in ("test_app_upgrade.py", "test_mcuboot_upgrade.py", "test_key_rotation.py")
]
BOARD_FILE = """
name = "kit"
title = "Virtual nRF5340 DK"
base = "nrf5340dk_sim"
platforms = []
[boot]
ncs = "3.0"
"""


def test_scenarios_pass_on_latest_release(user_folder: pytest.Pytester) -> None:
    """By day the two releases that differ most: this one, and 2.3 of `nrf5340dk_sim` itself."""
    boards = user_folder.mkdir("boards")
    (boards / "kit.toml").write_text(BOARD_FILE)
    result = user_folder.runpytest_subprocess("--board=kit", f"--board-dir={boards}", *FILES)
    result.assert_outcomes(passed=29, skipped=5)


def test_scenarios_pass_with_users_files(user_folder: pytest.Pytester) -> None:
    """Variants are made of the given packages; what cannot be made is skipped with the reason."""
    made = _given(user_folder.path)
    keys = [
        f"--{name}-key={_pem(user_folder.path / f'{name}.pem', name)}"
        for name in ("nsib", "mcuboot")
    ]
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim", "-rs", *made, *keys, *FILES)
    result.assert_outcomes(passed=26, skipped=8)
    for reason in (
        "*A baseline whose MCUboot refuses applications of a lower version.*",
        "*A further application, signed with the key that comes after today's.*",
        "*A baseline with two provisioned keys*",
    ):
        result.stdout.fnmatch_lines([f"SKIPPED*This is not made of your own files: {reason}"])


def test_without_keys_what_must_be_signed_again_is_skipped(user_folder: pytest.Pytester) -> None:
    """And the reason names the option; damage alone needs no key."""
    made = _given(user_folder.path)
    wanted = "bad_signature or too_large or unprovisioned or tampered_invalidated or s1_to_s0"
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", "-rs", *made, *FILES, "-k", wanted
    )
    result.assert_outcomes(passed=5, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED*'mcuboot_plus_2'*--mcuboot-key=PEM, --nsib-key=PEM",
            "SKIPPED*'mcuboot_unprovisioned_key'*--mcuboot-key=PEM",
        ]
    )


def test_keys_without_what_they_signed(user_folder: pytest.Pytester) -> None:
    """An option without effect is refused."""
    pem = _pem(user_folder.path / "nsib.pem", "nsib")
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim", f"--nsib-key={pem}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*need what they signed: --baseline"])


def test_a_variant_that_the_user_built(user_folder: pytest.Pytester) -> None:
    """What cannot be made of a build is built, and the scenario runs with it."""
    crash = DemoSource(load_board("nrf5340dk_sim"), user_folder.mkdir("crash")).variant(
        Variant.APP_FAULTS_IN_BOOT
    )
    result = user_folder.runpytest_subprocess(
        *("--board=nrf5340dk_sim", "-rs", *_given(user_folder.path), "-k", "crash or hangs"),
        *(f"--firmware-variant=app_faults_in_boot={crash}", str(HIL / "test_robustness.py")),
    )
    result.assert_outcomes(passed=2, skipped=1, deselected=19)
    result.stdout.fnmatch_lines(
        ["SKIPPED*hangs while it starts Bluetooth.*--firmware-variant=app_hangs_in_boot=FILE*"]
    )


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("app_hangs=x.zip", "*no firmware variant 'app_hangs'; known: *app_hangs_in_boot*"),
        ("app_older", "*No file is given for 'app_older'.*"),
        ("app_older=nowhere.zip", "*nowhere.zip*"),
        ("baseline_no_downgrade=nowhere.hex", "*nowhere.hex*"),
    ],
)
def test_a_variant_that_cannot_be_used(
    user_folder: pytest.Pytester, given: str, complaint: str
) -> None:
    """The run ends before anything is collected."""
    result = user_folder.runpytest_subprocess(
        "--board=nrf5340dk_sim", f"--firmware-variant={given}"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def _given(folder: Path) -> list[str]:
    """Baseline and packages as somebody's build makes them."""
    made = DemoSource(load_board("nrf5340dk_sim"), folder / "build")
    return [
        f"--baseline={made.baseline}",
        f"--update={made.app_update}",
        f"--update={made.mcuboot_update}",
    ]


def _pem(path: Path, name: str) -> Path:
    path.write_bytes(
        signing_key_for_tests(name).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
