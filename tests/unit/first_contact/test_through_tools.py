"""First contact through all three tools, whose kit is a virtual one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_nrf_fota.first_contact.run import STEPS, Contact, make_contact
from pytest_nrf_fota.first_contact.step import Result
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.recordings.pack import pack_recording
from pytest_nrf_fota.recordings.read import read_packed
from tests.recordings.fake_kit import FakeKit
from tests.recordings.replay import replay

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]


@contextmanager
def _contact(kit: FakeKit, folder: Path) -> Iterator[Contact]:
    recorder = FlightRecorder()
    recorder.open(folder / "recorder.jsonl", "first contact")
    bench = kit.bench(folder, recorder)
    try:
        yield make_contact(
            bench, lambda step: True, lambda number, step: None, lambda done: None, STEPS
        )
    finally:
        bench.close()
        recorder.close()


def _results(contact: Contact) -> dict[str, tuple[Result, str]]:
    return {one.step.name: (one.found.result, one.found.text) for one in contact.done}


def test_all_three_tools(tmp_path: Path) -> None:
    """Each is asked; what is recorded can be replayed."""
    unknown = ("core-info", "protection-get", "protection-set")
    with (
        FakeKit(tmp_path / "kit", "nrfutil", "nrfjprog", "pynrfjprog", without=unknown) as kit,
        _contact(kit, tmp_path / "run") as contact,
    ):
        found = _results(contact)
    assert all(name in found["tools"][1] for name in ("nrfutil", "nrfjprog", "pynrfjprog"))
    went_on = "; ".join(
        f"{name}: the firmware goes on" for name in ("nrfutil", "nrfjprog", "pynrfjprog")
    )
    assert found["read, running"] == (Result.HELD, f"0x28000: {went_on}")
    assert found["baseline again"][0] is Result.HELD
    # Of a tool that knows neither command it says so and goes on.
    assert "exit code 2" in found["cores"][1]
    assert "nrfutil did not close the access port" in found["protected start"][1]
    wrong = {name for name, (result, _) in found.items() if result is Result.FAILED}
    assert not wrong
    packed = pack_recording(tmp_path / "run", tmp_path / "out.zip")
    recording = read_packed(packed.path)
    (part,) = recording.parts
    assert replay(recording, part, tmp_path / "replay") == part.expected
    assert len(part.expected.operations) > 50


def test_reads_that_halt(tmp_path: Path) -> None:
    """The question, answered for each tool; a resume lets the firmware go on."""
    tools = ("nrfutil", "nrfjprog", "pynrfjprog")
    with (
        FakeKit(tmp_path / "kit", *tools, reads_halt=True) as kit,
        _contact(kit, tmp_path / "run") as contact,
    ):
        found = _results(contact)
    stood_still = "; ".join(
        f"{name}: the firmware stands still, and goes on after a resume" for name in tools
    )
    assert found["read, running"] == (Result.NOT_HELD, f"0x28000: {stood_still}")
    assert found["read, connected"][0] is Result.NOT_HELD
    assert found["image list"][0] is Result.HELD
    assert found["baseline again"][0] is Result.HELD


def test_protected_kit_is_recovered(tmp_path: Path) -> None:
    """Nothing can be read or reset before, everything afterwards."""
    with FakeKit(tmp_path / "kit", "nrfutil") as kit:
        kit.protect()
        with _contact(kit, tmp_path / "run") as contact:
            found = _results(contact)
    assert found["chip"] == (Result.NOT_HELD, "nrfutil: protected")
    assert found["recover"][0] is Result.HELD
    assert found["resets"][0] is Result.HELD
    assert found["read, running"][0] is Result.HELD
