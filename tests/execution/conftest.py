"""Programs compiled once per process."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import pytest

from tests.execution.compiling import APPLICATION, Place, compile_program
from tests.execution.smpclient_builds import Build, nrf52832_build

Compile: TypeAlias = Callable[..., bytes]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Call it with names of sources, and with the core's place."""

    @cache
    def compile_once(*names: str, place: Place = APPLICATION) -> bytes:
        return compile_program(tmp_path_factory.mktemp("program"), names, place)

    return compile_once


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A real MCUboot for the nRF52832 DK, and two applications."""
    return nrf52832_build(tmp_path_factory.mktemp("duts"))
