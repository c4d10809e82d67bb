"""QSPI: the external flash, an MX25R6435F on the nRF5340 DK.

nRF5340 product specification, QSPI (READSTART, WRITESTART, ERASESTART by DMA, custom instructions);
Macronix MX25R6435F data sheet (RDID, RDSR, WRSR, WREN, RDP). READY comes at once; what an erase
takes passes on the kit's clock.
"""

from pytest_nrf_fota.sim.execution.ends import GuestFaultError
from pytest_nrf_fota.sim.execution.guest_time import GuestTime
from pytest_nrf_fota.sim.execution.peripheral import Peripheral
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash, FlashError, MemoryLayout

ACTIVATE, READSTART, WRITESTART, ERASESTART, DEACTIVATE = 0x000, 0x004, 0x008, 0x00C, 0x010
READY, ENABLE = 0x100, 0x500
READ_SRC, READ_DST, READ_CNT = 0x504, 0x508, 0x50C
WRITE_DST, WRITE_SRC, WRITE_CNT = 0x510, 0x514, 0x518
ERASE_PTR, ERASE_LEN = 0x51C, 0x520
_PSEL = range(0x524, 0x540)
XIPOFFSET, IFCONFIG0, XIPEN, IFCONFIG1, STATUS, DPMDUR = 0x540, 0x544, 0x54C, 0x600, 0x604, 0x614
ADDRCONF, CINSTRCONF, CINSTRDAT0, CINSTRDAT1, IFTIMING = 0x624, 0x634, 0x638, 0x63C, 0x640
_XIP_ENCRYPTION, _DMA_ENCRYPTION = range(0x560, 0x580), range(0x5A0, 0x5C0)
_READY_STATUS = 1 << 3
_ERASE_BYTES = {0: 4 * 1024, 1: 64 * 1024}
_ERASE_ALL = 2
_RDID, _RDSR, _WRSR, _WREN, _RDP, _RSTEN, _RST, _RDCR, _RDSFDP = (
    *(0x9F, 0x05, 0x01, 0x06, 0xAB, 0x66, 0x99, 0x15, 0x5A),
)
_ID = 0x1728C2
_SILENT = frozenset((_WREN, 0x04, _RDP, 0xB9, _RSTEN, _RST))
_CHIP_ERASE_S = 52.0


def make_qspi(flash: Flash, external: MemoryLayout, ram: Ram, time: GuestTime) -> Peripheral:
    """A QSPI with this memory behind it."""
    status_register = [0]

    def ready() -> None:
        qspi[READY] = 1

    def read() -> None:
        try:
            data = flash.read(external.start + qspi[READ_SRC], qspi[READ_CNT])
        except FlashError as error:
            raise GuestFaultError(f"QSPI read: {error}") from error
        ram.write(qspi[READ_DST], data)
        ready()

    def write() -> None:
        data = ram.read(qspi[WRITE_SRC], qspi[WRITE_CNT])
        try:
            flash.write(external.start + qspi[WRITE_DST], data)
        except FlashError as error:
            raise GuestFaultError(f"QSPI write: {error}") from error
        time.operate(external.word_write_s * (len(data) / 4))
        ready()

    def erase() -> None:
        length = qspi[ERASE_LEN]
        try:
            if length == _ERASE_ALL:
                flash.erase_memory(external.name, _CHIP_ERASE_S)
                time.operate(_CHIP_ERASE_S)
            else:
                size_bytes = _ERASE_BYTES[length]
                # The flash takes any address inside of a block.
                start = qspi[ERASE_PTR] // size_bytes * size_bytes
                flash.erase(external.start + start, size_bytes)
                time.operate(external.page_erase_s * (size_bytes // external.page_size_bytes))
        except (FlashError, KeyError) as error:
            raise GuestFaultError(f"QSPI erase: {error}") from error
        ready()

    def instruct(value: int) -> None:
        opcode = value & 0xFF
        if opcode == _RDID:
            qspi[CINSTRDAT0] = _ID
        elif opcode == _RDSR:
            qspi[CINSTRDAT0] = status_register[0]
        elif opcode == _RDCR:
            qspi[CINSTRDAT0] = 0
        elif opcode == _WRSR:
            status_register[0] = qspi[CINSTRDAT0] & 0xFC
        elif opcode not in _SILENT:
            raise GuestFaultError(f"QSPI, instruction 0x{opcode:02x} of the flash: not modelled")
        ready()

    qspi = Peripheral(
        "QSPI",
        tasks={
            ACTIVATE: ready,
            READSTART: read,
            WRITESTART: write,
            ERASESTART: erase,
            DEACTIVATE: lambda: None,
        },
        events=(READY,),
        registers={
            **dict.fromkeys(
                (
                    *(ENABLE, READ_SRC, READ_DST, READ_CNT, WRITE_DST, WRITE_SRC, WRITE_CNT),
                    *(ERASE_PTR, ERASE_LEN, XIPOFFSET, IFCONFIG0, XIPEN, DPMDUR, ADDRCONF),
                    *(CINSTRCONF, CINSTRDAT0, CINSTRDAT1, IFTIMING),
                ),
                0,
            ),
            **dict.fromkeys(_PSEL[::4], 0xFFFF_FFFF),
            IFCONFIG1: 0x0004_0480,
        },
        ranges=(_XIP_ENCRYPTION, _DMA_ENCRYPTION),
        readers={STATUS: lambda: _READY_STATUS | status_register[0] << 24},
        writers={CINSTRCONF: instruct},
    )
    return qspi
