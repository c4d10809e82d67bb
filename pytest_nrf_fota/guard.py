"""Run a command so that it cannot outlive the process that wanted it.

    python guard.py [--scratch-directory DIR] [--command-input FD] [--whole-group] -- COMMAND...

The caller keeps the write end of the guard's standard input. That pipe reaches its end when the
caller closes it, exits, or is killed in any way, SIGKILL included; the guard then ends COMMAND
(SIGTERM, and SIGKILL after a grace period) and exits. The same happens when the guard gets SIGTERM,
SIGINT or SIGHUP. It exits with COMMAND's status as soon as COMMAND ends by itself. With
--whole-group the processes that COMMAND started end with it, in both cases.

POSIX only, standard library only: it is also run by path with `-I -S`, without site-packages.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

TERMINATE_GRACE_S = 2.0
# The guard's status where the command could not be started, as a shell has it.
NOT_STARTED = 127
_STANDARD_INPUT = 0
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends or must end; returns its status as a shell would give it."""
    parser = argparse.ArgumentParser(prog="guard", description="Run a command under guard.")
    parser.add_argument(
        "--scratch-directory",
        help="made before the command starts (it must not exist yet), removed after it has ended",
    )
    parser.add_argument(
        "--command-input",
        type=int,
        default=subprocess.DEVNULL,
        help="descriptor that the command gets as its standard input, instead of none",
    )
    parser.add_argument(
        "--whole-group",
        action="store_true",
        help="the command leads a process group of its own, of which nothing is left",
    )
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    scratch_directory: str | None = options.scratch_directory
    wake_up = _wake_up_on_signals()
    if scratch_directory is not None:
        Path(scratch_directory).mkdir(mode=0o700)
    try:
        # close_fds=False: descriptors that the caller made inheritable belong to the command.
        with subprocess.Popen(
            options.command,
            stdin=options.command_input,
            close_fds=False,
            start_new_session=options.whole_group,
        ) as command:
            _wait_for_an_end(command, wake_up)
            _end(command)
            if options.whole_group:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(command.pid, signal.SIGKILL)
    except OSError as error:
        print(f"guard: {error}", file=sys.stderr)
        return NOT_STARTED
    finally:
        if scratch_directory is not None:
            shutil.rmtree(scratch_directory, ignore_errors=True)
    return 128 - command.returncode if command.returncode < 0 else command.returncode


def _wake_up_on_signals() -> int:
    """A descriptor that receives one byte, the signal's number, per signal of interest."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in (*_END_SIGNALS, signal.SIGCHLD):
        signal.signal(number, _let_the_wake_up_pipe_tell)
    return read_end


def _let_the_wake_up_pipe_tell(number: int, frame: FrameType | None) -> None:
    # A Python handler has to be set for set_wakeup_fd to report the signal.
    del number, frame


def _wait_for_an_end(command: subprocess.Popen[bytes], wake_up: int) -> None:
    while command.poll() is None:
        readable, _, _ = select.select([_STANDARD_INPUT, wake_up], [], [])
        if _STANDARD_INPUT in readable and not os.read(_STANDARD_INPUT, 4096):
            return
        if wake_up in readable:
            numbers = os.read(wake_up, 4096)
            if any(number in numbers for number in _END_SIGNALS):
                return


def _end(command: subprocess.Popen[bytes]) -> None:
    if command.poll() is not None:
        return
    command.terminate()
    try:
        command.wait(TERMINATE_GRACE_S)
    except subprocess.TimeoutExpired:
        command.kill()
        command.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
