"""A case from a test's flight recorder: the console's lines and the SMP messages."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from pytest_nrf_fota.bootlog.client_side import Operation, Problem
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.explain.case import Case, case_of_recording, is_recording
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.findings.finding import Confidence, Finding, Origin
from pytest_nrf_fota.findings.gate import Gate, Result
from pytest_nrf_fota.record.events import (
    Event,
    PreflightDone,
    SmpMessage,
    StepEnd,
    StepEnded,
    StepStarted,
    UartLine,
    VerdictReached,
)
from pytest_nrf_fota.record.recorder import FlightRecorder

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
    rules = [cause.code for cause in explanation.causes]
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
    assert [cause.code for cause in explanation.causes] == ["pending_not_reset"]


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


def test_code_of_another_group_is_not_read_as_one_of_smp(tmp_path: Path) -> None:
    """2 is no memory in the protocol's own codes, and a wrong name in those of files."""
    events: list[Event] = [
        _smp("request", "file file_download_upload", off=0, len=9),
        _smp("answer", "file file_download_upload", err={"group": 8, "rc": 2}),
    ]
    causes = [cause.code for cause in explain(_case(tmp_path, events)).causes]
    assert "server_out_of_memory" not in causes


def test_upload_that_goes_on_behind_an_erase(tmp_path: Path) -> None:
    """Row 24: the first answer names an offset far behind the first packet."""
    erase: list[Event] = [_smp("request", "image erase"), _smp("answer", "image erase", rc=0)]
    resumed = explain(_case(tmp_path, [*erase, *_upload(_S1, first_offset=24_576)]))
    assert "upload_resumed_wrongly" in [cause.code for cause in resumed.causes]
    fresh = explain(_case(tmp_path, [*erase, *_upload(_S1)]))
    assert "upload_resumed_wrongly" not in [cause.code for cause in fresh.causes]


def test_confirm_while_another_image_is_pending(tmp_path: Path) -> None:
    """Row 33: the list shows a pending image, and the confirm is for the running one."""
    confirm: list[Event] = [
        _smp("request", "image state", confirm=True),
        _smp("answer", "image state", rc=0),
    ]
    waiting = explain(_case(tmp_path, [*_list(waiting=_S1, pending=True), *confirm]))
    assert "confirm_ignored" in [cause.code for cause in waiting.causes]
    nothing = explain(_case(tmp_path, [*_list(waiting=_S1), *confirm]))
    assert "confirm_ignored" not in [cause.code for cause in nothing.causes]


def _ended_upload(end: StepEnd, *behind: Event) -> list[Event]:
    """An upload of which half was answered."""
    return [
        StepStarted(step="upload"),
        _smp("request", "image upload", off=0, len=40_000, sha=_S1, image=0),
        _smp("answer", "image upload", rc=0, off=20_000),
        *behind,
        StepEnded(step="upload", duration_s=1.0, end=end, error=f"Error: {end}.\n  where: BLE"),
    ]


_BROKE: StepEnd = "connection lost"
_DISCONNECTED = UartLine(port="app", text="uart:~$ Disconnected (reason 0x08)")
_BOOTED = UartLine(port="app", text="uart:~$ *** Booting Zephyr OS build v3.2.99-ncs2 ***")


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        ("connection lost", Problem.DISCONNECTED),
        ("no answer", Problem.TIMEOUT),
        ("refused", Problem.OTHER),
        ("broken off", Problem.BROKEN_OFF),
    ],
)
def test_how_an_upload_ended(tmp_path: Path, end: StepEnd, problem: Problem) -> None:
    """Refused is only what the board refused."""
    (upload,) = _case(tmp_path, _ended_upload(end)).client.steps
    assert upload.problem is problem


def test_upload_that_lost_its_connection(tmp_path: Path) -> None:
    """With the board's word on it and how much was there; not where it was resumed."""
    lost = _ended_upload(_BROKE, _DISCONNECTED)
    explanation = explain(_case(tmp_path, lost))
    (cause,) = explanation.causes
    assert (cause.code, cause.confidence) == (
        "connection_lost_during_upload",
        Confidence.CERTAIN,
    )
    assert "50 %" in cause.cause
    assert _DISCONNECTED.text in [shown.text for shown in cause.shown]
    assert explanation.why == "upload failed: connection lost"
    resumed = explain(_case(tmp_path, [*lost, *_upload(_S1, first_offset=20_000)]))
    assert "connection_lost_during_upload" not in [cause.code for cause in resumed.causes]


