"""Forks processes that tests start from one which has loaded what they use.

Run: python fork_server.py DESCRIPTOR, that of a socket which listens. Ends a moment after standard
input does.

Loading pytest, its plugins and this package is most of what a short run costs, and half of what a
virtual kit does. A fork is a process of its own as well, with its own folder, environment, files
and end. `forked.py` asks for them: one connection for each, with its three files and one JSON line;
the answers are its process id and its exit code. Nothing else follows where it was killed.
"""

import atexit
import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import socketserver
import sys
from importlib import import_module
from pathlib import Path

import pytest

_MODULES = (
    *("anyio.streams.tls", "imgtool.image", "regex", "rich.console", "smpclient.transport.bumble"),
    *(
        f"pytest_nrf_fota.{name}"
        for name in (
            *("plugin", "fixtures", "reporting", "session_units", "record.run", "farm.claims"),
            *("artifacts.choose", "artifacts.demo", "builds.given", "dut.dut", "dut.upgrade"),
            *("explain.explanation", "preflight.simulation", "providers.sim", "sim.process"),
            *("smp.bumble_transport", "smp.serial_over_console"),
        )
    ),
)
# pytest would rewrite the asserts of plugins, and says that for these it is too late.
_ALREADY_LOADED = "'-Wignore:Module already imported:pytest.PytestAssertRewriteWarning'"


class ForkServer(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Handles each connection in a fork."""

    # With as many running it would wait until one ends.
    max_children = 500

    def service_actions(self) -> None:
        """Collect forks that have ended, and end where whoever needs them is gone."""
        super().service_actions()
        readable, _, _ = select.select([0], [], [], 0)
        if readable and not os.read(0, 1):
            sys.exit()


class Fork(socketserver.BaseRequestHandler):
    """The life of one fork."""

    server: ForkServer
    request: socket.socket

    def handle(self) -> None:
        """Become what was asked for, and tell how that ended."""
        self.server.socket.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        line, files, _, _ = socket.recv_fds(self.request, 1 << 16, 3)
        while not line.endswith(b"\n"):
            line += self.request.recv(1 << 16)
        asked = json.loads(line)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        self.request.sendall(b"%d\n" % os.getpid())
        code = _RUNS[asked["run"]](asked["arguments"])
        with contextlib.suppress(OSError):
            self.request.sendall(b"%d\n" % code)


def _pytest(arguments: list[str]) -> int:
    os.environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} {_ALREADY_LOADED}"
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *arguments]
    sys.path[:0] = [str(Path.cwd()), *os.environ["PYTHONPATH"].split(os.pathsep)]
    import_module("forked").use_forks(pytest.MonkeyPatch())
    try:
        return int(pytest.console_main())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()


def _kit(arguments: list[str]) -> int:
    # Set by the module for the harness's side of the link, which a kit does not load.
    logging.getLogger("bumble").setLevel(logging.NOTSET)
    (settings_json,) = arguments
    import_module("pytest_nrf_fota.sim.process").run_kit_of_provider(settings_json)
    sys.stdout.flush()
    sys.stderr.flush()
    return 0


_RUNS = {"pytest": _pytest, "kit": _kit}


def main(listening: socket.socket) -> None:
    """Load and serve."""
    # Ctrl-C reaches it as well; whoever needs it ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _MODULES:
        import_module(name)
    gc.freeze()
    server = ForkServer(listening.getsockname(), Fork, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
