"""pytest in processes that are forked from one which has loaded it.

`pytester` starts a new Python for each run, and most of what a short run costs is loading pytest,
its plugins and this package. A run here is a process of its own as well, with its own folder,
environment, output and end.
"""

import atexit
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import IO

import pytest

# pytest would rewrite the asserts of plugins, and says that for these it is too late.
_ALREADY_LOADED = "'-Wignore:Module already imported:pytest.PytestAssertRewriteWarning'"


class LoadedPytest:
    """One run of pytest: of `subprocess.Popen` what `Pytester.run` uses."""

    stdin = None

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdout: IO[str],
        stderr: IO[str],
    ) -> None:
        given = (list(arguments), Path.cwd(), dict(environment), stdout.name, stderr.name)
        self._process = get_context("forkserver").Process(target=_run, args=given)
        self._process.start()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends; returns its exit code. Raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("pytest", timeout or 0.0)
        return self._process.exitcode

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def prepare_forks() -> Callable[..., "LoadedPytest | subprocess.Popen[bytes]"]:
    """What `Pytester.run` is to start processes with."""
    forkserver.set_forkserver_preload(["loaded_modules"])
    return _start


def _start(
    command: Sequence[str], *, stdin: object, stdout: IO[str], stderr: IO[str]
) -> "LoadedPytest | subprocess.Popen[bytes]":
    folders = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    if tuple(command[:2]) == (sys.executable, "-mpytest"):
        return LoadedPytest(command[2:], environment, stdout, stderr)
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment
    )


def _run(
    arguments: list[str], folder: Path, environment: dict[str, str], stdout: str, stderr: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.environ["PYTEST_ADDOPTS"] = f"{environment.get('PYTEST_ADDOPTS', '')} {_ALREADY_LOADED}"
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *arguments]
    sys.path[:0] = [str(folder), *environment["PYTHONPATH"].split(os.pathsep)]
    try:
        sys.exit(pytest.console_main())
    finally:
        atexit._run_exitfuncs()
