"""Peripherals, as the nRF5340's product specification has them; each test names the section."""

import pytest

from pytest_nrf_fota.sim.execution.ends import (
    Asleep,
    GuestFaultError,
    NotModelledError,
    Reset,
    Spinning,
)
from pytest_nrf_fota.sim.flash import CutMoment, OperationKind, PowerCut, PowerLostError
from tests.execution.chip_run import Chip, chip_with
from tests.execution.compiling import NETWORK
from tests.execution.conftest import Compile

NVMC, UICR, UARTE, QSPI, RTC, GPIO, RAM = range(7)
ERASED = "ffffffff"


@pytest.fixture
def program(compiled: Compile) -> bytes:
    return compiled("peripherals.c")


def _ran(program: bytes, case: int) -> Chip:
    chip = chip_with(program, case)
    assert isinstance(chip.run(), Asleep), chip.lines
    return chip


def test_nvmc_erases_a_page_by_a_write_and_clears_bits_only(program: bytes) -> None:
    """NVMC: Writing to flash, Erasing a page in flash."""
    chip = _ran(program, NVMC)
    assert chip.values == {
        **dict.fromkeys(("before", "erased", "erased_end", "erased_by_zero"), ERASED),
        "written": "ffff00ff",
        "cleared_only": "f0f000f",
        "kept": "f0f000f",
        "next_page": "9abcdef0",
        # Read by the instruction behind the store that flash took in part.
        "at_once": "3",
        "first_of_two": "1",
        "second_of_two": "31",
        "in_it_block": "5",
    }
    # Each store is one operation, also where its instruction ran twice.
    kinds = [operation.kind for operation in chip.flash.operations]
    assert (kinds.count(OperationKind.WRITE), kinds.count(OperationKind.ERASE)) == (13, 2)


def test_uicr_and_otp_survive_a_reset(program: bytes) -> None:
    """UICR: OTP is written once by halfwords."""
    chip = _ran(program, UICR)
    assert chip.values == {
        "uicr_before": ERASED,
        "otp_before": ERASED,
        "otp_half": "ffff1234",
        "uicr_after": "ffffff5a",
        "otp_after": "abcd1234",
        "otp_byte": "12",
    }
    chip.output.clear()
    assert isinstance(chip.run(), Asleep)
    assert chip.values["uicr_before"] == "ffffff5a"
    assert chip.values["otp_before"] == chip.values["otp_after"] == "abcd1234"


def test_uarte_sends_any_length(program: bytes) -> None:
    """UARTE: Transmission; ENDTX, TXSTARTED, TXSTOPPED as digits from the right."""
    assert _ran(program, UARTE).lines == [
        *("none 0", "length_0 111", "amount_0 0", "stopped 100"),
        *("ab3", "length_4 111", "amount_4 4", "inten 100", "interrupts 1"),
    ]


def test_qspi_commands_and_dma(program: bytes) -> None:
    """QSPI: Sending custom instructions, Writing, Reading, Erasing; the flash's data sheet."""
    assert _ran(program, QSPI).values == {
        "id": "1728c2",
        "status": "0",
        "quad": "40",
        "status_register": "40",
        **dict.fromkeys(("blank", "erased_4k", "erased_64k"), ERASED),
        "first": "150e0700",
        "last": "f9f2ebe4",
        "window": "150e0700",
        "cleared_only": "10000000",
        "next_4k": "150e0700",
        "next_64k": "f0f0f0f0",
    }


def test_rtc_wakes_by_its_interrupt(program: bytes) -> None:
    """RTC: Compare; and Arm's WFI, which PRIMASK does not hold."""
    assert _ran(program, RTC).values == {
        "stands": "0",
        "interrupts": "1",
        "count": "3e8",
        "masked": "1",
        "unmasked": "2",
        "circle": "fa0",
        "polled": "4",
        "cleared": "0",
        "stopped": "0",
    }


def test_gpio_pulls_and_drives(program: bytes) -> None:
    """GPIO: pin configuration."""
    assert _ran(program, GPIO).values == {
        **dict.fromkeys(("floating", "driven_low", "driven_low_again"), "0"),
        **dict.fromkeys(("pulled", "dir", "driven_high", "input_again"), "40"),
        "port_1": "4",
    }


