"""Which version of which board a kit is, as nrfutil says it.

`devkit.boardVersion` in the output of `nrfutil device list --json`: docs.nordicsemi.com, nRF Util,
changelog of the command device.
"""

from collections.abc import Mapping
from contextlib import suppress

from pydantic import BaseModel, Field, JsonValue, ValidationError

from pytest_nrf_fota.console.ports import plain_serial_number
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.probe.command import Tool
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.probe.nrfutil import read_answer

_LIST_S = 30.0


class _Devkit(BaseModel):
    board_version: str = Field(default="", alias="boardVersion")


class _Device(BaseModel):
    serial_number: str = Field(default="", alias="serialNumber")
    devkit: _Devkit = _Devkit()


class _DeviceList(BaseModel):
    """The devices one by one: what one of them lacks hides no other."""

    devices: tuple[JsonValue, ...]


def board_versions(host: Host) -> Mapping[str, str]:
    """The board of each kit by serial number, such as `PCA10095`; empty without nrfutil.

    Old versions of `nrfutil device` connect to the J-Links for it.
    """
    program = host.which("nrfutil")
    if program is None:
        return {}
    tool = Tool("nrfutil", (str(program), "--json", "device"))
    try:
        answer = read_answer(tool.run(("list",), Deadline.after(_LIST_S)))
    except ProbeFaultError:
        return {}
    found: dict[str, str] = {}
    for data in [*answer.infos, *(task.data for task in answer.task_ends)]:
        try:
            devices = _DeviceList.model_validate(data).devices
        except ValidationError:
            continue
        for entry in devices:
            with suppress(ValidationError):
                device = _Device.model_validate(entry)
                found[plain_serial_number(device.serial_number)] = device.devkit.board_version
    return found