def test_upload_that_a_reset_of_the_board_ended(tmp_path: Path) -> None:
    """A boot before the client's next step; one behind it may be the client's own doing."""
    (cause,) = explain(_case(tmp_path, _ended_upload(_BROKE, _BOOTED))).causes
    assert cause.code == "board_reset_during_upload"
    late = [*_ended_upload(_BROKE), _BOOTED]
    assert [c.code for c in explain(_case(tmp_path, late)).causes] == ["board_reset_during_upload"]
    own = [*_ended_upload(_BROKE), StepStarted(step="reset"), _BOOTED]
    (cause,) = explain(_case(tmp_path, own)).causes
    assert cause.code == "connection_lost_during_upload"


def test_link_that_broke_near_the_end(tmp_path: Path) -> None:
    """A link may break anywhere: that the image is too large is only possible then."""
    events = _ended_upload(_BROKE)
    events[2] = _smp("answer", "image upload", rc=0, off=39_000)
    causes = explain(_case(tmp_path, events)).causes
    assert [(cause.code, cause.confidence) for cause in causes] == [
        ("connection_lost_during_upload", Confidence.CERTAIN),
        ("upload_too_large", Confidence.POSSIBLE),
    ]


_REFUSED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!""".splitlines()


@pytest.mark.parametrize(
    ("result", "code", "rule", "confidence"),
    [
        (Result.NO, "image_damaged", "image_damaged", Confidence.CERTAIN),
        (Result.NO, "image_not_signed", "image_not_signed", Confidence.CERTAIN),
        (Result.NO, "image_of_another_key", "image_of_another_key", Confidence.CERTAIN),
        (Result.OK, "", "image_damaged_on_the_way", Confidence.LIKELY),
        (Result.NO, "secondary_image_invalid", "secondary_image_invalid", Confidence.LIKELY),
        (Result.NOT_REACHED, "", "secondary_image_invalid", Confidence.LIKELY),
    ],
)
def test_refused_image_of_which_a_preflight_is_recorded(
    tmp_path: Path, result: Result, code: str, rule: str, confidence: Confidence
) -> None:
    """Row 14: the simulation met the board's own MCUboot, so it knows the keys."""
    finding = Finding(code, "in any words") if code else None
    gate = Gate("mcuboot_accepts", "MCUboot accepts", result, "in any words", finding)
    done = PreflightDone(answer="no", package="app.zip", checks=(gate,))
    (cause,) = explain(_case(tmp_path, [done], _REFUSED)).causes
    assert (cause.code, cause.confidence) == (rule, confidence)
    if rule != "secondary_image_invalid":
        said = f"preflight: MCUboot accepts: {result.value}: in any words"
        assert said in [shown.text for shown in cause.shown]


_HANGS = """\
*** Booting MCUboot v2.1.0-dev ***
I: Starting bootloader
I: Image index: 0, Swap type: test
I: Starting swap using move algorithm.
I: Bootloader chainload address offset: 0xc000
*** Booting nRF Connect SDK v2.5.2 ***""".splitlines()


def test_new_image_that_hangs_is_said_first(tmp_path: Path) -> None:
    """The log alone shows a banner; the test waited for more."""
    verdict = VerdictReached(
        outcome="unproven",
        subject="application 1.0.0 -> 1.1.0",
        reason="the application started and never became ready",
        evidence=(),
    )
    for event in (verdict, StepEnded(step="connect", duration_s=20, error="no ready line\nx")):
        (cause,) = explain(_case(tmp_path, [event], _HANGS)).causes
        assert (cause.code, cause.confidence) == ("test_saw", Confidence.LIKELY)
    assert "connect: no ready line" in cause.cause
    good = VerdictReached(outcome="upgraded", subject="", reason="", evidence=())
    assert explain(_case(tmp_path, [good], _HANGS)).causes == ()


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
