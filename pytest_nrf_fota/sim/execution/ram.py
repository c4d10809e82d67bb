"""A chip's RAM, as its cores and their DMA see it."""

from pytest_nrf_fota.sim.execution.ends import GuestFaultError


class Ram:
    """RAM at an address; `content` is shared with every core that sees it."""

    def __init__(self, address: int, size_bytes: int) -> None:
        self.address = address
        self.content = bytearray(size_bytes)

    def read(self, address: int, size_bytes: int) -> bytes:
        """What a DMA reads. Raises `GuestFaultError` outside."""
        start = self._offset(address, size_bytes)
        return bytes(self.content[start : start + size_bytes])

    def write(self, address: int, data: bytes) -> None:
        """What a DMA writes. Raises `GuestFaultError` outside."""
        start = self._offset(address, len(data))
        self.content[start : start + len(data)] = data

    def _offset(self, address: int, size_bytes: int) -> int:
        start = address - self.address
        if start < 0 or start + size_bytes > len(self.content):
            raise GuestFaultError(f"DMA of {size_bytes} bytes at 0x{address:08x}, outside of RAM")
        return start
