"""More than one board in one test: `dut_factory` takes another one each time it is called."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.session_board import other_board
from pytest_nrf_fota.session_farm import farm_radio, one_more_leased
from pytest_nrf_fota.session_holder import own_processes, tell_of_waiting
from pytest_nrf_fota.session_kits import (
    SessionKit,
    choice_of,
    fitting_kits_of,
    provider_with_kits,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.farm.claims import ClaimedKit
    from pytest_nrf_fota.farm.desk import KitChoice


class DutFactory:
    """Takes further boards for one test; all are given back with `close`.

    Args:
        config: of this session.
        board: the session's board type.
    """

    def __init__(self, config: pytest.Config, board: "BoardType") -> None:
        self._config = config
        self._board = board
        self._stack = ExitStack()
        self._opened: list[Dut] = []
        self._kits: list[tuple[BoardType, SessionKit]] = []

    @property
    def opened(self) -> "Sequence[Dut]":
        """Those that were taken so far."""
        return self._opened

    @property
    def kits(self) -> "Sequence[tuple[BoardType, SessionKit]]":
        """Kits among them and their types, also one that could not be opened, or was given back."""
        return self._kits

    def __call__(self, board: str | None = None, tag: str | None = None) -> "Dut":
        """Another board, with UART, SMP and SWD open; it is this test's until its end.

        Waits for a kit as long as `--wait-for-kit` says, and not at all without it: two tests that
        each hold a kit and want the other's end with an error.

        Args:
            board: its type; None takes the session's.
            tag: what it must have in the hardware map, or its place in the farm, as for
                `--board-tag`.

        Raises:
            InputError: there is no such board type, or no such tag can be.
            RigError: no kit fits, or others hold those that do, and who.
        """
        from pytest_nrf_fota.dut.dut import Dut
        from pytest_nrf_fota.providers.choose import take_unit
        from pytest_nrf_fota.record.recorder import FlightRecorder
        from pytest_nrf_fota.report.long_steps import show_steps_of
        from pytest_nrf_fota.report.session import run_folder, worker_name, worker_path

        board_type = self._board if board is None else other_board(self._config, board)
        kit = self._claimed(board_type, tag)
        if kit.is_claimed:
            self._kits.append((board_type, kit))
        name = f"{worker_name()}-{len(self._opened) + 2}"
        of_session = run_folder(self._config).recorder
        test = of_session.path
        folder = test.parent if test is not None else worker_path(self._config)
        recorder = FlightRecorder(of_session.secrets)
        show_steps_of(recorder, self._config)
        self._stack.callback(recorder.close)
        recorder.open(folder / name / "recorder.jsonl", name)
        unit = take_unit(board_type, name, folder / name, kit.serial_number, kit.radio, recorder)
        self._stack.callback(unit.release)
        dut = Dut(
            board_type,
            unit.name,
            unit.open_wires(recorder),
            recorder,
            runs_preflight=not self._config.getoption("nrf_fota_no_preflight"),
            skips_flash=self._config.getoption("nrf_fota_skip_flash"),
        )
        self._stack.callback(dut.close)
        self._opened.append(dut)
        return dut

    def close(self) -> None:
        """Close and give back all of them."""
        self._stack.close()

    def _claimed(self, board: "BoardType", tag: str | None) -> SessionKit:
        from pytest_nrf_fota.errors import InputError
        from pytest_nrf_fota.farm.kit_lock import use_kit
        from pytest_nrf_fota.farm.one_kit import kit_alone
        from pytest_nrf_fota.smp.host_radio import host_radio

        if provider_with_kits(board) is None:
            if tag is not None:
                raise InputError(
                    f"{board.name} is no kit of this host, and has no tags.",
                    where=f"dut_factory(tag={tag!r})",
                    next_step="Leave the tag out.",
                )
            return SessionKit(None, None)
        leased = one_more_leased(self._config, board, tag)
        if leased is not None:
            kit = leased.kit
            self._stack.callback(leased.give_back)
            self._stack.enter_context(
                kit_alone(
                    kit.serial_number,
                    wait_s=self._config.getoption("nrf_fota_wait_for_kit"),
                    on_wait=partial(tell_of_waiting, self._config),
                    may_be_quarantined=False,
                )
            )
            own = farm_radio(kit)
            return SessionKit(kit.serial_number, own, own is not None, is_claimed=True)
        one = _one_more_kit(self._config, board, tag)
        self._stack.callback(one.claim.release)
        self._stack.callback(use_kit(one.kit.serial_number).release)
        radio = host_radio(one.kit.radio) if one.kit.radio else None
        return SessionKit(one.kit.serial_number, radio, radio is not None, is_claimed=True)


def _one_more_kit(config: pytest.Config, board: "BoardType", tag: str | None) -> "ClaimedKit":
    """Claim another kit for a test that needs several. Raises `InputError`, `RigError`."""
    from pytest_nrf_fota.farm.claims import claim_kits
    from pytest_nrf_fota.farm.desk import NoKitError, quarantined_among, read_tag

    choice = choice_of(config)
    if tag is None:
        kits = fitting_kits_of(config, board, choice)
    else:
        test = f"dut_factory(tag={tag!r})"
        _require_map(choice, test)
        try:
            choice = replace(choice, tags=(*choice.tags, read_tag(tag)))
            kits = fitting_kits_of(config, board, choice)
        except NoKitError as error:
            next_step = f"Correct the test's {test}, or the map: {choice.map_file}"
            raise NoKitError(error.what, where=error.where, next_step=next_step) from error
    (claimed,) = claim_kits(
        kits,
        at_least=1,
        at_most=1,
        wait_s=config.getoption("nrf_fota_wait_for_kit"),
        on_wait=partial(tell_of_waiting, config),
        own_pids=own_processes(config),
        set_aside=quarantined_among,
    )
    return claimed


def _require_map(choice: "KitChoice", test: str) -> None:
    from pytest_nrf_fota.errors import InputError

    if choice.map_file is None:
        raise InputError(
            "Kits have tags in a hardware map only.",
            where=test,
            next_step="Give the map: --hardware-map=FILE; or leave the tag out.",
        )
