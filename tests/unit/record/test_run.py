"""A session's folder: one recorder file per test, and what is derived from it."""

import json
from pathlib import Path

import pytest

from pytest_nrf_fota.record.events import (
    Event,
    RunStarted,
    SmpMessage,
    UartLine,
    UartWrite,
    VerdictReached,
)
from pytest_nrf_fota.record.recorder import read_recording
from pytest_nrf_fota.record.run import RunFolder, TestFiles

_NODE_ID = "tests/hil/test_app_upgrade.py::test_upgrade[nrf5340dk]"
_VERDICT = VerdictReached(outcome="upgraded", subject="application", reason="", evidence=())


def _image_list(version: str, direction: str = "answer") -> SmpMessage:
    return SmpMessage.model_validate(
        {
            "direction": direction,
            "name": "image state",
            "sequence": 1,
            "size_bytes": 100,
            "payload": {"images": [{"slot": 0, "version": version}]},
        }
    )


def _run(run: RunFolder, *events: Event, node_id: str = _NODE_ID) -> TestFiles:
    run.start_test(node_id)
    for event in events:
        run.recorder.record(event)
    files = run.finish_test()
    assert files is not None
    return files


def _version_in(path: Path | None) -> str:
    assert path is not None
    message = json.loads(path.read_text(encoding="utf-8"))
    return str(message["payload"]["images"][0]["version"])


def test_the_recorder_file_names_the_test_and_the_versions(tmp_path: Path) -> None:
    files = _run(RunFolder(tmp_path))
    started = read_recording(files.recorder)[0].event
    assert isinstance(started, RunStarted)
    assert started.title == _NODE_ID
    assert {"python", "platform", "pytest", "smpclient"} <= started.versions.keys()
    assert files.folder.parent == tmp_path
    assert files.folder.name == "tests-hil-test_app_upgrade.py--test_upgrade[nrf5340dk]"


def test_the_uart_log_holds_the_boards_lines_only(tmp_path: Path) -> None:
    files = _run(
        RunFolder(tmp_path),
        UartLine(port="p", text="*** Booting ***"),
        UartWrite(port="p", text="typed"),
        UartLine(port="p", text=""),
        UartLine(port="p", text="Grüße 漢"),
        _VERDICT,
    )
    assert files.uart.read_text(encoding="utf-8") == "*** Booting ***\n\nGrüße 漢\n"
    assert files.verdicts == (_VERDICT,)


def test_the_first_and_the_last_image_list_are_kept(tmp_path: Path) -> None:
    files = _run(
        RunFolder(tmp_path),
        _image_list("9.9.9", direction="request"),
        _image_list("1.0.0"),
        _image_list("1.0.1"),
        _image_list("2.0.0"),
    )
    assert _version_in(files.images_before) == "1.0.0"
    assert _version_in(files.images_after) == "2.0.0"


def test_where_no_image_list_was_read_none_is_given(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    files = _run(run, UartLine(port="p", text="x"))
    assert (files.images_before, files.images_after) == (None, None)
    one = _run(run, _image_list("1.0.0"))
    assert _version_in(one.images_before) == "1.0.0"
    assert one.images_after is None


def test_each_test_has_its_own_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    first = _run(run, UartLine(port="p", text="first"), node_id="a.py::test_1")
    run.recorder.record(UartLine(port="p", text="between"))
    second = _run(run, UartLine(port="p", text="second"), node_id="a.py::test_2")
    assert first.uart.read_text(encoding="utf-8") == "first\n"
    assert second.uart.read_text(encoding="utf-8") == "between\nsecond\n"


def test_without_a_test_there_are_no_files(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "never").finish_test() is None
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.py::test_1", "a.py::test_1"),
        ("a.py::test[a b]", "a.py::test[a/ b]"),
        ("a.py::test[a:b]", "a.py::test[a*b]"),
        ("a.py::test[1" + "x" * 200 + "]", "a.py::test[2" + "x" * 200 + "]"),
    ],
    ids=["run again", "space", "special characters", "long"],
)
def test_no_test_overwrites_what_another_one_left(first: str, second: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    files = [_run(run, UartLine(port="p", text=name), node_id=name) for name in (first, second)]
    assert files[0].folder != files[1].folder
    assert [f.uart.read_text(encoding="utf-8").strip() for f in files] == [first, second]


@pytest.mark.parametrize(
    "node_id",
    ["a.py::test[<>:|?*\\]", "a.py::test[../../etc]", "a.py::test[" + "漢" * 300 + "]", "::::"],
)
def test_every_name_is_a_folder_inside_the_session(node_id: str, tmp_path: Path) -> None:
    files = _run(RunFolder(tmp_path), node_id=node_id)
    assert files.folder.resolve().parent == tmp_path.resolve()
    assert len(files.folder.name.encode()) < 200
    assert not set('<>:"|?*\\/') & set(files.folder.name)
