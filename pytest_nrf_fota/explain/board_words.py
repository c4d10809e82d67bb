"""What remedies name of a board: the commands for its flash and its cores, its UART, addresses."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType

# Without a board, as on the nRF5340 DK (boards/nrf5340dk.toml; Zephyr
# boards/nordic/nrf5340dk/nrf5340_cpuapp_common.dtsi: `mx25r64: mx25r6435f@0`).
_DK_FLASH = "mx25r6435f@0"
_DK = {
    "erase_flash": f"flash erase {_DK_FLASH} 0 800000",
    "flash_node": "&mx25r64",
    "baudrate": "115200",
    "s0_fw_info": "0x8400",
    "first_key": "0xff8134",
    "recover": "`nrfjprog --recover --coprocessor CP_NETWORK`, then `nrfjprog --recover`",
}
# Behind the 0x200 bytes that S0's vector table is aligned to, and the table (sdk-nrf
# include/fw_info_bare.h).
_FW_INFO_OFFSET_BYTES = 0x400
# Behind addresses and number of keys (sdk-nrf include/bl_storage.h).
_FIRST_KEY_OFFSET_BYTES = 0x34
_OTHER_FLASH = {
    "erase_flash": "flash erase <device> 0 <size>",
    "flash_node": "&<label of the flash>",
}


def board_words(board: "BoardType | None") -> dict[str, str]:
    """Values by their name in the texts of rules and gates; those of the nRF5340 DK for None."""
    if board is None:
        return _DK
    words = {**_DK, "baudrate": str(board.console.baudrate)}
    flash = board.external_flash
    if flash is None or flash.shell_device != _DK_FLASH:
        words.update(_OTHER_FLASH)
    if flash is not None:
        words["erase_flash"] = f"flash erase {flash.shell_device} 0 {flash.size:x}"
    if board.soc.network is None:
        words["recover"] = "`nrfjprog --recover`"
    if board.slots.s0 is not None:
        words["s0_fw_info"] = f"{board.slots.s0.address + _FW_INFO_OFFSET_BYTES:#x}"
    if board.slots.provisioning_address is not None:
        words["first_key"] = f"{board.slots.provisioning_address + _FIRST_KEY_OFFSET_BYTES:#x}"
    return words
