"""Prove firmware-over-the-air upgrades on Nordic nRF5340 DK boards with pytest.

What a test imports is here: `from pytest_nrf_fota import Dut, assert_upgraded`. Each name is taken
from its module when it is asked for (PEP 562), so that a run without a board loads none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.artifacts.source import (
        ArtifactUnavailableError as ArtifactUnavailableError,
    )
    from pytest_nrf_fota.artifacts.source import FirmwareSource as FirmwareSource
    from pytest_nrf_fota.boards.board import BoardType as BoardType
    from pytest_nrf_fota.bootlog.line import LogLine as LogLine
    from pytest_nrf_fota.bootlog.report import Boot as Boot
    from pytest_nrf_fota.console.console import Console as Console
    from pytest_nrf_fota.console.expect import Seen as Seen
    from pytest_nrf_fota.console.log import LogPosition as LogPosition
    from pytest_nrf_fota.console.shell import ZephyrShell as ZephyrShell
    from pytest_nrf_fota.dut.cut_swap import SwapUnderWayWarning as SwapUnderWayWarning
    from pytest_nrf_fota.dut.dut import Dut as Dut
    from pytest_nrf_fota.dut.upgrade import Upgrade as Upgrade
    from pytest_nrf_fota.dut_factory import DutFactory as DutFactory
    from pytest_nrf_fota.errors import BoardError as BoardError
    from pytest_nrf_fota.errors import BoardFileError as BoardFileError
    from pytest_nrf_fota.errors import ConsoleLostError as ConsoleLostError
    from pytest_nrf_fota.errors import FaultNotStruckError as FaultNotStruckError
    from pytest_nrf_fota.errors import FotaError as FotaError
    from pytest_nrf_fota.errors import InputError as InputError
    from pytest_nrf_fota.errors import LineNotSeenError as LineNotSeenError
    from pytest_nrf_fota.errors import NotSeenError as NotSeenError
    from pytest_nrf_fota.errors import PackageError as PackageError
    from pytest_nrf_fota.errors import ProbeError as ProbeError
    from pytest_nrf_fota.errors import RadioLostError as RadioLostError
    from pytest_nrf_fota.errors import RigError as RigError
    from pytest_nrf_fota.findings.evidence import Evidence as Evidence
    from pytest_nrf_fota.findings.evidence import Says as Says
    from pytest_nrf_fota.findings.evidence import Source as Source
    from pytest_nrf_fota.firmware.dfu_package import DfuPackage as DfuPackage
    from pytest_nrf_fota.firmware.dfu_package import UpdateFile as UpdateFile
    from pytest_nrf_fota.firmware.variant import Variant as Variant
    from pytest_nrf_fota.preflight.prediction import Prediction as Prediction
    from pytest_nrf_fota.proof import IgnoredVerdictWarning as IgnoredVerdictWarning
    from pytest_nrf_fota.providers.provider import Unit as Unit
    from pytest_nrf_fota.smp.mcumgr import Mcumgr as Mcumgr
    from pytest_nrf_fota.smp.messages import ImageState as ImageState
    from pytest_nrf_fota.smp.messages import ServerParameters as ServerParameters
    from pytest_nrf_fota.verdict.evidence import Outcome as Outcome
    from pytest_nrf_fota.verdict.evidence import UpgradeNotProvenError as UpgradeNotProvenError
    from pytest_nrf_fota.verdict.evidence import Verdict as Verdict
    from pytest_nrf_fota.verdict.evidence import assert_upgraded as assert_upgraded
    from pytest_nrf_fota.wires.faults import Faults as Faults
    from pytest_nrf_fota.wires.probe import Probe as Probe

_NAMES_OF = {
    "artifacts.source": "ArtifactUnavailableError FirmwareSource",
    "boards.board": "BoardType",
    "bootlog.line": "LogLine",
    "bootlog.report": "Boot",
    "console.console": "Console",
    "console.expect": "Seen",
    "console.log": "LogPosition",
    "console.shell": "ZephyrShell",
    "dut.cut_swap": "SwapUnderWayWarning",
    "dut.dut": "Dut",
    "dut.upgrade": "Upgrade",
    "dut_factory": "DutFactory",
    "errors": "BoardError BoardFileError ConsoleLostError FaultNotStruckError FotaError InputError "
    "LineNotSeenError NotSeenError PackageError ProbeError RadioLostError RigError",
    "firmware.dfu_package": "DfuPackage UpdateFile",
    "firmware.variant": "Variant",
    "preflight.prediction": "Prediction",
    "proof": "IgnoredVerdictWarning",
    "providers.provider": "Unit",
    "smp.mcumgr": "Mcumgr",
    "smp.messages": "ImageState ServerParameters",
    "verdict.evidence": "Evidence Outcome Says Source UpgradeNotProvenError Verdict "
    "assert_upgraded",
    "wires.faults": "Faults",
    "wires.probe": "Probe",
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    """Import the module that has the name."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """What a test may import, for a prompt's completion."""
    return __all__
