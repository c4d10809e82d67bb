"""What NSIB makes of the provisioning data that it finds in OTP."""

import pytest

from pytest_nrf_fota import Dut, FirmwareSource, LineNotSeenError, Variant
from pytest_nrf_fota.firmware.provisioning import parse_provisioning

VERIFYING = "Verifying signature against key"
VERIFYING_S = 3.0
"""NSIB verifies at once what it chose."""
CHOICE = r"Attempting to boot from address 0x(?P<address>[0-9a-fA-F]+)\."


@pytest.mark.needs("nsib")
def test_older_provisioning_stops_board(dut: Dut, firmware: FirmwareSource) -> None:
    """A board that came from NCS 2.6 or before and was not recovered: its newer NSIB stops.

    OTP outlives a new NSIB, which panics at a key's word that its release does not know, whatever
    is signed with that key.
    Evidence: the key in OTP over SWD; NSIB's choice of a slot in the log, and no word of verifying
    it; with the provisioning data of its own release the same firmware runs.
    """
    release = dut.board.boot.release.nsib
    dut.flash(firmware.variant(Variant.BASELINE_OLDER_PROVISIONING))
    address = dut.board.slots.provisioning_address
    assert address is not None
    provisioned = parse_provisioning(dut.read_memory, address)
    assert provisioned is not None
    assert not release.key_words.is_provisioned(0, provisioned.keys[0].word)
    since = dut.start_reset()
    boot_s = dut.board.timeouts.boot_s
    chosen = dut.console.expect(CHOICE, since=since, within_s=boot_s, what="NSIB's choice")
    with pytest.raises(LineNotSeenError):
        dut.console.expect(VERIFYING, since=since, within_s=VERIFYING_S)
    s0 = dut.board.slots.s0
    assert s0 is not None
    assert 0 <= int(chosen["address"], 16) - s0.address < s0.size
    assert not dut.last_boot().reached_app
    assert dut.prepare(firmware.baseline).nsib_slot == 0
