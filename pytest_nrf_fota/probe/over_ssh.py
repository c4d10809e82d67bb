"""Call a probe's tool on the host that the kit is plugged into, over SSH: files go there and back.

One connection for each call. OpenSSH's client decides who and how (ssh(1), ssh_config(5)): a key
without a passphrase or an agent, since nobody is there to be asked. The far side needs a Python 3,
which a host with a labgrid exporter has, and the tool on the PATH of its SSH sessions.
"""

import base64
import json
import shlex
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.probe import far_side
from pytest_nrf_fota.probe.command import (
    OUTPUT_LIMIT_BYTES,
    CommandResult,
    checked_result,
    run_command,
)
from pytest_nrf_fota.probe.fault import HostGoneError, ProbeFault, ProbeFaultError

_CONNECT_S = 10
# The host is taken for dead when it does not answer three questions.
_ASK_EVERY_S = 5
# Files and both outputs, packed; a read of the whole external flash as hex is below it.
_ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
_FILE_SUFFIXES = frozenset({".hex", ".bin", ".zip"})
_NO_COMMAND = 127


class _Answer(BaseModel):
    fault: Literal["", "missing", "slow", "much", "gone"]
    words: str = ""
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    files: dict[str, str] = {}


@dataclass(frozen=True)
class SshMachine:
    """A kit's host, as a place where a probe's tool is looked for.

    Args:
        host: as `ssh` takes it: a name of its configuration, or user@name.
    """

    host: str

    def which(self, program: str) -> Path | None:
        """Its name: whether it is there, its first call tells."""
        return Path(program)

    def package_version(self, name: str) -> str | None:
        """None: no Python package is used there."""
        del name
        return None

    def run(self, arguments: Sequence[str], deadline: Deadline) -> CommandResult:
        """Run a program there. Files that the arguments name are copied there and back.

        Raises:
            HostGoneError: the host does not answer.
            ProbeFaultError: as `run_command`.
        """
        if sys.platform == "win32":
            raise InputError(
                "A probe's tool is called over SSH from Linux and macOS only.",
                where=f"ssh {self.host}",
                next_step="Run pytest on the kit's host.",
            )
        where = f"on {self.host}: {shlex.join(arguments)}"
        names = {
            str(place): f"{place}{Path(text).suffix}"
            for place, text in enumerate(arguments)
            if place > 0 and Path(text).suffix in _FILE_SUFFIXES
        }
        with tempfile.TemporaryDirectory(prefix="nrf-fota-ssh-") as folder:
            request = Path(folder) / "request"
            request.write_bytes(_request(arguments, names, deadline))
            result = self._connect(request, deadline, where)
        answer = self._answer(result, where)
        self._require_call(answer, deadline, where)
        for place, name in names.items():
            if name in answer.files:
                path = Path(arguments[int(place)])
                path.write_bytes(_unpacked(answer.files[name]))
        return checked_result(
            CommandResult(
                command=where,
                exit_code=answer.exit_code,
                stdout=_unpacked(answer.stdout).decode("utf-8", errors="replace"),
                stderr=_unpacked(answer.stderr).decode("utf-8", errors="replace"),
            )
        )

    def _connect(self, request: Path, deadline: Deadline, where: str) -> CommandResult:
        ssh = (
            *("ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}"),
            *("-o", f"ServerAliveInterval={_ASK_EVERY_S}", "-o", "ServerAliveCountMax=3"),
            # The first line of the request is the program.
            *("--", self.host, "python3 -I -S -c 'import sys;exec(sys.stdin.buffer.readline())'"),
        )
        command = ("sh", "-c", 'exec "$@" < "$0"', str(request), *ssh)
        try:
            return run_command(command, deadline, output_limit_bytes=_ANSWER_LIMIT_BYTES)
        except ProbeFaultError as error:
            raise ProbeFaultError(
                error.fault, error.what, where=where, next_step=error.next_step
            ) from error

    def _answer(self, result: CommandResult, where: str) -> _Answer:
        line = result.stdout.strip().rpartition("\n")[2]
        try:
            if result.exit_code == 0:
                return _Answer.model_validate_json(line)
        except ValidationError:
            pass
        words = result.last_words or f"status {result.exit_code}"
        if result.exit_code == _NO_COMMAND:
            raise ProbeFaultError(
                ProbeFault.TOOL_MISSING,
                f"The kit's host {self.host} cannot run the probe's tool: {words}",
                where=where,
                next_step=f"Install Python 3 there, and OpenSSH's client here; `ssh {self.host} "
                "python3 --version` must work.",
            )
        raise HostGoneError(
            f"The kit's host {self.host} does not answer over SSH: {words}",
            where=where,
            next_step=f"`ssh -o BatchMode=yes {self.host} true` must work from here, without a "
            "question: is the host up, its name in ~/.ssh/config, its key known, yours accepted?",
        )

    def _require_call(self, answer: _Answer, deadline: Deadline, where: str) -> None:
        match answer.fault:
            case "":
                return
            case "missing":
                raise ProbeFaultError(
                    ProbeFault.TOOL_MISSING,
                    f"not on the PATH of {self.host}: {answer.words}",
                    where=where,
                    next_step=f"Install it on {self.host}, or put it on the PATH of its SSH "
                    f"sessions; `ssh {self.host} 'echo $PATH'` shows it.",
                )
            case "slow" | "gone":
                raise ProbeFaultError(
                    ProbeFault.TIMED_OUT,
                    f"The tool was not done after {deadline.allowed_s:g} s.",
                    where=where,
                )
            case "much":
                raise ProbeFaultError(
                    ProbeFault.BAD_OUTPUT,
                    f"The tool printed more than {OUTPUT_LIMIT_BYTES} bytes.",
                    where=where,
                )


def _request(arguments: Sequence[str], names: dict[str, str], deadline: Deadline) -> bytes:
    """The program as one line, and what it is to do as another."""
    program = base64.b64encode(Path(far_side.__file__).read_bytes()).decode()
    files = {
        name: base64.b64encode(zlib.compress(path.read_bytes())).decode()
        for place, name in names.items()
        if (path := Path(arguments[int(place)])).is_file()
    }
    asked = {
        "command": list(arguments),
        "names": names,
        "files": files,
        "timeout_s": deadline.remaining_s,
        "output_limit_bytes": OUTPUT_LIMIT_BYTES,
    }
    first = f"import base64;exec(base64.b64decode({program!r}));main()"
    return f"{first}\n{json.dumps(asked)}\n".encode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text)) if text else b""
