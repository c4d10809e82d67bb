"""One call of a probe's tool on a kit's host. Its text is sent there over SSH: see over_ssh.py.

Runs in whatever Python 3 the host has, with the standard library alone. It reads one request, a
line of JSON, from its input, and prints one answer, a line of JSON. Whatever happens to the
connection, the tool and its processes end, and the folder with its files is removed.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

GRACE_S = 2.0
"""How long a tool may take to end when it is asked to."""

_LOOK_S = 0.05


def main() -> None:
    """Serve one request."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_here)
    request = json.loads(sys.stdin.buffer.readline())
    folder = tempfile.mkdtemp(prefix="nrf-fota-tool-")
    try:
        answer = _call(request, Path(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        print(json.dumps(answer), flush=True)


def _end_here(number: int, frame: object) -> None:
    del frame
    sys.exit(128 + number)


def _call(request: "dict[str, object]", folder: Path) -> "dict[str, object]":
    command = list(map(str, request["command"]))  # type: ignore[call-overload]
    names: dict[str, str] = request["names"]  # type: ignore[assignment]
    sent: dict[str, str] = request["files"]  # type: ignore[assignment]
    for place, name in names.items():
        command[int(place)] = str(folder / name)
    given = {name: zlib.decompress(base64.b64decode(text)) for name, text in sent.items()}
    for name, content in given.items():
        (folder / name).write_bytes(content)
    outputs = [folder / "stdout", folder / "stderr"]
    with outputs[0].open("wb") as out, outputs[1].open("wb") as err:
        try:
            tool = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            return {"fault": "missing", "words": str(error)}
        try:
            fault = _wait(tool, outputs, float(str(request["timeout_s"])), _limit(request))
        finally:
            _end(tool)
    if fault:
        return {"fault": fault}
    code = tool.returncode
    there = {name: folder / name for name in set(names.values()) if (folder / name).is_file()}
    written = {name: path.read_bytes() for name, path in there.items()}
    return {
        "fault": "",
        "exit_code": 128 - code if code < 0 else code,
        "stdout": _packed(outputs[0].read_bytes()),
        "stderr": _packed(outputs[1].read_bytes()),
        "files": {n: _packed(content) for n, content in written.items() if given.get(n) != content},
    }


def _limit(request: "dict[str, object]") -> int:
    return int(str(request["output_limit_bytes"]))


def _wait(
    tool: "subprocess.Popen[bytes]", outputs: "list[Path]", timeout_s: float, limit_bytes: int
) -> str:
    """Up to its end; or why no longer: nobody listens any more, too slow, too much output."""
    ends = time.monotonic() + timeout_s
    listener = select.poll()
    listener.register(sys.stdout.fileno(), 0)
    while tool.poll() is None:
        # A pipe or socket that nobody reads any more: the connection is gone.
        if listener.poll(0):
            return "gone"
        if time.monotonic() > ends:
            return "slow"
        if _size_bytes(outputs) > limit_bytes:
            return "much"
        time.sleep(_LOOK_S)
    return "much" if _size_bytes(outputs) > limit_bytes else ""


def _end(tool: "subprocess.Popen[bytes]") -> None:
    if tool.poll() is None:
        tool.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            tool.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(tool.pid, signal.SIGKILL)
    tool.wait()


def _size_bytes(paths: "list[Path]") -> int:
    return sum(path.stat().st_size for path in paths)


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()
