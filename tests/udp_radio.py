"""smpclient's UDP transport to a port of a test's own."""

from smpclient.transport import SMPTransport
from smpclient.transport.udp import SMPUDPTransport

from pytest_nrf_fota.smp.whole_requests import WholeRequests


class _ToPort(SMPUDPTransport):
    """It has no other way to be told the port."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    async def connect(self, address: str, timeout_s: float, port: int = 0) -> None:
        """Connect to it."""
        await super().connect(address, timeout_s, self._port)


class UdpRadioTo:
    """A radio that reaches whoever listens on a port."""

    description = "UDP to a port of this test"

    def __init__(self, port: int) -> None:
        self._port = port

    def transport(self) -> SMPTransport:
        """A fresh one."""
        return WholeRequests(_ToPort(self._port))
