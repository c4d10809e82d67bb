"""Processes that `fork_server.py` forks, where tests would start a Python."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

import pytest

from pytest_nrf_fota.providers.sim import SimUnit, kit_settings_json

# Where the server listens: what it forks asks the same one.
_SOCKET = "NRF_FOTA_TESTS_FORK_SERVER"
_START_TIMEOUT_S = 60.0


class Forked:
    """Of `subprocess.Popen` what `Pytester.run` and the virtual kit's provider use."""

    stdin: BinaryIO | None = None
    stdout: BinaryIO | None = None

    def __init__(
        self,
        run: str,
        arguments: Sequence[str],
        files: Sequence[int],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(_START_TIMEOUT_S)
        self._connection.connect(os.environ[_SOCKET])
        asked = {
            "run": run,
            "arguments": list(arguments),
            "folder": str(Path.cwd()),
            "environment": dict(environment),
        }
        line = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(self._connection, [line], files)
        self._connection.sendall(line[sent:])
        number = self._read_number()
        assert number, "the fork server ended before it forked; its output says why"
        self.pid = int(number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends; returns its exit code. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                # Without a number it was killed; by which signal only its parent knows.
                self.returncode = int(self._read_number() or -signal.SIGKILL)
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired("fork", timeout or 0.0) from error
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _read_number(self) -> bytes:
        number = b""
        while not number.endswith(b"\n"):
            byte = self._connection.recv(1)
            if not byte:
                return b""
            number += byte
        return number


@contextmanager
def fork_server(folder: Path) -> Iterator[None]:
    """Virtual kits and pytester's runs of pytest are forked from one process."""
    program = Path(__file__).with_name("fork_server.py")
    path = folder / "forks"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        number = listening.fileno()
        server = subprocess.Popen(
            [sys.executable, str(program), str(number)], stdin=subprocess.PIPE, pass_fds=[number]
        )
    assert server.stdin is not None
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(_SOCKET, str(path))
            use_forks(patch)
            yield
    finally:
        server.stdin.close()
        server.wait()


def use_forks(patch: pytest.MonkeyPatch) -> None:
    """Fork virtual kits in this process."""
    patch.setattr(SimUnit, "_start", _start_kit)


def start_for_pytester(
    command: Sequence[str], *, stdin: object, stdout: IO[str], stderr: IO[str]
) -> "Forked | subprocess.Popen[bytes]":
    """Start what `Pytester.run` wants to start: a fork for a pytest."""
    folders = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    if tuple(command[:2]) != (sys.executable, "-mpytest"):
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment
        )
    with Path(os.devnull).open() as nothing:
        files = [nothing.fileno(), stdout.fileno(), stderr.fileno()]
        return Forked("pytest", command[2:], files, environment)


def _start_kit(unit: SimUnit) -> Forked:
    read_stdin, write_stdin = os.pipe()
    read_stdout, write_stdout = os.pipe()
    files = (read_stdin, write_stdout, unit._kit_log.fileno())
    try:
        kit = Forked("kit", [kit_settings_json(unit._board)], files)
    finally:
        os.close(read_stdin)
        os.close(write_stdout)
    kit.stdin, kit.stdout = os.fdopen(write_stdin, "wb"), os.fdopen(read_stdout, "rb")
    return kit
