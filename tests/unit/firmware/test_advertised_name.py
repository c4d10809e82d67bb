"""A board without an address in its log is found by the name that its build gave it."""

from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.advertised_name import advertised_name

APP = 'CONFIG_BT=y\nCONFIG_BT_DEVICE_NAME="Rudder"\nCONFIG_MCUMGR_TRANSPORT_BT=y\n'
OLD_APP = 'CONFIG_BT_DEVICE_NAME="Rudder"\nCONFIG_MCUMGR_SMP_BT=y\n'
CONTROLLER = 'CONFIG_BT=y\nCONFIG_BT_DEVICE_NAME="Zephyr"\n# CONFIG_MCUMGR is not set\n'


def _build(folder: Path, configs: dict[str, str]) -> Path:
    for path, text in configs.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_child_image_build(tmp_path: Path) -> None:
    build = _build(tmp_path, {"zephyr/.config": OLD_APP, "hci_ipc/zephyr/.config": CONTROLLER})
    assert advertised_name(build / "zephyr" / "merged.hex") == "Rudder"


def test_sysbuild(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        {"zephyr/.config": "", "mine/zephyr/.config": APP, "hci_ipc/zephyr/.config": CONTROLLER},
    )
    assert advertised_name(build / "merged.hex") == "Rudder"


@pytest.mark.parametrize(
    "configs",
    [
        {},
        {"a/zephyr/.config": CONTROLLER},
        {"a/zephyr/.config": APP, "b/zephyr/.config": APP.replace("Rudder", "Keel")},
        {"a/zephyr/.config": "# CONFIG_MCUMGR_TRANSPORT_BT=y\n" + CONTROLLER},
    ],
)
def test_build_that_does_not_tell(tmp_path: Path, configs: dict[str, str]) -> None:
    assert advertised_name(_build(tmp_path, configs) / "merged.hex") is None
