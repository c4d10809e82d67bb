"""Exceptions of a Cortex-M33 (Arm v8-M Architecture Reference Manual, Exception model)."""

import pytest

from pytest_nrf_fota.sim.execution.ends import Asleep, Spinning
from tests.execution.chip_run import Chip, chip_with
from tests.execution.conftest import Compile

MASKS, ORDER, STATE, THREADS, WAITS, WFI_BASEPRI, MASKED_CIRCLE, UNMASKED_CIRCLE, TABLE = range(9)


@pytest.fixture
def program(compiled: Compile) -> bytes:
    return compiled("exceptions.c", "context.S")


def _ran(program: bytes, case: int) -> Chip:
    chip = chip_with(program, case)
    assert isinstance(chip.run(), Asleep), chip.lines
    return chip


def test_interrupt_waits_for_its_mask_to_go(program: bytes) -> None:
    assert _ran(program, MASKS).values == {
        "unmasked": "la",
        "primask": "alb",
        "primask_msr": "alb",
        "faultmask": "alb",
        "both_masks": "alb",
        "basepri": "halb",
        "basepri_max_keeps": "40",
        "basepri_zero": "abhlc",
        "disabled": "alb",
        "faultmask_after_return": "0",
        "priority_bits": "e0",
    }


def test_priorities_order_and_nest_interrupts(program: bytes) -> None:
    assert _ran(program, ORDER).values == {
        "chained": "hloa",
        "nested": "(h)a",
        "same_priority": "()ha",
    }


def test_interrupted_code_finds_its_registers(program: bytes) -> None:
    values = _ran(program, STATE).values
    assert values == {
        **dict.fromkeys(("registers", "it_read", "it_unmasking", "it_svc", "stack", "float"), "0"),
        "taken": "l1l2l3ll",
        "float_taken": "ss",
        # FPCA and SFPA, bits 2 and 3 of CONTROL: a handler starts without, and gives them back.
        "fpca_before": "0",
        "fpca_after_none": "0",
        "fpca_in_handler": "0",
        "fpca_after": "c",
        "svc": "25",
    }


def test_pendsv_switches_threads_on_the_process_stack(program: bytes) -> None:
    # Each turn yields twice: once inside of the check of the registers.
    assert _ran(program, THREADS).values == {"threads": "ABABAB", "thread_control": "2"}


def test_waiting_ends_with_what_ends_it(program: bytes) -> None:
    assert _ran(program, WAITS).values == {
        "masked_wfi": "al",
        "wfe_after_sev": "a",
        "wfe_after_interrupt": "alb",
        "wfe_pending_is_event": "albcl",
        "last": "albcld",
    }


def test_basepri_keeps_wfi_asleep(program: bytes) -> None:
    assert _ran(program, WFI_BASEPRI).lines == ["sleeps "]


def test_circle_with_a_masked_interrupt_ends(program: bytes) -> None:
    assert isinstance(chip_with(program, MASKED_CIRCLE).run(), Spinning)


def test_circle_ends_with_an_interrupt(program: bytes) -> None:
    assert _ran(program, UNMASKED_CIRCLE).values == {"before": "", "after": "l"}


def test_vector_table_moves(program: bytes) -> None:
    assert _ran(program, TABLE).values == {"moved_table": "o"}
