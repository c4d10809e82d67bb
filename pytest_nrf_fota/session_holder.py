"""What this process is to others that want its kit, and what it holds itself."""

import os
import platform
import sys
from typing import TYPE_CHECKING

import pytest
from _pytest.terminal import TerminalReporter

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_CONTROLLER_KEY = "nrf_fota_controller"


def introduce_controller(node: "WorkerController") -> None:
    """Tell a worker that is about to start which process claims kits for it."""
    node.workerinput[_CONTROLLER_KEY] = [platform.node(), os.getpid()]


def name_worker(config: pytest.Config) -> None:
    """In a worker, whose own command says nothing: its notes name the session's."""
    given: dict[str, list[str]] = getattr(config, "workerinput", {})
    if "mainargv" in given:
        from pytest_nrf_fota.farm.holder import COMMAND_VARIABLE, command_text

        os.environ[COMMAND_VARIABLE] = command_text(given["mainargv"])


def own_processes(config: pytest.Config) -> frozenset[int]:
    """Those that hold this session's kits until it ends, as far as this process knows them."""
    given: dict[str, tuple[str, int]] = getattr(config, "workerinput", {})
    host, controller = given.get(_CONTROLLER_KEY, ("", 0))
    # Started over SSH, a worker shares no process numbers with its controller.
    return frozenset({os.getpid(), controller} if host == platform.node() else {os.getpid()})


def tell_of_waiting(config: pytest.Config, text: str) -> None:
    """Say in the terminal why nothing happens, also where a test's output is captured."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    in_line = isinstance(reporter, TerminalReporter) and reporter._tw.width_of_current_line > 0
    begun = "\n" if in_line else ""
    line = f"{begun}nrf-fota: {text}"
    if capture is None:
        print(line, file=sys.stderr, flush=True)
        return
    with capture.global_and_fixture_disabled():
        print(line, file=sys.stderr, flush=True)
