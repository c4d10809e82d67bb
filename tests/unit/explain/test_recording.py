"""A case from a test's flight recorder: the console's lines and the SMP messages."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.explain.case import Case, case_of_recording, is_recording
from pytest_nrf_fota.explain.client_side import Operation, Problem
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.explain.known_lines import Origin
from pytest_nrf_fota.report.events import Event, SmpMessage, UartLine
from pytest_nrf_fota.report.recorder import FlightRecorder

_OLD, _S0, _S1 = "aa" * 32, "bb" * 32, "cc" * 32
_BOOT = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot 0.
Attempting to boot from address 0x8200.
Verifying signature against key 0.
Hash: 0x7f...07
Firmware signature verified.
Firmware version 14
*** Booting Zephyr OS build v3.2.99-ncs2 ***
[00:00:00.030,273] <inf> app: running""".splitlines()


def _smp(direction: str, name: str, **payload: JsonValue) -> SmpMessage:
    return SmpMessage.model_validate(
        {
            "direction": direction,
            "name": name,
            "sequence": 1,
            "size_bytes": 20,
            "payload": payload,
        }
    )


def _upload(sha: str, first_offset: int = 400) -> list[Event]:
    return [
        _smp("request", "image upload", off=0, len=40_000, sha=sha, image=0),
        _smp("answer", "image upload", rc=0, off=first_offset),
        _smp("request", "image upload", off=first_offset),
        _smp("answer", "image upload", rc=0, off=40_000),
    ]


def _list(*, waiting: str, pending: bool = False) -> list[Event]:
    common: dict[str, JsonValue] = {"bootable": True, "permanent": False}
    running: dict[str, JsonValue] = {
        **common,
        "slot": 0,
        "version": "1.0.0",
        "hash": _OLD,
        "active": True,
        "confirmed": True,
        "pending": False,
    }
    other: dict[str, JsonValue] = {
        **common,
        "slot": 1,
        "version": "0.0.0",
        "hash": waiting,
        "active": False,
        "confirmed": False,
        "pending": pending,
    }
    return [
        _smp("request", "image state"),
        _smp("answer", "image state", images=[running, other], splitStatus=0),
    ]


def _case(folder: Path, events: list[Event], uart: list[str] = _BOOT) -> Case:
    path = folder / "recorder.jsonl"
    recorder = FlightRecorder()
    recorder.open(path, "test")
    for text in uart:
        recorder.record(UartLine(port="app", text=text))
    for event in events:
        recorder.record(event)
    recorder.close()
    assert is_recording(path)
    return case_of_recording(path)


def test_both_files_and_a_stale_hash(tmp_path: Path) -> None:
    """Row 1, told by the client: two uploads, the mark refused, nothing pending."""
    events = [
        *_upload(_S0),
        *_upload(_S1),
        _smp("request", "image state", hash=_S0, confirm=False),
        _smp("answer", "image state", rc=3),
        _smp("request", "os reset"),
        *_list(waiting=_S1),
    ]
    explanation = explain(_case(tmp_path, events))
    rules = [cause.rule for cause in explanation.causes]
    assert rules[:2] == ["both_s_files_uploaded", "hash_not_found"]
    assert explanation.ending == "nothing was pending at the reset"
    assert {shown.origin for shown in explanation.causes[0].shown} == {Origin.CLIENT}


def test_one_file_and_its_own_hash(tmp_path: Path) -> None:
    """The near miss: pending, and only the reset is missing."""
    events = [
        *_upload(_S1),
        _smp("request", "image state", hash=_S1, confirm=False),
        *_list(waiting=_S1, pending=True)[1:],
    ]
    explanation = explain(_case(tmp_path, events))
    assert [cause.rule for cause in explanation.causes] == ["pending_not_reset"]


def test_errors_of_both_protocol_versions(tmp_path: Path) -> None:
    """`rc` of version 1, group and `rc` of version 2."""
    events: list[Event] = [
        _smp("request", "image erase"),
        _smp("answer", "image erase", rc=6),
        _smp("request", "image upload", off=0, len=1000, sha=_S1),
        _smp("answer", "image upload", err={"group": 1, "rc": 9}),
    ]
    steps = _case(tmp_path, events).client.steps
    assert [(step.operation, step.problem) for step in steps] == [
        (Operation.ERASE, Problem.BAD_STATE),
        (Operation.UPLOAD, Problem.NO_FREE_SLOT),
    ]


def test_upload_that_goes_on_behind_an_erase(tmp_path: Path) -> None:
    """Row 24: the first answer names an offset far behind the first packet."""
    erase: list[Event] = [_smp("request", "image erase"), _smp("answer", "image erase", rc=0)]
    resumed = explain(_case(tmp_path, [*erase, *_upload(_S1, first_offset=24_576)]))
    assert "upload_resumed_wrongly" in [cause.rule for cause in resumed.causes]
    fresh = explain(_case(tmp_path, [*erase, *_upload(_S1)]))
    assert "upload_resumed_wrongly" not in [cause.rule for cause in fresh.causes]


def test_confirm_while_another_image_is_pending(tmp_path: Path) -> None:
    """Row 33: the list shows a pending image, and the confirm is for the running one."""
    confirm: list[Event] = [
        _smp("request", "image state", confirm=True),
        _smp("answer", "image state", rc=0),
    ]
    waiting = explain(_case(tmp_path, [*_list(waiting=_S1, pending=True), *confirm]))
    assert "confirm_ignored" in [cause.rule for cause in waiting.causes]
    nothing = explain(_case(tmp_path, [*_list(waiting=_S1), *confirm]))
    assert "confirm_ignored" not in [cause.rule for cause in nothing.causes]


def test_recording_that_a_kill_cut_is_read(tmp_path: Path) -> None:
    """Half a last line is left out; a damaged one in the middle is refused."""
    _case(tmp_path, _upload(_S1))
    path = tmp_path / "recorder.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert case_of_recording(path).client.steps
    first, *others = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([first, b'{"t_s": 1}\n', *others]))
    with pytest.raises(InputError, match="Line 2"):
        case_of_recording(path)