def test_ram_survives_a_reset(program: bytes) -> None:
    chip = chip_with(program, RAM)
    assert [chip.run(), chip.run()] and chip.lines == ["count 1", "count 2"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (10, "0x00040000 without NVMC's CONFIG"),
        (11, "a store of 2 bytes to flash at 0x00040000"),
        (12, "a store of 1 bytes to flash at 0x00040000"),
        (13, "a store of 4 bytes to flash at 0x00040002"),
        (14, "a store of 2 bytes to flash at 0x00ff8102"),
        (15, "UICR is erased only with a full erase"),
        (16, "0x00ff8000 without NVMC's CONFIG"),
        (17, "0x00ff0100, which is read-only"),
        (21, "0x30000000, where no memory is"),
        (22, "Invalid instruction"),
        (24, "QSPI write: write of 4 bytes at 0x10010002 is not aligned"),
        (26, "QSPI read: no memory at"),
        (27, "DMA of 4 bytes at 0x00000100, outside of RAM"),
        (30, "instruction 0x35 of the flash"),
    ],
)
def test_what_faults_says_where(program: bytes, case: int, words: str) -> None:
    with pytest.raises(GuestFaultError) as caught:
        chip_with(program, case).run()
    assert words in str(caught.value)
    assert "(PC 0x00000" in str(caught.value) and "application core)" in str(caught.value)


@pytest.mark.parametrize(
    ("case", "block", "register"),
    [
        (18, "SERIAL0", "register 0x400 (read)"),
        (19, "SERIAL0", "register 0x404 (write of 0x5)"),
        (20, "an unknown peripheral", "register 0x5003a000"),
        (31, "NVMC", "register 0x508 (write of 0x40000)"),
        (32, "NVMC", "register 0x50c (write of 0x1)"),
        (33, "SERIAL0", "register 0xff4 (read)"),
    ],
)
def test_unknown_register_ends_the_run(
    program: bytes, case: int, block: str, register: str
) -> None:
    with pytest.raises(NotModelledError) as caught:
        chip_with(program, case).run()
    error = caught.value
    assert (error.block, error.register, error.core) == (block, register, "application")
    assert 0 < error.pc < len(program)


def test_register_that_is_polled_for_ever_ends_the_run(program: bytes) -> None:
    assert isinstance(chip_with(program, 23).run(), Spinning)


def test_reset_needs_its_key(program: bytes) -> None:
    """Arm: AIRCR.VECTKEY."""
    assert chip_with(program, 28).run() == Reset()
    assert isinstance(chip_with(program, 29).run(), Asleep)


def test_qspi_erases_the_block_around_an_address(program: bytes) -> None:
    """MX25R6435F: any address inside of a block names it."""
    chip = _ran(program, 25)
    addresses = [operation.address for operation in chip.flash.operations]
    assert addresses == list(range(0x1001_0000, 0x1002_0000, 0x1000))


@pytest.mark.parametrize("moment", CutMoment)
def test_power_cut_ends_the_run_at_its_operation(program: bytes, moment: CutMoment) -> None:
    for number in (1, 2, 5, 15):
        chip = chip_with(program, NVMC)
        chip.flash.power_cut = PowerCut(number, moment)
        with pytest.raises(PowerLostError):
            chip.run()
        assert len(chip.flash.operations) == number


def test_cores_signal_each_other(compiled: Compile) -> None:
    """IPC; RESET: NETWORK.FORCEOFF; NVMC of the network core."""
    chip = chip_with(
        compiled("ipc_application.c"), network=compiled("ipc_network.c", place=NETWORK)
    )
    assert isinstance(chip.run(), Asleep), chip.lines
    assert chip.values == {
        "held_off": "1",
        "started": "1",
        "received": "1",
        "answer": "2a",
        "started_again": "2",
        "polled": "2b",
        "others": "0",
    }
    flash = b"erased ffffffff\nnext_page 5\n"
    assert chip.network_output == b"start 1\n" + flash + b"start 2\n" + flash
    assert isinstance(chip.network_end, Asleep)


def test_cores_that_poll_each_other_go_on(compiled: Compile) -> None:
    chip = chip_with(
        compiled("ipc_application.c"), 1, network=compiled("ipc_network.c", place=NETWORK)
    )
    assert isinstance(chip.run(), Asleep), chip.lines
    assert chip.lines == ["polled a", "polled 14", "polled 1e"]
    assert isinstance(chip.network_end, Spinning)
