"""An executable that answers like a probe's tool did when it was recorded.

A call is answered by the first recorded call with the same arguments that has not been answered
yet; of paths only the file's name counts. A call that was not recorded is one clear error.
"""

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pytest_nrf_fota.probe.fault import ProbeFault
from pytest_nrf_fota.record.events import ToolCalled
from pytest_nrf_fota.recordings.read import Recording

# -I and -S: it is started for every call.
_SCRIPT = """#!{python} -IS
import json, os, signal, sys, time
from pathlib import PurePath, PurePosixPath
folder = {folder!r}

def plain(argument):
    if argument.startswith("{{"):
        request = json.loads(argument)
        return json.dumps({{k: plain(v) if isinstance(v, str) else v for k, v in request.items()}},
                          sort_keys=True)
    return PurePosixPath(argument).name if argument.startswith("/") else argument

arguments = sys.argv[1:]
wanted = [plain(argument) for argument in arguments]
with open(folder + "/calls.json") as file:
    calls = json.load(file)
used = folder + "/used"
answered = set(open(used).read().split()) if os.path.exists(used) else set()
for number, call in enumerate(calls):
    if call["arguments"] != wanted or str(number) in answered:
        continue
    with open(used, "a") as file:
        file.write(f"{{number}}\\n")
    for name, content in call["written"].items():
        texts = list(arguments)
        for argument in arguments:
            if argument.startswith("{{"):
                texts += [v for v in json.loads(argument).values() if isinstance(v, str)]
        for path in texts:
            if PurePosixPath(path).name == name:
                with open(folder + "/" + content, "rb") as source, open(path, "wb") as file:
                    file.write(source.read())
    for descriptor, name in ((1, call["stdout"]), (2, call["stderr"])):
        with open(folder + "/" + name, "rb") as source:
            data = source.read()
        while data:
            data = data[os.write(descriptor, data):]
    if call["ends"] == "never":
        time.sleep(3600)
    if call["ends"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(call["exit_code"])
with open(folder + "/unexpected", "a") as file:
    file.write(json.dumps(wanted) + "\\n")
sys.exit(99)
"""


class UnexpectedCallError(AssertionError):
    """The code calls the tool in a way that was not recorded."""


class PlayedTool:
    """The executable.

    Args:
        folder: a new folder for it.
        recording: has the outputs.
        calls: the tool's calls, by time.
    """

    def __init__(self, folder: Path, recording: Recording, calls: Sequence[ToolCalled]) -> None:
        folder.mkdir(parents=True)
        self.path = folder / "tool"
        self._folder = folder
        self._calls = [plain_arguments(call) for call in calls]
        rows: list[dict[str, object]] = []
        for number, call in enumerate(calls):
            names: list[str] = []
            contents = [call.stdout, call.stderr]
            written = [file for file in call.files if file.use == "written"]
            for place, kept in enumerate((*contents, *(file.content for file in written))):
                data = recording.content(kept)
                assert data is not None, f"call {number}: what it printed was not kept"
                names.append(f"{number}-{place}")
                (folder / names[-1]).write_bytes(data)
            file_names = (PurePosixPath(file.path).name for file in written)
            ends = {ProbeFault.TIMED_OUT.value: "never", ProbeFault.KILLED.value: "killed"}
            rows.append(
                {
                    "arguments": self._calls[-len(calls) + number],
                    "stdout": names[0],
                    "stderr": names[1],
                    "written": dict(zip(file_names, names[2:], strict=True)),
                    "ends": ends.get(call.fault, "itself"),
                    "exit_code": call.exit_code,
                }
            )
        (folder / "calls.json").write_text(json.dumps(rows))
        self.path.write_text(_SCRIPT.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(0o755)

    def require_expected(self) -> None:
        """Raise `UnexpectedCallError` with the nearest recorded call where one was not recorded."""
        noted = self._folder / "unexpected"
        if not noted.exists():
            return
        wanted = " ".join(json.loads(noted.read_text().splitlines()[0]))
        recorded = [" ".join(call) for call in self._calls]
        nearest = difflib.get_close_matches(wanted, recorded, 1, 0.0)
        raise UnexpectedCallError(
            f"The tool is called as it was not when this was recorded:\n  now:     {wanted}\n"
            f"  nearest: {nearest[0] if nearest else 'no call was recorded'}"
        )


def plain_arguments(call: ToolCalled) -> list[str]:
    """What a call was given, without the program, and of paths the name alone."""
    arguments = list(call.command[1:])
    if arguments[:1] == ["-m"]:
        arguments = arguments[2:]
    return [_plain(argument) for argument in arguments]


def _plain(argument: str) -> str:
    if argument.startswith("{"):
        request = json.loads(argument)
        plain = {k: _plain(v) if isinstance(v, str) else v for k, v in request.items()}
        return json.dumps(plain, sort_keys=True)
    return PurePosixPath(argument).name if argument.startswith("/") else argument
