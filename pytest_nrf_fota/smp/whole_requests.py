"""smpclient's own transports for uploads that send several requests at once."""

from smpclient.transport import SMPTransport

from pytest_nrf_fota.smp.upload.link import UploadLink


class WholeRequests(SMPTransport):
    """Delegates to a transport of smpclient that queues answers and sends each request whole.

    Args:
        inner: such as its UDP or its serial transport.
        most_requests: how many may be on their way at once; None for as many as the server takes.
    """

    def __init__(self, inner: SMPTransport, most_requests: int | None = None) -> None:
        self._inner = inner
        self._link = UploadLink(most_requests=most_requests)

    async def connect(self, address: str, timeout_s: float) -> None:
        """Connect it."""
        await self._inner.connect(address, timeout_s)

    async def disconnect(self) -> None:
        """Disconnect it."""
        await self._inner.disconnect()

    async def send(self, data: bytes) -> None:
        """Send one SMP message."""
        await self._inner.send(data)

    async def send_part(self, part: bytes) -> None:
        """Send one request of an upload."""
        await self._inner.send(part)

    async def restart_reassembly(self) -> None:
        """Each request says where it begins: nothing has to be forgotten."""

    async def receive(self) -> bytes:
        """Receive one SMP message."""
        return bytes(await self._inner.receive())

    async def send_and_receive(self, data: bytes) -> bytes:
        """Send a message, receive the answer."""
        await self.send(data)
        return await self.receive()

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Tell it the server's buffer size."""
        self._inner.initialize(smp_server_transport_buffer_size)

    def upload_link(self) -> UploadLink:
        """Whole requests, no interval."""
        return self._link

    @property
    def mtu(self) -> int:
        """Its longest message in bytes, encoded."""
        return self._inner.mtu

    @property
    def max_unencoded_size(self) -> int:
        """Its longest message in bytes."""
        return self._inner.max_unencoded_size
