"""Firmware that pip cannot download: what is said of it."""

import os
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.firmware.smpclient_dist import firmware_folder, reason_in

# As pip 26.3 prints it without a network.
_OFFLINE = """\
Looking in indexes: https://index.test/simple
WARNING: Retrying (Retry(total=1, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NameResolutionError("HTTPSConnection(host='index.test', port=443): Failed to \
resolve 'index.test' ([Errno -2] Name or service not known)")': /simple/smpclient/
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError("HTTPSConnection(host='index.test', port=443): Failed to \
establish a new connection: [Errno 101] Network is unreachable")': /simple/smpclient/
ERROR: Could not find a version that satisfies the requirement smpclient==7.3.0 (from versions: \
none)
ERROR: No matching distribution found for smpclient==7.3.0
"""


@pytest.fixture
def unreachable_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip as it is, with an index at a port that nobody listens at; it tries twice."""
    pytest.importorskip("pip")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")


@pytest.mark.usefixtures("unreachable_index")
def test_pip_without_a_connection(tmp_path: Path) -> None:
    """One line, from its beginning: which package, and what broke the connection."""
    with pytest.raises(RigError) as caught:
        firmware_folder(tmp_path)
    (line,) = caught.value.what.splitlines()
    assert line.startswith("The source distribution of smpclient==7.3.0 cannot be downloaded: No m")
    assert "port=9" in line
    assert "Retry(" not in line
    assert str(tmp_path) in caught.value.next_step


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            _OFFLINE,
            "No matching distribution found for smpclient==7.3.0 (NewConnectionError("
            "\"HTTPSConnection(host='index.test', port=443): Failed to establish a new connection: "
            '[Errno 101] Network is unreachable"))',
        ),
        ("ERROR: first\nERROR: second\n\n[notice] A new release of pip\n", "second"),
        ("/usr/bin/python3: No module named pip\n", "/usr/bin/python3: No module named pip"),
        ("", "pip said nothing"),
    ],
    ids=["offline", "notice behind the error", "no pip", "silent"],
)
def test_reason_in_what_pip_printed(output: str, reason: str) -> None:
    assert reason_in(output) == reason
